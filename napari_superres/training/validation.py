"""Validation on images held out of training: scores next to bicubic interpolation, and examples to look at."""

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from napari_superres.degradation.instruments import Instrument, Scale
from napari_superres.evaluation.metrics.full_reference import psnr
from napari_superres.models.choice.suitability import noise_level
from napari_superres.models.interpolate import Interpolation
from napari_superres.training.images.fields_of_view import Field, Plane
from napari_superres.training.patches import crop_to_scale, own_noise, reduce_field
from napari_superres.training.progress import Example

_HELD_OUT_SHARE = 0.04
_MAX_HELD_OUT = 16
_MAX_PLANES = 32

_VOLUME_EDGE = 96
"""Edge of the cube of a volume that is validated, in high-resolution pixels."""

_EXAMPLE_EDGE, _EXAMPLE_ROWS = 96, 16
"""Edge of an example in high-resolution pixels; of volumes the edge along Y."""

_MIN_RECORDINGS = 16
"""Least number of recordings from which the range of noise is measured."""

_RECORDINGS = 4
"""Recordings of each field of an instrument whose blur and noise differ from one to the next."""

_BEST_PSNR = 60.0
"""Largest score in dB, of errors of a thousandth of the range: a single image without any must not decide the mean."""


def hold_out(images: Sequence[Sequence[Field]], seed: int) -> tuple[list[Field], list[Field]]:
    """Return fields for training and fields for validation. All fields of an image are on the same side.

    Neighbouring planes of a stack are nearly equal: on both sides, they would inflate the score.
    """
    order = np.random.default_rng(seed).permutation(len(images))
    count = min(_MAX_HELD_OUT, max(1, round(len(images) * _HELD_OUT_SHARE))) if len(images) > 1 else 0
    training, held_out = ([field for i in part for field in images[i]] for part in (order[count:], order[:count]))
    return training, select_evenly(held_out)


def select_evenly(fields: Sequence[Field]) -> list[Field]:
    """Return at most 32 evenly chosen fields, and the middle of each volume, to keep validation short."""
    step = max(1, -(-len(fields) // _MAX_PLANES))
    return [_crop_middle(field) for field in fields[::step]]


class Recording(NamedTuple):
    """What is validated: the input ``(1, frames, h, w)``, the target, and the mean variance of the target's noise."""

    low: Tensor
    high: Plane
    variance: float


@torch.inference_mode()
def iter_recordings(
    fields: Sequence[Field], *, scale: Scale, instrument: Instrument, seed: int = 1
) -> Iterator[Recording]:
    """Yield the low-resolution recording of each field and its high-resolution plane.

    The recording is simulated, or comes from a recorded pair. Noisy images give both, with independent noise.
    """
    random = np.random.default_rng(seed)
    margin = instrument.margin(scale)
    for field in fields:
        hr = crop_to_scale(field.hr, scale)
        padded = np.pad(hr, [(m, m) for m in margin], mode="symmetric")
        reduced = reduce_field(Field(padded, field.lr), scale, instrument)
        lr = None if reduced is None else torch.from_numpy(reduced)[None, None]
        grid = (1,) * len(scale) if instrument.is_noisy else scale
        noise = own_noise(hr, grid) if instrument.conditions or instrument.is_noisy else None
        own = None if noise is None else torch.tensor([noise])
        low, high = instrument.expose(torch.from_numpy(padded)[None, None], lr, scale, random, own)
        if noise is None or not instrument.is_noisy:
            yield Recording(low, hr, field.target_variance)
            continue
        variance = noise[0] * max(float(hr.mean()), 0.0) + noise[1] ** 2
        yield Recording(low, high[0, 0].numpy(), variance / (1 - instrument.input_share))


@torch.inference_mode()
def score_fields(
    network: nn.Module, fields: Sequence[Field], *, scale: Scale, instrument: Instrument
) -> dict[str, float]:
    """Return the mean PSNR of a network and of bicubic interpolation over fields of view, in dB.

    The data range is 1, and a border of `scale` pixels per axis is left out. If the images of the instrument have 8
    bits, results are rounded to 8 bits, as is the protocol of the literature. Against a noisy target, the variance of
    its noise is taken off the mean squared error, which then estimates that against the truth without bias.
    """
    bicubic, middle = Interpolation("bicubic", scale), instrument.frames // 2
    rows: list[tuple[float, ...]] = []
    repeated = list(fields) * (_RECORDINGS if instrument.conditions else 1)
    for lr, hr, variance in iter_recordings(repeated, scale=scale, instrument=instrument):
        results = (model(x)[0, 0].numpy() for model, x in ((network, lr), (bicubic, lr[:, middle : middle + 1])))
        rows.append(tuple(score_result(sr, hr, scale, variance, eight_bit=instrument.eight_bit) for sr in results))
    mean = np.mean(rows, axis=0)
    return {"psnr": round(float(mean[0]), 3), "bicubic_psnr": round(float(mean[1]), 3), "images": len(fields)}


def measure_noise_range(fields: Sequence[Field], *, scale: Scale, instrument: Instrument) -> tuple[float, float]:
    """Return the lowest and highest noise level of low-resolution images; few fields are recorded several times."""
    repeated = list(fields) * -(-_MIN_RECORDINGS // len(fields))
    recordings = iter_recordings(repeated, scale=scale, instrument=instrument)
    levels = [noise_level(plane) for lr, *_ in recordings for plane in lr[0, :1].reshape(-1, *lr.shape[-2:]).numpy()]
    return round(min(levels), 5), round(max(levels), 5)


def make_example_function(field: Field, scale: Scale, instrument: Instrument) -> Callable[[nn.Module], Example]:
    """Return a function that applies a network to the part of a field with most structure."""
    part = crop_to_structure(field, scale)
    recording, hr, _ = next(iter_recordings([part], scale=scale, instrument=instrument))
    lr = recording[0, instrument.frames // 2].numpy()

    @torch.inference_mode()
    def make_example(network: nn.Module) -> Example:
        return Example(lr, network(recording)[0, 0].numpy(), hr)

    return make_example


def crop_to_structure(field: Field, scale: Scale) -> Field:
    """Return the part of a field, as large as an example, with the highest contrast."""
    edges = (_EXAMPLE_EDGE,) * 2 if len(scale) == 2 else (_EXAMPLE_EDGE, _EXAMPLE_ROWS, _EXAMPLE_EDGE)
    hr = crop_to_scale(field.hr, scale)
    sizes = [min(e // s, n // s) for e, s, n in zip(edges, scale, hr.shape, strict=True)]
    starts = product(
        *(range(0, n // s - e + 1, max(1, e // 2)) for n, s, e in zip(hr.shape, scale, sizes, strict=True))
    )

    def box(start: Sequence[int], factors: Sequence[int]) -> tuple[slice, ...]:
        return tuple(slice(a * f, (a + e) * f) for a, e, f in zip(start, sizes, factors, strict=True))

    best = max(starts, key=lambda start: float(hr[box(start, scale)].std()))
    lr = None if field.lr is None else field.lr[box(best, (1,) * len(scale))]
    return Field(hr[box(best, scale)], lr)


def score_result(sr: Plane, hr: Plane, border: Sequence[int], variance: float, *, eight_bit: bool) -> float:
    """Return the PSNR of a result in dB.

    Parameters
    ----------
    sr, hr
        Result and target, from 0 to 1.
    border
        Pixels per axis that are left out.
    variance
        Mean variance of the target's noise.
    eight_bit
        Whether to round the result to 8 bits.
    """
    if eight_bit:
        sr = np.rint(sr * 255.0).clip(0, 255) / 255.0
    inside = tuple(slice(b, -b or None) for b in border)
    if not np.isfinite(sr[inside]).all():
        return float("nan")  # `psnr` would score the finite pixels only
    if variance:
        error = float(np.square(hr[inside] - sr[inside], dtype=np.float64).mean()) - variance
        return min(-10 * float(np.log10(max(error, 1e-12))), _BEST_PSNR)
    return min(psnr(hr[inside], sr[inside], data_range=1.0), _BEST_PSNR)


def _crop_middle(field: Field) -> Field:
    """Return a plane as it is, and the middle of a volume."""
    if field.hr.ndim == 2 or field.lr is not None:
        return field
    starts = [max(0, (n - _VOLUME_EDGE) // 2) for n in field.hr.shape]
    return Field(field.hr[tuple(slice(a, a + _VOLUME_EDGE) for a in starts)])
