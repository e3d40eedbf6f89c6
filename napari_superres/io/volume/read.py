"""Read NRRD and MetaImage with SimpleITK, with position and orientation.

The world is the patient's left-posterior-superior frame, in millimeters. SimpleITK's first axis is X and ours is Z,
so the rows and columns of its ``direction * spacing``, and its origin, are reversed. Images that are not medical
(``space`` is None) keep their numbers, converted to millimeters. The note that this package writes into NRRD and
MetaImage files restores the unit and everything else that has no field.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from napari_superres.core.axes import spatial_axes
from napari_superres.core.image import Image
from napari_superres.core.units import METRES, SECONDS
from napari_superres.errors import UnreadableImageError
from napari_superres.io.formats import METAIMAGE, find_format, format_to_read, suffix
from napari_superres.io.lazy import affine_in_unit, reorder_axes, with_axes
from napari_superres.io.series import (
    GUESSED,
    Accept,
    Series,
    import_library,
    noted_no_data,
    summarize,
    translate_errors,
)
from napari_superres.io.volume.check import check_header
from napari_superres.io.volume.header import VolumeHeader
from napari_superres.io.volume.simpleitk import affine_in_array_order, is_text, quiet_simpleitk
from napari_superres.io.volume.write import NOTE
from napari_superres.limits import parse_json

# By the content, as `find_format` decided: SimpleITK knows no suffix in capitals.
_READERS = {False: "NrrdImageIO", True: "MetaImageIO"}
_SEGMENT = "Segment0_ID"
"""Key of the first label in a segmentation of 3D Slicer."""
_AXES = {2: "YX", 3: "ZYX", 4: "TZYX", 5: "CTZYX"}


def scan(path: Path, accept: Accept) -> list[Series]:
    """Read a volume file and return its one image.

    Raises
    ------
    UnreadableImageError
        If the file is damaged or cut off, or its axes are not at right angles.
    """
    kind = suffix(path).lstrip(".")
    with translate_errors(path, f"{kind} file"):
        header = check_header(path, accept)
        image = _image(_read(path), header)

    return [Series(f"{format_to_read(path).name} volume", summarize(image), lambda axes: with_axes(image, axes))]


def _read(path: Path) -> Any:
    """Return the volume as SimpleITK's image."""
    try:
        with quiet_simpleitk() as sitk, _readable_name(path) as name:
            return sitk.ReadImage(str(name), imageIO=_READERS[find_format(path) is METAIMAGE])
    except RuntimeError as error:
        if "orthonormal" in str(error) or "orthogonal" in str(error):
            raise UnreadableImageError(
                f"{path} must have axes at right angles, but its orientation is sheared.",
                remedy="Resample it to a straight grid first.",
            ) from error
        raise UnreadableImageError(
            f"{path} is complete, but SimpleITK does not understand its header.",
            remedy="Save it again with another program, or as NIfTI.",
        ) from error


@contextmanager
def _readable_name(path: Path) -> Iterator[Path]:
    """Yield a name under which SimpleITK reads this file: it opens none that is no text."""
    if is_text(path):
        yield path
        return
    with TemporaryDirectory() as folder:
        name = Path(folder) / f"volume{suffix(path)}"
        try:
            name.symlink_to(path.resolve())
        except OSError:  # on Windows, few users may make links
            shutil.copyfile(path, name)
        yield name


def _image(volume: Any, header: VolumeHeader) -> Image:
    note: dict[str, Any] = {}
    with suppress(ValueError, RuntimeError):
        note = parse_json(volume.GetMetaData(NOTE)) if volume.HasMetaDataKey(NOTE) else {}
    data, axes = _data_and_axes(volume, note, header)
    n = len(spatial_axes(axes))
    affine = affine_in_array_order(volume.GetSpacing(), volume.GetOrigin(), volume.GetDirection(), n)
    unit = header.unit if note.get("known", True) else None
    metadata: dict[str, Any] = {k: v for k, v in note.items() if k in ("provenance", "labels")}
    if volume.HasMetaDataKey(_SEGMENT):
        metadata["labels"] = True
    components = volume.GetNumberOfComponentsPerPixel() > 1 and header.components is None
    if not note and (components or (volume.GetDimension() > 3 and header.last is None)):
        metadata[GUESSED] = True
    units: dict[str, str | None] = dict.fromkeys(spatial_axes(axes), unit)
    if "T" in axes:
        step, time_unit = note.get("time") or header.time or (0.0, None)
        if time_unit in SECONDS and step > 0:
            units["T"], metadata["time_step"] = time_unit, float(step)
    space = note.get("space") if note else ("LPS" if header.medical else None)
    names = tuple(note.get("channel_names") or ()) if "C" in axes else ()
    image = Image(data, axes, affine, units, space, names, metadata, noted_no_data(note))
    image = reorder_axes(image, "".join(a for a in "TCZYXS" if a in axes))
    original_unit = note.get("unit")
    if unit is None or original_unit not in METRES:
        return image
    units = {**units, **dict.fromkeys(image.spatial, original_unit)}
    return image.replace(affine=affine_in_unit(image, original_unit), units=units)


def _data_and_axes(volume: Any, note: dict[str, Any], header: VolumeHeader) -> tuple[Any, str]:
    """Return the values and their axes.

    Components are colour if there are 3 or 4 of uint8, unless a note or the header says what they are.
    """
    data = import_library("SimpleITK").GetArrayFromImage(volume)
    count = volume.GetNumberOfComponentsPerPixel()
    dimension = volume.GetDimension()
    axes = _AXES[dimension]
    if dimension == 3 and header.last == "T":
        axes = "TYX"
    if count > 1:
        usual = header.components or ("S" if count in (3, 4) and (data.dtype == np.uint8) else "C")
        axes += str(note.get("components", usual))
    elif "components" in note:
        data, axes = data[..., None], axes + str(note["components"])
    if dimension == 5 and data.shape[1] == 1:
        data, axes = data[:, 0], axes.replace("T", "")
    return data, axes
