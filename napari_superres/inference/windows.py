"""How large the model's windows are, and how many it gets at once."""

from collections.abc import Sequence
from math import inf, prod
from typing import Literal

import numpy as np

from napari_superres.core.tiling import balanced_tile, smallest_tile
from napari_superres.errors import SettingsError
from napari_superres.inference import memory

TileSize = int | Sequence[int] | Literal["auto"]

_ENOUGH = 1.22
"""Computed over kept pixels below which a larger window is not worth its memory on a CPU."""

_LEAST_EDGE = {2: 160, 3: 40}
_SMALL_BATCH_PIXELS = 2**15
_LARGEST_GPU_BATCH = 16


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
    sizes: Sequence[int], halo: Sequence[int], multiple: Sequence[int], *, most: float, unpaged: float, thrifty: bool
) -> tuple[int, ...]:
    """Return the window that costs least.

    Parameters
    ----------
    sizes, halo, multiple
        Of the image and the model, per axis.
    most
        Pixels that fit into the memory a pass may use.
    unpaged
        Pixels above which large activations cost page faults, unless the allocator was tuned.
    thrifty
        Whether to stop where a larger window would hardly save context.
    """
    caps = [inf] * len(sizes)
    if thrifty:
        gain = _ENOUGH ** (1.0 / len(sizes))
        caps = [max(2 * h * gain / (gain - 1.0), _LEAST_EDGE[len(sizes)]) for h in halo]
    best: tuple[float, tuple[int, ...]] | None = None
    for pixels in {most, most / 2, min(most, unpaged)}:
        edges = _edges(sizes, halo, multiple, pixels, caps)
        # Context that is computed but not kept; page faults double the time of large activations;
        # twice the memory must buy a fifth of the time.
        cost = prod(t / max(1, t - 2 * h) if t < n else 1.0 for t, h, n in zip(edges, halo, sizes, strict=True))
        cost *= 2.0 if prod(edges) > unpaged and not memory.is_tuned() else 1.0
        cost *= 1.2 if thrifty and prod(edges) > most / 2 else 1.0
        if best is None or (cost, -prod(edges)) < (best[0], -prod(best[1])):
            best = cost, edges
    assert best is not None
    return best[1]


def _edges(
    sizes: Sequence[int], halo: Sequence[int], multiple: Sequence[int], pixels: float, caps: Sequence[float]
) -> tuple[int, ...]:
    """Return window edges of about `pixels` pixels, axes that are short taken whole."""
    order = sorted(range(len(sizes)), key=lambda i: sizes[i])
    edges = list(sizes)
    left = max(pixels, 1.0)
    for rank, axis in enumerate(order):
        edge = int(min(left ** (1.0 / (len(sizes) - rank)), caps[axis]))
        edge = max(edge, smallest_tile(halo[axis], multiple[axis]))
        edges[axis] = balanced_tile(sizes[axis], edge, halo[axis], multiple[axis])
        left = max(left / edges[axis], 1.0)
    return tuple(edges)


def batch_size(
    batch: int | Literal["auto"], edges: Sequence[int], bytes_per_pixel: float, device: str, budget: int
) -> int:
    """Return how many windows the model gets at once.

    Raises
    ------
    SettingsError
        If the wish is below 1.
    """
    if batch != "auto":
        if not isinstance(batch, int | np.integer) or batch < 1:
            raise SettingsError(f"batch must be 'auto' or a whole number of at least 1, got {batch!r}.")
        return int(batch)
    if device == "cpu":
        return max(1, _SMALL_BATCH_PIXELS // prod(edges))
    return int(max(1, min(_LARGEST_GPU_BATCH, budget // (bytes_per_pixel * prod(edges)))))
