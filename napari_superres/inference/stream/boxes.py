"""The job of computing a result box by box: everything a process needs for it, wherever it runs."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres import io
from napari_superres.core.image import Array, Image
from napari_superres.core.invalid import REACH
from napari_superres.core.tiling import Box, balanced_tile
from napari_superres.inference.engine.counts import Counts
from napari_superres.inference.engine.execute import execute
from napari_superres.inference.engine.global_statistics import GlobalStatistics, find_global_statistics
from napari_superres.inference.machine.threads import thread_count
from napari_superres.inference.options import ReadingOptions
from napari_superres.inference.planning.plan import Plan
from napari_superres.inference.planning.upscale_run import UpscaleRun
from napari_superres.inference.stream.entries import Line


@dataclass(frozen=True)
class Job:
    """A run from a file to an OME-Zarr, as a value that can be sent to other processes.

    Attributes
    ----------
    source, reading
        The input, and the options of `read_image` for it.
    run
        Models with their plans.
    statistics
        Global statistics per part of the run, None if its model needs none.
    target
        Folder of the `ZarrTarget`, which exists.
    boxes
        The boxes of the result, in its order of axes.
    threads
        Threads of torch in each process. Results are bit-identical if this number is.
    """

    source: Path
    reading: ReadingOptions
    run: UpscaleRun
    statistics: tuple[GlobalStatistics | None, ...]
    target: Path
    boxes: tuple[Box, ...]
    threads: int

    @cached_property
    def image(self) -> Image:
        """The input, opened once per process."""
        return io.read_with_notes(self.source, **self.reading)

    @cached_property
    def output(self) -> io.ZarrTarget:
        """The target, opened once per process."""
        return io.ZarrTarget.open(self.target, self.image.axes)

    def __getstate__(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def compute(self, index: int) -> Generator[float, None, Callable[[], Line]]:
        """Compute a box; yield the finished share of it after each tile.

        Returns
        -------
        function
            Stores the box and returns its line for the journal. May be called in another thread. Raises OSError if
            the disk is full or fails.

        Raises
        ------
        SuperResError
            As `napari_superres.upscale` and `read_image`.
        """
        box = self.boxes[index]
        number = self.part_number(box)
        part = self.run.parts[number]
        plan, inside = plan_of_box(part.plan, box, part.first_channel)
        out = np.empty(plan.out_shape, self.image.dtype)
        image = self.image.replace(data=BoxInMemory(self.image.data, _read_box(self.image, plan)))
        counts, done = Counts(), 0.0
        with thread_count(self.threads):
            for _, share in execute(image, part.model, plan, out, counts, self.statistics[number]):
                done += share
                yield done / plan.total
        bad = list(getattr(self.image.data, "bad_chunks", ()))

        def store() -> Line:
            files = self.output.store(box, out[inside])
            plain = {**asdict(counts), "statistics": {}}
            return {"box": index, "counts": plain, "bad_chunks": bad, "files": files}

        return store

    def find_statistics(self, part: int, plane: int) -> Generator[float, None, GlobalStatistics | None]:
        """Find the global statistics of one plane of a part; yield the finished share of the tiles.

        Raises
        ------
        SuperResError
            As `napari_superres.upscale` and `read_image`.
        """
        model, plan, _ = self.run.parts[part]
        index = plan.planes()[plane]
        region = {a: (index[a], index[a] + 1) if a in index else r for a, r in plan.region.items()}
        channels = (index["C"],) if "C" in index else plan.channels
        of_plane = replace(plan, region=region, channels=channels)
        statistics = None
        with thread_count(self.threads):
            for done, total, found in find_global_statistics(self.image, model, of_plane, Counts()):
                statistics = found
                yield done / total
        return statistics

    def part_number(self, box: Box) -> int:
        """Return the number of the part that computes a box."""
        if len(self.run.parts) == 1:
            return 0
        first = box[self.run.axes.index("C")].start
        return max(i for i, part in enumerate(self.run.parts) if part.first_channel <= first)


def plan_of_box(plan: Plan, box: Box, first: int = 0) -> tuple[Plan, Box]:
    """Return the plan for the input pixels under a box of the result, and the position of the box in its output.

    Parameters
    ----------
    plan
        Of the whole run.
    box
        In pixels of the result, in the order of ``plan.axes``.
    first
        Channel of the result that is the first of the plan.
    """
    region, channels, inside = dict(plan.region), plan.channels, []
    for axis, b in zip(plan.axes, box, strict=True):
        s, low = plan.scale.get(axis, 1), plan.region.get(axis, (0, 0))[0]
        if axis in plan.region:
            # A box may start and end within the output of one input pixel.
            region[axis] = (low + b.start // s, low - (-b.stop // s))
            start = b.start - (region[axis][0] - low) * s
            inside.append(slice(start, start + b.stop - b.start))
        elif axis == "C":
            channels = plan.channels[b.start - first : b.stop - first]
            inside.append(slice(None))
        else:
            inside.append(slice(None))
    out_shape = tuple(
        len(channels) if a == "C" else (region[a][1] - region[a][0]) * plan.scale.get(a, 1) if a in region else n
        for a, n in zip(plan.axes, plan.out_shape, strict=True)
    )
    return replace(plan, region=region, channels=channels, out_shape=out_shape), tuple(inside)


def tiled_for(plan: Plan, boxes: Sequence[Box]) -> Plan:
    """Return the plan with the largest tile, at most its own, that covers the largest box in the fewest equal steps."""
    within = [plan_of_box(plan, box)[0].region for box in (boxes[0], boxes[-1])]
    tile = []
    for axis, t, n, h, m in zip(plan.work_axes, plan.tile, plan.padded, plan.halo, plan.multiple, strict=True):
        extent = max(r[axis][1] - r[axis][0] for r in within)
        tile.append(balanced_tile(min(n, extent + 2 * h), t, h, m))
    return replace(plan, tile=tuple(tile))


class BoxInMemory:
    """An array of which one box is in memory; slices that leave it are read from the array itself."""

    def __init__(self, data: Array, box: Box) -> None:
        self.shape, self.dtype, self._data, self._box = data.shape, data.dtype, data, box
        self._values = np.asarray(data[box])

    def __getitem__(self, key: tuple[int | slice, ...]) -> npt.NDArray[Any]:
        inner: list[int | slice] = []
        for item, b in zip(key, self._box, strict=True):
            start, stop = (item.start, item.stop) if isinstance(item, slice) else (item, item + 1)
            start, stop = b.start if start is None else start, b.stop if stop is None else stop
            if start < b.start or stop > b.stop:
                return np.asarray(self._data[key])
            inner.append(slice(start - b.start, stop - b.start) if isinstance(item, slice) else item - b.start)
        return self._values[tuple(inner)]


def _read_box(image: Image, plan: Plan) -> Box:
    """Return the part of the image that most tiles of a plan read."""
    margins = {a: h + m + REACH for a, h, m in zip(plan.work_axes, plan.halo, plan.multiple, strict=True)}
    box = []
    for axis, n in zip(image.axes, image.shape, strict=True):
        if axis in plan.region:
            (start, stop), margin = plan.region[axis], margins.get(axis, 0)
            box.append(slice(max(0, start - margin), min(n, stop + margin)))
        elif axis == "C":
            box.append(slice(min(plan.channels), max(plan.channels) + 1))
        else:
            box.append(slice(0, n))
    return tuple(box)
