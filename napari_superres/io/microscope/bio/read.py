"""Read CZI, ND2 and LIF with the plug-ins of bioio."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from math import isfinite, prod
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.axes import validate_axes
from napari_superres.core.image import Image
from napari_superres.errors import MissingExtraError, UnreadableImageError
from napari_superres.io.lazy import Box, LazyArray
from napari_superres.io.series import Accept, Series, check_claim, import_library, summarize, translate_errors

_PLUGINS = {".czi": "bioio_czi", ".nd2": "bioio_nd2", ".lif": "bioio_lif"}
# The libraries under the plug-ins are not made for several threads.
_LOCK = RLock()


class BioArray(LazyArray):
    """One scene of a file. The first slicing opens the file, in each process.

    Parameters
    ----------
    path
        The file.
    scene
        Index of the scene.
    keep
        Axes of the plug-in's array that the array has. The other axes have one element.
    shape, dtype
        Shape and data type of the array.
    """

    def __init__(
        self, path: Path, scene: int, keep: tuple[int, ...], shape: tuple[int, ...], dtype: npt.DTypeLike
    ) -> None:
        super().__init__(shape, dtype)
        self._facts = (path, scene, keep, shape, np.dtype(dtype).str)
        self._data: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        return BioArray, self._facts

    def read_box(self, box: Box) -> npt.NDArray[Any]:
        """Read the planes that the box touches."""
        path, scene, keep, *_ = self._facts
        with _errors_of(path):
            if self._data is None:
                reader = _open(path)
                reader.set_scene(scene)
                self._data = _stitched(reader, path).data
            full: list[Any] = [0] * self._data.ndim
            for axis, item in zip(keep, box, strict=True):
                full[axis] = item
            return np.asarray(self._data[tuple(full)].compute(scheduler="synchronous"))


def scan(path: Path, accept: Accept) -> list[Series]:
    """Return the scenes of a file, not yet read.

    Pixel sizes are in micrometres. Axes of one element are left out, except Y and X.

    Raises
    ------
    UnreadableImageError
        If it is damaged, or states more pixels than it can hold.
    MissingExtraError
        If the plug-in for the format is not installed.
    """
    del accept
    with _errors_of(path):
        reader = _open(path)
        return [_series(path, reader, index) for index in range(len(reader.scenes))]


def _series(path: Path, reader: Any, index: int) -> Series:
    reader.set_scene(index)
    whole = _stitched(reader, path)
    dims = [str(d) for d in whole.dims]
    check_claim(path, _kind(path), prod(whole.shape) * whole.dtype.itemsize, path.stat().st_size, "other")
    keep = tuple(i for i, (d, n) in enumerate(zip(dims, whole.shape, strict=True)) if n > 1 or d in "YX")
    data = BioArray(path, index, keep, tuple(whole.shape[i] for i in keep), whole.dtype)
    usual = "".join(dims[i] for i in keep)
    sizes = {axis: getattr(reader.physical_pixel_sizes, axis) for axis in "ZYX"}
    # The plug-in for LIF gives the times of the frames, in seconds, and no interval.
    times = whole.coords.get("T") if path.suffix.lower() == ".lif" else None
    step = _seconds(reader.time_interval if times is None or times.size < 2 else np.diff(times).mean())
    names = [str(name) for name in reader.channel_names or ()]

    def open_image(axes: str | None) -> Image:
        axes = validate_axes(axes or usual, data.shape)
        spatial = [a for a in axes if a in "ZYX"]
        known = all(_is_length(sizes[a]) for a in spatial)
        image = Image.from_array(
            data,
            axes,
            pixel_size=[abs(float(sizes[a])) for a in spatial] if known else None,
            channel_names=tuple(names) if "C" in axes and len(set(names)) == data.shape[axes.index("C")] else (),
        )
        if "T" not in axes or step is None:
            return image
        return image.replace(units={**image.units, "T": "second"}, metadata={**image.metadata, "time_step": step})

    scene = str(reader.scenes[index])
    name = path.name if len(reader.scenes) == 1 else f"{path.name} [{scene}]"
    return Series(name, summarize(open_image(None)), open_image)


def _open(path: Path) -> Any:
    """Return the plug-in's reader of a file."""
    module = _PLUGINS[path.suffix.lower()]
    try:
        reader_class = import_library(module).Reader
    except MissingExtraError as error:
        raise MissingExtraError(
            f"{_kind(path)} files need the library {module.replace('_', '-')}, which is not installed.",
            remedy="pip install 'napari-superres-torch[formats]'",
        ) from error
    # Paths with a label of their own are none to bioio.
    reader = reader_class(str(path))
    if module != "bioio_czi":
        return reader
    try:
        return reader if reader.scenes else reader_class(str(path), use_aicspylibczi=True)
    except Exception:  # noqa: BLE001 - this reader needs metadata of the scenes, the other one does not
        return reader_class(str(path), use_aicspylibczi=True)


def _stitched(reader: Any, path: Path) -> Any:
    """Return the lazy array of the current scene, its mosaic in one piece."""
    data = reader.xarray_dask_data
    if "M" in data.dims:
        data = reader.mosaic_xarray_dask_data
    unknown = [str(d) for d in data.dims if str(d) not in "TCZYXS" and data.sizes[d] > 1]
    if unknown:
        raise UnreadableImageError(
            f"{path} has the axes {', '.join(unknown)}, which an image here cannot have.",
            remedy="Export one position, angle or illumination as OME-TIFF with the program of the microscope.",
        )
    return data


def _is_length(size: Any) -> bool:
    return size is not None and isfinite(float(size)) and float(size) != 0


def _seconds(interval: Any) -> float | None:
    """Return an interval in seconds; None if it is unknown."""
    seconds = interval.total_seconds() if isinstance(interval, timedelta) else interval
    return float(seconds) if seconds is not None and isfinite(float(seconds)) and float(seconds) > 0 else None


def _kind(path: Path) -> str:
    return path.suffix[1:].upper()


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    """Translate the errors of the libraries, silence their remarks, and let one thread use them at a time."""
    with translate_errors(path, f"{_kind(path)} file"), _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        silenced = [logging.getLogger(name) for name in ("bioio_base", *_PLUGINS.values(), "nd2", "liffile")]
        before = [log.disabled for log in silenced]
        for log in silenced:
            log.disabled = True
        try:
            yield
        finally:
            for log, was in zip(silenced, before, strict=True):
                log.disabled = was
