"""What widgets ask of the engine, to be called in a thread: torch is imported here, inside functions.

One thread at a time uses the models: a plan measures a network that a run may be using.
"""

import threading
from collections.abc import Generator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_superres.core.image import Image
from napari_superres.errors import EvaluationError

if TYPE_CHECKING:
    from napari_superres.evaluation import Report
    from napari_superres.inference import Plan, Progress
    from napari_superres.models import Model

_in_use = threading.Lock()


def devices() -> Generator[list[str], None, None]:
    """Import torch and yield the devices of this machine, the best first."""
    from napari_superres.inference.device import list_devices

    yield list_devices()


def plan(image: Image, model: str, options: Mapping[str, Any]) -> "Plan":
    """Return the plan of a run.

    Raises
    ------
    SuperResError
        If something asked for is impossible.
    """
    from napari_superres.inference import resolve

    with _in_use:
        return resolve(image, _loaded(model), **options)


def upscale(image: Image, model: str, options: Mapping[str, Any]) -> "Generator[Progress, None, None]":
    """Yield the steps of a run.

    Raises
    ------
    SuperResError
        As `napari_superres.iter_upscale`.
    """
    from napari_superres.inference import iter_upscale

    with _in_use:
        yield from iter_upscale(image, _loaded(model), **options)


def evaluate(result: Image, reference: Image, **options: Any) -> "Report":
    """Return the report on a result.

    Raises
    ------
    SuperResError
        As `napari_superres.evaluate`.
    """
    from napari_superres import evaluation

    with _in_use:
        return evaluation.evaluate(result, reference, **options)


def map_of(
    kind: str, result: Image, reference: Image, *, register: bool = False, data_range: str | None = None
) -> Image:
    """Return where a result differs from its reference: a map on its grid, channel by channel.

    Parameters
    ----------
    kind
        ``"difference"``, ``"SSIM"`` or ``"agreement"``.
    result, reference
        As for `napari_superres.evaluate`.
    register
        Move the reference onto the result first.
    data_range
        For the structural similarity.

    Raises
    ------
    SuperResError
        If the two do not lie on one grid, cannot be registered or are too small.
    """
    from napari_superres import evaluation

    if register:
        moved = evaluation.register(result, reference)
        result, reference = moved.result, moved.reference
    if kind == "difference":
        return evaluation.difference_map(result, reference)
    if kind == "SSIM":
        return evaluation.ssim_map(result, reference, data_range=data_range)
    return _agreement(result, reference)


def residual_map(result: Image, lr: Image) -> Image:
    """Return, on the input's grid, what a result blurred and binned again has more than its input, channel by channel.

    Raises
    ------
    SuperResError
        If the two do not fit, or the noise in whose standard deviations it is given is not measurable.
    """
    from napari_superres import evaluation

    found = [evaluation.check_consistency(result, lr, channel=c) for c in range(lr.size("C"))]
    if all(f.noise is None for f in found):
        raise EvaluationError(
            "the residual is given in standard deviations of the input's noise, and that is not measurable: "
            f"{next(n for n in found[0].notes if 'sigmas' in n)}."
        )
    return _by_channel([f.residual for f in found], lr.axes)


def _agreement(result: Image, reference: Image) -> Image:
    """Return the map of agreement; colours averaged, nan where a pixel is not finite, never nan everywhere."""
    from napari_superres import evaluation
    from napari_superres.evaluation.match import match

    pair = match(result, reference)
    ours, theirs = _without_samples(pair.result), _without_samples(pair.reference)
    lost = ~(np.isfinite(ours.data) & np.isfinite(theirs.data))
    if lost.any() and not lost.all():  # as outside the field of a reference that was moved
        ours, theirs = (i.replace(data=np.where(lost, np.mean(i.data[~lost]), i.data)) for i in (ours, theirs))
    maps = [evaluation.local_agreement(ours, theirs, channel=c) for c in range(ours.size("C"))]
    made = _by_channel(maps, ours.axes)
    if not np.isfinite(made.data).any():
        raise EvaluationError(
            "the map of agreement would be empty: no block of 64 pixels has detail that both show. "
            "Register, or check that both show the same field."
        )
    return made.replace(data=np.where(lost, np.float32(np.nan), made.data))


def _without_samples(image: Image) -> Image:
    values, axes = np.asarray(image.data), image.axes
    if "S" in axes:
        at = axes.index("S")
        values, axes = values.take(range(3), axis=at).mean(axis=at), axes.replace("S", "")
    return image.replace(data=values, axes=axes)


def _by_channel(maps: Sequence[Image], axes: str) -> Image:
    """Return the maps of channels as one, in the order of axes."""
    if "C" not in axes:
        return maps[0]
    at = axes.index("C")
    kept = maps[0].axes
    return maps[0].replace(data=np.stack([m.data for m in maps], axis=at), axes=f"{kept[:at]}C{kept[at:]}")


def _loaded(model: str) -> "Model":
    path = Path(model)
    return _load(model, path.stat().st_mtime_ns if path.is_file() else 0)


@lru_cache(maxsize=2)
def _load(model: str, changed: int) -> "Model":
    del changed  # a file that was written anew is loaded anew
    from napari_superres.models import load_model

    return load_model(model)
