"""Intervals with a guarantee: the spread of results, scaled by the errors that pairs with a reference show.

Split conformal intervals, normalised: Papadopoulos et al., ECML 2002, doi:10.1007/3-540-36755-1_29; Lei et al.,
J. Am. Stat. Assoc. 2018, doi:10.1080/01621459.2017.1307116. Risk control: Bates et al., J. ACM 2021,
doi:10.1145/3478535; on images: Angelopoulos et al., ICML 2022, doi:10.48550/arXiv.2202.05265.

The unit is the image, never the pixel: the pixels of an image share its errors, and an interval calibrated on the
pooled pixels of a few images covers less than it promises. With ``f`` the mean and ``u`` the deviation of a
`spread.Spread`, intervals are ``f - c (u + epsilon)`` to ``f + c (u + epsilon)``, with one of two factors.

A, ``q``
    With probability 1 - alpha, over calibration images and a new one together, at least the share 1 - alpha of the
    pixels of the new image lies inside. From 9 images on, at alpha 0.1.
B, ``lam``
    With probability 1 - delta over the calibration images, the share of pixels outside is at most alpha in the mean
    over new images. From 22 images on, at alpha and delta 0.1.

Other losses are bounded in the mean over calibration images and a new one together, by conformal risk control
(Angelopoulos, Bates, Fisch, Lei and Schuster, ICLR 2024, doi:10.48550/arXiv.2208.02814): `risk_threshold`. It needs 9
images at alpha 0.1.

All hold for images that are exchangeable with those of the calibration, for no single pixel, and not for a
feature of interest, such as a small bright object, where errors may gather.
"""

from bisect import bisect_left
from collections.abc import Sequence
from math import ceil, inf, log

import numpy as np
import numpy.typing as npt

from napari_superres.errors import EvaluationError, SettingsError

Floats = npt.NDArray[np.float64]

ROUNDING = 1e-9
"""Tolerance where a product of floats decides between two whole numbers."""


def normalised_scores(
    prediction: npt.ArrayLike, deviation: npt.ArrayLike, truth: npt.ArrayLike, epsilon: float
) -> Floats:
    """Return ``|truth - prediction| / (deviation + epsilon)``, pixel by pixel.

    Where single pixels are exchangeable (independent noise, one pixel per image), the `conformal_quantile` of
    these is the factor whose intervals cover a pixel with probability 1 - alpha; in an image they are not.
    """
    f, u, y = (np.asarray(a, dtype=np.float64) for a in (prediction, deviation, truth))
    return np.asarray(np.abs(y - f) / (u + epsilon))


def image_score(scores: Floats, alpha: float) -> float:
    """Return the least factor that covers the share ``1 - alpha`` of an image's pixels."""
    return float(np.quantile(np.asarray(scores), 1 - alpha, method="inverted_cdf"))


def conformal_quantile(scores: npt.ArrayLike, alpha: float) -> float:
    """Return the k-th smallest of n scores, k = ceil((n + 1)(1 - alpha)); infinite where k > n.

    A further score that is exchangeable with these exceeds it with probability alpha at most.

    Raises
    ------
    SettingsError
        If alpha is not between 0 and 1.
    EvaluationError
        If a score is NaN.
    """
    check_levels(alpha)
    values = np.ravel(np.asarray(scores, dtype=np.float64))
    if np.isnan(values).any():
        raise EvaluationError("scores must be numbers, got NaN.", remedy="Leave out pixels that are not finite.")
    k = max(1, ceil((values.size + 1) * (1 - alpha) - ROUNDING))
    return inf if k > values.size else float(np.partition(values, k - 1)[k - 1])


def hoeffding_bentkus(risk: float, n: int, delta: float) -> float:
    """Return a bound that the expected loss exceeds with a probability of at most `delta`.

    It is the smaller of Hoeffding's bound in its relative-entropy form and Bentkus's (Bates et al. 2021).

    Parameters
    ----------
    risk
        Mean of `n` independent losses, each 0 to 1.
    n
        Number of losses, at least 1.
    delta
        Probability, between 0 and 1.

    Raises
    ------
    SettingsError
        If `risk`, `n` or `delta` is out of range.
    """
    from scipy.optimize import brentq
    from scipy.special import bdtr, rel_entr

    check_levels(delta)
    if n < 1 or not 0 <= risk <= 1:
        raise SettingsError(f"a bound needs n >= 1 losses with a mean of 0 to 1, got n={n} and {risk}.")

    def excess(mu: float) -> float:
        low = min(risk, mu)
        hoeffding = -n * (rel_entr(low, mu) + rel_entr(1 - low, 1 - mu))
        with np.errstate(divide="ignore"):
            bentkus = np.log(bdtr(ceil(n * risk - ROUNDING), n, mu)) + 1
        return float(max(min(hoeffding, bentkus), -1e6) - log(delta))

    top = 1 - 1e-12
    return 1.0 if risk >= top or excess(top) > 0 else float(brentq(excess, risk, top))


def least_images(alpha: float, delta: float) -> int:
    """Return how many images factor B needs: with fewer, the bound exceeds `alpha` even without any error."""
    check_levels(alpha, delta)
    return max(1, ceil(log(delta) / log(1 - alpha) - ROUNDING))


def risk_controlling_factor(
    scores: Sequence[Floats], alpha: float, delta: float, *, images: int | None = None
) -> float:
    """Return the least factor that bounds the share of pixels outside by `alpha` with probability 1 - `delta`.

    The loss of an image is its share of scores above the factor. Of all factors, from large to small, it is the last
    one before the `hoeffding_bentkus` bound of the mean loss exceeds `alpha`.

    Parameters
    ----------
    scores
        `normalised_scores` of each image.
    alpha, delta
        Between 0 and 1.
    images
        Number of images for the bound, to foresee the factor of more images that err alike; by default that of
        `scores`.

    Raises
    ------
    SettingsError
        If there are fewer images than `least_images`.
    """
    n, needed = len(scores) if images is None else images, least_images(alpha, delta)
    if n < needed:
        raise SettingsError(
            f"a bound on the share of pixels outside (alpha {alpha:g}, delta {delta:g}) needs at least {needed} "
            f"images, got {n}.",
            remedy="Calibrate on more images, or with a larger `alpha` or `delta`.",
        )
    values = np.concatenate([np.ravel(s) for s in scores])
    weights = np.concatenate([np.full(np.size(s), 1 / (len(scores) * np.size(s))) for s in scores])
    order = np.argsort(values)
    risks = np.clip(1 - np.cumsum(weights[order]), 0, 1)
    risks[-1] = 0
    first = bisect_left(risks, True, key=lambda risk: hoeffding_bentkus(float(risk), n, delta) <= alpha)
    return float(values[order[first]])


def risk_threshold(scores: Sequence[npt.ArrayLike], totals: Sequence[int], alpha: float) -> float:
    """Return the least threshold above which at most the share `alpha` of an image's items lies, in expectation.

    The loss of an image is the number of its scores above the threshold, divided by its total. Over the calibration
    images and a new one together, its mean is at most `alpha`: conformal risk control with losses of at most 1.

    Parameters
    ----------
    scores
        Scores of the items that count as errors, for each image.
    totals
        What their number is divided by, for each image: at least that number. 0 where there is nothing to err in.
    alpha
        Between 0 and 1.

    Returns
    -------
    float
        ``-inf`` if every score may lie above it; ``inf`` if there are fewer images than `least_images_in_the_mean`.

    Raises
    ------
    SettingsError
        If alpha is not between 0 and 1.
    """
    check_levels(alpha)
    n = len(scores)
    allowed = alpha * (n + 1) - 1  # of the sum of losses; a new image may lose everything
    if allowed < -ROUNDING:
        return inf
    values = np.concatenate([np.ravel(np.asarray(s, dtype=np.float64)) for s in scores])
    weights = np.concatenate([np.full(np.size(s), 1 / max(t, 1)) for s, t in zip(scores, totals, strict=True)])
    order = np.argsort(values)[::-1]
    values = values[order]
    # Equal scores are above a threshold together, so the sum is looked up behind the last of them.
    above = np.cumsum(weights[order])[np.searchsorted(-values, -values, side="right") - 1]
    too_many = above > allowed + ROUNDING
    return float(values[int(too_many.argmax())]) if too_many.any() else -inf


def least_images_in_the_mean(alpha: float) -> int:
    """Return how many images `risk_threshold` needs: with fewer, a new one that loses everything exceeds `alpha`."""
    check_levels(alpha)
    return max(1, ceil(1 / alpha - 1 - ROUNDING))


def useful_images(alpha: float, delta: float) -> tuple[int, int]:
    """Return from how many images on bounds are no longer far too strict: factor B, and `risk_threshold`.

    With so many, the images themselves may err half as often as a new one may. With fewer, intervals and masks are much
    larger than promised; with the least number that a bound needs, the images must not err at all.
    """
    check_levels(alpha, delta)
    n = least_images(alpha, delta)
    while hoeffding_bentkus(alpha / 2, n, delta) > alpha:
        n += 1
    return n, max(1, ceil(2 * (1 - alpha) / alpha - ROUNDING))


def check_levels(*levels: float) -> None:
    """Refuse shares and probabilities that are not between 0 and 1.

    Raises
    ------
    SettingsError
        If one is not.
    """
    for level in levels:
        if not 0 < level < 1:
            raise SettingsError(
                f"alpha and delta must lie between 0 and 1, got {level!r}.", remedy="A usual value is 0.1."
            )
