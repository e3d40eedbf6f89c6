"""Questions about what a result adds to its input: at some place, along its pixels, or in fine detail."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from napari_superres.evaluation.consistency import Consistency
from napari_superres.evaluation.consistency.grids import MAX_PEAK, MAX_SEAM, MAX_STRIPES, Grids
from napari_superres.evaluation.consistency.places import Place
from napari_superres.evaluation.reporting.channels import named, worst
from napari_superres.evaluation.reporting.questions import Answer, State
from napari_superres.evaluation.resolution import RingCorrelation

_DENIED_BY_REFERENCE = (3.5, 6.0)
"""Scores of the worst place above which it is doubtful, and denied. Honest results stay below 2.6."""

_REAL = (0.2, 0.4)
"""Correlations of the detail beyond the input's pixels above which it is doubtful, and real."""

_LITTLE = 0.002
"""Share of the spectrum beyond the input's pixels below which a result claims no detail there."""

_MUCH = 0.02
"""Share of the spectrum beyond the input's pixels from which wrong detail is not merely doubtful."""

_MORE = 1.5
"""Multiple of the share that interpolation leaves there, below which a result adds hardly any."""

_EXCESS = (1.5, 4.0)
"""Powers of fine detail over coarser detail above which it is doubtful, and invented. Honest results: below 0.7."""

MOST_NOISE = 0.8
"""Share of noise in the reference's finest detail above which it confirms and denies nothing."""


@dataclass(frozen=True, slots=True)
class Beyond:
    """What a channel of a result and its reference hold beyond the input's pixels.

    Attributes
    ----------
    share
        Share of the result's spectrum beyond their frequency.
    correlation
        Its correlation there with the reference's, corrected for the reference's noise.
    usual
        Share of the interpolated input's spectrum there.
    noise
        Share of noise in the reference's power there.
    """

    share: float
    correlation: float
    usual: float
    noise: float


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
        return Answer(question, "not measurable", "no input was given as `lr`, or the field is too small")
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
        f"periodic pattern {g.peak:.3g} (limit {MAX_PEAK:g})",
        f"seams {g.seam:.1f} (limit {MAX_SEAM:g})",
        f"stripes {g.stripes:.1f} (limit {MAX_STRIPES:g})",
    ]
    reason = "; ".join([", ".join(parts), *([sampled] if sampled else [])])
    if g.excess <= 1:
        return Answer(question, "yes", named(name, reason))
    if g.peak / MAX_PEAK == g.excess:
        periods = " x ".join("any" if p == inf else f"{p:.3g}" for p in g.period)
        kind = f"a pattern repeats every {periods} pixels, at {100 * g.amplitude:.1f} % of the contrast"
    elif g.seam / MAX_SEAM == g.excess:
        kind = f"it steps every {g.tile} pixels along {g.axis}, as tiles do"
    else:
        kind = "whole rows or columns differ from their neighbours"
    advice = "make it again with larger tiles or another model, and do not measure texture"
    return Answer(question, "no" if g.excess > 1.5 else "doubtful", named(name, f"{reason}: {kind}; {advice}"))


def supported(
    shared: Mapping[str, Beyond],
    excess: Mapping[str, tuple[float, str]],
    consistency: Mapping[str, Consistency],
    curves: tuple[RingCorrelation | None, RingCorrelation | None],
    placed: Answer | None,
) -> Answer:
    """Answer whether detail finer than the input's pixels is in the reference too.

    Parameters
    ----------
    shared
        By channel, what result and reference hold beyond the input's pixels; none without a reference or an input.
    excess
        By channel, the strength of fine detail over coarser detail at its strongest place, and that place.
    consistency
        The result compared with its input, for results without a reference.
    curves
        Ring correlation of result and reference, and of two recordings of the input.
    placed
        Answer of `place`; None without a reference.
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
            beyond = f"{100 * shared[name].share:.2f} % of its spectrum lies beyond the input's pixels"
            more.insert(0, f"{beyond} and correlates with the reference's by {shared[name].correlation:.2f}")
        return Answer(question, "no" if value > _EXCESS[1] else "doubtful", "; ".join([reason, *more]))
    if not shared:
        return Answer(question, "not measurable", "; ".join([_unsupported(consistency), *more]))
    if placed is not None and placed.state == "no":
        return Answer(question, "not measurable", "it does not lie on the reference: they cannot agree in detail")
    limit = None if agreement is None else agreement.agreement()
    if limit is not None and limit.value is None:
        more.insert(0, limit.reason)
    elif limit is not None:
        more.insert(0, f"result and reference agree on details larger than {limit.value:.3g} {limit.unit}")
    claimed = {n: s for n, s in shared.items() if s.share >= max(_LITTLE, _MORE * s.usual)}
    known = {n: s for n, s in claimed.items() if s.noise <= MOST_NOISE}
    name, found = min((known or claimed or shared).items(), key=lambda item: item[1].correlation)
    correlation = found.correlation
    reason = f"{100 * found.share:.2f} % of its spectrum lies beyond the input's pixels"
    if not claimed:
        reason = f"it adds hardly any ({reason}): it is denoised or sharpened, not finer"
        return Answer(question, "not measurable", "; ".join([named(name, reason), *more]))
    if not known:
        reason += f", where {100 * found.noise:.0f} % of the reference is noise (limit {100 * MOST_NOISE:g} %)"
        reason += ": give a reference with less noise"
        return Answer(question, "not measurable", "; ".join([named(name, reason), *more]))
    denied = correlation < _REAL[0] and found.share >= _MUCH
    state: State = "yes" if correlation >= _REAL[1] else "no" if denied else "doubtful"
    reason += f" and correlates with the reference's by {correlation:.2f} (limits {_REAL[0]:g} and {_REAL[1]:g})"
    if state != "yes":
        reason += ": do not measure details smaller than an input pixel"
    return Answer(question, state, "; ".join([named(name, reason), *more]))


def _confirmed(shared: Beyond | None) -> bool:
    return shared is not None and shared.correlation >= _REAL[1]


def _unsupported(consistency: Mapping[str, Consistency]) -> str:
    """Return why detail finer than the input's pixels can be neither confirmed nor denied."""
    one = worst(consistency, lambda c: c.invented)
    if one is None:
        return "neither a reference nor a finer result was given"
    share = f"{100 * one[1].invented:.2f} % of its spectrum lies beyond the input's pixels"
    if one[1].invented < _LITTLE:
        return f"it adds hardly any ({share}): it is denoised or sharpened, not finer"
    return f"{share}; only a reference could confirm that, so it is a guess of the model"
