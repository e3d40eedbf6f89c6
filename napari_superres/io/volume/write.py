"""Write NRRD and MetaImage with SimpleITK.

Files get a note with the unit, the provenance and everything else that has no field of its own (see `make_note`).
"""

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from napari_superres.core.image import Image
from napari_superres.core.units import convert
from napari_superres.errors import UnreadableImageError
from napari_superres.io.formats import suffix
from napari_superres.io.lazy import affine_in_unit, reorder_axes
from napari_superres.io.series import Accept, Unsupported, is_sheared, note_labels, note_no_data, unsupported_data_type
from napari_superres.io.volume.check import check_header
from napari_superres.io.volume.simpleitk import is_text, quiet_simpleitk

NOTE = "napari_superres"
"""Key of the note in the metadata of a file."""

_TYPES = "uint8 int8 uint16 int16 uint32 int32 uint64 int64 float32 float64"
# MetaImage cuts off longer fields.
_META_FIELD_BYTES = 16_000


def find_unsupported(image: Image, suffix: str) -> list[Unsupported]:
    """Return the features of an image that a volume file with this suffix cannot store."""
    del suffix
    features = unsupported_data_type(image, _TYPES, ".ome.zarr")
    if is_sheared(image):
        features.append(Unsupported("the shear of the pixel grid", ".nii.gz"))
    if "T" in image.axes and "Z" not in image.axes:
        features.append(Unsupported("time without Z", ".ome.tif or .ome.zarr", fatal=True))
    if "C" in image.axes and "S" in image.axes:
        features.append(Unsupported("both colour samples and channels", ".ome.tif", fatal=True))
    return features


def write(image: Image, path: Path) -> None:
    """Write a volume, compressed.

    SimpleITK needs a copy of the data in memory.

    Raises
    ------
    OSError
        If the file was not written completely.
    """
    components = next((a for a in "CS" if a in image.axes), "")
    image = reorder_axes(image, "".join(a for a in "TZYX" if a in image.axes) + components)
    data = np.ascontiguousarray(np.asarray(image.data[...]), dtype=image.dtype)
    with quiet_simpleitk() as sitk:
        volume = sitk.GetImageFromArray(data, isVector=bool(components))
        _set_grid(volume, image)
        volume.SetMetaData(NOTE, _note_text(image, path))
        del data
        try:
            _write(sitk, volume, path)
            # On a full disk SimpleITK may end without an error and leave half a file.
            check_header(path, Accept())
        except (RuntimeError, UnreadableImageError) as error:
            raise OSError("the file was not written completely") from error


def _write(sitk: Any, volume: Any, path: Path) -> None:
    if is_text(path) and path.suffix.islower():  # SimpleITK writes something else under a suffix in capitals
        sitk.WriteImage(volume, str(path), useCompression=True)
        return
    with TemporaryDirectory() as folder:
        made = Path(folder) / f"volume{suffix(path)}"
        sitk.WriteImage(volume, str(made), useCompression=True)
        shutil.move(made, path)


def _set_grid(volume: Any, image: Image) -> None:
    affine = affine_in_unit(image, "millimeter")
    n = len(image.spatial)
    sizes = np.linalg.norm(affine[:n, :n], axis=0)
    # The nearest rotation. It is exact unless the user allowed the loss of a shear.
    left, _, right = np.linalg.svd(affine[:n, :n] / sizes)
    direction = np.eye(volume.GetDimension())
    direction[:n, :n] = (left @ right)[::-1, ::-1]
    other_steps = [1.0] * (volume.GetDimension() - n)
    if other_steps and image.units.get("T") and "time_step" in image.metadata:
        other_steps[0] = convert(float(image.metadata["time_step"]), str(image.units["T"]), "second")
    volume.SetSpacing([*sizes[::-1].tolist(), *other_steps])
    volume.SetOrigin([*affine[:n, n][::-1].tolist(), *([0.0] * len(other_steps))])
    volume.SetDirection(direction.ravel().tolist())


def _note_text(image: Image, path: Path) -> str:
    note = make_note(image)
    if suffix(path) == ".mha" and len(json.dumps(note)) > _META_FIELD_BYTES:
        del note["provenance"]  # the record next to the image holds it
    return json.dumps(note)


def make_note(image: Image) -> dict[str, Any]:
    """Return the facts of an image that NRRD and MetaImage have no field for.

    They are ``space``, ``known`` (whether the pixel size is), ``unit``, and where the image has them ``components``
    (C or S), ``channel_names``, ``time`` (step and unit), ``no_data``, ``labels`` and ``provenance``.
    """
    note: dict[str, Any] = {"space": image.space, "known": image.has_pixel_size, "unit": image.units["X"]}
    if image.axes[-1] in "CS":
        note["components"] = image.axes[-1]
    if image.channel_names:
        note["channel_names"] = list(image.channel_names)
    if "time_step" in image.metadata and image.units.get("T"):
        note["time"] = [image.metadata["time_step"], image.units["T"]]
    note |= note_no_data(image) | note_labels(image)
    if image.metadata.get("provenance") is not None:
        note["provenance"] = image.metadata["provenance"]
    return note
