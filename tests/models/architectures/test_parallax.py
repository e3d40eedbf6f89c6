"""The block match of two views: it finds a known parallax, looks as far as it says, and is exact on tiles."""

import numpy as np
import pytest
import torch
from scipy.ndimage import fourier_shift

from napari_superres.errors import ModelFileError
from napari_superres.models.architectures import build
from napari_superres.models.architectures.fixed.parallax import BlockMatch
from napari_superres.models.probes.halo import measure_reach, tiling_error
from napari_superres.models.probes.passes import natural_planes

INSIDE = (..., slice(8, -8), slice(24, -24))


def texture(rows=48, columns=160):
    return natural_planes(1, (rows, columns), torch.float64) * 200


def pair(first, way):
    """Return a view and the same moved by a way along the row, around the image."""
    moved = np.fft.ifft2(fourier_shift(np.fft.fft2(first[0, 0].numpy()), (0, way))).real
    return torch.cat([first, torch.from_numpy(moved)[None, None]], dim=1)


def found(pairs, parallax=16):
    """Return what the match found: pixels of the second view, the fraction, the difference, the growth."""
    planes = BlockMatch(parallax)(pairs)
    assert planes.shape[1] == BlockMatch(parallax).planes
    return planes[:, 2][INSIDE], planes[:, 4][INSIDE], planes[:, 5][INSIDE], planes[:, 6][INSIDE]


@pytest.mark.parametrize("way", [0, 1, -7, 16, -16])
def test_whole_pixels_are_found_exactly(way):
    first = texture()
    second, _, difference, growth = found(torch.cat([first, first.roll(way, -1)], dim=1))
    assert torch.equal(second, first[:, 0][INSIDE])
    assert difference.max() == 0
    assert growth.min() > 0


@pytest.mark.parametrize("way", [0.25, 2.4, -11.3])
def test_fractions_are_found_to_a_tenth_of_a_pixel(way):
    first = texture()
    second, fraction, *_ = found(pair(first, way))
    whole = round(way)
    right = (second - pair(first, way)[:, 1].roll(-whole, -1)[INSIDE]).abs() < 1e-9
    assert right.double().mean() > 0.98
    assert abs(float(fraction[right].median()) - (way - whole)) < 0.1


def test_what_has_no_match_differs():
    first = texture()
    *_, same, _ = found(torch.cat([first, first.roll(16, -1)], dim=1))
    *_, other, _ = found(torch.cat([first, first.roll(40, -1)], dim=1))
    assert same.max() < 1e-9
    assert other.median() > 1


def test_brightness_of_the_second_camera_does_not_matter():
    first = texture()
    second, *_ = found(torch.cat([first, first.roll(5, -1) + 70], dim=1))
    assert torch.allclose(second, first[:, 0][INSIDE] + 70)


def make(parallax=16, **more):
    torch.manual_seed(0)
    arguments = {"scale": [2, 2], "blocks": 1, "features": 4, "frames": 2, "parallax": parallax, **more}
    network = build("edsr", arguments).eval()
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return network


@pytest.mark.parametrize("parallax", [3, 16])
def test_the_halo_holds_the_search_and_the_windows(parallax):
    plain = measure_reach(build("edsr", {"scale": [2, 2], "blocks": 1, "features": 4}).eval(), (2, 2)).halo[0]
    # A window over which the mean is taken, and one over which differences are summed, of 4 pixels per side.
    assert measure_reach(make(parallax), (2, 2), channels=2).halo == (plain + 8, plain + 8 + parallax + 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tiles_find_the_same_match_to_the_last_bit(dtype):
    network = make()
    halo = measure_reach(network, (2, 2), channels=2).halo
    match = {"module": network.match, "scale": (1, 1), "halo": halo, "channels": 2, "multiple": (1, 1), "core": 24}
    assert tiling_error(**match, dtype=dtype) == 0
    assert tiling_error(network, (2, 2), halo, channels=2, multiple=(1, 1), core=24, dtype=dtype) < 1e-6


def test_colour_and_half_precision():
    network = make(channels=3)
    assert network(torch.rand(1, 6, 20, 40)).shape == (1, 3, 40, 80)
    half = make().to(torch.bfloat16)
    assert half(torch.rand(1, 2, 20, 40, dtype=torch.bfloat16)).dtype == torch.float32  # of the interpolation


@pytest.mark.parametrize("wrong", [{"frames": 3}, {"conditions": 3}, {"ndim": 3, "scale": [2, 2, 2]}])
def test_what_does_not_fit_is_refused(wrong):
    with pytest.raises(ModelFileError, match="parallax needs 2 frames, planes and no conditions"):
        build("edsr", {"scale": [2, 2], "frames": 2, "parallax": 4, **wrong})
