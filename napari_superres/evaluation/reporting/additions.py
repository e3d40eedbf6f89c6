"""Questions about what a result adds to its input: at some place, along its pixels, or in fine detail."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from napari_superres.core.image import Image
from napari_superres.evaluation.consistency import Consistency
from napari_superres.evaluation.consistency.grids import MAX_PEAK, MAX_SEAM, MAX_STRIPES, Grids
from napari_superres.evaluation.consistency.places import Place
from napari_superres.evaluation.reporting.channels import named, worst
from napari_superres.evaluation.reporting.questions import Answer, State
from napari_superres.evaluation.reporting.spots import Spot
from napari_superres.evaluation.resolution import RingCorrelation
from napari_superres.evaluation.resolution.shared_detail import SharedDetail

_DENIED_BY_REFERENCE = (3.5, 6.0)
"""Scores of the worst place above which it is doubtful, and denied. Honest results stay below 2.6."""

_CONFIRMED = (0.4, 0.65)
"""Shares of the detail beyond the input's pixels which the reference confirms, above which it is doubtful, and real.

Networks on noiseless images reached 0.8 or more on ten training images, invented texture of the right spectrum that
correlates by 0.6 at most 0.61. Below half, the detail does more harm than good.
"""

_LITTLE = 0.003
"""Share of the spectrum beyond the input's pixels below which a result claims no detail there."""

_MUCH = 0.02
"""Share of the spectrum beyond the input's pixels from which wrong detail is not merely doubtful."""

_MORE = 1.5
"""Multiple of the share that interpolation leaves there, below which a result adds hardly any."""

_EXCESS = (1.5, 4.0)
"""Powers of fine detail over coarser detail above which it is doubtful, and invented. Honest results: below 0.7."""


_HOLE_GROWS = 17
"""Edge in pixels of the square by which a hole of the input may have grown in the result."""


@dataclass(frozen=True, slots=True)
class Added:
    """Detail of one channel beyond the input's pixels.

    Attributes
    ----------
    detail
        What the reference says of it.
    usual
        Share of the interpolated input's spectrum there; 0 where that is unknown.
    """

    detail: SharedDetail
    usual: float

    @property
    def is_claimed(self) -> bool:
        """Whether there is more than a little, and more than interpolation leaves."""
        return self.detail.share >= max(_LITTLE, _MORE * self.usual)


def every_pixel(result: Image, others: Sequence[Image]) -> Answer | None:
    """Answer whether a result has a number at each pixel; None if it has.

    Parameters
    ----------
    result
        The result.
    others
        Its interpolated input, and its reference with all its pixels, as far as they are known, on its grid. Where one
        of them has a hole, the result may have it, too.
    """
    from scipy.ndimage import maximum_filter

    if result.dtype.kind != "f":
        return None
    missing = ~np.isfinite(np.asarray(result.data))
    if not missing.any():
        return None
    question = "Is every pixel there?"
    share = f"{100 * missing.mean():.2g} % of its pixels are not numbers"
    size = [_HOLE_GROWS if a in "YX" else 1 for a in result.axes]
    unexpected = missing
    for other in others:
        if other.shape == result.shape:
            unexpected = unexpected & ~maximum_filter(~np.isfinite(np.asarray(other.data)), size)
    if not unexpected.any():
        return Answer(question, "yes", f"{share}, where the input or the reference has none either")
    at = [f"{a} {i.min()} to {i.max()}" for a, i in zip(result.axes, np.nonzero(unexpected), strict=True)]
    reason = f"{share}, within {', '.join(at)}, where the input has numbers: nothing was checked there"
    return Answer(question, "no", f"{reason}; make it again, or mask these pixels")


def everywhere(wrong: Mapping[str, Place], sampled: str = "") -> Answer:
    """Answer whether no place of a result is much more wrong than interpolation is.

    Parameters
    ----------
    wrong
        The place of the largest error, by channel; none if it could not be measured.
    sampled
        Of which planes it is, if not of all.
    """
    question = "Is every place as right as interpolation?"
    one = worst(wrong, lambda p: p.score)
    if one is None:
        reason = "no input was given as `lr`, so there is no fair rival, or the field is too small"
        return Answer(question, "not measurable", reason)
    name, at = one
    limit = _DENIED_BY_REFERENCE[0]
    reason = f"its worst place differs by {at.score:.1f} times what interpolation leaves nearby (limit {limit:g})"
    reason = "; ".join([reason, *([sampled] if sampled else [])])
    if at.score <= limit:
        return Answer(question, "yes", named(name, reason))
    kind = "more" if at.difference > 0 else "less"
    reason += f", at {at.position}, over {at.edge} pixels: {kind} there than the reference shows"
    advice = "look at that place before you use it"
    return Answer(
        question, "no" if at.score > _DENIED_BY_REFERENCE[1] else "doubtful", named(name, f"{reason}; {advice}")
    )


def grids(found: Mapping[str, Grids], sampled: str, problem: str) -> Answer:
    """Answer whether nothing in a result follows its pixels instead of the sample.

    Parameters
    ----------
    found
        Grids, seams and stripes, by channel; none if they could not be measured.
    sampled
        Of which planes they are, if not of all.
    problem
        Why they could not be measured.
    """
    question = "Is it free of grids and seams?"
    one = worst(found, lambda g: g.excess)
    if one is None:
        return Answer(question, "not measurable", problem or "there is nothing to compare it with")
    name, g = one
    parts = [
        f"periodic pattern {g.pattern.peak:.3g} (limit {MAX_PEAK:g})",
        f"seams {g.seam:.1f} (limit {MAX_SEAM:g})",
        f"stripes {g.stripes:.1f} (limit {MAX_STRIPES:g})",
    ]
    if g.pattern.periodic:
        parts = [parts[0], "the specimen itself is periodic, so its own frequencies, steps and stripes were left out"]
    reason = "; ".join([", ".join(parts), *([sampled] if sampled else [])])
    if g.excess <= 1:
        return Answer(question, "yes", named(name, reason))
    if g.pattern.peak / MAX_PEAK == g.excess:
        periods = " x ".join("any" if p == inf else f"{p:.3g}" for p in g.pattern.period)
        kind = f"a pattern repeats every {periods} pixels, at {100 * g.pattern.amplitude:.1f} % of the contrast"
    elif g.seam / MAX_SEAM == g.excess:
        kind = f"it steps every {g.tile} pixels along {g.axis}, as tiles do"
    else:
        kind = "whole rows or columns differ from their neighbours"
    advice = "make it again with larger tiles or another model, and do not measure texture"
    return Answer(question, "no" if g.excess > 1.5 else "doubtful", named(name, f"{reason}: {kind}; {advice}"))


def supported(
    shared: Mapping[str, Added],
    excess: Mapping[str, tuple[float, Spot]],
    consistency: Mapping[str, Consistency],
    curves: tuple[RingCorrelation | None, RingCorrelation | None],
    placed: Answer | None,
    *,
    interpolated: bool = False,
) -> Answer:
    """Answer whether detail finer than the input's pixels is in the reference too.

    Parameters
    ----------
    shared
        By channel, the detail beyond the input's pixels; none without a reference or an input.
    excess
        By channel, the strength of fine detail over coarser detail at its strongest place, and that place.
    consistency
        The result compared with its input, for results without a reference.
    curves
        Ring correlation of result and reference, and of two recordings of the input.
    placed
        Answer of `place`; None without a reference.
    interpolated
        Whether the result is an interpolation of its input.
    """
    question = "Is the added fine detail real?"
    agreement, repeat = curves
    more = [] if repeat is None else [f"the input, of two recordings: {repeat.resolution()}"]
    strongest = worst(excess, lambda e: e[0])
    if strongest is not None and strongest[1][0] > _EXCESS[0] and not _confirmed(shared.get(strongest[0])):
        name, (value, at) = strongest
        reason = f"at {at} it has {value:.1f} times the power of coarser detail (limit {_EXCESS[0]:g}; edges have 0.5)"
        reason = named(name, f"{reason}: that is texture or noise, not detail of a lens; do not measure it")
        if name in shared:
            more.insert(0, _measured(shared[name].detail))
        return Answer(question, "no" if value > _EXCESS[1] else "doubtful", "; ".join([reason, *more]))
    if not shared:
        reason = _unsupported(consistency) if placed is None or consistency else _NO_SCALE
        reason = _INTERPOLATED if interpolated else reason
        return Answer(question, "not measurable", "; ".join([reason, *more]))
    if placed is not None and placed.state == "no":
        return Answer(question, "not measurable", "it does not lie on the reference: they cannot agree in detail")
    limit = None if agreement is None else agreement.agreement()
    if limit is not None and limit.value is None:
        more.insert(0, limit.reason)
    elif limit is not None:
        more.insert(0, f"result and reference agree on details larger than {limit.value:.3g} {limit.unit}")
    name, least = min(shared.items(), key=lambda item: (not item[1].is_claimed, item[1].detail.confirmed))
    detail = least.detail
    if not least.is_claimed:
        reason = f"it adds hardly any ({_amount(detail.share)}): it is denoised or sharpened, not finer"
        return Answer(question, "not measurable", "; ".join([named(name, reason), *more]))
    real, possible = (detail.confirmed >= limit for limit in reversed(_CONFIRMED))
    denied = not possible and detail.share >= _MUCH
    state: State = "yes" if real else "no" if denied else "doubtful"
    reason = _measured(detail)
    if state != "yes":
        reason += ": do not measure details smaller than an input pixel"
    return Answer(question, state, "; ".join([named(name, reason), *more]))


_INTERPOLATED = "the result is itself interpolated, so it adds no detail"

_NO_SCALE = "no finer result of a known input was given (`lr`), so it is not known which detail was added"


def _amount(share: float) -> str:
    return f"{100 * share:.2f} % of its spectrum lies beyond the input's pixels"


def _measured(detail: SharedDetail) -> str:
    low, high = (100 * limit for limit in _CONFIRMED)
    return (
        f"{_amount(detail.share)} and correlates with the reference's by {detail.correlation:.2f}, which confirms "
        f"{100 * min(max(detail.confirmed, 0.0), 1.0):.0f} % of it where it confirms least (limits {low:.0f} and "
        f"{high:.0f} %)"
    )


def _confirmed(added: Added | None) -> bool:
    return added is not None and added.detail.confirmed >= _CONFIRMED[1]


def _unsupported(consistency: Mapping[str, Consistency]) -> str:
    """Return why detail finer than the input's pixels can be neither confirmed nor denied."""
    one = worst(consistency, lambda c: c.invented)
    if one is None:
        return "neither a reference nor a finer result was given"
    share = _amount(one[1].invented)
    if one[1].invented < _LITTLE:
        return f"it adds hardly any ({share}): it is denoised or sharpened, not finer"
    return f"{share}; only a reference could confirm that, so it is a guess of the model"
