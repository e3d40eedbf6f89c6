"""What follows the sample is found by sums, spectra and noise; what is honest is not."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, uniform_filter1d

from napari_superres import Image
from napari_superres.evaluation.consistency import check_consistency
from napari_superres.evaluation.consistency.copied import copied_noise
from napari_superres.evaluation.consistency.kept import kept_detail
from napari_superres.evaluation.consistency.patterns import find_pattern
from napari_superres.evaluation.consistency.sums import denied_by_sums

EDGE = 256
Y, X = np.mgrid[:EDGE, :EDGE]


def sample(seed=1):
    """Return objects of several sizes on a background, as a denoised result shows them."""
    random = np.random.default_rng(seed)
    values = np.full((EDGE, EDGE), 50.0)
    for sigma, count in ((2.0, 300), (4.0, 60), (10.0, 12)):
        points = np.zeros((EDGE, EDGE))
        points[tuple(random.integers(0, EDGE, (2, count)))] = random.uniform(200, 400, count) * sigma**2
        values += gaussian_filter(points, sigma)
    return values


def image(values, size=0.1):
    return Image.from_array(values.astype(np.float32), "YX", pixel_size=size)


def binned(values):
    return values.reshape(EDGE // 2, 2, EDGE // 2, 2).mean(axis=(1, 3))


@pytest.fixture(scope="module")
def recording():
    low = binned(sample())
    return image(low + np.random.default_rng(2).normal(size=low.shape) * np.sqrt(low), 0.2)


def brighter_object(values):
    return values * (1 + 0.25 * np.exp(-((Y - 128) ** 2 + (X - 128) ** 2) / (2 * 8**2)))


def gain_field(values):
    return values * (1 + 0.1 * np.cos(np.pi * Y / EDGE) * np.cos(2 * np.pi * X / EDGE))


def lesion(values):
    return values + 60 * (np.hypot(Y - 60, X - 200) < 8)


def step(values):
    return values * np.where(X > 161, 1.04, 1.0)


@pytest.mark.parametrize("lie", [brighter_object, gain_field, lesion, step])
def test_windows_sum_up_to_what_the_input_has(recording, lie):
    found = denied_by_sums(check_consistency(image(lie(sample())), recording), recording)
    assert found.score > 5
    assert list(found.index) == ["Y", "X"]


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v,
        lambda v: gaussian_filter(v, 0.7),
        lambda v: v + 0.5 * (v - gaussian_filter(v, 1)),
        lambda v: 3 * v + 100,
    ],
    ids=["denoised", "a little blurred", "sharpened", "gain and offset"],
)
def test_restoration_does_not_change_sums(recording, change):
    assert denied_by_sums(check_consistency(image(change(sample())), recording), recording).score < 5


def test_holes_are_left_out_of_sums(recording):
    values = sample()
    values[40:90, 100:150] = np.nan
    assert denied_by_sums(check_consistency(image(values), recording), recording).score < 5


def test_blur_along_a_line_is_seen(recording):
    kept = kept_detail(check_consistency(image(uniform_filter1d(sample(), 7, axis=1)), recording), recording)
    assert kept.direction == "along X"
    assert kept.share < 0.8
    assert kept_detail(check_consistency(image(sample()), recording), recording).share > 0.9


@pytest.mark.parametrize("period", [13.0, 3.3, 2.0])
def test_waves_of_any_period_are_seen(period):
    base = sample()[None]
    wave = 0.03 * np.sin(2 * np.pi * X / period + 0.8)
    found = find_pattern(base * wave, base, (2, 2), 0.0)
    assert found.peak > 28
    assert found.period[1] == pytest.approx(period, rel=0.05)


def test_waves_of_the_sample_are_its_own():
    """A restored lattice is stronger than the interpolated one, and has harmonics."""
    wave = np.sin(2 * np.pi * X / 8) * np.sin(2 * np.pi * Y / 8)
    base = (500 + 100 * wave)[None] + np.random.default_rng(3).normal(size=(1, EDGE, EDGE))
    restored = 500 + 200 * wave + 20 * wave**2 + 20 * wave**3
    found = find_pattern(restored - base, base, (2, 2), 0.0)
    assert found.periodic
    assert found.peak < 28
    board = find_pattern(restored - base + 5 * np.sin(2 * np.pi * X / 3), base, (2, 2), 0.0)
    assert board.peak > 28


def test_half_a_grey_level_is_no_pattern():
    base = sample()[None]
    difference = 0.2 * np.sin(np.pi * X + 0.8) + np.random.default_rng(4).normal(size=base.shape) * 0.01
    assert find_pattern(difference, base / 100, (2, 2), 1.0).peak == 0
    assert find_pattern(difference, base / 100, (2, 2), 0.0).peak > 28


def test_a_copy_is_known_by_the_noise_of_the_reference():
    values = sample()
    reference = values + np.random.default_rng(5).normal(size=values.shape) * 10
    own = values + np.random.default_rng(6).normal(size=values.shape) * 3
    assert copied_noise(own[None], reference[None]).share < 0.2
    assert copied_noise(reference[None], reference[None]).share > 0.9
    part = own.copy()
    part[40:100, 60:120] = reference[40:100, 60:120]
    found = copied_noise(part[None], reference[None])
    assert found.share > 0.6
    assert 40 < found.place[1] < 100
    frequency = np.hypot(np.fft.fftfreq(EDGE)[:, None], np.fft.rfftfreq(EDGE))
    low = np.fft.irfft2(np.where(frequency < 0.41, np.fft.rfft2(reference), 0), s=values.shape)
    assert copied_noise(low[None], reference[None]).share > 0.6


def test_without_noise_of_its_own_nothing_is_copied():
    """A sharp checkerboard has edges at all frequencies, which every result of it shares."""
    squares = 100.0 + 100.0 * ((X // 32 + Y // 32) % 2)
    assert copied_noise(gaussian_filter(squares, 1)[None], squares[None]) is None
    reference = sample() + np.random.default_rng(5).normal(size=squares.shape) * 10
    assert copied_noise(gaussian_filter(reference, 3)[None], reference[None]) is None
