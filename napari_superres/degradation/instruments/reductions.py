"""Instruments without a point-spread function: bicubic reduction, truncation of k-space, recorded pairs."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_superres.degradation import kspace
from napari_superres.degradation.instruments.protocol import NOTHING_TOLD, Plane, Range, Scale
from napari_superres.degradation.instruments.strengths import add_rician_noise, format_range
from napari_superres.degradation.jpeg import compress
from napari_superres.degradation.resample import resize_bicubic


@dataclass(frozen=True, slots=True)
class Bicubic:
    """Antialiased bicubic reduction, optionally with JPEG compression.

    Attributes
    ----------
    eight_bit
        Whether low-resolution images are rounded to 8 bits, as is the convention of the literature.
    jpeg
        Range of the JPEG quality; None = no compression.
    """

    eight_bit: bool = True
    jpeg: Range | None = None
    frames = 1
    is_noisy = False
    input_share = 0.0
    conditions = NOTHING_TOLD

    @property
    def unchanged(self) -> float:
        """All patches, unless they are compressed."""
        return float(self.jpeg is None)

    def margin(self, scale: Scale) -> tuple[int, ...]:
        """Return 0: planes are reduced as a whole."""
        return (0,) * len(scale)

    def reduce(self, plane: Plane, scale: Scale) -> Plane:
        """Return the reduced plane, rounded to 8 bits if `eight_bit` is set."""
        reduced = resize_bicubic(plane, scale, axes=range(plane.ndim))
        if self.eight_bit:
            reduced = np.rint(reduced * 255.0).clip(0, 255) / 255.0
        return np.asarray(reduced, dtype=np.float32)

    def expose(
        self, hr: Tensor, lr: Tensor | None, scale: Scale, random: np.random.Generator, own_noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the reduced patches, each compressed with its own quality, and the high-resolution ones."""
        del scale, own_noise
        assert lr is not None
        if self.jpeg is not None:
            qualities = random.uniform(*self.jpeg, len(lr)).round().astype(int)
            pixels = (lr[:, 0] * 255).round().to(torch.uint8).numpy()
            patches = np.stack([compress(p, int(q)) for p, q in zip(pixels, qualities, strict=True)])
            lr = torch.from_numpy(patches.astype(np.float32) / 255)[:, None]
        return lr, hr

    def describe(self) -> str:
        """Return the degradation in words."""
        compression = f"; JPEG quality {format_range(self.jpeg)}" if self.jpeg else ""
        return f"antialiased bicubic reduction{', 8 bit' if self.eight_bit else ''}{compression}"


@dataclass(frozen=True, slots=True)
class KSpace:
    """Truncation of k-space and Rician noise, for magnetic resonance.

    Attributes
    ----------
    noise
        Range of the standard deviation of the noise in the real and imaginary part, as a share of the brightest
        intensity; drawn uniformly in its square root.
    """

    noise: Range = (0.0, 0.0)
    eight_bit = False
    frames = 1
    is_noisy = False
    input_share = 0.0
    conditions = NOTHING_TOLD

    @property
    def unchanged(self) -> float:
        """All patches, unless they are noisy."""
        return float(self.noise[1] == 0)

    def margin(self, scale: Scale) -> tuple[int, ...]:
        """Return 0: planes are truncated as a whole."""
        return (0,) * len(scale)

    def reduce(self, plane: Plane, scale: Scale) -> Plane:
        """Return the plane with only its lowest spatial frequencies."""
        return kspace.truncate(plane, scale).astype(np.float32)

    def expose(
        self, hr: Tensor, lr: Tensor | None, scale: Scale, random: np.random.Generator, own_noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return magnitudes, each patch with its own noise, and the high-resolution patches."""
        del scale, own_noise
        assert lr is not None
        return add_rician_noise(lr, self.noise, random), hr

    def describe(self) -> str:
        """Return the degradation in words."""
        return f"k-space truncation; Rician noise {format_range(self.noise)} of the brightest"


@dataclass(frozen=True, slots=True)
class Recorded:
    """No simulation: instruments recorded both images of each pair.

    Attributes
    ----------
    repeats
        Whether both are recordings of one field with independent noise, of one resolution.
    """

    repeats: bool = False
    eight_bit = False
    frames = 1
    is_noisy = False
    input_share = 0.0
    conditions = NOTHING_TOLD
    unchanged = 1.0

    def margin(self, scale: Scale) -> tuple[int, ...]:
        """Return 0."""
        return (0,) * len(scale)

    def reduce(self, plane: Plane, scale: Scale) -> None:
        """Return None: the low-resolution images are given."""

    def expose(
        self, hr: Tensor, lr: Tensor | None, scale: Scale, random: np.random.Generator, own_noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return both patches of each pair as they are."""
        del scale, random, own_noise
        assert lr is not None
        return lr, hr

    def describe(self) -> str:
        """Return the degradation in words."""
        return "none: noisy images recorded twice" if self.repeats else "none: pairs recorded by instruments"
