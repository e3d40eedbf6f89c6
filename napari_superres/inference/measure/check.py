"""`check_model`: what a model's card says, measured on this machine."""

import time
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_superres.core.image import Image
from napari_superres.core.tiling import smallest_tile
from napari_superres.inference.images import make_parts, run_parts, upscale
from napari_superres.inference.machine.device import list_devices
from napari_superres.models.card import ModelCard
from napari_superres.models.library.registry import find_card, load_model
from napari_superres.models.model import Model
from napari_superres.models.probes.halo import measure_reach

TOLERANCE = 1e-10
_SPEED_EDGE = {2: 512, 3: 48}
_REPEATS = 3
_STAND_IN_HALO = 32


def check_model(model: str | Path | Model) -> dict[str, Any]:
    """Measure a model's halo, the exactness of tiling, the error of lower precision and the speed.

    Parameters
    ----------
    model
        Name, file or `Model`.

    Returns
    -------
    dict
        ``halo_on_card``, ``halo_measured`` (low-resolution pixels), ``global_statistics``,
        ``statistics_layers`` and ``statistics_kinds`` (how many layers look at the whole image, and what
        they take of it), ``bounded`` (whether a halo suffices besides), ``max_tiling_error`` (of the range,
        in double precision; where no halo suffices, with one of 32 pixels), ``exact`` (whether that is at
        most 1e-10 and what the card says suffices),
        ``DEVICE_PRECISION_psnr_db`` (against fp32) and ``DEVICE_megapixels_per_second`` (of the result).
    """
    # Loading corrects a card that says too little.
    said = model.card if isinstance(model, Model) else find_card(model)
    model = (model if isinstance(model, Model) else load_model(model)).without_doubts()
    card = model.card
    reach = measure_reach(model.runner, card.scale, channels=card.inputs, multiple=card.multiple)
    error = _tiling_error(model)
    enough = all(c >= m for c, m in zip(said.halo, reach.halo, strict=True)) and reach.is_bounded
    enough = enough and said.global_statistics >= reach.is_global
    found: dict[str, Any] = {
        "model": card.name,
        "sha256": model.sha256,
        "halo_on_card": list(said.halo),
        "halo_measured": list(reach.halo),
        "global_statistics": reach.is_global,
        "statistics_layers": reach.layers,
        "statistics_kinds": list(reach.kinds),
        "bounded": reach.is_bounded,
        "max_tiling_error": error,
        "exact": enough and error <= TOLERANCE,
    }
    for device in list_devices():
        found |= _precision_and_speed(model, device)
    return found


def _noise(card: ModelCard, size: tuple[int, ...], dtype: type[np.floating[Any]]) -> Image:
    axes = "ZYX"[-len(size) :]
    if card.frames > 1:
        axes, size = card.context + axes, (card.frames, *size)
    values = np.random.default_rng(0).random(size).astype(dtype)
    return Image.from_array(values, axes)


def _tiling_error(model: Model) -> float:
    if not model.card.bounded:  # such images run in one window; this says what tiles would cost
        card = replace(model.card, bounded=True, halo=(_STAND_IN_HALO,) * model.card.ndim)
        model = Model(card, model.module, model.sha256)
    card = model.card
    tile = [smallest_tile(h, m) + 8 * m for h, m in zip(card.halo, card.multiple, strict=True)]
    # Odd sizes, several windows along each axis.
    size = tuple(2 * t - 2 * h + 3 for t, h in zip(tile, card.halo, strict=True))
    options: dict[str, Any] = {
        "precision": "fp64",
        "device": "cpu",
        "intensity_range": [(0.0, 1.0)],
        "max_passes": 10**6,
    }
    image = _noise(card, size, np.float64)
    whole = upscale(image, model, tile=[10**6] * card.ndim, **options).data
    tiled = upscale(image, model, tile=tile, **options).data
    return float(np.abs(whole - tiled).max() / np.ptp(whole))


def _precision_and_speed(model: Model, device: str) -> dict[str, Any]:
    size = (_SPEED_EDGE[model.card.ndim],) * model.card.ndim
    image = _noise(model.card, size, np.float32)
    options: dict[str, Any] = {"device": device, "intensity_range": [(0.0, 1.0)]}
    single = upscale(image, model, precision="fp32", **options).data
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        upscale(image, model, precision="fp32", **options)
        times.append(time.perf_counter() - start)
    name = device.replace(":", "")
    found = {f"{name}_megapixels_per_second": round(single.size / float(np.median(times)) / 1e6, 3)}
    if not model.card.is_interpolation:
        for precision in ("bf16", "fp16"):
            # Not `upscale`, which would measure the precision itself and warn of it.
            parts = make_parts(image, model, precision=precision, tuned=False, **options)
            half = deque(run_parts(image, parts), maxlen=1).pop().image.data
            noise = float(np.mean((half - single) ** 2))
            psnr = 10 * np.log10(float(np.ptp(single)) ** 2 / max(noise, 1e-30))
            found[f"{name}_{precision}_psnr_db"] = round(float(psnr), 1)
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return found
