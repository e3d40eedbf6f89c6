"""Low- and high-resolution patches: drawn where there is content, degraded, flipped and turned."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_superres.degradation.resample import resize_bicubic
from napari_superres.errors import TrainingError
from napari_superres.training.images import Plane

_SIGMAS_OF_CONTEXT = 4


class PatchSource:
    """Draws batches of patches from planes.

    Parameters
    ----------
    planes
        High-resolution planes.
    scale
        Factor along both axes.
    patch
        Edge of a low-resolution patch in pixels.
    degradation
        As in `Recipe.degradation`. Bicubic reduction is computed once and rounded to 8 bits;
        optics are simulated afresh for every patch.
    seed
        Of all draws.

    Raises
    ------
    TrainingError
        If no plane is as large as a patch.
    """

    def __init__(
        self, planes: Sequence[Plane], *, scale: int, patch: int, degradation: Mapping[str, Any], seed: int = 0
    ) -> None:
        self.scale, self.patch, self.degradation = scale, patch, degradation
        self.rng = np.random.default_rng(seed)
        self.bicubic = degradation["kind"] == "bicubic"
        widest = 0.0 if self.bicubic else float(max(degradation["psf_sigma"]))
        self.margin = -(-int(np.ceil(_SIGMAS_OF_CONTEXT * widest)) // scale) * scale
        edge = patch * scale + 2 * self.margin
        self.planes = [_whole(p, scale) for p in planes if min(p.shape) // scale * scale >= edge]
        if not self.planes:
            raise TrainingError(
                f"training images must be at least {edge} x {edge} pixels (patch {patch}, scale {scale}), "
                f"got {len(planes)} smaller ones."
            )
        self.low = [np.rint(resize_bicubic(p, scale) * 255.0).clip(0, 255) / 255.0 for p in self.planes if self.bicubic]
        area = np.array([p.size for p in self.planes], dtype=np.float64)
        self.chance = area / area.sum()

    def batch(self, size: int) -> tuple[Tensor, Tensor]:
        """Return low- and high-resolution patches ``(size, 1, p, p)`` and ``(size, 1, s*p, s*p)``."""
        drawn = [self._draw() for _ in range(2 * size)]
        # Of twice as many candidates keep those with most structure: sky and background teach little.
        detail = [np.abs(np.diff(hr, axis=0)).mean() + np.abs(np.diff(hr, axis=1)).mean() for _, hr in drawn]
        best = np.argsort(detail)[-size:]
        pairs = [self._turned(*drawn[i]) for i in best]
        high = torch.from_numpy(np.stack([hr for _, hr in pairs]))[:, None]
        if self.bicubic:
            return torch.from_numpy(np.stack([lr for lr, _ in pairs]))[:, None], high
        return simulate_optics(high, self.scale, self.degradation, self.rng, self.margin)

    def _draw(self) -> tuple[Plane, Plane]:
        which = int(self.rng.choice(len(self.planes), p=self.chance))
        plane, s = self.planes[which], self.scale
        edge = self.patch + 2 * self.margin // s
        y, x = (int(self.rng.integers(0, n // s - edge + 1)) for n in plane.shape)
        high = plane[y * s : (y + edge) * s, x * s : (x + edge) * s]
        low = self.low[which][y : y + edge, x : x + edge] if self.bicubic else high
        return low, high

    def _turned(self, low: Plane, high: Plane) -> tuple[Plane, Plane]:
        turns, mirrored = int(self.rng.integers(4)), bool(self.rng.integers(2))
        low, high = np.rot90(low, turns), np.rot90(high, turns)
        if mirrored:
            low, high = low[:, ::-1], high[:, ::-1]
        return np.ascontiguousarray(low, dtype=np.float32), np.ascontiguousarray(high, dtype=np.float32)


def _whole(plane: Plane, scale: int) -> Plane:
    height, width = (n // scale * scale for n in plane.shape)
    return plane[:height, :width]


def simulate_optics(
    high: Tensor, scale: int, degradation: Mapping[str, Any], rng: np.random.Generator, margin: int
) -> tuple[Tensor, Tensor]:
    """Return what a camera behind a microscope would see of ``(B, 1, H, W)``, and the patches without their margin.

    Gaussian PSF, binning, photon noise, read noise, in this order; each strength drawn per patch.
    Intensity 1 stands for the drawn count of photons per low-resolution pixel.
    """
    count = len(high)

    def drawn(name: str) -> Tensor:
        low, up = degradation[name]
        return torch.from_numpy(rng.uniform(low, up, count)).float()

    sigma = drawn("psf_sigma")
    low_photons, high_photons = degradation["photons"]
    photons = torch.from_numpy(np.exp(rng.uniform(np.log(low_photons), np.log(high_photons), count))).float()
    radius = int(np.ceil(_SIGMAS_OF_CONTEXT * max(degradation["psf_sigma"])))
    offsets = torch.arange(-radius, radius + 1).float()
    kernel = torch.exp(-0.5 * (offsets / sigma[:, None]) ** 2)
    kernel = (kernel / kernel.sum(dim=1, keepdim=True))[:, None]  # (B, 1, k)
    padded = F.pad(high, (radius,) * 4, mode="replicate").transpose(0, 1)
    blurred = F.conv2d(F.conv2d(padded, kernel[..., None], groups=count), kernel[:, :, None], groups=count)
    blurred = blurred.transpose(0, 1)
    binned = F.avg_pool2d(blurred, scale)
    if margin:
        m = margin // scale
        binned, high = binned[..., m:-m, m:-m], high[..., margin:-margin, margin:-margin]
    strength = photons[:, None, None, None]
    expected = (binned.clamp(min=0) * strength).numpy()
    seen = rng.poisson(expected) + rng.normal(size=expected.shape) * drawn("read_noise")[:, None, None, None].numpy()
    return torch.from_numpy(seen.astype(np.float32)) / strength, high.contiguous()
