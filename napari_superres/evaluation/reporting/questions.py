"""The questions a report answers, each with a reason; "not measurable" is an answer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal

import numpy as np

from napari_superres.core.image import Image
from napari_superres.evaluation.consistency import Consistency
from napari_superres.evaluation.metrics.full_reference import pearson
from napari_superres.evaluation.metrics.linearity import Linearity
from napari_superres.evaluation.metrics.paired import Comparison
from napari_superres.evaluation.registration.register import LEAST_CORRELATION, Registration
from napari_superres.evaluation.resolution import RingCorrelation

State = Literal["yes", "no", "doubtful", "not measurable"]

_MOST_SHIFT = 0.5
_GAMMAS = (0.8, 1.25)
_SLOPES = (0.8, 1.25)
_LEAST_R_SQUARED = 0.99
_FLUXES = (0.95, 1.05)
_LEAST_RSP = 0.5
_MOST_OUTSIDE = (0.01, 0.05)
_MOST_PEAK = 10.0
_BLOCK = 5
_RIGHT = (0.2, 0.4)
"""Correlations of what lies beyond the input's pixels that make it doubtful, and right."""
_LITTLE = 0.002
"""Share of the spectrum beyond the input's pixels that makes no claim."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question.

    Attributes
    ----------
    question
        In words.
    state
        The answer.
    reason
        What it rests on, with numbers, and what to do.
    """

    question: str
    state: State
    reason: str


def place(registration: Registration | None, problem: str, moved: bool) -> Answer:
    """Whether pixels lie where the reference has them."""
    question = "Does it lie on the reference?"
    if registration is None:
        return Answer(question, "not measurable", problem)
    alike = registration.correlation
    if alike < LEAST_CORRELATION:
        return Answer(question, "no", f"they hardly correlate (r {alike:.2f}): check that both show the same field")
    off = float(np.hypot.reduce(registration.pixels))
    said = f"{off:.2f} pixels off ({', '.join(f'{v:+.2f}' for v in registration.pixels)}), r {alike:.3f}"
    if off <= _MOST_SHIFT:
        return Answer(question, "yes", said)
    if moved:
        return Answer(question, "doubtful", f"{said}; the reference was moved by that before anything was measured")
    advice = "register (--register), or mend pixel size or origin"
    return Answer(question, "no", f"{said}: metrics measure the shift; {advice}")


def pixel_size(result: Image, unknown: Sequence[str]) -> Answer:
    """Whether both know their pixel size (they lie on one grid), or which do not."""
    question = "Is the pixel size right?"
    if unknown:
        return Answer(question, "not measurable", f"unknown of the {' and the '.join(unknown)}; give it (--pixel-size)")
    sizes = " x ".join(f"{s:.4g}" for s in result.pixel_size)
    return Answer(question, "yes", f"both have pixels of {sizes} {result.units['X']}")


def channels(result: Image, reference: Image) -> Answer | None:
    """Whether each channel looks like the same channel of the reference; None where there is one."""
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
    said = "; ".join(
        f"{c} looks like {best[c]} of the reference (r {table[c, best[c]]:.2f}, with its own {table[c, c]:.2f})"
        for c in wrong
    )
    return Answer(question, "no", f"channel {said}: reorder them")


def linear(curves: Sequence[Linearity], flux: float) -> Answer:
    """Whether intensities follow the reference's, channel by channel."""
    question = "Are its intensities linear?"
    known = [c for c in curves if isfinite(c.gamma)]
    if not known:
        return Answer(question, "not measurable", "one of the two has too few different intensities")
    worst = max(known, key=lambda c: abs(np.log(c.gamma)))
    slopes = [float(np.polyfit(c.reference, c.candidate, 1)[0]) for c in known]
    slope = max(slopes, key=lambda s: abs(np.log(s)) if s > 0 else np.inf)
    said = f"gamma {worst.gamma:.2f}, slope {slope:.3g}, flux {flux:.3g} times the reference's"
    judged = (("gamma", worst.gamma, _GAMMAS), ("slope", slope, _SLOPES), ("flux", flux, _FLUXES))
    wrong = [name for name, value, (low, high) in judged if isfinite(value) and not low <= value <= high]
    if not wrong:
        return Answer(question, "yes", said)
    if slope < 0:
        return Answer(question, "no", f"{said}: its contrast is inverted")
    state: State = "no" if "gamma" in wrong and worst.r_squared < _LEAST_R_SQUARED else "doubtful"
    verb = "is" if len(wrong) == 1 else "are"
    return Answer(question, state, f"{said}: measure no intensities before {' and '.join(wrong)} {verb} explained")


def consistent(found: Consistency | None, problem: str) -> Answer:
    """Whether the result, blurred and binned, gives its input but for noise."""
    question = "Is it consistent with its input?"
    if found is None:
        return Answer(question, "not measurable", problem)
    if found.rsp < _LEAST_RSP:
        return Answer(
            question, "no", f"it hardly correlates with its input (RSP {found.rsp:.2f}): check that it is of this input"
        )
    if found.noise is None:
        return Answer(
            question,
            "not measurable",
            f"the input's noise cannot be told from its structure; RSP {found.rsp:.4f}, RSE {found.rse:.3g}",
        )
    height, where = structure(found.residual)
    said = f"{100 * found.outside:.2f} % of its pixels differ by more than 3 sigma (noise alone 0.27 %)"
    strange = abs(height) > _MOST_PEAK
    if found.outside <= _MOST_OUTSIDE[0] and not strange:
        return Answer(question, "yes", f"{said}; structure finer than the PSF cannot be checked so")
    if strange:
        kind = "more" if height > 0 else "less"
        said += f"; most at {where} of the input: {kind} there than the input shows ({abs(height):.0f} sigma)"
    sure = found.outside > _MOST_OUTSIDE[1] or abs(height) > 2 * _MOST_PEAK
    return Answer(question, "no" if sure else "doubtful", said)


def structure(residual: Image) -> tuple[float, str]:
    """Return the largest sum of residuals over 5 x 5 pixels, in its own standard deviations, and where it is."""
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
    found: Consistency | None,
    repeat: RingCorrelation | None,
    where: Answer | None,
) -> Answer:
    """Whether detail beyond the input's pixels is in the reference too.

    Parameters
    ----------
    shared
        Share of the result's spectrum beyond them, and its correlation with the reference's there.
    agreement
        With the reference, by detail.
    found
        With the input, where there is no reference.
    repeat
        Of two recordings of the input.
    where
        Whether it lies on the reference.
    """
    question = "Is it right beyond what its input holds?"
    also = [] if repeat is None else [f"the input, of two recordings: {repeat.resolution()}"]
    if shared is None:
        guess = (
            []
            if found is None
            else [f"{100 * found.invented:.2f} % of its spectrum lies beyond the input's pixels: a guess"]
        )
        return Answer(question, "not measurable", "; ".join([*(guess or ["nothing to compare"]), *also]))
    if where is not None and where.state == "no":
        return Answer(question, "not measurable", "it does not lie on the reference: they cannot agree in detail")
    share, alike = shared
    met = None if agreement is None else agreement.agreement()
    if met is not None:
        also = [f"they agree down to {met.value:.3g} {met.unit}" if met.value is not None else met.reason, *also]
    if share < _LITTLE:
        said = f"it adds hardly anything there ({100 * share:.2f} % of its spectrum)"
        return Answer(question, "not measurable", "; ".join([said, *also]))
    said = f"{100 * share:.2f} % of its spectrum lies there, and correlates with the reference's by {alike:.2f}"
    state: State = "yes" if alike >= _RIGHT[1] else "doubtful" if alike >= _RIGHT[0] else "no"
    return Answer(question, state, "; ".join([said, *also]))


def beats(comparisons: Sequence[Comparison], candidate: str) -> Answer | None:
    """Whether it is better than interpolation over the images of a folder."""
    found = [c for c in comparisons if c.candidate == candidate]
    if not found:
        return None
    state: dict[str, State] = {"yes": "yes", "no": "no", "cannot tell": "not measurable"}
    return Answer("Does it beat interpolation?", state[found[0].beats], str(found[0]))


def calibrated(coverage: float | None, nominal: float, problem: str) -> Answer:
    """Whether intervals cover the reference as often as they say."""
    question = "Are its error bars calibrated?"
    if coverage is None:
        return Answer(question, "not measurable", problem)
    said = f"{100 * coverage:.1f} % of the reference lies within the intervals, {100 * nominal:.0f} % should"
    return Answer(question, "yes" if coverage >= nominal - 0.02 else "no", said)


def worst(answers: Sequence[Answer]) -> Iterator[Answer]:
    """Yield what needs attention."""
    yield from (answer for answer in answers if answer.state in ("no", "doubtful"))
