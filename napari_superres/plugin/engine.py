"""What widgets ask of the engine, to be called in a thread: torch is imported here, inside functions.

One thread at a time uses the models: a plan measures a network that a run may be using.
"""

import threading
from collections.abc import Generator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_superres.core.image import Image

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


def difference_map(result: Image, reference: Image) -> Image:
    """Return result less reference.

    Raises
    ------
    EvaluationError
        If the two do not lie on one grid.
    """
    from napari_superres import evaluation

    return evaluation.difference_map(result, reference)


def ssim_map(result: Image, reference: Image, *, data_range: str | None) -> Image:
    """Return the structural similarity around each pixel.

    Raises
    ------
    EvaluationError
        If the two do not lie on one grid or are too small.
    """
    from napari_superres import evaluation

    return evaluation.ssim_map(result, reference, data_range=data_range)


def _loaded(model: str) -> "Model":
    path = Path(model)
    return _load(model, path.stat().st_mtime_ns if path.is_file() else 0)


@lru_cache(maxsize=2)
def _load(model: str, changed: int) -> "Model":
    del changed  # a file that was written anew is loaded anew
    from napari_superres.models import load_model

    return load_model(model)
