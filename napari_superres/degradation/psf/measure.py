"""`measure_psf`: from an image of small beads to the point-spread function of its microscope."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.axes import guess_axes
from napari_superres.core.image import Array, Image
from napari_superres.core.noise import measure_noise
from napari_superres.core.options import checks_names
from napari_superres.core.units import METRES
from napari_superres.degradation.psf.average import align, cut
from napari_superres.degradation.psf.beads import Bead, count_faults, erase_hot_pixels, find_beads, reach_of
from napari_superres.degradation.psf.fits import AIRY_FWHM, FWHM_PER_SIGMA, Shape, fit_diffraction, fit_gaussian
from napari_superres.degradation.psf.kernel import resample_psf
from napari_superres.errors import SettingsError

Floats = npt.NDArray[np.float64]

MIN_BEADS = 5
"""Fewest good beads of which an average tells more than its own noise."""

_COARSE = 0.85
"""Sigma in pixels below which the light is sampled too coarsely for its shape: two pixels per full width."""

_BLUR_BY_BEAD = 0.5
"""Largest share of the variance of an image of a bead that may come from the size of the bead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PsfMeasurement:
    """A measured point-spread function.

    Attributes
    ----------
    image
        Average of the good beads, ``(Z)YX`` of sum 1, background 0, with the centre in the middle pixel.
    fwhm, fwhm_error
        Full width at half maximum per axis in micrometres, of the shape that fits better, without the blur by pixels
        and, if its size was given, by the bead; and one standard deviation of it.
    gaussian_fwhm, diffraction_fwhm
        The same of each shape: a Gaussian, and the pattern of a lens without aberrations.
    shape
        Which of the two fits better: ``"gaussian"`` or ``"diffraction"``.
    ellipticity
        Larger lateral width over the smaller one, at any angle; 1 = round.
    ellipticity_angle
        Direction of the larger one in degrees, from X towards Y.
    axial_asymmetry
        Light behind the focus minus that before it, over both, -1 to 1; 0 = symmetric, and for planes.
    beads, good
        Number of beads found, and of those averaged.
    left_out
        Number of beads left out for each reason.
    centres
        Positions of the good beads in pixels of the image, ``(good, 3)`` as Z, Y, X.
    notes
        What the user should know.
    """

    image: Image
    fwhm: Mapping[str, float]
    fwhm_error: Mapping[str, float]
    gaussian_fwhm: Mapping[str, float]
    diffraction_fwhm: Mapping[str, float]
    shape: str
    ellipticity: float
    ellipticity_angle: float
    axial_asymmetry: float
    beads: int
    good: int
    left_out: Mapping[str, int]
    centres: Floats
    notes: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """Return all numbers as plain values, in micrometres and degrees."""
        return {
            "fwhm": dict(self.fwhm),
            "fwhm_error": dict(self.fwhm_error),
            "shape": self.shape,
            "gaussian_fwhm": dict(self.gaussian_fwhm),
            "diffraction_fwhm": dict(self.diffraction_fwhm),
            "ellipticity": self.ellipticity,
            "ellipticity_angle": self.ellipticity_angle,
            "axial_asymmetry": self.axial_asymmetry,
            "beads": self.beads,
            "good": self.good,
            "left_out": dict(self.left_out),
            "notes": list(self.notes),
        }

    def describe(self) -> list[str]:
        """Return what was measured in lines of text."""
        reasons = "".join(f", {n} {_WORDS[name]}" for name, n in self.left_out.items())
        lines = [f"beads: {self.good} of {self.beads} averaged{reasons}"]
        lines += [f"FWHM {a}: {w:.4g} um +- {self.fwhm_error[a]:.2g}" for a, w in self.fwhm.items()]
        other = self.gaussian_fwhm if self.shape == "diffraction" else self.diffraction_fwhm
        words = ", ".join(f"{a} {w:.4g}" for a, w in other.items())
        lines.append(f"shape: {self.shape} fits better; the other gives {words} um")
        lines.append(f"lateral asymmetry: {self.ellipticity:.3g}, long axis at {self.ellipticity_angle:.0f} degrees")
        if "Z" in self.fwhm:
            lines.append(f"axial asymmetry: {self.axial_asymmetry:+.2f}")
        return lines

    def effective_aperture(self, wavelength: float) -> float:
        """Return the numerical aperture of a lens without aberrations whose focus is as wide, for micrometres."""
        lateral = float(np.mean([self.diffraction_fwhm["Y"], self.diffraction_fwhm["X"]]))
        return AIRY_FWHM * wavelength / (2 * np.pi * lateral)


@dataclass(frozen=True, slots=True)
class _Recording:
    """Beads as plain volumes ``(Z, Y, X)``, and what is known of their noise."""

    volume: Floats
    halves: tuple[Floats, Floats] | None
    full: float | None
    variance: Callable[[Floats], Floats]
    sizes: tuple[float, float, float]
    axes: str


@checks_names
def measure_psf(
    image: Image | Array,
    *,
    axes: str | None = None,
    bead_channel: int = 0,
    bead_size: float = 0.0,
    pixel_size: float | Sequence[float] | None = None,
) -> PsfMeasurement:
    """Measure the point-spread function of a microscope on an image of small fluorescent beads.

    Parameters
    ----------
    image
        Plane or stack of beads, neither denoised nor deconvolved, of known pixel size; or a movie of them, which is
        averaged and shows which beads move. At least five beads must lie apart from each other and from the borders.
    axes
        Axes of a bare array.
    bead_channel
        Index of the channel that shows the beads.
    bead_size
        Diameter of the beads in micrometres. Its blur is taken off the widths, not off the average. 0 = points.
    pixel_size
        Pixel size of the average in the unit of the image: one number for Y and X, or one per axis. None = that of the
        image.

    Returns
    -------
    PsfMeasurement

    Raises
    ------
    SettingsError
        If fewer than five good beads are found, the pixel size is unknown, or an option is out of range.

    Notes
    -----
    The widths are those of the light: the area of pixels along Y and X is part of what is fitted. A stack must reach
    two and a half sigmas above and below each bead, better four.
    """
    if not isinstance(image, Image):
        array = image if hasattr(image, "shape") else np.asarray(image)
        image = Image.from_array(array, axes or guess_axes(tuple(array.shape)))
    if isinstance(bead_size, bool) or not 0 <= bead_size < np.inf:
        raise SettingsError(f"`bead_size` must be a diameter in micrometres of at least 0, got {bead_size}.")
    recording = _read(image, bead_channel)
    cleaned, hot = erase_hot_pixels(recording.volume, recording.variance)
    recording = replace(recording, volume=cleaned)
    beads = [*find_beads(cleaned, recording.halves, recording.full, recording.variance), *hot]
    good = [b for b in beads if not b.fault and b.shape is not None]
    if len(good) < MIN_BEADS:
        raise SettingsError(_too_few(beads, len(good)), remedy="Record more beads, further apart and below saturation.")
    boxes = _boxes(recording, good)
    widths = [s.width for b in good if (s := b.shape) is not None]
    typical = [float(np.median([w[a] for w in widths])) for a in range(3)]
    return _measure(image, recording, beads, boxes, typical, bead_size, pixel_size)


def _read(image: Image, channel: int) -> _Recording:
    if not image.has_pixel_size:
        raise SettingsError("the pixel size of the beads is unknown.", remedy="Set the image's `pixel_size`.")
    if "S" in image.axes:
        raise SettingsError("beads are measured in one channel, got a colour image.", remedy="Give one channel.")
    if not 0 <= channel < image.size("C"):
        raise SettingsError(f"`bead_channel` must be 0 to {image.size('C') - 1}, got {channel}.")
    raw = np.asarray(image.with_nan().data)
    raw = raw.take(channel, axis=image.axes.index("C")) if "C" in image.axes else raw
    axes = image.axes.replace("C", "")
    order = [axes.index(a) for a in "TZYX" if a in axes]
    values = np.transpose(raw, order).astype(np.float64)
    frames = values if "T" in axes else values[None]
    frames = frames if "Z" in axes else frames[:, None]
    if not np.isfinite(frames).all():
        raise SettingsError("the image of beads holds NaN or infinite pixels.", remedy="Crop the image.")
    if frames.min() == frames.max():
        raise SettingsError("the image has one intensity everywhere: there are no beads.", remedy="Choose another.")
    half = len(frames) // 2
    halves = (frames[:half].mean(axis=0), frames[-half:].mean(axis=0)) if half else None
    full = float(np.iinfo(image.dtype).max) if image.dtype.kind in "ui" else None
    sizes = dict(zip(image.spatial, image.pixel_size, strict=True))
    micrometres = {a: METRES[u] / METRES["micrometer"] for a in image.spatial if (u := image.units[a]) in METRES}
    z, y, x = (sizes.get(a, 0.0) * micrometres.get(a, 1.0) for a in "ZYX")
    volume = frames.mean(axis=0)
    peak = float(frames.max())  # of single frames: their mean hides saturation
    if full is not None and len(frames) > 1 and peak >= full:
        volume = np.where((frames >= full).any(axis=0), full, volume)
    return _Recording(volume, halves, full, _variance(frames), (z, y, x), image.axes)


def _variance(frames: Floats) -> Callable[[Floats], Floats]:
    """Return the variance of the noise at each intensity, up to a factor: that of photons where none is measured."""
    low = float(np.median(frames))
    try:
        planes = frames.reshape(-1, *frames.shape[-2:])
        noise = measure_noise(list(planes[:: max(1, len(planes) // 32)]))
    except SettingsError:
        return lambda values: np.maximum(values - low, 0) + 1e-3 * float(np.ptp(frames))
    if noise.gain == 0 and noise.read_noise == 0:
        return np.ones_like
    least = max(noise.read_noise**2, 0.01 * float(noise.sigma(float(frames.max()))) ** 2)
    return lambda values: noise.gain * np.maximum(values - noise.offset, 0) + least


def _too_few(beads: Sequence[Bead], good: int) -> str:
    reasons = ", ".join(f"{n} {_WORDS[name]}" for name, n in count_faults(beads).items())
    found = f"{len(beads)} were found, {reasons}" if reasons else f"{len(beads)} were found"
    return f"a point-spread function needs at least {MIN_BEADS} good beads, got {good} ({found})."


_WORDS = {
    "border": "at a border",
    "hot": "of a single hot pixel",
    "touching": "touching another",
    "saturated": "saturated",
    "moving": "moving",
    "width": "of another width",
    "brightness": "of another brightness",
}


def _boxes(recording: _Recording, good: Sequence[Bead]) -> Floats:
    """Return the aligned boxes of beads ``(N, Z, Y, X)``, without background."""
    shapes = [b.shape for b in good if b.shape is not None]
    width = [float(w) for w in np.median([s.width for s in shapes], axis=0)]
    reach = reach_of(width, recording.volume.shape)
    parts = [(cut(recording.volume, b.centre, reach), s) for b, s in zip(good, shapes, strict=True)]
    return np.stack([align(p[0] - s.background, p[1]) for p, s in parts if p is not None])


def _measure(
    image: Image,
    recording: _Recording,
    beads: Sequence[Bead],
    boxes: Floats,
    width: Sequence[float],
    bead_size: float,
    pixel_size: float | Sequence[float] | None,
) -> PsfMeasurement:
    average = boxes.sum(axis=0)
    level = float(np.median([b.shape.background for b in beads if b.shape is not None and not b.fault]))

    def variance(values: Floats) -> Floats:
        return recording.variance(values / len(boxes) + level)

    middle, start = [(n - 1) / 2 for n in average.shape], [w or 1.0 for w in width]
    gaussian, diffraction = (fit(average, middle, start, variance, boxes) for fit in (fit_gaussian, fit_diffraction))
    gaussian, diffraction = (_unalign(s, beads) for s in (gaussian, diffraction))
    is_diffraction = diffraction.misfit < gaussian.misfit
    best = diffraction if is_diffraction else gaussian
    axes = "ZYX" if average.shape[0] > 1 else "YX"
    sigmas = [_without_bead(s.width, recording.sizes, bead_size, axes) for s in (gaussian, diffraction)]
    widths = sigmas[int(is_diffraction)]
    errors = {a: best.error["ZYX".index(a)] * recording.sizes["ZYX".index(a)] * FWHM_PER_SIGMA for a in axes}
    ellipticity, angle = _ellipticity(average, gaussian)
    psf = Image.from_array(
        (average / max(gaussian.brightness, 1e-30)).reshape(average.shape[-len(axes) :]).astype(np.float32),
        axes,
        pixel_size=[image.pixel_size[image.spatial.index(a)] for a in axes],
        unit=image.units["X"],
    )
    return PsfMeasurement(
        image=psf if pixel_size is None else resample_psf(psf, pixel_size),
        fwhm={a: w * FWHM_PER_SIGMA for a, w in widths.items()},
        fwhm_error=errors,
        gaussian_fwhm={a: w * FWHM_PER_SIGMA for a, w in sigmas[0].items()},
        diffraction_fwhm={a: w * FWHM_PER_SIGMA for a, w in sigmas[1].items()},
        shape="diffraction" if is_diffraction else "gaussian",
        ellipticity=ellipticity,
        ellipticity_angle=angle,
        axial_asymmetry=_axial_asymmetry(average, gaussian),
        beads=len(beads),
        good=len(boxes),
        left_out=count_faults(beads),
        centres=np.array([b.centre for b in beads if not b.fault and b.shape is not None]),
        notes=tuple(_notes(gaussian, axes, bead_size)),
    )


def _unalign(shape: Shape, beads: Sequence[Bead]) -> Shape:
    """Return a shape with the variance that alignment took away: each centre follows the noise of its own bead."""
    errors = np.array([b.shape.centre_error for b in beads if b.shape is not None and not b.fault])
    z, y, x = np.sqrt(np.square(shape.width) + np.mean(errors**2, axis=0))
    return replace(shape, width=(float(z), float(y), float(x)))


def _without_bead(width: Sequence[float], sizes: Sequence[float], bead_size: float, axes: str) -> dict[str, float]:
    """Return sigmas in micrometres without the blur by a ball, whose variance along each axis is d^2 / 20."""
    by_axis = {a: width["ZYX".index(a)] * sizes["ZYX".index(a)] for a in axes}
    if bead_size**2 / 20 > _BLUR_BY_BEAD * min(by_axis[a] for a in "YX") ** 2:
        raise SettingsError(
            f"beads of {bead_size:g} micrometres are too large to measure a width of "
            f"{FWHM_PER_SIGMA * by_axis['X']:.3g} micrometres.",
            remedy="Use beads of less than half of it, or leave `bead_size` out.",
        )
    return {a: float(np.sqrt(s**2 - bead_size**2 / 20)) for a, s in by_axis.items()}


def _ellipticity(average: Floats, gaussian: Shape) -> tuple[float, float]:
    """Return the larger lateral width over the smaller one, and its direction, from weighted second moments.

    The weight is the fitted Gaussian itself, which keeps the noise of dark pixels out; it halves all variances alike
    if the light is Gaussian, so their ratio and direction stay.
    """
    z, y, x = (np.arange(n, dtype=np.float64) for n in average.shape)
    _, cy, cx = gaussian.centre
    wide = float(np.mean(gaussian.width[1:]))
    along = np.exp(-0.5 * ((z - gaussian.centre[0]) / gaussian.width[0]) ** 2) if len(z) > 1 else np.ones(1)
    plane = np.tensordot(along, average, (0, 0))
    dy, dx = (y - cy)[:, None], x - cx
    weight = plane * np.exp(-0.5 * (dy**2 + dx**2) / wide**2)
    total = float(weight.sum())
    yy, xx, xy = (float((weight * m).sum() / total) for m in (dy**2, dx**2 + 0 * dy, dy * dx))
    # The product with a round Gaussian of variance w has the inverse variance 1 / s + 1 / w.
    values, vectors = np.linalg.eigh(np.array([[yy, xy], [xy, xx]]))
    inverse = np.maximum(1 / np.maximum(values, 1e-12) - 1 / wide**2, 1e-12)
    ratio = float(np.sqrt(inverse.max() / inverse.min()))
    major = vectors[:, int(np.argmax(values))]
    return ratio, float(np.degrees(np.arctan2(major[0], major[1])) % 180)


def _axial_asymmetry(average: Floats, gaussian: Shape) -> float:
    if average.shape[0] == 1:
        return 0.0
    y, x = (np.arange(n, dtype=np.float64) for n in average.shape[1:])
    _, cy, cx = gaussian.centre
    near = (((y - cy)[:, None] / gaussian.width[1]) ** 2 + ((x - cx) / gaussian.width[2]) ** 2) <= 4
    line = average[:, near].sum(axis=1)
    offset = np.arange(len(line)) - gaussian.centre[0]
    before, behind = (float(line[side].sum()) for side in (offset < -0.5, offset > 0.5))
    return (behind - before) / max(behind + before, 1e-30)


def _notes(gaussian: Shape, axes: str, bead_size: float) -> list[str]:
    notes = []
    coarse = [a for a in axes if gaussian.width["ZYX".index(a)] < _COARSE]
    if coarse:
        notes.append(
            f"pixels are large for the light along {', '.join(coarse)} (fewer than two per full width): the width "
            "rests on the shape that was assumed"
        )
    if bead_size == 0:
        notes.append("beads count as points: `bead_size` takes off their blur")
    return notes
