"""Writing: an `Image` becomes a file, whole or not at all."""

import os
import shutil
import warnings
from pathlib import Path
from typing import Any

from napari_superres.atomic import replacing
from napari_superres.core.image import Image
from napari_superres.errors import LossyWriteError, OutputError, OutputExistsError
from napari_superres.io.formats import WRITE_SUFFIXES, family_to_write, is_zarr, stem, suffix
from napari_superres.io.lossy import Loss
from napari_superres.io.sidecar import sidecar_path, write_record


def write_image(image: Image, path: str | Path, *, overwrite: bool = False, allow_loss: bool = False) -> Path:
    """Write an image in the format that the suffix names, whole or not at all.

    The record ``image.metadata["provenance"]`` is stored inside the file where the format has a place
    for it, and always as ``NAME.provenance.json`` beside it.

    Parameters
    ----------
    image
        Image to write. Lazy data are read piece by piece where the format allows it.
    path
        Target: ``.ome.tif``, ``.tif`` (ImageJ), ``.ome.zarr``, ``.nii.gz``, ``.nrrd``, ``.mha`` or ``.png``.
    overwrite
        Replace an existing target.
    allow_loss
        Write even if the format cannot hold everything; warns, and keeps the full
        affine in the record beside the file.

    Returns
    -------
    pathlib.Path
        The target.

    Raises
    ------
    SettingsError
        If nothing is written with this suffix.
    LossyWriteError
        If the format would lose something; the message names one that would not.
    OutputExistsError
        If the target exists and `overwrite` is False.
    OutputError
        If the folder cannot be written or the disk is full. The target is as it was.
    """
    path = Path(path)
    check_target(path, overwrite=overwrite, image=image, allow_loss=allow_loss)
    lost = _losses(image, path)
    record = _record(image, lost)
    if lost:
        warnings.warn(f"{path.name} does not hold {_listed(lost)}; the record beside it does.", stacklevel=2)
    with replacing(path, sidecar_path(path)) as (made, sidecar):
        if record is not None:
            write_record(sidecar, record)
        family_to_write(path).load().write(image, made)
    return path


def check_target(path: str | Path, *, overwrite: bool, image: Image | None = None, allow_loss: bool = False) -> None:
    """Raise now what `write_image` would refuse later, so that no computing is wasted.

    Parameters
    ----------
    path
        Target.
    overwrite, allow_loss
        As in `write_image`.
    image
        Image with the axes, data type and grid of the one to be written; its pixels are not read.

    Raises
    ------
    SettingsError, LossyWriteError, OutputExistsError, OutputError
        As in `write_image`.
    """
    path = Path(path)
    family_to_write(path)
    _check_folder(path.parent)
    if path.exists() or path.is_symlink():
        if not overwrite:
            raise OutputExistsError(f"{path} exists already. Use overwrite (--overwrite) or another name.")
        if path.is_dir() and not is_zarr(path):
            raise OutputExistsError(
                f"{path} is a folder that holds other things, and is not replaced. Use another name."
            )
    elif (other := _other_owner(path)) is not None and not overwrite:
        raise OutputExistsError(
            f"{path.name} would take over the record of {other.name} ({sidecar_path(path).name}). Use another name, "
            "or overwrite (--overwrite)."
        )
    if image is None:
        return
    lost = _losses(image, path)
    refused = sorted((x for x in lost if x.fatal or not allow_loss), key=lambda x: not x.fatal)
    if refused:
        instead = (
            f"Write {refused[0].instead} instead" if refused[0].instead else "Resample it to a straight grid first"
        )
        hint = "" if refused[0].fatal else ", or allow the loss (--allow-loss)"
        raise LossyWriteError(f"{suffix(path)} cannot hold {_listed(refused)}. {instead}{hint}.")


def _check_folder(folder: Path) -> None:
    if not folder.exists():
        raise OutputError(f"the folder {folder} does not exist. Create it first.")
    if not folder.is_dir():
        raise OutputError(f"{folder} is a file, not a folder. Choose another place for the output.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"the folder {folder} may not be written. Choose another place for the output.")
    usage = shutil.disk_usage(folder)
    if usage.total == 0:
        raise OutputError(f"the folder {folder} holds no files of its own. Choose another place for the output.")
    if usage.free == 0:
        raise OutputError(f"the disk of {folder} is full. Free space there or choose another folder.")


def _other_owner(path: Path) -> Path | None:
    """Return another image whose record has the name that this one's would get."""
    if not sidecar_path(path).exists():
        return None
    beside = (p for p in path.parent.iterdir() if p.name.startswith(stem(path)) and p != path)
    return next((p for p in beside if stem(p) == stem(path) and suffix(p) in WRITE_SUFFIXES), None)


def _losses(image: Image, path: Path) -> list[Loss]:
    found: list[Loss] = family_to_write(path).load().losses(image, suffix(path))
    return found


def _listed(lost: list[Loss]) -> str:
    return " and ".join(x.what for x in lost)


def _record(image: Image, lost: list[Loss]) -> dict[str, Any] | None:
    record = image.metadata.get("provenance")
    if not lost:
        return None if record is None else dict(record)
    return {
        **(record or {}),
        "not_in_file": [x.what for x in lost],
        "axes": image.axes,
        "affine": image.affine.tolist(),
        "units": dict(image.units),
        "space": image.space,
    }
