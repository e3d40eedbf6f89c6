"""Write an `Image` to a file, completely or not at all, and refuse formats that would lose part of it."""

import os
import shutil
import warnings
from pathlib import Path
from typing import Any

from napari_superres.atomic import replacing
from napari_superres.core.image import Image
from napari_superres.core.options import checks_names
from napari_superres.errors import LossyWriteError, OutputError, OutputExistsError, SuperResWarning
from napari_superres.io.formats import WRITE_SUFFIXES, format_to_write, is_zarr, stem, suffix
from napari_superres.io.series import Unsupported
from napari_superres.io.sidecar import sidecar_path, write_record


@checks_names
def write_image(image: Image, path: str | Path, *, overwrite: bool = False, allow_loss: bool = False) -> Path:
    """Write an image in the format that the suffix names, completely or not at all.

    The provenance record ``image.metadata["provenance"]`` is stored inside the file if the format has a place
    for it, and always next to it as ``NAME.provenance.json``.

    Parameters
    ----------
    image
        Image to write. Lazy data are read piece by piece if the format allows it.
    path
        Target: ``.ome.tif``, ``.tif`` (ImageJ), ``.ome.zarr``, ``.nii.gz``, ``.nrrd``, ``.mha`` or ``.png``.
    overwrite
        Replace an existing target.
    allow_loss
        Write even if the format cannot store every feature of the image. A warning names the features, and the
        record next to the file keeps the full affine.

    Returns
    -------
    pathlib.Path
        The target.

    Raises
    ------
    SettingsError
        If no format with this suffix can be written.
    LossyWriteError
        If the format cannot store a feature of the image. The message names a format that can.
    OutputExistsError
        If the target exists and `overwrite` is False.
    OutputError
        If the folder may not be written or the disk is full. The target stays as it was.

    Warns
    -----
    SuperResWarning
        If `allow_loss` is True and the format cannot store a feature of the image.
    """
    for note in write_with_notes(image, path, overwrite=overwrite, allow_loss=allow_loss):
        # Level 3 is the caller: the decorator adds a frame.
        warnings.warn(note, SuperResWarning, stacklevel=3)
    return Path(path)


def write_with_notes(
    image: Image, path: str | Path, *, overwrite: bool = False, allow_loss: bool = False
) -> tuple[str, ...]:
    """Write an image like `write_image`, but return its warnings as notes instead of issuing them."""
    path = Path(path)
    check_target(path, overwrite=overwrite, image=image, allow_loss=allow_loss)
    lost = _find_unsupported(image, path)
    record = _record(image, lost)
    with replacing(path, sidecar_path(path)) as (temporary, temporary_record):
        if record is not None:
            write_record(temporary_record, record)
        format_to_write(path).import_writer().write(image, temporary)
    return (f"{path.name} does not hold {_in_words(lost)}; the record next to it does.",) if lost else ()


@checks_names
def check_target(path: str | Path, *, overwrite: bool, image: Image | None = None, allow_loss: bool = False) -> None:
    """Raise the error that `write_image` would raise, before any time is spent on computing.

    Parameters
    ----------
    path
        Target.
    overwrite
        Whether an existing target may be replaced.
    image
        Image with the axes, data type and grid of the result. Its pixels are not read.
    allow_loss
        Whether the result may be written even if the format cannot store every feature of it.

    Raises
    ------
    SettingsError, LossyWriteError, OutputExistsError, OutputError
        As in `write_image`.
    """
    path = Path(path)
    format_to_write(path)
    _check_folder(path.parent)
    if path.exists() or path.is_symlink():
        if not overwrite:
            raise OutputExistsError(f"{path} exists already.", remedy="Set `overwrite` or choose another name.")
        if path.is_dir() and not is_zarr(path):
            raise OutputExistsError(
                f"{path} is a folder that holds other things, and is never replaced.", remedy="Choose another name."
            )
    elif (other := _other_owner(path)) is not None and not overwrite:
        raise OutputExistsError(
            f"{path.name} would replace the record of {other.name} ({sidecar_path(path).name}).",
            remedy="Choose another name or set `overwrite`.",
        )
    if image is not None:
        _check_format(image, path, allow_loss)


def _check_format(image: Image, path: Path, allow_loss: bool) -> None:
    refused = [x for x in _find_unsupported(image, path) if x.fatal or not allow_loss]
    if not refused:
        return
    first, *_ = refused = sorted(refused, key=lambda x: not x.fatal)
    remedy = f"Write {first.alternative} instead" if first.alternative else "Resample it to a straight grid first"
    alternative = "" if first.fatal else ", or set `allow_loss`"
    raise LossyWriteError(f"{suffix(path)} cannot hold {_in_words(refused)}.", remedy=f"{remedy}{alternative}.")


def _check_folder(folder: Path) -> None:
    elsewhere = "Choose another folder for the output."
    if not folder.exists():
        raise OutputError(f"the folder {folder} does not exist.", remedy="Create it first.")
    if not folder.is_dir():
        raise OutputError(f"{folder} is a file, not a folder.", remedy=elsewhere)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"the folder {folder} may not be written.", remedy=elsewhere)
    usage = shutil.disk_usage(folder)
    if usage.total == 0:
        raise OutputError(f"the folder {folder} belongs to a file system that stores no files.", remedy=elsewhere)
    if usage.free == 0:
        raise OutputError(f"the disk of {folder} is full.", remedy="Free space there or choose another folder.")


def _other_owner(path: Path) -> Path | None:
    """Return another image in the folder whose record has the name that the record of `path` would have."""
    if not sidecar_path(path).exists():
        return None
    neighbours = (p for p in path.parent.iterdir() if p.name.startswith(stem(path)) and p != path)
    return next((p for p in neighbours if stem(p) == stem(path) and suffix(p) in WRITE_SUFFIXES), None)


def _find_unsupported(image: Image, path: Path) -> list[Unsupported]:
    return format_to_write(path).import_writer().find_unsupported(image, suffix(path))


def _in_words(features: list[Unsupported]) -> str:
    return " and ".join(x.feature for x in features)


def _record(image: Image, lost: list[Unsupported]) -> dict[str, Any] | None:
    """Return the provenance record, with the whole grid if the file cannot store it."""
    record = image.metadata.get("provenance")
    if not lost:
        return None if record is None else dict(record)
    return {
        **(record or {}),
        "not_in_file": [x.feature for x in lost],
        "axes": image.axes,
        "affine": image.affine.tolist(),
        "units": dict(image.units),
        "space": image.space,
    }
