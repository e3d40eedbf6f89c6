"""MONAI's sliding windows and a plain loop over tiles, as their users write them, on the same device.

A plane of whole numbers comes in and one goes out; conversion and transfers count, as they do for the engine.
"""

from collections.abc import Callable
from copy import deepcopy
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gpu.cases import RANGE, Values
from gpu.starting import is_installed
from napari_superres.inference.machine.device import DTYPES
from napari_superres.models import Model

Engine = Callable[[Values], Values]
_TILE = 512
_WINDOWS = {2: (512, 1024), 3: (64, 96)}
_BATCH = 4


def rivals(model: Model, device: str, precision: str, edge: int) -> dict[str, Engine]:
    """Return the other engines that are installed, by name; windows are at most half the image."""
    network = deepcopy(model.runner).to(device)
    found: dict[str, Engine] = {}
    if model.card.ndim == 2:
        found["plain loop"] = _Rival(network, device, precision, _loop(model, min(_TILE, edge // 2), device))
    if is_installed("monai"):
        for window in _WINDOWS[model.card.ndim]:
            if 2 * window <= edge:
                found[f"MONAI {window}"] = _Rival(network, device, precision, _monai(window, device))
    return found


class _Rival:
    """Normalise the image, run a tiling of the network, undo the normalisation, round."""

    def __init__(self, network: Any, device: str, precision: str, tiling: Callable[..., Tensor]) -> None:
        self._network, self._device, self._precision, self._tiling = network, device, precision, tiling

    @torch.inference_mode()
    def __call__(self, pixels: Values) -> Values:
        half = self._precision in ("fp16", "bf16")
        low, high = RANGE[0]
        x = torch.from_numpy((pixels.astype(np.float32) - low) / (high - low))[None, None]
        kind, dtype = self._device.partition(":")[0], DTYPES[self._precision] if half else None
        with torch.autocast(kind, dtype=dtype, enabled=half):
            y = self._tiling(self._network, x)
        values = y.float().cpu().numpy()[0, 0] * (high - low) + low
        return np.rint(values).clip(0, 65535).astype(np.uint16)


def _monai(window: int, device: str) -> Callable[..., Tensor]:
    """MONAI's sliding windows with Gaussian weights; the image and the sum stay on the CPU, as images may be large."""
    from monai.inferers import sliding_window_inference

    def run(network: Any, x: Tensor) -> Tensor:
        size = (window,) * (x.ndim - 2)
        found: Any = sliding_window_inference(
            x, size, _BATCH, network, overlap=0.25, mode="gaussian", sw_device=device, device="cpu"
        )
        return found

    return run


def _loop(model: Model, tile: int, device: str) -> Callable[..., Tensor]:
    """Tiles one after the other with the halo around them, cropped: the loop that most people write."""
    scale, halo = model.card.scale, model.card.halo

    def run(network: Any, x: Tensor) -> Tensor:
        out = x.new_empty(1, 1, *(n * s for n, s in zip(x.shape[2:], scale, strict=True)))
        for corner in product(*(range(0, n, tile) for n in x.shape[2:])):
            given, kept, put = [], [], []
            for start, n, s, h in zip(corner, x.shape[2:], scale, halo, strict=True):
                stop, first = min(start + tile, n), max(start - h, 0)
                given.append(slice(first, min(stop + h, n)))
                kept.append(slice((start - first) * s, (stop - first) * s))
                put.append(slice(start * s, stop * s))
            found = network(x[(..., *given)].to(device))
            out[(..., *put)] = found[(..., *kept)].to("cpu", out.dtype)
        return out

    return run
