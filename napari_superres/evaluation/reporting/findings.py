"""Examine one result beyond its metrics: position, intensities, consistency, spectra, agreement, maps."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.errors import EvaluationError
from napari_superres.evaluation.consistency import Consistency, check_consistency
from napari_superres.evaluation.maps import average_samples, difference_map, ssim_map
from napari_superres.evaluation.metrics.linearity import Linearity, flux, linearity
from napari_superres.evaluation.registration.register import Registration, register
from napari_superres.evaluation.reporting import questions
from napari_superres.evaluation.reporting.exhibits import Exhibit
from napari_superres.evaluation.reporting.questions import Answer
from napari_superres.evaluation.resolution import RingCorrelation, local_agreement, ring_correlation
from napari_superres.evaluation.resolution.frc import FrequencyRings, length_unit, squared_magnitude, windowed_spectrum

Curve = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]

_PLANES = 4
"""Most planes along each of T and Z that spectra are measured on; its square if there is only one of the two."""

_COARSE = 3.0
"""Standard deviation, in pixels, of the Gaussian that intensities are smoothed by before they are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was measured of one result; None or empty where an image that it needs was not given.

    Attributes
    ----------
    answers
        Answers to the questions in `questions`.
    consistency
        The result compared with its input.
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
    exhibits: Mapping[str, Exhibit] = field(default_factory=dict)

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
    base: Image | None = None,
    registration: Registration | None = None,
    repeat: Image | None = None,
    unknown: Sequence[str] = (),
    psf_sigma: float | None = None,
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
    base
        The interpolated input, on the grid of `result`.
    registration
        How the reference was moved, if it was.
    repeat
        A second recording of the input, with noise of its own.
    unknown
        Which of ``"result"`` and ``"reference"`` have no pixel size.
    psf_sigma
        Width of the input's point-spread function, in its unit of length; fitted by default.
    """
    consistency, problem = _consistency(result if whole is None else whole, lr, psf_sigma)
    answers: list[Answer] = []
    agreement, interpolated, curves, placed = None, None, {}, None
    repeated = None if lr is None or repeat is None else ring_correlation(few_planes(lr), few_planes(repeat))
    maps = {"result": _middle(result)}
    if reference is not None:
        shift, failure = (registration, "") if registration is not None else _registration(result, reference)
        agreement = _correlation(result, reference)
        interpolated = None if base is None else _correlation(base, reference)
        curves = _linearity(result, reference)
        placed = questions.place(shift, failure, registration is not None)
        answers += [questions.pixel_size(result, unknown), placed]
        order = questions.channels(result, reference)
        answers += [order] if order else []
        ratio = flux(np.asarray(reference.data), np.asarray(result.data))
        answers += [questions.linear(list(curves.values()), ratio)]
        maps |= _maps(_middle(result), _middle(reference))
    answers += [questions.consistent(consistency, problem)]
    pixel = None if lr is None else max(lr.pixel_size[lr.spatial.index(a)] for a in "YX")
    shared = None if reference is None or pixel is None else _shared_beyond(result, reference, 0.5 / pixel)
    answers += [questions.supported(shared, agreement, consistency, repeated, placed)]
    if consistency is not None:
        maps["residual"] = _middle(consistency.residual)
    images = {"input": lr, "result": result, "reference": reference}
    return Findings(
        answers=tuple(answers),
        consistency=consistency,
        agreement=agreement,
        interpolated=interpolated,
        repeat=repeated,
        linearity=curves,
        spectra={n: radial_power(i) for n, i in images.items() if i is not None},
        unit=length_unit(result),
        maps=maps,
    )


def _consistency(result: Image, lr: Image | None, psf_sigma: float | None) -> tuple[Consistency | None, str]:
    if lr is None:
        return None, "no input was given as `lr`"
    try:
        width = None if psf_sigma is None else psf_sigma / lr.pixel_size[lr.spatial.index("Y")]
        return check_consistency(result, lr, psf_sigma=width), ""
    except EvaluationError as error:
        return None, str(error)


def _registration(result: Image, reference: Image) -> tuple[Registration | None, str]:
    try:
        return register(result, reference), ""
    except EvaluationError as error:
        return None, str(error)


def _correlation(first: Image, second: Image) -> RingCorrelation | None:
    try:
        return ring_correlation(*(first_channel(few_planes(i)) for i in (first, second)))
    except EvaluationError:
        return None


def _shared_beyond(result: Image, reference: Image, limit: float) -> tuple[float, float] | None:
    """Return the share of the result's spectrum beyond a frequency, and its correlation with the reference's there.

    None if either has no power there.
    """
    ours, theirs = (_planes(first_channel(few_planes(i))) for i in (result, reference))
    rings = FrequencyRings.of_shape(ours.shape[1:], [result.pixel_size[result.spatial.index(a)] for a in "YX"])
    beyond = rings.frequency > limit
    cross, power = np.zeros(len(beyond)), np.zeros((2, len(beyond)))
    for a, b in zip(ours, theirs, strict=True):
        fa, fb = windowed_spectrum(a), windowed_spectrum(b)
        cross += rings.sum((fa * fb.conj()).real)
        power += [rings.sum(squared_magnitude(f)) for f in (fa, fb)]
    total, mine, other = power[0].sum(), power[0, beyond].sum(), power[1, beyond].sum()
    if not (total > 0 and mine > 0 and other > 0):
        return None
    return float(mine / total), float(cross[beyond].sum() / np.sqrt(mine * other))


def _planes(image: Image) -> npt.NDArray[np.float64]:
    values = np.moveaxis(np.asarray(image.data), [image.axes.index(a) for a in "YX"], (-2, -1))
    return values.reshape(-1, *values.shape[-2:])


def _linearity(result: Image, reference: Image) -> dict[str, Linearity]:
    names = reference.channel_names or tuple(str(c) for c in range(reference.size("C")))
    curves = {}
    for channel, name in enumerate(names):
        pair = [_planes(first_channel(few_planes(_channel(i, channel)))) for i in (reference, result)]
        curves[name] = linearity(*(np.stack([_smooth(plane) for plane in planes]) for planes in pair))
    return curves


def _smooth(plane: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return a plane without noise and fine detail, which would bend the curve of intensities."""
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(plane, _COARSE))


def _channel(image: Image, channel: int) -> Image:
    if "C" not in image.axes:
        return image
    data = np.take(np.asarray(image.data), channel, axis=image.axes.index("C"))
    return image.replace(data=data, axes=image.axes.replace("C", ""), channel_names=())


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
    """Return the first channel in float64: colours averaged, pixels that are not finite filled with the mean."""
    one = _without_channels(image)
    values = np.asarray(one.data, dtype=np.float64)
    finite = np.isfinite(values)
    if not finite.all():
        values = np.where(finite, values, float(values[finite].mean()) if finite.any() else 0.0)
    return one.replace(data=values)


def _middle(image: Image) -> Image:
    """Return the middle plane of the first channel, colours averaged."""
    one = _without_channels(image)
    sizes = zip(one.axes, one.shape, strict=True)
    key = tuple(slice(n // 2, n // 2 + 1) if a in "TZ" else slice(None) for a, n in sizes)
    return one.replace(data=np.asarray(one.data[key]))


def _without_channels(image: Image) -> Image:
    return _channel(average_samples(image) if "S" in image.axes else image, 0).replace(channel_names=())


def radial_power(image: Image) -> Curve:
    """Return the frequencies of rings and the power of an image's first channel in them, the mean of a few planes."""
    one = first_channel(few_planes(image))
    planes = _planes(one)
    rings = FrequencyRings.of_shape(planes.shape[1:], [one.pixel_size[one.spatial.index(a)] for a in "YX"])
    power: Sequence[Any] = [rings.sum(squared_magnitude(windowed_spectrum(p))) for p in planes]
    with np.errstate(invalid="ignore", divide="ignore"):
        return rings.frequency, np.nan_to_num(np.mean(power, axis=0) / rings.pixels / np.prod(planes.shape[1:]))
