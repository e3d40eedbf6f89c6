"""A network that denoises on the grid of its image: a super-resolution network, averaged back to that grid.

It has the weights of the conditioned network of a finer grid, which was trained on means over its pixels. Averaged, its
result is the image without noise, and sharper if the point-spread function is told.

Where the image differs from that mean by more than its noise, the network missed structure. The difference is put back
by the share of its energy that noise does not explain, as a Wiener filter does (Lee 1980,
doi:10.1109/TPAMI.1980.4766994).
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_superres.models.architectures.edsr import EDSR
from napari_superres.models.architectures.fixed.evidence import Evidence, local_mean, told_noise

_EDGE = 11
"""Edge of the square over which energies are compared, in pixels."""

_CHANCE = 1.3
"""Energy of a difference up to which noise explains it, over the variance of the noise: chance in 121 pixels."""

_LEAST_VARIANCE = 1e-12


class Averaged(nn.Module):
    """Conditioned EDSR on a grid that is finer by `finer`, averaged."""

    def __init__(self, *, scale: Sequence[int], finer: int = 2, conditions: int = 3, **arguments: Any) -> None:
        super().__init__()
        if any(s != 1 for s in scale):
            raise ValueError(f"an averaged network keeps the grid of its image, got the scale {tuple(scale)}")
        self.finer = finer
        self.network = EDSR(scale=[finer] * len(scale), conditions=conditions, **arguments)
        self.evidence = Evidence()

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(B, 1, H, W)`` of ``(B, 1 + 3, H, W)``; see `core.conditions`."""
        image, psf_sigma = x[:, :1], x[:, 1:2]
        finer = self.network(torch.cat([image, self.finer * psf_sigma, x[:, 2:]], dim=1))
        mean = F.avg_pool2d(finer, self.finer)
        rest = image - mean
        gain, read_noise = told_noise(x)
        variance = gain * local_mean(image.clamp(min=0), _EDGE) + read_noise.square() + _LEAST_VARIANCE
        excess = (local_mean(rest.square(), _EDGE) - _CHANCE * variance).clamp(min=0)
        # A sharpened mean differs from the image by what was sharpened.
        kept = excess / (excess + variance) * (psf_sigma == 0)
        result: Tensor = self.evidence(x, mean + kept * rest)
        return result

    def deploy(self) -> nn.Module:
        """Return an equal network that runs faster."""
        self.network.deploy()
        return self
