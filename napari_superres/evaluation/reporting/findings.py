"""What is found of one result beyond its metrics: place, intensities, consistency, spectra, agreement, maps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.errors import EvaluationError
from napari_superres.evaluation.consistency import Consistency, check_consistency
from napari_superres.evaluation.maps import difference_map, ssim_map
from napari_superres.evaluation.metrics.linearity import Linearity, flux, linearity
from napari_superres.evaluation.registration.register import Registration, register
from napari_superres.evaluation.reporting import questions
from napari_superres.evaluation.reporting.questions import Light
from napari_superres.evaluation.resolution import RingCorrelation, local_agreement, ring_correlation
from napari_superres.evaluation.resolution.frc import FrequencyRings, length_unit, squared_magnitude, windowed_spectrum

Curve = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]

_PLANES = 4
_COARSE = 3.0
"""Pixels of a Gaussian beyond which intensities are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What is found of one result; None or empty where an image for it was not given.

    Attributes
    ----------
    lights
        Answers to the questions of `questions`.
    consistency
        With the input.
    agreement, interpolated
        Ring correlation with the reference, of the result and of the interpolated input.
    repeat
        Ring correlation of two recordings of the input.
    linearity
        Per channel.
    spectra
        Frequency and mean power per ring of ``"input"``, ``"result"`` and ``"reference"``, first channel.
    unit
        Of length.
    maps
        Of the middle plane: ``"result"``, ``"reference"``, ``"difference"``, ``"SSIM"``, ``"agreement"``, and on the
        input's grid ``"residual"``.
    """

    lights: tuple[Light, ...]
    consistency: Consistency | None = None
    agreement: RingCorrelation | None = None
    interpolated: RingCorrelation | None = None
    repeat: RingCorrelation | None = None
    linearity: Mapping[str, Linearity]
    spectra: Mapping[str, Curve]
    unit: str
    maps: Mapping[str, Image]

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold: answers and numbers, no images."""
        found: dict[str, Any] = {
            "questions": [{"question": i.question, "state": i.state, "reason": i.reason} for i in self.lights],
            "unit": self.unit,
        }
        if self.consistency is not None:
            names = ("psf_sigma", "gain", "offset", "rsp", "rse", "rse_in_sigmas", "outside", "whiteness", "invented")
            found["consistency"] = {n: getattr(self.consistency, n) for n in names}
            bands = [{k: getattr(b, k) for k in ("low", "high", "energy", "invented")} for b in self.consistency.bands]
            found["consistency"] |= {"notes": list(self.consistency.notes), "bands": bands}
        for name in ("agreement", "interpolated", "repeat"):
            curve = getattr(self, name)
            if curve is not None:
                met = curve.resolution() if name == "repeat" else curve.agreement()
                found[name] = {"value": met.value, "unit": met.unit, "reason": met.reason}
        return found


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
    """Look at a result beside its reference and its input, whichever there are.

    Parameters
    ----------
    result, reference
        On one grid, as `match` or `register` returns them.
    lr
        The input.
    whole
        The result with all its pixels, to be held against the input; `result` by default.
    base
        Its interpolation, on the grid of `result`.
    registration
        What moved the reference, if anything did.
    repeat
        The input once more, with noise of its own.
    unknown
        Which of result and reference do not know their pixel size.
    psf_sigma
        Width of the input's point-spread function, in its unit of length; fitted by default.
    """
    consistency, problem = _consistency(result if whole is None else whole, lr, psf_sigma)
    lights, agreement, interpolated, curves, place = [], None, None, {}, None
    again = None if lr is None or repeat is None else ring_correlation(few_planes(lr), few_planes(repeat))
    maps = {"result": _middle(result)}
    if reference is not None:
        where, said = (registration, "") if registration is not None else _registration(result, reference)
        agreement = _correlated(result, reference)
        interpolated = None if base is None else _correlated(base, reference)
        curves = _linearity(result, reference)
        place = questions.place(where, said, registration is not None)
        lights += [questions.pixel_size(result, unknown), place]
        order = questions.channels(result, reference)
        lights += [order] if order else []
        ratio = flux(np.asarray(reference.data), np.asarray(result.data))
        lights += [questions.linear(list(curves.values()), ratio)]
        maps |= _maps(_middle(result), _middle(reference))
    lights += [questions.consistent(consistency, problem)]
    pixel = None if lr is None else max(lr.pixel_size[lr.spatial.index(a)] for a in "YX")
    shared = None if reference is None or pixel is None else _shared_beyond(result, reference, 0.5 / pixel)
    lights += [questions.supported(shared, agreement, consistency, again, place)]
    if consistency is not None:
        maps["residual"] = _middle(consistency.residual)
    images = {"input": lr, "result": result, "reference": reference}
    return Findings(
        lights=tuple(lights),
        consistency=consistency,
        agreement=agreement,
        interpolated=interpolated,
        repeat=again,
        linearity=curves,
        spectra={n: radial_power(i) for n, i in images.items() if i is not None},
        unit=length_unit(result),
        maps=maps,
    )


def _consistency(result: Image, lr: Image | None, psf_sigma: float | None) -> tuple[Consistency | None, str]:
    if lr is None:
        return None, "no input was given (--lr)"
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


def _correlated(first: Image, second: Image) -> RingCorrelation | None:
    try:
        return ring_correlation(*(first_channel(few_planes(i)) for i in (first, second)))
    except EvaluationError:
        return None


def _shared_beyond(result: Image, reference: Image, limit: float) -> tuple[float, float] | None:
    """Return the share of the result's spectrum beyond a frequency, and its correlation with the reference's there."""
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
    found = {}
    for channel, name in enumerate(names):
        pair = [_planes(first_channel(few_planes(_channel(i, channel)))) for i in (reference, result)]
        found[name] = linearity(*(np.stack([_smooth(plane) for plane in planes]) for planes in pair))
    return found


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
    found = {"reference": reference, "difference": difference_map(result, reference)}
    for name, make in (("SSIM", ssim_map), ("agreement", local_agreement)):
        try:
            found[name] = make(*(first_channel(i) for i in (result, reference)))
        except EvaluationError:  # too small, constant: it is left out
            continue
    return found


def few_planes(image: Image) -> Image:
    """Return at most some sixteen planes, evenly spaced along T and Z: enough for spectra, and little memory."""
    places = zip(image.axes, image.shape, strict=True)
    most = _PLANES if "T" in image.axes and "Z" in image.axes else _PLANES**2
    key = tuple(slice(None, None, -(-n // most)) if a in "TZ" else slice(None) for a, n in places)
    return image.replace(data=np.asarray(image.data[key]))


def first_channel(image: Image) -> Image:
    """Return the first channel as floats, colours averaged, pixels that are not finite filled with the mean."""
    one = _without_channels(image)
    values = np.asarray(one.data, dtype=np.float64)
    finite = np.isfinite(values)
    if not finite.all():
        values = np.where(finite, values, float(values[finite].mean()) if finite.any() else 0.0)
    return one.replace(data=values)


def _middle(image: Image) -> Image:
    """Return the middle plane of the first channel, colours averaged."""
    one = _without_channels(image)
    places = zip(one.axes, one.shape, strict=True)
    key = tuple(slice(n // 2, n // 2 + 1) if a in "TZ" else slice(None) for a, n in places)
    return one.replace(data=np.asarray(one.data[key]))


def _without_channels(image: Image) -> Image:
    data, axes = image.data, image.axes
    if "S" in axes:
        at = axes.index("S")
        data, axes = np.asarray(data).take(range(3), axis=at).mean(axis=at), axes.replace("S", "")
    if "C" in axes:
        data, axes = np.asarray(data).take(0, axis=axes.index("C")), axes.replace("C", "")
    return image.replace(data=data, axes=axes, channel_names=())


def radial_power(image: Image) -> Curve:
    """Return the power of an image's first channel over rings of frequency, the mean of a few planes."""
    one = first_channel(few_planes(image))
    planes = _planes(one)
    rings = FrequencyRings.of_shape(planes.shape[1:], [one.pixel_size[one.spatial.index(a)] for a in "YX"])
    power: Sequence[Any] = [rings.sum(squared_magnitude(windowed_spectrum(p))) for p in planes]
    with np.errstate(invalid="ignore", divide="ignore"):
        return rings.frequency, np.nan_to_num(np.mean(power, axis=0) / rings.pixels / np.prod(planes.shape[1:]))
