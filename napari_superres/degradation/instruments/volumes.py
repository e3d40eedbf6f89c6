"""Instruments that record volumes slice by slice."""

from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_superres.degradation import kspace
from napari_superres.degradation.instruments.base import Plane, Range, Scale, drawn, span, trimmed

_SIGMAS_OF_CONTEXT = 4


@dataclass(frozen=True, slots=True)
class Slices:
    """Thick slices: a Gaussian along Z, the mean over what each slice contains, then noise.

    Attributes
    ----------
    noise
        Standard deviation, from, to: electrons where photons are counted; else in units of the brightest intensity,
        and Rician, as in magnetic resonance.
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
        sigma, noise = (drawn(between, count, random) for between in (self.psf_sigma, self.noise))
        sharp = _blurred_along_z(high, sigma) if self.psf_sigma[1] else high
        seen = trimmed(F.avg_pool3d(sharp, scale), (margin[0] // scale[0], 0, 0)).numpy()
        strength = noise.numpy()[:, None, None, None, None]
        if self.photons is None:
            seen = kspace.rician(seen, strength, random)
        else:
            light = np.exp(drawn(tuple(np.log(self.photons)), count, random).numpy())[:, None, None, None, None]
            counted = random.poisson(seen.clip(min=0) * light) + random.normal(size=seen.shape) * strength
            seen = counted / light
        return torch.from_numpy(seen.astype(np.float32)), trimmed(high, margin)

    def describe(self) -> str:
        """Return what was done."""
        blur = f"Gaussian along Z, sigma {span(self.psf_sigma)} fine slices; " if self.psf_sigma[1] else ""
        words = f"{blur}thick slices, touching (box profile)"
        if self.photons is None:
            return f"{words}; Rician noise {span(self.noise)} of the brightest"
        return f"{words}; {span(self.photons)} photons at the brightest; read noise {span(self.noise)} electrons"


def _blurred_along_z(high: Tensor, sigma: Tensor) -> Tensor:
    """Return ``(B, 1, D, H, W)``, each volume blurred by its own Gaussian."""
    radius = max(1, ceil(_SIGMAS_OF_CONTEXT * float(sigma.max())))
    offsets = torch.arange(-radius, radius + 1).float()
    kernel = torch.exp(-0.5 * (offsets / sigma.clamp(min=1e-3)[:, None]) ** 2)
    kernel = (kernel / kernel.sum(dim=1, keepdim=True))[:, None, :, None, None]  # (B, 1, k, 1, 1)
    padded = F.pad(high, (0, 0, 0, 0, radius, radius), mode="replicate").transpose(0, 1)
    return F.conv3d(padded, kernel, groups=len(high)).transpose(0, 1)
