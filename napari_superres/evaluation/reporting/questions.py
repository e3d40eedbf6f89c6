"""The questions that a report answers, one function each; "not measurable" is an answer too.

Every answer has a reason with the numbers that it rests on. Settings in it stand in backticks, as in errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal

import numpy as np

from napari_superres.core.image import Image
from napari_superres.evaluation.consistency import Consistency
from napari_superres.evaluation.metrics.full_reference import pearson
from napari_superres.evaluation.metrics.linearity import Linearity
from napari_superres.evaluation.metrics.paired import Comparison
from napari_superres.evaluation.registration.register import MIN_CORRELATION, Registration
from napari_superres.evaluation.resolution import RingCorrelation

State = Literal["yes", "no", "doubtful", "not measurable"]

_MAX_SHIFT = 0.5
"""Pixels by which a result may lie off its reference."""

_GAMMAS, _SLOPES, _FLUXES = (0.8, 1.25), (0.8, 1.25), (0.95, 1.05)
"""Ranges in which intensities count as linear."""

_MIN_R_SQUARED = 0.99
"""Fit of a straight line below which a wrong gamma is certain."""

_MIN_RSP = 0.5
"""Correlation of the degraded result with its input below which it is probably of another input."""

_MAX_OUTSIDE = (0.01, 0.05)
"""Shares of pixels beyond 3 sigma above which consistency is doubtful, and denied."""

_MAX_PEAK = 10.0
"""Standard deviations of a block's residual above which there is structure in it."""

_BLOCK = 5
"""Edge in pixels of the blocks in which residuals are summed."""

_REAL = (0.2, 0.4)
"""Correlations of the detail beyond the input's pixels above which it is doubtful, and real."""

_LITTLE = 0.002
"""Share of the spectrum beyond the input's pixels below which a result claims no detail there."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question.

    Attributes
    ----------
    question
        The question, in words.
    state
        The answer.
    reason
        The numbers that it rests on, and what to do.
    """

    question: str
    state: State
    reason: str


def place(registration: Registration | None, problem: str, moved: bool) -> Answer:
    """Answer whether the pixels of a result lie where the reference has them.

    Parameters
    ----------
    registration
        How the reference would have to be moved, or was moved; None if that could not be measured.
    problem
        Why it could not.
    moved
        Whether the reference was moved before anything else was measured.
    """
    question = "Does it lie on the reference?"
    if registration is None:
        return Answer(question, "not measurable", problem)
    r = registration.correlation
    if r < MIN_CORRELATION:
        return Answer(question, "no", f"they hardly correlate (r {r:.2f}): check that both show the same field")
    distance = float(np.hypot.reduce(registration.pixels))
    reason = f"{distance:.2f} pixels off ({', '.join(f'{v:+.2f}' for v in registration.pixels)}), r {r:.3f}"
    if distance <= _MAX_SHIFT:
        return Answer(question, "yes", reason)
    if moved:
        return Answer(question, "doubtful", f"{reason}; the reference was moved by that before anything was measured")
    advice = "set `register`, or correct the pixel size or origin"
    return Answer(question, "no", f"{reason}: metrics measure the shift; {advice}")


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
    if unknown:
        reason = f"unknown of the {' and the '.join(unknown)}; give it as `pixel_size`"
        return Answer(question, "not measurable", reason)
    sizes = " x ".join(f"{s:.4g}" for s in result.pixel_size)
    return Answer(question, "yes", f"both have pixels of {sizes} {result.units['X']}")


def channels(result: Image, reference: Image) -> Answer | None:
    """Answer whether each channel looks like the same channel of the reference; None if there is only one."""
    count = result.size("C")
    if count < 2:
        return None
    question = "Are the channels in order?"
    at = result.axes.index("C")
    ours, theirs = (
        [np.take(np.asarray(i.data), c, axis=at).ravel()[::7] for c in range(count)] for i in (result, reference)
    )
    table = np.array([[pearson(r, c) for r in theirs] for c in ours])
    best = np.nan_to_num(table, nan=-1.0).argmax(axis=1)
    wrong = [c for c in range(count) if best[c] != c and table[c, best[c]] > table[c, c] + 0.1]
    if not wrong:
        return Answer(question, "yes", "each correlates best with its own")
    reason = "; ".join(
        f"{c} looks like {best[c]} of the reference (r {table[c, best[c]]:.2f}, with its own {table[c, c]:.2f})"
        for c in wrong
    )
    return Answer(question, "no", f"channel {reason}: reorder them")


def linear(curves: Sequence[Linearity], flux: float) -> Answer:
    """Answer whether intensities are proportional to those of the reference.

    Parameters
    ----------
    curves
        Intensities over those of the reference, per channel.
    flux
        Sum of the result's intensities divided by that of the reference.
    """
    question = "Are its intensities linear?"
    known = [c for c in curves if isfinite(c.gamma)]
    if not known:
        return Answer(question, "not measurable", "one of the two has too few different intensities")
    worst = max(known, key=lambda c: abs(np.log(c.gamma)))
    slopes = [float(np.polyfit(c.reference, c.candidate, 1)[0]) for c in known]
    slope = max(slopes, key=lambda s: abs(np.log(s)) if s > 0 else np.inf)
    reason = f"gamma {worst.gamma:.2f}, slope {slope:.3g}, flux {flux:.3g} times the reference's"
    limits = (("gamma", worst.gamma, _GAMMAS), ("slope", slope, _SLOPES), ("flux", flux, _FLUXES))
    wrong = [name for name, value, (low, high) in limits if isfinite(value) and not low <= value <= high]
    if not wrong:
        return Answer(question, "yes", reason)
    if slope < 0:
        return Answer(question, "no", f"{reason}: its contrast is inverted")
    state: State = "no" if "gamma" in wrong and worst.r_squared < _MIN_R_SQUARED else "doubtful"
    verb = "is" if len(wrong) == 1 else "are"
    return Answer(question, state, f"{reason}: measure no intensities before {' and '.join(wrong)} {verb} explained")


def consistent(consistency: Consistency | None, problem: str) -> Answer:
    """Answer whether the result, blurred and binned again, gives its input but for noise.

    Parameters
    ----------
    consistency
        The result compared with its input; None if that could not be measured.
    problem
        Why it could not.
    """
    question = "Is it consistent with its input?"
    if consistency is None:
        return Answer(question, "not measurable", problem)
    rsp = consistency.rsp
    if rsp < _MIN_RSP:
        reason = f"it hardly correlates with its input (RSP {rsp:.2f}): check that it was made from this input"
        return Answer(question, "no", reason)
    if consistency.noise is None:
        reason = f"the input's noise cannot be told from its structure; RSP {rsp:.4f}, RSE {consistency.rse:.3g}"
        return Answer(question, "not measurable", reason)
    peak, position = largest_residual(consistency.residual)
    reason = f"{100 * consistency.outside:.2f} % of its pixels differ by more than 3 sigma (noise alone 0.27 %)"
    has_structure = abs(peak) > _MAX_PEAK
    if consistency.outside <= _MAX_OUTSIDE[0] and not has_structure:
        return Answer(question, "yes", f"{reason}; structure finer than the PSF cannot be checked this way")
    if has_structure:
        kind = "more" if peak > 0 else "less"
        reason += f"; most at {position} of the input: {kind} there than the input shows ({abs(peak):.0f} sigma)"
    certain = consistency.outside > _MAX_OUTSIDE[1] or abs(peak) > 2 * _MAX_PEAK
    return Answer(question, "no" if certain else "doubtful", reason)


def largest_residual(residual: Image) -> tuple[float, str]:
    """Return the largest sum of residuals over 5 x 5 pixels, in its own standard deviations, and its position."""
    from scipy.ndimage import uniform_filter

    values = np.asarray(residual.data, dtype=np.float64)
    if not np.isfinite(values).any():
        return 0.0, ""
    size = [_BLOCK if a in "YX" else 1 for a in residual.axes]
    blocks = uniform_filter(np.nan_to_num(values), size, mode="reflect") * _BLOCK
    at = np.unravel_index(np.abs(blocks).argmax(), blocks.shape)
    return float(blocks[at]), ", ".join(f"{a} {i}" for a, i in zip(residual.axes, at, strict=True))


def supported(
    shared: tuple[float, float] | None,
    agreement: RingCorrelation | None,
    consistency: Consistency | None,
    repeat: RingCorrelation | None,
    placed: Answer | None,
) -> Answer:
    """Answer whether detail finer than the input's pixels is in the reference too.

    Parameters
    ----------
    shared
        Share of the result's spectrum beyond the input's pixels, and its correlation with the reference's there; None
        without a reference or an input.
    agreement
        Ring correlation of result and reference.
    consistency
        The result compared with its input, for results without a reference.
    repeat
        Ring correlation of two recordings of the input.
    placed
        Answer of `place`; None without a reference.
    """
    question = "Is the added fine detail real?"
    more = [] if repeat is None else [f"the input, of two recordings: {repeat.resolution()}"]
    if shared is None:
        reason = "nothing to compare"
        if consistency is not None:
            reason = f"{100 * consistency.invented:.2f} % of its spectrum lies beyond the input's pixels: a guess"
        return Answer(question, "not measurable", "; ".join([reason, *more]))
    if placed is not None and placed.state == "no":
        return Answer(question, "not measurable", "it does not lie on the reference: they cannot agree in detail")
    share, correlation = shared
    limit = None if agreement is None else agreement.agreement()
    if limit is not None and limit.value is None:
        more.insert(0, limit.reason)
    elif limit is not None:
        more.insert(0, f"result and reference agree on details larger than {limit.value:.3g} {limit.unit}")
    reason = f"{100 * share:.2f} % of its spectrum lies beyond the input's pixels"
    if share < _LITTLE:
        return Answer(question, "not measurable", "; ".join([f"it adds hardly any ({reason})", *more]))
    state: State = "yes" if correlation >= _REAL[1] else "doubtful" if correlation >= _REAL[0] else "no"
    reason += f" and correlates with the reference's by {correlation:.2f}"
    return Answer(question, state, "; ".join([reason, *more]))


def beats(comparisons: Sequence[Comparison], candidate: str) -> Answer | None:
    """Answer whether a candidate is better than interpolation over the images of a folder; None if not compared."""
    comparison = next((c for c in comparisons if c.candidate == candidate), None)
    if comparison is None:
        return None
    states: dict[str, State] = {"yes": "yes", "no": "no", "cannot tell": "not measurable"}
    return Answer("Does it beat interpolation?", states[comparison.beats], str(comparison))


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
    return Answer(question, "yes" if share >= nominal - 0.02 else "no", reason)
