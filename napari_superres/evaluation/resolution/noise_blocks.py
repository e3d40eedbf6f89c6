"""Traces that processing leaves in the noise of an image, found in blocks of 8 x 8 pixels.

Noise of a detector is white, has one strength at each brightness, and differs from pixel to pixel. Limits are such that
41 of 48 simulated recordings pass: of 12 scenes, by 10 to 10,000 photons. Those refused show structure in every pixel,
and so little noise that nobody can tell the two apart. Of JPEG files of quality 50 to 90, of medians of 3 and 5 pixels,
of repeated pixels, and of images smoothed by half a pixel, none passes; of weak total variation (weights of 0.02 and
0.05), 10 of 72.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_BLOCK = 8
_ORDER = np.arange(_BLOCK)
_SUM = _ORDER + _ORDER[:, None]
_BOTH = np.minimum(_ORDER, _ORDER[:, None])
_LOW, _MIDDLE, _CORNER = (_SUM > 0) & (_SUM <= 4), (_SUM >= 5) & (_SUM <= 9) & (_BOTH > 0), _SUM >= 12
_FAR_CORNER, _NEAR_CORNER, _HIGH = _SUM >= 13, (_SUM >= 9) & (_SUM <= 10) & (_BOTH >= 3), _SUM >= 10
"""Spatial frequencies along X and Y, in half periods per block."""

_EDGE = 512
"""Largest edge of the field that is looked at, in pixels."""

_FEWEST = 200
"""Number of blocks below which nothing is said."""

_FLAT = 0.1
"""Share of the blocks, those of the least structure, in which the spectrum of the noise is measured."""

_MAX_EXCESS = 0.05
"""Share of equal neighbours, over that of pixels four apart, above which pixels were copied."""

_MAX_CORNER = (1.6, 1.5)
"""Power at the corner over that at middle frequencies, and at the far corner over the near one, at most."""

_MIN_CORNER = (0.5, 0.75)
"""The same, at least, where the highest frequencies of the whole image are weak too."""

_MIN_EVENNESS = 0.25
"""Lowest tenth of the noise power at one brightness over its median: 0.41 if it is of one strength."""

_MIN_ON_GRID = 0.4
"""Lower quartile of coefficients on the best grid of blocks over that on others: 1 without compression."""


def processing_trace(planes: Sequence[Floats], flatness: float) -> str:
    """Return the trace of processing in the noise of planes, in words; empty if there is none.

    Parameters
    ----------
    planes
        Planes ``(Y, X)`` of one channel, finite.
    flatness
        Power at the highest frequencies of the image over that at slightly lower ones.
    """
    parts = [_middle(plane) for plane in planes]
    if max(_equal_excess(part) for part in parts) > _MAX_EXCESS:
        return "too many neighbours have the same value"
    starts = [(y, x) for y in (0, _BLOCK // 2) for x in (0, _BLOCK // 2)]
    blocks = np.concatenate([_coefficients(part[y:, x:]) for part in parts for y, x in starts])
    energy = blocks**2
    energy = energy[energy[:, _SUM > 0].sum(axis=1) > 0]
    if len(energy) < _FEWEST:
        return ""
    by_structure = energy[np.argsort(energy[:, _LOW].mean(axis=1))]
    flat = by_structure[: int(_FLAT * len(energy))]
    corner = float(flat[:, _CORNER].mean() / flat[:, _MIDDLE].mean())
    far = float(flat[:, _FAR_CORNER].mean() / flat[:, _NEAR_CORNER].mean())
    if corner > _MAX_CORNER[0] or far > _MAX_CORNER[1]:
        return "its finest detail is stronger than noise makes it"
    if flatness < 0.85 and corner < _MIN_CORNER[0] and far < _MIN_CORNER[1]:
        return "its noise fades towards the finest detail"
    if _evenness(by_structure[: len(energy) // 2]) < _MIN_EVENNESS:
        return "its noise differs between places of one brightness"
    if min(_on_grid(part) for part in parts) < _MIN_ON_GRID:
        return "its noise follows a grid of 8 x 8 pixels, as in JPEG files"
    return ""


def _middle(plane: Floats) -> Floats:
    starts = [max(0, (n - _EDGE) // 2) for n in plane.shape]
    return plane[tuple(slice(s, s + _EDGE) for s in starts)]


def _equal_excess(plane: Floats) -> float:
    """Return the share of neighbours with the same value, less that of pixels four apart."""
    near, far = ((np.mean(plane[:, k:] == plane[:, :-k]) + np.mean(plane[k:] == plane[:-k])) / 2 for k in (1, 4))
    return float(near - far)


def _coefficients(plane: Floats) -> Floats:
    """Return the cosine coefficients ``(block, 8, 8)`` of a plane, orthonormal: white noise is equal in all."""
    rows, columns = (n // _BLOCK for n in plane.shape)
    tiles = plane[: rows * _BLOCK, : columns * _BLOCK].reshape(rows, _BLOCK, columns, _BLOCK).swapaxes(1, 2)
    waves = np.sqrt(2 / _BLOCK) * np.cos(np.pi / _BLOCK * (_ORDER + 0.5) * _ORDER[:, None])
    waves[0] /= np.sqrt(2)
    return np.asarray(waves @ tiles @ waves.T).reshape(-1, _BLOCK, _BLOCK)


def _evenness(energy: Floats) -> float:
    """Return the lowest tenth of the noise power over its median, among blocks of similar brightness."""
    corner = energy[:, _CORNER].mean(axis=1)
    groups = np.array_split(corner[np.argsort(energy[:, 0, 0])], 8)
    ratios = [np.quantile(group, 0.1) / middle if (middle := np.median(group)) > 0 else 0.0 for group in groups]
    return float(np.median(ratios))


def _on_grid(plane: Floats) -> float:
    """Return how much smaller small coefficients are on one grid of blocks: compression rounds them to 0 there."""
    small = [
        np.quantile(np.abs(_coefficients(plane[y:, x:])[:, _HIGH]), 0.25) for y in range(_BLOCK) for x in range(_BLOCK)
    ]
    usual = float(np.median(small))
    return float(min(small)) / usual if usual > 0 else 1.0
