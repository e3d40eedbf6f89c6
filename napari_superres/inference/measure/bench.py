"""`iter_throughput`: how fast the engine is on this computer, next to the network alone."""

import itertools
import json
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor

from napari_superres.core.image import Image
from napari_superres.errors import SettingsError
from napari_superres.inference.images import prepare, upscale
from napari_superres.inference.machine import memory
from napari_superres.inference.machine.device import resolve_device, without_tf32
from napari_superres.inference.machine.half_form import autocast, in_precision
from napari_superres.inference.machine.timing import interleaved_medians, time_run
from napari_superres.inference.options import PrecisionOption, UpscaleOptions
from napari_superres.inference.planning.plan import Plan
from napari_superres.limits import free_memory
from napari_superres.models.library.registry import load_model
from napari_superres.models.model import Model

SCHEMA = 1
"""Version of the JSON layout."""

_RANGE = (0.0, 4095.0)
_GPU_BATCHES = (1, 2, 4, 8, 16)
_COLUMNS = (
    "model",
    "device",
    "precision",
    "image",
    "tile",
    "engine Mpx/s",
    "raw tile",
    "raw whole",
    "kept share",
    "efficiency",
    "busy cores",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """Speeds of one model on one device with one tile size, in megapixels of the result per second.

    Attributes
    ----------
    model, device, precision
        Model, device and precision.
    size, tile
        Of the image and of one tile, in low-resolution pixels.
    engine
        Of `upscale` on a uint16 image, with conversion and copies, into an existing array.
    raw_tile
        Of the network alone on inputs of the tile's shape; on CUDA at its best batch, with or without a graph.
    raw_whole
        Of the network alone on the whole image; None if that does not fit into memory.
    kept_share
        Pixels of the image divided by the computed pixels, which include context.
    busy_cores
        CPU time divided by wall time of the engine: less than the number of threads if other programs were running.
    """

    model: str
    device: str
    precision: str
    size: tuple[int, ...]
    tile: tuple[int, ...]
    engine: float
    raw_tile: float
    raw_whole: float | None
    kept_share: float
    busy_cores: float

    @property
    def efficiency(self) -> float:
        """Speed of the engine divided by that of the network alone: the cost of tiling, apart from the halo."""
        return self.engine / (self.raw_tile * self.kept_share)


def iter_throughput(
    models: Sequence[str | Path | Model],
    *,
    devices: Sequence[str] = ("auto",),
    precision: str = "auto",
    tiles: Sequence[int | Sequence[int] | Literal["auto"]] = ("auto",),
    size: int = 1024,
    repeats: int = 5,
) -> Iterator[Throughput]:
    """Measure models on devices with tile sizes; yield one `Throughput` per combination.

    Parameters
    ----------
    models
        Names, files or `Model`.
    devices, precision, tiles
        As for `upscale`.
    size
        Edge of the square image, in low-resolution pixels; volumes are cubes of about as many.
    repeats
        Timed runs of each kind, after two that are not counted. Kinds take turns and medians are reported, so that
        other programs disturb all of them alike.

    Raises
    ------
    SettingsError
        If `size` or `repeats` is below 1, or a tile does not suit a model.
    DeviceError
        If a device is not there.
    """
    if size < 1 or repeats < 1:
        raise SettingsError(f"size and repeats must be at least 1, got size={size} and repeats={repeats}.")
    for choice in models:
        model = (choice if isinstance(choice, Model) else load_model(choice)).for_any_image()
        for device, tile in itertools.product(devices, tiles):
            yield _measure(
                model, {"device": device, "precision": cast("PrecisionOption", precision), "tile": tile}, size, repeats
            )


def describe_machine(devices: Sequence[str] = ("cpu",)) -> dict[str, Any]:
    """Return what the figures depend on: processor, threads, versions, load and time."""
    named = {d: torch.cuda.get_device_name(d) for d in map(resolve_device, devices) if d.startswith("cuda")}
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "accelerators": named,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "allocator_tuned": memory.is_tuned(),
        "load_average": [round(v, 2) for v in _load_average()],
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def to_json(machine: Mapping[str, Any], rows: Sequence[Throughput]) -> str:
    """Return figures and machine as JSON."""
    listed = [asdict(row) | {"efficiency": row.efficiency} for row in rows]
    return json.dumps({"schema": SCHEMA, "machine": dict(machine), "rows": listed}, indent=2) + "\n"


def to_markdown(machine: Mapping[str, Any], rows: Sequence[Throughput]) -> str:
    """Return figures as a table, with the computer below it."""
    table = [_COLUMNS, ("---",) * len(_COLUMNS), *(_cells(row) for row in rows)]
    lines = [f"| {' | '.join(cells)} |" for cells in table]
    return "\n".join([*lines, "", machine_line(machine), ""])


def machine_line(machine: Mapping[str, Any]) -> str:
    """Return the description of a computer as one line."""
    load = " ".join(f"{v:g}" for v in machine["load_average"])
    chips = ", ".join([machine["processor"], *machine["accelerators"].values()])
    return (
        f"{chips}; {machine['threads']} threads on {machine['cores']} cores; {machine['system']}, "
        f"Python {machine['python']}, torch {machine['torch']}; load {load}; {machine['date']}"
    )


def _cells(row: Throughput) -> tuple[str, ...]:
    whole = "does not fit" if row.raw_whole is None else f"{row.raw_whole:.2f}"
    size, tile = (" x ".join(map(str, edges)) for edges in (row.size, row.tile))
    return (
        row.model,
        row.device,
        row.precision,
        size,
        tile,
        f"{row.engine:.2f}",
        f"{row.raw_tile:.2f}",
        whole,
        f"{row.kept_share:.3f}",
        f"{row.efficiency:.2f}",
        f"{row.busy_cores:.1f}",
    )


def _measure(model: Model, options: UpscaleOptions, size: int, repeats: int) -> Throughput:
    image = _image(model, size)
    (plan,) = prepare(image, model, {**options, "intensity_range": [_RANGE]}).plans
    # The timed runs get what was resolved, so that they choose nothing themselves.
    chosen: UpscaleOptions = {"tile": plan.tile, "batch": plan.batch, "precision": plan.precision}
    fixed: UpscaleOptions = {**options, **chosen, "intensity_range": [_RANGE]}
    out = np.zeros(plan.out_shape, image.dtype)
    network = _Network(model, plan)
    runs: dict[str, Callable[[], object]] = {"engine": lambda: upscale(image, model, out=out, **fixed)}
    runs["raw tile"], tiles = network.best_on_tiles()
    if network.whole_fits():
        runs["raw whole"] = network.on(plan.padded, 1)
    seconds = interleaved_medians(runs, repeats, plan.device)
    area = prod(plan.work_scale) / 1e6
    useful, tile = prod(image.size(a) for a in plan.work_axes), prod(plan.tile)
    return Throughput(
        model=model.card.name,
        device=plan.device,
        precision=plan.precision,
        size=tuple(image.size(a) for a in plan.work_axes),
        tile=plan.tile,
        engine=useful * area / seconds["engine"].wall,
        raw_tile=tiles * tile * area / seconds["raw tile"].wall,
        raw_whole=useful * area / seconds["raw whole"].wall if "raw whole" in seconds else None,
        kept_share=useful / (plan.total * tile),
        busy_cores=seconds["engine"].cpu / seconds["engine"].wall,
    )


def _image(model: Model, size: int) -> Image:
    card = model.card
    edge = size if card.ndim == 2 else max(1, round(size ** (2 / 3)))
    axes = "ZYX"[-card.ndim :] + ("S" if card.channels == 3 else "")
    shape = [3 if a == "S" else edge for a in axes]
    return Image.from_array(np.random.default_rng(0).integers(0, 4096, shape, dtype=np.uint16), axes)


class _Network:
    """The network alone, on the device and in the precision of a plan; its input is on the device already."""

    def __init__(self, model: Model, plan: Plan) -> None:
        self.model, self.plan = model, plan
        self.dtype = torch.float64 if plan.precision == "fp64" else torch.float32
        self.runner = in_precision(model, plan.device, plan.precision)

    @torch.inference_mode()
    def on(self, size: Sequence[int], batch: int, passes: int = 1) -> Callable[[], None]:
        """Return a function that runs the network `passes` times on a batch of this size."""
        x = self._input(size, batch)

        @torch.inference_mode()
        def run() -> None:
            for _ in range(passes):
                self._forward(x)

        return run

    def best_on_tiles(self) -> tuple[Callable[[], None], int]:
        """Return a function that runs the network on about as many tiles as the engine does, and their number."""
        plan = self.plan
        if not plan.device.startswith("cuda"):
            passes = -(-plan.total // plan.batch)
            return self.on(plan.tile, plan.batch, passes), passes * plan.batch
        best: tuple[float, Callable[[], None], int] | None = None
        for batch, make in itertools.product(_GPU_BATCHES, (self.on, self._graph)):
            passes = -(-plan.total // batch)
            try:
                run = make(plan.tile, batch, passes)
                time_run(run, plan.device)
                seconds = min(time_run(run, plan.device).wall for _ in range(2)) / (passes * batch)
            except torch.OutOfMemoryError:
                break
            if best is None or seconds < best[0]:
                best = seconds, run, passes * batch
        torch.cuda.empty_cache()  # Slower candidates still hold memory.
        if best is None:
            raise SettingsError(
                f"one tile of {plan.tile} pixels does not fit on {plan.device}.", remedy="Use a smaller `tile`."
            )
        return best[1], best[2]

    def whole_fits(self) -> bool:
        """Return whether one pass over the whole image takes at most half of the free memory."""
        device = self.plan.device
        free = torch.cuda.mem_get_info(device)[0] if device.startswith("cuda") else free_memory()
        wide = 2 if self.plan.precision == "fp64" else 1
        return 2 * wide * self.model.bytes_per_pixel * prod(self.plan.padded) <= free

    def _input(self, size: Sequence[int], batch: int) -> Tensor:
        shape = (batch, self.model.card.inputs, *size)
        x = torch.full(shape, 0.5, device=self.plan.device, dtype=self.dtype)
        return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x

    def _forward(self, x: Tensor) -> Tensor:
        with without_tf32(self.plan.device), autocast(x.device.type, self.plan.precision):
            y: Tensor = self.runner(x)
        return y

    @torch.inference_mode()
    def _graph(self, size: Sequence[int], batch: int, passes: int) -> Callable[[], None]:
        """Return the same as `on`, captured once as a CUDA graph and replayed."""
        x = self._input(size, batch)
        stream = torch.cuda.Stream(x.device)  # type: ignore[no-untyped-call]
        graph = torch.cuda.CUDAGraph()
        stream.wait_stream(torch.cuda.current_stream(x.device))
        # Libraries choose their kernels in the first passes, which must not be captured.
        with torch.cuda.device(x.device), torch.cuda.stream(stream):
            for _ in range(3):
                self._forward(x)
        torch.cuda.synchronize(x.device)
        with torch.cuda.device(x.device), torch.cuda.graph(graph):
            y = self._forward(x)

        return partial(_replay, graph, passes, (x, y))


def _replay(graph: torch.cuda.CUDAGraph, passes: int, _kept: tuple[Tensor, Tensor]) -> None:
    """Replay a graph; the tensors it reads and writes must live as long as it does."""
    for _ in range(passes):
        graph.replay()


def _load_average() -> tuple[float, ...]:
    try:
        import psutil  # which also knows the load of Windows
    except ImportError:
        return os.getloadavg()
    return tuple(psutil.getloadavg())


def _processor() -> str:
    """Return the name of the processor, which Python itself knows on few systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
