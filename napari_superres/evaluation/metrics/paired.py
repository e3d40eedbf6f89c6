"""Is one candidate better than another over several images? Bootstrap interval, sign test, verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Literal

import numpy as np

Verdict = Literal["yes", "no", "cannot tell"]

_BOOTSTRAPS = 10_000
_LEVEL = 0.95

MIN_IMAGES = 6
"""Images from which a sign test can be significant: with five, p is at least 0.06."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Paired comparison of a candidate with a baseline.

    Attributes
    ----------
    candidate, baseline
        Names of the two.
    metric
        Name of the metric, of which a higher value is better.
    images
        Number of images on which both have a finite value.
    difference
        Mean of candidate minus baseline, in the unit of the metric.
    low, high
        95 % confidence interval of `difference`: percentiles of 10000 bootstrap samples of the images.
    better, worse
        Number of images on which the candidate is better, and worse.
    p
        P value of the two-sided sign test, without the images on which both are equal.
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
            return f"{self.candidate} against {self.baseline}: no image has a finite PSNR of both"
        if self.images == 1:
            text = f"{self.candidate} against {self.baseline}: {self.difference:+.2f} dB in one image"
            return f"{text}; too few images (1; {MIN_IMAGES} needed)"
        count = f"worse in {self.worse}" if self.worse > self.better else f"better in {self.better}"
        text = f"{self.candidate} against {self.baseline}: {self.difference:+.2f} dB, {count} of {self.images}"
        if self.images < MIN_IMAGES:
            return f"{text}; too few images ({self.images}; {MIN_IMAGES} needed) to tell whether it is better elsewhere"
        words = {"yes": "better", "no": "worse", "cannot tell": "cannot tell which is better"}
        interval = f"95 % interval {self.low:+.2f} to {self.high:+.2f}"
        return f"{text}: {words[self.beats]} ({interval}, sign test p = {self.p:.2g})"


def compare_paired(
    candidate: Sequence[float], baseline: Sequence[float], *, names: tuple[str, str], metric: str = "psnr"
) -> Comparison:
    """Compare a candidate with a baseline, image by image.

    Parameters
    ----------
    candidate, baseline
        One value per image, in the same order. Pairs with a value that is not finite are left out.
    names
        Names of candidate and baseline.
    metric
        Name of the metric, of which a higher value is better.
    """
    from scipy.stats import binomtest

    pairs = np.array([candidate, baseline], dtype=np.float64)
    differences = np.subtract(*pairs[:, np.isfinite(pairs).all(axis=0)])
    if differences.size == 0:
        return Comparison(*names, metric, 0, nan, nan, nan, 0, 0, 1.0, "cannot tell")
    draws = np.random.default_rng(0).integers(0, differences.size, (_BOOTSTRAPS, differences.size))
    tail = 50 * (1 - _LEVEL)
    low, high = np.percentile(differences[draws].mean(axis=1), [tail, 100 - tail])
    better, worse = int((differences > 0).sum()), int((differences < 0).sum())
    p = float(binomtest(better, better + worse).pvalue) if better + worse else 1.0
    significant = p < 1 - _LEVEL
    beats: Verdict = "yes" if significant and low > 0 else "no" if significant and high < 0 else "cannot tell"
    return Comparison(
        *names, metric, differences.size, float(differences.mean()), float(low), float(high), better, worse, p, beats
    )
