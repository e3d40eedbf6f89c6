"""Single images that are no raw recordings get no number; recordings of many kinds and noise levels do."""

import io

import numpy as np
import pytest
from helpers.scenes import recordings
from PIL import Image as Picture
from scipy.ndimage import gaussian_filter, median_filter, uniform_filter
from skimage.restoration import denoise_tv_chambolle

from napari_superres import Image
from napari_superres.evaluation import decorrelation, ring_correlation, single_image_correlation


def cells(seed=0, edge=256):
    random = np.random.default_rng(seed)
    values = np.zeros((edge, edge))
    for sigma, count, light in ((1.2, 400, 60), (3, 80, 900), (8, 15, 9000)):
        points = np.zeros_like(values)
        points[tuple(random.integers(0, edge, (2, count)))] = random.uniform(0.5, 1, count) * light
        values += gaussian_filter(points, sigma)
    return values / np.percentile(values, 99.9)


def waves(seed=0, edge=256):
    values = gaussian_filter(np.random.default_rng(seed).normal(size=(edge, edge)), 2, mode="wrap")
    return (values - values.min()) / np.ptp(values)


def recorded(scene, photons, seed=1, dtype=np.uint16):
    """A camera: photon noise, read noise, an offset, whole numbers."""
    random = np.random.default_rng(seed)
    levels = random.poisson(photons * scene) * max(1, 4000 / photons) + 100 + random.normal(0, 2, scene.shape)
    return np.rint(levels).clip(0).astype(dtype)


def jpeg(values, quality):
    levels = np.rint(255 * (values - values.min()) / np.ptp(values.astype(float))).astype(np.uint8)
    file = io.BytesIO()
    Picture.fromarray(levels).save(file, "JPEG", quality=quality)
    return np.asarray(Picture.open(file))


def total_variation(values, weight):
    return denoise_tv_chambolle((values - values.min()) / np.ptp(values.astype(float)), weight)


PROCESSED = {
    "JPEG 50": lambda v: jpeg(v, 50),
    "JPEG 75": lambda v: jpeg(v, 75),
    "JPEG 90": lambda v: jpeg(v, 90),
    "median 3": lambda v: median_filter(v, 3),
    "median 5": lambda v: median_filter(v, 5),
    "TV 0.1": lambda v: total_variation(v, 0.1),
    "TV 0.2": lambda v: total_variation(v, 0.2),
    "nearest 2": lambda v: np.kron(v, np.ones((2, 2), v.dtype)),
    "nearest 3": lambda v: np.kron(v, np.ones((3, 3), v.dtype)),
    "nearest 1.5": lambda v: v[np.ix_(*[(np.arange(384) / 1.5).astype(int)] * 2)],
    "smoothed": lambda v: gaussian_filter(v.astype(float), 0.7),
    "mean of 3 x 3": lambda v: uniform_filter(v.astype(float), 3),
}


def numbers(values):
    one = Image.from_array(values, "YX")
    return single_image_correlation(one), decorrelation(one)


@pytest.mark.parametrize("change", PROCESSED.values(), ids=PROCESSED)
@pytest.mark.parametrize("scene", [cells, waves])
def test_processed_images_get_no_number(scene, change):
    for photons in (30, 300):
        rings, phases = numbers(change(recorded(scene(), photons)))
        assert rings.resolution().value is None
        assert phases.value is None
        assert "give a raw recording" in rings.problem


@pytest.mark.parametrize("photons", [30, 100, 1000])
@pytest.mark.parametrize("scene", [cells, waves])
def test_recordings_are_not_refused(scene, photons):
    rings, phases = numbers(recorded(scene(), photons))
    assert not rings.problem
    assert phases.value is not None


def test_a_stack_of_rounding_noise_is_refused_like_one_plane():
    planes = np.stack(
        [np.rint(1000 + 200 * waves(s) + 0.1 * np.random.default_rng(s).normal(size=(256, 256))) for s in range(4)]
    )
    for values, axes in ((planes[0], "YX"), (planes, "ZYX")):
        found = single_image_correlation(Image.from_array(values.astype(np.uint16), axes))
        assert found.resolution().value is None


NOISES = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)


@pytest.mark.parametrize("relative", NOISES)
def test_honest_pairs_of_any_noise_have_the_resolution_of_the_formula(relative):
    noise = relative / (4 * np.sqrt(np.pi))
    expected = 4 * np.pi / np.sqrt(np.log(6 / noise**2))
    stacks = [np.stack(v) for v in zip(*(recordings(2, noise, seed=s) for s in range(4)), strict=True)]
    for gain, offset in ((1, 0), (0.2, 700)):
        first, second = (Image.from_array(v, "ZYX") for v in (stacks[0], gain * stacks[1] + offset))
        found = ring_correlation(first, second).resolution()
        assert found.value == pytest.approx(expected, rel=0.06), found.reason


@pytest.mark.parametrize("ratio", [3.0, 0.2])
def test_pairs_of_unequal_noise_are_not_refused(ratio):
    """Another exposure, another gain: the ratio of standard deviations would be wrong by half."""
    scene = recordings(2, 0.0)[0]
    random = np.random.default_rng(0)
    level = scene.std()
    first = scene + level * random.normal(size=scene.shape)
    second = scene + ratio * level * random.normal(size=scene.shape)
    found = ring_correlation(*(Image.from_array(v, "YX") for v in (first, second))).resolution()
    assert found.value is not None, found.reason


@pytest.mark.parametrize("change", [PROCESSED[k] for k in ("JPEG 50", "median 3", "TV 0.2", "nearest 2", "smoothed")])
@pytest.mark.parametrize("photons", [10, 1000])
def test_pairs_of_processed_images_are_refused(change, photons):
    pair = [Image.from_array(change(recorded(waves(), photons, seed)), "YX") for seed in (1, 2)]
    found = ring_correlation(*pair).resolution()
    assert found.value is None
    assert "neighbouring pixels share the noise" in found.reason
