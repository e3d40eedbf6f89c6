"""Ring correlation: known answers, thresholds, and what has no resolution."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.scenes import recordings
from scipy.ndimage import gaussian_filter

from napari_superres import Image, upscale
from napari_superres.errors import EvaluationError
from napari_superres.evaluation import decorrelation, ring_correlation, single_image_correlation


def measured(sigma, noise, threshold="1/7", *, pixel_size=None, **options):
    axes = "YX" if len(options.get("shape", (0, 0))) == 2 else "ZYX"
    first, second = (Image.from_array(v, axes, pixel_size=pixel_size) for v in recordings(sigma, noise, **options))
    return ring_correlation(first, second, volume=axes == "ZYX").resolution(threshold)


@pytest.mark.parametrize(
    ("sigma", "noise", "expected"),
    [(1.5, 0.01, 2.841), (2, 0.003, 3.432), (2, 0.01, 3.789), (3, 0.01, 5.683), (3, 0.03, 6.352)],
)
def test_scenes_whose_resolution_follows_from_a_formula(sigma, noise, expected):
    """1 / q with q = sqrt(ln(6 / n^2)) / (2 pi s)."""
    assert expected == pytest.approx(2 * np.pi * sigma / np.sqrt(np.log(6 / noise**2)), abs=1e-3)
    found = np.mean([measured(sigma, noise, seed=s).value for s in range(3)])
    assert found == pytest.approx(expected, rel=0.03)


def test_neither_crop_nor_offset_nor_gain_matter():
    a, b = recordings(2, 0.01, shape=(257, 257))
    whole, cropped, scaled = (
        ring_correlation(Image.from_array(x, "YX"), Image.from_array(y, "YX")).resolution().value
        for x, y in ((a, b), (a[:256, :256], b[:256, :256]), (5 * a + 1000, b - 300))
    )
    assert cropped == pytest.approx(whole, rel=0.01)
    assert scaled == pytest.approx(whole, rel=1e-6)


def test_pixels_have_a_size_and_need_not_be_square():
    found = measured(2, 0.01, pixel_size=0.1)
    assert found.unit == "micrometer"
    assert found.value == pytest.approx(0.3789, rel=0.03)
    a, b = recordings((2, 4), 0.01, shape=(256, 384))
    stretched = [Image.from_array(v, "YX", pixel_size=(0.2, 0.1)) for v in (a, b)]
    level = ring_correlation(*stretched).resolution().value
    assert level == pytest.approx(2 * np.pi * 0.4 / np.sqrt(np.log(6 / 0.01**2)), rel=0.04)


def test_shells_of_volumes():
    found = measured(2, 0.01, shape=(64, 64, 64)).value
    assert found == pytest.approx(3.789, rel=0.05)


def test_pixels_that_are_not_finite_hardly_matter():
    a, b = recordings(2, 0.01)
    holed = a.copy()
    holed[100:102, 50] = np.nan
    images = [Image.from_array(v, "YX") for v in (a, b, holed)]
    whole = ring_correlation(images[0], images[1]).resolution().value
    assert ring_correlation(images[2], images[1]).resolution().value == pytest.approx(whole, rel=0.05)


def test_thresholds():
    curve = ring_correlation(*(Image.from_array(v, "YX") for v in recordings(2, 0.01)))
    assert replace(curve, count=np.array([1e14])).threshold("half-bit") == pytest.approx(0.17157, abs=1e-4)
    assert replace(curve, count=np.array([1000])).threshold("half-bit") == pytest.approx(0.2164, abs=1e-4)
    assert curve.threshold("3-sigma")[100] == pytest.approx(3 / np.sqrt(curve.count[100] / 2))
    values = [curve.resolution(t).value for t in ("1/7", "half-bit", "3-sigma")]
    assert values[0] < values[1] < values[2], "the stricter the coarser"
    with pytest.raises(EvaluationError, match="1/7, half-bit, 3-sigma"):
        curve.resolution("half")


def test_noise_alone_scatters_by_the_independent_pixels():
    """Window included; the convention of three sigma is 1.4 times as strict."""
    spread = []
    for seed in range(6):
        a, b = np.random.default_rng(seed).normal(size=(2, 128, 128))
        curve = ring_correlation(Image.from_array(a, "YX"), Image.from_array(b, "YX"))
        spread.append(curve.correlation[20:] * np.sqrt(curve.count[20:]))
        assert abs(curve.correlation[10:].mean()) < 0.02
    assert np.std(spread) == pytest.approx(1.0, abs=0.12)


def test_what_has_no_resolution_is_refused():
    random = np.random.default_rng(0)
    noise = random.normal(size=(2, 128, 128))
    images = [Image.from_array(v, "YX") for v in noise]
    assert "nothing in common" in ring_correlation(*images).resolution().reason
    assert "both images are the same" in ring_correlation(images[0], images[0]).resolution().reason
    smooth = [Image.from_array(gaussian_filter(v, 1.5), "YX") for v in noise]
    found = ring_correlation(*smooth).resolution()
    assert found.value is None
    assert "neighbouring pixels share the noise" in found.reason
    sharp = random.normal(size=(128, 128))
    fine = [Image.from_array(sharp + 0.01 * v, "YX") for v in noise]
    assert "finer than the pixels can hold (2 pixel)" in ring_correlation(*fine).resolution().reason


def test_a_computed_image_has_no_resolution():
    low = Image.from_array(recordings(2, 0.01)[0], "YX")
    again = Image.from_array(recordings(2, 0.01)[1], "YX")
    results = [upscale(i, "bicubic-x2") for i in (low, again)]
    assert "computed by the model bicubic-x2" in ring_correlation(*results).resolution().reason
    assert ring_correlation(*results).agreement().value is not None
    for measure in (single_image_correlation(results[0]).resolution(), decorrelation(results[0])):
        assert measure.value is None
        assert "computed by the model bicubic-x2" in measure.reason


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (lambda i: i.replace(data=i.data[:, :200]), "same axes and shape"),
        (lambda i: i.with_pixel_size(0.5), "must lie on the same grid"),
        (lambda i: i.replace(data=np.full(i.shape, np.nan)), "no finite pixel"),
    ],
)
def test_images_that_cannot_be_compared(changed, said):
    first = Image.from_array(recordings(2, 0.01)[0], "YX", pixel_size=0.1)
    with pytest.raises(EvaluationError, match=said):
        ring_correlation(first, changed(first))
    with pytest.raises(EvaluationError, match="at least 32 pixels"):
        ring_correlation(*[Image.from_array(np.ones((20, 99)), "YX")] * 2)
    with pytest.raises(EvaluationError, match="needs the axes ZYX"):
        ring_correlation(first, first, volume=True)
