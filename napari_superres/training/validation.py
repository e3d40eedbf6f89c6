"""Validation on whole images, beside bicubic interpolation."""

from collections.abc import Iterator, Sequence
from math import nan
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_superres.degradation.instruments import Instrument, Scale
from napari_superres.evaluation.metrics.full_reference import psnr
from napari_superres.models.domain import noise_level
from napari_superres.models.interpolate import Interpolation
from napari_superres.training.pairs import low_of, whole
from napari_superres.training.sources import Field, Plane

_RECORDINGS = 16
"""At least so many are looked at for the range of noise: each is drawn anew."""


_HIGHEST_PSNR = 200.0
"""PSNR in dB given to equal images, so that the mean over images stays finite."""


def psnr_without_border(result: np.ndarray[Any, Any], reference: np.ndarray[Any, Any], border: Sequence[int]) -> float:
    """Return the PSNR in dB for a data range of 1, without `border` pixels on each side of each axis.

    nan if the result is not finite everywhere: a network that yields such pixels must not be scored on the others.
    """
    inside = tuple(slice(b, -b or None) for b in border)
    if not np.isfinite(result[inside]).all():
        return nan
    return min(psnr(reference[inside], result[inside], data_range=1.0), _HIGHEST_PSNR)


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
            results.append(psnr_without_border(found, high, scale))
        rows.append((results[0], results[1]))
    mean = np.mean(rows, axis=0)
    return {"psnr": round(float(mean[0]), 3), "bicubic_psnr": round(float(mean[1]), 3), "images": len(rows)}


def noise_range(fields: Sequence[Field], *, scale: Scale, instrument: Instrument) -> tuple[float, float]:
    """Return the least and the most noise of what the instrument sees of fields of view, of few several times."""
    often = list(fields) * -(-_RECORDINGS // len(fields))
    seen = recordings(often, scale=scale, instrument=instrument)
    levels = [noise_level(plane) for low, _ in seen for plane in low[0, :1].reshape(-1, *low.shape[-2:]).numpy()]
    return round(min(levels), 5), round(max(levels), 5)
