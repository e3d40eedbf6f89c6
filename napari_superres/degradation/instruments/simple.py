"""Instruments whose images have no point-spread function of their own: reductions, truncations, recordings."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_superres.degradation import kspace
from napari_superres.degradation.instruments.base import Plane, Range, Scale, drawn_evenly_in_root, span
from napari_superres.degradation.jpeg import compressed
from napari_superres.degradation.resample import resize_bicubic


@dataclass(frozen=True, slots=True)
class Bicubic:
    """Antialiased bicubic reduction, and JPEG compression.

    Attributes
    ----------
    eight_bit
        Whether low-resolution images are rounded to 8 bits, as is the convention of the literature.
    jpeg
        Quality, from, to; None = not compressed.
    """

    eight_bit: bool = True
    jpeg: Range | None = None
    frames = 1

    def margin(self, scale: Scale) -> tuple[int, ...]:
        """Return 0."""
        return (0,) * len(scale)

    def reduce(self, plane: Plane, scale: Scale) -> Plane:
        """Return the plane reduced, and rounded if so wished."""
        reduced = resize_bicubic(plane, scale, axes=range(plane.ndim))
        if self.eight_bit:
            reduced = np.rint(reduced * 255.0).clip(0, 255) / 255.0
        return np.asarray(reduced, dtype=np.float32)

    def expose(
        self, high: Tensor, low: Tensor | None, scale: Scale, random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return what was reduced, each patch compressed by itself: there is no noise."""
        del scale
        assert low is not None
        if self.jpeg is not None:
            qualities = random.uniform(*self.jpeg, len(low)).round().astype(int)
            pixels = (low[:, 0] * 255).round().to(torch.uint8).numpy()
            seen = np.stack([compressed(p, int(q)) for p, q in zip(pixels, qualities, strict=True)])
            low = torch.from_numpy(seen.astype(np.float32) / 255)[:, None]
        return low, high

    def describe(self) -> str:
        """Return what was done."""
        compression = f"; JPEG quality {span(self.jpeg)}" if self.jpeg else ""
        return f"antialiased bicubic reduction{', 8 bit' if self.eight_bit else ''}{compression}"


@dataclass(frozen=True, slots=True)
class KSpace:
    """Truncation of k-space and Rician noise.

    Attributes
    ----------
    noise
        Standard deviation of real and imaginary part in units of the brightest intensity, from, to; drawn evenly in
        its square root, so that what is nearly clean is not rare.
    """

    noise: Range = (0.0, 0.0)
    eight_bit = False
    frames = 1

    def margin(self, scale: Scale) -> tuple[int, ...]:
        """Return 0: planes are truncated as a whole."""
        return (0,) * len(scale)

    def reduce(self, plane: Plane, scale: Scale) -> Plane:
        """Return the plane from the lowest spatial frequencies."""
        return kspace.truncate(plane, scale).astype(np.float32)

    def expose(
        self, high: Tensor, low: Tensor | None, scale: Scale, random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return magnitudes, each patch with its own noise."""
        del scale
        return _with_rician_noise(low, self.noise, random), high

    def describe(self) -> str:
        """Return what was done."""
        return f"k-space truncation; Rician noise {span(self.noise)} of the brightest"


@dataclass(frozen=True, slots=True)
class Recorded:
    """No simulation: both images of a pair were recorded."""

    eight_bit = False
    frames = 1

    def margin(self, scale: Scale) -> tuple[int, ...]:
        """Return 0."""
        return (0,) * len(scale)

    def reduce(self, plane: Plane, scale: Scale) -> None:
        """Return nothing: low-resolution images are there."""

    def expose(
        self, high: Tensor, low: Tensor | None, scale: Scale, random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return what was recorded."""
        del scale, random
        assert low is not None
        return low, high

    def describe(self) -> str:
        """Return what was done."""
        return "none: pairs recorded by instruments"


def _with_rician_noise(low: Tensor | None, noise: Range, random: np.random.Generator) -> Tensor:
    assert low is not None
    sigma = drawn_evenly_in_root(noise, len(low), random).numpy().reshape(-1, *[1] * (low.ndim - 1))
    return torch.from_numpy(kspace.rician(low.numpy(), sigma, random).astype(np.float32))
