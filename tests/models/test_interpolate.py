"""Interpolation against independent implementations, and on the right grid."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage

from napari_superres import Image, load_model, upscale
from napari_superres.core.binning import bin_mean
from napari_superres.core.kernels import KERNELS
from napari_superres.models.interpolate import Interpolation, pixel_shuffle

NAMES = list(KERNELS)


def by_definition(kernel: str, line: np.ndarray, scale: int) -> np.ndarray:
    """Return, for each output pixel, the sum over input pixels of value times kernel of the distance."""
    function, reach = KERNELS[kernel]
    out = []
    for new in range(len(line) * scale):
        at = (new + 0.5) / scale - 0.5
        near = np.arange(int(np.round(at)) - reach - 1, int(np.round(at)) + reach + 2)
        weights = function(np.asarray(at - near, float))
        out.append(weights @ line[near.clip(0, len(line) - 1)] / weights.sum())
    return np.array(out)


@pytest.mark.parametrize("kernel", NAMES)
@pytest.mark.parametrize("scale", [(2, 2), (3, 4), (1, 5), (2, 1, 3)])
@pytest.mark.parametrize("size", [(9, 7, 8), (1, 2, 1)])
def test_against_the_definition(kernel, scale, size):
    data = np.random.default_rng(0).random(size[: len(scale)])
    expected = data
    for axis, s in enumerate(scale):
        expected = np.apply_along_axis(lambda line, s=s: by_definition(kernel, line, s), axis, expected)
    found = Interpolation(kernel, scale)(torch.from_numpy(data)[None, None])[0, 0].numpy()
    assert np.abs(found - expected).max() <= 1e-13


def test_against_other_libraries():
    data = np.random.default_rng(1).random((11, 12))
    nearest = Interpolation("nearest", (3, 2))(torch.from_numpy(data)[None, None])[0, 0].numpy()
    assert np.array_equal(nearest, ndimage.zoom(data, (3, 2), order=0, grid_mode=True, mode="nearest"))
    pillow = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    image = pillow.fromarray(data.astype(np.float32))
    for kernel, method in (("bicubic", pillow.Resampling.BICUBIC), ("lanczos", pillow.Resampling.LANCZOS)):
        found = Interpolation(kernel, (2, 2))(torch.from_numpy(data)[None, None])[0, 0].numpy()
        expected = np.asarray(image.resize((24, 22), method))
        # Pillow leaves out what lies beyond the border, where this continues it.
        assert np.abs(found - expected)[6:-6, 6:-6].max() <= 1e-5


@pytest.mark.parametrize("scale", [(3, 1, 1), (2, 2, 3), (2, 2)])
def test_the_area_spline_keeps_the_mean_of_every_pixel(scale):
    """As a model, along the axes that become finer, also at the borders and in tiles."""
    data = 2 + np.random.default_rng(2).random((14, 23, 19)[-len(scale) :])  # far from 0, where values are cut
    image = Image.from_array(data, "ZYX"[-len(scale) :])
    name = f"area-spline-x{'x'.join(map(str, scale))}"
    result = upscale(image, name, tile=[n if s == 1 else 21 + n for n, s in zip(data.shape, scale, strict=True)])
    assert np.abs(bin_mean(np.asarray(result.data), scale) - data).max() <= 1e-12
    tiled = upscale(image, name, tile=[25] * len(scale))
    assert np.abs(np.asarray(tiled.data) - np.asarray(result.data)).max() <= 1e-12


def test_the_sinc_keeps_the_frequencies_that_truncation_kept():
    """A wave below the highest frequency keeps its amplitude, which the Lanczos kernel weakens."""
    old, new = np.arange(400.0), (np.arange(800) + 0.5) / 2 - 0.5
    for frequency in (0.1, 0.25, 0.38):
        wave = torch.from_numpy(np.cos(2 * np.pi * frequency * old + 0.4))[None, None, :, None]
        true = np.cos(2 * np.pi * frequency * new + 0.4)[40:-40]
        found = {k: Interpolation(k, (2, 1))(wave)[0, 0, 40:-40, 0].numpy() for k in ("sinc", "lanczos")}
        errors = {k: np.abs(v - true).max() for k, v in found.items()}
        assert errors["sinc"] <= 0.006
    assert errors["lanczos"] > 0.1


@pytest.mark.parametrize("kernel", [name for name in NAMES if name != "sinc"])
@pytest.mark.parametrize("scale", [2, 3, 5])
def test_a_blob_stays_where_it_is(kernel, scale):
    """Centroid in world units before and after, within 0.05 input pixels."""
    y, x = np.mgrid[:40, :44]
    blob = np.exp(-((y - 17.3) ** 2 + (x - 21.8) ** 2) / (2 * 2.5**2))
    image = Image.from_array(blob, "YX", pixel_size=(0.5, 0.25), origin=(3.0, -7.0))
    result = upscale(image, f"{kernel}-x{scale}")

    def centroid(i):
        at = ndimage.center_of_mass(np.asarray(i.data))
        return (i.affine @ [*at, 1])[:2]

    assert (np.abs(centroid(result) - centroid(image)) / image.pixel_size <= 0.05).all()


@pytest.mark.parametrize("scale", [(2, 2), (3, 3), (4, 4)])
def test_shuffle_equals_torchs(scale):
    x = torch.randn(2, 3 * scale[0] ** 2, 5, 6)
    assert torch.equal(pixel_shuffle(x, scale), F.pixel_shuffle(x, scale[0]))


@pytest.mark.parametrize("scale", [(2, 3), (1, 4), (2, 1, 3), (3, 3, 3)])
def test_shuffle_by_definition(scale):
    size, count = (3, 4, 5)[: len(scale)], int(np.prod(scale))
    x = torch.randn(2, 2 * count, *size)
    found = pixel_shuffle(x, scale)
    assert found.shape == (2, 2, *(n * s for n, s in zip(size, scale, strict=True)))
    for at in np.ndindex(*found.shape[2:]):
        phase = np.ravel_multi_index([i % s for i, s in zip(at, scale, strict=True)], scale)
        old = tuple(i // s for i, s in zip(at, scale, strict=True))
        assert torch.equal(found[(slice(None), slice(None), *at)], x[(slice(None), slice(phase, None, count), *old)])


def test_interpolation_computes_in_32_bits_under_autocast():
    model = load_model("bicubic-x2")
    x = torch.rand(1, 1, 8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(model(x), load_model("bicubic-x2")(x))
