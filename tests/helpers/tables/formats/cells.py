"""What each format keeps of each feature: the cells of both tables."""

import json
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel
import numpy as np
import tifffile

from helpers.tables.formats import dicom, omezarr, pictures, tiff, volumes
from helpers.tables.formats.facts import CannotMakeError, Facts, read_by_superres
from helpers.tables.formats.features import Feature, all_features
from napari_superres.errors import LossyWriteError, SuperResError
from napari_superres.io import sidecar_path, write_image

# What the libraries raise for an image that they cannot write in a format.
_CANNOT = (
    CannotMakeError,
    ValueError,
    TypeError,
    KeyError,
    OSError,
    RuntimeError,
    AttributeError,
    NotImplementedError,
    nibabel.spatialimages.HeaderDataError,
    tifffile.OmeXmlError,
)

_LOSS = 3
"""Grey levels by which JPEG may change pixels of uint8."""


@dataclass(frozen=True, slots=True)
class Column:
    """A format: how another library writes and reads it, and whether superres writes it."""

    name: str
    file: str
    make: Callable[[Facts, Path], None]
    read: Callable[[Path], Facts]
    is_written: bool = True
    is_lossy: bool = False


COLUMNS = (
    Column("OME-TIFF", "a.ome.tif", tiff.make_ome, tiff.read_ome),
    Column("ImageJ TIFF", "a.tif", tiff.make_imagej, tiff.read_imagej),
    Column("other TIFF", "a.tif", tiff.make_plain, tiff.read_plain, is_written=False),
    Column("OME-Zarr", "a.ome.zarr", omezarr.make, omezarr.read),
    Column("NIfTI", "a.nii.gz", volumes.make_nifti, volumes.read_nifti),
    Column("NRRD", "a.nrrd", volumes.make_nrrd, volumes.read_nrrd),
    Column("MetaImage", "a.mha", volumes.make_metaimage, volumes.read_metaimage),
    Column("DICOM", "a.dcm", dicom.make, dicom.read, is_written=False),
    Column("MRC", "a.mrc", pictures.make_mrc, pictures.read_mrc, is_written=False),
    Column("PNG", "a.png", pictures.make_picture, pictures.read_picture),
    Column("JPEG", "a.jpg", pictures.make_picture, pictures.read_picture, is_written=False, is_lossy=True),
    Column("BMP", "a.bmp", pictures.make_picture, pictures.read_picture, is_written=False),
)


def writing_table() -> str:
    """Return the table of what superres writes."""
    return _table([c for c in COLUMNS if c.is_written], _written)


def reading_table() -> str:
    """Return the table of what superres reads."""
    return _table(COLUMNS, _read)


def _table(columns: "list[Column] | tuple[Column, ...]", cell: Callable[[Column, Feature, Path], str]) -> str:
    lines = [f"| | {' | '.join(c.name for c in columns)} |", f"|---|{'---|' * len(columns)}"]
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of losses that are allowed, and of libraries that write unusual files
        for i, feature in enumerate(all_features()):
            cells = []
            for column in columns:
                folder = Path(name) / f"{i} {column.name}"
                folder.mkdir()
                cells.append(cell(column, feature, folder))
            lines.append(f"| {feature.name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _written(column: Column, feature: Feature, folder: Path) -> str:
    """Return what of a feature is found in a file of superres, or how it is refused."""
    in_record = False
    for number, facts in enumerate(feature.images):
        path = folder / str(number) / column.file
        path.parent.mkdir()
        try:
            write_image(facts.as_image(), path)
        except LossyWriteError:
            in_record |= _is_in_record(feature, facts, folder / f"{number} lossy" / column.file)
            continue
        if word := feature.kept(column.read(path), facts):
            return word
        if feature.kept(read_by_superres(path), facts):
            return "superres"
        return "record" if feature.kept(_read_record(path), facts) else "-"
    return "refused, record" if in_record else "refused"


def _is_in_record(feature: Feature, facts: Facts, path: Path) -> bool:
    """Return whether the record holds a feature if the loss is allowed."""
    path.parent.mkdir()
    try:
        write_image(facts.as_image(), path, allow_loss=True)
    except LossyWriteError:
        return False
    return bool(feature.kept(_read_record(path), facts))


def _read_record(path: Path) -> Facts:
    """Return what the record next to a file says of its image."""
    record = json.loads(sidecar_path(path).read_text()) if sidecar_path(path).exists() else {}
    if "affine" not in record:
        return Facts(np.empty(0), "")
    names = tuple(record.get("channel_names", ()))
    return Facts(np.empty(0), record["axes"], np.array(record["affine"]), record["units"]["X"], names)


def _read(column: Column, feature: Feature, folder: Path) -> str:
    """Return what superres finds in a file of another library; empty if that library does not find it either."""
    for number, facts in enumerate(feature.images):
        path = folder / str(number) / column.file
        path.parent.mkdir()
        try:
            column.make(facts, path)
            stated = column.read(path)
        except _CANNOT:
            continue
        if (
            column.is_lossy
            and stated.axes == facts.axes
            and np.abs(stated.data.astype(float) - facts.data).max() <= _LOSS
        ):
            facts = replace(facts, data=stated.data)  # noqa: PLW2901 - pixels as the file has them
        if not feature.kept(stated, facts):
            continue
        stated = stated.aligned(facts.axes) or facts
        try:
            found = read_by_superres(path)
        except SuperResError:
            return "refused"
        return feature.kept(found, stated) or "-"
    return ""
