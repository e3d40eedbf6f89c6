"""What a process needs to compute boxes of a result, wherever it runs."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from napari_superres import io
from napari_superres.core.image import Array, Image
from napari_superres.core.invalid import REACH
from napari_superres.core.tiling import Box, balanced_tile
from napari_superres.inference.engine.execute import execute
from napari_superres.inference.engine.global_statistics import Settled, settle
from napari_superres.inference.engine.sweep import Counts
from napari_superres.inference.planning.plan import Plan
from napari_superres.models.model import Model


@dataclass(frozen=True)
class Job:
    """A run from a file to an OME-Zarr, as a value that other processes can be sent.

    Attributes
    ----------
    source, reading
        The input, and the options of `read_image` for it.
    parts
        Models with their plans; the channels of the result are theirs, one after the other.
    settled
        Statistics of the whole image per part, where its model needs them.
    target
        Folder of the `ZarrTarget`, which exists.
    boxes
        The parts of the result, in its order of axes.
    threads
        Of torch in each process; results have the same bits wherever it is the same.
    """

    source: Path
    reading: Mapping[str, Any]
    parts: tuple[tuple[Model, Plan], ...]
    settled: tuple[Settled | None, ...]
    target: Path
    boxes: tuple[Box, ...]
    threads: int

    @cached_property
    def image(self) -> Image:
        """The input, opened once per process."""
        return io.read_image(self.source, **self.reading)

    @cached_property
    def output(self) -> io.ZarrTarget:
        """The target, opened once per process."""
        return io.ZarrTarget.open(self.target, self.image.axes)

    def __getstate__(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def compute(self, index: int) -> Generator[float, None, Callable[[], dict[str, Any]]]:
        """Compute a box, yielding the share of it done after each window.

        Returns
        -------
        function
            Stores the box, in whatever thread it is called, and returns the journal's line: the box, the counts
            of the run, and chunks of the input that could not be read. Raises OSError if the disk is full or fails.

        Raises
        ------
        SuperResError
            As `napari_superres.upscale` and `read_image`.
        """
        self._take_threads()
        box = self.boxes[index]
        part, first = self.part_of(box)
        model, plan = self.parts[part]
        within, inside = plan_of_box(plan, box, first)
        out = np.empty(within.out_shape, self.image.dtype)
        held = self.image.replace(data=Held(self.image.data, _needed(self.image, within)))
        counts, done = Counts(), 0.0
        for _, share in execute(held, model, within, out, counts, self.settled[part]):
            done += share
            yield done / within.total
        bad = list(getattr(self.image.data, "bad_chunks", ()))
        line = {"box": index, "counts": {**asdict(counts), "statistics": {}}, "bad_chunks": bad}

        def store() -> dict[str, Any]:
            self.output.store(box, out[inside])
            return line

        return store

    def settle(self, part: int, place: int) -> Generator[float, None, Settled | None]:
        """Find the statistics of one place of a part, yielding the share of the windows that is done.

        Raises
        ------
        SuperResError
            As `napari_superres.upscale` and `read_image`.
        """
        self._take_threads()
        model, plan = self.parts[part]
        where = plan.places()[place]
        region = {a: (where[a], where[a] + 1) if a in where else r for a, r in plan.region.items()}
        channels = (where["C"],) if "C" in where else plan.channels
        settled = None
        for done, total, found in settle(self.image, model, replace(plan, region=region, channels=channels), Counts()):
            settled = found
            yield done / total
        return settled

    def _take_threads(self) -> None:
        # Also in threads: each has a count of its own.
        if torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)

    def part_of(self, box: Box) -> tuple[int, int]:
        """Return which part computes a box, and the part's first channel in the result."""
        axes, first = self.parts[0][1].axes, 0
        for number, (_, plan) in enumerate(self.parts[:-1]):
            if box[axes.index("C")].start < first + len(plan.channels):
                return number, first
            first += len(plan.channels)
        return len(self.parts) - 1, first


def plan_of_box(plan: Plan, box: Box, first: int = 0) -> tuple[Plan, Box]:
    """Return the plan of the input pixels under a box of the result, and where the box lies in its result.

    Parameters
    ----------
    plan
        Of the whole run.
    box
        In pixels of the result, in the order of ``plan.axes``.
    first
        Channel of the result that is the plan's first.
    """
    region, channels, inside = dict(plan.region), plan.channels, []
    for axis, b in zip(plan.axes, box, strict=True):
        s, low = plan.scale.get(axis, 1), plan.region.get(axis, (0, 0))[0]
        if axis in plan.region:
            # A box may begin and end between two input pixels' worth of result.
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
    """Return the plan with the window, at most its own, that covers the largest box in the fewest equal steps."""
    within = [plan_of_box(plan, box)[0].region for box in (boxes[0], boxes[-1])]
    tile = []
    for axis, t, n, h, m in zip(plan.work_axes, plan.tile, plan.padded, plan.halo, plan.multiple, strict=True):
        extent = max(r[axis][1] - r[axis][0] for r in within)
        tile.append(balanced_tile(min(n, extent + 2 * h), t, h, m))
    return replace(plan, tile=tuple(tile))


class Held:
    """An array of which one box was read into memory; slices beyond it are read from the array itself."""

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


def _needed(image: Image, plan: Plan) -> Box:
    """Return the part of the image that most windows of a plan read."""
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
