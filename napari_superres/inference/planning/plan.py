"""The plan of a run: what was wished, what is there and what the model needs, resolved once.

Every check and every clear error is here. After it no code checks, guesses or clamps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, Literal

import numpy as np
import psutil

from napari_superres.core import intensity
from napari_superres.core.image import Image
from napari_superres.core.intensity import Normalisation
from napari_superres.core.kernels import KERNELS
from napari_superres.core.tiling import Box, Tile, cover, iter_tiles, padded_size, reflect_indices
from napari_superres.errors import SettingsError
from napari_superres.inference.machine import memory
from napari_superres.inference.machine.device import Precision, resolve_device, resolve_precision
from napari_superres.inference.machine.speed import guessed_speed, known_speed
from napari_superres.inference.planning.tile_size import TileSize, Windows, choose, given_tile
from napari_superres.models.card import ModelCard
from napari_superres.models.domain import doubts
from napari_superres.models.model import Model

Range = tuple[int, int]

_LARGEST_WHOLE = 1024**2
"""Pixels beyond which a model that no halo bounds gets windows, if their error is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that decides the pixels of a run.

    Attributes
    ----------
    model, sha256
        Name of the model and digest of its file.
    axes, in_shape, out_shape
        Axes string, shape of the image, shape of the result (same axes).
    work_axes
        The axes the model works on, ``"YX"`` or ``"ZYX"``.
    scale, offset
        Factor per spatial axis of the image, and where its pixel 0 lies in pixels of the result.
    region
        ``(start, stop)`` per axis of T, Z, Y, X that the image has: what is computed.
    channels
        Indices along C that are computed.
    normalisation
        Intensity map per channel of the image.
    tile, halo, multiple
        Window, context per side and size multiple over `work_axes`, in low-resolution pixels.
    frames, context, ends
        Planes given to the model at once, along which axis, and what stands in beyond its ends.
    batch
        Windows given to the model at once.
    lanes
        Batches computed side by side, each in a thread of its own; 1 but on a CPU.
    device, precision
        Where and in which precision.
    tta
        Whether results of flipped and turned windows are averaged.
    global_statistics, max_passes
        Whether the model has layers that look at the whole image; how many passes may go into these.
    memory_bytes
        Estimate of what the run takes: the result and one pass.
    seconds_per_tile
        Time of one window, from what earlier runs measured here; None before the first.
    precision_db
        Peak signal to error of half precision, measured in one window of the image; None in full precision.
    doubts
        Why the model may not suit the image, in sentences.
    """

    model: str
    sha256: str
    axes: str
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    work_axes: str
    scale: Mapping[str, int]
    offset: Mapping[str, float]
    region: Mapping[str, Range]
    channels: tuple[int, ...]
    normalisation: Normalisation
    tile: tuple[int, ...]
    halo: tuple[int, ...]
    multiple: tuple[int, ...]
    frames: int
    context: str
    ends: str
    batch: int
    lanes: int
    device: str
    precision: Precision
    tta: bool
    global_statistics: bool
    max_passes: int
    memory_bytes: int
    seconds_per_tile: float | None
    precision_db: float | None = None
    doubts: tuple[str, ...] = ()

    @property
    def work_scale(self) -> tuple[int, ...]:
        """Factor per axis of `work_axes`."""
        return tuple(self.scale[a] for a in self.work_axes)

    @property
    def padded(self) -> tuple[int, ...]:
        """Size over `work_axes` after padding to the model's multiple."""
        return tuple(
            padded_size(self.in_shape[self.axes.index(a)], m)
            for a, m in zip(self.work_axes, self.multiple, strict=True)
        )

    @property
    def total(self) -> int:
        """Number of windows of the whole run."""
        axes = zip(self.work_axes, self.padded, self.tile, self.halo, self.multiple, strict=True)
        return prod(len(cover(*self.region[a], *geometry)) for a, *geometry in axes) * len(self.places())

    @property
    def needs_passes(self) -> bool:
        """Whether statistics of the whole image must be found before any window is computed."""
        return self.global_statistics and self.tile != self.padded

    def tiles(self) -> list[Tile]:
        """Return the windows of one place."""
        box = tuple(slice(*self.region[a]) for a in self.work_axes)
        return self.cover(box, self.tile)

    def cover(self, box: Box, tile: Sequence[int]) -> list[Tile]:
        """Return windows of another size whose cores fill a box; both in low-resolution pixels."""
        return list(iter_tiles(box, self.padded, tile, self.halo, self.multiple))

    def places(self) -> list[dict[str, int]]:
        """Return the indices along the axes the model does not work on, in order: T, C, Z."""
        outer = [a for a in "TCZ" if a in self.axes and a not in self.work_axes]
        ranges = [self.channels if a == "C" else range(*self.region[a]) for a in outer]
        return [dict(zip(outer, place, strict=True)) for place in product(*ranges)]

    def frames_of(self, place: Mapping[str, int]) -> list[Mapping[str, int]]:
        """Return a place with its neighbours in order, also those outside the region."""
        if self.frames == 1:
            return [place]
        size, i, k = self.in_shape[self.axes.index(self.context)], place[self.context], self.frames // 2
        beyond = reflect_indices(i - k, i + k + 1, size) if self.ends == "reflect" else range(i - k, i + k + 1)
        return [{**place, self.context: min(max(int(j), 0), size - 1)} for j in beyond]


def resolve(
    image: Image,
    model: Model,
    *,
    device: str = "auto",
    precision: str = "auto",
    tile: TileSize = "auto",
    batch: int | Literal["auto"] = "auto",
    channels: Sequence[int] | None = None,
    roi: Mapping[str, Range] | None = None,
    tta: bool = False,
    max_passes: int = 8,
    intensity_range: Sequence[tuple[float, float]] | None = None,
) -> Plan:
    """Make the plan of a run; the parameters are those of `upscale`.

    Raises
    ------
    SettingsError
        If a wish does not fit the image or the model.
    DeviceError
        If the device is not there.
    """
    card = model.card
    if card.ndim == 3 and "Z" not in image.axes:
        raise SettingsError(f"{card.name} works on volumes and needs a Z axis, got axes {image.axes}. Use a 2-D model.")
    if card.frames > 1 and card.context not in image.axes:
        raise SettingsError(
            f"{card.name} looks at {card.frames} neighbouring planes and needs the axis {card.context}, got axes "
            f"{image.axes}. Say what the axes are (axes), or use a model without neighbours."
        )
    if isinstance(max_passes, bool) or not isinstance(max_passes, int) or max_passes < 1:
        raise SettingsError(f"max_passes must be a whole number of at least 1, got {max_passes!r}.")
    work_axes = "YX" if card.ndim == 2 else "ZYX"
    scale = dict.fromkeys(image.spatial, 1) | dict(zip(work_axes, card.scale, strict=True))
    offset = dict.fromkeys(image.spatial, 0.0) | dict(zip(work_axes, card.offset, strict=True))
    region = _region(image, roi)
    chosen = _channels(image, channels)
    interpolates_wide = card.is_interpolation and image.dtype.itemsize >= 4 and image.dtype != np.float32
    resolved = resolve_precision(precision, wide=interpolates_wide)
    if resolved == "fp64" and device == "mps":
        raise SettingsError("mps cannot compute in 64 bits. Use device cpu.")
    where = resolve_device(device)
    colour = "S" in image.axes and card.channels == 1 and card.color == "luma"
    reach = KERNELS["bicubic"][1] if colour or image.size("S") == 4 else 0
    halo = tuple(max(h, reach if s > 1 else 0) for h, s in zip(card.halo, card.scale, strict=True))
    if tta:  # windows are turned, and their context with them
        halo = (*halo[:-2], max(halo[-2:]), max(halo[-2:]))
    sizes = [image.size(a) for a in work_axes]
    if tta and card.scale[-1] != card.scale[-2]:
        raise SettingsError(f"tta turns the image, but {card.name} scales Y and X differently. Leave tta out.")
    if tta and not card.is_centred:
        raise SettingsError(f"tta turns the image, and {card.name} moves it by part of a pixel. Leave tta out.")
    bytes_per_pixel = model.bytes_per_pixel * (2.0 if resolved == "fp64" else 1.0)
    samples = image.size("S") if card.color == "per-channel" and card.channels == 1 else 1
    bytes_per_pixel *= samples
    budget = memory.budget(where)
    known = known_speed(model, where, resolved)
    speed = known or guessed_speed(model, where)
    pixels = prod(stop - start for start, stop in region.values()) * len(chosen)
    whole = None if card.bounded else _one_window(card, tile, sizes, bytes_per_pixel, where)
    if whole is None:
        windows = choose(
            sizes,
            halo,
            card.multiple,
            tile=tile,
            batch=batch,
            pixels=pixels,
            bytes_per_pixel=bytes_per_pixel,
            budget=budget,
            speed=speed,
            device=where,
        )
    else:
        windows, halo = Windows(whole, 1, 1), tuple(sizes)
    edges, passing = windows.tile, prod(windows.tile) * windows.batch
    passed = prod(edges) * samples * (8 if tta else 1)
    out_shape = tuple(
        len(chosen) if a == "C" else (region[a][1] - region[a][0]) * scale.get(a, 1) if a in region else n
        for a, n in zip(image.axes, image.shape, strict=True)
    )
    normalisation = intensity.fit_normalisation(image, card.intensity, intensity_range, card.percentiles)
    return Plan(
        model=card.name,
        sha256=model.sha256,
        axes=image.axes,
        in_shape=image.shape,
        out_shape=out_shape,
        work_axes=work_axes,
        scale=scale,
        offset=offset,
        region=region,
        channels=chosen,
        normalisation=normalisation,
        doubts=doubts(card, image, normalisation, chosen[0]) + _tile_doubt(card, sizes, edges),
        tile=edges,
        halo=halo,
        multiple=card.multiple,
        frames=card.frames,
        context=card.context,
        ends=card.ends,
        batch=windows.batch,
        lanes=windows.lanes,
        device=where,
        precision=resolved,
        tta=tta,
        global_statistics=card.global_statistics,
        max_passes=max_passes,
        memory_bytes=int(prod(out_shape) * image.dtype.itemsize + bytes_per_pixel * passing * windows.lanes),
        seconds_per_tile=None if known is None else passed * known.at(passing) / windows.lanes,
    )


def _tile_doubt(card: ModelCard, sizes: Sequence[int], edges: Sequence[int]) -> tuple[str, ...]:
    if card.bounded or all(e >= n for e, n in zip(edges, sizes, strict=True)):
        return ()
    return (
        f"Tiles may show: no context makes windows of {card.name} exact. With {max(card.halo)} pixels of it, windows "
        f"of noise were off by up to {card.tile_error:.1g} of the range. Crop the image to one window to be sure.",
    )


def _one_window(
    card: ModelCard, tile: TileSize, sizes: Sequence[int], bytes_per_pixel: float, device: str
) -> tuple[int, ...] | None:
    """Return the window of a model that no halo bounds: the whole image, if it is allowed and fits.

    None where the error of smaller windows is known, and they are wished or needed.
    """
    whole = tuple(padded_size(n, m) for n, m in zip(sizes, card.multiple, strict=True))
    known = card.tile_error is not None
    if known and (prod(whole) > _LARGEST_WHOLE or tile not in ("auto", whole)):
        return None
    reason = f"{card.name} looks at all pixels at once in a way that cannot be tiled exactly"
    if tile != "auto" and given_tile(tile, sizes, [0] * len(sizes), card.multiple) != whole:
        raise SettingsError(
            f"{reason}: one window must hold the image of {' x '.join(map(str, sizes))} pixels, got tile={tile}. "
            "Leave tile out, or crop the image."
        )
    needed = bytes_per_pixel * prod(whole)
    free = memory.budget(device) if device.startswith("cuda") else psutil.virtual_memory().available
    if needed > free and known:
        return None
    if needed > free:
        raise SettingsError(
            f"{reason}: one window of {' x '.join(map(str, whole))} pixels needs {needed / 1e9:.1f} GB and "
            f"{free / 1e9:.1f} GB are free. Crop the image, or use another model."
        )
    return whole


def _region(image: Image, roi: Mapping[str, Range] | None) -> dict[str, Range]:
    region = {a: (0, image.size(a)) for a in image.axes if a in "TZYX"}
    for axis, (start, stop) in (roi or {}).items():
        if axis not in region:
            raise SettingsError(f"roi may limit the axes {''.join(region)}, got {axis!r}. Choose channels by channels.")
        if not 0 <= start < stop <= image.size(axis):
            raise SettingsError(f"roi along {axis} must lie within 0:{image.size(axis)}, got {start}:{stop}.")
        region[axis] = (int(start), int(stop))
    return region


def _channels(image: Image, channels: Sequence[int] | None) -> tuple[int, ...]:
    there = range(image.size("C"))
    if channels is None:
        return tuple(there)
    if not channels or any(c not in there for c in channels) or len(set(channels)) != len(channels):
        raise SettingsError(f"channels must be different indices of 0 to {len(there) - 1}, got {list(channels)}.")
    return tuple(int(c) for c in channels)


def plan_record(plan: Plan) -> dict[str, Any]:
    """Return the plan as plain values for the record of a result."""
    return {
        "tile": list(plan.tile),
        "halo": list(plan.halo),
        "multiple": list(plan.multiple),
        "batch": plan.batch,
        "lanes": plan.lanes,
        "device": plan.device,
        "precision": plan.precision,
        "tta": plan.tta,
        "scale": dict(plan.scale),
        "offset": dict(plan.offset),
        "region": {a: list(r) for a, r in plan.region.items()},
        "channels": list(plan.channels),
        "doubts": list(plan.doubts),
        **({} if plan.precision_db is None else {"precision_db": round(plan.precision_db, 1)}),
        "normalisation": {"low": list(plan.normalisation.low), "high": list(plan.normalisation.high)},
    }
