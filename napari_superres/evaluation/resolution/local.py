"""Where two images agree, and down to which detail: ring correlation in small blocks.

After the rolling Fourier ring correlation of Zhao et al. 2023, doi:10.1038/s41377-023-01321-0.
"""

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.errors import EvaluationError
from napari_superres.evaluation.registration.match import match
from napari_superres.evaluation.resolution.frc import INDEPENDENT, Rings, energy
from napari_superres.evaluation.resolution.raw_check import planes_of

Floats = npt.NDArray[np.float64]

BLOCK = 64
_STEP = BLOCK // 2
_FIRST_RING = 2
_BACKGROUND = 5 / 255
"""Mean of a block, as a share of the span of the image, below which there is nothing to agree on."""

_OUTLIER = 2.0


def local_agreement(first: Image, second: Image, *, channel: int = 0) -> Image:
    """Return the length down to which two images agree around each pixel.

    Blocks of 64 pixels at every 32nd, threshold 3-sigma with the independent pixels of each ring, a mean over three
    rings. Of two raw recordings it is the local resolution; of a result and a reference it maps the error; of the
    results of two models, their disagreement, and what both invent alike it does not see.

    Parameters
    ----------
    first, second
        On one grid, as for `evaluate`, without colour samples, at least 64 pixels along Y and X; square pixels.
    channel
        Which one.

    Returns
    -------
    Image
        float32, axes of `first` without C, in its unit of length (pixels where that is unknown); two pixels where
        they agree in everything; nan where both are background or share nothing but their outline.

    Raises
    ------
    EvaluationError
        If the two do not lie on one grid, or are smaller than a block.
    """
    pair = match(first, second)
    shape = tuple(pair.result.size(a) for a in "YX")
    if min(shape) < BLOCK:
        raise EvaluationError(f"a map of agreement needs at least {BLOCK} pixels along Y and X, got {shape}.")
    planes = zip(planes_of(pair.result, channel), planes_of(pair.reference, channel), strict=True)
    pixel = max(pair.result.pixel_size[pair.result.spatial.index(a)] for a in "YX")
    maps = np.stack([pixel * _of_planes(a, b) for a, b in planes])
    axes = pair.result.axes.replace("C", "")
    sizes = [pair.result.size(a) for a in axes if a not in "YX"]
    order = [*(a for a in axes if a not in "YX"), "Y", "X"]
    values = maps.reshape(*sizes, *shape).transpose([order.index(a) for a in axes])
    return pair.result.replace(data=values.astype(np.float32), axes=axes, channel_names=(), metadata={})


def _of_planes(first: Floats, second: Floats) -> Floats:
    """Return the map of two planes, in pixels."""
    rings = Rings.of((BLOCK, BLOCK), (1.0, 1.0))
    # Three sigma of what is compared with it, a mean over three rings.
    limit = 3 * np.sqrt(2 / (np.convolve(rings.pixels, np.ones(3), mode="same") * INDEPENDENT).clip(min=1))
    window = np.hanning(BLOCK + 2)[1:-1]
    window = window[:, None] * window
    members = (rings.index.ravel() == np.arange(len(limit))[:, None]) * np.tile(rings.weight, BLOCK)  # (rings, pixels)
    lows = [float(v.min()) for v in (first, second)]
    spans = [float(np.ptp(v)) for v in (first, second)]
    starts = [np.unique(np.minimum(np.arange(0, n, _STEP), n - BLOCK)) for n in first.shape]
    blocks = np.empty((len(starts[0]), len(starts[1])))
    for i, y in enumerate(starts[0]):
        strips = [np.stack([v[y : y + BLOCK, x : x + BLOCK] for x in starts[1]]) for v in (first, second)]
        means = [s.mean(axis=(1, 2)) for s in strips]
        fa, fb = (
            np.fft.rfft2((s - m[:, None, None]) * window).reshape(len(s), -1)
            for s, m in zip(strips, means, strict=True)
        )
        cross, pa, pb = (v @ members.T for v in ((fa * fb.conj()).real, energy(fa), energy(fb)))
        with np.errstate(invalid="ignore", divide="ignore"):
            correlation = np.nan_to_num(cross / np.sqrt(pa * pb))
        dark = [m.ravel() - low <= _BACKGROUND * s for m, low, s in zip(means, lows, spans, strict=True)]
        blocks[i] = np.where(dark[0] & dark[1], np.nan, _crossings(correlation, limit, rings.frequency))
    return _spread(_without_outliers(blocks), starts, (first.shape[0], first.shape[1]))


def _crossings(correlation: Floats, limit: Floats, frequency: Floats) -> Floats:
    """Return, per row, the length at which the smoothed correlation falls below the limit; 2 where it never does."""
    padded = np.pad(correlation, ((0, 0), (1, 1)), mode="edge")
    above = (padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3 - limit
    below = (above <= 0) & (limit < 1) & (np.arange(len(limit)) >= _FIRST_RING)
    i = np.argmax(below, axis=1)
    rows = np.arange(len(i))
    before, after = above[rows, i - 1], above[rows, i]
    with np.errstate(invalid="ignore", divide="ignore"):
        step = np.where(before > 0, before / (before - after), 1.0)
    crossing = frequency[i - 1] + (frequency[i] - frequency[i - 1]) * step
    nothing = below[rows, i] & (before <= 0)
    with np.errstate(divide="ignore"):
        return np.where(below.any(axis=1), np.where(nothing, np.nan, 1 / crossing), 2.0)


def _without_outliers(blocks: Floats) -> Floats:
    """Replace what is more than twice the median of its neighbourhood."""
    padded = np.pad(blocks, 1, mode="edge")
    around = np.stack([padded[i : i + blocks.shape[0], j : j + blocks.shape[1]] for i in range(3) for j in range(3)])
    known = np.where(np.isnan(around).all(axis=0), 0.0, around)
    median = np.nanmedian(known, axis=0)
    return np.where(blocks > _OUTLIER * median, median, blocks)


def _spread(blocks: Floats, starts: list[npt.NDArray[np.intp]], shape: tuple[int, int]) -> Floats:
    """Return for each pixel the value of the block whose middle is nearest."""
    nearest = []
    for first, n in zip(starts, shape, strict=True):
        middles = first + (BLOCK - 1) / 2
        nearest.append(np.abs(np.arange(n)[:, None] - middles).argmin(axis=1))
    return blocks[np.ix_(*nearest)]
