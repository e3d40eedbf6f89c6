"""Interpolation on the grid of `core.grid`, as a torch module: for the baselines and the networks' skip."""

from collections.abc import Sequence
from functools import reduce
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_superres.core.kernels import phase_weights

CONVOLUTIONS = {2: F.conv2d, 3: F.conv3d}


def pixel_shuffle(x: Tensor, scale: Sequence[int]) -> Tensor:
    """Rearrange ``(B, C * prod(scale), *size)`` to ``(B, C, *(size * scale))``, for 2 or 3 axes.

    As in Shi et al. 2016 (doi:10.1109/CVPR.2016.207), with one factor per axis.
    """
    if len(scale) == 2 and scale[0] == scale[1]:
        return F.pixel_shuffle(x, scale[0])
    n = len(scale)
    batch, channels, *size = x.shape
    x = x.reshape(batch, channels // int(np.prod(scale)), *scale, *size)
    order = [axis for i in range(n) for axis in (2 + n + i, 2 + i)]
    return x.permute(0, 1, *order).reshape(batch, -1, *(s * f for s, f in zip(size, scale, strict=True)))


class Interpolation(nn.Module):
    """Upscale by an integer factor per axis; border pixels are repeated outwards.

    Parameters
    ----------
    kernel
        ``"nearest"``, ``"bicubic"``, ``"lanczos"`` or ``"sinc"``.
    scale
        Factor per spatial axis; two or three of them.
    """

    def __init__(self, kernel: str, scale: Sequence[int]) -> None:
        super().__init__()
        self.scale = tuple(scale)
        per_axis = [phase_weights(kernel, s) for s in scale]
        self.reach = tuple(w.shape[1] // 2 if s > 1 else 0 for w, s in zip(per_axis, scale, strict=True))
        rows = [w if s > 1 else np.ones((1, 1)) for w, s in zip(per_axis, scale, strict=True)]
        filters = [reduce(np.multiply.outer, phases) for phases in product(*rows)]
        # The weights are in double precision, so that a double-precision pass is exact.
        self.register_buffer("weight", torch.from_numpy(np.stack(filters))[:, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Upscale ``(B, C, (Z)YX)`` in 32-bit precision or better."""
        with torch.autocast(x.device.type, enabled=False):
            x = x if x.dtype == torch.float64 else x.float()
            batch, channels, *size = x.shape
            flat = x.reshape(batch * channels, 1, *size)
            if any(self.reach):
                padding = [r for reach in reversed(self.reach) for r in (reach, reach)]
                flat = F.pad(flat, padding, mode="replicate")
            weight = self.get_buffer("weight").to(x.dtype)
            out = pixel_shuffle(CONVOLUTIONS[len(size)](flat, weight), self.scale)
            return out.reshape(batch, channels, *out.shape[2:])
