"""A map of the finest detail in which two images agree: Fourier ring correlation in small blocks.

After the rolling Fourier ring correlation of Zhao et al. 2023, doi:10.1038/s41377-023-01321-0.
"""

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.core.options import checks_names
from napari_superres.errors import EvaluationError
from napari_superres.evaluation.registration.lengths import pixel_sizes
from napari_superres.evaluation.registration.match import match
from napari_superres.evaluation.resolution.frc import INDEPENDENT_SHARE, FrequencyRings, squared_magnitude
from napari_superres.evaluation.resolution.holes import without_holes
from napari_superres.evaluation.resolution.raw_check import iter_recorded

Floats = npt.NDArray[np.float64]

BLOCK = 64
"""Edge of a block, in pixels."""

_STEP = BLOCK // 2
_FIRST_RING = 2
_BACKGROUND = 5 / 255
"""Mean of a block, as a share of the range of the image, below which the block counts as background."""

_OUTLIER_FACTOR = 2.0


@checks_names
def local_agreement(first: Image, second: Image, *, channel: int = 0) -> Image:
    """Return the finest detail in which two images agree around each pixel.

    Fourier rings are correlated in blocks of 64 pixels, one at every 32nd pixel, and averaged over three rings. The
    threshold is three standard deviations of the correlation of pure noise.

    Parameters
    ----------
    first, second
        Images on the same grid, with square pixels, without colour samples, at least 64 pixels along Y and X.
        Pixels that are not finite are left out.
    channel
        Index of the channel.

    Returns
    -------
    Image
        float32 lengths in the unit of `first` (pixels where that is unknown), with its axes except C. Two pixels where
        the images agree in all detail; nan where both are background, or agree in nothing but coarse shapes.

    Raises
    ------
    EvaluationError
        If the images do not lie on one grid, are smaller than a block, or have colour samples.

    Notes
    -----
    The meaning depends on the images. For two raw recordings, the map shows the local resolution. For a result and a
    reference it shows the error, and for the results of two models their disagreement. Detail that both models invent
    alike goes unnoticed.
    """
    pair = match(first, second)
    shape = tuple(pair.result.size(a) for a in "YX")
    if min(shape) < BLOCK:
        raise EvaluationError(
            f"a map of agreement needs at least {BLOCK} pixels along Y and X, got {shape}.",
            remedy="Give a larger field of view.",
        )
    planes = zip(iter_recorded(pair.result, channel), iter_recorded(pair.reference, channel), strict=True)
    pixel = max(pixel_sizes(pair.result, "YX"))
    whole = [without_holes(*both) for both in planes]
    if all(both is None for both in whole):
        raise EvaluationError(
            "no pixel is finite in both images, so that nothing can be measured.",
            remedy="Choose another plane or channel.",
        )
    maps = np.stack([np.full(shape, np.nan) if both is None else pixel * _plane_agreement(*both) for both in whole])
    axes = pair.result.axes.replace("C", "")
    sizes = [pair.result.size(a) for a in axes if a not in "YX"]
    order = [*(a for a in axes if a not in "YX"), "Y", "X"]
    values = maps.reshape(*sizes, *shape).transpose([order.index(a) for a in axes])
    return pair.result.replace(data=values.astype(np.float32), axes=axes, channel_names=(), metadata={})


def _plane_agreement(first: Floats, second: Floats) -> Floats:
    """Return the map of two planes, with lengths in pixels."""
    rings = FrequencyRings.of_shape((BLOCK, BLOCK), (1.0, 1.0))
    # The correlation compared with this limit is a mean over three rings, hence the sum of their pixels.
    limit = 3 * np.sqrt(2 / (np.convolve(rings.pixels, np.ones(3), mode="same") * INDEPENDENT_SHARE).clip(min=1))
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
        a, b = (
            np.fft.rfft2((s - m[:, None, None]) * window).reshape(len(s), -1)
            for s, m in zip(strips, means, strict=True)
        )
        products = (a * b.conj()).real, squared_magnitude(a), squared_magnitude(b)
        cross, power_a, power_b = (v @ members.T for v in products)
        with np.errstate(invalid="ignore", divide="ignore"):
            correlation = np.nan_to_num(cross / np.sqrt(power_a * power_b))
        dark = [m.ravel() - low <= _BACKGROUND * s for m, low, s in zip(means, lows, spans, strict=True)]
        blocks[i] = np.where(dark[0] & dark[1], np.nan, _crossings(correlation, limit, rings.frequency))
    return _nearest_block(_replace_outliers(blocks), starts, (first.shape[0], first.shape[1]))


def _crossings(correlation: Floats, limit: Floats, frequency: Floats) -> Floats:
    """Return, for each row, the length at which the smoothed correlation falls below the limit.

    2 where it never does; nan where it lies below the limit from the start.
    """
    padded = np.pad(correlation, ((0, 0), (1, 1)), mode="edge")
    above = (padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3 - limit
    below = (above <= 0) & (limit < 1) & (np.arange(len(limit)) >= _FIRST_RING)
    i = np.argmax(below, axis=1)
    rows = np.arange(len(i))
    before, after = above[rows, i - 1], above[rows, i]
    with np.errstate(invalid="ignore", divide="ignore"):
        step = np.where(before > 0, before / (before - after), 1.0)
    crossing = frequency[i - 1] + (frequency[i] - frequency[i - 1]) * step
    never_above = below[rows, i] & (before <= 0)
    with np.errstate(divide="ignore"):
        return np.where(below.any(axis=1), np.where(never_above, np.nan, 1 / crossing), 2.0)


def _replace_outliers(blocks: Floats) -> Floats:
    """Return blocks with the median of their neighbours where they exceed twice that median."""
    padded = np.pad(blocks, 1, mode="edge")
    around = np.stack([padded[i : i + blocks.shape[0], j : j + blocks.shape[1]] for i in range(3) for j in range(3)])
    known = np.where(np.isnan(around).all(axis=0), 0.0, around)
    median = np.nanmedian(known, axis=0)
    return np.where(blocks > _OUTLIER_FACTOR * median, median, blocks)


def _nearest_block(blocks: Floats, starts: list[npt.NDArray[np.intp]], shape: tuple[int, int]) -> Floats:
    """Return, for each pixel, the value of the block with the nearest centre."""
    nearest = []
    for first, n in zip(starts, shape, strict=True):
        centres = first + (BLOCK - 1) / 2
        nearest.append(np.abs(np.arange(n)[:, None] - centres).argmin(axis=1))
    return blocks[np.ix_(*nearest)]
