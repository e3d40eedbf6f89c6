"""The questions that a report answers, one function each; "not measurable" is an answer too.

Every answer has a reason: the measure, its limit, and what follows. Of several channels, the worst one decides, and is
named. Settings stand in backticks, as in errors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal

import numpy as np

from napari_superres.core.image import Image
from napari_superres.evaluation.consistency import Consistency
from napari_superres.evaluation.consistency.kept import Kept
from napari_superres.evaluation.consistency.places import Place
from napari_superres.evaluation.metrics.full_reference import pearson
from napari_superres.evaluation.metrics.linearity import Linearity
from napari_superres.evaluation.registration.register import ALONG_LINES, MIN_CORRELATION, Registration
from napari_superres.evaluation.reporting.channels import named, worst

State = Literal["yes", "no", "doubtful", "not measurable"]

_MAX_SHIFT = 0.5
"""Pixels by which a result may lie off its reference."""

_GAMMAS, _SLOPES, _FLUXES = (0.8, 1.25), (0.8, 1.25), (0.95, 1.05)
"""Ranges in which intensities count as linear."""

_STRAIGHT = 0.04
"""Largest deviation from a straight line, as a share of the span, at which a curve is straight whatever its gamma."""

_MIN_R_SQUARED = 0.99
"""Fit of a straight line below which a wrong gamma is certain."""

_DENIED_BY_INPUT = (5.0, 8.0)
"""Scores of the worst place above which it is doubtful, and denied. Honest results stay below 4.5."""

_KEPT = (0.8, 0.5)
"""Shares of the input's fine detail below which a result is probably, and certainly, blurred. Honest: above 0.93."""

_MIN_RSP = 0.5
"""Correlation of the degraded result with its input below which it is probably of another input."""

_MAX_OUTSIDE = (0.01, 0.05)
"""Shares of pixels beyond 3 sigma above which consistency is doubtful, and denied, where no place can be judged."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question.

    Attributes
    ----------
    question
        The question, in words: "yes" is the answer that speaks for the result.
    state
        The answer.
    reason
        The numbers that it rests on, their limits, and what to do.
    """

    question: str
    state: State
    reason: str


def place(
    registrations: Mapping[str, Registration],
    problem: str,
    moved: Registration | None = None,
    *,
    other: str = "reference",
) -> Answer:
    """Answer whether the pixels of a result lie where another image has them.

    Parameters
    ----------
    registrations
        How the other image would have to be moved, by channel and frame; none if that could not be measured.
    problem
        Why it could not.
    moved
        How the reference was moved before anything else was measured, if it was.
    other
        What the other image is.
    """
    question = f"Does it lie on {'the reference' if other == 'reference' else 'its input'}?"
    if moved is not None:
        registrations = {"": moved, **{n: r for n, r in registrations.items() if _is_off(r)}}
    if not registrations:
        return Answer(question, "not measurable", problem)
    unlike = {n: r for n, r in registrations.items() if r.correlation < MIN_CORRELATION}
    if unlike:
        name, least = min(unlike.items(), key=lambda item: item[1].correlation)
        reason = f"they hardly correlate (r {least.correlation:.2f}, at least {MIN_CORRELATION:g} is needed)"
        advice = "check that both show the same field"
        return Answer(
            question, "no" if len(unlike) == len(registrations) else "doubtful", _at(name, f"{reason}: {advice}")
        )
    off = {n: r for n, r in registrations.items() if _is_off(r)}
    name, furthest = max((off or registrations).items(), key=lambda item: _distance(item[1]) + _doubt(item[1]))
    pixels = ", ".join(f"{v:+.2f}" for v in furthest.pixels)
    reason = f"{_distance(furthest):.2f} pixels off ({pixels}; limit {_MAX_SHIFT:g}), known to {_doubt(furthest):.2g}"
    reason = _at(name, f"{reason}, r {furthest.correlation:.3f}")
    if not off and ALONG_LINES in furthest.notes:
        return Answer(question, "not measurable", f"{reason}: {ALONG_LINES}")
    if not off and max(_distance(furthest), _doubt(furthest)) > _MAX_SHIFT:
        return Answer(question, "not measurable", f"{reason}: the images are too dim or too plain to say")
    if not off:
        return Answer(question, "yes", reason)
    if furthest is moved:
        return Answer(question, "doubtful", f"{reason}; the reference was moved by that before anything was measured")
    if other != "reference":
        return Answer(
            question, "no", f"{reason}: its positions are wrong by that; correct its origin, or make it again"
        )
    advice = "set `register`, or correct the pixel size or origin"
    return Answer(question, "no", f"{reason}: metrics measure the shift; {advice}")


def _distance(registration: Registration) -> float:
    return float(np.hypot.reduce(registration.pixels))


def _doubt(registration: Registration) -> float:
    """Return the distance in pixels by which a shift may be wrong: twice its error."""
    return 2 * registration.error


def _is_off(registration: Registration) -> bool:
    """Return whether a shift is too large, and larger than what it may be wrong by."""
    return _distance(registration) > max(_MAX_SHIFT, _doubt(registration))


def _at(name: str, text: str) -> str:
    return f"{name}: {text}" if name else text


def pixel_size(result: Image, unknown: Sequence[str]) -> Answer:
    """Answer whether result and reference both have a pixel size; images on one grid have the same.

    Parameters
    ----------
    result
        The result.
    unknown
        Which of ``"result"`` and ``"reference"`` have none.
    """
    question = "Is the pixel size right?"
    if not unknown and not result.has_pixel_size:
        unknown = ("result", "reference")
    if unknown:
        reason = f"unknown of the {' and the '.join(unknown)}; give it as `pixel_size`"
        return Answer(question, "not measurable", reason)
    sizes = " x ".join(f"{s:.4g}" for s in result.pixel_size)
    return Answer(question, "yes", f"both have pixels of {sizes} {result.units['X']}")


def channels(ours: Mapping[str, Image], theirs: Mapping[str, Image], other: str = "reference") -> Answer | None:
    """Answer whether each channel looks like the same channel of another image; None if there is only one.

    Parameters
    ----------
    ours, theirs
        Channels or colours of the result and of the other image, by name, on one grid.
    other
        What the other image is.
    """
    if len(ours) < 2 or len(ours) != len(theirs):
        return None
    question = "Are the channels in order?"
    names = list(ours)
    parts = ([np.asarray(i.data).ravel()[::7] for i in images.values()] for images in (ours, theirs))
    first, second = parts
    table = np.array([[pearson(a, b) for b in second] for a in first])
    best = np.nan_to_num(table, nan=-1.0).argmax(axis=1)
    wrong = [c for c in range(len(names)) if best[c] != c and table[c, best[c]] > table[c, c] + _margin(table[c, c])]
    if not wrong:
        least = float(np.nanmin(np.diagonal(table))) if np.isfinite(np.diagonal(table)).any() else 0.0
        return Answer(question, "yes", f"each correlates best with its own (r at least {least:.2f})")
    reason = "; ".join(
        f"{names[c]} looks like {names[best[c]]} of the {other} (r {table[c, best[c]]:.2f}, with its own "
        f"{table[c, c]:.2f})"
        for c in wrong
    )
    return Answer(question, "no", f"channel {reason}: reorder them")


def _margin(own: float) -> float:
    """Return by how much another channel must correlate better: less where channels resemble each other."""
    return min(0.1, 0.3 * (1 - own)) if isfinite(own) else 0.1


def linear(curves: Mapping[str, Linearity], fluxes: Mapping[str, float], other: str = "reference") -> Answer:
    """Answer whether intensities are proportional to those of another image, in every channel.

    Parameters
    ----------
    curves
        Intensities over those of the other image, by channel.
    fluxes
        Sum of the result's intensities divided by that of the other image, by channel.
    other
        What the other image is.
    """
    question = "Are its intensities linear?"
    known = {n: c for n, c in curves.items() if isfinite(c.gamma)}
    if not known:
        reason = "one of the two has too few different intensities, or no structure coarser than a lens blurs"
        return Answer(question, "not measurable", reason)
    slopes = {n: float(np.polyfit(c.reference, c.candidate, 1)[0]) for n, c in known.items()}
    wrongs = {n: _wrong(c, slopes[n], fluxes.get(n, np.nan)) for n, c in known.items()}
    name = max(known, key=lambda n: (slopes[n] < 0, len(wrongs[n]), abs(np.log(known[n].gamma))))
    curve, slope, wrong = known[name], slopes[name], wrongs[name]
    flux = fluxes.get(name, np.nan)
    measured = [f"slope {slope:.3g} ({_SLOPES[0]:g} to {_SLOPES[1]:g})"]
    if isfinite(flux):
        measured.insert(0, f"gamma {curve.gamma:.2f} ({_GAMMAS[0]:g} to {_GAMMAS[1]:g})")
        measured.append(f"flux {flux:.3g} times the {other}'s ({_FLUXES[0]:g} to {_FLUXES[1]:g})")
    else:
        measured.append("gamma and flux are not defined for intensities of both signs")
    reason = named(name, ", ".join(measured))
    if not wrong:
        return Answer(question, "yes", reason)
    if slope < 0:
        return Answer(question, "no", f"{reason}: its contrast is inverted; do not measure intensities")
    state: State = "no" if "gamma" in wrong and curve.r_squared < _MIN_R_SQUARED else "doubtful"
    verb = "is" if len(wrong) == 1 else "are"
    return Answer(question, state, f"{reason}: measure no intensities before {' and '.join(wrong)} {verb} explained")


def _wrong(curve: Linearity, slope: float, flux: float) -> list[str]:
    # Signed intensities have neither a zero that a power could begin at nor a flux. A curve that is as good as straight
    # fits many powers.
    gamma = curve.gamma if isfinite(flux) and curve.deviation > _STRAIGHT else np.nan
    limits = (("gamma", gamma, _GAMMAS), ("slope", slope, _SLOPES), ("flux", flux, _FLUXES))
    return [name for name, value, (low, high) in limits if isfinite(value) and not low <= value <= high]


def consistent(
    found: Mapping[str, Consistency], denied: Mapping[str, Place], kept: Mapping[str, Kept], problem: str
) -> Answer:
    """Answer whether the result, blurred and binned again, gives its input but for noise, in every channel.

    Parameters
    ----------
    found
        The result compared with its input, by channel; none if that could not be measured.
    denied
        The place that the input denies most, by channel; none where that could not be measured.
    kept
        The detail of the input that is kept least, by channel; none where that could not be measured.
    problem
        Why it could not.
    """
    question = "Is it consistent with its input?"
    unlike = {
        n: c
        for n, c in found.items()
        if c.rsp < _MIN_RSP and (n not in denied or denied[n].score > _DENIED_BY_INPUT[0])
    }
    if unlike:
        name, least = min(unlike.items(), key=lambda item: item[1].rsp)
        reason = f"it hardly correlates with its input (RSP {least.rsp:.2f}, at least {_MIN_RSP:g} is needed)"
        return Answer(question, "no", named(name, f"{reason}: check that it was made from this input"))
    if problem or not found:
        return Answer(question, "not measurable" if not found or "degraded again" not in problem else "no", problem)
    blind = "structure finer than the PSF cannot be checked this way"
    one = worst(denied, lambda p: p.score)
    if one is None:
        return _by_share(question, found, blind)
    name, at = one
    limit = _DENIED_BY_INPUT[0]
    measure = f"its worst place differs by {at.score:.1f} times what noise and sharpening explain (limit {limit:g})"
    blurred = worst({n: k for n, k in kept.items() if k.share < _KEPT[0]}, lambda k: -k.share)
    if blurred is not None and at.score <= _DENIED_BY_INPUT[1]:
        reason = f"of the input's fine detail {blurred[1].direction}, {100 * blurred[1].share:.0f} % is left (limit "
        reason += f"{100 * _KEPT[0]:g} %): it is blurred; use a result that is as sharp as its input"
        return Answer(question, "no" if blurred[1].share < _KEPT[1] else "doubtful", named(blurred[0], reason))
    if at.score <= limit:
        return Answer(question, "yes", named(name, f"{measure}; {blind}"))
    kind = "more" if at.difference > 0 else "less"
    reason = f"{measure}, at {at.position}: {kind} there than the input shows"
    advice = "look at that place in the input before you use it"
    return Answer(question, "no" if at.score > _DENIED_BY_INPUT[1] else "doubtful", named(name, f"{reason}; {advice}"))


def _by_share(question: str, found: Mapping[str, Consistency], blind: str) -> Answer:
    """Answer by the share of pixels that differ, where the interpolated input is not there to compare with."""
    known = {n: c for n, c in found.items() if c.noise is not None}
    one = worst(known, lambda c: c.outside)
    if one is None:
        least = min(found.values(), key=lambda c: c.rsp)
        reason = f"the input's noise cannot be told from its structure; RSP {least.rsp:.4f}, RSE {least.rse:.3g}"
        return Answer(question, "not measurable", reason)
    name, share = one[0], one[1].outside
    reason = f"{100 * share:.2f} % of its pixels differ by more than 3 sigma (limit {100 * _MAX_OUTSIDE[0]:g} %)"
    if share <= _MAX_OUTSIDE[0]:
        return Answer(question, "yes", named(name, f"{reason}; {blind}"))
    advice = "look at the residual before you use it"
    return Answer(question, "no" if share > _MAX_OUTSIDE[1] else "doubtful", named(name, f"{reason}; {advice}"))


def calibrated(share: float | None, nominal: float, problem: str) -> Answer:
    """Answer whether intervals contain as much of the reference as they promise.

    Parameters
    ----------
    share
        Share of the reference inside the intervals; None if it was not measured.
    nominal
        Share that the calibration promises.
    problem
        Why it was not measured.
    """
    question = "Are its error bars calibrated?"
    if share is None:
        return Answer(question, "not measurable", problem)
    reason = f"{100 * share:.1f} % of the reference lies within the intervals, {100 * nominal:.0f} % should"
    if share >= nominal - 0.02:
        return Answer(question, "yes", reason)
    return Answer(question, "no", f"{reason}: calibrate them on images like this one")
