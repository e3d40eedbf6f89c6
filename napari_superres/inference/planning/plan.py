"""The plan of a run: image, computer, model and options, resolved once into one frozen value.

All checks are made in this folder. Later code obeys the plan, except for the size of tiles: if memory runs short,
``engine/sweep`` uses smaller batches and tiles, and at last the CPU. ``stream/boxes`` may use smaller tiles, which fit
the boxes of a result on disk. Models with a sufficient halo give the same result for every tile size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from napari_superres.core.intensity import Normalisation
from napari_superres.core.notebook import as_table, listed
from napari_superres.core.tiling import Box, Tile, cover, iter_tiles, padded_size, reflect_indices
from napari_superres.inference.machine.device import Precision
from napari_superres.inference.options import UpscaleOptions
from napari_superres.inference.planning.conditions import Told, told_record
from napari_superres.inference.planning.extent import Extent, Range
from napari_superres.inference.planning.facts import ImageFacts
from napari_superres.inference.planning.resources import Resources
from napari_superres.inference.planning.tile_size import Tiling, choose_tiling
from napari_superres.models.card import ModelCard
from napari_superres.models.choice.fitness import Fitness

_SINGLE_STEPS, _DOUBLE_STEPS = 2**24, 2**53
"""Number of steps that floating-point numbers of 32 and 64 bits tell apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that decides the pixels of a run.

    Attributes
    ----------
    model
        Name of the model.
    axes, in_shape, out_shape
        Axes string, shape of the image, shape of the result (same axes).
    work_axes
        The axes the model works on, ``"YX"`` or ``"ZYX"``.
    scale, offset
        Upscaling factor per spatial axis, and where the centre of input pixel 0 lies in the result, in result pixels.
    region
        ``(start, stop)`` per axis of T, Z, Y, X that the image has: the part that is computed.
    channels
        Indices along C that are computed.
    normalisation
        Intensity map per channel of the image.
    nonnegative, contrast
        Whether each channel of the image has hardly any values below 0, so that its result has no others; and the span
        of its intensities. See `intensity.Intensities`.
    tile, halo, multiple
        Edges of a tile, context per side and size multiple over `work_axes`, in low-resolution pixels.
    frames, context, ends
        Planes given to the model at once, the axis they are neighbours along, and how its ends are extended.
    batch
        Tiles given to the model at once.
    parallel
        Batches computed in parallel on a CPU, each in its own thread; 1 on accelerators.
    device, precision
        Where the model runs, and in which precision.
    tta
        Whether results of flipped and turned tiles are averaged.
    global_statistics, max_passes
        Whether the model has layers that look at the whole image; largest number of passes for their statistics.
    memory_bytes
        Estimate of the memory of the result and of one pass.
    seconds_per_tile
        Time of one tile, from measurements on this computer; None where there are none.
    told
        What a conditioned network is told of the image; None for other networks.
    precision_db
        Peak signal-to-noise ratio of half precision against 32 bits, in dB, measured on one window; None in
        full precision.
    doubts
        Why the model may not suit the image, in sentences.
    grid_cell
        Row and column of the card's grid of measured gains that are nearest to the image; None if there is no grid.
    no_data
        Least and greatest of the whole numbers that mean "not measured" in the image; None if there are none.
    fitness
        Whether the model fits the image, in one line; None for a plan that was not made from a look at an image.
    chosen
        Why the model was chosen, if the program chose it.
    """

    model: str
    axes: str
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    work_axes: str
    scale: Mapping[str, int]
    offset: Mapping[str, float]
    region: Mapping[str, Range]
    channels: tuple[int, ...]
    normalisation: Normalisation
    nonnegative: tuple[bool, ...]
    contrast: tuple[float, ...]
    tile: tuple[int, ...]
    halo: tuple[int, ...]
    multiple: tuple[int, ...]
    frames: int
    context: str
    ends: str
    batch: int
    parallel: int
    device: str
    precision: Precision
    tta: bool
    global_statistics: bool
    max_passes: int
    memory_bytes: int
    seconds_per_tile: float | None
    told: Told | None = None
    precision_db: float | None = None
    doubts: tuple[str, ...] = ()
    grid_cell: tuple[int, int] | None = None
    no_data: tuple[float, float] | None = None
    fitness: Fitness | None = None
    chosen: str = ""

    @property
    def work_scale(self) -> tuple[int, ...]:
        """Factor per axis of `work_axes`."""
        return tuple(self.scale[a] for a in self.work_axes)

    @property
    def padded(self) -> tuple[int, ...]:
        """Size over `work_axes` after padding to the model's multiple."""
        sizes = (self.in_shape[self.axes.index(a)] for a in self.work_axes)
        return tuple(padded_size(n, m) for n, m in zip(sizes, self.multiple, strict=True))

    @property
    def total(self) -> int:
        """Number of tiles of the whole run."""
        ranges = [self.region[a] for a in self.work_axes]
        return len(self.planes()) * _count_in_plane(ranges, self.padded, self.tile, self.halo, self.multiple)

    @property
    def needs_passes(self) -> bool:
        """Whether statistics of the whole image must be found before any tile is computed."""
        return self.global_statistics and self.tile != self.padded

    def tiles(self) -> list[Tile]:
        """Return the tiles of one plane."""
        box = tuple(slice(*self.region[a]) for a in self.work_axes)
        return self.cover(box, self.tile)

    def cover(self, box: Box, tile: Sequence[int]) -> list[Tile]:
        """Return tiles of another size whose cores fill a box; both in low-resolution pixels."""
        return list(iter_tiles(box, self.padded, tile, self.halo, self.multiple))

    def planes(self) -> list[dict[str, int]]:
        """Return the index of each plane along the axes the model does not work on, in the order T, C, Z."""
        outer = [a for a in "TCZ" if a in self.axes and a not in self.work_axes]
        ranges = [self.channels if a == "C" else range(*self.region[a]) for a in outer]
        return [dict(zip(outer, indices, strict=True)) for indices in product(*ranges)]

    def _repr_html_(self) -> str:
        """Show what the run will make, and how, in a notebook."""
        seconds = None if self.seconds_per_tile is None else self.seconds_per_tile * self.total
        return as_table(
            f"Plan of {self.model}",
            [
                ("input", f"{self.axes} {listed(self.in_shape)}"),
                ("result", listed(self.out_shape)),
                ("scale", ", ".join(f"{a} {n}" for a, n in self.scale.items())),
                ("tiles", f"{self.total} of {listed(self.tile)} pixels, of which {listed(self.halo)} per side overlap"),
                ("device", f"{self.device}, {self.precision}"),
                ("memory", f"{self.memory_bytes / 1e9:.2g} GB"),
                ("time", "" if seconds is None else f"about {seconds:.2g} s"),
                ("chosen", self.chosen),
                *(("doubt", doubt) for doubt in self.doubts),
            ],
            lead="" if self.fitness is None else self.fitness.line,
        )

    def neighbours(self, plane: Mapping[str, int]) -> list[Mapping[str, int]]:
        """Return a plane among its neighbours in order, also those outside the region."""
        if self.frames == 1:
            return [plane]
        size, i, k = self.in_shape[self.axes.index(self.context)], plane[self.context], (self.frames - 1) // 2
        start, stop = i - k, i - k + self.frames
        beyond = reflect_indices(start, stop, size) if self.ends == "reflect" else range(start, stop)
        return [{**plane, self.context: min(max(int(j), 0), size - 1)} for j in beyond]


def resolve(facts: ImageFacts, resources: Resources, card: ModelCard, options: UpscaleOptions) -> Plan:
    """Resolve the plan of a run. A pure function: it reads no pixels, no clock and no cache.

    Parameters
    ----------
    facts
        The first look at the image, for this model.
    resources
        What the computer offers.
    card
        Of the model.
    options
        Complete options of the run.

    Raises
    ------
    SettingsError
        If an option does not fit the image, the computer or the model.
    """
    extent = facts.extent
    tiling = choose_tiling(extent, resources, card, options)
    out_shape = _out_shape(facts, extent)
    passing = prod(tiling.tile) * tiling.batch
    computed = prod(tiling.tile) * extent.samples * (8 if options["tta"] else 1)
    seconds = computed * resources.speed.at(passing) / tiling.parallel if resources.is_speed_known else None
    return Plan(
        model=card.name,
        axes=facts.axes,
        in_shape=facts.shape,
        out_shape=out_shape,
        work_axes=extent.work_axes,
        scale=extent.scale,
        offset=extent.offset,
        region=extent.region,
        channels=extent.channels,
        normalisation=facts.intensities.normalisation,
        nonnegative=facts.intensities.nonnegative,
        contrast=facts.intensities.contrast,
        tile=tiling.tile,
        halo=tiling.halo,
        multiple=card.multiple,
        frames=card.frames,
        context=card.context,
        ends=card.ends,
        batch=tiling.batch,
        parallel=tiling.parallel,
        device=resources.device,
        precision=resources.precision,
        tta=options["tta"],
        global_statistics=card.global_statistics,
        max_passes=options["max_passes"],
        memory_bytes=int(
            prod(out_shape) * facts.dtype.itemsize + resources.bytes_per_pixel * passing * tiling.parallel
        ),
        seconds_per_tile=seconds,
        told=facts.told,
        doubts=facts.doubts + _tile_doubt(card, extent, tiling) + _rounding_doubt(facts, resources.precision),
        grid_cell=facts.grid_cell,
        no_data=facts.no_data,
        fitness=facts.fitness,
    )


def count_tiles(extent: Extent, tiling: Tiling, card: ModelCard) -> int:
    """Return the number of tiles that a tiling needs for an extent, over all planes."""
    outer = [a for a in extent.region if a not in extent.work_axes]
    planes = len(extent.channels) * prod(extent.region[a][1] - extent.region[a][0] for a in outer)
    ranges = [extent.region[a] for a in extent.work_axes]
    return planes * _count_in_plane(ranges, extent.padded, tiling.tile, tiling.halo, card.multiple)


def _count_in_plane(
    ranges: Sequence[Range], padded: Sequence[int], tile: Sequence[int], halo: Sequence[int], multiple: Sequence[int]
) -> int:
    axes = zip(ranges, padded, tile, halo, multiple, strict=True)
    return prod(len(cover(*limits, *geometry)) for limits, *geometry in axes)


def _out_shape(facts: ImageFacts, extent: Extent) -> tuple[int, ...]:
    lengths = {a: (stop - start) * extent.scale.get(a, 1) for a, (start, stop) in extent.region.items()}
    lengths["C"] = len(extent.channels)
    return tuple(lengths.get(a, n) for a, n in zip(facts.axes, facts.shape, strict=True))


def _tile_doubt(card: ModelCard, extent: Extent, tiling: Tiling) -> tuple[str, ...]:
    if card.bounded or all(t >= n for t, n in zip(tiling.tile, extent.sizes, strict=True)):
        return ()
    if card.tile_error is None:
        return (
            f"Tiles may show: the halo of {card.name}, {max(card.halo)} pixels, is assumed and not measured. Add the "
            "model again without `quick`, or crop the image to one tile to be sure.",
        )
    return (
        f"Tiles may show: no halo makes tiles of {card.name} exact. With a halo of {max(card.halo)} pixels, tiles of a "
        f"test image were off by up to {card.tile_error:.1g} of the range. Crop the image to one tile to be sure.",
    )


def _rounding_doubt(facts: ImageFacts, precision: Precision) -> tuple[str, ...]:
    """Return a sentence on whole numbers with more digits than floating-point numbers have."""
    if facts.dtype.kind not in "ui" or facts.dtype.itemsize < 4:
        return ()
    normalisation, channels = facts.intensities.normalisation, facts.extent.channels
    span = max(facts.intensities.contrast[c] for c in channels)
    if precision != "fp64" and span > _SINGLE_STEPS:
        return (
            f"The intensities span {span:.3g}, and 32-bit numbers tell {_SINGLE_STEPS} of them apart: the result is "
            f"rounded to steps of about {span / _SINGLE_STEPS:.3g}. Use `precision='fp64'`.",
        )
    largest = max(max(-normalisation.low[c], normalisation.high[c]) for c in channels)
    if largest > _DOUBLE_STEPS:
        return (
            f"The intensities reach {largest:.3g}, and 64-bit numbers tell whole numbers apart up to 2^53: the "
            f"result is rounded to steps of about {largest / _DOUBLE_STEPS:.3g}. Subtract an offset first.",
        )
    return ()


def plan_record(plan: Plan) -> dict[str, Any]:
    """Return the plan as plain values for the record of a result."""
    return {
        "tile": list(plan.tile),
        "halo": list(plan.halo),
        "multiple": list(plan.multiple),
        "batch": plan.batch,
        "parallel": plan.parallel,
        "device": plan.device,
        "precision": plan.precision,
        "tta": plan.tta,
        "scale": dict(plan.scale),
        "offset": dict(plan.offset),
        "region": {a: list(r) for a, r in plan.region.items()},
        "channels": list(plan.channels),
        "doubts": list(plan.doubts),
        **({"chosen": plan.chosen} if plan.chosen else {}),
        **({} if plan.precision_db is None else {"precision_db": round(plan.precision_db, 1)}),
        "told": told_record(plan.told),
        "normalisation": {"low": list(plan.normalisation.low), "high": list(plan.normalisation.high)},
        "nonnegative": list(plan.nonnegative),
    }
