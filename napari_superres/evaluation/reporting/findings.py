"""Examine one result beyond its metrics: position, intensities, consistency, spectra, agreement, maps."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.errors import EvaluationError
from napari_superres.evaluation.baselines import interpolated_input
from napari_superres.evaluation.consistency import Consistency
from napari_superres.evaluation.maps import average_samples, difference_map, ssim_map
from napari_superres.evaluation.metrics.conventions import check_magnitude
from napari_superres.evaluation.metrics.linearity import Linearity
from napari_superres.evaluation.metrics.score import Row
from napari_superres.evaluation.registration.lengths import length_unit, on_grid_of, pixel_sizes
from napari_superres.evaluation.registration.match import match
from napari_superres.evaluation.registration.register import Registration
from napari_superres.evaluation.registration.scale import scale_of
from napari_superres.evaluation.reporting import additions, questions, rivals
from napari_superres.evaluation.reporting.additions import Added
from napari_superres.evaluation.reporting.channels import (
    AgainstInput,
    AgainstReference,
    by_channel,
    compare_channels,
    compare_with_input,
    named,
    to_planes,
    worst,
)
from napari_superres.evaluation.reporting.exhibits import Exhibit
from napari_superres.evaluation.reporting.questions import Answer
from napari_superres.evaluation.reporting.spots import Index, Spot, on_grid
from napari_superres.evaluation.reporting.verdict import Verdict, judge
from napari_superres.evaluation.resolution import RingCorrelation, local_agreement, ring_correlation
from napari_superres.evaluation.resolution.frc import FrequencyRings, squared_magnitude, windowed_spectrum
from napari_superres.evaluation.resolution.holes import each_without_holes
from napari_superres.evaluation.resolution.shared_detail import shared_detail

Curve = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]

_PLANES = 4
"""Most planes along each of T and Z that spectra are measured on; its square if there is only one of the two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was measured of one result; None or empty where an image that it needs was not given.

    Attributes
    ----------
    answers
        Answers to the questions in `questions`, `additions` and `rivals`.
    consistency
        The result compared with its input: the channel that the answer names.
    channel
        Index of that channel or colour.
    agreement, interpolated
        Ring correlation with the reference, of the result and of the interpolated input.
    repeat
        Ring correlation of two recordings of the input.
    linearity
        Intensities over those of the reference, per channel.
    spectra
        Frequency and mean power per ring of ``"input"``, ``"result"`` and ``"reference"``, first channel.
    unit
        Unit of length.
    maps
        Maps of the middle plane, by name: ``"result"``, ``"reference"``, ``"difference"``, ``"SSIM"``,
        ``"agreement"``, and on the input's grid ``"residual"``.
    pictures
        Middle planes of all channels: ``"input"``, ``"interpolation"``, ``"result"`` and ``"reference"``.
    places
        Pixel of the result that an answer is about, by its question; of answers about one place only.
    exhibits
        Where each check that failed or is doubtful is worst, by its question.
    """

    answers: tuple[Answer, ...]
    consistency: Consistency | None = None
    agreement: RingCorrelation | None = None
    interpolated: RingCorrelation | None = None
    repeat: RingCorrelation | None = None
    linearity: Mapping[str, Linearity]
    spectra: Mapping[str, Curve]
    unit: str
    maps: Mapping[str, Image]
    pictures: Mapping[str, Image] = field(default_factory=dict)
    places: Mapping[str, Index] = field(default_factory=dict)
    exhibits: Mapping[str, Exhibit] = field(default_factory=dict)
    channel: int = 0

    @property
    def verdict(self) -> Verdict:
        """What the answers mean together, in one sentence."""
        return judge({"": self.answers}, {("", question): exhibit for question, exhibit in self.exhibits.items()})

    def to_dict(self) -> dict[str, Any]:
        """Return answers and numbers, without images, as JSON can hold them."""
        document: dict[str, Any] = {"questions": [asdict(answer) for answer in self.answers], "unit": self.unit}
        if self.consistency is not None:
            names = ("psf_sigma", "gain", "offset", "rsp", "rse", "rse_in_sigmas", "outside", "whiteness", "invented")
            document["consistency"] = {n: getattr(self.consistency, n) for n in names}
            bands = [{k: getattr(b, k) for k in ("low", "high", "energy", "invented")} for b in self.consistency.bands]
            document["consistency"] |= {"notes": list(self.consistency.notes), "bands": bands}
        for name in ("agreement", "interpolated", "repeat"):
            curve = getattr(self, name)
            if curve is not None:
                limit = curve.resolution() if name == "repeat" else curve.agreement()
                document[name] = {"value": limit.value, "unit": limit.unit, "reason": limit.reason}
        return document


def examine(
    result: Image,
    reference: Image | None,
    lr: Image | None,
    *,
    whole: Image | None = None,
    recorded: Image | None = None,
    base: Image | None = None,
    registration: Registration | None = None,
    repeat: Image | None = None,
    unknown: Sequence[str] = (),
    psf_sigma: float | None = None,
    psf: Image | None = None,
    rows: Sequence[Row] = (),
    candidate: str = "",
) -> Findings:
    """Examine a result next to its reference and its input, or the one of the two that is given.

    Parameters
    ----------
    result, reference
        Images on one grid, as `match` or `register` returns them; the reference may be None.
    lr
        The input, or None.
    whole
        The result with all its pixels, to be compared with the input; `result` by default.
    recorded
        The reference with the pixels that the result lacks; `reference` by default.
    base
        The interpolated input, on the grid of `result`; that of `lr` by default.
    registration
        How the reference was moved, if it was.
    repeat
        A second recording of the input, with noise of its own.
    unknown
        Which of ``"result"`` and ``"reference"`` have no pixel size.
    psf_sigma
        Width of the input's point-spread function, in its unit of length; fitted by default.
    psf
        That function itself, measured, in place of a Gaussian.
    rows
        Scores of this image; none leaves out the questions about its rivals.
    candidate
        Name of the result in them.
    """
    check_magnitude(result, lr)
    whole = result if whole is None else whole
    interpolated = None if lr is None else interpolated_input(whole, lr)
    base = base_on_grid(result, interpolated if base is None else base)
    held = compare_with_input(whole, lr, interpolated, psf_sigma, psf)
    agreement, placed = None, None
    curves: Mapping[str, Linearity] = {}
    repeated = None if lr is None or repeat is None else ring_correlation(few_planes(lr), few_planes(repeat))
    maps = {"result": _middle(result)}
    shared: dict[str, Added] = {}
    scale = None if lr is None else scale_of(whole, lr)
    spots = [(n, Spot(on_grid(at.pixel, whole, result), at.words)) for n, at in held.spots()]
    if reference is not None:
        facts = compare_channels(result, reference, base)
        spots += facts.spots()
        curves = facts.curves
        answers, placed = _against_reference(facts, result, reference, registration, unknown)
        if rows:
            answers += [rivals.better(rows, candidate), rivals.classical(rows, candidate)]
        answers += [additions.everywhere({} if lr is None else facts.wrong, facts.sampled)]
        maps |= _maps(_middle(result), _middle(reference))
        agreement = _correlation(result, reference)
        shared = {} if scale is None else _shared_beyond(result, reference, base, scale)
    else:
        answers = _against_input(whole, interpolated)
    plain = _is_interpolated(whole, interpolated)
    others = [None if lr is None else base, reference if recorded is None else recorded]
    lacking = additions.every_pixel(result, [image for image in others if image is not None])
    answers += [
        *([lacking] if lacking else []),
        questions.consistent(held.consistency, held.denied, held.kept, held.problem),
        additions.grids(held.grids, held.sampled, held.problem),
        additions.supported(shared, held.excess, held.consistency, (agreement, repeated), placed, interpolated=plain),
    ]
    consistency, channel = _worst_consistency(held)
    if consistency is not None:
        maps["residual"] = _middle(consistency.residual)
    grid = None if lr is None or scale is None else on_grid_of(lr, result, scale)
    images = {"input": grid, "result": result, "reference": reference}
    return Findings(
        answers=tuple(answers),
        consistency=consistency,
        agreement=agreement,
        interpolated=None if base is None or reference is None else _correlation(base, reference),
        repeat=repeated,
        linearity=curves,
        spectra={n: radial_power(i) for n, i in images.items() if i is not None},
        unit=length_unit(result),
        maps=maps,
        places=_places(answers, spots, by_channel(result)),
        channel=channel,
    )


def _places(
    answers: Sequence[Answer], spots: Sequence[tuple[str, Spot]], channels: Mapping[str, Image]
) -> dict[str, Index]:
    """Return the place that the reason of each answer names, by its question."""
    names = list(channels)
    return {
        answer.question: {**spot.pixel, "C": names.index(name) if name in names else 0}
        for answer in answers
        for name, spot in spots
        if spot.words in answer.reason and answer.reason.startswith(named(name, ""))
    }


def _is_interpolated(result: Image, base: Image | None) -> bool:
    """Return whether a result is interpolated: its record says so, or it equals its interpolated input."""
    record = result.metadata.get("provenance")
    if isinstance(record, Mapping) and record.get("model") and record.get("synthetic_detail") is False:
        return True
    if base is None or base.shape != result.shape:
        return False
    ours, theirs = np.asarray(result.data, np.float64), np.asarray(base.data, np.float64)
    step = 1.0 if result.dtype.kind in "ui" else 1e-5 * float(np.nan_to_num(np.abs(theirs)).max(initial=0.0))
    return bool(np.allclose(ours, theirs, rtol=0, atol=step, equal_nan=True))


def base_on_grid(result: Image, base: Image | None) -> Image | None:
    """Return the interpolated input on the grid of a result; None where they do not share one field."""
    if base is None:
        return None
    if base.shape == result.shape:
        # `match` found that both lie on one grid, also where their files state no origin or another unit.
        return base.replace(affine=result.affine, units={**base.units, **result.units})
    try:
        pair = match(result, base, names=("result", "interpolated input"))
    except EvaluationError:  # a result that was registered may lie between its pixels
        return None
    return pair.reference if pair.reference.shape == result.shape else None


def _against_reference(
    facts: AgainstReference, result: Image, reference: Image, registration: Registration | None, unknown: Sequence[str]
) -> tuple[list[Answer], Answer]:
    """Return the answers that need the reference only, and that about the place."""
    placed = questions.place(facts.registrations, facts.problem, registration)
    order = questions.channels(by_channel(result), by_channel(reference))
    answers = [
        questions.pixel_size(result, unknown),
        placed,
        *([order] if order else []),
        questions.linear(facts.curves, facts.fluxes),
        rivals.independent(facts.copied, facts.equal),
    ]
    return answers, placed


def _against_input(whole: Image, interpolated: Image | None) -> list[Answer]:
    """Return the answers that the interpolated input gives where there is no reference."""
    if interpolated is None:
        return []
    pair = match(whole, interpolated, names=("result", "interpolated input"))
    facts = compare_channels(pair.result, pair.reference, None)
    order = questions.channels(by_channel(pair.result), by_channel(pair.reference), "input")
    return [
        questions.place(facts.registrations, facts.problem, other="input"),
        *([order] if order else []),
        questions.linear(facts.curves, facts.fluxes, "input"),
    ]


def _worst_consistency(held: AgainstInput) -> tuple[Consistency | None, int]:
    """Return the consistency of the channel that the answer is about, and its index."""
    name = next(
        (one[0] for one in (worst(held.denied, lambda p: p.score), worst(held.consistency, lambda c: -c.rsp)) if one),
        "",
    )
    return held.consistency.get(name), held.names.index(name) if name in held.names else 0


def _correlation(first: Image, second: Image) -> RingCorrelation | None:
    try:
        return ring_correlation(*(first_channel(few_planes(i)) for i in (first, second)))
    except EvaluationError:
        return None


def _shared_beyond(result: Image, reference: Image, base: Image | None, scale: Mapping[str, int]) -> dict[str, Added]:
    """Return by channel what the reference says of the detail beyond the input's pixels, and what interpolation has.

    Channels without power there are left out.
    """
    fine = dict(zip("YX", pixel_sizes(result, "YX"), strict=True))
    factor = max(fine[a] * scale[a] for a in "YX") / max(fine.values())
    found = {}
    bases = by_channel(base)
    pairs = zip(by_channel(result).items(), by_channel(reference).values(), strict=True)
    for (name, one), other in pairs:
        try:
            detail = shared_detail(few_planes(one), few_planes(other), factor)
            usual = shared_detail(few_planes(bases[name]), few_planes(other), factor) if name in bases else None
        except EvaluationError:  # a channel without a finite pixel
            continue
        if detail is not None:
            found[name] = Added(detail, 0.0 if usual is None else usual.share)
    return found


def _maps(result: Image, reference: Image) -> dict[str, Image]:
    maps = {"reference": reference, "difference": difference_map(result, reference)}
    for name, make in (("SSIM", ssim_map), ("agreement", local_agreement)):
        try:
            maps[name] = make(*(first_channel(i) for i in (result, reference)))
        except EvaluationError:  # the images are too small or constant, and the map is left out
            continue
    return maps


def few_planes(image: Image) -> Image:
    """Return about sixteen planes at most, evenly spaced along T and Z: enough for spectra, in little memory."""
    sizes = zip(image.axes, image.shape, strict=True)
    most = _PLANES if "T" in image.axes and "Z" in image.axes else _PLANES**2
    key = tuple(slice(None, None, -(-n // most)) if a in "TZ" else slice(None) for a, n in sizes)
    return image.replace(data=np.asarray(image.data[key]))


def first_channel(image: Image) -> Image:
    """Return the first channel in float64, colours averaged."""
    one = _without_channels(image)
    return one.replace(data=np.asarray(one.data, dtype=np.float64))


def _middle(image: Image) -> Image:
    """Return the middle plane of the first channel, colours averaged."""
    one = _without_channels(image)
    sizes = zip(one.axes, one.shape, strict=True)
    key = tuple(slice(n // 2, n // 2 + 1) if a in "TZ" else slice(None) for a, n in sizes)
    return one.replace(data=np.asarray(one.data[key]))


def _without_channels(image: Image) -> Image:
    image = average_samples(image) if "S" in image.axes else image
    if "C" not in image.axes:
        return image
    data = np.take(np.asarray(image.data), 0, axis=image.axes.index("C"))
    return image.replace(data=data, axes=image.axes.replace("C", ""), channel_names=())


def radial_power(image: Image) -> Curve:
    """Return the frequencies of rings and the power of an image's first channel in them, the mean of a few planes."""
    one = first_channel(few_planes(image))
    planes = to_planes(one)
    rings = FrequencyRings.of_shape(planes.shape[1:], pixel_sizes(one, "YX"))
    whole = each_without_holes((plane,) for plane in planes)
    power: Sequence[Any] = [rings.sum(squared_magnitude(windowed_spectrum(p))) for (p,) in whole]
    with np.errstate(invalid="ignore", divide="ignore"):
        return rings.frequency, np.nan_to_num(np.mean(power, axis=0) / rings.pixels / np.prod(planes.shape[1:]))
