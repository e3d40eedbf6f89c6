"""What is measured of each channel and colour of a result, so that the worst one can be named."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.core.invalid import fill
from napari_superres.errors import EvaluationError
from napari_superres.evaluation.consistency import Consistency, check_consistency
from napari_superres.evaluation.consistency.copied import copied_noise
from napari_superres.evaluation.consistency.detail import detail_excess
from napari_superres.evaluation.consistency.grids import Grids, find_grids
from napari_superres.evaluation.consistency.kept import Kept, kept_detail
from napari_superres.evaluation.consistency.places import Place, denied_by_input, denied_by_reference
from napari_superres.evaluation.consistency.sums import denied_by_sums
from napari_superres.evaluation.metrics.linearity import Linearity, flux, linearity
from napari_superres.evaluation.registration.lengths import pixel_sizes
from napari_superres.evaluation.registration.match import match
from napari_superres.evaluation.registration.register import Registration, register
from napari_superres.evaluation.registration.scale import scale_of
from napari_superres.evaluation.reporting.spots import Index, Spot, in_units_of, spot_on
from napari_superres.evaluation.resolution.holes import without_holes

T = TypeVar("T")
Floats = npt.NDArray[np.float64]

_COLOURS = ("red", "green", "blue")

_MOST_PIXELS = 1 << 25
"""Most pixels of a channel that local errors, grids and detail are sought in; more are sampled by planes."""

_FRAMES = 8
"""Most frames whose position is measured."""

_COARSE = ((3.0, 0.5), (6.0, 0.2))
"""Standard deviations, in pixels, of the Gaussians that intensities are smoothed by before they are compared, and the
share of the contrast that must be left: otherwise the lens, which takes contrast from fine structure, looks like gain.
"""


def by_channel(image: Image | None) -> dict[str, Image]:
    """Return the channels of an image, or its colours, by name; the only one is named ``""``."""
    if image is None:
        return {}
    axis = next((a for a in "CS" if a in image.axes), None)
    if axis is None:
        return {"": image}
    count = min(image.size(axis), len(_COLOURS)) if axis == "S" else image.size(axis)
    names = _COLOURS if axis == "S" else image.channel_names or tuple(str(c) for c in range(count))
    if count == 1:
        names = ("",)
    at = image.axes.index(axis)
    axes = image.axes.replace(axis, "")
    parts = (image.data[tuple(c if i == at else slice(None) for i in range(len(image.axes)))] for c in range(count))
    return {
        n: image.replace(data=np.asarray(p), axes=axes, channel_names=()) for n, p in zip(names, parts, strict=False)
    }


def worst(values: Mapping[str, T], badness: Callable[[T], float]) -> tuple[str, T] | None:
    """Return the name and the value of the worst channel; None if there is none."""
    return max(values.items(), key=lambda item: badness(item[1])) if values else None


def named(name: str, text: str) -> str:
    """Return a text that begins with the channel it is about, if there are several."""
    return f"channel {name}: {text}" if name else text


@dataclass(frozen=True, slots=True)
class AgainstInput:
    """A result compared with its input, by channel.

    Attributes
    ----------
    names
        Names of the channels.
    consistency
        The result, degraded again, compared with the input.
    problem
        Why that could not be measured, if so.
    denied
        Place of the result that the input denies most.
    kept
        Detail of the input that is kept least.
    grids
        Grids and seams in the difference from the interpolated input.
    excess
        Strength of fine detail over coarser detail at its strongest place, and that place.
    sampled
        ``"16 of 200 planes"`` where grids and detail were sought in a sample; else empty.
    """

    names: tuple[str, ...]
    consistency: Mapping[str, Consistency]
    problem: str
    denied: Mapping[str, Place]
    kept: Mapping[str, Kept]
    grids: Mapping[str, Grids]
    excess: Mapping[str, tuple[float, Spot]]
    sampled: str

    def spots(self) -> list[tuple[str, Spot]]:
        """Return the places that answers name, with their channels."""
        found = [(n, Spot(p.index, p.position)) for n, p in self.denied.items()]
        return found + [(n, at) for n, (_, at) in self.excess.items()]


def compare_with_input(
    result: Image, lr: Image | None, interpolated: Image | None, psf_sigma: float | None, psf: Image | None = None
) -> AgainstInput:
    """Compare every channel of a result with its input.

    Parameters
    ----------
    result
        The result with all its pixels.
    lr, interpolated
        Its input, and that input on the grid of the result; None if unknown.
    psf_sigma, psf
        As in `examine`.
    """
    if lr is None:
        return AgainstInput((), {}, "no input was given as `lr`", {}, {}, {}, {}, "")
    ours, theirs = by_channel(result), by_channel(lr)
    if len(ours) != len(theirs):
        problem = f"the input has {len(theirs)} channels, the result {len(ours)}"
        return AgainstInput((), {}, problem, {}, {}, {}, {}, "")
    width = None if psf_sigma is None or psf is not None else psf_sigma / pixel_sizes(lr, "Y")[0]
    consistency: dict[str, Consistency] = {}
    denied: dict[str, Place] = {}
    kept: dict[str, Kept] = {}
    grids: dict[str, Grids] = {}
    excess: dict[str, tuple[float, Spot]] = {}
    problem = sampled = ""
    bases: list[Image | None] = [*by_channel(interpolated).values()]
    for (name, one), low, base in zip(ours.items(), theirs.values(), bases or [None] * len(ours), strict=True):
        try:
            consistency[name] = check_consistency(one, low, psf_sigma=width, psf=psf)
            usual = None if base is None else check_consistency(base, low, psf_sigma=width, psf=psf)
            places = [None if usual is None else denied_by_input(consistency[name], usual, low)]
            places += [denied_by_sums(consistency[name], low)]
            worse = max((p for p in places if p is not None), key=lambda p: p.score, default=None)
            denied |= {} if worse is None else {name: _placed(worse, in_units_of(low, one), one)}
            least = kept_detail(consistency[name], low)
            kept |= {} if least is None else {name: least}
        except EvaluationError as error:
            problem = problem or str(error)
        if base is not None:
            pair = match(one, base, names=("result", "interpolated input"))
            (first, second), sampled = sample_planes(pair.result, pair.reference)
            factor = scale_of(one, low) or {}
            scale = factor.get("Y", 1), factor.get("X", 1)
            step = 1.0 if one.dtype.kind in "ui" else 0.0
            grids[name] = find_grids(*_filled_alike(to_planes(first), to_planes(second)), scale, step)
            if max(scale) > 1 and (whole := _whole(to_planes(first))):
                value, at = detail_excess(whole[0], max(scale))
                excess[name] = value, spot_on(_index(pair.result, first, at), pair.result, one)
    return AgainstInput(tuple(ours), consistency, problem, denied, kept, grids, excess, sampled)


@dataclass(frozen=True, slots=True)
class AgainstReference:
    """A result compared with its reference, or with its interpolated input in place of one, by channel.

    Attributes
    ----------
    registrations
        How each channel would have to be moved, by channel and frame; none where that could not be measured.
    problem
        Why it could not.
    curves, fluxes
        Intensities over those of the other image, and their total over its total.
    wrong
        Place of the largest error next to interpolation; empty without it.
    copied
        Share of the reference's noise that the result holds at its worst place, and that place.
    equal
        Channels that equal those of the reference.
    sampled
        As in `AgainstInput`.
    """

    registrations: Mapping[str, Registration]
    problem: str
    curves: Mapping[str, Linearity]
    fluxes: Mapping[str, float]
    wrong: Mapping[str, Place]
    copied: Mapping[str, tuple[float, Spot]]
    equal: tuple[str, ...]
    sampled: str

    def spots(self) -> list[tuple[str, Spot]]:
        """Return the places that answers name, with their channels."""
        found = [(n, Spot(p.index, p.position)) for n, p in self.wrong.items()]
        return found + [(n, at) for n, (_, at) in self.copied.items()]


def compare_channels(result: Image, reference: Image, base: Image | None) -> AgainstReference:
    """Compare every channel of a result with that of an image on the same grid.

    Parameters
    ----------
    result, reference
        Images on one grid, of one shape.
    base
        The interpolated input on that grid; None leaves out what needs it.
    """
    registrations, problem = _positions(result, reference)
    curves: dict[str, Linearity] = {}
    fluxes: dict[str, float] = {}
    copied: dict[str, tuple[float, Spot]] = {}
    equal: list[str] = []
    wrong: dict[str, Place] = {}
    sampled = ""
    ours, theirs = by_channel(result), by_channel(reference)
    bases: list[Image | None] = [*by_channel(base).values()]
    for (name, one), other, low in zip(ours.items(), theirs.values(), bases or [None] * len(ours), strict=True):
        (first, second), sampled = sample_planes(one, other)
        planes = to_planes(first), to_planes(second)
        curves[name] = _curve(*planes)
        fluxes[name] = flux(np.asarray(other.data), np.asarray(one.data))
        noise = copied_noise(*planes)
        copied |= {} if noise is None else {name: (noise.share, spot_on(_index(one, first, noise.place), one, one))}
        equal += [name] if np.array_equal(np.asarray(one.data), np.asarray(other.data)) else []
        if low is not None:
            place = denied_by_reference(first, sample_planes(low, other)[0][0], second)
            if place is not None:
                whole = replace(place, index=_unsampled(one, place.index))
                wrong[name] = _placed(whole, one, one)
    return AgainstReference(registrations, problem, curves, fluxes, wrong, copied, tuple(equal), sampled)


def _positions(result: Image, reference: Image) -> tuple[dict[str, Registration], str]:
    """Return the registration of each channel and frame, and why there is none."""
    found: dict[str, Registration] = {}
    problem = ""
    for (name, one), other in zip(by_channel(result).items(), by_channel(reference).values(), strict=True):
        for frame, pair in _frames(one, other):
            label = ", ".join(part for part in (f"channel {name}" if name else "", frame) if part)
            try:
                found[label] = register(*pair)
            except EvaluationError as error:
                problem = problem or str(error)
    return found, problem


def _frames(result: Image, reference: Image) -> Iterator[tuple[str, tuple[Image, Image]]]:
    """Yield a name and both images of each frame, or of a few; of all if there is one."""
    if result.size("T") < 2:
        yield "", (result, reference)
        return
    at, count = result.axes.index("T"), result.size("T")
    for frame in sorted({round(i) for i in np.linspace(0, count - 1, min(count, _FRAMES))}):
        key = tuple(slice(frame, frame + 1) if i == at else slice(None) for i in range(len(result.axes)))
        yield f"frame {frame}", (result.replace(data=result.data[key]), reference.replace(data=reference.data[key]))


def sample_planes(first: Image, second: Image) -> tuple[tuple[Image, Image], str]:
    """Return two images of one shape with all planes, or evenly spaced ones of large stacks, and how many of them."""
    axis, step = _sampling(first)
    if step == 1:
        return (first, second), ""
    key = tuple(slice(step // 2, None, step) if a == axis else slice(None) for a in first.axes)
    images = tuple(i.replace(data=np.asarray(i.data[key])) for i in (first, second))
    return (images[0], images[1]), f"on {images[0].size(axis)} of {first.size(axis)} planes along {axis}"


def _sampling(image: Image) -> tuple[str, int]:
    """Return the axis along which planes are sampled, and their distance; 1 takes them all."""
    stacked = [a for a in image.axes if a in "TZ"]
    step = max(1, int(np.ceil(np.prod(image.shape) / _MOST_PIXELS))) if stacked else 1
    return max(stacked, key=image.size, default=""), step


def _placed(place: Place, image: Image, result: Image) -> Place:
    """Return a place of an image, such as the input, as one of the result."""
    spot = spot_on(place.index, image, result)
    return replace(place, index=spot.pixel, position=spot.words)


def _index(image: Image, sampled: Image, place: tuple[int, int, int]) -> Index:
    """Return the pixel of an image at the plane, row and column of its sampled planes."""
    outer = {a: n for a, n in zip(sampled.axes, sampled.shape, strict=True) if a not in "YX"}
    planes = np.unravel_index(place[0], tuple(outer.values())) if outer else ()
    index = {**dict(zip(outer, map(int, planes), strict=True)), "Y": int(place[1]), "X": int(place[2])}
    return _unsampled(image, index)


def _unsampled(image: Image, index: Index) -> Index:
    """Return the pixel of an image that is a pixel of its sampled planes, as `sample_planes` returns them."""
    axis, step = _sampling(image)
    return {a: i * step + step // 2 if a == axis else i for a, i in index.items()}


def to_planes(image: Image) -> Floats:
    """Return the planes ``(P, Y, X)`` of one channel as 64-bit floats."""
    values = np.moveaxis(np.asarray(image.data, np.float64), [image.axes.index(a) for a in "YX"], (-2, -1))
    return values.reshape(-1, *values.shape[-2:])


def _whole(*stacks: Floats) -> tuple[Floats, ...] | None:
    """Return stacks of one shape without the pixels at which any of them is not finite; None if none is finite."""
    if not np.logical_and.reduce([np.isfinite(s) for s in stacks]).any():
        return None
    blank = tuple(np.zeros(s.shape[1:]) for s in stacks)
    groups = [without_holes(*group) or blank for group in zip(*stacks, strict=True)]
    return tuple(np.stack(planes) for planes in zip(*groups, strict=True))


def _filled_alike(result: Floats, base: Floats) -> tuple[Floats, Floats]:
    """Return two stacks that do not differ where either is not finite, so that such places count as no pattern."""
    known = np.isfinite(result) & np.isfinite(base)
    if known.all():
        return result, base
    mean = float(base[known].mean()) if known.any() else 0.0
    filled = np.stack([fill(plane, mean) for plane in base])
    return np.where(known, result, filled), filled


def _curve(result: Floats, other: Floats) -> Linearity:
    """Return the intensities of planes over those of another image; without points where blur hides them."""
    contrast = float(np.nanstd(_smooth(other, 1.0))) if np.isfinite(other).any() else 0.0
    for sigma, least in _COARSE:
        smooth = _smooth(other, sigma)
        if contrast and np.isfinite(smooth).any() and float(np.nanstd(smooth)) >= least * contrast:
            return linearity(smooth, _smooth(result, sigma))
    return Linearity(np.empty(0), np.empty(0), np.nan, np.nan, np.nan)


def _smooth(planes: Floats, deviation: float) -> Floats:
    """Return planes without noise and fine detail, which would bend the curve of intensities.

    Pixels that are not finite are left out; nan where they are most of the neighbourhood.
    """
    from scipy.ndimage import gaussian_filter

    sigma = (0, deviation, deviation)
    finite = np.isfinite(planes)
    if finite.all():
        return np.asarray(gaussian_filter(planes, sigma))
    weight = gaussian_filter(finite.astype(np.float64), sigma)
    smooth = gaussian_filter(np.where(finite, planes, 0.0), sigma)
    return np.where(weight > 0.5, smooth / np.maximum(weight, 0.5), np.nan)
