"""The protocol of all instruments."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

Plane = npt.NDArray[np.float32]
"""A plane or a volume."""

Range = tuple[float, float]
"""Least and greatest strength."""

NOTHING_TOLD: Mapping[str, Range] = MappingProxyType({})

Scale = tuple[int, ...]
"""Factor per axis."""


class Instrument(Protocol):
    """Makes low-resolution images for training.

    `reduce` does once for a whole plane what depends on pixels far away; `expose` does the rest for each patch.
    """

    @property
    def eight_bit(self) -> bool:
        """Whether the images have 8 bits; results are then rounded to 8 bits before they are scored."""

    frames: int
    """Frames recorded of a moving patch, as channels; the middle one shows the patch itself."""

    @property
    def conditions(self) -> Mapping[str, Range]:
        """What the network is told of each recording, as planes after its frames, with its range."""

    @property
    def unchanged(self) -> float:
        """Share of a batch, its first patches (rounded up), that `expose` records exactly as `reduce` made them."""

    @property
    def is_noisy(self) -> bool:
        """Whether images are noisy, and `expose` makes input and target of each; `own_noise` is then that of `hr`."""

    @property
    def input_share(self) -> float:
        """Share of the light of a noisy image that is in the input for validation; 0 for all other instruments."""

    def margin(self, scale: Scale) -> tuple[int, ...]:
        """Return the margin that patches need, in high-resolution pixels per axis, multiples of `scale`."""

    def reduce(self, plane: Plane, scale: Scale) -> Plane | None:
        """Return the low-resolution plane that all recordings share, or None if they share none."""

    def expose(
        self, hr: Tensor, lr: Tensor | None, scale: Scale, random: np.random.Generator, own_noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return recordings ``(B, frames + conditions, (d,) h, w)`` and high-resolution patches ``(B, 1, ...)``.

        The margin is cut off.

        Parameters
        ----------
        hr
            High-resolution patches ``(B, 1, ...)`` with their margin.
        lr
            The same part of what `reduce` returned.
        scale
            Factor per axis.
        random
            Generator of all strengths and noise.
        own_noise
            Gain and read noise ``(B, 2)`` that are measured on the image of each patch, reduced without blur: that of
            the original image, or texture that looks like noise. For noisy instruments also the intensity of
            darkness, ``(B, 3)``, all of `hr` as it is.
        """

    def describe(self) -> str:
        """Return the degradation in words, for the card of a model."""
