"""The grid rule: finer pixels cover the same part of the world."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_superres.core import grid
from napari_superres.errors import GridError

SCALES = st.lists(st.integers(1, 8), min_size=2, max_size=3)


def affine_of(n: int, seed: int) -> np.ndarray:
    """Return a random invertible grid: rotated, sheared or mirrored."""
    rng = np.random.default_rng(seed)
    affine = np.eye(n + 1)
    affine[:n] = rng.normal(size=(n, n + 1)) + np.eye(n, n + 1) * 3
    return affine


@given(scale=SCALES, seed=st.integers(0, 99))
def test_up_and_down_again_is_the_same_grid(scale, seed):
    affine = affine_of(len(scale), seed)
    assert np.allclose(grid.downscale_affine(grid.upscale_affine(affine, scale), scale), affine, rtol=0, atol=1e-12)
    assert np.allclose(grid.upscale_affine(grid.downscale_affine(affine, scale), scale), affine, rtol=0, atol=1e-12)


@given(scale=SCALES, seed=st.integers(0, 99))
def test_the_image_covers_the_same_part_of_the_world(scale, seed):
    """The outer corners of the image stay, and the centre of a block is the centre of its old pixel."""
    n, size = len(scale), 5
    affine = affine_of(n, seed)
    finer = grid.upscale_affine(affine, scale)
    s = np.array(scale)
    assert np.allclose(finer @ [*(-0.5,) * n, 1], affine @ [*(-0.5,) * n, 1], atol=1e-12)
    assert np.allclose(finer @ [*(size * s - 0.5), 1], affine @ [*(size - 0.5,) * n, 1], atol=1e-12)
    old = np.arange(n) + 1
    assert np.allclose(finer @ [*(old * s + (s - 1) / 2), 1], affine @ [*old, 1], atol=1e-12)


@given(scale=SCALES, seed=st.integers(0, 99))
def test_cropping_moves_only_the_index(scale, seed):
    n = len(scale)
    affine = affine_of(n, seed)
    start = np.arange(n) + 2
    cropped = grid.crop_affine(affine, start)
    assert np.allclose(cropped @ [*(7,) * n, 1], affine @ [*(start + 7), 1], atol=1e-12)
    # Cropping before scaling equals scaling before cropping by as many finer pixels.
    one = grid.upscale_affine(cropped, scale)
    other = grid.crop_affine(grid.upscale_affine(affine, scale), start * scale)
    assert np.allclose(one, other, atol=1e-12)


def test_pixel_size_is_the_distance_of_centres():
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    affine = grid.make_affine([0.5, 2.0], [10.0, -3.0], turn)
    assert grid.pixel_size_of(affine) == pytest.approx((0.5, 2.0))
    assert affine[:2, 2].tolist() == [10.0, -3.0]
    assert grid.pixel_size_of(grid.upscale_affine(affine, (2, 4))) == pytest.approx((0.25, 0.5))


@pytest.mark.parametrize("size", [(0.0, 1.0), (-1.0, 1.0), (np.nan, 1.0), (np.inf, 1.0)])
def test_impossible_pixel_sizes_are_refused(size):
    with pytest.raises(GridError, match="finite and above zero"):
        grid.make_affine(size)


@given(seed=st.integers(0, 99))
def test_layer_rule_equals_the_matrix_rule(seed):
    """Compare scale and translate of a rotated and sheared layer with the whole matrix."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(2, 2)) + 2 * np.eye(2)  # rotate and shear
    scale, translate, factor = rng.uniform(0.2, 3, 2), rng.normal(size=2), np.array([2, 3])
    affine = np.eye(3)
    affine[:2, :2], affine[:2, 2] = mixing * scale, translate
    finer_scale, finer_translate = grid.upscale_layer(scale, translate, affine[:2, :2], factor)
    found = np.eye(3)
    found[:2, :2], found[:2, 2] = mixing * finer_scale, finer_translate
    assert np.allclose(found, grid.upscale_affine(affine, factor), atol=1e-12)
