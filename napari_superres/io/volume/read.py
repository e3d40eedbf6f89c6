"""Read NIfTI, NRRD and MetaImage with SimpleITK, with position and orientation.

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

from napari_superres.core.axes import spatial_axes, validate_axes
from napari_superres.core.image import Image
from napari_superres.core.units import METRES, SECONDS
from napari_superres.errors import UnreadableImageError
from napari_superres.io.formats import format_to_read, stem, suffix
from napari_superres.io.lazy import affine_in_unit, reorder_axes
from napari_superres.io.series import Accept, Series, import_library, noted_no_data, summarize, translate_errors
from napari_superres.io.volume.check import check_header
from napari_superres.io.volume.header import VolumeHeader
from napari_superres.io.volume.simpleitk import affine_in_array_order, is_text, quiet_simpleitk
from napari_superres.io.volume.write import NOTE
from napari_superres.limits import parse_json

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

    def open_image(axes: str | None) -> Image:
        return image if axes is None else _with_axes(image, validate_axes(axes, image.shape))

    return [Series(f"{format_to_read(path).name} volume", summarize(image), open_image)]


def _with_axes(image: Image, axes: str) -> Image:
    spatial = spatial_axes(axes)
    sizes = dict(zip(image.spatial, image.pixel_size, strict=True))
    affine = image.affine if spatial == image.spatial else np.diag([*(sizes.get(a, 1.0) for a in spatial), 1.0])
    units = {**dict.fromkeys(spatial, image.units["X"]), "T": image.units.get("T")}
    names = image.channel_names if "C" in axes and "C" in image.axes else ()
    return image.replace(axes=axes, affine=affine, units=units, channel_names=names)


def _read(path: Path) -> Any:
    """Return the volume as SimpleITK's image."""
    try:
        with quiet_simpleitk() as sitk, _unambiguous_name(path) as name:
            return sitk.ReadImage(str(name))
    except RuntimeError as error:
        if "orthonormal" in str(error) or "orthogonal" in str(error):
            raise UnreadableImageError(
                f"{path} must have axes at right angles, but its orientation is sheared.",
                remedy="Resample it to a straight grid first.",
            ) from error
        raise


@contextmanager
def _unambiguous_name(path: Path) -> Iterator[Path]:
    """Yield a name under which SimpleITK reads this file.

    Next to ``a.nii``, SimpleITK reads ``a.nii`` when it is asked for ``a.nii.gz``, and the other way round. It opens no
    names that are no text.
    """
    pair = {".nii.gz": ".nii", ".nii": ".nii.gz"}.get(suffix(path))
    if is_text(path) and (pair is None or not path.with_name(stem(path) + pair).exists()):
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
    data, axes = _data_and_axes(volume, note)
    n = min(volume.GetDimension(), 3)
    affine = affine_in_array_order(volume.GetSpacing(), volume.GetOrigin(), volume.GetDirection(), n)
    unit = header.unit if note.get("known", True) else None
    metadata: dict[str, Any] = {k: v for k, v in note.items() if k == "provenance"}
    units: dict[str, str | None] = dict.fromkeys(spatial_axes(axes), unit)
    if "T" in axes:
        step, time_unit = note.get("time") or (volume.GetSpacing()[3], header.time_unit)
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


def _data_and_axes(volume: Any, note: dict[str, Any]) -> tuple[Any, str]:
    """Return the values and their axes. Components are colour if there are 3 or 4 of uint8, unless a note says."""
    data = import_library("SimpleITK").GetArrayFromImage(volume)
    count = volume.GetNumberOfComponentsPerPixel()
    dimension = volume.GetDimension()
    axes = _AXES[dimension]
    if count > 1:
        usual = "S" if count in (3, 4) and (data.dtype == np.uint8) else "C"
        axes += str(note.get("components", usual))
    elif "components" in note:
        data, axes = data[..., None], axes + str(note["components"])
    if dimension == 5 and data.shape[1] == 1:
        data, axes = data[:, 0], axes.replace("T", "")
    return data, axes
