"""What all instruments have in common."""

from math import ceil
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


def gaussians(sigma: Tensor, reach: float) -> Tensor:
    """Return kernels ``(B, 1, taps)`` of sum 1, one per standard deviation in pixels, over `reach` of the widest."""
    radius = max(1, ceil(reach * float(sigma.max())))
    offsets = torch.arange(-radius, radius + 1).float()
    kernels = torch.exp(-0.5 * (offsets / sigma.clamp(min=1e-3)[:, None]) ** 2)
    return (kernels / kernels.sum(dim=1, keepdim=True))[:, None]


def counted(light: Tensor, photons: Tensor, noise: Tensor, random: np.random.Generator) -> Tensor:
    """Return what a camera counts ``(B, ...)``, as a share of the brightest, each with its photons and read noise."""
    shape = (-1, *[1] * (light.ndim - 1))
    most, spread = photons.numpy().reshape(shape), noise.numpy().reshape(shape)
    seen = random.poisson(light.numpy().clip(min=0) * most) + random.normal(size=light.shape) * spread
    return torch.from_numpy((seen / most).astype(np.float32))


def drawn_evenly_in_logarithm(between: Range, count: int, random: np.random.Generator) -> Tensor:
    """Return so many strengths that range over orders of magnitude."""
    return drawn((float(np.log(between[0])), float(np.log(between[1]))), count, random).exp()


def drawn_evenly_in_root(between: Range, count: int, random: np.random.Generator) -> Tensor:
    """Return so many strengths of noise that may be none: what is nearly clean is not rare."""
    return drawn((between[0] ** 0.5, between[1] ** 0.5), count, random) ** 2
