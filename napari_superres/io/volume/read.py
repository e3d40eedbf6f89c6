"""NIfTI, NRRD and MetaImage through SimpleITK, with position and orientation.

The world is the patient's left-posterior-superior frame, in millimeters. SimpleITK counts X first and
we count Z first: rows and columns of ``direction * spacing`` and the origin are turned round.
Images that are not medical (``space`` None) keep their numbers, converted to millimeters.
NRRD and MetaImage keep a note with the unit, the provenance and what else has no field; NIfTI has no
place for one, so that it refuses an unknown pixel size (it would be read as 1 mm).
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.axes import spatial_axes, validate_axes
from napari_superres.core.image import Image
from napari_superres.core.units import METRES, SECONDS, convert
from napari_superres.errors import UnreadableImageError
from napari_superres.io.formats import NIFTI, stem, suffix
from napari_superres.io.lazy import in_order, lengths_in
from napari_superres.io.lossy import Loss, data_type, is_sheared
from napari_superres.io.series import Series, library, reading, summary
from napari_superres.io.volume import header as volume_header

NOTE = "napari_superres"
_TYPES = "uint8 int8 uint16 int16 uint32 int32 uint64 int64 float32 float64"
# MetaImage cuts off longer fields.
_META_FIELD_BYTES = 16_000
_AXES = {2: "YX", 3: "ZYX", 4: "TZYX", 5: "CTZYX"}


def scan(path: Path, strict: bool) -> list[Series]:
    """Return the one image of a volume file, read.

    Raises
    ------
    UnreadableImageError
        If it is damaged, cut off, or its axes are not at right angles.
    """
    del strict
    kind = suffix(path).lstrip(".")
    with reading(path, f"{kind} file"):
        header = volume_header.check(path)
        stored = _read(path)
        image = _image(stored, header)

    def open_(axes: str | None) -> Image:
        if axes is None:
            return image
        wanted = validate_axes(axes, image.shape)
        same = spatial_axes(wanted) == image.spatial
        affine = image.affine if same else np.diag([*_sizes_of(wanted, image), 1.0])
        unit = image.units["X"]
        units = {**dict.fromkeys(spatial_axes(wanted), unit), "T": image.units.get("T")}
        names = image.channel_names if "C" in wanted and "C" in image.axes else ()
        return image.replace(axes=wanted, affine=affine, units=units, channel_names=names)

    return [Series(path.name, summary(image), open_)]


def losses(image: Image, ending: str) -> list[Loss]:
    """Return what a volume file with this suffix would lose."""
    found = data_type(image, _TYPES, ".ome.zarr")
    if is_sheared(image):
        found.append(Loss("the shear of the pixel grid", ""))
    if "T" in image.axes and "Z" not in image.axes:
        found.append(Loss("time without Z", ".ome.tif or .ome.zarr", fatal=True))
    if "C" in image.axes and "S" in image.axes:
        found.append(Loss("colour samples beside channels", ".ome.tif", fatal=True))
    if ending not in NIFTI.read:
        return found
    if not image.has_pixel_size:
        found.append(Loss("an unknown pixel size (it would be read as 1 mm)", ".nrrd, .ome.tif or .ome.zarr"))
    if image.channel_names and "C" in image.axes:
        found.append(Loss("channel names", ".nrrd, .ome.tif or .ome.zarr"))
    if (image.size("C") in (3, 4) and image.dtype == np.uint8) or ("S" in image.axes and image.dtype != np.uint8):
        found.append(Loss("whether these components are colour or channels", ".nrrd, .ome.tif"))
    if len(image.spatial) == 2 and np.any(image.affine[:2, :2] != np.diag(np.diag(image.affine)[:2])):
        found.append(Loss("the rotation of a plane", ".nrrd or .mha"))
    return found


def write(image: Image, path: Path) -> None:
    """Write a volume, uncompressed unless the suffix says ``.gz`` or the format compresses inside.

    SimpleITK needs a copy of the data in memory.
    """
    sitk = quiet()
    vector = next((a for a in "CS" if a in image.axes), "")
    image = in_order(image, "".join(a for a in "TZYX" if a in image.axes) + vector)
    data = np.ascontiguousarray(np.asarray(image.data[...]), dtype=image.dtype)
    stored = sitk.GetImageFromArray(data, isVector=bool(vector))
    _place(stored, image)
    if suffix(path) not in NIFTI.write:
        note = _note(image)
        if suffix(path) == ".mha" and len(json.dumps(note)) > _META_FIELD_BYTES:
            del note["provenance"]  # the file beside the image has it
        stored.SetMetaData(NOTE, json.dumps(note))
    del data
    try:
        sitk.WriteImage(stored, str(path), useCompression=suffix(path) != ".nii")
        # On a full disk SimpleITK may end without an error and leave half a file.
        volume_header.check(path)
    except (RuntimeError, UnreadableImageError) as error:
        raise OSError("the file was not written completely") from error


def quiet() -> Any:
    """Return SimpleITK, its warnings from C++ kept off stderr."""
    sitk = library("SimpleITK")
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    return sitk


def _read(path: Path) -> Any:
    sitk = quiet()
    try:
        with _alone(path) as name:
            return sitk.ReadImage(str(name))
    except RuntimeError as error:
        if "orthonormal" in str(error) or "orthogonal" in str(error):
            raise UnreadableImageError(
                f"{path} must have axes at right angles, but its orientation is sheared. "
                "Resample it to a straight grid first."
            ) from error
        raise


@contextmanager
def _alone(path: Path) -> Iterator[Path]:
    """Give a name under which SimpleITK reads this file: of ``a.nii.gz`` it takes the pixels of ``a.nii`` beside it."""
    pair = {".nii.gz": ".nii", ".nii": ".nii.gz"}.get(suffix(path))
    if pair is None or not path.with_name(stem(path) + pair).exists():
        yield path
        return
    with TemporaryDirectory() as folder:
        name = Path(folder) / f"volume{suffix(path)}"
        try:
            name.symlink_to(path.resolve())
        except OSError:  # Windows allows links to few
            shutil.copyfile(path, name)
        yield name


def _image(stored: Any, header: volume_header.Header) -> Image:
    note: dict[str, Any] = {}
    with suppress(ValueError, RuntimeError):
        note = json.loads(stored.GetMetaData(NOTE)) if stored.HasMetaDataKey(NOTE) else {}
    data = library("SimpleITK").GetArrayFromImage(stored)
    count = stored.GetNumberOfComponentsPerPixel()
    dimension = stored.GetDimension()
    axes = _AXES[dimension]
    if count > 1:
        colour = "S" if count in (3, 4) and (data.dtype == np.uint8) else "C"
        axes += str(note.get("components", colour))
    elif "components" in note:
        data, axes = data[..., None], axes + str(note["components"])
    if dimension == 5 and data.shape[1] == 1:
        data, axes = data[:, 0], axes.replace("T", "")
    n = min(dimension, 3)
    affine = array_affine(stored.GetSpacing(), stored.GetOrigin(), stored.GetDirection(), n)
    unit = header.unit if note.get("known", True) else None
    metadata: dict[str, Any] = {k: v for k, v in note.items() if k == "provenance"}
    units: dict[str, str | None] = dict.fromkeys(spatial_axes(axes), unit)
    if "T" in axes:
        step, time_unit = note.get("time") or (stored.GetSpacing()[3], header.time_unit)
        if time_unit in SECONDS and step > 0:
            units["T"], metadata["time_step"] = time_unit, float(step)
    space = note.get("space") if note else ("LPS" if header.medical else None)
    names = tuple(note.get("channel_names") or ()) if "C" in axes else ()
    image = Image(data, axes, affine, units, space, names, metadata)
    image = in_order(image, "".join(a for a in "TCZYXS" if a in axes))
    wanted = note.get("unit")
    if unit is None or wanted not in METRES:
        return image
    return image.replace(affine=lengths_in(image, wanted), units={**units, **dict.fromkeys(image.spatial, wanted)})


def array_affine(
    spacing: tuple[float, ...], origin: tuple[float, ...], direction: tuple[float, ...], n: int
) -> npt.NDArray[np.float64]:
    """Return the index-to-world matrix in array order from SimpleITK's numbers, of the first `n` axes."""
    turned = np.reshape(direction, (len(spacing), len(spacing)))[:n, :n] * np.asarray(spacing)[:n]
    affine = np.eye(n + 1)
    affine[:n, :n] = turned[::-1, ::-1]
    affine[:n, n] = np.asarray(origin)[:n][::-1]
    return affine


def _place(stored: Any, image: Image) -> None:
    affine = lengths_in(image, "millimeter")
    n = len(image.spatial)
    sizes = np.linalg.norm(affine[:n, :n], axis=0)
    # The nearest rotation; exact unless a shear was allowed to be lost.
    left, _, right = np.linalg.svd(affine[:n, :n] / sizes)
    full = np.eye(stored.GetDimension())
    full[:n, :n] = (left @ right)[::-1, ::-1]
    extra = [1.0] * (stored.GetDimension() - n)
    if extra and image.units.get("T") and "time_step" in image.metadata:
        extra[0] = convert(float(image.metadata["time_step"]), str(image.units["T"]), "second")
    stored.SetSpacing([*sizes[::-1].tolist(), *extra])
    stored.SetOrigin([*affine[:n, n][::-1].tolist(), *([0.0] * len(extra))])
    stored.SetDirection(full.ravel().tolist())


def _note(image: Image) -> dict[str, Any]:
    note: dict[str, Any] = {"space": image.space, "known": image.has_pixel_size, "unit": image.units["X"]}
    if image.axes[-1] in "CS":
        note["components"] = image.axes[-1]
    if image.channel_names:
        note["channel_names"] = list(image.channel_names)
    if "time_step" in image.metadata and image.units.get("T"):
        note["time"] = [image.metadata["time_step"], image.units["T"]]
    if image.metadata.get("provenance") is not None:
        note["provenance"] = image.metadata["provenance"]
    return note


def _sizes_of(axes: str, image: Image) -> list[float]:
    known = dict(zip(image.spatial, image.pixel_size, strict=True))
    return [known.get(a, 1.0) for a in spatial_axes(axes)]
