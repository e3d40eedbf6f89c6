"""The error of a shift is known: it covers the truth, and where it exceeds the shift there is no verdict."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from napari_superres import Image
from napari_superres.evaluation.registration.register import register
from napari_superres.evaluation.registration.shifts import find_shift, smooth_channels
from napari_superres.evaluation.reporting import questions


def texture(edge=128, seed=0, width=2.5):
    values = gaussian_filter(np.random.default_rng(seed).normal(size=(edge, edge)), width, mode="wrap")
    return values / values.std()


def image(values, axes="YX"):
    return Image.from_array(values, axes, pixel_size=0.1)


def noisy_pair(seed, noise, by=(0.0, 0.0), edge=128):
    random = np.random.default_rng(1000 + seed)
    scene = texture(edge, seed)
    moved = shift(scene, by, order=5, mode="grid-wrap")
    return [v + noise * random.normal(size=v.shape) for v in (moved, scene)]


@pytest.mark.parametrize("noise", [0.2, 1.0, 4.0])
def test_errors_are_as_large_as_they_are_said_to_be(noise):
    off = []
    for seed in range(12):
        by = np.random.default_rng(seed).uniform(-0.4, 0.4, 2)
        fixed, moving = smooth_channels(*(image(v) for v in noisy_pair(seed, noise, by)))[0]
        found = find_shift(fixed, moving)
        off += list((found.pixels - by) / np.sqrt(np.diag(found.covariance)))
    assert 0.7 < np.sqrt(np.mean(np.square(off))) < 1.4


def test_the_error_grows_with_noise_and_shrinks_with_the_field():
    def error(noise, edge):
        return np.mean([register(*map(image, noisy_pair(s, noise, edge=edge))).error for s in range(4)])

    assert error(1.0, 128) == pytest.approx(2 * error(1.0, 256), rel=0.35)
    assert error(2.0, 128) > 1.5 * error(1.0, 128)


def test_dim_tiles_of_an_honest_result_are_never_called_shifted():
    states = []
    for seed in range(12):
        pair = [image(v) for v in noisy_pair(seed, 6.0, edge=64)]
        found = register(*pair)
        states.append(questions.place({"": found}, "").state)
        assert not any(found.pixels) or np.hypot.reduce(found.pixels) > 2 * found.error
    assert "yes" not in states, "their position is not known either"


def test_a_shift_that_is_known_is_still_found():
    found = register(*map(image, noisy_pair(0, 1.0, (0.0, 2.0))))
    answer = questions.place({"": found}, "")
    assert answer.state == "no"
    assert found.error < 0.1
    assert "known to" in answer.reason


@pytest.mark.parametrize("period", [8, 12.5])
def test_periodic_structures_are_not_registered_to_the_opposite_phase(period):
    x = np.arange(128)
    wave = np.cos(2 * np.pi * x / period)
    grid = wave[:, None] + wave + 0.3 * texture(seed=5)
    dim = shift(grid, (0.4, -0.3), order=5, mode="grid-wrap")
    for other in (dim, 5 * dim + 3):
        found = register(image(other), image(grid))
        assert found.pixels == pytest.approx((0.4, -0.3), abs=0.05)


def test_inverted_contrast_is_no_shift():
    """Magnitudes of the correlation would be largest where the contrast is opposite."""
    scene = texture()
    found = register(image(-scene), image(scene))
    assert found.correlation < 0.9


def test_along_a_line_no_shift_is_known():
    rows = np.zeros((128, 128)) + np.sin(np.arange(128) / 6)
    random = np.random.default_rng(0)
    found = register(*(image(rows + 0.05 * random.normal(size=rows.shape)) for _ in range(2)))
    assert questions.place({"": found}, "").state == "not measurable"


@pytest.mark.parametrize("blank", [[2], [1, 2, 3], [0, 2, 4]])
def test_empty_frames_do_not_refuse_a_movie(blank):
    scene = texture()
    movie = np.stack([scene] * 5)
    away = np.stack([shift(scene, (0.0, 1.5), order=5, mode="grid-wrap")] * 5)
    movie[blank], away[blank] = 7.0, 7.0
    found = register(image(away, "TYX"), image(movie, "TYX"))
    assert found.pixels == pytest.approx((0, 1.5), abs=0.02)


def test_no_shift_is_claimed_along_the_lines_of_a_grating():
    """Two recordings of stripes, not shifted: along the stripes, only noise could say where they are."""
    y, x = np.mgrid[:192, :192]
    stripes = 2000 + 1500 * np.sin(2 * np.pi * (x + 0.2 * y) / 7)
    for seed in range(3):
        first, second = (stripes + np.random.default_rng([seed, k]).normal(size=x.shape) * 150 for k in (0, 1))
        found = register(*(Image.from_array(v.astype(np.float32), "YX", pixel_size=0.1) for v in (first, second)))
        assert np.hypot(*found.pixels) < 0.1
        assert questions.place({"": found}, "").state == "not measurable"
    across = Image.from_array(np.roll(second, 2, axis=1).astype(np.float32), "YX", pixel_size=0.1)
    moved = register(Image.from_array(second.astype(np.float32), "YX", pixel_size=0.1), across)
    assert questions.place({"": moved}, "").state == "no"


def test_a_periodic_sample_lies_at_the_nearest_of_its_periods():
    y, x = np.mgrid[:192, :192]
    lattice = 1000 + 300 * np.sin(2 * np.pi * x / 8) * np.sin(2 * np.pi * y / 8)
    images = [lattice + np.random.default_rng(k).normal(size=x.shape) * 30 for k in (0, 1)]
    found = register(*(Image.from_array(v.astype(np.float32), "YX", pixel_size=0.1) for v in images))
    assert np.hypot(*found.pixels) < 0.1
