"""The plan of a run: what was wished, what is there and what the model needs, resolved once.

Every check and every clear error is here. After it no code checks, guesses or clamps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, Literal

import numpy as np

from napari_superres.core import intensity
from napari_superres.core.image import Image
from napari_superres.core.intensity import Normalisation
from napari_superres.core.kernels import KERNELS
from napari_superres.core.tiling import Box, Tile, iter_tiles, padded_size
from napari_superres.errors import ModelFileError, SettingsError
from napari_superres.inference import memory
from napari_superres.inference.device import Precision, resolve_device, resolve_precision
from napari_superres.inference.windows import TileSize, auto_tile, batch_size, given_tile
from napari_superres.models.model import Model

Range = tuple[int, int]


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
    scale
        Factor per spatial axis of the image.
    region
        ``(start, stop)`` per axis of T, Z, Y, X that the image has: what is computed.
    channels
        Indices along C that are computed.
    normalisation
        Intensity map per channel of the image.
    tile, halo, multiple
        Window, context per side and size multiple over `work_axes`, in low-resolution pixels.
    batch
        Windows given to the model at once.
    device, precision
        Where and in which precision.
    tta
        Whether results of flipped and turned windows are averaged.
    memory_bytes
        Estimate of what the run takes: the result and one pass.
    """

    model: str
    sha256: str
    axes: str
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    work_axes: str
    scale: Mapping[str, int]
    region: Mapping[str, Range]
    channels: tuple[int, ...]
    normalisation: Normalisation
    tile: tuple[int, ...]
    halo: tuple[int, ...]
    multiple: tuple[int, ...]
    batch: int
    device: str
    precision: Precision
    tta: bool
    memory_bytes: int

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
        return len(self.tiles()) * len(list(self.places()))

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
    if card.frames > 1:
        raise ModelFileError(f"{card.name} needs {card.frames} neighbouring planes, which this version cannot give it.")
    if card.global_statistics:
        raise ModelFileError(f"{card.name} looks at the whole image at once; this version cannot tile it exactly.")
    work_axes = "YX" if card.ndim == 2 else "ZYX"
    scale = dict.fromkeys(image.spatial, 1) | dict(zip(work_axes, card.scale, strict=True))
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
    bytes_per_pixel = model.bytes_per_pixel * (2.0 if resolved == "fp64" else 1.0)
    bytes_per_pixel *= image.size("S") if "S" in image.axes and card.color == "per-channel" else 1
    budget = memory.budget(where)
    edges = (
        auto_tile(
            sizes, halo, card.multiple, most=budget / bytes_per_pixel,
            unpaged=memory.MMAP_LIMIT / model.largest_activation, thrifty=where == "cpu",
        )
        if tile == "auto"
        else given_tile(tile, sizes, halo, card.multiple)
    )  # fmt: skip
    count = batch_size(batch, edges, bytes_per_pixel, where, budget)
    out_shape = tuple(
        len(chosen) if a == "C" else (region[a][1] - region[a][0]) * scale.get(a, 1) if a in region else n
        for a, n in zip(image.axes, image.shape, strict=True)
    )
    return Plan(
        model=card.name, sha256=model.sha256, axes=image.axes, in_shape=image.shape, out_shape=out_shape,
        work_axes=work_axes, scale=scale, region=region, channels=chosen,
        normalisation=intensity.fit(image, card.intensity, intensity_range),
        tile=edges, halo=halo, multiple=card.multiple, batch=count, device=where, precision=resolved, tta=tta,
        memory_bytes=int(prod(out_shape) * image.dtype.itemsize + bytes_per_pixel * prod(edges) * count),
    )  # fmt: skip


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
        "tile": list(plan.tile), "halo": list(plan.halo), "multiple": list(plan.multiple), "batch": plan.batch,
        "device": plan.device, "precision": plan.precision, "tta": plan.tta, "scale": dict(plan.scale),
        "region": {a: list(r) for a, r in plan.region.items()}, "channels": list(plan.channels),
        "normalisation": {"low": list(plan.normalisation.low), "high": list(plan.normalisation.high)},
    }  # fmt: skip
