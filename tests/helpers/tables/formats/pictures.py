"""PNG, JPEG and BMP by Pillow, PNG of 16 bits by SimpleITK; MRC by mrcfile."""

from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import SimpleITK as sitk  # noqa: N813
from PIL import Image as Pillow

from helpers.tables.formats.facts import CannotMakeError, Facts


def make_picture(facts: Facts, path: Path) -> None:
    """Write a picture in the format of the suffix."""
    if facts.axes not in ("YX", "YXS") or facts.data.dtype not in (np.uint8, np.uint16):
        raise CannotMakeError
    if facts.data.dtype == np.uint16:
        sitk.WriteImage(sitk.GetImageFromArray(facts.data, isVector="S" in facts.axes), str(path))
        return
    dots = {} if facts.unit is None else {a: 1.0 / v for a, v in facts.sizes_in("inch").items()}
    options: dict[str, Any] = {"dpi": (dots["X"], dots["Y"])} if dots else {}
    if path.suffix == ".jpg":
        options |= {"quality": 100, "subsampling": 0}
        options |= {"dpi": (round(dots["X"]), round(dots["Y"]))} if dots else {}
    Pillow.fromarray(facts.data).save(path, **options)


def read_picture(path: Path) -> Facts:
    """Return what a picture states."""
    with Pillow.open(path) as picture:
        dots, data = picture.info.get("dpi"), np.asarray(picture)
    if path.suffix == ".png":
        data = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    affine = None if dots is None else np.diag([1.0 / float(dots[1]), 1.0 / float(dots[0]), 1.0])
    return Facts(data, "YX" if data.ndim == 2 else "YXS", affine, None if dots is None else "inch")


def make_mrc(facts: Facts, path: Path) -> None:
    """Write an MRC file."""
    if facts.axes not in ("YX", "ZYX", "TYX", "TZYX") or not facts.is_straight:
        raise CannotMakeError
    with mrcfile.new(path) as file:
        file.set_data(facts.data)
        if facts.axes == "TYX":
            file.set_image_stack()
        if facts.unit is not None:
            sizes, origin = facts.sizes_in("angstrom"), facts.origin_in("angstrom")
            file.voxel_size = tuple(sizes.get(a, 1.0) for a in "XYZ")
            for axis, value in origin.items():
                file.header.origin[axis.lower()] = value


def read_mrc(path: Path) -> Facts:
    """Return what an MRC file states."""
    with mrcfile.open(path) as file:
        data, header = np.array(file.data), file.header
        axes = "TYX" if file.is_image_stack() else "TZYX"[-data.ndim :]
        spatial = [a for a in axes if a in "ZYX"]
        sizes = [float(file.voxel_size[a.lower()]) for a in spatial]
        origin = [float(header.origin[a.lower()]) for a in spatial]
    affine = np.diag([*sizes, 1.0])
    affine[:-1, -1] = origin
    return Facts(data, axes, affine if all(sizes) else None, "angstrom" if all(sizes) else None)
