"""Calibration functions of ImageJ, which turn stored numbers into measured values, such as Hounsfield units."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.errors import UnreadableImageError

_POLYNOMIALS, _NONE = range(4), 20
"""Numbers of ImageJ's functions: a straight line and polynomials of degree 2 to 4; and none."""

_SIGNED_OFFSET = 32768


@dataclass(frozen=True, slots=True)
class Calibration:
    """A polynomial of stored numbers.

    Attributes
    ----------
    coefficients
        From the constant on.
    dtype
        Type of the calibrated values: whole numbers if the polynomial only adds one, else 32-bit floating point.
    """

    coefficients: tuple[float, ...]
    dtype: np.dtype[Any]

    def __call__(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return calibrated values."""
        if self.dtype.kind == "i":
            return np.asarray(values.astype(self.dtype) + self.dtype.type(self.coefficients[0]))
        calibrated: npt.NDArray[Any] = np.polynomial.Polynomial(self.coefficients)(values.astype(np.float64))
        return calibrated.astype(self.dtype)


def find_calibration(path: Path, file: Any, series: Any) -> Calibration | None:
    """Return the calibration of a series; None if stored numbers are the values.

    Raises
    ------
    UnreadableImageError
        If the function is not a polynomial, or its numbers are missing.
    """
    description: Mapping[str, Any] = (file.imagej_metadata or {}) if file.is_imagej else {}
    dtype = series.dtype
    if (
        "cf" not in description
        or int(description["cf"]) == _NONE
        or dtype.kind not in "ui"
        or series.keyframe.samplesperpixel > 1
    ):
        return None
    function, given = int(description["cf"]), []
    if function in _POLYNOMIALS:
        with suppress(KeyError, TypeError, ValueError):
            given = [float(description[f"c{i}"]) for i in range(function + 2)]
    if not given or not np.isfinite(given).all():
        raise UnreadableImageError(
            f"{path} must have values that are stored, or a polynomial of them, but has the calibration function "
            f"{function} of ImageJ.",
            remedy="In ImageJ, apply it or remove it with Analyze > Calibrate.",
        )
    if dtype.kind == "i":  # ImageJ reads signed numbers as unsigned ones, to which its function belongs.
        given = np.polynomial.Polynomial(given)(np.polynomial.Polynomial([_SIGNED_OFFSET, 1.0])).coef.tolist()
    if given == [0.0, 1.0]:
        return None
    if given[1:] == [1.0] and given[0].is_integer():
        low, high = (int(v) + int(given[0]) for v in (np.iinfo(dtype).min, np.iinfo(dtype).max))
        whole = next((np.dtype(t) for t in ("i2", "i4") if np.iinfo(t).min <= low and high <= np.iinfo(t).max), None)
        if whole is not None:
            return Calibration((given[0],), whole)
    return Calibration(tuple(given), np.dtype(np.float32))
