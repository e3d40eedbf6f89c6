"""How large the model's windows are, and how many it gets at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, log2, prod
from typing import Literal

import numpy as np
import torch

from napari_superres.core.tiling import balanced_tile, smallest_tile
from napari_superres.errors import SettingsError
from napari_superres.inference.machine.speed import Speed

TileSize = int | Sequence[int] | Literal["auto"]

_CHEAP, _CHEAP_LANE = 192 * 2**20, 32 * 2**20
_PRICE = 1.1
_LEAST_PIXELS = 2**12
_LARGEST_BATCH = 64

_LANE_PIXELS = 2**15
"""Pixels per thread below which all threads work on one window."""


@dataclass(frozen=True, slots=True)
class Windows:
    """How an image is cut for a model.

    Attributes
    ----------
    tile
        Edges of a window.
    batch
        Windows given to the model at once.
    lanes
        Batches computed side by side.
    """

    tile: tuple[int, ...]
    batch: int
    lanes: int


def choose(
    sizes: Sequence[int],
    halo: Sequence[int],
    multiple: Sequence[int],
    *,
    tile: TileSize,
    batch: int | Literal["auto"],
    pixels: int,
    bytes_per_pixel: float,
    budget: int,
    speed: Speed,
    device: str,
) -> Windows:
    """Return how to cut an image.

    Parameters
    ----------
    sizes, halo, multiple
        Of the image and the model, per axis.
    tile, batch
        What is wished.
    pixels
        To compute in all, over T, C and Z too.
    bytes_per_pixel, budget
        Memory of a pass, and what all may use together.
    speed
        Of the model.
    device
        Where it runs.

    Raises
    ------
    SettingsError
        If a wish cannot be fulfilled.
    """
    threads = torch.get_num_threads() if device == "cpu" else 1
    lanes = threads if pixels >= threads * _LANE_PIXELS else 1
    if tile == "auto":
        edges = auto_tile(
            sizes,
            halo,
            multiple,
            bytes_per_pixel=bytes_per_pixel,
            budget=budget,
            speed=speed.at,
            thrifty=device == "cpu",
            lanes=lanes,
            planes=max(1.0, pixels / prod(sizes)),
        )
    else:
        edges = given_tile(tile, sizes, halo, multiple)
    count = batch_size(batch, edges, bytes_per_pixel=bytes_per_pixel, budget=budget // lanes, enough=speed.enough)
    return Windows(edges, count, max(1, min(lanes, ceil(pixels / (prod(edges) * count)))))


def given_tile(
    tile: int | Sequence[int], sizes: Sequence[int], halo: Sequence[int], multiple: Sequence[int]
) -> tuple[int, ...]:
    """Return the window nearest below the wish that covers the image in equal steps.

    Raises
    ------
    SettingsError
        If it has the wrong number of edges or is too small for the halo.
    """
    edges = list(tile) if isinstance(tile, Sequence) else [tile] * len(sizes)
    if len(edges) != len(sizes) or not all(isinstance(e, int | np.integer) for e in edges):
        raise SettingsError(f"tile must be 'auto', one whole number or {len(sizes)} of them, got {tile!r}.")
    return tuple(balanced_tile(n, t, h, m) for n, t, h, m in zip(sizes, edges, halo, multiple, strict=True))


def auto_tile(
    sizes: Sequence[int],
    halo: Sequence[int],
    multiple: Sequence[int],
    *,
    bytes_per_pixel: float,
    budget: int,
    speed: Callable[[float], float],
    thrifty: bool,
    lanes: int = 1,
    planes: float = 1.0,
) -> tuple[int, ...]:
    """Return the window that costs least.

    Parameters
    ----------
    sizes, halo, multiple
        Of the image and the model, per axis.
    bytes_per_pixel, budget
        Memory of a pass, and what it may use.
    speed
        Seconds per pixel of a pass over so many pixels, in any unit of time.
    thrifty
        Whether memory has its price: beyond 192 MiB, twice as much must save a tenth of the time.
    lanes
        Passes side by side, each with its own memory.
    planes
        How many times the image's area is computed, over T, C and Z.
    """
    best: tuple[float, tuple[int, ...]] | None = None
    pixels = budget / bytes_per_pixel / lanes
    cheap = max(_CHEAP / lanes, _CHEAP_LANE)
    while best is None or pixels > _LEAST_PIXELS:
        edges = _edges(sizes, halo, multiple, pixels)
        # Context is computed and not kept.
        cost = prod(t / max(1, t - 2 * h) if t < n else 1.0 for t, h, n in zip(edges, halo, sizes, strict=True))
        cost *= speed(prod(edges))
        count = planes * prod(
            -(-max(1, n - 2 * h) // max(1, t - 2 * h)) if t < n else 1
            for t, h, n in zip(edges, halo, sizes, strict=True)
        )
        # The last round leaves lanes empty.
        cost *= lanes * ceil(count / lanes) / count
        if thrifty:
            cost *= max(1.0, prod(edges) * bytes_per_pixel / cheap) ** log2(_PRICE)
        if best is None or (cost, prod(edges)) < (best[0], prod(best[1])):
            best = cost, edges
        pixels /= 2**0.25
    return best[1]


def _edges(sizes: Sequence[int], halo: Sequence[int], multiple: Sequence[int], pixels: float) -> tuple[int, ...]:
    """Return window edges of about `pixels` pixels, axes that are short taken whole."""
    order = sorted(range(len(sizes)), key=lambda i: sizes[i])
    edges = list(sizes)
    left = max(pixels, 1.0)
    for rank, axis in enumerate(order):
        edge = max(int(left ** (1.0 / (len(sizes) - rank))), smallest_tile(halo[axis], multiple[axis]))
        edges[axis] = balanced_tile(sizes[axis], edge, halo[axis], multiple[axis])
        left = max(left / edges[axis], 1.0)
    return tuple(edges)


def batch_size(
    batch: int | Literal["auto"], edges: Sequence[int], *, bytes_per_pixel: float, budget: int, enough: float
) -> int:
    """Return how many windows the model gets at once: so many that a pass has `enough` pixels, if memory allows.

    Raises
    ------
    SettingsError
        If the wish is below 1.
    """
    if batch != "auto":
        if not isinstance(batch, int | np.integer) or batch < 1:
            raise SettingsError(f"batch must be 'auto' or a whole number of at least 1, got {batch!r}.")
        return int(batch)
    most = min(_LARGEST_BATCH, budget / (bytes_per_pixel * prod(edges)))
    return int(max(1, min(most, round(enough / prod(edges)))))
