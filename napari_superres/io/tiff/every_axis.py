"""Series of a TIFF with all of their axes, also those of one element, which tifffile leaves out by default.

Before tifffile 2026.5, a series had both forms. Since then, it has the form that its file was asked for.
"""

from collections.abc import Sequence
from typing import Any


def series_of(file: Any) -> Sequence[Any]:
    """Return the series of a file that tifffile opened."""
    series: Sequence[Any] = file.series(squeeze=False) if callable(file.series) else file.series
    return series


def shape_of(series: Any) -> tuple[int, ...]:
    """Return the shape of a series or of one of its levels, with axes of one element."""
    shape = series.get_shape(squeeze=False) if hasattr(series, "get_shape") else series.shape
    return tuple(int(n) for n in shape)


def axes_of(series: Any) -> str:
    """Return the letters of tifffile for the axes of a series or of one of its levels, with axes of one element."""
    return str(series.get_axes(squeeze=False) if hasattr(series, "get_axes") else series.axes)
