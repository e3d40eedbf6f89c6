"""`check_model`: what a model's card says, measured on this computer."""

from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_superres.core.image import Image
from napari_superres.core.tiling import smallest_tile
from napari_superres.inference.engine.half_precision import rounding_db
from napari_superres.inference.images import prepare, run_in_memory, upscale
from napari_superres.inference.machine.device import list_devices
from napari_superres.inference.machine.timing import interleaved_medians
from napari_superres.inference.options import UpscaleOptions
from napari_superres.models.card import ModelCard
from napari_superres.models.library.registry import find_card, load_model
from napari_superres.models.model import Model
from napari_superres.models.probes.halo import measure_reach

TOLERANCE = 1e-10
_SPEED_EDGE = {2: 512, 3: 48}
_REPEATS = 3
_STAND_IN_HALO = 32
_EQUAL_DB = 300.0
_RANGE = (-0.5, 0.5)
"""Intensities of the images that are measured on. With values below 0, no value of a result is limited."""


def check_model(model: str | Path | Model) -> dict[str, Any]:
    """Measure a model's halo, the exactness of tiling, the error of half precision and the speed.

    Parameters
    ----------
    model
        Name, file or `Model`.

    Returns
    -------
    dict
        ``halo_on_card``, ``halo_measured``
            In low-resolution pixels.
        ``global_statistics``, ``statistics_layers``, ``statistics_kinds``
            Whether layers look at the whole image, how many, and which statistics they take.
        ``bounded``
            Whether a halo suffices apart from these layers.
        ``max_tiling_error``
            Largest difference between tiled and whole result, as a share of the range, in double precision; with a
            halo of 32 pixels if none suffices.
        ``exact``
            Whether this error is at most 1e-10 and the halo on the card suffices.
        ``DEVICE_PRECISION_psnr_db``
            Peak signal to error against fp32.
        ``DEVICE_megapixels_per_second``
            Of the result.
    """
    # Loading corrects a card whose halo is too small, so the card is read first.
    card_in_file = model.card if isinstance(model, Model) else find_card(model)
    model = (model if isinstance(model, Model) else load_model(model)).for_any_image()
    card = model.card
    reach = measure_reach(model.runner, card.scale, channels=card.inputs, multiple=card.multiple)
    error = _tiling_error(model)
    suffices = all(c >= m for c, m in zip(card_in_file.halo, reach.halo, strict=True)) and reach.is_bounded
    suffices = suffices and card_in_file.global_statistics >= reach.is_global
    report: dict[str, Any] = {
        "model": card.name,
        "sha256": model.sha256,
        "halo_on_card": list(card_in_file.halo),
        "halo_measured": list(reach.halo),
        "global_statistics": reach.is_global,
        "statistics_layers": reach.layers,
        "statistics_kinds": list(reach.kinds),
        "bounded": reach.is_bounded,
        "max_tiling_error": error,
        "exact": suffices and error <= TOLERANCE,
    }
    for device in list_devices():
        report |= _precision_and_speed(model, device)
    return report


def _noise(card: ModelCard, size: tuple[int, ...], dtype: type[np.floating[Any]]) -> Image:
    axes = "ZYX"[-len(size) :]
    if card.frames > 1:
        axes, size = card.context + axes, (card.frames, *size)
    values = (np.random.default_rng(0).random(size) + _RANGE[0]).astype(dtype)
    return Image.from_array(values, axes)


def _tiling_error(model: Model) -> float:
    if not model.card.bounded:  # Such images are one tile; this measures what tiles would cost.
        card = replace(model.card, bounded=True, halo=(_STAND_IN_HALO,) * model.card.ndim)
        model = Model(card, model.module, model.sha256)
    card = model.card
    tile = [smallest_tile(h, m) + 8 * m for h, m in zip(card.halo, card.multiple, strict=True)]
    # An odd size with several tiles along each axis.
    size = tuple(2 * t - 2 * h + 3 for t, h in zip(tile, card.halo, strict=True))
    options: UpscaleOptions = {"precision": "fp64", "device": "cpu", "intensity_range": [_RANGE], "max_passes": 10**6}
    image = _noise(card, size, np.float64)
    untiled: UpscaleOptions = {**options, "tile": [10**6] * card.ndim}
    whole = upscale(image, model, **untiled).data
    options["tile"] = tile
    tiled = upscale(image, model, **options).data
    return float(np.abs(whole - tiled).max() / np.ptp(whole))


def _precision_and_speed(model: Model, device: str) -> dict[str, Any]:
    size = (_SPEED_EDGE[model.card.ndim],) * model.card.ndim
    image = _noise(model.card, size, np.float32)
    options: UpscaleOptions = {"device": device, "intensity_range": [_RANGE], "precision": "fp32"}
    single = upscale(image, model, **options).data
    runs = {"fp32": lambda: upscale(image, model, **options)}
    seconds = interleaved_medians(runs, _REPEATS, device)["fp32"].wall
    name = device.replace(":", "")
    report = {f"{name}_megapixels_per_second": round(single.size / seconds / 1e6, 3)}
    if not model.card.is_interpolation:
        for precision in ("bf16", "fp16"):
            # Not `upscale`, which would measure the precision itself and warn of it.
            run = prepare(image, model, {**options, "precision": precision}, measure=False)
            half = deque(run_in_memory(image, run), maxlen=1).pop().image.data
            report[f"{name}_{precision}_psnr_db"] = round(min(rounding_db(single, half), _EQUAL_DB), 1)
    return report
