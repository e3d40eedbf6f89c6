"""In every format, the centroid of a blob has the same world position before and after upscaling."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_superres.core.grid import upscale_affine
from napari_superres.core.image import Image
from napari_superres.io import read_image, write_image
from napari_superres.io.lazy import affine_in_unit, reorder_axes

PLAIN = [".ome.tif", ".tif", ".ome.zarr", ".nii.gz", ".nii", ".nrrd", ".mha"]


def centroid(image: Image, unit: str) -> np.ndarray:
    """Return the world position of the centre of mass, axes in alphabetical order of their letters."""
    image = reorder_axes(image, "".join(sorted(image.axes)))
    data = np.asarray(image.data[...], dtype=float)
    index = [
        float((data.sum(axis=tuple(j for j in range(data.ndim) if j != i)) * np.arange(n)).sum() / data.sum())
        for i, n in enumerate(data.shape)
    ]
    return (affine_in_unit(image, unit) @ [*index, 1.0])[:-1]


def pair(image: Image, scale: list[int]) -> tuple[Image, Image]:
    """Return the image and one `scale` times finer, holding the same blob."""
    middle = (image.affine @ [*[(n - 1) / 2 + 0.3 for n in image.shape], 1.0])[:-1]
    fine = Image.from_array(
        np.zeros([n * s for n, s in zip(image.shape, scale, strict=True)], "float32"),
        image.axes,
        affine=upscale_affine(image.affine, scale),
        unit=image.units["X"],
        space=image.space,
    )
    sigma = 1.5 * max(image.pixel_size)
    return image.replace(data=gauss(image, middle, sigma)), fine.replace(data=gauss(fine, middle, sigma))


def gauss(image: Image, centre: np.ndarray, sigma: float) -> np.ndarray:
    index = np.stack(np.meshgrid(*(np.arange(n) for n in image.shape), indexing="ij"), axis=-1)
    world = index @ image.affine[:-1, :-1].T + image.affine[:-1, -1]
    return (200 * np.exp(-(((world - centre) / sigma) ** 2).sum(axis=-1) / 2)).astype("float32")


def check(lr: Image, hr: Image, folder: Path, ending: str) -> None:
    before = centroid(read_image(write_image(lr, folder / f"lr{ending}")), "micrometer")
    after = centroid(read_image(write_image(hr, folder / f"hr{ending}")), "micrometer")
    pixel = np.diag(affine_in_unit(lr, "micrometer"))[:-1]
    limit = 0.05 * min(abs(p) for p in pixel) if lr.space is None else 0.05 * min(lr.pixel_size) * 1e3
    np.testing.assert_allclose(after, before, atol=limit)
    # Check the position itself, not only that both files agree.
    np.testing.assert_allclose(before, centroid(lr, "micrometer"), atol=limit / 50)


@pytest.mark.parametrize("ending", PLAIN)
@pytest.mark.parametrize(("axes", "scale"), [("YX", [2, 2]), ("YX", [3, 4]), ("ZYX", [1, 2, 2]), ("ZYX", [2, 3, 3])])
def test_plain_grids(
    axes: str, scale: list[int], ending: str, tmp_path: Path, make_image: Callable[..., Image]
) -> None:
    sizes: dict[str, int] = {"Z": 24, "Y": 26, "X": 29}
    image = make_image(axes, "float32", origin=-41.7, sizes=sizes)
    check(*pair(image, scale), tmp_path, ending)


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
def test_rotated_grids(volume: Image, ending: str, tmp_path: Path) -> None:
    big: Any = np.zeros((22, 40, 34), "float32")
    check(*pair(volume.replace(data=big), [1, 2, 2]), tmp_path, ending)
