"""Resolution of one recording by decorrelation analysis: the highest frequency at which its phases hold structure.

Descloux, Grussmayer, Radenovic 2019, doi:10.1038/s41592-019-0515-7.
"""

import os
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.core.options import checks_names
from napari_superres.evaluation.registration.lengths import length_unit, pixel_sizes
from napari_superres.evaluation.resolution.frc import FrequencyRings, squared_magnitude
from napari_superres.evaluation.resolution.raw_check import (
    ORIGIN_UNVERIFIED,
    iter_planes,
    provenance_problem,
    spectral_problem,
)

Floats = npt.NDArray[np.float64]

_SAMPLES = 50
_FILTERS = 10
_PASSES = 2
_NARROWEST_FILTER = 0.15
_MIN_DROP = 0.0005
_MIN_PEAK = 0.05
_FADE = 20  # pixels


@dataclass(frozen=True, slots=True)
class Decorrelation:
    """Result of decorrelation analysis.

    Attributes
    ----------
    cutoff
        Highest frequency at which the phases hold structure, as a fraction of Nyquist; 0 where none was found.
    value
        Resolution ``2 * pixel size / cutoff`` in `unit`; None where it cannot be measured.
    unit
        Unit of length; ``"pixel"`` where the pixel size is unknown.
    contrast
        Height of the peak of the unfiltered curve, 0 to 1. Noise lowers it.
    radius, curve
        Correlation of the unfiltered image over frequency, as a fraction of Nyquist.
    reason
        Why no value could be measured, or what a value rests on.
    """

    cutoff: float
    value: float | None
    unit: str
    contrast: float
    radius: Floats
    curve: Floats
    reason: str = ""


@checks_names
def decorrelation(image: Image, *, channel: int = 0) -> Decorrelation:
    """Estimate the resolution of one recording by decorrelation analysis.

    Parameters
    ----------
    image
        Raw recording with square pixels, as for `single_image_correlation`. All planes of the channel contribute to one
        curve. Pixels that are not finite are left out.
    channel
        Index of the channel.

    Raises
    ------
    EvaluationError
        If an axis is shorter than 32 pixels, the image has colour samples or no such channel, or no pixel is finite.
    """
    spectrum = _RingSums.of_image(image, channel)
    radius = np.linspace(0.0, 1.0, _SAMPLES)
    curve = spectrum.correlation(radius, None)
    first, contrast = _last_peak(radius, curve)
    cutoff = _find_cutoff(spectrum, radius, first, contrast)
    problem = provenance_problem(image) or spectral_problem(iter_planes(image, channel), image.dtype)
    if not problem and cutoff == 0:
        problem = "no structure stands out of the noise"
    value = None if problem else 2 * max(pixel_sizes(image, "YX")) / cutoff
    return Decorrelation(cutoff, value, length_unit(image), contrast, radius, curve, problem or ORIGIN_UNVERIFIED)


def _find_cutoff(spectrum: "_RingSums", radius: Floats, first: float, contrast: float) -> float:
    """Return the highest peak of the curves of ever stronger high-pass filters, refined around the best filter."""
    cutoff = first if contrast >= _MIN_PEAK else 0.0
    peaks = [cutoff]
    widest = 2 / first if first > 0 else spectrum.edge / 2
    widths = np.array([spectrum.edge / 4, *np.geomspace(widest, _NARROWEST_FILTER, _FILTERS)])
    for _ in range(_PASSES):
        pass_peaks = []
        for width in widths:
            position, height = _last_peak(radius, spectrum.correlation(radius, width))
            pass_peaks.append(position if height >= _MIN_PEAK else 0.0)
        peaks += pass_peaks
        cutoff = max(peaks)
        if cutoff == 0:
            return 0.0
        i = int(np.argmax(pass_peaks))
        step = radius[1] - radius[0]
        radius = np.linspace(max(cutoff - step, 0.0), min(cutoff + 0.4, 1.0), _SAMPLES)
        widths = np.geomspace(widths[max(i - 1, 0)], widths[min(i + 1, len(widths) - 1)], _FILTERS)
    return cutoff


@dataclass(frozen=True, slots=True)
class _RingSums:
    """Spectrum of an image summed over narrow rings: enough for every curve, because the filters are radial.

    Attributes
    ----------
    radius
        Central frequency of each ring, as a fraction of Nyquist.
    amplitude, power
        Sums of magnitudes and of squared magnitudes.
    count
        Number of Fourier pixels.
    edge
        Length of the shorter axis, in pixels.
    """

    radius: Floats
    amplitude: Floats
    power: Floats
    count: Floats
    edge: int

    @classmethod
    def of_image(cls, image: Image, channel: int) -> "_RingSums":
        from scipy.fft import rfftn

        shape = image.size("Y"), image.size("X")
        rings = FrequencyRings.of_shape(shape, (1.0, 1.0))
        sums, planes = np.zeros((2, len(rings.frequency))), 0
        for plane in iter_planes(image, channel):
            power = squared_magnitude(np.asarray(rfftn(_fade_to_mean(plane), workers=os.cpu_count() or 1)))
            sums += [rings.sum(v) for v in (np.sqrt(power), power)]
            planes += 1
        return cls(2 * rings.frequency, sums[0], sums[1], planes * rings.pixels, min(shape))

    def correlation(self, radius: Floats, width: float | None) -> Floats:
        """Return the correlation of the image with its phases within each radius, after a high-pass filter."""
        gain = 1.0 if width is None else 1 - np.exp(-2 * (width * self.radius) ** 2)
        inside = np.searchsorted(self.radius, radius)
        product, phases = (np.concatenate([[0.0], np.cumsum(v)])[inside] for v in (self.amplitude * gain, self.count))
        total = float((self.power * gain**2).sum())
        with np.errstate(invalid="ignore", divide="ignore"):
            curve = np.nan_to_num(product / np.sqrt(total * phases))
        return np.asarray(np.floor(1000 * curve) / 1000)


def _last_peak(radius: Floats, curve: Floats) -> tuple[float, float]:
    """Return position and height of the last maximum after which the curve drops; 0, 0 where there is none."""
    last = len(curve)
    while last > 1:
        top = int(np.argmax(curve[:last]))
        if top == 0:
            break
        if curve[top] - curve[top:last].min() >= _MIN_DROP:
            return float(radius[top]), float(curve[top])
        last -= 1
    return 0.0, 0.0


def _fade_to_mean(plane: Floats) -> Floats:
    """Return a plane minus its mean, faded to 0 over twenty pixels at the borders."""
    values = plane - plane.mean()
    for axis, n in enumerate(values.shape):
        edge = min(_FADE, n // 4)
        ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(edge) + 0.5) / edge)
        window = np.concatenate([ramp, np.ones(n - 2 * edge), ramp[::-1]])
        values = values * (window[:, None] if axis == 0 else window)
    return np.asarray(values)
