"""Every picture, TIFF and MRC that installed packages carry is read as the library of its format reads it."""

import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
import tifffile
from PIL import Image as Pillow
from PIL import ImageOps

from napari_superres.errors import SuperResError
from napari_superres.io import read_series
from napari_superres.io.formats import MRC, PICTURE, TIFF, find_format

PACKAGES = ("tifffile", "mrcfile", "imagecodecs", "skimage", "PIL", "imageio", "matplotlib", "napari", "SimpleITK")
_DEEP = 16  # bits, of which Pillow drops eight
REFUSALS = ("animation", "and real floating-point", "must hold intensities", "right angles", "at most the axes")
"""What a refusal of a file that its library reads may say: it must be true of the file."""


def files() -> list[Path]:
    specs = [find_spec(package) for package in PACKAGES]
    folders = [Path(place) for spec in specs if spec for place in spec.submodule_search_locations or ()]
    found = [p for folder in folders for p in sorted(folder.rglob("*")) if p.is_file()]
    return [p for p in found if find_format(p) in (TIFF, PICTURE, MRC)]


def name_of(path: Path) -> str:
    return "/".join(path.parts[-3:])


def references(path: Path) -> Iterator[Any]:
    """Yield each image of a file as the library of its format reads it."""
    if find_format(path) is TIFF:
        with tifffile.TiffFile(path) as file:
            yield from [series.asarray() for series in file.series]
    elif find_format(path) is MRC:
        yield pytest.importorskip("mrcfile", reason="mrcfile is an extra (formats)").read(path)
    elif path.suffix.lower() == ".png" and path.read_bytes()[24] == _DEEP:
        yield SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path))
    else:
        with Pillow.open(path) as file:
            shown = ImageOps.exif_transpose(file)
        has_alpha = "transparency" in shown.info or shown.mode in ("LA", "PA", "RGBA")
        yield np.asarray(shown.convert("RGBA" if has_alpha else "L" if shown.mode in ("L", "1") else "RGB"))


@pytest.mark.slow
@pytest.mark.parametrize("path", files(), ids=name_of)
def test_a_file_of_a_package(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the other libraries
        expected = list(references(path))
    found, refusal = read(path)
    if refusal:
        assert any(reason in refusal for reason in REFUSALS), refusal
        return
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours.squeeze(), theirs.squeeze())


def read(path: Path) -> tuple[list[Any], str]:
    """Return the pixels of each image of a file, or why it is refused."""
    try:
        return [np.asarray(image.data[...]) for _, image in read_series(path)], ""
    except SuperResError as error:
        return [], error.message
