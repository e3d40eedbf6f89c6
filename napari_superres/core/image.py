"""`Image`: an array with everything that says where and what it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from napari_superres.core import grid
from napari_superres.core.axes import spatial_axes, validate_axes
from napari_superres.core.units import METRES, unit_name
from napari_superres.errors import AxesError, DataTypeError, GridError

Array = Any  # numpy, dask or zarr: whatever has shape, dtype and basic slicing


@dataclass(frozen=True, slots=True)
class Image:
    """An n-dimensional image on a pixel grid.

    Attributes
    ----------
    data
        numpy, dask or zarr array; axes as in `axes`. Integers and real floats.
    axes
        Letters of ``"TCZYXS"``, slowest first. Y and X are required.
    affine
        ``(n+1, n+1)`` index-to-world matrix over the spatial axes in array order. The single truth.
    units
        Unit per spatial axis and T: a UDUNITS name, or None where it is unknown.
    space
        ``"LPS"`` where the world is a patient's left-posterior-superior frame
        (rows of the matrix in the order of the spatial axes), else None.
    channel_names
        One name per channel, or empty.
    metadata
        Facts kept through processing. Never identity fields.
    """

    data: Array
    axes: str
    affine: npt.NDArray[np.float64]
    units: Mapping[str, str | None]
    space: str | None = None
    channel_names: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        dtype = np.dtype(self.data.dtype)
        if dtype.kind not in "uif" or dtype.itemsize > 8:
            raise DataTypeError(
                f"an image holds integers or real floating-point numbers of up to 64 bits, got {dtype}. "
                "Take the magnitude of complex data; convert masks to uint8 first."
            )
        set_(self, "axes", validate_axes(self.axes, tuple(self.data.shape)))
        n = len(self.spatial)
        affine = np.array(self.affine, dtype=np.float64)
        if affine.shape != (n + 1, n + 1):
            raise GridError(
                f"affine must be {n + 1} x {n + 1} for the spatial axes {self.spatial}, got {affine.shape}."
            )
        if not np.all(np.isfinite(affine)) or abs(np.linalg.det(affine)) == 0:
            raise GridError("affine must be finite and invertible. Check pixel size and orientation.")
        affine.flags.writeable = False
        set_(self, "affine", affine)
        units = {a: self.units.get(a) for a in self.axes if a in "TZYX"}
        units = {a: None if u is None else unit_name(u) for a, u in units.items()}
        set_(self, "units", units)
        names = tuple(self.channel_names)
        if names and len(names) != self.size("C"):
            raise AxesError(f"{self.size('C')} channels need as many names, got {len(names)}: {names}.")
        set_(self, "channel_names", names)
        set_(self, "metadata", dict(self.metadata))

    @classmethod
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
        """Build an image from an array and numbers in array order.

        Parameters
        ----------
        data
            Array with shape, dtype and slicing. Sequences of numbers are converted.
        axes
            One letter of ``"TCZYXS"`` per array axis.
        pixel_size
            One number for all spatial axes or one per axis; None = unknown.
        origin
            World position of the first pixel per spatial axis; 0 by default.
        unit
            Unit of `pixel_size` and `origin`; ignored while both and `affine` are None.
        affine
            Index-to-world matrix, instead of `pixel_size` and `origin`.
        space, channel_names, metadata
            As in `Image`.

        Raises
        ------
        AxesError, DataTypeError, GridError
            If the array, its axes or its grid cannot be an image.
        """
        if not hasattr(data, "shape") or not hasattr(data, "dtype"):
            data = np.asarray(data)
        axes = validate_axes(axes, tuple(data.shape))
        spatial = spatial_axes(axes)
        known = pixel_size is not None or affine is not None
        if affine is None:
            sizes = np.broadcast_to(1.0 if pixel_size is None else np.asarray(pixel_size, float), (len(spatial),))
            affine = grid.make_affine(list(sizes), origin)
        elif pixel_size is not None or origin is not None:
            raise GridError("give either affine, or pixel_size and origin.")
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
        """Distance of neighbouring pixel centres per spatial axis, array order (1.0 while unknown)."""
        return grid.pixel_size_of(self.affine)

    @property
    def origin(self) -> tuple[float, ...]:
        """World position of the first pixel's centre per spatial axis, array order."""
        return tuple(float(v) for v in self.affine[:-1, -1])

    @property
    def has_pixel_size(self) -> bool:
        """Whether the physical size of a pixel is known along Y and X."""
        return all(self.units.get(a) in METRES for a in "YX")

    def size(self, axis: str) -> int:
        """Return the number of elements along an axis; 1 where the image does not have it."""
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some attributes changed, checked again."""
        return replace(self, **changes)

    def with_pixel_size(self, pixel_size: Sequence[float] | float, unit: str = "micrometer") -> Self:
        """Return the image with its pixel size set anew, its orientation and origin's index kept.

        One number sets Y and X and, in a volume, Z too; two numbers set Y and X only.

        Raises
        ------
        GridError
            If the count of numbers does not fit the spatial axes.
        """
        sizes = np.atleast_1d(np.asarray(pixel_size, dtype=np.float64))
        if len(sizes) == 2 and len(self.spatial) == 3:
            yx = dict(zip([a for a in self.spatial if a != "Z"], sizes, strict=True))
            sizes = np.array([yx.get(a, self.pixel_size[i]) for i, a in enumerate(self.spatial)])
        if len(sizes) not in (1, len(self.spatial)):
            raise GridError(f"pixel size needs one number, or one per axis of {self.spatial}, got {len(sizes)}.")
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
