"""What is compared, exactly: which values, which part of the frame, over which data range.

Numbers of two papers differ by decibels through these choices alone, so each is a named
policy that is written into the report.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_superres.core.color import luma
from napari_superres.errors import EvaluationError, SettingsError

Convention = Literal["microscopy", "sr-paper"]
POLICIES = ("dtype", "reference-range", "reference-percentile", "fixed:VALUE")

_DESCRIPTIONS = {
    "microscopy": {
        "values": "intensities as they are, 64-bit floats; colour samples pooled, alpha left out",
        "crop": "none",
    },
    "sr-paper": {
        "values": "Y of BT.601 from 8-bit RGB (16..235), not rounded; 8-bit grey as it is",
        "crop": "as many pixels as the scale, at every side",
    },
}


@dataclass(frozen=True, slots=True)
class Rules:
    """One convention with its data-range policy, checked.

    Attributes
    ----------
    convention
        ``"microscopy"`` or ``"sr-paper"``.
    policy
        One of `POLICIES`.
    fixed
        The range of the policy ``fixed:VALUE``, else None.
    """

    convention: Convention
    policy: str
    fixed: float | None = None

    @classmethod
    def parse(cls, convention: str, data_range: str | None) -> "Rules":
        """Return the rules that two option texts mean; None is the convention's own policy.

        Raises
        ------
        SettingsError
            If a text is unknown, or ``sr-paper`` is asked for a data range other than 255.
        """
        if convention not in _DESCRIPTIONS:
            raise SettingsError(f"unknown convention {convention!r}. Use one of: {', '.join(_DESCRIPTIONS)}.")
        if convention == "sr-paper":
            if data_range not in (None, "dtype", "fixed:255"):
                raise SettingsError(f"the convention sr-paper fixes the data range to 255, got {data_range!r}.")
            return cls("sr-paper", "fixed:255", 255.0)
        policy = "reference-range" if data_range is None else data_range
        if policy.startswith("fixed:"):
            return cls("microscopy", policy, _fixed_value(policy))
        if policy not in POLICIES:
            raise SettingsError(f"unknown data range {policy!r}. Use one of: {', '.join(POLICIES)}.")
        return cls("microscopy", policy)

    def describe(self) -> dict[str, str]:
        """Return what the rules mean, in words."""
        return {
            "convention": self.convention,
            **_DESCRIPTIONS[self.convention],
            "data_range": self.policy,
            "planes": "2-D metrics per YX plane, averaged over all Z and T",
            "ssim": "Gaussian window of 11 pixels, sigma 1.5, K1 0.01, K2 0.03, border of 5 pixels left out",
            "nrmse": "divided by the root mean square of the reference",
            "aligned (a.)": "after the least-squares line gain * candidate + offset, one per image and channel",
        }

    def limits(self, reference: npt.NDArray[Any], dtype: np.dtype[Any]) -> tuple[float, float]:
        """Return the smallest and the largest intensity of the data range.

        Parameters
        ----------
        reference
            All planes of one channel.
        dtype
            The type of the reference as it was given.

        Raises
        ------
        EvaluationError
            If the policy finds no range: floats under ``dtype``, no finite pixel.
        """
        if self.fixed is not None:
            return 0.0, self.fixed
        if self.policy == "dtype":
            if dtype.kind == "f":
                raise EvaluationError(
                    f"data range 'dtype' needs an integer type, got {dtype}. Use reference-range or fixed:VALUE."
                )
            return float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)
        finite = reference[np.isfinite(reference)] if dtype.kind == "f" else reference
        if finite.size == 0:
            raise EvaluationError("the reference has no finite pixel. Nothing can be compared.")
        if self.policy == "reference-percentile":
            low, high = np.percentile(finite, [0.1, 99.9])
            return float(low), float(high)
        return float(finite.min()), float(finite.max())

    def values(self, planes: npt.NDArray[Any], samples: bool, scale: Sequence[int] | None) -> npt.NDArray[Any]:
        """Return what is compared of ``(P, Y, X)`` planes, or ``(P, Y, X, S)`` with colour `samples`.

        Parameters
        ----------
        planes
            Of one channel.
        samples
            Whether the last axis holds the samples of an RGB(A) pixel.
        scale
            Factor along Y and X, which ``sr-paper`` crops; None = unknown.

        Raises
        ------
        EvaluationError
            If ``sr-paper`` is asked of data that are not 8-bit or of an unknown scale.
        """
        if self.convention == "microscopy":
            return planes[..., :3] if samples else planes
        if planes.dtype != np.uint8:
            raise EvaluationError(
                f"the convention sr-paper compares 8-bit images, got {planes.dtype}. Use microscopy for other types."
            )
        if scale is None:
            raise EvaluationError("the convention sr-paper crops by the scale, which is unknown. Give the input as lr.")
        y, x = scale
        rows, columns = planes.shape[1] - 2 * y, planes.shape[2] - 2 * x
        if rows <= 0 or columns <= 0:
            raise EvaluationError(f"nothing is left of {planes.shape[1:3]} pixels after cropping {y} and {x} per side.")
        inside = planes[:, y : y + rows, x : x + columns]
        return luma(inside) if samples else inside


def _fixed_value(policy: str) -> float:
    try:
        value = float(policy.removeprefix("fixed:"))
    except ValueError:
        value = float("nan")
    if not (isfinite(value) and value > 0):
        raise SettingsError(f"data range fixed:VALUE needs a number above 0, got {policy!r}. For example fixed:4095.")
    return value
