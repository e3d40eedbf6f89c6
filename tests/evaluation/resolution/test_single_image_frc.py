"""Resolution of one recording: known answers, and the images that have none."""

import numpy as np
import pytest
from helpers.scenes import recordings
from scipy.ndimage import gaussian_filter, zoom

from napari_superres import Image
from napari_superres.errors import EvaluationError
from napari_superres.evaluation import decorrelation, local_agreement, ring_correlation, single_image_correlation
from napari_superres.evaluation.resolution.agreement_map import BLOCK

MEASURES = {"rings": lambda image: single_image_correlation(image).resolution(), "decorrelation": decorrelation}
EDGE = 513
RADIUS = 2 * np.hypot(np.fft.fftfreq(EDGE)[:, None], np.fft.fftfreq(EDGE))


def plane(values, **options):
    return Image.from_array(values, "YX", **options)


def cut(edge, noise, seed=0):
    """White noise cut at a share of the Nyquist frequency, of unit power, beside white noise."""
    random = np.random.default_rng(seed)
    scene = np.fft.ifft2(np.fft.fft2(random.normal(size=RADIUS.shape)) * (edge >= RADIUS)).real
    return scene / scene.std() + noise * random.normal(size=scene.shape)


@pytest.mark.parametrize(("sigma", "noise"), [(2, 0.01), (2.5, 0.01), (3, 0.01), (4, 0.03), (5, 0.03)])
def test_interleaved_halves(sigma, noise):
    """1 / q with q = sqrt(ln(6 / (4 n^2))) / (2 pi s): the halves hold half of the signal's power each."""
    expected = 2 * np.pi * sigma / np.sqrt(np.log(6 / (4 * noise**2)))
    found = [
        single_image_correlation(plane(recordings(sigma, noise, shape=(384, 400), seed=s)[0])).resolution().value
        for s in range(4)
    ]
    assert np.mean(found) == pytest.approx(expected, rel=0.03)


def test_finer_than_four_pixels_is_no_number():
    found = single_image_correlation(plane(recordings(1.5, 0.01)[0], pixel_size=0.1)).resolution()
    assert found.value is None
    assert "finer than the pixels can hold (0.4 micrometer)" in found.reason


def test_neither_crop_nor_offset_nor_gain_matter():
    values = recordings(3, 0.01, shape=(257, 301))[0]
    whole, moved, cropped = (
        single_image_correlation(plane(v)).resolution().value for v in (values, 7 * values + 1000, values[:256, :300])
    )
    assert moved == pytest.approx(whole, rel=1e-6)
    assert cropped == pytest.approx(whole, rel=0.03)


@pytest.mark.parametrize("edge", [0.2, 0.3, 0.5, 0.7])
@pytest.mark.parametrize("noise", [0.001, 0.05])
def test_decorrelation_of_sharp_cuts(edge, noise):
    values = cut(edge, noise)
    found = decorrelation(plane(values, pixel_size=0.1))
    assert found.cutoff == pytest.approx(edge, abs=0.025)
    assert found.value == pytest.approx(0.2 / found.cutoff)
    assert found.unit == "micrometer"
    assert "origin unverified" in found.reason
    assert decorrelation(plane(7 * values + 1000)).cutoff == found.cutoff


@pytest.mark.parametrize("seed", range(4))
def test_white_noise_holds_no_structure(seed):
    noise = np.random.default_rng(seed).normal(size=(256, 300))
    found = decorrelation(plane(noise))
    assert (found.cutoff, found.value) == (0, None)
    assert "no structure" in found.reason
    assert single_image_correlation(plane(noise)).resolution().value is None


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_what_is_no_raw_recording_is_refused(measure):
    noise = np.random.default_rng(0).normal(size=(256, 256))
    finer = zoom(recordings(2, 0.03)[0], 2, order=3, grid_mode=True, mode="reflect")
    rounded = np.rint(5000 + 300 * finer).astype(np.uint16)
    smoothed = [gaussian_filter(noise, sigma) for sigma in (1.5, 0.7)]
    for values, said in (
        *((v, "interpolated, denoised") for v in (*smoothed, finer, np.ones((64, 64)))),
        (rounded, "only rounding noise"),
    ):
        found = measure(plane(values))
        assert found.value is None
        assert said in found.reason
    raw = np.rint(20000 + 1000 * recordings(3, 0.1)[0]).astype(np.uint16)
    assert measure(plane(raw)).value is not None


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_images_that_cannot_be_measured(measure):
    with pytest.raises(EvaluationError, match="at least 32 pixels"):
        measure(plane(np.ones((20, 99))))
    with pytest.raises(EvaluationError, match="no finite pixel"):
        measure(plane(np.full((99, 99), np.nan)))
    with pytest.raises(EvaluationError, match="no RGB samples"):
        measure(Image.from_array(np.ones((99, 99, 3), np.uint8), "YXS"))


def test_a_map_shows_where_two_images_agree():
    a, b = recordings(2, 0.01, shape=(256, 320))
    random = np.random.default_rng(1)
    b[:, 160:] += b.std() * random.normal(size=(256, 160))
    found = local_agreement(plane(a, pixel_size=0.1), plane(b, pixel_size=0.1))
    assert found.data.shape == (256, 320)
    assert found.affine.tolist() == plane(a, pixel_size=0.1).affine.tolist()
    whole = ring_correlation(plane(a[:, :160]), plane(b[:, :160])).resolution("3-sigma").value
    assert np.nanmedian(found.data[:, :128]) == pytest.approx(0.1 * whole, rel=0.25)
    assert np.nanmedian(found.data[:, 200:]) > 1.2 * np.nanmedian(found.data[:, :128])


def test_a_map_of_volumes_and_of_what_is_empty():
    a = recordings(2, 0.01, shape=(128, 128))[0]
    a -= a.min()
    a[:, 64:] = 0
    stack = Image.from_array(np.stack([a, a])[:, None], "ZCYX")
    found = local_agreement(stack, stack)
    assert (found.axes, found.data.shape) == ("ZYX", (2, 128, 128))
    assert np.isnan(found.data[..., 100:]).all()
    assert (found.data[..., :40] == 2).all()
    with pytest.raises(EvaluationError, match="at least 64 pixels"):
        local_agreement(plane(a[: BLOCK - 1]), plane(a[: BLOCK - 1]))


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (2, 2)])
@pytest.mark.parametrize("measure", [single_image_correlation, decorrelation])
def test_an_image_of_hardly_any_pixel_is_refused(measure, shape):
    with pytest.raises(EvaluationError, match="at least 32 pixels along Y and X"):
        measure(plane(np.ones(shape)))
