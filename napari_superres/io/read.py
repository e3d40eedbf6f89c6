"""Read any supported file or folder as an `Image`, and answer questions about paths without reading pixels."""

import glob
import itertools
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

from napari_superres.core.image import Image
from napari_superres.core.options import checks_names
from napari_superres.errors import SeriesError, SuperResError, SuperResWarning, UnreadableImageError
from napari_superres.io.formats import (
    READ_SUFFIXES,
    ZARR,
    dicom_files,
    find_format,
    format_to_read,
    is_dicomdir,
    is_zarr,
    suffix,
)
from napari_superres.io.identity import HiddenPath, InputPath, is_anonymous
from napari_superres.io.lazy import LazyArray
from napari_superres.io.omezarr.damage import find_bad_chunks
from napari_superres.io.series import GUESSED, Accept, Series, check_present, name_file, noted_no_data, with_name
from napari_superres.io.sidecar import RESULT, SIDECAR, sidecar_path
from napari_superres.io.tiff.ome_set import find_parts
from napari_superres.limits import read_json

_READ_AT_ONCE = 2**28
"""Bytes."""


@checks_names
def read_image(
    path: str | Path,
    *,
    axes: str | None = None,
    series: int | None = None,
    pixel_size: Sequence[float] | float | None = None,
    unit: str = "micrometer",
    skip_bad: bool = False,
    trust: bool = False,
) -> Image:
    """Read one image from a file, an OME-Zarr folder or a folder with a DICOM series.

    TIFF and OME-Zarr are read lazily: slicing ``data`` reads only what is needed.

    Parameters
    ----------
    path
        File or folder.
    axes
        One letter of ``"TCZYXS"`` per array axis; replaces the axes that the file states.
    series
        Index of the image, from 0, in a file or folder with several images.
    pixel_size
        Distance of pixel centres; replaces the one that the file states. One number, two for Y and X, or one per
        spatial axis in array order.
    unit
        Unit of `pixel_size`, a UDUNITS name or a common symbol such as ``"um"``.
    skip_bad
        Replace missing or damaged chunks of an OME-Zarr by its fill value, and list them in ``data.bad_chunks``.
        Otherwise reading such a chunk is an error.
    trust
        Also read data that the file names outside its own folder. A file from a stranger could name any file of yours.

    Returns
    -------
    Image
        Image with the pixel size, origin, orientation and channel names of the file. A pixel size that the
        file does not state is unknown (``units`` are None), never 1.

    Raises
    ------
    UnreadableImageError
        If the file is missing, empty, damaged, or of a format that cannot be read.
    SeriesError
        If the file holds several images and `series` is None. The message lists the images.
    AxesError, GridError
        If `axes` or `pixel_size` do not fit the array.

    Warns
    -----
    SuperResWarning
        If the file contradicts itself or leaves a choice, such as two orientations. The sentences are also in
        ``metadata["notes"]``.
    """
    image = read_with_notes(
        path, axes=axes, series=series, pixel_size=pixel_size, unit=unit, skip_bad=skip_bad, trust=trust
    )
    for note in image.metadata.get("notes", ()):
        # Level 3 is the caller: the decorator adds a frame.
        warnings.warn(note, SuperResWarning, stacklevel=3)
    return image


def read_with_notes(
    path: str | Path,
    *,
    axes: str | None = None,
    series: int | None = None,
    pixel_size: Sequence[float] | float | None = None,
    unit: str = "micrometer",
    skip_bad: bool = False,
    trust: bool = False,
) -> Image:
    """Read an image like `read_image`, but leave its warnings as ``metadata["notes"]``, which `upscale` passes on."""
    path = InputPath(path)
    available = _scan(path, Accept(unknown_pixel_size=pixel_size is not None, outside_files=trust))
    if series is None:
        if len(available) > 1:
            lines = "; ".join(f"{i}: {s.name}, {s.summary}" for i, s in enumerate(available))
            raise SeriesError(
                f"{path} holds {len(available)} images: {lines}.",
                remedy=f"Set `series` to a number from 0 to {len(available) - 1}.",
            )
        series = 0
    if not 0 <= series < len(available):
        raise SeriesError(
            f"`series` must be 0 to {len(available) - 1}, because {path} holds {len(available)} image(s), got {series}."
        )
    image = _with_record(available[series].open(axes), path)
    if skip_bad and isinstance(image.data, LazyArray):
        image = image.replace(data=image.data.fill_bad_chunks())
    with name_file(path):
        return image if pixel_size is None else image.with_pixel_size(pixel_size, unit)


def _with_record(image: Image, path: Path) -> Image:
    """Return the image with the provenance record next to its file, unless the file itself holds one."""
    record_file = sidecar_path(path)
    if "provenance" in image.metadata:
        return _with_no_data(image)
    if not record_file.is_file():
        return image
    try:
        record = read_json(record_file)
    except (OSError, ValueError):
        return image
    if not isinstance(record, dict):
        return image
    record.pop(RESULT, None)  # which tells of the file, not of the image
    return _with_no_data(image.replace(metadata={**image.metadata, "provenance": record}))


def _with_no_data(image: Image) -> Image:
    """Return the image with the values "not measured" of the input it was computed from, if its file states none."""
    given = image.metadata["provenance"].get("input") if isinstance(image.metadata["provenance"], dict) else None
    pair = given.get("no_data") if isinstance(given, dict) else None
    if image.no_data is not None or not isinstance(pair, list):
        return image
    return image.replace(no_data=noted_no_data({"no_data": " ".join(map(str, pair))}))


def read_record(path: Path) -> dict[str, Any] | None:
    """Return the record of a result, which lies next to it or in it, or the record that is given; None without one.

    Raises
    ------
    UnreadableImageError
        If there is no such file, or neither a record nor an image in it.
    """
    for file in (path, sidecar_path(path)):
        if file.name.endswith(".json") and file.is_file():
            try:
                record = read_json(file)
            except (OSError, ValueError):
                continue
            if isinstance(record, dict):
                return {key: value for key, value in record.items() if key != RESULT}
    if path.name.endswith(SIDECAR) and path.is_file():
        return None
    inside = read_image(path).metadata.get("provenance")
    return dict(inside) if isinstance(inside, Mapping) else None


@checks_names
def read_series(path: str | Path, *, axes: str | None = None, trust: bool = False) -> list[tuple[str, Image]]:
    """Read every image of a file or folder.

    Parameters
    ----------
    path
        File or folder.
    axes
        One letter of ``"TCZYXS"`` per array axis, for every image; replaces the axes that the file states.
    trust
        As in `read_image`.

    Returns
    -------
    list of (str, Image)
        Name to display and image, in the order of the file.

    Raises
    ------
    UnreadableImageError
        If the file is missing, empty, damaged, or of a format that cannot be read.
    AxesError
        If `axes` do not fit an array.
    """
    return [(s.name, s.open(axes)) for s in _scan(InputPath(path), Accept(outside_files=trust))]


def describe(path: str | Path, *, redact: bool = False, trust: bool = False) -> list[dict[str, Any]]:
    """Describe every image of a file or folder in values that JSON can hold.

    Parameters
    ----------
    path
        File or folder.
    redact
        Leave out all names, so that the description can be given away: those of images and channels, and in errors
        that of the file.
    trust
        As in `read_image`.

    Returns
    -------
    list of dict
        One dictionary per image with ``series``, ``name``, ``format``, ``axes``, ``axes_guessed``, ``shape``,
        ``dtype``, ``pixel_size`` (None while unknown), ``origin``, ``units``, ``time_step``, ``channel_names``,
        ``space``, ``frame`` (the name of a NIfTI's space), ``bytes`` and ``notes``, the warnings of `read_image`.
        Pixel sizes and origins have seven digits. Data about a patient or another person are left out; of medical
        images, ``name`` is not that of the file.

    Raises
    ------
    UnreadableImageError
        If the file is missing, empty, damaged, or of a format that cannot be read.
    """
    path = HiddenPath(path) if redact else InputPath(path)
    format_name = format_to_read(path).name if path.exists() else ""
    names = {"name", "channel_names"} if redact else set()
    rows = [
        {
            "series": index,
            "name": series.name,
            "format": format_name,
            "axes": image.axes,
            "axes_guessed": bool(image.metadata.get(GUESSED)),
            "shape": list(image.shape),
            "dtype": image.dtype.name,
            "pixel_size": _round(image.pixel_size) if any(image.units.get(a) for a in image.spatial) else None,
            "origin": _round(image.origin),
            "units": dict(image.units),
            "time_step": image.metadata.get("time_step"),
            "channel_names": list(image.channel_names),
            "space": image.space,
            "frame": image.metadata.get("nifti", {}).get("code"),
            "bytes": prod(image.shape) * image.dtype.itemsize,
            "notes": list(image.metadata.get("notes", ())),
        }
        for index, (series, image) in enumerate(_open_all(path, trust=trust))
    ]
    return [{key: value for key, value in row.items() if key not in names} for row in rows]


def _open_all(path: Path, *, trust: bool) -> Iterator[tuple[Series, Image]]:
    """Yield all series of a file, with their images; also those that are read only if a pixel size is given."""
    for index, series in enumerate(_scan(path, Accept(outside_files=trust))):
        try:
            yield series, series.open(None)
        except UnreadableImageError:
            image = _scan(path, Accept(unknown_pixel_size=True, outside_files=trust))[index].open(None)
            yield series, image.replace(units={**image.units, **dict.fromkeys(image.spatial)})


def _round(values: Sequence[float]) -> list[float]:
    # Many files store 32-bit numbers: seven digits show 0.1 instead of 0.10000000149.
    return [float(f"{value:.7g}") for value in values]


def find_images(path_or_glob: str | Path, *, recursive: bool = False) -> list[Path]:
    """Find the images in a folder or of a glob pattern.

    Parameters
    ----------
    path_or_glob
        A file, a folder, or a pattern such as ``"plates/**/*.tif"``.
    recursive
        Of a folder, also take the images in its subfolders, except hidden ones and those that are images themselves.

    Returns
    -------
    list of pathlib.Path
        Sorted paths. An OME-Zarr folder is one image, and so is a folder that holds DICOM files; of the files of one
        OME-TIFF the first is returned. Other files, and subfolders of a folder, are left out; also subfolders that
        may not be read, unless their name ends in ``.zarr``.

    Raises
    ------
    UnreadableImageError
        If nothing exists there, or nothing of it can be read.
    """
    path: Path = InputPath(path_or_glob)
    readable = f"Choose files that can be read: {', '.join(READ_SUFFIXES)}."
    if not path.exists() and glob.has_magic(str(path_or_glob)):
        matches: list[Path] = [InputPath(p) for p in sorted(glob.glob(str(path_or_glob), recursive=True))]  # noqa: PTH207 - absolute patterns too
        images = [p for p in matches if _is_image(p)]
        if not images:
            pattern = "the pattern" if is_anonymous(path) or is_anonymous(path.parent) else path_or_glob
            raise UnreadableImageError(f"no image matches {pattern} ({len(matches)} other files do).", remedy=readable)
        return without_parts(images)
    check_present(path)
    if not path.is_dir() or find_format(path) is ZARR:
        return [path]
    images = [image for folder in (_folders(path) if recursive else [path]) for image in _images_in(folder)]
    if not images:
        raise UnreadableImageError(f"{path} holds no image.", remedy=readable)
    return without_parts(images)


def without_parts(paths: Sequence[Path]) -> list[Path]:
    """Return paths without those whose pixels an earlier one shows: files of one OME-TIFF, and its companion."""
    kept, parts = [], set[Path]()
    for path in paths:
        if path not in parts:
            kept.append(path)
            parts |= find_parts(path) if ".ome" in suffix(path) and not path.is_dir() else set()
    return kept


def _images_in(folder: Path) -> list[Path]:
    dicom = set(dicom_files(folder))
    images = [p for p in sorted(folder.iterdir()) if p not in dicom and _is_image(p)]
    if dicom:
        images = [p for p in images if not is_dicomdir(p)]
    return sorted([*images, folder]) if dicom else images


def _folders(top: Path) -> Iterator[Path]:
    """Yield a folder and its subfolders, except hidden ones, those that are a zarr, and those that may not be read."""
    for name, subfolders, _ in os.walk(top):
        folder: Path = InputPath(name)
        subfolders[:] = sorted(n for n in subfolders if not n.startswith(".") and find_format(folder / n) is not ZARR)
        if os.access(folder, os.R_OK | os.X_OK):
            yield folder


def find_damage(path: str | Path, *, read_data: bool = True) -> Iterator[str]:
    """Yield what of a file or folder cannot be read, in sentences: of all its images, channels and resolutions.

    Parameters
    ----------
    path
        File or folder.
    read_data
        Read all pixels. Otherwise only the metadata are read, and the lengths of files are compared with them.
    """
    path = InputPath(path)
    try:
        series = _scan(path, Accept(unknown_pixel_size=True))
        if is_zarr(path):
            yield from find_bad_chunks(path, read_data=read_data)
            return
        for image in [one.open(None) for one in series] if read_data else ():
            _read_through(image)
    except SuperResError as error:
        yield error.message


def _read_through(image: Image) -> None:
    """Read all pixels, a part of a plane at a time."""
    if not isinstance(image.data, LazyArray):  # has been read already
        return
    row = image.data.nbytes // prod(image.size(a) for a in "TCZY")
    rows = max(1, _READ_AT_ONCE // row)
    parts = [slice(start, start + rows) for start in range(0, image.size("Y"), rows)]
    sides = {"Y": parts, "X": [slice(None)], "S": [slice(None)]}
    for part in itertools.product(*(sides.get(a, range(image.size(a))) for a in image.axes)):
        image.data[part]


def _scan(path: Path, accept: Accept) -> list[Series]:
    check_present(path)
    with name_file(path):
        return [with_name(s, path) for s in format_to_read(path).import_reader().scan(path, accept)]


def _is_image(path: Path) -> bool:
    if path.name.startswith("."):
        return False
    try:
        return find_format(path) is not None and (path.is_file() or path.is_dir()) and _kind_fits(path)
    except OSError:  # a disk that is gone
        return False


def _kind_fits(path: Path) -> bool:
    # A file named a.zarr is not an image, and neither is a folder named a.tif.
    return path.is_dir() or suffix(path) not in ZARR.read
