"""`upscale` and `iter_upscale`: an image in, a finer image out."""

import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from napari_superres.core.axes import guess_axes
from napari_superres.core.image import Array, Image, as_array
from napari_superres.core.notebook import Bar
from napari_superres.core.options import takes_options
from napari_superres.core.tiling import Box
from napari_superres.errors import SettingsError, SuperResWarning
from napari_superres.inference.engine.counts import Counts
from napari_superres.inference.engine.execute import execute
from napari_superres.inference.engine.global_statistics import find_global_statistics
from napari_superres.inference.engine.half_precision import confirm_precision
from napari_superres.inference.options import UPSCALE_DEFAULTS, ModelChoice, UpscaleOptions
from napari_superres.inference.planning.seen import Seen
from napari_superres.inference.planning.upscale_run import UpscaleRun, plan_run
from napari_superres.inference.provenance import join_records, make_record, run_notes
from napari_superres.inference.remote.elsewhere import OtherComputers, open_elsewhere
from napari_superres.io.lazy import without_map
from napari_superres.limits import free_memory


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of a run.

    Attributes
    ----------
    done, total
        Tiles computed, and tiles of the whole run; passes that turn out not to be needed shorten it.
    image
        The result. Its array fills as the run goes on; the last one carries the record under
        ``metadata["provenance"]``.
    region
        Part of ``image.data`` just written; None before the first.
    seconds
        Since the start.
    remaining
        Estimate of the seconds left; None before the first tile.
    notes
        What the user should know so far, in sentences: why the model may not suit the image and, with the last step,
        what happened during the run.
    """

    done: int
    total: int
    image: Image
    region: Box | None
    seconds: float
    remaining: float | None
    notes: tuple[str, ...] = ()


@takes_options(UpscaleOptions, UPSCALE_DEFAULTS)
def upscale(
    image: Image | Array,
    model: ModelChoice,
    *,
    axes: str | None = None,
    out: Any = None,
    scheduler: str | None = None,
    **options: Unpack[UpscaleOptions],
) -> Image:
    """Increase the resolution of an image with a super-resolution model.

    Parameters
    ----------
    image
        Low-resolution image with any of the axes T, C, Z, S besides Y and X, or a bare array. Integers or real
        floats. NaN and infinite pixels are filled for the model and put back into the result.
    model
        Name, model file or `Model`; or one per channel as ``{channel index or name: model}``. These channels then are
        the channels of the result; a warning names the others.
    axes : str, optional
        Axes of a bare array, such as ``"ZYX"``.
    out : array, optional
        Array of the result's shape and dtype to write to (numpy or zarr).
    scheduler : str, optional
        Address of a running dask scheduler, such as ``"tls://10.0.0.1:8786"``, whose workers compute. Windows of the
        image and of the result travel to them and back. `device` then is that of each worker, and ``"auto"`` precision
        does not try half precision. If the connection is lost, this computer goes on.
    **options
        Options of the run.

    Returns
    -------
    Image
        Same axes and dtype. Spatial axes grow by the model's scale, pixels shrink by it, and the image covers the same
        area of the world. ``metadata["provenance"]`` records how it was made.

    Raises
    ------
    SettingsError, AxesError, DeviceError, UnknownModelError, ModelFileError
        If something asked for is impossible; before anything is computed.
    TileTooLargeError
        If not even the smallest tile fits into memory.

    Warns
    -----
    SuperResWarning
        If the model may not suit the image, pixels are not finite, memory was short, `max_passes` were too few, or
        workers were lost.
    """
    bar, result = Bar(), None
    for step in warn_of_notes(iter_upscale(image, model, axes=axes, out=out, scheduler=scheduler, **options)):
        bar.show(step)
        result = step.image
    assert result is not None
    return result


@takes_options(UpscaleOptions, UPSCALE_DEFAULTS)
def iter_upscale(
    image: Image | Array,
    model: ModelChoice,
    *,
    axes: str | None = None,
    out: Any = None,
    focus: Mapping[str, float] | None = None,
    scheduler: str | None = None,
    **options: Unpack[UpscaleOptions],
) -> Iterator[Progress]:
    """Do what `upscale` does step by step: yield before the first tile and after every one.

    Every option is checked at the first step. Closing the iterator cancels the run; what was written to `out` stays.
    Warnings of `upscale` are the notes of the steps.

    Parameters
    ----------
    image, model, axes, out, scheduler
        As for `upscale`.
    focus : mapping of str to float, optional
        A position in pixels of the image, such as ``{"Z": 12, "Y": 300.5, "X": 410}``: tiles are computed from there
        outwards.
    **options
        Options of the run.

    Yields
    ------
    Progress
        The state of the run, with the result so far.
    """
    image = as_image(image, axes)
    with open_elsewhere(scheduler, options.get("device", "auto")) as elsewhere:
        run = prepare(image, model, options, elsewhere=elsewhere)
        yield from run_in_memory(image, run, out, focus, elsewhere)


def as_image(image: Image | Array, axes: str | None = None) -> Image:
    """Return an `Image`; a bare array gets the axes given, or the usual ones of its shape.

    The file that a numpy array maps into memory is read in parts: if it is cut off meanwhile, that is an error.
    """
    if isinstance(image, Image):
        image = image.replace(data=without_map(image.data)) if isinstance(image.data, np.memmap) else image
        return image if axes is None else image.replace(axes=axes)
    if isinstance(image, str | Path):
        raise SettingsError(
            f"an image or array is needed, got the path {image}.", remedy="Use `read_image()` or `upscale_file()`."
        )
    image = without_map(as_array(image))
    return Image.from_array(image, axes or guess_axes(tuple(image.shape)))


def prepare(
    image: Image,
    model: ModelChoice,
    options: UpscaleOptions,
    *,
    measure: bool = True,
    elsewhere: OtherComputers | None = None,
    seen: Seen | None = None,
) -> UpscaleRun:
    """Return a run that is ready to start: models loaded, plans resolved, half precision confirmed.

    Parameters
    ----------
    image, model, options
        As for `upscale`.
    measure
        Whether to measure the model's speed and half precision where that pays.
    elsewhere
        Other computers that will compute the run. Nothing is measured here then, and a device of theirs need not exist
        here.
    seen
        What earlier plans have seen in the same image.
    """
    if elsewhere is not None:
        return plan_run(image, model, {**options, "device": "cpu"}, measure=False, seen=seen)
    run = plan_run(image, model, options, measure=measure, seen=seen)
    return confirm_precision(image, run, options) if measure else run


def run_in_memory(
    image: Image,
    run: UpscaleRun,
    out: Any = None,
    focus: Mapping[str, float] | None = None,
    elsewhere: OtherComputers | None = None,
) -> Iterator[Progress]:
    """Compute a run, one part after the other, into one array: here, or elsewhere."""
    data = _allocate(run) if out is None else out
    if tuple(data.shape) != run.shape or data.dtype != run.dtype:
        raise SettingsError(f"out must have shape {run.shape} and dtype {run.dtype}.")
    result, notes = run.result_of(image, data), run.doubts
    done, total, start, records = 0.0, float(run.total), time.monotonic(), []

    def step(region: Box | None) -> Progress:
        seconds = time.monotonic() - start
        remaining = seconds * (total - done) / done
        return Progress(int(done + 1e-6), round(total), result, region, seconds, remaining, (*notes, *of_others()))

    def of_others() -> tuple[str, ...]:
        return () if elsewhere is None else elsewhere.notes

    yield Progress(0, round(total), result, None, 0.0, None, (*notes, *of_others()))
    region: Box | None = None
    for model, plan, first_channel in run.parts:
        counts = Counts()
        target = _ChannelView(data, run.axes, first_channel) if len(run.parts) > 1 else data
        statistics, done_before, total_before = None, done, total
        for passed, most, found in find_global_statistics(image, model, plan, counts, elsewhere):
            statistics = found
            done, total = done_before + passed, total_before + most
            yield step(None)
        for region, share in execute(image, model, plan, target, counts, statistics, focus, elsewhere):
            done += share
            # The last step follows below, with the record.
            if done < total - 1e-6:
                yield step(region)
        if elsewhere is None:
            records.append(make_record(image, model, plan, counts))
        else:
            records.append(make_record(image, model, elsewhere.plan_of(plan), counts) | elsewhere.record())
        notes += run_notes(counts, plan, model.card)
    result = result.replace(metadata={**result.metadata, "provenance": join_records(records)})
    seconds, notes = time.monotonic() - start, (*notes, *of_others())
    yield Progress(round(total), round(total), result, region, seconds, 0.0, notes)


def warn_of_notes(steps: Iterator[Progress]) -> Iterator[Progress]:
    """Yield the steps of a run, and warn of each note when it appears. For functions that users call."""
    known: set[str] = set()
    for step in steps:
        for note in step.notes:
            if note not in known:
                known.add(note)
                # The user's line is above this generator, the public function and its decorator.
                warnings.warn(note, SuperResWarning, stacklevel=4)
        yield step


def _allocate(run: UpscaleRun) -> np.ndarray[Any, Any]:
    needed, free = run.result_bytes, free_memory()
    if needed > free:
        raise SettingsError(
            f"the result of shape {run.shape} needs {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB are free.",
            remedy="Choose a part with `roi` or `channels`, or give an array on disk as `out`.",
        )
    # Zeros, because a viewer may show the array while it is filled.
    return np.zeros(run.shape, dtype=run.dtype)


class _ChannelView:
    """Writes to an array from a channel on."""

    def __init__(self, data: Any, axes: str, first: int) -> None:
        self.data, self.axis, self.first = data, axes.index("C"), first

    def __setitem__(self, index: Box, values: Any) -> None:
        at = index[self.axis]
        moved = slice(at.start + self.first, at.stop + self.first)
        self.data[(*index[: self.axis], moved, *index[self.axis + 1 :])] = values
