"""Lack of memory at every call: injected into the network and the pipeline, and a device that is really full."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from networks import make_model
from torch import nn

from gpu.cases import Case, Facts, Settings, gpu_way, held_bytes, image_for, levels_off, model_of, record, replaced, run
from gpu.pipeline import tiles
from napari_superres.inference.machine.cuda_pipeline import Pipeline
from napari_superres.models import Model

_ALWAYS = -1
_LEFT_BYTES = 2**29


def cases(settings: Settings) -> Iterator[Case]:
    """Yield a case per place where memory may be short."""
    for batch in settings.pick((2,), (1, 3)):
        yield Case(f"in every call of the network, batch {batch}", partial(_in_network, settings, batch))
        yield Case(f"in every batch of the pipeline, batch {batch}", partial(_in_pipeline, settings, batch))
    yield Case("in every batch of the device: the CPU goes on", partial(_cpu_goes_on, settings))
    if settings.is_cuda:
        yield Case("a device that is full", partial(_full, settings))


def _in_network(settings: Settings, batch: int) -> Facts:
    """Once, at each of its calls in turn, those before a graph is captured included."""
    plain = model_of("fsrcnn-x2")
    image = image_for(plain, settings.pick(40, 90))
    options: dict[str, Any] = {"tile": tiles(plain), "batch": batch}
    assert plain.module is not None
    calls = _Calls()
    model = Model(plain.card, _Short(plain.module, calls))
    assert model.bytes_per_pixel > model.largest_activation > 0  # Passes measure them, which must not count.
    with gpu_way(settings.device):
        calls.start(None)
        expected = run(image, model, settings.device, **options).data
        results = []
        for number in range(calls.count):
            calls.start(number)
            results.append(run(image, model, settings.device, **options))
    return _judge(results, expected)


def _in_pipeline(settings: Settings, batch: int) -> Facts:
    """Once, at each batch in turn."""
    model = model_of("fsrcnn-x2")
    image = image_for(model, settings.pick(40, 90))
    options: dict[str, Any] = {"tile": tiles(model), "batch": batch}
    with gpu_way(settings.device):
        with _short_at(None) as calls:
            expected = run(image, model, settings.device, **options).data
        results = []
        for number in range(len(calls)):
            with _short_at(number):
                results.append(run(image, model, settings.device, **options))
    return _judge(results, expected)


def _cpu_goes_on(settings: Settings) -> Facts:
    """If the device never has memory, the CPU computes; on a computer without a device, there is nothing to go to."""
    model = model_of("fsrcnn-x2")
    image = image_for(model, settings.pick(40, 90))
    if not settings.is_cuda:
        return {"passed": True, "note": "needs a GPU"}
    with _short_at(_ALWAYS):
        result = run(image, model, settings.device, tile=tiles(model))
    return _judge([result], run(image, model, "cpu").data, "device cpu")


def _full(settings: Settings) -> Facts:
    """All but half a gigabyte of the device is taken, and tiles are larger than that."""
    model = make_model("edsr-baseline-x2")
    image = image_for(model, 1500)
    expected = run(image, model, settings.device).data
    held_bytes(settings.device)
    free, _ = torch.cuda.mem_get_info(settings.device)
    taken = torch.empty(free - _LEFT_BYTES, dtype=torch.uint8, device=settings.device)
    try:
        result = run(image, model, settings.device, tile=[1500, 1500], batch=1)
    finally:
        del taken
    return _judge([result], expected)


class _Calls:
    """Counts the calls of a network and of its copies on devices, and lets one of them run out of memory."""

    def __init__(self) -> None:
        self.count = 0
        self._fails: int | None = None

    def __deepcopy__(self, _memo: object) -> "_Calls":
        return self

    def start(self, fails: int | None) -> None:
        """Count from 0, and let the call with this number fail."""
        self.count, self._fails = 0, fails

    def add(self) -> None:
        """Count a call."""
        self.count += 1
        if self.count - 1 == self._fails:
            raise torch.OutOfMemoryError("out of memory, as the suite wishes")


class _Short(nn.Module):
    """Wraps a network and counts its calls."""

    def __init__(self, inner: nn.Module, calls: _Calls) -> None:
        super().__init__()
        self.inner, self._calls = inner, calls

    def forward(self, x: torch.Tensor) -> Any:
        self._calls.add()
        return self.inner(x)


class _short_at:  # noqa: N801 - used as a function
    """Let one batch of the pipeline, or every one, run out of memory while the block lasts; list the batches."""

    def __init__(self, number: int | None) -> None:
        self._number, self._calls = number, list[int]()

    def __enter__(self) -> list[int]:
        submit = Pipeline.submit

        def counted(pipeline: Pipeline, given: Any) -> Any:
            self._calls.append(len(given))
            if self._number in (len(self._calls) - 1, _ALWAYS):
                raise torch.OutOfMemoryError("out of memory, as the suite wishes")
            return submit(pipeline, given)

        self._replacing = replaced(Pipeline, "submit", counted)
        self._replacing.__enter__()
        return self._calls

    def __exit__(self, *reason: object) -> None:
        self._replacing.__exit__(*reason)  # type: ignore[arg-type]


def _judge(results: list[Any], expected: Any, last: str = "") -> Facts:
    """Each result is right, and its record tells what was reduced."""
    facts = [levels_off(result.data, expected) for result in results]
    reduced = [record(result)["memory_reductions"] for result in results]
    told = all(each and last in each[-1] for each in reduced)
    return {
        "runs": len(results),
        "levels": max((f["levels"] for f in facts), default=0),
        "reduced": reduced[-1] if reduced else [],
        "passed": bool(results) and told and all(f["passed"] for f in facts),
    }
