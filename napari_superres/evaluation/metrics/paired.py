"""Whether a difference over images is one: bootstrap intervals, sign test, verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Literal

import numpy as np

Verdict = Literal["yes", "no", "cannot tell"]

_RESAMPLED = 10_000
_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Comparison:
    """A candidate beside a baseline, image by image.

    Attributes
    ----------
    candidate, baseline, metric
        What is compared; more is better.
    images
        How many both were measured on.
    difference
        Mean of candidate less baseline.
    low, high
        95 % interval of the mean, from images drawn anew (percentiles of 10000 bootstraps).
    better, worse
        In how many images.
    p
        Two-sided sign test, images without a difference left out.
    beats
        ``"yes"`` or ``"no"`` where interval and test agree, else ``"cannot tell"``.
    """

    candidate: str
    baseline: str
    metric: str
    images: int
    difference: float
    low: float
    high: float
    better: int
    worse: int
    p: float
    beats: Verdict

    def __str__(self) -> str:
        if self.images == 0:
            return f"{self.candidate} beats {self.baseline}: cannot tell, no image has a finite PSNR of both"
        if self.images == 1:
            return f"{self.candidate} beats {self.baseline}: cannot tell from one image ({self.difference:+.2f} dB)"
        interval = f"95 % interval {self.low:+.2f} to {self.high:+.2f}"
        return (
            f"{self.candidate} beats {self.baseline}: {self.beats} ({self.difference:+.2f} dB, {interval}; better in "
            f"{self.better} of {self.images}, sign test p = {self.p:.2g})"
        )


def compare_paired(
    candidate: Sequence[float], baseline: Sequence[float], *, names: tuple[str, str], metric: str = "psnr"
) -> Comparison:
    """Compare two candidates over images that both were measured on.

    Parameters
    ----------
    candidate, baseline
        One value per image, in the same order; pairs with a value that is not finite are left out.
    names
        Of the two.
    metric
        What the values are.
    """
    from scipy.stats import binomtest

    pairs = np.array([candidate, baseline], dtype=np.float64)
    off = np.subtract(*pairs[:, np.isfinite(pairs).all(axis=0)])
    if off.size == 0:
        return Comparison(*names, metric, 0, nan, nan, nan, 0, 0, 1.0, "cannot tell")
    drawn = np.random.default_rng(0).integers(0, off.size, (_RESAMPLED, off.size))
    tail = 50 * (1 - _LEVEL)
    low, high = np.percentile(off[drawn].mean(axis=1), [tail, 100 - tail])
    better, worse = int((off > 0).sum()), int((off < 0).sum())
    p = float(binomtest(better, better + worse).pvalue) if better + worse else 1.0
    sure = p < 1 - _LEVEL
    beats: Verdict = "yes" if sure and low > 0 else "no" if sure and high < 0 else "cannot tell"
    return Comparison(*names, metric, off.size, float(off.mean()), float(low), float(high), better, worse, p, beats)
