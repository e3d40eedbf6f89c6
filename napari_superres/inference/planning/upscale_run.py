"""`UpscaleRun`: models and their plans, the value that travels from the first look to the last tile."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from napari_superres.core import grid
from napari_superres.core.image import Array, Image
from napari_superres.errors import SettingsError
from napari_superres.inference.machine.speed import is_worth_measuring, known_speed, measure_speed
from napari_superres.inference.options import AutoModels, ModelChoice, UpscaleOptions, complete
from napari_superres.inference.planning.conditions import untold
from napari_superres.inference.planning.extent import Extent
from napari_superres.inference.planning.facts import look
from napari_superres.inference.planning.plan import Plan, count_tiles, resolve
from napari_superres.inference.planning.resources import Resources, find_resources
from napari_superres.inference.planning.seen import Seen
from napari_superres.inference.planning.tile_size import choose_tiling
from napari_superres.models.choice.choose import choose, is_auto
from napari_superres.models.library.registry import open_model
from napari_superres.models.model import Model


class Part(NamedTuple):
    """One model of a run, its plan, and the first of its channels in the result."""

    model: Model
    plan: Plan
    first_channel: int


@dataclass(frozen=True, kw_only=True)
class UpscaleRun:
    """A run that is ready to start.

    Attributes
    ----------
    parts
        One model and plan, or one per channel.
    axes, dtype
        Of the image and of the result.
    """

    parts: tuple[Part, ...]
    axes: str
    dtype: np.dtype[Any]

    @property
    def plans(self) -> list[Plan]:
        """The plan of each part."""
        return [part.plan for part in self.parts]

    @property
    def channels(self) -> list[int]:
        """Channels of the image that become the channels of the result."""
        return [channel for plan in self.plans for channel in plan.channels]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        first = self.parts[0].plan.out_shape
        return tuple(len(self.channels) if a == "C" else n for a, n in zip(self.axes, first, strict=True))

    @property
    def result_bytes(self) -> int:
        """Size of the result, uncompressed."""
        return prod(self.shape) * self.dtype.itemsize

    @property
    def memory_bytes(self) -> int:
        """Working memory of one pass, without the result."""
        return max(p.memory_bytes - prod(p.out_shape) * self.dtype.itemsize for p in self.plans)

    @property
    def total(self) -> int:
        """Number of tiles."""
        return sum(plan.total for plan in self.plans)

    @property
    def doubts(self) -> tuple[str, ...]:
        """Notes on the models, and why they may not suit the image, in sentences."""
        return tuple(dict.fromkeys(note for part in self.parts for note in (*part.model.notes, *part.plan.doubts)))

    def with_plans(self, plans: Sequence[Plan]) -> "UpscaleRun":
        """Return the same run with other plans for its parts."""
        parts = (part._replace(plan=plan) for part, plan in zip(self.parts, plans, strict=True))
        return replace(self, parts=tuple(parts))

    def result_of(self, image: Image, data: Array) -> Image:
        """Return the result as an image: the same place in the world on the finer grid."""
        plan = self.parts[0].plan
        start = [plan.region[a][0] for a in image.spatial]
        scale, offset = [plan.scale[a] for a in image.spatial], [plan.offset[a] for a in image.spatial]
        affine = grid.upscale_affine(grid.crop_affine(image.affine, start), scale, offset)
        names = tuple(image.channel_names[c] for c in self.channels) if image.channel_names else ()
        # The lens is that of the image: the result may be sharpened already.
        metadata = {key: value for key, value in image.metadata.items() if key != "optics"}
        return image.replace(data=data, affine=affine, channel_names=names, metadata=metadata)


def load_models(model: ModelChoice) -> Model | dict[int | str, Model] | AutoModels:
    """Return the model of a run, or one per channel, loaded if it is a name or a file; of ``auto``, none yet."""
    if isinstance(model, AutoModels):
        return model
    if isinstance(model, str) and is_auto(model):
        return AutoModels(model)
    if isinstance(model, Mapping):
        return {channel: _load(one) for channel, one in model.items()}
    return _load(model)


def plan_run(
    image: Image, model: ModelChoice, options: UpscaleOptions, *, measure: bool = True, seen: Seen | None = None
) -> UpscaleRun:
    """Load the models of a run and resolve one plan for each.

    Parameters
    ----------
    image, model, options
        As for `upscale`.
    measure
        Whether to measure the speed of a model, and to start in half precision on an accelerator, where that pays.
    seen
        What earlier plans have seen in the same image.

    Raises
    ------
    SettingsError, DeviceError, UnknownModelError, ModelFileError
        If something that was asked for is impossible.
    """
    options, models = complete(options), load_models(model)
    if isinstance(models, AutoModels):
        choice = choose(models.name, image)
        name = choice.required()
        chosen = models.loaded.setdefault(name, models.loaded.get(name) or _load(name))
        plans = [(chosen, replace(_plan(image, chosen, options, measure=measure, seen=seen), chosen=choice.reason))]
    elif isinstance(models, Model):
        plans = [(models, _plan(image, models, options, measure=measure, seen=seen))]
    else:
        plans = _plans_per_channel(image, models, options, measure=measure, seen=seen)
    firsts = np.cumsum([0, *(len(plan.channels) for _, plan in plans[:-1])])
    parts = (Part(one, plan, int(first)) for (one, plan), first in zip(plans, firsts, strict=True))
    return UpscaleRun(parts=tuple(parts), axes=image.axes, dtype=image.dtype)


def _load(model: str | Path | Model) -> Model:
    return model if isinstance(model, Model) else open_model(model)


def _plans_per_channel(
    image: Image, models: Mapping[int | str, Model], options: UpscaleOptions, *, measure: bool, seen: Seen | None
) -> list[tuple[Model, Plan]]:
    if options["channels"] is not None:
        raise SettingsError("channels and one model per channel were given.", remedy="Give one of the two.")
    if not models:
        raise SettingsError("no model was given.", remedy="Name a model, or one per channel.")
    if "C" not in image.axes:
        raise SettingsError(
            f"one model per channel needs an image with channels, got axes {image.axes}.",
            remedy="State the axes with `axes`, or give one model.",
        )
    is_told = any(model.card.conditions for model in models.values())
    plans = []
    for key, model in models.items():
        known = untold(options) if is_told and not model.card.conditions else options
        own: UpscaleOptions = {**known, "channels": [_channel_index(image, key)]}
        plans.append((model, _plan(image, model, own, measure=measure, seen=seen)))
    if len({(*plan.scale.items(), *plan.offset.items()) for _, plan in plans}) != 1:
        raise SettingsError("models of different channels must have the same scale and grid.")
    (first, plan), *others = plans
    computed = {channel for _, one in plans for channel in one.channels}
    return [(first, replace(plan, doubts=(*plan.doubts, *_left_out(image, computed)))), *others]


def _left_out(image: Image, computed: Collection[int]) -> tuple[str, ...]:
    """Return a sentence on the channels that have no model, if there are any."""
    names = image.channel_names or tuple(f"channel {index}" for index in range(image.size("C")))
    others = [name for index, name in enumerate(names) if index not in computed]
    if not others:
        return ()
    return (f"No model was given for {', '.join(others)}: left out of the result. Name a model for each to keep it.",)


def _plan(image: Image, model: Model, options: UpscaleOptions, *, measure: bool, seen: Seen | None) -> Plan:
    facts = look(image, model.card, options, seen)
    resources = find_resources(model, facts.extent, options, try_half=measure)
    chooses_tile = options["tile"] == "auto" and options["batch"] == "auto"
    if measure and chooses_tile and is_worth_measuring(model, resources.precision, facts.extent.pixels):
        resources = _with_measured_speed(resources, model, facts.extent, options)
    return resolve(facts, resources, model.card, options)


def _with_measured_speed(resources: Resources, model: Model, extent: Extent, options: UpscaleOptions) -> Resources:
    """Return resources with the speed of the model, measured if that pays for a run of this extent."""
    tiling = choose_tiling(extent, resources, model.card, options)
    pixels = prod(tiling.tile)
    total = count_tiles(extent, tiling, model.card) * pixels
    if not measure_speed(model, resources.device, resources.precision, total, pixels * tiling.batch):
        return resources
    known = known_speed(model, resources.device, resources.precision)
    return resources if known is None else replace(resources, speed=known, is_speed_known=True)


def _channel_index(image: Image, key: int | str) -> int:
    if isinstance(key, str) and key in image.channel_names:
        return image.channel_names.index(key)
    try:
        return int(key)
    except ValueError as error:
        names = ", ".join(image.channel_names) or f"0 to {image.size('C') - 1}"
        raise SettingsError(f"no channel is called {key!r}.", remedy=f"Choose one of {names}.") from error
