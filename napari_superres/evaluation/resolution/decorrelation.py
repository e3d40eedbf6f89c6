"""Resolution of one recording from how far its phases hold structure: decorrelation analysis.

Descloux, Grussmayer, Radenovic 2019, doi:10.1038/s41592-019-0515-7.
"""

import os
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.evaluation.resolution.frc import Rings, energy, unit_of
from napari_superres.evaluation.resolution.raw_check import UNVERIFIED, planes_of, recorded_problem, spectral_problem

Floats = npt.NDArray[np.float64]

_SAMPLES = 50
_FILTERS = 10
_PASSES = 2
_NARROWEST = 0.15
_LEAST_FALL = 0.0005
_LEAST_PEAK = 0.05
_EDGE = 20


@dataclass(frozen=True, slots=True)
class Decorrelation:
    """The highest frequency at which the phases of an image still hold structure.

    Attributes
    ----------
    cutoff
        That frequency, 1 = Nyquist; 0 where there is none.
    value
        Resolution ``2 * pixel / cutoff`` in `unit`; None where it is not measurable.
    unit
        Of length.
    contrast
        Height of the unfiltered curve's peak: more with less noise.
    radius, curve
        Correlation over frequency of the unfiltered image.
    reason
        Why there is no value; with a value, what it rests on.
    """

    cutoff: float
    value: float | None
    unit: str
    contrast: float
    radius: Floats
    curve: Floats
    reason: str = ""


def decorrelation(image: Image, *, channel: int = 0) -> Decorrelation:
    """Estimate the resolution of one recording without a second one.

    Parameters
    ----------
    image
        Raw, as for `single_image_correlation`; its planes are taken together. Pixels are square.
    channel
        Which one.

    Raises
    ------
    EvaluationError
        If an axis is shorter than 32 pixels, there are colour samples, or values are not finite.
    """
    spectrum = _Spectrum.of(image, channel)
    radius = np.linspace(0.0, 1.0, _SAMPLES)
    curve = spectrum.correlation(radius, None)
    first, contrast = _peak(radius, curve)
    cutoff = _cutoff(spectrum, radius, first, contrast)
    problem = recorded_problem(image) or spectral_problem(planes_of(image, channel), image.dtype)
    if not problem and cutoff == 0:
        problem = "no structure stands out of the noise"
    sizes = [image.pixel_size[image.spatial.index(a)] for a in "YX"]
    value = None if problem else 2 * max(sizes) / cutoff
    return Decorrelation(cutoff, value, unit_of(image), contrast, radius, curve, problem or UNVERIFIED)


def _cutoff(spectrum: "_Spectrum", radius: Floats, first: float, contrast: float) -> float:
    """Return the highest peak of the curves after high-pass filters, refined around the best."""
    best, peaks = first if contrast >= _LEAST_PEAK else 0.0, [first if contrast >= _LEAST_PEAK else 0.0]
    widest = 2 / first if first > 0 else spectrum.edge / 2
    widths = np.array([spectrum.edge / 4, *np.geomspace(widest, _NARROWEST, _FILTERS)])
    for _ in range(_PASSES):
        found = []
        for width in widths:
            at, height = _peak(radius, spectrum.correlation(radius, width))
            found.append(at if height >= _LEAST_PEAK else 0.0)
        peaks += found
        best = max(peaks)
        if best == 0:
            return 0.0
        i = int(np.argmax(found))
        step = radius[1] - radius[0]
        radius = np.linspace(max(best - step, 0.0), min(best + 0.4, 1.0), _SAMPLES)
        widths = np.geomspace(widths[max(i - 1, 0)], widths[min(i + 1, len(widths) - 1)], _FILTERS)
    return best


@dataclass(frozen=True, slots=True)
class _Spectrum:
    """Sums over narrow rings: all that the curves need, as filters depend on the radius only."""

    radius: Floats
    amplitude: Floats
    power: Floats
    count: Floats
    edge: int

    @classmethod
    def of(cls, image: Image, channel: int) -> "_Spectrum":
        from scipy.fft import rfftn

        shape = image.size("Y"), image.size("X")
        rings = Rings.of(shape, (1.0, 1.0))
        sums, planes = np.zeros((2, len(rings.frequency))), 0
        for plane in planes_of(image, channel):
            power = energy(np.asarray(rfftn(_apodised(plane), workers=os.cpu_count() or 1)))
            sums += [rings.sum(v) for v in (np.sqrt(power), power)]
            planes += 1
        return cls(2 * rings.frequency, sums[0], sums[1], planes * rings.pixels, min(shape))

    def correlation(self, radius: Floats, width: float | None) -> Floats:
        """Return the correlation of the image and its phases within each radius, after a high-pass filter."""
        gain = 1.0 if width is None else 1 - np.exp(-2 * (width * self.radius) ** 2)
        inside = np.searchsorted(self.radius, radius)
        product, phases = (np.concatenate([[0.0], np.cumsum(v)])[inside] for v in (self.amplitude * gain, self.count))
        total = float((self.power * gain**2).sum())
        with np.errstate(invalid="ignore", divide="ignore"):
            found = np.nan_to_num(product / np.sqrt(total * phases))
        return np.asarray(np.floor(1000 * found) / 1000)


def _peak(radius: Floats, curve: Floats) -> tuple[float, float]:
    """Return place and height of the last maximum that is followed by a fall; 0, 0 where there is none."""
    last = len(curve)
    while last > 1:
        top = int(np.argmax(curve[:last]))
        if top == 0:
            break
        if curve[top] - curve[top:last].min() >= _LEAST_FALL:
            return float(radius[top]), float(curve[top])
        last -= 1
    return 0.0, 0.0


def _apodised(plane: Floats) -> Floats:
    """Return a plane about its mean, faded to it over twenty pixels at the borders."""
    values = plane - plane.mean()
    for axis, n in enumerate(values.shape):
        edge = min(_EDGE, n // 4)
        ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(edge) + 0.5) / edge)
        window = np.concatenate([ramp, np.ones(n - 2 * edge), ramp[::-1]])
        values = values * (window[:, None] if axis == 0 else window)
    return np.asarray(values)
