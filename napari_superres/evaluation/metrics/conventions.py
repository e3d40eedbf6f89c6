"""Which values, which part of the frame and which data range a metric compares.

These choices alone change PSNR by decibels from one paper to the next. Each one therefore has a name, and the report
states it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_superres.core.color import luma
from napari_superres.core.image import Image
from napari_superres.errors import EvaluationError, SettingsError

Convention = Literal["microscopy", "sr-paper"]
DATA_RANGES = ("reference-percentile", "reference-range", "dtype", "fixed:VALUE")
"""The first is the default of the convention ``microscopy``."""

_PERCENTILES = (0.1, 99.9)

_RANGES = {
    "reference-percentile": " (from the 0.1st to the 99.9th percentile of the reference, per channel)",
    "reference-range": " (from the lowest to the highest intensity of the reference, per channel)",
    "dtype": " (that of the reference's data type)",
}
_MAGNITUDES = (1e-100, 1e100)
"""Between these, intensities can be squared and divided."""

_DESCRIPTIONS = {
    "microscopy": {
        "values": "unchanged intensities as 64-bit floats; colour samples pooled, alpha left out",
        "crop": "none",
    },
    "sr-paper": {
        "values": "Y of BT.601 from 8-bit RGB (16..235), not rounded; 8-bit grey unchanged",
        "crop": "as many pixels as the scale on every side",
    },
}


def check_magnitude(*images: Image | None) -> None:
    """Raise an error if the intensities of an image are too large or too small to be squared.

    Raises
    ------
    EvaluationError
        If the largest magnitude of an image is above 1e100, or below 1e-100 but not 0.
    """
    for image in images:
        values = np.asarray(0 if image is None else image.data)
        finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
        largest = float(max(abs(float(finite.max())), abs(float(finite.min())))) if finite.size else 0.0
        if largest and not _MAGNITUDES[0] < largest < _MAGNITUDES[1]:
            raise EvaluationError(
                f"intensities of up to {largest:.3g} cannot be squared as 64-bit floats.",
                remedy="Multiply the images by one factor, so that they lie between 1e-100 and 1e100.",
            )


@dataclass(frozen=True, slots=True)
class ComparisonRules:
    """Convention and data range of a comparison, both valid.

    Attributes
    ----------
    convention
        ``"microscopy"`` or ``"sr-paper"``.
    data_range
        One of `DATA_RANGES`.
    fixed
        Width of the range if `data_range` is ``"fixed:VALUE"``, else None.
    """

    convention: Convention
    data_range: str
    fixed: float | None = None

    @classmethod
    def parse(cls, convention: str, data_range: str | None) -> "ComparisonRules":
        """Return the rules for two options.

        Parameters
        ----------
        convention
            ``"microscopy"`` or ``"sr-paper"``.
        data_range
            One of `DATA_RANGES`; None = the usual one of the convention.

        Raises
        ------
        SettingsError
            If an option is unknown, or ``sr-paper`` is combined with a data range other than 255.
        """
        if convention not in _DESCRIPTIONS:
            raise SettingsError(
                f"unknown convention {convention!r}.", remedy=f"Valid conventions: {', '.join(_DESCRIPTIONS)}."
            )
        if convention == "sr-paper":
            if data_range not in (None, "dtype", "fixed:255"):
                raise SettingsError(
                    f"the convention sr-paper fixes the data range to 255, got {data_range!r}.",
                    remedy="Leave out `data_range`, or use `convention='microscopy'`.",
                )
            return cls("sr-paper", "fixed:255", 255.0)
        chosen = DATA_RANGES[0] if data_range is None else data_range
        if chosen.startswith("fixed:"):
            return cls("microscopy", chosen, _parse_fixed(chosen))
        if chosen not in DATA_RANGES:
            raise SettingsError(
                f"unknown data range {chosen!r}.", remedy=f"Valid data ranges: {', '.join(DATA_RANGES)}."
            )
        return cls("microscopy", chosen)

    def describe(self) -> dict[str, str]:
        """Return the rules in words, for the report."""
        return {
            "convention": self.convention,
            **_DESCRIPTIONS[self.convention],
            "data_range": self.data_range + _RANGES.get(self.data_range, ""),
            "planes": "2-D metrics per YX plane over all Z and T: squared errors (PSNR, NRMSE, HFEN) pooled, others "
            "averaged; planes with a constant reference left out and counted",
            "ssim": "Gaussian window of 11 pixels, sigma 1.5, K1 0.01, K2 0.03, border of 5 pixels left out",
            "nrmse": "divided by the root mean square of the reference",
            "aligned": "after the least-squares fit gain * candidate + offset, one per image and channel",
        }

    def intensity_limits(self, reference: npt.NDArray[Any], dtype: np.dtype[Any]) -> tuple[float, float]:
        """Return the smallest and the largest intensity of the data range.

        Parameters
        ----------
        reference
            All planes of one channel.
        dtype
            Data type of the reference before any conversion.

        Raises
        ------
        EvaluationError
            If no range exists: floats with ``"dtype"``, or no finite pixel.

        Notes
        -----
        Percentiles keep one hot pixel from widening the range and so raising PSNR. Where both percentiles are equal,
        because fewer than one pixel in a thousand stands out, the range is that of all pixels.
        """
        if self.fixed is not None:
            return 0.0, self.fixed
        if self.data_range == "dtype":
            if dtype.kind == "f":
                raise EvaluationError(
                    f"data range 'dtype' needs an integer type, got {dtype}.",
                    remedy="Use `data_range='reference-range'` or `data_range='fixed:VALUE'`.",
                )
            return float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)
        finite = reference[np.isfinite(reference)] if dtype.kind == "f" else reference
        if finite.size == 0:
            raise EvaluationError(
                "the reference has no finite pixel, so that nothing can be compared.",
                remedy="Choose another reference, channel or frame.",
            )
        if self.data_range == "reference-percentile":
            low, high = np.percentile(finite, _PERCENTILES)
            if high > low:
                return float(low), float(high)
        return float(finite.min()), float(finite.max())

    def compared_values(self, planes: npt.NDArray[Any], samples: bool, scale: Sequence[int] | None) -> npt.NDArray[Any]:
        """Return the part of the planes, and of their values, that the metrics compare.

        Parameters
        ----------
        planes
            Planes ``(P, Y, X)`` of one channel, or ``(P, Y, X, S)`` with colour samples.
        samples
            Whether the last axis holds the samples of an RGB(A) pixel.
        scale
            Scale along Y and X, by which ``sr-paper`` crops; None = unknown.

        Returns
        -------
        ndarray
            ``(P, Y, X)``, or ``(P, Y, X, 3)`` for the colours of ``microscopy``.

        Raises
        ------
        EvaluationError
            With ``sr-paper``, if the data are not 8-bit, the scale is unknown, or nothing is left after cropping.
        """
        if self.convention == "microscopy":
            return planes[..., :3] if samples else planes
        if planes.dtype != np.uint8:
            raise EvaluationError(
                f"the convention sr-paper compares 8-bit images, got {planes.dtype}.",
                remedy="Use `convention='microscopy'` for other types.",
            )
        if scale is None:
            raise EvaluationError(
                "the convention sr-paper crops by the scale, which is unknown.", remedy="Give the input as `lr`."
            )
        y, x = scale
        rows, columns = planes.shape[1] - 2 * y, planes.shape[2] - 2 * x
        if rows <= 0 or columns <= 0:
            raise EvaluationError(
                f"nothing is left of {planes.shape[1:3]} pixels after cropping {y} and {x} per side.",
                remedy="Use a larger image, or `convention='microscopy'`.",
            )
        inside = planes[:, y : y + rows, x : x + columns]
        return luma(inside) if samples else inside


def _parse_fixed(data_range: str) -> float:
    """Return VALUE of ``fixed:VALUE``."""
    try:
        value = float(data_range.removeprefix("fixed:"))
    except ValueError:
        value = float("nan")
    if not (isfinite(value) and value > 0):
        raise SettingsError(
            f"data range fixed:VALUE needs a number above 0, got {data_range!r}.",
            remedy="For example, use `data_range='fixed:4095'`.",
        )
    return value
