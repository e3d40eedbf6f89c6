"""Validation on whole images, beside bicubic interpolation."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_superres.degradation.instruments import Instrument, Scale
from napari_superres.models.domain import noise_level
from napari_superres.models.interpolate import Interpolation
from napari_superres.training.pairs import low_of, whole
from napari_superres.training.sources import Field, Plane

_RECORDINGS = 16
"""At least so many are looked at for the range of noise: each is drawn anew."""


def psnr(found: np.ndarray[Any, Any], true: np.ndarray[Any, Any], *, border: Sequence[int], data_range: float) -> float:
    """Return the peak signal-to-noise ratio in dB, `border` pixels per axis left out on each side."""
    inside = tuple(slice(b, -b or None) for b in border)
    error = np.mean((found[inside].astype(np.float64) - true[inside]) ** 2)
    return float(10.0 * np.log10(data_range**2 / max(error, 1e-20)))


@torch.inference_mode()
def recordings(
    fields: Sequence[Field], *, scale: Scale, instrument: Instrument, seed: int = 1
) -> Iterator[tuple[Tensor, Plane]]:
    """Yield what the instrument sees of whole fields of view, ``(1, frames, h, w)``, and the truth."""
    random = np.random.default_rng(seed)
    margin = instrument.margin(scale)
    for field in fields:
        high = whole(field.high, scale)
        reduced = low_of(field, scale, instrument)
        around = torch.from_numpy(np.pad(high, [(m, m) for m in margin], mode="symmetric"))[None, None]
        low = None if reduced is None else torch.from_numpy(reduced)[None, None]
        yield instrument.expose(around, low, scale, random)[0], high


@torch.inference_mode()
def score_fields(
    network: nn.Module, fields: Sequence[Field], *, scale: Scale, instrument: Instrument
) -> dict[str, float]:
    """Return mean PSNR of a network and of bicubic interpolation over fields of view, in dB.

    A border of `scale` pixels per axis is left out, and the range is 1. Results have 8 bits where the instrument's
    images have, as in the protocol of the literature.
    """
    base, middle = Interpolation("bicubic", scale), instrument.frames // 2
    rows: list[tuple[float, float]] = []
    for seen, high in recordings(fields, scale=scale, instrument=instrument):
        results = []
        for model, given in ((network, seen), (base, seen[:, middle : middle + 1])):
            found = model(given)[0, 0].numpy()
            if instrument.eight_bit:
                found = np.rint(found * 255.0).clip(0, 255) / 255.0
            results.append(psnr(found, high, border=scale, data_range=1.0))
        rows.append((results[0], results[1]))
    mean = np.mean(rows, axis=0)
    return {"psnr": round(float(mean[0]), 3), "bicubic_psnr": round(float(mean[1]), 3), "images": len(rows)}


def noise_range(fields: Sequence[Field], *, scale: Scale, instrument: Instrument) -> tuple[float, float]:
    """Return the least and the most noise of what the instrument sees of fields of view, of few several times."""
    often = list(fields) * -(-_RECORDINGS // len(fields))
    seen = recordings(often, scale=scale, instrument=instrument)
    levels = [noise_level(plane) for low, _ in seen for plane in low[0, :1].reshape(-1, *low.shape[-2:]).numpy()]
    return round(min(levels), 5), round(max(levels), 5)
