"""What runs in a worker: batches of windows in, cores or statistics out.

A worker keeps the last models that it was sent, under the hash of their file, so that each travels to it once.
"""

import pickle
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.core.tiling import inner_core
from napari_superres.inference.engine.cores import CoreComputer
from napari_superres.inference.engine.sweep import PlaneTile, TileRunner
from napari_superres.inference.engine.tile_io import TileRead
from napari_superres.inference.machine.memory import tune_allocator
from napari_superres.inference.planning.plan import Plan
from napari_superres.models.model import Model

Task = Literal["cores", "gather"]

computing = threading.Lock()
"""Held by the thread that computes: one window at a time, while another may travel."""

_MODELS_KEPT, _RUNNERS_KEPT = 4, 2
_models: "OrderedDict[str, Model]" = OrderedDict()
_runners: "OrderedDict[tuple[str, str], tuple[TileRunner, CoreComputer]]" = OrderedDict()


def has_model(key: str) -> bool:
    """Return whether this worker keeps a model."""
    return key in _models


def keep_model(key: str, model: bytes) -> None:
    """Keep a model for windows to come."""
    loaded = pickle.loads(
        model
    )  # Whoever reaches a worker can run code in it anyway: it listens to holders of its key.
    with computing:
        _keep(_models, key, loaded, _MODELS_KEPT)


def compute(
    task: Task,
    key: str,
    run: str,
    plan: Plan,
    dtype: str,
    tiles: Sequence[PlaneTile],
    windows: Sequence[npt.NDArray[Any]],
    statistics: Any,
) -> Any:
    """Compute a batch of windows.

    Parameters
    ----------
    task
        ``"cores"`` or ``"gather"``.
    key, run
        Of the model, and of the run with its settings.
    plan, dtype
        How to compute, on this worker's device; type of the image.
    tiles, windows
        Tiles, and the pixels that the model reads for each, as `TileRead.values`.
    statistics
        Of the tiles' planes; None for models that need none.

    Returns
    -------
    list
        For cores ``(values, limited, recomputed)`` per tile, for statistics as `TileRunner.gather`. None if this worker
        does not have the model.
    """
    with computing:
        if key not in _models:
            return None
        tune_allocator()
        if (key, run) not in _runners:
            size: Mapping[str, int] = dict(zip(plan.axes, plan.in_shape, strict=True))
            nothing = np.broadcast_to(np.zeros((), dtype), tuple(size.values()))
            runner = TileRunner(Image.from_array(nothing, plan.axes), _models[key], plan)
            _keep(_runners, (key, run), (runner, CoreComputer(runner)), _RUNNERS_KEPT)
        runner, computer = _runners[key, run]
        read = [_as_read(values, tile, plan) for values, tile in zip(windows, tiles, strict=True)]
        if task == "gather":
            return runner.gather(runner.load(tiles, read), tiles, statistics)
        # Copies, because the pipeline of an accelerator uses its memory again.
        cores = computer.start(tiles, read, statistics)()
        return [(np.array(core.values), core.limited, core.recomputed) for core in cores]


def _as_read(values: npt.NDArray[Any], tile: PlaneTile, plan: Plan) -> TileRead:
    """Return a window as it was read, without what only the computer that stores the result needs."""
    samples = len(values) // plan.frames
    own = values[plan.frames // 2 * samples :][:samples]
    return TileRead(values, own[(slice(None), *inner_core(tile.tile))], None, None)


def _keep(kept: "OrderedDict[Any, Any]", key: Any, value: Any, most: int) -> None:
    """Keep a value, and forget the oldest of too many."""
    kept[key] = value
    while len(kept) > most:
        kept.popitem(last=False)
