"""How large the model's tiles are, how many it gets at once, and how many batches run in parallel."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, log2, prod
from typing import Literal

import numpy as np

from napari_superres.core.tiling import balanced_tile, smallest_tile
from napari_superres.errors import SettingsError
from napari_superres.inference.options import UpscaleOptions
from napari_superres.inference.planning.extent import Extent
from napari_superres.inference.planning.resources import Resources
from napari_superres.models.card import ModelCard

_CHEAP_BYTES, _CHEAP_BYTES_PER_BATCH = 192 * 2**20, 32 * 2**20
_PRICE = 1.1
_MIN_PIXELS = 2**12
_LARGEST_BATCH = 64

_PIXELS_PER_THREAD = 2**15
"""Pixels per thread below which all threads work on one tile."""

_LARGEST_WHOLE = 1024**2
"""Pixels beyond which an image is tiled for a model without a sufficient halo, if the error of tiles is known."""


@dataclass(frozen=True, slots=True)
class Tiling:
    """How an image is divided for a model.

    Attributes
    ----------
    tile
        Edges of a tile.
    halo
        Context per side.
    batch
        Tiles given to the model at once.
    parallel
        Batches computed in parallel.
    """

    tile: tuple[int, ...]
    halo: tuple[int, ...]
    batch: int
    parallel: int


def choose_tiling(extent: Extent, resources: Resources, card: ModelCard, options: UpscaleOptions) -> Tiling:
    """Return the tiling that costs least time within the memory, or the one that was asked for.

    Raises
    ------
    SettingsError
        If `tile` or `batch` cannot be used, or an image that cannot be tiled does not fit into memory.
    """
    whole = None if card.bounded else _one_tile(extent, resources, card, options["tile"])
    if whole is not None:
        return Tiling(whole, extent.sizes, 1, 1)
    per_pixel, threads = resources.bytes_per_pixel, resources.threads
    parallel = threads if extent.pixels >= threads * _PIXELS_PER_THREAD else 1
    if card.largest is not None and options["tile"] == "auto":
        # A network of one size takes as long for a small tile as for a large one.
        tile = given_tile(list(card.largest), extent.sizes, extent.halo, card.multiple)
    elif options["tile"] == "auto":
        tile = auto_tile(
            extent.sizes,
            extent.halo,
            card.multiple,
            bytes_per_pixel=per_pixel,
            budget=resources.budget_bytes,
            speed=resources.speed.at,
            thrifty=resources.device == "cpu",
            parallel=parallel,
            planes=max(1.0, extent.pixels / prod(extent.sizes)),
        )
    else:
        tile = given_tile(options["tile"], extent.sizes, extent.halo, card.multiple)
        _check_largest(card, tile)
    batch = batch_size(
        options["batch"],
        tile,
        bytes_per_pixel=per_pixel,
        budget=resources.budget_bytes // parallel,
        enough=resources.speed.smallest_efficient_pass,
    )
    parallel = max(1, min(parallel, ceil(extent.pixels / (prod(tile) * batch))))
    return Tiling(tile, extent.halo, batch, parallel)


def _check_largest(card: ModelCard, tile: tuple[int, ...]) -> None:
    if card.largest is not None and any(n > most for n, most in zip(tile, card.largest, strict=True)):
        raise SettingsError(
            f"{card.name} takes at most {' x '.join(map(str, card.largest))} pixels at once, got tiles of "
            f"{' x '.join(map(str, tile))}.",
            remedy="Leave out `tile`, or set a smaller one.",
        )


def _one_tile(
    extent: Extent, resources: Resources, card: ModelCard, tile: int | Sequence[int] | Literal["auto"]
) -> tuple[int, ...] | None:
    """Return the tile that holds the whole image, for a model that no halo makes exact.

    None where the error of smaller tiles is known, and they are asked for or needed.
    """
    whole, known = extent.padded, card.tile_error is not None or any(card.halo)
    if card.largest is not None and any(n > most for n, most in zip(whole, card.largest, strict=True)):
        return None
    if known and (prod(whole) > _LARGEST_WHOLE or tile not in ("auto", whole)):
        return None
    reason = f"{card.name} looks at all pixels at once in a way that cannot be tiled exactly"
    no_halo = [0] * len(whole)
    if tile != "auto" and given_tile(tile, extent.sizes, no_halo, card.multiple) != whole:
        raise SettingsError(
            f"{reason}: one tile must hold the image of {' x '.join(map(str, extent.sizes))} pixels, got tile={tile}.",
            remedy="Leave out `tile`, or crop the image.",
        )
    needed = resources.bytes_per_pixel * prod(whole)
    if needed <= resources.free_bytes:
        return whole
    if known:
        return None
    raise SettingsError(
        f"{reason}: one tile of {' x '.join(map(str, whole))} pixels needs {needed / 1e9:.1f} GB and "
        f"{resources.free_bytes / 1e9:.1f} GB are free.",
        remedy="Crop the image, or use another model.",
    )


def given_tile(
    tile: int | Sequence[int], sizes: Sequence[int], halo: Sequence[int], multiple: Sequence[int]
) -> tuple[int, ...]:
    """Return the largest tile, at most the one asked for, that covers the image in equal steps.

    Raises
    ------
    SettingsError
        If it has the wrong number of edges or is too small for the halo.
    """
    edges = list(tile) if isinstance(tile, Sequence) else [tile] * len(sizes)
    if len(edges) != len(sizes) or any(isinstance(e, bool) or not isinstance(e, int | np.integer) for e in edges):
        raise SettingsError(f"`tile` must be 'auto', one whole number or {len(sizes)} of them, got {tile!r}.")
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
    parallel: int = 1,
    planes: float = 1.0,
) -> tuple[int, ...]:
    """Return the tile that costs least time.

    Parameters
    ----------
    sizes, halo, multiple
        Of the image and the model, per axis.
    bytes_per_pixel, budget
        Memory of a pass per pixel, and of all passes together.
    speed
        Seconds per pixel of a pass, given its number of pixels; in any unit of time.
    thrifty
        Whether memory has a price: beyond 192 MiB, twice as much must save a tenth of the time.
    parallel
        Passes that run in parallel, each with its own memory.
    planes
        Number of times the area of the image is computed, over T, C and Z.
    """
    best: tuple[float, tuple[int, ...]] | None = None
    pixels = budget / bytes_per_pixel / parallel
    cheap = max(_CHEAP_BYTES / parallel, _CHEAP_BYTES_PER_BATCH)
    while best is None or pixels > _MIN_PIXELS:
        edges = _edges(sizes, halo, multiple, pixels)
        tiles = prod(
            -(-max(1, n - 2 * h) // max(1, t - 2 * h)) if t < n else 1
            for t, h, n in zip(edges, halo, sizes, strict=True)
        )
        # Context is computed and thrown away.
        cost = tiles * prod(edges) / prod(sizes) * speed(prod(edges))
        count = planes * tiles
        # The last round leaves threads idle.
        cost *= parallel * ceil(count / parallel) / count
        if thrifty:
            cost *= max(1.0, prod(edges) * bytes_per_pixel / cheap) ** log2(_PRICE)
        if best is None or (cost, prod(edges)) < (best[0], prod(best[1])):
            best = cost, edges
        pixels /= 2**0.25
    return best[1]


def _edges(sizes: Sequence[int], halo: Sequence[int], multiple: Sequence[int], pixels: float) -> tuple[int, ...]:
    """Return the edges of a tile of about `pixels` pixels; short axes are not divided."""
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
    """Return the number of tiles per pass: enough that a pass has `enough` pixels, if memory allows.

    Raises
    ------
    SettingsError
        If `batch` is below 1.
    """
    if batch != "auto":
        if not isinstance(batch, int | np.integer) or batch < 1:
            raise SettingsError(f"`batch` must be 'auto' or a whole number of at least 1, got {batch!r}.")
        return int(batch)
    most = min(_LARGEST_BATCH, budget / (bytes_per_pixel * prod(edges)))
    return int(max(1, min(most, round(enough / prod(edges)))))
