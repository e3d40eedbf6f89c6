"""`upscale` and `iter_upscale`: an image in, a finer image out."""

import time
import warnings
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from napari_superres.core import grid
from napari_superres.core.axes import guess_axes
from napari_superres.core.image import Array, Image
from napari_superres.core.tiling import Box
from napari_superres.errors import SettingsError, SuperResWarning
from napari_superres.inference.engine.execute import execute
from napari_superres.inference.engine.global_statistics import settle
from napari_superres.inference.engine.half_precision import ENOUGH_DB, POOR_DB, precision_db, worth_half
from napari_superres.inference.engine.sweep import Counts
from napari_superres.inference.machine.speed import tune
from napari_superres.inference.planning.plan import Plan, resolve
from napari_superres.inference.provenance import make_record
from napari_superres.models.library.registry import load_model
from napari_superres.models.model import Model

ModelChoice = str | Path | Model | Mapping[int | str, str | Path | Model]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes
    ----------
    done, total
        Windows computed, and of the whole run; passes that turn out not to be needed shorten it.
    image
        The result. Its array fills as the run goes on; the last one carries the record
        under ``metadata["provenance"]``.
    region
        Part of ``image.data`` just written; None before the first.
    seconds
        Since the start.
    remaining
        Estimate of the seconds left; None before the first window.
    """

    done: int
    total: int
    image: Image
    region: Box | None
    seconds: float
    remaining: float | None


def upscale(image: Image | Array, model: ModelChoice, **options: Any) -> Image:
    """Increase the resolution of an image with a super-resolution model.

    Parameters
    ----------
    image
        Low-resolution image with any of the axes T, C, Z, S besides Y and X, or a bare array.
        Integers or real floats; NaN and infinite pixels are computed around and put back.
    model
        Name, model file or `Model`; or one per channel as ``{channel index or name: model}``,
        which then are the channels of the result.
    **options
        axes : str, optional
            Axes of a bare array, such as ``"ZYX"``.
        device : str
            ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.
        precision : str
            ``"auto"``, ``"fp32"``, ``"fp16"`` or ``"bf16"``; ``"fp64"`` to verify.
        tile : int, sequence of int or "auto"
            Edge of the window given to the model, in low-resolution pixels. The result does not depend on it.
        batch : int or "auto"
            Windows given to the model at once.
        channels : sequence of int, optional
            Channels to compute; all by default.
        roi : mapping, optional
            ``{axis: (start, stop)}`` in pixels of the image; equals that part of the whole result.
        tta : bool
            Average over the eight flips and turns: eight times slower, a little better.
        max_passes : int
            Passes over the image, 8 by default, that may go into the statistics of layers that look at all
            of it, if the model has any. Where these are too few, the record says what is left.
        intensity_range : sequence of (low, high), optional
            Intensities mapped to 0 and 1 for the model, for all or per channel, instead of a fit.
        out : array, optional
            Array of the result's shape and dtype to write to (numpy or zarr).

    Returns
    -------
    Image
        Same axes and dtype. Spatial axes grow by the model's scale, pixels shrink by it, and the
        image covers the same area of the world. ``metadata["provenance"]`` says how it was made.

    Raises
    ------
    SettingsError, AxesError, DeviceError, UnknownModelError, ModelFileError
        If something asked for is impossible; before anything is computed.
    TileTooLargeError
        If not even the smallest window fits into memory.

    Warns
    -----
    SuperResWarning
        If the model may not suit the image, pixels are not finite, less memory was there than planned, or
        `max_passes` were too few.
    """
    last = deque(iter_upscale(image, model, **options), maxlen=1).pop()
    return last.image


def iter_upscale(
    image: Image | Array,
    model: ModelChoice,
    *,
    axes: str | None = None,
    out: Any = None,
    focus: Mapping[str, float] | None = None,
    **options: Any,
) -> Iterator[Progress]:
    """Do what `upscale` does, step by step: yields before the first and after every window.

    Everything asked for is checked at the first step. Closing the iterator cancels the run; what was
    written to `out` stays.

    Parameters
    ----------
    image, model, axes, out, **options
        As of `upscale`.
    focus
        Where somebody looks, such as ``{"Z": 12, "Y": 300.5, "X": 410}`` in pixels of the image: windows are computed
        from there outwards.

    Yields
    ------
    Progress
        How far it is, with the result as it is by then.
    """
    image = as_image(image, axes)
    yield from run_parts(image, make_parts(image, model, **options), out, focus)


def as_image(image: Image | Array, axes: str | None = None) -> Image:
    """Return an `Image`; a bare array gets the axes given, or the usual ones of its shape."""
    if isinstance(image, Image):
        return image if axes is None else image.replace(axes=axes)
    if isinstance(image, str | Path):
        raise SettingsError(f"an image or array is needed, got the path {image}. Use read_image or upscale_file.")
    if not hasattr(image, "shape") or not hasattr(image, "dtype"):
        image = np.asarray(image)
    return Image.from_array(image, axes or guess_axes(tuple(image.shape)))


def make_parts(
    image: Image, model: ModelChoice, *, channels: Sequence[int] | None = None, **wishes: Any
) -> list[tuple[Model, Plan]]:
    """Load the models of a run and resolve one plan per model.

    The parameters are those of `upscale`, and ``tuned``: whether speed may be measured for it.
    """
    if not isinstance(model, Mapping):
        one = loaded(model)
        return [(one, _planned(image, one, channels=channels, **wishes))]
    if channels is not None:
        raise SettingsError("give channels, or one model per channel; not both.")
    if "C" not in image.axes:
        raise SettingsError(f"one model per channel needs an image with channels, got axes {image.axes}.")
    parts = []
    for key, choice in model.items():
        one = loaded(choice)
        parts.append((one, _planned(image, one, channels=[_channel_index(image, key)], **wishes)))
    if not parts or len({(*plan.scale.items(), *plan.offset.items()) for _, plan in parts}) != 1:
        raise SettingsError("models of different channels must have the same scale and grid.")
    return parts


def loaded(model: str | Path | Model) -> Model:
    """Return a model, loaded if it is a name or a file."""
    return model if isinstance(model, Model) else load_model(model)


def _planned(image: Image, model: Model, *, tuned: bool = True, **wishes: Any) -> Plan:
    """Return the plan of a run, with tile, batch and precision from measurements where the run is to be made."""
    plan = resolve(image, model, **wishes)
    if not tuned:
        return plan
    for doubt in plan.doubts:
        warnings.warn(doubt, SuperResWarning, stacklevel=5)
    # Fitted once: the same numbers make the same plan.
    fixed = {**wishes, "intensity_range": list(zip(plan.normalisation.low, plan.normalisation.high, strict=True))}
    if wishes.get("precision", "auto") == "auto" and worth_half(plan) and not model.card.is_interpolation:
        half = resolve(image, model, **{**fixed, "precision": "fp16"})
        if (found := precision_db(image, model, half)) >= ENOUGH_DB:
            plan, fixed = replace(half, precision_db=found), {**fixed, "precision": "fp16"}
    elif plan.precision in ("fp16", "bf16"):
        plan = replace(plan, precision_db=precision_db(image, model, plan))
    chosen = wishes.get("tile", "auto") == "auto" and wishes.get("batch", "auto") == "auto"
    window = prod(plan.tile)
    if chosen and tune(model, plan.device, plan.precision, plan.total * window, window * plan.batch):
        plan = replace(resolve(image, model, **fixed), precision_db=plan.precision_db)
    return plan


def _channel_index(image: Image, key: int | str) -> int:
    if isinstance(key, str) and key in image.channel_names:
        return image.channel_names.index(key)
    try:
        return int(key)
    except ValueError as error:
        names = ", ".join(image.channel_names) or f"0 to {image.size('C') - 1}"
        raise SettingsError(f"no channel is called {key!r}. Channels: {names}.") from error


def run_parts(
    image: Image, parts: Sequence[tuple[Model, Plan]], out: Any = None, focus: Mapping[str, float] | None = None
) -> Iterator[Progress]:
    """Run resolved plans one after the other into one result."""
    plan = parts[0][1]
    shape = list(plan.out_shape)
    if "C" in image.axes:
        shape[image.axes.index("C")] = sum(len(p.channels) for _, p in parts)
    data = _allocate(shape, image.dtype) if out is None else out
    if tuple(data.shape) != tuple(shape) or data.dtype != image.dtype:
        raise SettingsError(f"out must have shape {tuple(shape)} and dtype {image.dtype}.")
    result = finer(image, plan, data, [c for _, p in parts for c in p.channels])
    total = float(sum(p.total for _, p in parts))
    done, start, records = 0.0, time.monotonic(), []

    def step(region: Box | None) -> Progress:
        seconds = time.monotonic() - start
        return Progress(int(done + 1e-6), round(total), result, region, seconds, seconds * (total - done) / done)

    yield Progress(0, round(total), result, None, 0.0, None)
    first = 0
    for model, part in parts:
        counts = Counts()
        target = _ChannelView(data, image.axes, first) if len(parts) > 1 else data
        settled, before, planned = None, done, total
        for made, most, found in settle(image, model, part, counts):
            done, total, settled = before + made, planned + most, found
            yield step(None)
        for region, share in execute(image, model, part, target, counts, settled, focus):
            done += share
            # The last step is told below, with the record.
            if done < total - 1e-6:
                yield step(region)
        first += len(part.channels)
        records.append(make_record(image, model.card, part, counts))
        warn(counts, part)
    result = result.replace(metadata={**result.metadata, "provenance": joined(records)})
    yield Progress(round(total), round(total), result, region, time.monotonic() - start, 0.0)


def _allocate(shape: Sequence[int], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    needed, free = prod(shape) * dtype.itemsize, psutil.virtual_memory().available
    if needed > free:
        raise SettingsError(
            f"the result of shape {tuple(shape)} needs {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB are free. "
            "Choose a part (roi, channels), or give an array on disk as out."
        )
    # Zeros: somebody may look at it while it is made.
    return np.zeros(shape, dtype=dtype)


class _ChannelView:
    """Writes to an array from some channel on."""

    def __init__(self, data: Any, axes: str, first: int) -> None:
        self.data, self.axis, self.first = data, axes.index("C"), first

    def __setitem__(self, index: Box, values: Any) -> None:
        at = index[self.axis]
        moved = slice(at.start + self.first, at.stop + self.first)
        self.data[(*index[: self.axis], moved, *index[self.axis + 1 :])] = values


def joined(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return one record for the parts of a result."""
    return records[0] if len(records) == 1 else {**records[0], "per_channel": list(records)}


def finer(image: Image, plan: Plan, data: Any, channels: Sequence[int]) -> Image:
    """Return the result's image: the same place in the world on the finer grid."""
    start = [plan.region[a][0] for a in image.spatial]
    scale, offset = [plan.scale[a] for a in image.spatial], [plan.offset[a] for a in image.spatial]
    affine = grid.upscale_affine(grid.crop_affine(image.affine, start), scale, offset)
    names = tuple(image.channel_names[c] for c in channels) if image.channel_names else ()
    return image.replace(data=data, affine=affine, channel_names=names)


def warn(counts: Counts, plan: Plan) -> None:
    """Warn of what the user should know of a run."""
    if counts.invalid:
        warnings.warn(
            f"{counts.invalid} pixels are NaN or infinite: they were computed around and put back.",
            SuperResWarning,
            stacklevel=4,
        )
    if counts.reduced:
        warnings.warn(f"memory was short; the run went on with {counts.reduced[-1]}.", SuperResWarning, stacklevel=4)
    if plan.precision_db is not None and plan.precision_db < POOR_DB:
        warnings.warn(
            f"{plan.precision} differs from 32 bits with only {plan.precision_db:.0f} dB. Use precision fp32.",
            SuperResWarning,
            stacklevel=4,
        )
    left = counts.statistics.get("left", 0.0)
    if left:
        warnings.warn(
            f"{plan.model} looks at the whole image, and {plan.max_passes} passes did not settle what it sees: "
            f"the last one changed intensities by up to {left:.2g}. Allow more (max_passes).",
            SuperResWarning,
            stacklevel=4,
        )
