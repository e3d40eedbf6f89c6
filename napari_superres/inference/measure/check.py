"""`check_model`: what a model's card says, measured on this computer."""

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from napari_superres.core.image import Image
from napari_superres.core.tiling import smallest_tile
from napari_superres.inference.images import prepare, run_in_memory, upscale
from napari_superres.inference.machine.device import list_devices
from napari_superres.inference.machine.half_form import rounding_db
from napari_superres.inference.machine.timing import interleaved_medians
from napari_superres.inference.options import UpscaleOptions
from napari_superres.models.card import ModelCard
from napari_superres.models.library.registry import find_card, load_model
from napari_superres.models.model import Model
from napari_superres.models.probes.halo import Reach, measure_reach
from napari_superres.models.probes.tiles import measured_pixels, tile_error

TOLERANCE = 1e-10
_SPEED_EDGE, _SMALLEST_EDGE = {2: 512, 3: 48}, {2: 48, 3: 16}
_SPEED_PRODUCTS = 4e10
"""Products of a weight and a pixel in one run whose speed is measured: a few seconds of one core."""

_REPEATS = 3
_THIN = 24
_STAND_IN_HALO = 32
_EQUAL_DB = 300.0
_RANGE = (-0.5, 0.5)
"""Intensities of the images that are measured on. With values below 0, no value of a result is limited."""


def check_model(
    model: str | Path | Model, *, quick: bool = False, report: Callable[[str, float], None] | None = None
) -> dict[str, Any]:
    """Measure a model's halo, the exactness of tiling, the error of half precision and the speed.

    The work is limited in pixels, fewer for larger networks, so that it does not depend on what else the computer does.

    Parameters
    ----------
    model
        Name, file or `Model`.
    quick
        Whether to measure the speed in single precision only.
    report
        Called with what is measured and the share of the work that is done. An error that it raises stops the work.

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
            Largest difference between tiled and whole result, as a share of the range: in double precision, along each
            axis of a thin image; in single precision in windows with the halo on the card if no halo suffices. None if
            that cannot be measured.
        ``exact``
            Whether this error is at most 1e-10 and the halo on the card suffices.
        ``DEVICE_PRECISION_psnr_db``
            Peak signal to error against fp32.
        ``DEVICE_megapixels_per_second``
            Of the result.

        If `quick`, only ``halo_on_card`` and the speed.
    """

    def say(step: str, share: float) -> None:
        if report is not None:
            report(step, share)

    say("loading it", 0.0)
    # Loading corrects a card whose halo is too small, so the card is read first.
    card_in_file = model.card if isinstance(model, Model) else find_card(model)
    model = (model if isinstance(model, Model) else load_model(model)).for_any_image()
    found: dict[str, Any] = {"model": model.card.name, "sha256": model.sha256, "halo_on_card": list(card_in_file.halo)}
    if not quick:
        found |= _tiles(card_in_file, model, say)
    steps = [(device, is_half) for device in list_devices() for is_half in ((False,) if quick else (False, True))]
    for done, (device, is_half) in enumerate(steps):
        say(f"{'precision' if is_half else 'speed'} on {device}", _TILES_SHARE + (1 - _TILES_SHARE) * done / len(steps))
        found |= _precision(model, device) if is_half else _speed(model, device)
    return found


_TILES_SHARE = 0.6
"""Share of the work that measuring halo and tiles is taken for."""


def _tiles(card_in_file: ModelCard, model: Model, say: Callable[[str, float], None]) -> dict[str, Any]:
    """Return what is measured of halo and tiles."""
    card = model.card
    reach = measure_reach(
        model.runner,
        card.scale,
        channels=card.inputs,
        multiple=card.multiple,
        pixels=measured_pixels(card, model.runner, lambda share: say("how far it looks", 0.5 * share)),
    )
    say("tiles", 0.5)
    suffices = all(c >= m for c, m in zip(card_in_file.halo, reach.halo, strict=True)) and reach.is_bounded
    suffices = suffices and card_in_file.global_statistics >= reach.is_global
    error = _tiling_error(model, reach)
    return {
        "halo_measured": list(reach.halo),
        "global_statistics": reach.is_global,
        "statistics_layers": reach.layers,
        "statistics_kinds": list(reach.kinds),
        "bounded": reach.is_bounded,
        "max_tiling_error": error,
        "exact": suffices and error is not None and error <= TOLERANCE,
    }


def _noise(card: ModelCard, size: tuple[int, ...], dtype: type[np.floating[Any]]) -> Image:
    axes = "ZYX"[-len(size) :]
    if card.frames > 1:
        axes, size = card.context + axes, (card.frames, *size)
    values = (np.random.default_rng(0).random(size) + _RANGE[0]).astype(dtype)
    return Image.from_array(values, axes)


def _tiling_error(model: Model, reach: Reach) -> float | None:
    """Return the largest difference between tiles and the whole, as a share of the range; None if not measurable."""
    card = model.card
    if not reach.is_bounded:
        halo = card.halo if any(card.halo) else (_STAND_IN_HALO,) * card.ndim
        return tile_error(card, model.runner, halo, statistics=reach.layers > 0)
    tile = [smallest_tile(h, m) + 8 * m for h, m in zip(card.halo, card.multiple, strict=True)]
    return max(_tiling_error_along(axis, model, tile) for axis in range(card.ndim))


def _tiling_error_along(axis: int, model: Model, tile: list[int]) -> float:
    """Return the error of tiles along one axis of an image that is thin along the others, in double precision."""
    card = model.card
    size = [-(-_THIN // m) * m for m in card.multiple]
    # An odd size with several tiles.
    size[axis] = 2 * tile[axis] - 2 * card.halo[axis] + 3
    cut = [10**6] * card.ndim
    cut[axis] = tile[axis]
    options: UpscaleOptions = {"precision": "fp64", "device": "cpu", "intensity_range": [_RANGE], "max_passes": 10**6}
    image = _noise(card, tuple(size), np.float64)
    uncut: UpscaleOptions = {**options, "tile": [10**6] * card.ndim}
    several: UpscaleOptions = {**options, "tile": cut}
    whole, tiled = (upscale(image, model, **each).data for each in (uncut, several))
    return float(np.abs(whole - tiled).max() / np.ptp(whole))


def _speed_image(model: Model) -> Image:
    """Return an image for measuring the speed: smaller for larger networks."""
    card = model.card
    weights = max(1, sum(w.numel() for w in model.module.parameters()) if model.module is not None else 1)
    edge = int((_SPEED_PRODUCTS / weights) ** (1 / card.ndim))
    smallest, largest = min(_SMALLEST_EDGE[card.ndim], _SPEED_EDGE[card.ndim]), _SPEED_EDGE[card.ndim]
    return _noise(card, (min(max(edge, smallest), largest),) * card.ndim, np.float32)


def _speed(model: Model, device: str) -> dict[str, Any]:
    image = _speed_image(model)
    options: UpscaleOptions = {"device": device, "intensity_range": [_RANGE], "precision": "fp32"}
    runs = {"fp32": lambda: upscale(image, model, **options)}
    single = upscale(image, model, **options).data
    seconds = interleaved_medians(runs, _REPEATS, device)["fp32"].wall
    return {f"{device.replace(':', '')}_megapixels_per_second": round(single.size / seconds / 1e6, 3)}


def _precision(model: Model, device: str) -> dict[str, Any]:
    if model.card.is_interpolation:
        return {}
    image, found = _speed_image(model), {}
    options: UpscaleOptions = {"device": device, "intensity_range": [_RANGE], "precision": "fp32"}
    single = upscale(image, model, **options).data
    for precision in ("bf16", "fp16"):
        # Not `upscale`, which would measure the precision itself and warn of it.
        run = prepare(image, model, {**options, "precision": precision}, measure=False)
        half = deque(run_in_memory(image, run), maxlen=1).pop().image.data
        found[f"{device.replace(':', '')}_{precision}_psnr_db"] = round(min(rounding_db(single, half), _EQUAL_DB), 1)
    return found
