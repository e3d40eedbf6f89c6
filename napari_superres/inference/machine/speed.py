"""How fast a model runs on this computer, by the number of pixels per pass: measured, and kept between runs.

The first large run with a model measures a few tile sizes, for at most a twentieth of its own time. Later runs on the
same computer start from these measurements and may add to them.
"""

import time
from bisect import bisect_left
from dataclasses import dataclass
from math import log2, prod
from typing import Any

import torch

from napari_superres.core.tiling import padded_size
from napari_superres.inference.machine import memory
from napari_superres.inference.machine.device import Precision, without_tf32
from napari_superres.inference.machine.half_form import autocast, in_precision
from napari_superres.inference.machine.threads import parallel_threads
from napari_superres.models.model import Model
from napari_superres.models.probes.cache import recall, remember

_EDGES = {2: (128, 192, 256, 384, 512, 768, 1024, 1536, 2048), 3: (24, 32, 48, 64, 96, 128)}
_MAX_MEASURING_SHARE = 0.05
"""Share of a run's time that its measurements may take."""

_MIN_WORK_BYTES = 2**30
"""Runs with fewer pixels x bytes per pixel are not measured."""

_NOISE = 1.1

_UNDISTURBED = 0.75
"""Share of its cores' time that a pass on the CPU must get; below it, other programs disturbed the measurement."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds per low-resolution pixel of a pass.

    Attributes
    ----------
    points
        ``(pixels of the pass, seconds per pixel)``, by increasing pixels; at least one.
    """

    points: tuple[tuple[int, float], ...]

    def at(self, pixels: float) -> float:
        """Return the seconds per pixel of a pass over `pixels` pixels, interpolated between measurements.

        Differences of less than a tenth are noise: speeds that close to the best count as the best.
        """
        return max(self._at(pixels), _NOISE * min(s for _, s in self.points))

    def _at(self, pixels: float) -> float:
        i = bisect_left(self.points, (pixels,))
        if i in (0, len(self.points)):
            return self.points[min(i, len(self.points) - 1)][1]
        (p0, s0), (p1, s1) = self.points[i - 1 : i + 1]
        return s0 + (s1 - s0) * log2(pixels / p0) / log2(p1 / p0)

    @property
    def smallest_efficient_pass(self) -> int:
        """Pixels of the smallest pass whose speed is within a tenth of the best."""
        best = min(s for _, s in self.points)
        return next(p for p, s in self.points if s <= best * _NOISE)


def known_speed(model: Model, device: str, precision: Precision) -> Speed | None:
    """Return the speed that earlier runs measured on this computer, or None."""
    return recall("speed", _key(model, device, precision), _read_speed)


def _read_speed(points: Any) -> Speed:
    """Return the speed that the cache holds; ValueError if it cannot be one."""
    measured = sorted((int(pixels), float(seconds)) for pixels, seconds in points.items())
    if not measured or not all(pixels > 0 and 0 < seconds < torch.inf for pixels, seconds in measured):
        raise ValueError("a speed needs seconds above 0 for some numbers of pixels")
    return Speed(tuple(measured))


def typical_speed(model: Model, device: str) -> Speed:
    """Return a typical speed curve, in relative units, for a model that has not been measured."""
    if device.startswith("cuda"):
        return Speed(((2**14, 8.0), (2**17, 2.0), (2**20, 1.0)))
    points = [(2**12, 1.3), (2**15, 1.0)]
    if not memory.is_tuned():  # Page faults double the time of passes whose memory returns to the kernel.
        kept = min(memory.MMAP_LIMIT / model.largest_activation, memory.TRIM_LIMIT / model.bytes_per_pixel)
        unpaged = max(2**15 + 1, int(kept))
        points += [(unpaged, 1.0), (2 * unpaged, 2.0)]
    return Speed(tuple(points))


def is_worth_measuring(model: Model, precision: Precision, pixels: float) -> bool:
    """Return whether a run over `pixels` low-resolution pixels is long enough to measure the model's speed for it."""
    return bool(model.sha256) and precision != "fp64" and pixels * model.bytes_per_pixel >= _MIN_WORK_BYTES


def measure_speed(model: Model, device: str, precision: Precision, pixels: float, most: float) -> bool:
    """Measure the speed of a model before a run, as far as that pays, and keep the result.

    Parameters
    ----------
    model, device, precision
        What runs, where, and in which precision.
    pixels
        Low-resolution pixels of the run.
    most
        Pixels of the largest pass that the run may make.

    Returns
    -------
    bool
        Whether anything was measured.
    """
    if not is_worth_measuring(model, precision, pixels):
        return False
    card = model.card
    known = known_speed(model, device, precision)
    points = dict(known.points) if known else {}
    runner = None
    spent = 0.0
    for edge in _EDGES[card.ndim]:
        size = [padded_size(edge, m) for m in card.multiple]
        allowed = _MAX_MEASURING_SHARE * pixels * min(points.values(), default=torch.inf)
        # A warm-up and two passes.
        cost = 3 * prod(size) * max(points.values(), default=0.0)
        if prod(size) in points:
            continue
        if prod(size) > most or spent + cost > allowed:
            break
        runner = in_precision(model, device, precision) if runner is None else runner
        start = time.perf_counter()
        try:
            seconds = _seconds(runner, [1, card.inputs, *size], device, precision)
        except (torch.OutOfMemoryError, MemoryError):
            break
        spent += time.perf_counter() - start
        if seconds is None:
            break
        points[prod(size)] = seconds / prod(size)
    if runner is not None and points:
        remember("speed", _key(model, device, precision), {str(p): s for p, s in points.items()})
    return runner is not None


def measure_one_pass(model: Model, device: str, precision: Precision) -> bool:
    """Measure one small pass of a model that was never measured here, and return whether its speed is known now."""
    if known_speed(model, device, precision) is not None:
        return False
    card = model.card
    least = prod(padded_size(_EDGES[card.ndim][0], m) for m in card.multiple)
    measure_speed(model, device, precision, torch.inf, least)
    return known_speed(model, device, precision) is not None


def _seconds(runner: torch.nn.Module, shape: list[int], device: str, precision: Precision) -> float | None:
    """Return the time of a pass while all threads compute one; None if other programs disturbed it."""
    x = torch.full(shape, 0.5, device=device)
    if x.ndim == 4:
        x = x.contiguous(memory_format=torch.channels_last)
    best = None

    @torch.inference_mode()
    def run() -> None:
        with without_tf32(device), autocast(x.device.type, precision):
            runner(x)

    count = torch.get_num_threads() if device == "cpu" else 1
    with parallel_threads(count) as submit:
        for attempt in range(3):
            begun, used = time.perf_counter(), time.process_time()
            for wait in [submit(run) for _ in range(count)]:
                wait()
            if x.is_cuda:
                torch.cuda.synchronize(x.device)
            seconds, used = time.perf_counter() - begun, time.process_time() - used
            undisturbed = x.is_cuda or used >= _UNDISTURBED * seconds * count
            if attempt and undisturbed and (best is None or seconds < best):
                best = seconds
    return best


def _key(model: Model, device: str, precision: Precision) -> str:
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    kept = "kept" if memory.is_tuned() else "returned"
    return (
        f"{model.sha256}|{name}|{precision}|{torch.get_num_threads()} threads|blocks {kept}|torch {torch.__version__}"
    )
