"""What the samples of a TIFF mean: colour models that are no intensities are converted, or refused by name.

ImageJ and microscopes store a palette and the exchange of black and white as ways to show intensities, which stay as
they are. In other files, palettes are replaced by their colours, and white at zero is inverted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.errors import UnreadableImageError
from napari_superres.io.lazy import Box, LazyArray
from napari_superres.io.tiff.calibration import find_calibration

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _YCBCR, _LINEAR_RAW = 0, 1, 2, 3, 6, 34892
_PHOTOMETRIC, _COLORMAP = 262, 320
_REFUSED = {
    4: "a transparency mask",
    5: "inks (CMYK)",
    8: "CIE L*a*b* colour",
    9: "ICC L*a*b* colour",
    10: "ITU L*a*b* colour",
    32803: "the unprocessed mosaic of a camera (CFA)",
    32844: "logarithmic luminance (LogL)",
    32845: "logarithmic luminance (LogLuv)",
    52527: "a semantic mask",
}
# Compressions that know no colour: with these, tifffile returns YCbCr as it is stored.
_COLOURLESS = {1, 5, 8, 32773, 32946, 34925, 50000}
_ASSOCIATED, _UNASSOCIATED = 1, 2
_PLAIN = ("generic", "uniform", "shaped")
"""Kinds of series of tifffile that no scientific program wrote."""

Recolour = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
Present = Callable[[LazyArray, str], tuple[LazyArray, str]]
"""Returns the array and the axes of a resolution level as they are shown, from the stored array and its axes."""


class RecolouredArray(LazyArray):
    """A lazy array whose values or samples are converted when they are read.

    Parameters
    ----------
    base
        The array as it is stored.
    recolour
        Converts stored values; samples, if `axis` is given, lie along the last axis of its argument and result.
    shape, dtype
        Of the converted array.
    axis
        Axis of the samples in the converted array; None if values are converted one by one. The base has it, too,
        unless it has one axis less.
    """

    def __init__(
        self, base: LazyArray, recolour: Recolour, shape: tuple[int, ...], dtype: npt.DTypeLike, axis: int | None = None
    ) -> None:
        super().__init__(shape, dtype)
        self._base, self._recolour, self._axis = base, recolour, axis

    def read_box(self, box: Box) -> npt.NDArray[Any]:
        """Read the stored values of a box and convert them."""
        axis = self._axis
        if axis is None:
            return self._recolour(np.asarray(self._base[box]))
        stored = box[:axis] + ((slice(None),) if self._base.ndim == self.ndim else ()) + box[axis + 1 :]
        values = np.asarray(self._base[stored])
        if self._base.ndim == self.ndim:
            values = np.moveaxis(values, axis, -1)
        return np.moveaxis(self._recolour(values), -1, axis)[(slice(None),) * axis + (box[axis],)]


@dataclass(frozen=True, slots=True)
class _Inverted:
    top: int

    def __call__(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.asarray(values.dtype.type(self.top) - values)


@dataclass(frozen=True, slots=True)
class _Shades:
    """Pixels of one bit as 0 and 255, like those of PNG."""

    white: bool

    def __call__(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.where(values == self.white, np.uint8(255), np.uint8(0))


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """Floating-point values with NaN in the place of the one that means "not measured"."""

    mark: float

    def __call__(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the values with NaN; the mark is compared in their data type."""
        with np.errstate(over="ignore"):
            return np.where(values == values.dtype.type(self.mark), values.dtype.type(np.nan), values)


@dataclass(frozen=True, slots=True)
class _Coloured:
    """The colours of palette indices."""

    colours: npt.NDArray[Any]

    def __call__(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.asarray(self.colours[values])


def _as_rgba(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return grey with alpha as red, green, blue and alpha."""
    return values[..., [0, 0, 0, 1]]


@dataclass(frozen=True, slots=True)
class _Separated:
    """Colours that were multiplied by alpha, divided by it. `top` is the alpha of opaque pixels."""

    top: float

    def __call__(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        colour, alpha = values[..., :-1].astype(np.float64), values[..., -1:]
        colour = np.divide(colour * self.top, alpha, out=np.zeros_like(colour), where=alpha != 0)
        if values.dtype.kind == "u":
            colour = np.rint(colour.clip(0, self.top))
        return np.concatenate([colour.astype(values.dtype), alpha], axis=-1)


def find_presentation(path: Path, file: Any, series: Any) -> Present:
    """Return how the stored array of a series becomes that of an image. Pixels are not read.

    Raises
    ------
    UnreadableImageError
        If its colour model or its calibration cannot be turned into intensities; the message names it.
    """
    page, is_plain = series.keyframe, series.kind in _PLAIN
    model = int(page.photometric) if _PHOTOMETRIC in page.tags else _BLACK_IS_ZERO
    extra = [int(e) for e in page.extrasamples]
    alpha = [e for e in extra if e in (_ASSOCIATED, _UNASSOCIATED)]
    colours = 3 if model in (_RGB, _YCBCR, _LINEAR_RAW) else 1
    if model in _REFUSED or (model == _YCBCR and int(page.compression) in _COLOURLESS):
        raise _refusal(path, _REFUSED.get(model, "YCbCr colour"), "Convert it to RGB or grey first.")
    if alpha and (page.samplesperpixel > colours + 1 or model == _WHITE_IS_ZERO):
        raise _refusal(path, "transparency next to other samples", "Leave the transparency out of the file.")
    calibration = find_calibration(path, file, series)
    if calibration is not None:
        return lambda a, axes: (RecolouredArray(a, calibration, a.shape, calibration.dtype), axes)
    if model == _PALETTE and is_plain:
        table = _colours(path, series)
        return lambda a, axes: (RecolouredArray(a, _Coloured(table), (*a.shape, 3), table.dtype, a.ndim), axes + "S")
    if page.dtype.kind == "b" and model in (_BLACK_IS_ZERO, _WHITE_IS_ZERO):
        shades = _Shades(white=model == _BLACK_IS_ZERO)
        return lambda a, axes: (RecolouredArray(a, shades, a.shape, np.uint8), axes)
    if model == _WHITE_IS_ZERO and series.kind != "imagej":
        return _inverted(path, page)
    return _of_samples(series, colours, alpha)


def _of_samples(series: Any, colours: int, alpha: list[int]) -> Present:
    """Return what becomes of the axis S: colour with at most one alpha, or channels, as of red, green and infrared."""
    page, dtype = series.keyframe, series.dtype

    def present(array: LazyArray, axes: str) -> tuple[LazyArray, str]:
        if "S" not in axes:
            return array, axes
        at = axes.index("S")
        if alpha and colours == 1:
            shape = (*array.shape[:at], 4, *array.shape[at + 1 :])
            array = RecolouredArray(array, _as_rgba, shape, array.dtype, at)
        elif (colours == 1 and series.kind != "ome") or (colours == 3 and page.samplesperpixel > 3 + len(alpha)):
            return array, axes.replace("S", "C" if "C" not in axes else "?")
        if alpha == [_ASSOCIATED]:
            top = 1.0 if dtype.kind == "f" else float(2 ** _bits(page) - 1)
            array = RecolouredArray(array, _Separated(top), array.shape, array.dtype, at)
        return array, axes

    return present


def _inverted(path: Path, page: Any) -> Present:
    if page.dtype.kind != "u":
        raise _refusal(path, f"{page.dtype} numbers of which 0 is white", "Write it with black at 0 first.")
    invert = _Inverted(2 ** _bits(page) - 1)
    return lambda a, axes: (RecolouredArray(a, invert, a.shape, a.dtype), axes.replace("S", "C"))


def _colours(path: Path, series: Any) -> npt.NDArray[Any]:
    """Return the colours of a palette, ``(index, RGB)``: in 8 bits if they have no more."""
    first = series.keyframe.colormap
    if first is None or series.dtype.kind != "u":
        raise _refusal(path, "a palette without colours", "Export it again.")
    for page in series.pages if len(series.pages) > 1 else ():
        if page is not None and not np.array_equal(page.aspage().colormap, first):
            raise _refusal(path, "pages with different palettes", "Convert it to RGB first.")
    table = np.zeros((np.iinfo(series.dtype).max + 1, 3), np.uint16)
    table[: first.shape[1]] = first.T
    if table.max() < 256:
        return table.astype(np.uint8)
    low = table & 255
    return (table >> 8).astype(np.uint8) if not low.any() or np.array_equal(low, table >> 8) else table


def _bits(page: Any) -> int:
    bits = page.bitspersample
    return int(min(bits) if isinstance(bits, tuple) else bits)


def _refusal(path: Path, found: str, remedy: str) -> UnreadableImageError:
    return UnreadableImageError(f"{path} must hold intensities or RGB colour, but holds {found}.", remedy=remedy)
