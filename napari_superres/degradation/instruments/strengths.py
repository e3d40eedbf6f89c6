"""Random strengths of blur and noise, one per patch, and the operators that apply them to a batch."""

from math import ceil

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_superres.degradation import kspace
from napari_superres.degradation.instruments.protocol import Range


def draw_uniform(between: tuple[float, ...], count: int, random: np.random.Generator) -> Tensor:
    """Draw `count` strengths, uniformly."""
    return torch.from_numpy(random.uniform(between[0], between[1], count)).float()


def draw_log_uniform(between: Range, count: int, random: np.random.Generator) -> Tensor:
    """Draw `count` strengths, uniformly in their logarithm: for ranges over orders of magnitude."""
    return draw_uniform((float(np.log(between[0])), float(np.log(between[1]))), count, random).exp()


def draw_root_uniform(between: Range, count: int, random: np.random.Generator) -> Tensor:
    """Draw `count` strengths, uniformly in their square root: for noise, so that nearly clean images are not rare."""
    return draw_uniform((between[0] ** 0.5, between[1] ** 0.5), count, random) ** 2


def format_range(between: Range) -> str:
    """Return both ends of a range as text, or one if they are equal."""
    return "-".join(dict.fromkeys(f"{v:g}" for v in between))


def gaussian_kernels(sigma: Tensor, reach: float) -> Tensor:
    """Return kernels ``(B, 1, taps)`` of sum 1, one per sigma in pixels, that extend `reach` of the widest sigma."""
    return sample_gaussians(sigma, max(1, ceil(reach * float(sigma.max()))))


def sample_gaussians(sigma: Tensor, radius: int) -> Tensor:
    """Return Gaussian kernels ``(B, 1, 2 * radius + 1)`` of sum 1, one per sigma in pixels."""
    offsets = torch.arange(-radius, radius + 1, device=sigma.device).float()
    kernels = torch.exp(-0.5 * (offsets / sigma.clamp(min=1e-3)[:, None]) ** 2)
    return (kernels / kernels.sum(dim=1, keepdim=True))[:, None]


def blur(hr: Tensor, sigma: Tensor, reach: float) -> Tensor:
    """Return planes ``(B, 1, H, W)``, each blurred by its own Gaussian, which extends `reach` of the widest sigma."""
    kernel = gaussian_kernels(sigma, reach)
    return convolve(F.pad(hr, (kernel.shape[-1] // 2,) * 4, mode="replicate"), kernel, kernel)


def convolve(planes: Tensor, along_y: Tensor, along_x: Tensor) -> Tensor:
    """Return planes ``(B, 1, H, W)``, each convolved with its own kernels ``(B, 1, taps)`` along Y and X.

    What the kernels do not cover is cut off: ``taps - 1`` pixels per axis.
    """
    count, rows = len(planes), planes.transpose(0, 1)
    return F.conv2d(F.conv2d(rows, along_y[..., None], groups=count), along_x[:, :, None], groups=count).transpose(0, 1)


def trim(patches: Tensor, margin: tuple[int, ...]) -> Tensor:
    """Return ``(B, C, ...)`` without `margin` pixels at both ends of each spatial axis."""
    for axis, m in enumerate(margin, start=2):
        patches = patches.narrow(axis, m, patches.shape[axis] - 2 * m)
    return patches.contiguous()


def add_photon_noise(patches: Tensor, photons: Tensor, read_noise: Tensor, random: np.random.Generator) -> Tensor:
    """Return ``(B, ...)`` with photon noise and read noise, each patch with its own strengths.

    `photons` is the mean number of photons at the intensity 1; `read_noise` is in electrons.
    """
    shape = (-1, *[1] * (patches.ndim - 1))
    gain, spread = photons.numpy().reshape(shape), read_noise.numpy().reshape(shape)
    electrons = random.poisson(patches.numpy().clip(min=0) * gain) + random.normal(size=patches.shape) * spread
    return torch.from_numpy((electrons / gain).astype(np.float32))


def add_rician_noise(patches: Tensor, between: Range, random: np.random.Generator) -> Tensor:
    """Return ``(B, ...)`` with Rician noise, each patch with its own strength."""
    sigma = draw_root_uniform(between, len(patches), random).numpy().reshape(-1, *[1] * (patches.ndim - 1))
    return torch.from_numpy(kspace.rician(patches.numpy(), sigma, random).astype(np.float32))
