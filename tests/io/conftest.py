"""Images to write, and a check that compares them with those read."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from napari_superres.core.image import Image
from napari_superres.io.lazy import affine_in_unit, reorder_axes

SIZES = {"T": 2, "C": 2, "Z": 3, "Y": 7, "X": 9, "S": 3}


@pytest.fixture(scope="session")
def make_image() -> Callable[..., Image]:
    """Return a maker of random images with a different pixel size and origin per axis."""

    def make(
        axes: str = "ZYX",
        dtype: Any = "uint16",
        *,
        unit: str | None = "micrometer",
        pixel_size: float = 0.13,
        origin: float = -2.5,
        sizes: dict[str, int] | None = None,
        **more: Any,
    ) -> Image:
        shape = [(SIZES | (sizes or {}))[a] for a in axes]
        data = (np.random.default_rng(len(axes)).random(shape) * 120).astype(dtype)
        n = sum(a in "ZYX" for a in axes)
        if unit is None:
            return Image.from_array(data, axes, **more)
        steps = [pixel_size * (i + 1) for i in range(n)]
        return Image.from_array(
            data, axes, pixel_size=steps, origin=[origin * (i + 1) for i in range(n)], unit=unit, **more
        )

    return make


@pytest.fixture(scope="session")
def same() -> Callable[..., None]:
    """Return a check that two images have the same pixels, grid, units and names, in any order of their axes."""

    def check(image: Image, expected: Image, *, units: bool = True, tolerance: float = 1e-6) -> None:
        assert sorted(image.axes) == sorted(expected.axes)
        image = reorder_axes(image, expected.axes)
        assert image.dtype == expected.dtype
        np.testing.assert_array_equal(np.asarray(image.data[...]), np.asarray(expected.data[...]))
        if units:
            assert dict(image.units) == dict(expected.units)
            assert image.space == expected.space
        grid = affine_in_unit(expected, "micrometer")
        step = np.linalg.norm(grid[:-1, :-1], axis=0).min()
        np.testing.assert_allclose(affine_in_unit(image, "micrometer"), grid, rtol=1e-6, atol=tolerance * step)
        assert image.channel_names == expected.channel_names

    return check


@pytest.fixture
def volume(make_image: Callable[..., Image]) -> Image:
    """Return a small rotated volume in a patient's frame."""
    c, s = np.cos(0.4), np.sin(0.4)
    turn = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn * np.array([2.0, 0.5, 0.7])
    affine[:3, 3] = [-30.0, 55.5, 12.25]
    plain = make_image("ZYX", "int16", unit="millimeter", sizes={"Z": 5, "Y": 11, "X": 8})
    return plain.replace(affine=affine, space="LPS")
