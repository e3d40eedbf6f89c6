"""Interpolation on the grid of `core.grid`, as a torch module: for the baselines and the networks' skip."""

from collections.abc import Sequence
from functools import reduce
from itertools import product
from math import prod

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_superres.core.kernels import phase_weights

CONVOLUTIONS = {2: F.conv2d, 3: F.conv3d}

_MOST_TAPS = 128
"""Taps of a filter over several axes at once: as many as those of the bicubic kernel in three dimensions, or less."""


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
        ``"nearest"``, ``"bicubic"``, ``"lanczos"``, ``"area-spline"`` or ``"sinc"``.
    scale
        Factor per spatial axis; two or three of them.
    """

    def __init__(self, kernel: str, scale: Sequence[int]) -> None:
        super().__init__()
        self.scale = tuple(scale)
        per_axis = [phase_weights(kernel, s) if s > 1 else np.ones((1, 1)) for s in scale]
        finer = [axis for axis, s in enumerate(scale) if s > 1]
        # Wide kernels run along one axis after the other; one pass is faster with few taps.
        together = prod(w.shape[1] for w in per_axis) <= _MOST_TAPS
        self._passes = [finer] if together or not finer else [[axis] for axis in finer]
        for number, axes in enumerate(self._passes):
            rows = [w if axis in axes else np.ones((1, 1)) for axis, w in enumerate(per_axis)]
            filters = [reduce(np.multiply.outer, phases) for phases in product(*rows)]
            # The weights are in double precision, so that a double-precision pass is exact.
            self.register_buffer(f"weight{number}", torch.from_numpy(np.stack(filters))[:, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Upscale ``(B, C, (Z)YX)`` in 32-bit precision or better."""
        with torch.autocast(x.device.type, enabled=False):
            x = x if x.dtype == torch.float64 else x.float()
            flat = x.reshape(x.shape[0] * x.shape[1], 1, *x.shape[2:])
            for number, axes in enumerate(self._passes):
                flat = self._convolve(flat, self.get_buffer(f"weight{number}").to(x.dtype), axes)
            return flat.reshape(*x.shape[:2], *flat.shape[2:])

    def _convolve(self, flat: Tensor, weight: Tensor, axes: Sequence[int]) -> Tensor:
        """Upscale ``(B * C, 1, (Z)YX)`` along some axes."""
        reach = [n // 2 for n in weight.shape[2:]]
        if any(reach):
            flat = F.pad(flat, [r for each in reversed(reach) for r in (each, each)], mode="replicate")
        factors = [s if axis in axes else 1 for axis, s in enumerate(self.scale)]
        return pixel_shuffle(CONVOLUTIONS[len(factors)](flat, weight), factors)
