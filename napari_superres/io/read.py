"""Reading: whatever lies at a path becomes an `Image`."""

import glob
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_superres.core.image import Image
from napari_superres.errors import SeriesError, SettingsError, UnreadableImageError
from napari_superres.io.formats import (
    DICOM,
    READ_SUFFIXES,
    ZARR,
    dicom_files,
    family,
    family_to_read,
    is_zarr,
    stem,
    suffix,
)
from napari_superres.io.lazy import LazyArray
from napari_superres.io.series import Series, present


def read_image(
    path: str | Path,
    *,
    axes: str | None = None,
    series: int | None = None,
    pixel_size: Sequence[float] | float | None = None,
    unit: str = "micrometer",
    skip_bad: bool = False,
) -> Image:
    """Read one image from a file, an OME-Zarr folder or a folder with a DICOM series.

    TIFF and OME-Zarr are read lazily: slicing ``data`` reads what is needed.

    Parameters
    ----------
    path
        File or folder.
    axes
        One letter of ``"TCZYXS"`` per array axis, instead of what the file says.
    series
        Which one, from 0, where there are several.
    pixel_size
        Instead of what the file says: one number, or one per spatial axis in array order.
    unit
        Unit of `pixel_size`.
    skip_bad
        Of an OME-Zarr, fill chunks that are missing or damaged instead of raising when they are
        read, and list those met in ``data.bad_chunks``.

    Returns
    -------
    Image
        With pixel size, origin, orientation and channel names of the file. A pixel size that the
        file does not state is unknown (``units`` None), never 1.

    Raises
    ------
    UnreadableImageError
        If the file is missing, empty, damaged, or of a format that is not read.
    SeriesError
        If there are several series and `series` is None; the message lists them.
    AxesError, GridError
        If `axes` or `pixel_size` do not fit.
    """
    path = Path(path)
    found = _scan(path, strict=pixel_size is None)
    if series is None:
        if len(found) > 1:
            lines = "; ".join(f"{i}: {s.name}, {s.summary}" for i, s in enumerate(found))
            raise SeriesError(f"{path} holds {len(found)} images. Choose one with series (--series): {lines}.")
        series = 0
    if not 0 <= series < len(found):
        raise SeriesError(f"series must be 0 to {len(found) - 1}, got {series}: {path} holds {len(found)} image(s).")
    image = _with_record(found[series].open(axes), path)
    if skip_bad and isinstance(image.data, LazyArray):
        image = image.replace(data=image.data.skipping_bad())
    return image if pixel_size is None else image.with_pixel_size(pixel_size, unit)


def _with_record(image: Image, path: Path) -> Image:
    """Return an image with the record that lies beside its file, where the file has no place for one."""
    record = path.with_name(f"{stem(path)}.provenance.json")
    if "provenance" in image.metadata or not record.is_file():
        return image
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return image
    return image.replace(metadata={**image.metadata, "provenance": found}) if isinstance(found, dict) else image


def read_series(path: str | Path, *, axes: str | None = None) -> list[tuple[str, Image]]:
    """Read every image of a file or folder, with a name to display.

    Parameters
    ----------
    path
        File or folder.
    axes
        As in `read_image`; used for every series.

    Raises
    ------
    UnreadableImageError, AxesError
        As in `read_image`.
    """
    return [(s.name, s.open(axes)) for s in _scan(Path(path), strict=True)]


def describe(path: str | Path) -> list[dict[str, Any]]:
    """Return what a file or folder holds, one dictionary per series, ready for JSON.

    Sizes and origins have seven digits. Never a patient's or a person's data.

    Raises
    ------
    UnreadableImageError
        As in `read_image`.
    """
    path = Path(path)
    kind = family_to_read(path).name if path.exists() else ""
    return [
        {
            "series": index,
            "name": name,
            "format": kind,
            "axes": image.axes,
            "shape": list(image.shape),
            "dtype": image.dtype.name,
            "pixel_size": _rounded(image.pixel_size) if any(image.units.get(a) for a in image.spatial) else None,
            "origin": _rounded(image.origin),
            "units": dict(image.units),
            "time_step": image.metadata.get("time_step"),
            "channel_names": list(image.channel_names),
            "space": image.space,
            "bytes": int(np.prod(image.shape, dtype=np.int64)) * image.dtype.itemsize,
        }
        for index, (name, image) in enumerate(read_series(path))
    ]


def _rounded(values: Sequence[float]) -> list[float]:
    """Return numbers as they were meant: files hold many in 32 bits."""
    return [float(f"{value:.7g}") for value in values]


def find_images(path_or_glob: str | Path) -> list[Path]:
    """Return the images of a folder, of a glob pattern, or a single file, sorted.

    An OME-Zarr folder is one image, and so is a folder that holds DICOM files; other files
    and deeper folders are left out.

    Raises
    ------
    UnreadableImageError
        If nothing is there, or nothing of it can be read.
    """
    path = Path(path_or_glob)
    if not path.exists() and glob.has_magic(str(path_or_glob)):
        matches = [Path(p) for p in sorted(glob.glob(str(path_or_glob), recursive=True))]  # noqa: PTH207 - absolute patterns too
        found = [p for p in matches if _is_image(p)]
        if not found:
            raise UnreadableImageError(
                f"no image matches {path_or_glob} ({len(matches)} other files do). "
                f"Readable: {', '.join(READ_SUFFIXES)}."
            )
        return found
    present(path)
    # A folder named as an OME-Zarr is one, damaged or not: reading it says what is wrong.
    if not path.is_dir() or is_zarr(path) or suffix(path) in ZARR.read:
        return [path]
    dicom = set(dicom_files(path))
    found = [p for p in sorted(path.iterdir()) if p not in dicom and _is_image(p)]
    found = sorted([*found, path]) if dicom else found
    if not found:
        raise UnreadableImageError(f"the folder {path} holds no image. Readable: {', '.join(READ_SUFFIXES)}.")
    return found


def file_digest(path: str | Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits.

    Of an OME-Zarr folder its metadata files are digested (the pixels may be terabytes), of a folder
    of DICOM files the sorted digests of the files.

    Raises
    ------
    UnreadableImageError
        If it does not exist.
    """
    path = Path(path)
    present(path)
    if path.is_file():
        return _digest(path)
    total = hashlib.sha256()
    if is_zarr(path):
        marks = ("zarr.json", ".zgroup", ".zarray", ".zattrs")
        for file in sorted(p for mark in marks for p in path.rglob(mark)):
            total.update(f"{file.relative_to(path).as_posix()}\0{_digest(file)}\n".encode())
    else:
        for digest in sorted(_digest(p) for p in dicom_files(path)):
            total.update(f"{digest}\n".encode())
    return total.hexdigest()


def file_state(path: str | Path) -> str:
    """Return a digest of a file's or folder's sizes and times of change: another one where pixels were changed.

    Cheaper than `file_digest`, and holds on this machine only.
    """
    path = Path(path)
    total = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        facts = file.stat()
        if not file.is_dir():
            total.update(f"{file.relative_to(path).as_posix()}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
    return total.hexdigest()


def output_suffix(path: str | Path) -> str:
    """Return the suffix that a result of this input gets unless another is asked for.

    Raises
    ------
    SettingsError
        If the input's format is not known.
    """
    found = family(path)
    if found is None:
        raise SettingsError(
            f"{path} is of no format that is read, so no output format follows from it. "
            f"Readable: {', '.join(READ_SUFFIXES)}."
        )
    return found.result


def is_anonymous(path: str | Path) -> bool:
    """Return whether names and paths of this input must stay out of records and logs, as for DICOM."""
    return family(path) is DICOM


def label(path: str | Path) -> str:
    """Return what records, logs and results call an input: its stem, or a digest where its name may be a patient's."""
    return f"dicom-{file_digest(path)[:12]}" if is_anonymous(path) else stem(path)


def _scan(path: Path, strict: bool) -> list[Series]:
    present(path)
    found: list[Series] = family_to_read(path).load().scan(path, strict)
    return found


def _is_image(path: Path) -> bool:
    if path.name.startswith("."):
        return False
    return family(path) is not None and (path.is_file() or path.is_dir()) and _kind_fits(path)


def _kind_fits(path: Path) -> bool:
    # A file called a.zarr is no image; neither is a folder called a.tif.
    return path.is_dir() or suffix(path) not in ZARR.read


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
