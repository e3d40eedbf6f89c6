"""The pipeline of a GPU: graphs, pixels and windows that are not finite, streams, cancelling, memory left over."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import torch

from gpu.cases import (
    RANGE,
    ROUNDING,
    Case,
    Facts,
    Settings,
    gpu_way,
    held_bytes,
    image_for,
    levels_off,
    model_of,
    replaced,
    run,
    share_off,
)
from napari_superres import iter_upscale
from napari_superres.inference.machine.cuda_pipeline import CONVERTED, CpuBackend, CudaBackend

_MODELS = ("fsrcnn-x2", "photo-x2", "fluo-x2", "movie-x2", "fluo3d-z2", "vdsr-x3")


def cases(settings: Settings) -> Iterator[Case]:
    """Yield the cases of this section."""
    for name in settings.pick(("fsrcnn-x2",), _MODELS):
        yield Case(f"{name}, graph against none", partial(_graph, settings, name))
    for dtype in settings.pick(("uint16", "float32"), [str(d) for d in CONVERTED]):
        yield Case(f"{dtype}, pipeline against none", partial(_types, settings, dtype))
    for name in settings.pick(("fsrcnn-x2",), ("fsrcnn-x2", "fluo-x2", "fluo3d-z2")):
        yield Case(f"{name}, pixels that are not finite", partial(_holes, settings, name))
    yield Case("two runs at once", partial(_two_at_once, settings))
    yield Case("many batches in flight", partial(_many_batches, settings))
    for steps in (1, 3):
        yield Case(f"cancelled after {steps} steps", partial(_cancelled, settings, steps))
    yield Case("no device memory is left over", partial(_left_over, settings))


def _graph(settings: Settings, name: str) -> Facts:
    """The replayed graph gives what the network gives; and it was a graph."""
    model = model_of(name)
    image = image_for(model, settings.pick(40, 160))
    backend = CudaBackend if settings.is_cuda else CpuBackend
    capture: Callable[..., Any] = backend.capture
    captured = []

    def noted(self: Any, network: Any, x: torch.Tensor) -> Any:
        found = capture(self, network, x)
        captured.append(found is not network)
        return found

    with gpu_way(settings.device):
        with replaced(backend, "capture", noted):
            with_graph = run(image, model, settings.device, batch=2).data
        with replaced(backend, "capture", lambda _self, network, _x: network):
            without = run(image, model, settings.device, batch=2).data
    facts = levels_off(with_graph, without)
    is_graph = bool(captured) and all(captured)
    return facts | {"graphs": sum(captured), "passed": facts["passed"] and (is_graph or not settings.is_cuda)}


def _types(settings: Settings, dtype: str) -> Facts:
    """Every type that the device converts: the same as what the CPU converts."""
    model = model_of("fsrcnn-x2")
    image = image_for(model, settings.pick(40, 160))
    data = (np.asarray(image.data, np.float32) / 32).astype(dtype)
    options = {"tile": [40, 40], "batch": 4, "intensity_range": [(0.0, 128.0)]}
    with gpu_way(settings.device):
        found = run(image.replace(data=data), model, settings.device, **options).data
    expected = run(image.replace(data=data), model, "cpu", **options).data
    if dtype == "float32":
        error = share_off(found, expected)
        return {"error": error, "passed": error <= ROUNDING}
    return levels_off(found, expected)


def _holes(settings: Settings, name: str) -> Facts:
    """Pixels that are NaN or infinite are filled for the network and put back, as on the CPU."""
    model = model_of(name)
    image = image_for(model, settings.pick(40, 160), "float32")
    data = np.array(image.data)
    data[..., 11:14, 7:30], data[..., 20, 20], data[..., 21, 30] = np.nan, np.inf, -np.inf
    with gpu_way(settings.device):
        found = run(image.replace(data=data), model, settings.device, tile=tiles(model)).data
    expected = run(image.replace(data=data), model, "cpu").data
    same = bool((np.isfinite(found) == np.isfinite(expected)).all())
    there = np.isfinite(expected) & np.isfinite(found)
    error = share_off(found[there], expected[there])
    return {"error": error, "same_places": same, "passed": same and error <= ROUNDING}


def tiles(model: Any) -> list[int]:
    """Return tiles of which small images take several."""
    return [2 * h + 25 for h in model.card.halo]


def _two_at_once(settings: Settings) -> Facts:
    """Two threads share the device; each gets what it gets alone."""
    jobs = [(model_of(name), seed) for seed, name in enumerate(("fsrcnn-x2", "photo-x2", "fsrcnn-x2", "photo-x2"))]
    given = [(image_for(model, settings.pick(40, 300), seed=seed), model) for model, seed in jobs]
    alone = [run(image, model, settings.device, tile=tiles(model)).data for image, model in given]
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(run, image, model, settings.device, tile=tiles(model)) for image, model in given]
        together = [each.result().data for each in waiting]
    facts = [levels_off(a, b) for a, b in zip(together, alone, strict=True)]
    return {"levels": max(f["levels"] for f in facts), "passed": all(f["passed"] for f in facts)}


def _many_batches(settings: Settings) -> Facts:
    """Slots of memory are used in turn: many more batches than slots."""
    model = model_of("fsrcnn-x2")
    image = image_for(model, settings.pick(90, 700))
    with gpu_way(settings.device):
        result = run(image, model, settings.device, tile=tiles(model), batch=2)
    return levels_off(result.data, run(image, model, "cpu").data)


def _cancelled(settings: Settings, steps: int) -> Facts:
    """A run that is closed leaves no memory, and the next one is right."""
    model = model_of("fsrcnn-x2")
    image = image_for(model, settings.pick(90, 700))
    options = {"tile": tiles(model), "intensity_range": RANGE, "precision": "fp32", "device": settings.device}
    run(image, model, settings.device, tile=tiles(model))
    before = held_bytes(settings.device)
    with gpu_way(settings.device):
        going = iter_upscale(image, model, **options)  # type: ignore[arg-type]
        done = [step.done for step in islice(going, 1 + steps)][-1]
        going.close()  # type: ignore[attr-defined]
        del going
        left = held_bytes(settings.device) - before
        facts = levels_off(run(image, model, settings.device, tile=tiles(model)).data, run(image, model, "cpu").data)
    return facts | {"done": done, "left_bytes": left, "passed": facts["passed"] and left <= 0}


def _left_over(settings: Settings) -> Facts:
    """Runs of all kinds hold nothing afterwards."""
    before = held_bytes(settings.device)
    kinds: tuple[dict[str, Any], ...] = ({}, {"precision": "fp16"}, {"tta": True}, {"precision": "fp64"})
    for name in settings.pick(("fsrcnn-x2",), ("fsrcnn-x2", "fluo-x2", "fluo3d-z2")):
        for options in kinds:
            run(image_for(model_of(name), settings.pick(40, 160)), model_of(name), settings.device, **options)
    left = held_bytes(settings.device) - before
    reserved = torch.cuda.memory_reserved(settings.device) if settings.is_cuda else 0
    return {"left_bytes": left, "reserved_bytes": reserved, "passed": left <= 0}
