"""Instruments that record volumes slice by slice."""

from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_superres.degradation import kspace
from napari_superres.degradation.instruments.base import (
    Plane,
    Range,
    Scale,
    counted,
    drawn,
    drawn_evenly_in_logarithm,
    drawn_evenly_in_root,
    gaussians,
    span,
    trimmed,
)

_SIGMAS_OF_CONTEXT = 4


@dataclass(frozen=True, slots=True)
class Slices:
    """Thick slices: a Gaussian along Z, the mean over what each slice contains, then noise.

    Attributes
    ----------
    noise
        Standard deviation, from, to: electrons where photons are counted; else in units of the brightest intensity,
        and Rician, as in magnetic resonance, drawn evenly in its square root.
    psf_sigma
        Of the Gaussian along Z, in high-resolution slices, from, to.
    photons
        Per voxel of the brightest intensity, from, to; None = they are not counted.
    """

    noise: Range = (0.0, 0.0)
    psf_sigma: Range = (0.0, 0.0)
    photons: Range | None = None
    eight_bit = False
    frames = 1

    def margin(self, scale: Scale) -> tuple[int, ...]:
        """Return the reach of the widest Gaussian, along Z."""
        reach = ceil(_SIGMAS_OF_CONTEXT * self.psf_sigma[1])
        return (-(-reach // scale[0]) * scale[0], 0, 0)

    def reduce(self, plane: Plane, scale: Scale) -> None:
        """Return nothing: every recording has its own Gaussian."""

    def expose(
        self, high: Tensor, low: Tensor | None, scale: Scale, random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return recordings, each with its own blur and noise."""
        del low
        count, margin = len(high), self.margin(scale)
        sigma = drawn(self.psf_sigma, count, random)
        sharp = _blurred_along_z(high, sigma) if self.psf_sigma[1] else high
        seen = trimmed(F.avg_pool3d(sharp, scale), (margin[0] // scale[0], 0, 0))
        if self.photons is not None:
            electrons = drawn(self.noise, count, random)
            seen = counted(seen, drawn_evenly_in_logarithm(self.photons, count, random), electrons, random)
        else:
            noise = drawn_evenly_in_root(self.noise, count, random)
            magnitude = kspace.rician(seen.numpy(), noise.numpy()[:, None, None, None, None], random)
            seen = torch.from_numpy(magnitude.astype(np.float32))
        return seen, trimmed(high, margin)

    def describe(self) -> str:
        """Return what was done."""
        blur = f"Gaussian along Z, sigma {span(self.psf_sigma)} fine slices; " if self.psf_sigma[1] else ""
        words = f"{blur}thick slices, touching (box profile)"
        if self.photons is None:
            return f"{words}; Rician noise {span(self.noise)} of the brightest"
        return f"{words}; {span(self.photons)} photons at the brightest; read noise {span(self.noise)} electrons"


def _blurred_along_z(high: Tensor, sigma: Tensor) -> Tensor:
    """Return ``(B, 1, D, H, W)``, each volume blurred by its own Gaussian."""
    kernel = gaussians(sigma, _SIGMAS_OF_CONTEXT)
    radius = kernel.shape[-1] // 2
    padded = F.pad(high, (0, 0, 0, 0, radius, radius), mode="replicate").transpose(0, 1)
    return F.conv3d(padded, kernel[..., None, None], groups=len(high)).transpose(0, 1)
