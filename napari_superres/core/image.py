"""`Image`: an array with its axes, position in the world, units and metadata."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypedDict, Unpack

import numpy as np
import numpy.typing as npt

from napari_superres.core import grid
from napari_superres.core.axes import spatial_axes, validate_axes
from napari_superres.core.invalid import find_missing
from napari_superres.core.notebook import as_table, thumbnail
from napari_superres.core.options import check_names, checks_names
from napari_superres.core.units import METRES, unit_name
from napari_superres.errors import AxesError, DataTypeError, GridError

_MOST_BYTES = 2**63  # what numbers of 64 bits can count

Array = Any  # numpy, dask, zarr, or any other array with shape, dtype and basic slicing


def as_array(data: Any) -> Array:
    """Return an array whose shape and data type numpy understands, and anything else as a numpy array.

    Masked pixels of real floating-point numbers become NaN.

    Raises
    ------
    DataTypeError
        If it cannot become a numpy array, like a tensor on a GPU, or if pixels are masked that cannot become NaN.
    """
    if isinstance(data, np.ma.MaskedArray):
        return _without_mask(data)
    if isinstance(getattr(data, "_meta", None), np.ma.MaskedArray):  # of dask
        raise DataTypeError(
            "a lazy array must have no mask, which would be lost.",
            remedy="Replace masked pixels by NaN first: `dask.array.ma.filled(array, numpy.nan)`.",
        )
    try:
        if hasattr(data, "shape") and np.dtype(data.dtype) and not hasattr(data, "toarray"):
            return data
    except (AttributeError, TypeError):  # tensors have types of their own
        pass
    try:
        # Sparse matrices would become an array of one object.
        return data.toarray() if hasattr(data, "toarray") else np.asarray(data)
    except Exception as error:  # any library may refuse in its own way
        raise DataTypeError(
            f"an image must hold numbers that numpy can read, but a {type(data).__name__} cannot be read: {error}.",
            remedy="Convert it to a numpy array first.",
        ) from error


def _without_mask(data: np.ma.MaskedArray[Any, Any]) -> npt.NDArray[Any]:
    if not np.ma.is_masked(data):
        return np.asarray(data.data)
    if data.dtype.kind != "f":
        raise DataTypeError(
            f"{np.count_nonzero(data.mask)} pixels are masked, and whole numbers of type {data.dtype} cannot say so.",
            remedy="Convert the array to floating-point numbers, so that they stay without a value, or fill them.",
        )
    return np.asarray(data.filled(np.nan))


class ImageChanges(TypedDict, total=False):
    """Attributes of an `Image` that `Image.replace` can change."""

    data: Array
    axes: str
    affine: npt.NDArray[np.float64]
    units: Mapping[str, str | None]
    space: str | None
    channel_names: tuple[str, ...]
    metadata: Mapping[str, Any]
    no_data: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Image:
    """An n-dimensional image on a pixel grid.

    Attributes
    ----------
    data
        numpy, dask or zarr array of integers or real floating-point numbers, with the axes in `axes`.
    axes
        Letters of ``"TCZYXS"``, slowest first. Y and X are required.
    affine
        ``(n + 1, n + 1)`` index-to-world matrix over the spatial axes in array order. `pixel_size` and `origin` are
        computed from it.
    units
        Unit of each spatial axis and of T: a UDUNITS name, or None if unknown.
    space
        ``"LPS"`` if the world is a patient's left-posterior-superior frame (rows of the matrix in the order of the
        spatial axes), else None.
    channel_names
        One name per channel, or empty.
    metadata
        Facts that processing keeps. They never identify a patient or another person. ``notes`` are sentences on what
        is doubtful in the file, which users should read. ``axes_guessed`` is True if no file or user named the axes.
        ``optics`` holds a mapping per channel with what the file states of ``numerical_aperture``, ``wavelength`` of
        the emitted light in micrometres, and acquisition ``mode`` in OME's words.
    no_data
        Least and greatest of the whole numbers that mean "nothing was measured here", such as the padding around the
        round field of a CT; None if there are none. Floating-point data have NaN there, and ignore this range.
    """

    data: Array
    axes: str
    affine: npt.NDArray[np.float64]
    units: Mapping[str, str | None]
    space: str | None = None
    channel_names: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    no_data: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        set_(self, "data", as_array(self.data))
        dtype = np.dtype(self.data.dtype)
        if dtype.kind not in "uif" or dtype.itemsize > 8:
            raise DataTypeError(
                f"an image must hold integers or real floating-point numbers of up to 64 bits, got {dtype}.",
                remedy="Take the magnitude of complex data, and convert masks to uint8.",
            )
        set_(self, "axes", validate_axes(self.axes, tuple(self.data.shape)))
        if math.prod(self.data.shape) * dtype.itemsize >= _MOST_BYTES:
            raise AxesError(f"an image must have fewer than 2**63 bytes, got the shape {tuple(self.data.shape)}.")
        n = len(self.spatial)
        affine = np.array(self.affine, dtype=np.float64)
        if affine.shape != (n + 1, n + 1):
            raise GridError(
                f"affine must be {n + 1} x {n + 1} for the spatial axes {self.spatial}, got {affine.shape}."
            )
        if not np.all(np.isfinite(affine)) or abs(np.linalg.det(affine)) == 0:
            raise GridError("affine must be finite and invertible.", remedy="Check pixel size and orientation.")
        affine.flags.writeable = False
        set_(self, "affine", affine)
        units = {a: self.units.get(a) for a in self.axes if a in "TZYX"}
        units = {a: None if u is None else unit_name(u) for a, u in units.items()}
        set_(self, "units", units)
        names = tuple(self.channel_names)
        if names and len(names) != self.size("C"):
            raise AxesError(
                f"an image of {self.size('C')} channel(s) must have as many channel names, got {len(names)}: {names}.",
                remedy="Set `channel_names` to one name per channel, or leave it empty.",
            )
        set_(self, "channel_names", names)
        set_(self, "metadata", dict(self.metadata))
        if self.no_data is not None:
            low, high = (float(v) for v in self.no_data)
            if not low <= high:
                raise DataTypeError(f"no_data must be a least and a greatest value, got {self.no_data}.")
            set_(self, "no_data", (low, high))

    @classmethod
    @checks_names
    def from_array(
        cls,
        data: Array,
        axes: str,
        *,
        pixel_size: Sequence[float] | float | None = None,
        origin: Sequence[float] | None = None,
        unit: str | None = "micrometer",
        affine: npt.ArrayLike | None = None,
        space: str | None = None,
        channel_names: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
    ) -> Self:
        """Make an image from an array, with all numbers in array order.

        Parameters
        ----------
        data
            Array with shape, dtype and slicing. Sequences of numbers are converted to an array.
        axes
            One letter of ``"TCZYXS"`` per array axis.
        pixel_size
            Distance of pixel centres: one number for all spatial axes, or one per axis. None means unknown.
        origin
            World position of the centre of the first pixel, per spatial axis; 0 by default.
        unit
            Unit of `pixel_size`, `origin` and `affine`. Ignored if `pixel_size` and `affine` are None.
        affine
            Index-to-world matrix, instead of `pixel_size` and `origin`.
        space, channel_names, metadata
            As in `Image`.

        Raises
        ------
        AxesError, DataTypeError, GridError
            If the array, its axes or its grid do not make an image.
        """
        data = as_array(data)
        axes = validate_axes(axes, tuple(data.shape))
        spatial = spatial_axes(axes)
        known = pixel_size is not None or affine is not None
        if affine is None:
            sizes = np.broadcast_to(1.0 if pixel_size is None else np.asarray(pixel_size, float), (len(spatial),))
            affine = grid.make_affine(list(sizes), origin)
        elif pixel_size is not None or origin is not None:
            raise GridError(
                "an image needs either `affine`, or `pixel_size` and `origin`, got both.", remedy="Leave one out."
            )
        units = dict.fromkeys(spatial, unit if known else None)
        return cls(
            data=data,
            axes=axes,
            affine=np.asarray(affine),
            units=units,
            space=space,
            channel_names=tuple(channel_names),
            metadata=metadata or {},
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array, in axes order."""
        return tuple(int(n) for n in self.data.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the array, in native byte order."""
        native: np.dtype[Any] = np.dtype(self.data.dtype).newbyteorder("=")
        return native

    @property
    def spatial(self) -> str:
        """Spatial letters in array order, such as ``"ZYX"``."""
        return spatial_axes(self.axes)

    @property
    def pixel_size(self) -> tuple[float, ...]:
        """Distance of neighbouring pixel centres per spatial axis, in array order; 1.0 if unknown."""
        return grid.pixel_size_of(self.affine)

    @property
    def origin(self) -> tuple[float, ...]:
        """World position of the centre of the first pixel per spatial axis, in array order."""
        return tuple(float(v) for v in self.affine[:-1, -1])

    @property
    def has_pixel_size(self) -> bool:
        """Whether the pixel size along Y and X has a unit of length."""
        return all(self.units.get(a) in METRES for a in "YX")

    def size(self, axis: str) -> int:
        """Return the number of elements along an axis; 1 if the image does not have this axis."""
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1

    def replace(self, **changes: Unpack[ImageChanges]) -> Self:
        """Return a copy with some attributes changed. The copy is checked like a new image."""
        check_names(changes, ImageChanges.__annotations__)
        return replace(self, **changes)

    def with_nan(self) -> Self:
        """Return the image with NaN where nothing was measured; unchanged if it has no whole numbers that say so."""
        if self.no_data is None or self.dtype.kind == "f":
            return self
        values = np.asarray(self.data)
        wide = np.promote_types(values.dtype, np.float32)
        missing = find_missing(values, self.no_data)
        values = values.astype(wide)
        return self.replace(
            data=values if missing is None else np.where(missing, wide.type(np.nan), values), no_data=None
        )

    def with_pixel_size(self, pixel_size: Sequence[float] | float, unit: str = "micrometer") -> Self:
        """Return the image with another pixel size, and the same orientation.

        The numbers of the origin stay, or become 0 if the pixel size was unknown.

        Parameters
        ----------
        pixel_size
            Distance of pixel centres: one number for all spatial axes, two for Y and X only, or one per spatial axis
            in array order.
        unit
            Unit of `pixel_size`.

        Raises
        ------
        GridError
            If the number of values does not fit the spatial axes.
        """
        sizes = np.atleast_1d(np.asarray(pixel_size, dtype=np.float64))
        if len(sizes) == 2 and len(self.spatial) == 3:
            yx = dict(zip([a for a in self.spatial if a != "Z"], sizes, strict=True))
            sizes = np.array([yx.get(a, self.pixel_size[i]) for i, a in enumerate(self.spatial)])
        if len(sizes) not in (1, len(self.spatial)):
            raise GridError(
                f"a pixel size must have one number, or one per axis of {self.spatial}, got {len(sizes)} numbers.",
                remedy="Set `pixel_size` to one of these.",
            )
        sizes = np.broadcast_to(sizes, (len(self.spatial),))
        direction = self.affine[:-1, :-1] / np.asarray(self.pixel_size)
        origin = self.affine[:-1, -1] if self.has_pixel_size else np.zeros(len(self.spatial))
        units = {**self.units, **dict.fromkeys(self.spatial, unit)}
        return self.replace(affine=grid.make_affine(list(sizes), origin.tolist(), direction), units=units)

    def __repr__(self) -> str:
        known = " x ".join(
            f"{s:.4g} {self.units[a] or 'px'}" for a, s in zip(self.spatial, self.pixel_size, strict=True)
        )
        return f"Image({self.axes} {self.shape} {self.dtype}, pixel {known})"

    def _repr_html_(self) -> str:
        """Show a thumbnail, the grid and the notes in a notebook, without reading a large image as a whole."""
        names = dict(zip(self.spatial, range(len(self.spatial)), strict=True))
        unit = {a: self.units[a] or "px" for a in names}
        return as_table(
            "Image",
            [
                ("size", ", ".join(f"{a} {n}" for a, n in zip(self.axes, self.shape, strict=True))),
                ("data type", self.dtype),
                ("pixel size", ", ".join(f"{a} {self.pixel_size[i]:.4g} {unit[a]}" for a, i in names.items())),
                ("first pixel at", ", ".join(f"{a} {self.origin[i]:.4g} {unit[a]}" for a, i in names.items())),
                ("world", f"patient, {self.space}" if self.space else ""),
                ("channels", ", ".join(self.channel_names)),
                *(("note", note) for note in self.metadata.get("notes", ())),
            ],
            thumbnail=thumbnail(self.data, self.axes),
        )
