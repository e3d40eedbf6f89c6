"""The engine next to the network alone, as the best graph of any batch, and next to others, on one plane or volume."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from networks import make_model

from gpu.cases import RANGE, Case, Facts, Settings, decibels, held_bytes
from gpu.rivals import rivals
from napari_superres import Image, upscale
from napari_superres.inference.machine.timing import interleaved_medians
from napari_superres.inference.measure.bench import iter_throughput

_NETWORKS = ("edsr-baseline-x2", "span-x2", "fsrcnn-x2", "edsr-3d-x2")


def cases(settings: Settings) -> Iterator[Case]:
    """Yield a case per network and precision."""
    for precision in settings.pick(("fp32",), ("fp16", "fp32")):
        for name in settings.pick(("fsrcnn-x2",), _NETWORKS):
            yield Case(f"{name}, {precision}", partial(_speed, settings, name, precision))


def _speed(settings: Settings, name: str, precision: str) -> Facts:
    """Measure the engine, the network alone, and the others; the figures are reported and cannot fail."""
    size, repeats = settings.pick(96, 4096), settings.pick(1, 3)
    model: Any = make_model(name)
    (row,) = iter_throughput([model], devices=[settings.device], precision=precision, size=size, repeats=repeats)
    held_bytes(settings.device)
    others = _others(model, settings, precision, row.size, repeats)
    rows = [
        _row(row, "ours", row.engine),
        _row(row, "network alone", row.raw_tile * row.kept_share),
        *(_row(row, engine, speed) for engine, (speed, _) in others.items() if engine != "ours"),
    ]
    # Next to the others, ours was measured again, in turns with them.
    ours = others["ours"][0]
    ahead = {f"ahead of {engine}": ours / speed for engine, (speed, _) in others.items() if engine != "ours"}
    return {
        "of_network_alone": row.efficiency,
        "megapixels_per_second": row.engine,
        **ahead,
        **{f"{engine}, dB": db for engine, (_, db) in others.items() if engine != "ours"},
        "tile": row.tile,
        "rows": rows,
        "passed": True,
    }


def _row(row: Any, engine: str, speed: float) -> Facts:
    facts = {"network": row.model, "device": row.device, "precision": row.precision, "size": list(row.size)}
    return facts | {"engine": engine, "megapixels_per_second": round(speed, 3)}


def _others(
    model: Any, settings: Settings, precision: str, size: tuple[int, ...], repeats: int
) -> dict[str, tuple[float, float]]:
    """Return megapixels of the result per second, and agreement with ours in dB, of each engine."""
    pixels = np.random.default_rng(0).integers(0, 4096, size, dtype=np.uint16)
    image = Image.from_array(pixels, "ZYX"[-len(size) :])
    model = model.for_any_image()
    options: dict[str, Any] = {"device": settings.device, "precision": precision, "intensity_range": RANGE}
    results: dict[str, Any] = {}

    def keep(engine: str, work: Callable[[], Any]) -> Callable[[], None]:
        def run() -> None:
            results[engine] = work()

        return run

    runs = {"ours": keep("ours", lambda: upscale(image, model, **options).data)}
    for engine, rival in rivals(model, settings.device, precision, min(size)).items():
        runs[engine] = keep(engine, partial(rival, pixels))
    seconds = interleaved_medians(runs, repeats, settings.device)
    area = np.prod(size) * np.prod(model.card.scale) / 1e6
    ours = results["ours"]
    return {engine: (float(area / seconds[engine].wall), round(decibels(results[engine], ours), 1)) for engine in runs}
