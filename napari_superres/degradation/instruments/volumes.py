"""Instruments that record volumes slice by slice."""

from dataclasses import dataclass
from math import ceil

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from napari_superres.degradation.instruments.protocol import NOTHING_TOLD, Plane, Range, Scale
from napari_superres.degradation.instruments.strengths import (
    add_photon_noise,
    add_rician_noise,
    draw_log_uniform,
    draw_uniform,
    format_range,
    gaussian_kernels,
    trim,
)

_SIGMAS_OF_CONTEXT = 4


@dataclass(frozen=True, slots=True)
class Slices:
    """Thick slices: a Gaussian along Z, the mean over the thickness of each slice, then noise.

    Attributes
    ----------
    noise
        Range of the standard deviation of the noise. With `photons`: read noise in electrons. Without: Rician noise, as
        in magnetic resonance, as a share of the brightest intensity and drawn uniformly in its square root.
    psf_sigma
        Range of the sigma of the Gaussian along Z, in high-resolution slices.
    photons
        Range of the number of photons in a voxel of the brightest intensity; None = no photon noise.
    """

    noise: Range = (0.0, 0.0)
    psf_sigma: Range = (0.0, 0.0)
    photons: Range | None = None
    eight_bit = False
    frames = 1
    is_noisy = False
    input_share = 0.0
    conditions = NOTHING_TOLD
    unchanged = 0.0

    def margin(self, scale: Scale) -> tuple[int, ...]:
        """Return the reach of the widest Gaussian, along Z."""
        reach = ceil(_SIGMAS_OF_CONTEXT * self.psf_sigma[1])
        return (-(-reach // scale[0]) * scale[0], 0, 0)

    def reduce(self, plane: Plane, scale: Scale) -> None:
        """Return None: each recording has its own blur."""

    def expose(
        self, hr: Tensor, lr: Tensor | None, scale: Scale, random: np.random.Generator, own_noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return recordings, each with its own blur and noise, and the patches without margin."""
        del lr, own_noise
        count, margin = len(hr), self.margin(scale)
        sigma = draw_uniform(self.psf_sigma, count, random)
        blurred = _blur_along_z(hr, sigma) if self.psf_sigma[1] else hr
        slices = trim(F.avg_pool3d(blurred, scale), (margin[0] // scale[0], 0, 0))
        if self.photons is None:
            return add_rician_noise(slices, self.noise, random), trim(hr, margin)
        read_noise = draw_uniform(self.noise, count, random)
        photons = draw_log_uniform(self.photons, count, random)
        return add_photon_noise(slices, photons, read_noise, random), trim(hr, margin)

    def describe(self) -> str:
        """Return the degradation in words."""
        blur = f"Gaussian along Z, sigma {format_range(self.psf_sigma)} fine slices; " if self.psf_sigma[1] else ""
        words = f"{blur}thick slices, touching (box profile)"
        noise = format_range(self.noise)
        if self.photons is None:
            return f"{words}; Rician noise {noise} of the brightest"
        return f"{words}; {format_range(self.photons)} photons at the brightest; read noise {noise} electrons"


def _blur_along_z(hr: Tensor, sigma: Tensor) -> Tensor:
    """Return ``(B, 1, D, H, W)``, each volume blurred by its own Gaussian."""
    kernel = gaussian_kernels(sigma, _SIGMAS_OF_CONTEXT)
    radius = kernel.shape[-1] // 2
    padded = F.pad(hr, (0, 0, 0, 0, radius, radius), mode="replicate").transpose(0, 1)
    return F.conv3d(padded, kernel[..., None, None], groups=len(hr)).transpose(0, 1)
