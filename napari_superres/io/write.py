"""Write an `Image` to a file, completely or not at all, and refuse formats that would lose part of it."""

import warnings
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from napari_superres.core.image import Image
from napari_superres.core.options import checks_names
from napari_superres.errors import (
    LossyWriteError,
    OutputError,
    OutputExistsError,
    SettingsError,
    SuperResError,
    SuperResWarning,
)
from napari_superres.io.dicom.read import has_volumes
from napari_superres.io.formats import (
    DICOM,
    NRRD,
    READ_SUFFIXES,
    ZARR,
    Format,
    find_format,
    format_to_read,
    format_to_write,
    is_zarr,
    suffix,
)
from napari_superres.io.identity import InputPath, label
from napari_superres.io.omezarr.replaceable import check_replaceable
from napari_superres.io.series import Accept, Unsupported
from napari_superres.io.sidecar import SIDECAR, sidecar_path, with_state, write_record
from napari_superres.storage import RemotePath, as_path
from napari_superres.storage.atomic import check_writable, one_writer, replacing
from napari_superres.storage.client import list_objects


@checks_names
def write_image(image: Image, path: str | Path, *, overwrite: bool = False, allow_loss: bool = False) -> Path:
    """Write an image in the format that the suffix names, completely or not at all.

    The provenance record ``image.metadata["provenance"]`` is stored inside the file if the format has a place
    for it, and always next to it, for ``x.ome.tif`` as ``x.ome.tif.provenance.json``.

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
        If the target exists and `overwrite` is False, if it is a folder that holds more than one zarr image, or if
        another run is writing it.
    OutputError
        If the folder may not be written or the disk is full. The target stays as it was.

    Warns
    -----
    SuperResWarning
        If `allow_loss` is True and the format cannot store a feature of the image. Also if floats of 16 or 64 bits were
        written with 32, because the format has no others.
    """
    if not isinstance(image, Image):
        raise SettingsError("`image` must be an image of this program.", remedy="Give the image, then the file.")
    path = as_path(path)
    with one_result(path):
        notes = write_with_notes(image, path, overwrite=overwrite, allow_loss=allow_loss)
    for note in notes:
        # Level 3 is the caller: the decorator adds a frame.
        warnings.warn(note, SuperResWarning, stacklevel=3)
    return path


def one_result(target: Path) -> AbstractContextManager[None]:
    """Return a context that refuses every other run which wants to write a result and its record.

    Raises
    ------
    OutputExistsError, OutputError
        As `atomic.one_writer`.
    """
    return nullcontext() if isinstance(target, RemotePath) else one_writer(target, longest=SIDECAR)


def write_with_notes(image: Image, path: Path, *, overwrite: bool = False, allow_loss: bool = False) -> tuple[str, ...]:
    """Write an image like `write_image`, but return its warnings as notes. The caller must hold `one_result`."""
    check_target(path, overwrite=overwrite, image=image, allow_loss=allow_loss)
    image, notes = _in_32_bits(image, path) if _needs_32_bits(image, path) else (image, ())
    lost = _find_unsupported(image, path)
    record = _record(image, lost)
    if isinstance(path, RemotePath):
        format_to_write(path).import_writer().write(image, path)
        if record is not None:
            write_record(sidecar_path(path), with_state(record, path))
        return notes
    with replacing(path, sidecar_path(path)) as (temporary, temporary_record):
        format_to_write(path).import_writer().write(image, temporary)
        if record is not None:
            write_record(temporary_record, with_state(record, temporary))
    return (*notes, f"{path.name} does not hold {_in_words(lost)}; the record next to it does.") if lost else notes


@checks_names
def check_target(
    path: str | Path,
    *,
    overwrite: bool,
    image: Image | None = None,
    allow_loss: bool = False,
    inputs: Iterable[Path] = (),
    begun: bool = False,
) -> None:
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
    inputs
        Files and folders that the result is made from. The target may neither be one of them nor contain one.
    begun
        Whether an unfinished run has written part of a target at an address.

    Raises
    ------
    SettingsError, LossyWriteError, OutputExistsError, OutputError
        As in `write_image`.
    """
    path = as_path(path)
    written = format_to_write(path)
    check_apart(path, inputs)
    if isinstance(path, RemotePath):
        _check_remote(path, written, begun)
        if image is not None:
            _check_format(image, path, allow_loss)
        return
    check_writable(path, longest=SIDECAR)
    if path.exists() or path.is_symlink():
        if not overwrite:
            raise OutputExistsError(f"{path} exists already.", remedy="Set `overwrite` or choose another name.")
        if path.is_dir():
            if written is not ZARR:
                raise OutputExistsError(
                    f"{path} is a folder, and is never replaced by a file.", remedy="Choose another name."
                )
            check_replaceable(path)
    if image is not None:
        _check_format(image, path, allow_loss)


def _check_remote(path: RemotePath, written: Format, begun: bool) -> None:
    """Refuse an address that is not that of a new OME-Zarr in an object store."""
    if written is not ZARR:
        raise SettingsError(f"only OME-Zarr is written to an address, got {path.name!r}.", remedy="Name it .ome.zarr.")
    if not path.is_writable:
        raise SettingsError(
            "results are written to object stores, at s3:// or gs://; a web server is only read.",
            remedy="Choose another address, or a folder.",
        )
    if not begun and list_objects(path):
        raise OutputExistsError(
            f"{path} exists already, and a store cannot replace it completely or not at all.",
            remedy="Choose another name, or delete it there first.",
        )


def check_apart(target: Path, inputs: Iterable[Path]) -> None:
    """Refuse a target that is an input, contains one, or lies inside the zarr folder of one.

    Raises
    ------
    OutputExistsError, OutputError
        If it is refused.
    """
    for source in inputs:
        if isinstance(source, RemotePath) or isinstance(target, RemotePath):
            both = sorted((f"{target.resolve()}/", f"{source.resolve()}/"), key=len)
            if both[1].startswith(both[0]):
                raise OutputExistsError(
                    f"{target} is the input itself, or contains it, or lies in it.", remedy="Choose another name."
                )
            continue
        if _is_same(target, source):
            raise OutputExistsError(
                f"{label(target)} is the input itself, which is never overwritten.", remedy="Choose another name."
            )
        if any(_is_same(target, p) for p in source.resolve().parents):
            raise OutputExistsError(
                f"{target} contains the input, which is never overwritten.", remedy="Choose another name."
            )
        if any(_is_same(p, _outermost_zarr(source)) for p in target.resolve().parents):
            raise OutputError(
                f"{target} lies inside the input, which is never changed.", remedy="Choose another folder."
            )


def _check_format(image: Image, path: Path, allow_loss: bool) -> None:
    refused = [x for x in _find_unsupported(image, path) if x.fatal or not allow_loss]
    if not refused:
        return
    first, *_ = refused = sorted(refused, key=lambda x: not x.fatal)
    remedy = f"Write {first.alternative} instead" if first.alternative else "Resample it to a straight grid first"
    alternative = "" if first.fatal else ", or set `allow_loss`"
    raise LossyWriteError(f"{suffix(path)} cannot hold {_in_words(refused)}.", remedy=f"{remedy}{alternative}.")


def _find_unsupported(image: Image, path: Path) -> list[Unsupported]:
    """Return what a file does not hold of an image, whose floats of 16 and 64 bits may become those of 32."""
    found = format_to_write(path).import_writer().find_unsupported(image, suffix(path))
    if image.dtype.name not in ("float16", "float64") or not any(x.fatal for x in found):
        return found
    # No pixel is read to answer this.
    single = image.replace(data=np.broadcast_to(np.float32(0), image.shape), no_data=None)
    return format_to_write(path).import_writer().find_unsupported(single, suffix(path))


def _needs_32_bits(image: Image, path: Path) -> bool:
    """Return whether a format holds floats of 32 bits, but not those of the image."""
    if image.dtype.name not in ("float16", "float64"):
        return False
    found = format_to_write(path).import_writer().find_unsupported(image, suffix(path))
    return any(x.fatal for x in found)


def _in_32_bits(image: Image, path: Path) -> tuple[Image, tuple[str, ...]]:
    """Return the image with floats of 32 bits, and a note that says how exact they are.

    Raises
    ------
    LossyWriteError
        If a value is too large for them.
    """
    values = np.asarray(image.data)
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    if (np.isinf(single) & np.isfinite(values)).any():
        raise LossyWriteError(
            f"{suffix(path)} holds floats of 32 bits, and {np.abs(values[np.isfinite(values)]).max():.3g} is too large "
            "for them.",
            remedy="Write .ome.zarr instead.",
        )
    exact = "exactly the same" if np.array_equal(single, values, equal_nan=True) else "rounded to seven digits"
    note = f"{path.name} holds float32 instead of {image.dtype.name}: the values are {exact}."
    return image.replace(data=single), (note,)


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
        "channel_names": list(image.channel_names),
    }


def _is_same(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except OSError:
        return False


def _outermost_zarr(source: Path) -> Path:
    """Return the outermost of the nested zarr folders that a folder lies in; other paths are returned as they are."""
    folder = source.resolve()
    while folder.is_dir() and is_zarr(folder.parent):
        folder = folder.parent
    return folder


def output_suffix(path: str | Path) -> str:
    """Return the default suffix for the result of an input.

    Parameters
    ----------
    path
        File or folder of the input.

    Raises
    ------
    SettingsError
        If the format of the input is unknown.
    """
    path = InputPath(path)
    file_format = find_format(path)
    if file_format is None:
        raise SettingsError(
            f"{path} has a format that cannot be read, so its result has no default format.",
            remedy=f"Choose an input that can be read: {', '.join(READ_SUFFIXES)}.",
        )
    # NIfTI, into which results of DICOM go, has no names of channels.
    return NRRD.result if file_format is DICOM and _has_channels(path) else file_format.result


def _has_channels(path: Path) -> bool:
    try:
        if path.is_dir() and not has_volumes(path):  # without reading all pixels
            return False
        return any(
            "C" in series.open(None).axes
            for series in format_to_read(path).import_reader().scan(path, Accept(unknown_pixel_size=True))
        )
    except SuperResError:  # its own run reports it
        return False
