"""What all instruments have in common."""

from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Plane = npt.NDArray[np.float32]
"""A plane or a volume."""

Range = tuple[float, float]
Scale = tuple[int, ...]
"""Factor per axis."""


class Instrument(Protocol):
    """Makes low-resolution images.

    Whatever looks far is done once for a whole plane, by `reduce`; the rest patch by patch, by `expose`.
    """

    eight_bit: bool
    """Whether images have 8 bits, in which results are then measured too."""

    frames: int
    """How many frames are recorded of a moving patch, as channels; the middle one shows the patch itself."""

    def margin(self, scale: Scale) -> tuple[int, ...]:
        """Return the high-resolution pixels that patches need around them, per axis: multiples of `scale`."""

    def reduce(self, plane: Plane, scale: Scale) -> Plane | None:
        """Return the low-resolution plane that all recordings have in common; None if there is no such."""

    def expose(
        self, high: Tensor, low: Tensor | None, scale: Scale, random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return recordings ``(B, frames, (d,) h, w)`` of patches, and the patches ``(B, 1, ...)`` without margin."""

    def describe(self) -> str:
        """Return what was done, for a model's card."""


def trimmed(patches: Tensor, margin: tuple[int, ...]) -> Tensor:
    """Return ``(B, C, ...)`` without `margin` pixels at both ends of each spatial axis."""
    for axis, m in enumerate(margin, start=2):
        patches = patches.narrow(axis, m, patches.shape[axis] - 2 * m)
    return patches.contiguous()


def drawn(between: tuple[float, ...], count: int, random: np.random.Generator) -> Tensor:
    """Return so many strengths, evenly between two."""
    return torch.from_numpy(random.uniform(between[0], between[1], count)).float()


def span(between: Range) -> str:
    """Return both ends of a range as text, once where they are equal."""
    return "-".join(dict.fromkeys(f"{v:g}" for v in between))
