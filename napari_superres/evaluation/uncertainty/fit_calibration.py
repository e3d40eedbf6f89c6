"""`calibrate` and `calibrate_folder`: find the factors of a `Calibration` from pairs with a known reference."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Unpack

import numpy as np
import numpy.typing as npt

from napari_superres.core.options import takes_options
from napari_superres.errors import EvaluationError, SettingsError, SuperResError
from napari_superres.evaluation.pairing import Trio, pair_files
from napari_superres.evaluation.registration.match import match
from napari_superres.evaluation.uncertainty.calibration import Binding, Calibration
from napari_superres.evaluation.uncertainty.conformal import (
    ROUNDING,
    Floats,
    check_levels,
    conformal_quantile,
    image_score,
    least_images,
    normalised_scores,
    risk_controlling_factor,
    useful_images,
)
from napari_superres.evaluation.uncertainty.failure import fit_failure
from napari_superres.evaluation.uncertainty.spread import SPREAD_DEFAULTS, SpreadOptions, iter_spread, load_models

if TYPE_CHECKING:
    from napari_superres.models import Model

_PIXELS = 100_000
"""Most pixels kept of an image."""

_MIN_PIXELS = 4
"""Fewest finite pixels of an image that can be used."""

_EPSILON = 0.01
"""Share of the truths' range that is added to every spread, so that none is 0."""

_TOLERANCE = 0.05
"""Share of the truths' range by which a pixel may be off, unless a tolerance is given."""

_FACTORS = 2001
"""Number of factors that the coverage curve is evaluated at."""


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
    tolerance: float | None = None,
    binding: Binding,
) -> Calibration:
    """Find the factors that turn a spread into intervals.

    Parameters
    ----------
    pairs
        Prediction, spread (standard deviation) and truth of each image: arrays of one shape, in one intensity unit.
        An offset or gain between prediction and truth counts as error. The images must be independent: planes of one
        stack are not. They are read one by one; at most 100,000 finite pixels of each are kept, drawn with a fixed
        seed (shares of pixels are within 0.2 % of those of the whole image).
    alpha
        Share of pixels that may lie outside the intervals.
    delta
        Probability that the bound B may fail.
    tolerance
        Error, in the intensity unit, from which a pixel counts as failed, for the failure mask; by default 5 % of the
        range of all truths together.
    binding
        The model and images of the pairs.

    Returns
    -------
    Calibration
        Its ``epsilon`` is 1 % of the range (0.1 to 99.9 percentile) of all truths together. It is taken from the same
        images, a dependence that the guarantees neglect.

    Raises
    ------
    EvaluationError
        If there are fewer than two pairs, or arrays do not fit.
    SettingsError
        If alpha or delta is not between 0 and 1.
    """
    check_levels(alpha, delta)
    return _fit([_sample_pixels(*pair) for pair in pairs], alpha, delta, tolerance, binding)


@takes_options(SpreadOptions, SPREAD_DEFAULTS)
def calibrate_folder(
    lr_dir: str | Path,
    ref_dir: str | Path,
    model: "str | Path | Model | Sequence[str | Path | Model]",
    *,
    alpha: float = 0.1,
    delta: float = 0.1,
    tolerance: float | None = None,
    tta: bool = True,
    modality: str | None = None,
    **options: Unpack[SpreadOptions],
) -> Calibration:
    """Calibrate a model on a folder of low-resolution images and one of their reference scans.

    Parameters
    ----------
    lr_dir, ref_dir
        Folders. An input ``cells.tif`` or ``cells_lr.tif`` belongs to the reference ``cells`` of any format. The
        images must be independent, and the model must not have been trained on them.
    model
        One or several models, as in `spread`.
    alpha
        Share of pixels that may lie outside the intervals.
    delta
        Probability that the guarantee for the mean share of pixels outside the error bars fails.
    tolerance
        Error, in the intensity unit, from which a pixel counts as failed, for the failure mask; by default 5 % of the
        references' range.
    tta
        Flip the images, as in `spread`.
    modality
        Kind of images; that of the model by default.
    **options
        Options of the runs.

    Returns
    -------
    Calibration
        Its ``binding`` spans all images; ``notes`` lists missing partners, images that failed, and notes on the runs.

    Raises
    ------
    EvaluationError
        If fewer than two pairs could be used.
    SettingsError
        If alpha or delta is not between 0 and 1, or an option does not fit.
    """
    from napari_superres.io import InputPath

    check_levels(alpha, delta)
    models = load_models(model)
    samples: list[_Sample] = []
    bindings: list[Binding] = []
    inputs, references = InputPath(lr_dir), InputPath(ref_dir)
    trios, unpaired = pair_files(None, references, inputs)
    notes = [f"{u.name}: {u.reason}" for u in unpaired]
    for trio in trios:
        try:
            sample, binding, remarks = _measure_pair(trio, models, tta, modality, options)
            if bindings and binding.kind != bindings[0].kind:
                raise EvaluationError(f"spread of {binding.members} results, others of {bindings[0].members}")
        except SettingsError:
            raise
        except SuperResError as error:
            notes.append(f"{trio.name}: {error}")
            continue
        samples.append(sample)
        bindings.append(binding)
        notes += [f"{trio.name}: {remark}" for remark in remarks]
    if len(samples) < 2:
        raise EvaluationError(
            f"a calibration needs at least 2 pairs ({least_images(alpha, delta)} for the bound), got {len(samples)} "
            f"from {inputs} and {references}. {'; '.join(notes[:3])}"
        )
    binding = replace(
        bindings[0],
        pixel_size=_span([b.pixel_size for b in bindings]),
        intensity_range=_span([b.intensity_range for b in bindings]),
    )
    found = _fit(samples, alpha, delta, tolerance, binding)
    return replace(found, notes=(*notes, *found.notes))


def _measure_pair(
    trio: Trio, models: "Sequence[Model]", tta: bool, modality: str | None, options: SpreadOptions
) -> tuple[_Sample, Binding, tuple[str, ...]]:
    """Return the pixels of a pair, its binding, and notes."""
    from napari_superres.io import read_image

    assert trio.lr is not None
    spread = deque(iter_spread(read_image(trio.lr), models, tta=tta, **options), maxlen=1).pop()
    assert spread is not None
    reference = read_image(trio.reference)
    binding = Binding.of(spread, modality=modality)
    pair, width = match(spread.mean, reference), match(spread.deviation, reference)
    sample = _sample_pixels(pair.result.data, width.result.data, pair.reference.data)
    return sample, binding, (*spread.notes, *pair.notes)


def _sample_pixels(prediction: npt.ArrayLike, deviation: npt.ArrayLike, truth: npt.ArrayLike) -> _Sample:
    arrays = [np.asarray(a) for a in (prediction, deviation, truth)]
    shapes = [a.shape for a in arrays]
    if len(set(shapes)) > 1:
        raise EvaluationError(f"prediction, spread and truth must have one shape, got {shapes}.")
    finite = np.flatnonzero(np.logical_and.reduce([np.isfinite(a).ravel() for a in arrays]))
    if finite.size > _PIXELS:
        finite = np.random.default_rng(0).choice(finite, _PIXELS, replace=False)
    sample = _Sample(*(a.ravel()[finite].astype(np.float64) for a in arrays))
    if finite.size < _MIN_PIXELS:
        raise EvaluationError(f"an image needs at least {_MIN_PIXELS} finite pixels, got {finite.size}.")
    if sample.deviation.min() < 0:
        raise EvaluationError(f"a spread must be at least 0, got {sample.deviation.min():.4g}.")
    return sample


def _fit(
    samples: Sequence[_Sample], alpha: float, delta: float, tolerance: float | None, binding: Binding
) -> Calibration:
    if len(samples) < 2:
        raise EvaluationError(f"a calibration needs at least 2 pairs, got {len(samples)}.", remedy="Give more pairs.")
    ends = np.array([np.percentile(s.truth, [0.1, 99.9]) for s in samples])
    epsilon = _EPSILON * float(ends[:, 1].max() - ends[:, 0].min())
    if epsilon <= 0:
        raise EvaluationError(
            "the truth is one constant in all images, so it has no range.", remedy="Give other pairs."
        )
    scores = [normalised_scores(*s, epsilon) for s in samples]
    q = conformal_quantile([image_score(s, alpha) for s in scores], alpha)
    try:
        lam, reason = risk_controlling_factor(scores, alpha, delta), ""
    except SettingsError as error:
        lam, reason = None, str(error)
    factor = q if lam is None else lam
    failure = fit_failure(
        [np.abs(s.truth - s.prediction) for s in samples],
        [s.deviation for s in samples],
        _TOLERANCE / _EPSILON * epsilon if tolerance is None else tolerance,
        alpha,
    )
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
        notes=_advice(scores, alpha, delta, factor, float(width.mean())),
        failure=failure,
    )


def _advice(scores: Sequence[Floats], alpha: float, delta: float, factor: float, width: float) -> tuple[str, ...]:
    """Return how many images would make intervals and masks useful, and how narrow intervals would be then."""
    n, (wanted, for_masks) = len(scores), useful_images(alpha, delta)
    if n >= wanted:
        return ()
    later = 2 * risk_controlling_factor(scores, alpha, delta, images=wanted) * width
    now = "are infinitely wide" if factor == inf else f"are {2 * factor * width:.4g} wide"
    if (inside := float(np.mean([(s <= factor).mean() for s in scores]))) > 1 - alpha / 2:
        now += f" and hold {100 * inside:.4g} % of the pixels where {100 * (1 - alpha):.0f} % were asked for"
    then = (
        f"{later:.4g} wide"
        if later < 0.98 * 2 * factor * width
        else "hardly narrower, as images differ from each other"
    )
    masks = "" if n >= for_masks else f"; failure masks need about {for_masks}"
    return (f"with {n} images the intervals {now}; with about {wanted} images like these, {then}{masks}",)


def _curve(scores: Sequence[Floats]) -> tuple[tuple[float, float], ...]:
    """Return nominal and measured coverage, each image with the factor of all others."""
    factors = np.quantile(np.concatenate(scores), np.linspace(0, 1, _FACTORS))
    share = np.array([np.searchsorted(np.sort(s), factors, side="right") / s.size for s in scores])
    others = (share.sum(axis=0) - share) / (len(scores) - 1)
    levels = np.arange(1, 10) / 10
    first = [np.argmax(others >= level - ROUNDING, axis=1) for level in levels]
    return tuple(
        (float(level), float(share[range(len(share)), at].mean())) for level, at in zip(levels, first, strict=True)
    )


def _by_quarter(key: Floats, inside: npt.NDArray[np.bool_]) -> tuple[float, ...]:
    return tuple(float(inside[part].mean()) for part in np.array_split(np.argsort(key, kind="stable"), 4))


def _rank_correlation(samples: Sequence[_Sample]) -> float | None:
    from scipy.stats import rankdata

    correlations = []
    for s in samples:
        ranks = rankdata(s.deviation), rankdata(np.abs(s.truth - s.prediction))
        if all(np.ptp(r) > 0 for r in ranks):
            correlations.append(np.corrcoef(*ranks)[0, 1])
    return float(np.clip(np.mean(correlations), -1, 1)) if correlations else None


def _span(ranges: Sequence[tuple[float, float] | None]) -> tuple[float, float] | None:
    """Return the range that holds all ranges; None if one is unknown."""
    known = [r for r in ranges if r is not None]
    return (min(r[0] for r in known), max(r[1] for r in known)) if len(known) == len(ranges) else None
