"""The profile of a slice: how it weighs the fine slices that it covers."""

from dataclasses import dataclass
from math import ceil, log, sqrt
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from napari_superres.errors import SettingsError

Kind = Literal["box", "gaussian"]
KINDS = get_args(Kind)

FWHM_OF_SIGMA = 2 * sqrt(2 * log(2))
_SIGMAS = 3.0
WIDEST = 4.0
"""Widest and, as its inverse, narrowest profile, in distances of slices: beyond, the numbers are mixed up."""


@dataclass(frozen=True, slots=True)
class SliceProfile:
    """Weights of a slice along the coarse axis.

    Attributes
    ----------
    kind
        ``"box"``: constant over the width, as of slices that are cut or averaged. ``"gaussian"``: the width is that at
        half maximum, as of an axial point-spread function or a selective pulse.
    width
        Thickness of a slice in distances of slices: 1 = slices touch, less = gaps, more = overlaps.
    """

    kind: Kind = "box"
    width: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise SettingsError(f"a slice profile must be one of {', '.join(KINDS)}, got {self.kind!r}.")
        if not 1 / WIDEST <= self.width <= WIDEST:
            raise SettingsError(
                f"slices must be {1 / WIDEST:g} to {WIDEST:g} times as thick as they are apart, got {self.width:g}.",
                remedy="Check `thickness` and `spacing`: both are in the unit of the pixel size.",
            )

    def taps(self, scale: int) -> tuple[npt.NDArray[np.float32], int]:
        """Return the weights of fine slices, and how many of them lie before the first fine slice of this slice.

        Parameters
        ----------
        scale
            Fine slices per distance of slices.

        Returns
        -------
        weights : ndarray
            ``(scale + 2 * margin,)``; they sum to 1.
        margin : int
            Weights before the first, and after the last, of the `scale` fine slices of the slice.
        """
        width, centre = self.width * scale, (scale - 1) / 2
        if self.kind == "box":
            margin = max(0, ceil((width - scale) / 2 - 1e-9))
            at = np.arange(-margin, scale + margin)
            weights = np.clip(width / 2 + 0.5 - np.abs(at - centre), 0.0, min(1.0, width))
        else:
            sigma = width / FWHM_OF_SIGMA
            margin = max(0, ceil(_SIGMAS * sigma - scale / 2))
            at = np.arange(-margin, scale + margin)
            weights = np.exp(-0.5 * ((at - centre) / sigma) ** 2)
        return (weights / weights.sum()).astype(np.float32), margin

    def describe(self) -> str:
        """Return the profile in words."""
        slices = "touching" if self.width == 1 else f"{self.width:.3g} times as thick as they are apart"
        return f"{'box' if self.kind == 'box' else 'Gaussian'} profile, slices {slices}"
