"""Intervals with a guarantee: the spread of results, scaled by what pairs with a reference show of their errors.

Split conformal intervals, normalised: Papadopoulos et al., ECML 2002, doi:10.1007/3-540-36755-1_29; Lei et al.,
J. Am. Stat. Assoc. 2018, doi:10.1080/01621459.2017.1307116. Risk control: Bates et al., J. ACM 2021,
doi:10.1145/3478535; on images: Angelopoulos et al., ICML 2022, doi:10.48550/arXiv.2202.05265.

The unit is the image, never the pixel: the pixels of an image share its errors, and an interval calibrated on the
pooled pixels of a few images covers less than it says. With ``f`` the mean and ``u`` the deviation of a
`disagreement.Spread`, intervals are ``f - c (u + epsilon)`` to ``f + c (u + epsilon)``, with one of two factors.

A, ``q``
    With probability 1 - alpha, over calibration images and a new one together, at least the share 1 - alpha of the
    pixels of the new image lies inside. From 9 images on, at alpha 0.1.
B, ``lam``
    With probability 1 - delta over the calibration images, the share of pixels outside is at most alpha in the mean
    over new images. From 22 images on, at alpha and delta 0.1.

Both hold for images that are exchangeable with those of the calibration, for no single pixel, and not for a
feature of interest, such as a small bright object, where errors may gather.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import ceil, inf, log
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_superres.errors import EvaluationError, SettingsError, SuperResError
from napari_superres.evaluation.folder import pair_by_stem
from napari_superres.evaluation.registration.match import match
from napari_superres.evaluation.uncertainty.calibration import Binding, Calibration, intervals
from napari_superres.evaluation.uncertainty.spread import loaded_models, spread

if TYPE_CHECKING:
    from napari_superres.models import Model

__all__ = [
    "Binding",
    "Calibration",
    "calibrate",
    "calibrate_folder",
    "conformal_quantile",
    "hoeffding_bentkus",
    "image_score",
    "intervals",
    "least_images",
    "normalised_scores",
    "risk_controlling_factor",
]

Floats = npt.NDArray[np.float64]

_PIXELS = 100_000
_LEAST_PIXELS = 4
_EPSILON = 0.01
_ROUNDING = 1e-9
_FACTORS = 2001


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
    _check_levels(alpha)
    values = np.ravel(np.asarray(scores, dtype=np.float64))
    if np.isnan(values).any():
        raise EvaluationError("scores must be numbers, got NaN. Leave out pixels that are not finite.")
    k = max(1, ceil((values.size + 1) * (1 - alpha) - _ROUNDING))
    return inf if k > values.size else float(np.partition(values, k - 1)[k - 1])


def hoeffding_bentkus(risk: float, n: int, delta: float) -> float:
    """Return the bound that the expected loss exceeds with probability `delta` at most.

    The smaller of Hoeffding's bound in its relative-entropy form and Bentkus's (Bates et al. 2021).

    Parameters
    ----------
    risk
        Mean of `n` independent losses, each 0 to 1.
    n
        Number of losses, at least 1.
    delta
        Between 0 and 1.
    """
    from scipy.optimize import brentq
    from scipy.special import bdtr, rel_entr

    _check_levels(delta)
    if n < 1 or not 0 <= risk <= 1:
        raise SettingsError(f"a bound needs n >= 1 losses of 0 to 1 in the mean, got n={n} and {risk}.")

    def excess(mu: float) -> float:
        seen = min(risk, mu)
        hoeffding = -n * (rel_entr(seen, mu) + rel_entr(1 - seen, 1 - mu))
        with np.errstate(divide="ignore"):
            bentkus = np.log(bdtr(ceil(n * risk - _ROUNDING), n, mu)) + 1
        return float(max(min(hoeffding, bentkus), -1e6) - log(delta))

    top = 1 - 1e-12
    return 1.0 if risk >= top or excess(top) > 0 else float(brentq(excess, risk, top))


def least_images(alpha: float, delta: float) -> int:
    """Return the images that factor B needs: fewer leave a bound above `alpha` even without any error."""
    _check_levels(alpha, delta)
    return max(1, ceil(log(delta) / log(1 - alpha) - _ROUNDING))


def risk_controlling_factor(scores: Sequence[Floats], alpha: float, delta: float) -> float:
    """Return the least factor whose share of pixels outside is bounded by `alpha`, with probability 1 - `delta`.

    The loss of an image is its share of scores above the factor. From large factors to small ones, the last before
    `hoeffding_bentkus` of the mean loss exceeds `alpha`.

    Parameters
    ----------
    scores
        `normalised_scores` of each image.
    alpha, delta
        Between 0 and 1.

    Raises
    ------
    SettingsError
        If there are fewer images than `least_images`.
    """
    n, needed = len(scores), least_images(alpha, delta)
    if n < needed:
        raise SettingsError(
            f"a bound on the share of pixels outside (alpha {alpha:g}, delta {delta:g}) needs at least {needed} "
            f"images, got {n}. Calibrate on more images, or allow a larger alpha or delta."
        )
    values = np.concatenate([np.ravel(s) for s in scores])
    weights = np.concatenate([np.full(np.size(s), 1 / (n * np.size(s))) for s in scores])
    order = np.argsort(values)
    risks = np.clip(1 - np.cumsum(weights[order]), 0, 1)
    risks[-1] = 0
    first = bisect_left(risks, True, key=lambda risk: hoeffding_bentkus(float(risk), n, delta) <= alpha)
    return float(values[order[first]])


class _Sample(NamedTuple):
    """Pixels of one image, finite ones only, in float64."""

    prediction: Floats
    deviation: Floats
    truth: Floats


def calibrate(
    pairs: Iterable[tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike]],
    *,
    alpha: float = 0.1,
    delta: float = 0.1,
    binding: Binding,
) -> Calibration:
    """Find the factors that make intervals of a spread.

    Parameters
    ----------
    pairs
        Prediction, spread (standard deviation) and truth of each image: arrays of one shape, in one intensity
        unit, an offset or gain between prediction and truth counts as error. Read one by one; of each at most
        100,000 finite pixels are kept, drawn with a fixed seed, so that shares are those of the drawn pixels
        (within 0.2 % of the image's). The images must be independent: planes of one stack are not.
    alpha, delta
        Share of pixels that may lie outside; probability with which the bound B may fail.
    binding
        What the pairs are of.

    Returns
    -------
    Calibration
        Its ``epsilon`` is 1 % of the range (0.1 to 99.9 percentile) of all truths together. That it comes from
        the same images is a dependence that the guarantees neglect.

    Raises
    ------
    EvaluationError
        If there are fewer than two pairs, or arrays do not fit.
    SettingsError
        If alpha or delta is not between 0 and 1.
    """
    _check_levels(alpha, delta)
    return _fitted([_sampled(*pair) for pair in pairs], alpha, delta, binding)


def calibrate_folder(
    lr_dir: str | Path,
    ref_dir: str | Path,
    model: "str | Path | Model | Sequence[str | Path | Model]",
    *,
    alpha: float = 0.1,
    delta: float = 0.1,
    tta: bool = True,
    modality: str | None = None,
    **options: Any,
) -> Calibration:
    """Calibrate a model on a folder of low-resolution images and one of their reference scans.

    Parameters
    ----------
    lr_dir, ref_dir
        Folders. An input ``cells.tif`` or ``cells_lr.tif`` belongs to the reference ``cells`` of any format.
        Images must be independent, and none the model was trained on.
    model, tta, **options
        As `disagreement.spread`.
    alpha, delta
        As `calibrate`.
    modality
        Kind of images; the model's by default.

    Returns
    -------
    Calibration
        ``notes`` lists missing partners and images that failed; ``binding`` spans all images.

    Raises
    ------
    EvaluationError
        If fewer than two pairs could be used.
    """
    from napari_superres.io import read_image

    _check_levels(alpha, delta)
    models = loaded_models(model)
    samples: list[_Sample] = []
    bindings: list[Binding] = []
    found, notes = _pairs(Path(lr_dir), Path(ref_dir))
    for name, low, high in found:
        try:
            made, reference = spread(read_image(low), models, tta=tta, **options), read_image(high)
            bound = Binding.of(made, modality=modality)
            if bindings and bound.kind != bindings[0].kind:
                raise EvaluationError(f"spread of {bound.members} results, others of {bindings[0].members}")
            pair, width = match(made.mean, reference), match(made.deviation, reference)
            sample = _sampled(pair.result.data, width.result.data, pair.reference.data)
        except SettingsError:
            raise
        except SuperResError as error:
            notes.append(f"{name}: {error}")
            continue
        samples.append(sample)
        bindings.append(bound)
        notes += [f"{name}: {note}" for note in pair.notes]
    if len(samples) < 2:
        raise EvaluationError(
            f"a calibration needs at least 2 pairs ({least_images(alpha, delta)} for the bound), got {len(samples)} "
            f"from {lr_dir} and {ref_dir}. {'; '.join(notes[:3])}"
        )
    made_of = replace(
        bindings[0],
        pixel_size=_spanned([b.pixel_size for b in bindings]),
        intensity_range=_spanned([b.intensity_range for b in bindings]),
    )
    return replace(_fitted(samples, alpha, delta, made_of), notes=tuple(notes))


def _check_levels(*levels: float) -> None:
    for level in levels:
        if not 0 < level < 1:
            raise SettingsError(f"alpha and delta must lie between 0 and 1, got {level!r}. Usual is 0.1.")


def _sampled(prediction: npt.ArrayLike, deviation: npt.ArrayLike, truth: npt.ArrayLike) -> _Sample:
    arrays = [np.asarray(a) for a in (prediction, deviation, truth)]
    shapes = [a.shape for a in arrays]
    if len(set(shapes)) > 1:
        raise EvaluationError(f"prediction, spread and truth must have one shape, got {shapes}.")
    finite = np.flatnonzero(np.logical_and.reduce([np.isfinite(a).ravel() for a in arrays]))
    if finite.size > _PIXELS:
        finite = np.random.default_rng(0).choice(finite, _PIXELS, replace=False)
    sample = _Sample(*(a.ravel()[finite].astype(np.float64) for a in arrays))
    if finite.size < _LEAST_PIXELS:
        raise EvaluationError(f"an image needs at least {_LEAST_PIXELS} finite pixels, got {finite.size}.")
    if sample.deviation.min() < 0:
        raise EvaluationError(f"a spread must be at least 0, got {sample.deviation.min():.4g}.")
    return sample


def _fitted(samples: Sequence[_Sample], alpha: float, delta: float, binding: Binding) -> Calibration:
    if len(samples) < 2:
        raise EvaluationError(f"a calibration needs at least 2 pairs, got {len(samples)}. Give more pairs.")
    ends = np.array([np.percentile(s.truth, [0.1, 99.9]) for s in samples])
    epsilon = _EPSILON * float(ends[:, 1].max() - ends[:, 0].min())
    if epsilon <= 0:
        raise EvaluationError("the truth is one constant in all images, so there is no range. Give other pairs.")
    scores = [normalised_scores(*s, epsilon) for s in samples]
    q = conformal_quantile([image_score(s, alpha) for s in scores], alpha)
    try:
        lam, reason = risk_controlling_factor(scores, alpha, delta), ""
    except SettingsError as error:
        lam, reason = None, str(error)
    factor = q if lam is None else lam
    inside = np.concatenate(scores) <= factor
    width = np.concatenate([s.deviation for s in samples]) + epsilon
    return Calibration(
        alpha=alpha,
        delta=delta,
        images=len(samples),
        q=q,
        lam=lam,
        reason=reason,
        epsilon=epsilon,
        binding=binding,
        curve=_curve(scores),
        by_intensity=_by_quarter(np.concatenate([s.prediction for s in samples]), inside),
        by_spread=_by_quarter(width, inside),
        mean_width=2 * factor * float(width.mean()),
        rank_correlation=_rank_correlation(samples),
    )


def _curve(scores: Sequence[Floats]) -> tuple[tuple[float, float], ...]:
    """Return nominal and found coverage, each image with the factor of all others."""
    factors = np.quantile(np.concatenate(scores), np.linspace(0, 1, _FACTORS))
    share = np.array([np.searchsorted(np.sort(s), factors, side="right") / s.size for s in scores])
    others = (share.sum(axis=0) - share) / (len(scores) - 1)
    levels = np.arange(1, 10) / 10
    first = [np.argmax(others >= level - _ROUNDING, axis=1) for level in levels]
    return tuple(
        (float(level), float(share[range(len(share)), at].mean())) for level, at in zip(levels, first, strict=True)
    )


def _by_quarter(key: Floats, inside: npt.NDArray[np.bool_]) -> tuple[float, ...]:
    return tuple(float(inside[part].mean()) for part in np.array_split(np.argsort(key, kind="stable"), 4))


def _rank_correlation(samples: Sequence[_Sample]) -> float | None:
    from scipy.stats import rankdata

    found = []
    for s in samples:
        ranks = rankdata(s.deviation), rankdata(np.abs(s.truth - s.prediction))
        if all(np.ptp(r) > 0 for r in ranks):
            found.append(np.corrcoef(*ranks)[0, 1])
    return float(np.clip(np.mean(found), -1, 1)) if found else None


def _pairs(lr_dir: Path, ref_dir: Path) -> tuple[list[tuple[str, Path, Path]], list[str]]:
    """Return name, input and reference of each pair, and what has no partner."""
    from napari_superres.io import find_images, safe_name, stem

    inputs, references = ({stem(p): Path(p) for p in find_images(folder)} for folder in (lr_dir, ref_dir))
    partner = pair_by_stem(list(inputs), list(references))
    pairs = [(safe_name(inputs[n]), inputs[n], references[p]) for n, p in partner.items() if p is not None]
    notes = [f"{safe_name(inputs[n])}: no reference of this name" for n, p in partner.items() if p is None]
    unused = [n for n in references if n not in set(partner.values())]
    return pairs, notes + [f"{safe_name(references[n])}: no input of this name" for n in unused]


def _spanned(ranges: Sequence[tuple[float, float] | None]) -> tuple[float, float] | None:
    """Return the range of all ranges; None where one is unknown."""
    known = [r for r in ranges if r is not None]
    return (min(r[0] for r in known), max(r[1] for r in known)) if len(known) == len(ranges) else None
