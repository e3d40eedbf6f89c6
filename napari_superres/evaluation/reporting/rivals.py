"""Questions that compare a result with other images of the same input, and with the reference itself."""

from collections.abc import Mapping, Sequence
from math import isfinite

from napari_superres.core.kernels import AREA_SPLINE
from napari_superres.evaluation.metrics.paired import Comparison
from napari_superres.evaluation.metrics.score import Row
from napari_superres.evaluation.reporting.questions import Answer, State
from napari_superres.evaluation.reporting.spots import Spot

_EQUAL, _WORSE = 0.1, 1.0
"""Differences in dB below which two images are equally good, and beyond which one is certainly worse."""

_TUNED = ("wiener", "richardson-lucy")
"""Classical methods whose settings were tuned to the reference, which no result of an input alone can match."""

_COPIED = (0.35, 0.6)
"""Shares of the reference's noise above which a result probably, and certainly, contains it. Honest: below 0.17."""

_INTERPOLATIONS = ("bicubic", "lanczos", AREA_SPLINE)
_DENOISER = "non-local-means"


def better(rows: Sequence[Row], candidate: str) -> Answer:
    """Answer whether a candidate is closer to the reference than interpolation is: in its worst channel.

    Parameters
    ----------
    rows
        Rows of one image.
    candidate
        Name of the candidate in them.
    """
    question = "Is it better than interpolation?"
    gains = _gains(rows, candidate, "bicubic")
    if not gains:
        return Answer(question, "not measurable", _no_rival(rows))
    name = min(gains, key=gains.__getitem__)
    gain = gains[name]
    parts = [_named(name, f"{_signed(gain)} than bicubic interpolation (PSNR; equal within {_EQUAL} dB)")]
    plane = _worst_plane(rows, candidate, name)
    if plane and plane[1] < min(gain, 0) - _EQUAL:
        parts.append(f"{_signed(plane[1])} in plane {plane[0]}")
    quiet = _gains(rows, _DENOISER, "bicubic").get(name)
    if quiet is not None and gain > _EQUAL:
        parts.append(_share_of_denoising(gain, quiet))
    if gain < -_EQUAL:
        advice = "do not use it for this image: interpolation is closer to the reference"
        return Answer(question, "no" if gain < -_WORSE else "doubtful", "; ".join([*parts, advice]))
    if plane and plane[1] < -_WORSE:
        return Answer(question, "doubtful", "; ".join([*parts, "look at that plane before you use it"]))
    if gain <= _EQUAL:
        parts.append("they are equally close to this reference, so it decides nothing")
        return Answer(question, "not measurable", "; ".join(parts))
    return Answer(question, "yes", "; ".join(parts))


def classical(rows: Sequence[Row], candidate: str) -> Answer:
    """Answer whether a candidate is better than the best classical restoration, in the channel where it gains least.

    Parameters
    ----------
    rows, candidate
        As in `better`.
    """
    question = "Is it better than the best classical method?"
    names = [r["candidate"] for r in rows if r["role"] == "baseline" and not r["candidate"].startswith(_INTERPOLATIONS)]
    gains = {n: _gains(rows, candidate, n) for n in dict.fromkeys(names) if n != candidate}
    least = [(gain, channel, n) for n, by in gains.items() for channel, gain in by.items()]
    if not least:
        reason = "no classical method was run; give the input as `lr`, and `baselines`"
        return Answer(question, "not measurable", reason)
    gain, channel, name = min(least)
    if min(_gains(rows, candidate, "bicubic").values(), default=0.0) <= _EQUAL:
        return Answer(question, "not measurable", "it is not better than interpolation, which decides first")
    reason = _named(channel, f"{_signed(gain)} than {name} (PSNR; equal within {_EQUAL} dB)")
    if gain > _EQUAL:
        return Answer(question, "yes", reason)
    if gain >= -_EQUAL:
        reason += "; they are equally close: prefer the classical method, which invents less"
        return Answer(question, "not measurable", reason)
    fair = [item for item in least if not item[2].endswith(_TUNED)]
    if not fair or min(fair)[0] >= -_WORSE:
        reason += "; its settings were tuned to the reference, so this decides nothing, but it is worth a try"
        return Answer(question, "not measurable", reason)
    gain, channel, name = min(fair)
    reason = _named(channel, f"{_signed(gain)} than {name} (PSNR; equal within {_EQUAL} dB)")
    return Answer(question, "doubtful", f"{reason}; try {name} instead: it needs no model")


def _gains(rows: Sequence[Row], candidate: str, rival: str) -> dict[str, float]:
    """Return the gain in PSNR over a rival by channel: of the single channels where there are several."""
    names = {r["channel"] for r in rows if r["candidate"] == candidate}
    names = names - {"all"} or names
    psnr = {(r["candidate"], r["channel"]): r["psnr"] for r in rows}
    gains = {n: psnr.get((candidate, n), float("nan")) - psnr.get((rival, n), float("nan")) for n in names}
    return {n: g for n, g in sorted(gains.items()) if isfinite(g)}


def _worst_plane(rows: Sequence[Row], candidate: str, channel: str) -> tuple[int, float] | None:
    planes: list[Sequence[Row]] = [
        next((r["planes"] for r in rows if (r["candidate"], r["channel"]) == (n, channel)), [])
        for n in (candidate, "bicubic")
    ]
    gains = [(a["psnr"] - b["psnr"], i) for i, (a, b) in enumerate(zip(*planes, strict=False))]
    known = [g for g in gains if isfinite(g[0])]
    return (min(known)[1], min(known)[0]) if known else None


def _share_of_denoising(gain: float, quiet: float) -> str:
    if quiet <= _EQUAL:
        return "none of that is denoising: the denoised and interpolated input gains nothing"
    share = min(1.0, quiet / gain)
    return f"denoising and interpolating the input gains {quiet:.2f} dB, {100 * share:.0f} % of that"


def _no_rival(rows: Sequence[Row]) -> str:
    if any("simulated" in r["candidate"] for r in rows):
        return (
            "a simulated input has no noise of its own, so its interpolation is no fair rival; give the input as `lr`"
        )
    return "there is no pixel that both have, or one of them equals the reference"


def _signed(gain: float) -> str:
    return f"{abs(gain):.2f} dB {'better' if gain >= 0 else 'worse'}"


def _named(channel: str, text: str) -> str:
    return text if channel == "all" else f"channel {channel}: {text}"


def independent(copied: Mapping[str, tuple[float, Spot]], equal: Sequence[str]) -> Answer:
    """Answer whether a result was made without the reference.

    Parameters
    ----------
    copied
        Share of the reference's noise that the result holds at its worst place, and that place, by channel.
    equal
        Channels in which the two are the same.
    """
    question = "Is it independent of the reference?"
    advice = "its scores mean nothing; make it from the input alone"
    if equal:
        where = f" in channel {', '.join(equal)}" if any(equal) else ""
        return Answer(question, "no", f"it is the reference itself{where}, pixel for pixel: {advice}")
    if not copied:
        reason = (
            "the reference shows no noise of its own, or the result no detail as fine, by which to recognise a copy"
        )
        return Answer(question, "not measurable", reason)
    name = max(copied, key=lambda n: copied[n][0])
    share, at = copied[name]
    reason = f"at its worst place, it holds {100 * share:.0f} % of the reference's noise (limit {100 * _COPIED[0]:g} %)"
    reason = f"channel {name}: {reason}" if name else reason
    if share < _COPIED[0]:
        return Answer(question, "yes", reason)
    state: State = "no" if share > _COPIED[1] else "doubtful"
    return Answer(question, state, f"{reason}, at {at}: it contains the reference, or was made from it; {advice}")


def beats(comparisons: Sequence[Comparison], candidate: str) -> Answer | None:
    """Answer whether a candidate is better than interpolation over the images of a folder; None if not compared."""
    comparison = next((c for c in comparisons if c.candidate == candidate), None)
    if comparison is None:
        return None
    states: dict[str, State] = {"yes": "yes", "no": "no", "cannot tell": "not measurable"}
    return Answer("Does it beat interpolation?", states[comparison.beats], str(comparison))
