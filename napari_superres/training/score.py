"""Validation on whole images, beside bicubic interpolation."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from napari_superres.degradation.resample import resize_bicubic
from napari_superres.models.interpolate import Interpolation
from napari_superres.training.images import Plane
from napari_superres.training.pairs import simulate_optics


def psnr(found: np.ndarray[Any, Any], true: np.ndarray[Any, Any], *, border: int, data_range: float) -> float:
    """Return the peak signal-to-noise ratio in dB, `border` pixels left out on each side."""
    inside = (slice(border, -border or None),) * 2
    error = np.mean((found[inside].astype(np.float64) - true[inside]) ** 2)
    return float(10.0 * np.log10(data_range**2 / max(error, 1e-20)))


@torch.inference_mode()
def score_planes(
    network: nn.Module, planes: Sequence[Plane], *, scale: int, degradation: Mapping[str, Any], seed: int = 1
) -> dict[str, float]:
    """Return mean PSNR of a network and of bicubic interpolation over planes, in dB.

    Bicubic degradation follows the protocol of the literature: 8-bit low-resolution luminance,
    8-bit result, border of `scale` pixels left out, range 255.
    """
    rng = np.random.default_rng(seed)
    base = Interpolation("bicubic", (scale, scale))
    rows: list[tuple[float, float]] = []
    for plane in planes:
        height, width = (n // scale * scale for n in plane.shape)
        high = plane[:height, :width]
        eight_bit = degradation["kind"] == "bicubic"
        if eight_bit:
            low = np.rint(resize_bicubic(high, scale) * 255.0).clip(0, 255) / 255.0
            lr = torch.from_numpy(low.astype(np.float32))[None, None]
        else:
            lr, _ = simulate_optics(torch.from_numpy(high.copy())[None, None], scale, degradation, rng, 0)
        results = []
        for model in (network, base):
            found = model(lr)[0, 0].numpy()
            if eight_bit:
                found = np.rint(found * 255.0).clip(0, 255) / 255.0
            results.append(psnr(found, high, border=scale, data_range=1.0))
        rows.append((results[0], results[1]))
    mean = np.mean(rows, axis=0)
    return {"psnr": round(float(mean[0]), 3), "bicubic_psnr": round(float(mean[1]), 3), "images": len(rows)}
