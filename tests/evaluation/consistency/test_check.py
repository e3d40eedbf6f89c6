"""Consistency with the input: known optics, what is flagged, and what cannot be seen."""

import numpy as np
import pytest
from scipy.fft import dctn, idctn
from scipy.ndimage import gaussian_filter

from napari_superres.core.binning import bin_mean
from napari_superres.core.grid import downscale_affine
from napari_superres.core.image import Image
from napari_superres.degradation.optics import blur
from napari_superres.errors import EvaluationError, SettingsError
from napari_superres.evaluation.consistency import check_consistency
from napari_superres.evaluation.consistency.spectral_degradation import degrade_spectrum

SIZE = 512


def points(seed=1, shape=(SIZE, SIZE), count=200):
    random = np.random.default_rng(seed)
    scene = np.zeros(shape)
    scene[tuple(random.integers(6, n - 6, count) for n in shape)] = random.uniform(500, 1500, count)
    return gaussian_filter(scene, 1.0)


def recorded(scene, *, sigma=1.8, factor=4, noise=2.0, seed=2):
    """As a camera of gain 5 and offset 100 sees it."""
    light = bin_mean(gaussian_filter(scene, sigma * factor), (factor, factor)) * 5 + 100
    return light + noise * np.random.default_rng(seed).normal(size=light.shape)


def check(result, lr, axes="YX", **options):
    return check_consistency(Image.from_array(result, axes), Image.from_array(lr, axes), **options)


def said(found, text):
    return any(text in note for note in found.notes)


@pytest.mark.parametrize("factor", [(2, 2, 2), (4, 4, 1), (3, 5, 2), (1, 6, 8)])
def test_the_cosine_transform_blurs_and_bins_as_pixels_do(factor):
    values = np.random.default_rng(0).random((48, 60, 24)) + 3
    spectrum = dctn(values, norm="ortho")
    for sigma, tolerance in ((0.0, 1e-12), (1.5, 1e-5)):
        wide = [sigma * m if m > 1 else 0 for m in factor]
        expected = bin_mean(blur(values, wide), factor)
        assert np.abs(idctn(degrade_spectrum(spectrum, factor, sigma), norm="ortho") - expected).max() < tolerance


def test_optics_and_camera_are_found():
    scene = points()
    found = check(scene, recorded(scene, noise=0))
    assert found.psf_sigma == pytest.approx(1.8, rel=0.01)
    assert found.gain == pytest.approx(5.0, rel=0.01)
    assert found.offset == pytest.approx(100.0, rel=0.01)
    assert found.rsp == pytest.approx(1.0, abs=1e-6)
    assert found.rse < 2e-3
    assert found.noise is None, "no noise was added"
    assert np.isnan(found.outside)
    assert np.isnan(found.rse_in_sigmas)
    assert np.isnan(found.residual.data).all()
    assert said(found, "sigmas are not measurable")


def test_noise_alone_is_one_sigma():
    scene = points()
    found = check(scene, recorded(scene))
    assert found.psf_sigma == pytest.approx(1.8, rel=0.01)
    assert found.gain == pytest.approx(5.0, rel=0.01)
    assert found.rse == pytest.approx(2.0, rel=0.02)
    assert found.rse_in_sigmas == pytest.approx(1.0, abs=0.1)
    assert found.outside < 0.01
    assert abs(found.whiteness) < 3 / np.sqrt(found.residual.data.size)
    assert np.nanstd(found.residual.data) == pytest.approx(found.rse_in_sigmas, rel=1e-3)


def test_photon_noise_grows_with_brightness():
    random = np.random.default_rng(5)
    scene = gaussian_filter(points(shape=(768, 768), count=3000), 3) * 100 + 0.5
    photons = bin_mean(gaussian_filter(scene, 4), (2, 2))
    lr = 2 * random.poisson(photons) + random.normal(100, 3, photons.shape)
    found = check(scene, lr.round().astype(np.uint16))
    assert found.noise[0] == pytest.approx(2.0, rel=0.1)
    assert found.rse_in_sigmas == pytest.approx(1.0, abs=0.1)
    assert found.outside < 0.01
    assert not said(found, "highest value")
    level = np.quantile(lr, 0.97)
    assert said(check(scene, np.minimum(lr, level).round().astype(np.uint16)), "highest value")


def test_added_structure_stands_out_where_it_is():
    scene = points()
    lr = recorded(scene)
    clean, added = check(scene, lr), scene.copy()
    added[100:106, 140:146] += 200
    found = check(added, lr)
    peak = np.unravel_index(np.nanargmax(found.residual.data), lr.shape)
    assert np.abs(np.subtract(peak, (25.25, 35.25))).max() <= 1
    assert np.nanmax(found.residual.data) > 10
    assert found.outside > 2 * clean.outside
    assert found.rsp < clean.rsp - 0.02


def test_deleted_structure_is_negative_where_it_was():
    scene = points()
    lr = recorded(scene)
    clean, deleted = check(scene, lr), scene.copy()
    deleted[200:240, 240:280] = 0
    found = check(deleted, lr)
    row, column = np.unravel_index(np.nanargmin(found.residual.data), lr.shape)
    assert 48 <= row <= 61
    assert 58 <= column <= 71
    assert np.nanmin(found.residual.data) < -6
    assert found.outside > 1.5 * clean.outside


def test_intensities_that_are_not_linear_are_flagged():
    scene = points()
    lr = recorded(scene)
    clean, squared = check(scene, lr), check(scene**2, lr)
    assert squared.rsp < clean.rsp - 0.01
    assert squared.outside > 3 * clean.outside
    assert squared.whiteness > 0.1


def test_a_doublet_in_place_of_a_line_is_not_seen():
    """The blindness that the notes state: below the point-spread function, input and result agree whatever is there."""
    line, doublet = np.zeros((2, SIZE, SIZE))
    line[:, 256] = 400
    doublet[:, [254, 258]] = 200
    lr = recorded(line)
    true, wrong = check(line, lr), check(doublet, lr)
    assert wrong.rsp == pytest.approx(true.rsp, abs=1e-4)
    assert wrong.rse_in_sigmas == pytest.approx(true.rse_in_sigmas, abs=1e-3)
    assert wrong.outside <= true.outside + 1e-4
    assert said(wrong, "a doublet passes for a line")


def test_declared_numbers_are_kept_and_a_wrong_one_shows():
    scene = points()
    lr = recorded(scene)
    found = check(scene, lr, psf_sigma=1.8, gain=5, offset=100)
    assert (found.psf_sigma, found.gain, found.offset) == (1.8, 5, 100)
    assert found.rse == pytest.approx(2.0, rel=0.02)
    assert check(scene, lr, offset=100).gain == pytest.approx(5.0, rel=0.01)
    assert check(scene, lr, gain=5).offset == pytest.approx(100, abs=0.1)
    assert check(scene, lr, psf_sigma=0.5).outside > 0.05
    assert check(scene, lr, offset=120, gain=5).rse > 15


def test_interpolation_needs_no_blur():
    random = np.random.default_rng(0)
    lr = gaussian_filter(random.normal(size=(128, 128)), 1.5) * 100 + random.normal(size=(128, 128)) + 500
    found = check(lr.repeat(2, 0).repeat(2, 1), lr)
    assert found.psf_sigma == 0
    assert found.gain == pytest.approx(1.0)
    assert found.rse < 1e-9
    assert np.isnan(found.whiteness), "nothing differs"


@pytest.mark.parametrize(("factor", "edge"), [(2, 0.25), (3, 1 / 6), (4, 0.125)])
def test_frequencies_beyond_the_input_are_invented(factor, edge):
    """Two waves, one of which the input's pixels could hold: energies as their amplitudes squared."""
    size, low = 240, recorded(np.zeros((240, 240)), factor=factor, noise=1)
    x = np.arange(size) + 0.5
    coarse, fine = np.cos(2 * np.pi * 0.05 * x), np.cos(2 * np.pi * 0.4 * x)
    scene = (2 * coarse + fine)[None] * np.ones((size, 1))
    found = check(scene, low + bin_mean(scene, (factor, factor)), psf_sigma=0)
    assert found.invented == pytest.approx(1 / 5, rel=1e-6)
    assert sum(band.energy for band in found.bands) == pytest.approx(1.0)
    assert any(band.high == pytest.approx(edge) for band in found.bands)
    assert found.bands[-1].high == 0.5
    held = next(band for band in found.bands if band.low <= 0.05 < band.high)
    # What binning takes from the wave, and the fold of the other one, interpolation does not give back.
    assert held.energy == pytest.approx(4 / 5, rel=1e-6)
    assert held.invented < 0.05
    assert all(b.invented == pytest.approx(1.0) for b in found.bands if b.low > edge - 1e-9 and b.energy > 1e-9)


@pytest.mark.parametrize("factor", [(2, 1, 1), (1, 2, 2), (3, 2, 2)])
def test_volumes(factor):
    scene = gaussian_filter(np.random.default_rng(3).random((24, 64, 64)) ** 8, 1) * 1000
    lr = bin_mean(blur(scene, [1.2 * m if m > 1 else 0 for m in factor]), factor) * 3 + 50
    found = check(scene, lr, "ZYX")
    assert found.psf_sigma == pytest.approx(1.2, rel=0.01)
    assert found.gain == pytest.approx(3.0, rel=0.01)
    assert found.rse < 0.01
    assert found.residual.shape == lr.shape
    wrong = scene.copy()
    wrong[12:15, 30:36, 30:36] += 100
    assert check(wrong, lr, "ZYX").rse > 20 * found.rse


def test_frames_and_channels():
    frames = np.stack([points(), 2 * points(), points(7)])
    lr = np.stack([recorded(f, seed=i) for i, f in enumerate(frames)])
    both, seen = np.stack([frames, frames]), np.stack([lr[:, ::-1], lr])
    found = check(both, seen, "CTYX", channel=1)
    assert found.gain == pytest.approx(5.0, rel=0.01)
    assert found.outside < 0.01
    assert found.residual.axes == "TYX"
    assert found.residual.shape == lr.shape
    other = check(both, seen, "CTYX", channel=0)
    assert other.rsp < 0.5
    frames[1, 100:106, 140:146] += 200
    added = check(frames, lr, "TYX")
    assert np.unravel_index(np.nanargmax(added.residual.data), lr.shape)[0] == 1


def test_large_images_are_fitted_where_there_is_something():
    """Only a part is fitted, and all is measured."""
    scene = np.zeros((1200, 1200))
    scene[:80, :80] = points(shape=(80, 80), count=12)
    found = check(scene, recorded(scene, noise=0.1))
    assert found.psf_sigma == pytest.approx(1.8, rel=0.01)
    assert found.gain == pytest.approx(5.0, rel=0.01)
    assert found.residual.shape == (300, 300)


def test_the_residual_lies_on_the_input_and_fields_are_cut_to_what_both_show():
    scene = points()
    lr = recorded(scene)
    fine = Image.from_array(scene, "YX", pixel_size=0.1, origin=(3, 4))
    coarse = Image(lr, "YX", downscale_affine(fine.affine, (4, 4)), fine.units)
    found = check_consistency(fine, coarse)
    assert np.allclose(found.residual.affine, coarse.affine)
    part = Image.from_array(scene[40:, :480], "YX", pixel_size=0.1, origin=(7, 4))
    cut = check_consistency(part, coarse)
    assert cut.residual.shape == (118, 120)
    assert np.allclose(cut.residual.origin, (coarse.origin[0] + 4, coarse.origin[1]))
    assert cut.rse == pytest.approx(2.0, rel=0.06), "light from beyond the cut is missing"
    assert said(cut, "outside the common field")
    bare = [i.replace(affine=Image.from_array(i.data, "YX", pixel_size=i.pixel_size).affine) for i in (fine, coarse)]
    assert check_consistency(*bare).rse == pytest.approx(found.rse)
    assert said(check_consistency(*bare), "no recorded origin")


def test_pixels_that_are_not_finite_are_left_out():
    scene = points()
    lr = recorded(scene)
    holes, seen = scene.copy(), lr.copy()
    holes[:100, :100], seen[60, 70], seen[100:102] = np.nan, np.nan, np.inf
    found = check(holes, seen)
    assert found.psf_sigma == pytest.approx(1.8, rel=0.01)
    assert found.outside < 0.01
    missing = np.isnan(found.residual.data)
    assert missing[:25, :25].all()
    assert missing[60, 70]
    assert missing[100:102].all()
    assert not missing[31:60].any(), "but where light of the hole reaches"
    assert said(found, f"{missing.sum()} input pixels were left out")


def test_inverted_contrast_has_no_negative_gain():
    scene = points()
    found = check(-scene, recorded(scene))
    assert found.gain > 0
    assert found.rsp < 0
    assert found.outside > 0.1
    assert said(found, "contrast is inverted")


def test_inputs_too_small_or_too_flat_for_a_noise_estimate():
    scene = points(shape=(64, 64), count=8)
    found = check(scene[:32, :32], recorded(scene)[:8, :8])
    assert found.noise is None
    assert said(found, "sigmas are not measurable")
    random = np.random.default_rng(0)
    flat = np.full((192, 192), 50.0)
    flat[100:150, 100:150] += random.normal(size=(50, 50))
    flat[:2, 0] = 0, 100
    found = check(random.normal(size=(384, 384)), flat)
    assert found.noise is None, "noise in one place and none around it is structure"
    assert said(found, "but no noise")


def test_images_that_cannot_be_compared():
    scene = points()
    lr = recorded(scene)
    for result, seen, text in (
        (scene[:128, :128], lr, "finer than its input"),
        (scene[:510], lr, "finer than its input"),
        (scene[:24, :24], lr[:6, :6], "at least 8 input pixels"),
        (scene, np.full_like(lr, 0.1), "input must have contrast"),
        (scene, lr * np.nan, "input must have contrast"),
        (scene * 0 + 0.1, lr, "result, degraded again, is constant"),
        (np.indices((SIZE, SIZE)).sum(0) % 2, lr, "result, degraded again, is constant"),
    ):
        with pytest.raises(EvaluationError, match=text):
            check(result, seen)
    with pytest.raises(EvaluationError, match="only the input has C"):
        check_consistency(Image.from_array(scene, "YX"), Image.from_array(np.stack([lr, lr]), "CYX"))
    with pytest.raises(EvaluationError, match="as many elements along T"):
        check(np.stack([scene] * 2), np.stack([lr] * 3), "TYX")


@pytest.mark.parametrize(
    "options",
    [
        {"channel": 1},
        {"channel": -1},
        {"psf_sigma": -1},
        {"psf_sigma": np.nan},
        {"gain": 0},
        {"gain": -2},
        {"offset": np.inf},
    ],
)
def test_settings_that_are_impossible(options):
    scene = points()
    with pytest.raises(SettingsError, match=next(iter(options))):
        check(scene, recorded(scene), **options)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_outlines_of_holes_are_no_fine_detail(value):
    """A result without anything beyond its input invents nothing, wherever it is missing."""
    scene = 1000 + 10 * gaussian_filter(points(), 6) + np.linspace(0, 500, SIZE)
    lr = recorded(scene, noise=0.5)
    whole = check(scene, lr).invented
    holed = scene.copy()
    holed[100:300, 200:280] = value
    assert whole < 1e-3
    assert check(holed, lr).invented < 3e-3
