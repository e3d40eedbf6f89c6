"""What a file says about its image, in one form for all readers: those of other libraries and that of superres."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.core.units import METRES
from napari_superres.io import read_image

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
REVERSE = np.eye(4)[[2, 1, 0, 3]]


class CannotMakeError(Exception):
    """A library has no way to write this image in this format."""


@dataclass(frozen=True, slots=True)
class Facts:
    """An image as a file describes it.

    Attributes
    ----------
    data
        Pixels; stored numbers if `scale` is given, and empty if only the other facts are known.
    axes
        Letters of the axes.
    affine
        Index-to-world matrix of the spatial axes in array order, left-posterior-superior; None if there is no grid.
    unit
        Unit of `affine`; None if the pixel size is unknown.
    channels, time_step, no_data, labels
        As in `Image`, where ``labels`` stands in the metadata.
    scale
        Slope and intercept that turn stored numbers into values.
    """

    data: npt.NDArray[Any]
    axes: str
    affine: npt.NDArray[np.float64] | None = None
    unit: str | None = None
    channels: tuple[str, ...] = ()
    time_step: tuple[float, str] | None = None
    no_data: float | None = None
    labels: bool = False
    scale: tuple[float, float] | None = None

    @property
    def spatial(self) -> str:
        """Spatial letters in array order."""
        return "".join(a for a in self.axes if a in "ZYX")

    @property
    def values(self) -> npt.NDArray[Any]:
        """Pixels with slope and intercept applied."""
        if self.scale is None:
            return self.data
        return (self.data * self.scale[0] + self.scale[1]).astype(np.float32)

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """Index-to-world matrix; the identity if there is no grid."""
        return np.eye(len(self.spatial) + 1) if self.affine is None else self.affine

    def matrix_in(self, unit: str) -> npt.NDArray[np.float64]:
        """Return the matrix in another unit of length."""
        factor = METRES[self.unit or unit] / METRES[unit]
        scaled = self.matrix * factor
        scaled[-1] = self.matrix[-1]
        return scaled

    def sizes_in(self, unit: str) -> dict[str, float]:
        """Return the pixel size of each spatial axis."""
        matrix = self.matrix_in(unit)[:-1, :-1]
        return dict(zip(self.spatial, np.linalg.norm(matrix, axis=0).tolist(), strict=True))

    def origin_in(self, unit: str) -> dict[str, float]:
        """Return the origin along each spatial axis."""
        return dict(zip(self.spatial, self.matrix_in(unit)[:-1, -1].tolist(), strict=True))

    @property
    def is_straight(self) -> bool:
        """Whether the matrix has only pixel sizes and an origin."""
        linear = self.matrix[:-1, :-1]
        return bool(np.array_equal(linear, np.abs(np.diag(np.diag(linear)))))

    def as_image(self) -> Image:
        """Return the image that superres writes."""
        units: dict[str, str | None] = dict.fromkeys(self.spatial, self.unit)
        metadata: dict[str, Any] = {"labels": True} if self.labels else {}
        if self.time_step is not None:
            metadata["time_step"], units["T"] = self.time_step
        no_data = None if self.no_data is None else (self.no_data, self.no_data)
        space = None if self.is_straight else "LPS"
        return Image(self.values, self.axes, self.matrix, units, space, self.channels, metadata, no_data)

    def aligned(self, axes: str) -> "Facts | None":
        """Return the facts with these axes, without others of one element; None if there are others."""
        if sorted(set(self.axes)) != sorted(self.axes):
            return None
        if not self.data.size:
            return self if self.axes == axes else None
        kept = [a for a, n in zip(self.axes, self.data.shape, strict=True) if a in axes or n > 1]
        if sorted(kept) != sorted(axes):
            return None
        data = self.data.reshape([n for a, n in zip(self.axes, self.data.shape, strict=True) if a in kept])
        affine = self.affine
        if affine is not None:
            new = [a for a in axes if a in "ZYX"]
            at = [*(self.spatial.index(a) for a in new), -1]
            affine = affine[np.ix_(at, at)]
        return replace(self, data=data.transpose([kept.index(a) for a in axes]), axes=axes, affine=affine)


def read_by_superres(path: Path) -> Facts:
    """Return what `read_image` finds."""
    image = read_image(path)
    step, unit = image.metadata.get("time_step"), image.units.get("T")
    no_data = image.no_data[0] if image.no_data is not None and image.no_data[0] == image.no_data[1] else None
    return Facts(
        np.asarray(image.data[...]),
        image.axes,
        image.affine,
        image.units["X"],
        image.channel_names,
        (step, unit) if step is not None and unit is not None else None,
        no_data,
        bool(image.metadata.get("labels")),
    )


def from_lps(spacing: Any, origin: Any, direction: Any) -> npt.NDArray[np.float64]:
    """Return the matrix of an image whose first axis is X, such as SimpleITK's."""
    n = min(len(spacing), 3)
    affine = np.eye(n + 1)
    linear = np.asarray(direction, float).reshape(len(spacing), len(spacing))[:n, :n] * np.asarray(spacing[:n], float)
    affine[:n, :n], affine[:n, n] = linear[::-1, ::-1], np.asarray(origin[:n], float)[::-1]
    return affine
