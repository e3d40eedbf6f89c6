"""Find beads, and throw out those that would spoil an average.

A filter of the expected width makes each bead one maximum, however few its photons are. A bead is left out if it lies
at the border, is a single bright pixel, has a neighbour within reach, saturates the camera, moves while it is recorded,
or is wider, narrower, brighter or darker than most.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from napari_superres.degradation.psf.average import cut
from napari_superres.degradation.psf.fits import Shape, fit_gaussian

Floats = npt.NDArray[np.float64]

REACH = 4.0
"""Half the edge of the box around a bead, in sigmas."""

_LEAST_REACH = 2.5
"""The same along Z in a shallow stack: the background must show above and below the bead."""

_WIDTHS = (0.8, 1.2, 1.8, 2.7, 4.0, 6.0)
"""Sigmas that are tried to find the first beads, in pixels; along Z as well."""

_THRESHOLD = 6.0
"""Height of a maximum over the deviation of the filtered noise."""

_FIRST_BEADS = 20
"""Brightest maxima of which the first width is found."""

_MOST_BEADS = 400
"""Brightest maxima that are looked at."""

_NEIGHBOUR = 0.1
"""Brightness of a neighbour that counts, over that of the bead."""

_APART = 6.0
"""Distance within which neighbours touch, in sigmas."""

_OUTLIER = 4.0
"""Distance from the median beyond which a bead differs, in deviations of the others."""

_FEW_PERCENT, _BRIGHTNESS = 0.1, 0.35
"""Relative differences of width and of brightness that are no reason to leave a bead out."""

_MOVED = 0.4
"""Movement during the recording that counts, in sigmas."""

_LEAST_SPREAD = 0.157
"""Light of the four pixels around the brightest, over four times its own, of a Gaussian of FWHM 1 pixel at its centre.

No lens is sampled more coarsely: what has less is a hot pixel, or a cosmic ray.
"""

_NOISE_OF_SPREAD = 2.0
"""Standard errors of the noise by which the four pixels must be darker than that."""

_ROUNDS = 5
"""Most rounds of erasing hot pixels: dim ones show when the bright ones are gone."""

_PLATEAU = 3
"""Pixels of one and the same highest value that show saturation."""


@dataclass(frozen=True, slots=True)
class Bead:
    """A bead: where it is, what was fitted to it, and why it is left out.

    Attributes
    ----------
    centre
        Position ``(Z, Y, X)`` in pixels of the image.
    shape
        Gaussian fitted to it; None if it was left out before.
    fault
        Why it is left out: ``"border"``, ``"hot"``, ``"touching"``, ``"saturated"``, ``"moving"``, ``"width"``
        or ``"brightness"``; empty if it is good.
    """

    centre: tuple[float, float, float]
    shape: Shape | None = None
    fault: str = ""


def erase_hot_pixels(volume: Floats, variance: Callable[[Floats], Floats]) -> tuple[Floats, list[Bead]]:
    """Return the volume without pixels that are brighter than light could make them alone, and where those were."""
    cleaned, hot = volume.copy(), []
    background = float(np.median(volume))
    narrow = (0.0 if volume.shape[0] == 1 else _WIDTHS[0], _WIDTHS[0], _WIDTHS[0])
    for _ in range(_ROUNDS):
        places, _heights = _maxima(cleaned, narrow)
        wide = np.pad(cleaned, ((0, 0), (1, 1), (1, 1)), mode="reflect")
        z, y, x = places.T
        around = (wide[z, y, x + 1] + wide[z, y + 2, x + 1] + wide[z, y + 1, x] + wide[z, y + 1, x + 2]) / 4
        least = _LEAST_SPREAD * (cleaned[z, y, x] - background)
        error = np.sqrt(variance(background + np.maximum(least, 0)) / 4)
        is_hot = around - background < least - _NOISE_OF_SPREAD * error
        if not is_hot.any():
            break
        cleaned[tuple(places[is_hot].T)] = around[is_hot]
        hot += [Bead((float(p[0]), float(p[1]), float(p[2])), fault="hot") for p in places[is_hot]]
    return cleaned, hot


def find_beads(
    volume: Floats, halves: tuple[Floats, Floats] | None, full: float | None, variance: Callable[[Floats], Floats]
) -> list[Bead]:
    """Return all beads of a volume, good and bad.

    Parameters
    ----------
    volume
        ``(Z, Y, X)``; the mean over time of a movie.
    halves
        Means over the first and the second half of a movie; None for a single recording.
    full
        Largest value of the data type of a whole-number image; None for floating point.
    variance
        Variance of the noise at each intensity.
    """
    width = _first_width(volume)
    beads: list[Bead] = []
    for _ in range(2):
        found = _maxima(volume, width)
        beads = list(_judge(volume, found, width, halves, full, variance))
        shapes = [b.shape for b in beads if b.shape is not None and not b.fault]
        if not shapes:
            return beads
        better = np.median([s.width for s in shapes], axis=0)
        if np.allclose(better[1:], width[1:], rtol=0.1) and np.allclose(better[0], width[0], rtol=0.15):
            break
        width = (float(better[0]), float(better[1:].mean()), float(better[1:].mean()))
    return _leave_out_different(beads)


def reach_of(width: Sequence[float], shape: Sequence[int]) -> tuple[int, ...]:
    """Return half the edge of the box around a bead per axis, in pixels; less along Z if the stack is shallow."""
    lateral = [int(np.ceil(REACH * w)) + 1 for w in width[1:]]
    if shape[0] == 1:
        return (0, *lateral)
    room = (shape[0] - 1) // 2 - int(np.ceil(width[0]))  # beads need not lie in the middle plane
    return (min(int(np.ceil(REACH * width[0])), max(int(np.ceil(_LEAST_REACH * width[0])), room)), *lateral)


def count_faults(beads: Sequence[Bead]) -> dict[str, int]:
    """Return how many beads were left out for each reason."""
    return dict(Counter(b.fault for b in beads if b.fault))


def _first_width(volume: Floats) -> tuple[float, float, float]:
    """Return the sigma at which the brightest maxima stand out most from noise: first laterally, then along Z."""
    plane = volume.max(axis=0, keepdims=True) if volume.shape[0] > 1 else volume
    lateral = max(_WIDTHS, key=lambda w: _stand_out(plane, (0.0, w, w)))
    if volume.shape[0] == 1:
        return 0.0, lateral, lateral
    fitting = [w for w in _WIDTHS if 2 * w <= volume.shape[0]] or _WIDTHS[:1]
    axial = max(fitting, key=lambda w: _stand_out(volume, (w, lateral, lateral)))
    return axial, lateral, lateral


def _stand_out(volume: Floats, width: tuple[float, float, float]) -> float:
    """Return the height of the brightest maxima over white noise, in any unit.

    It is greatest where the filter is as wide as the points.
    """
    filtered, deviation = _filter(volume, width)
    heights = np.sort(_peaks(filtered, width)[1])[-_FIRST_BEADS:]
    light = float(heights[heights > _THRESHOLD * deviation].sum())
    return light * math.sqrt(math.prod(w for w in width if w))


def _filter(volume: Floats, width: Sequence[float]) -> tuple[Floats, float]:
    """Return the volume blurred by a Gaussian, without its wide background, and the deviation of its noise."""
    from scipy import ndimage

    near = ndimage.gaussian_filter(volume, width, mode="reflect")
    wide = ndimage.gaussian_filter(volume, [3 * w for w in width], mode="reflect")
    difference = near - wide
    middle = float(np.median(difference))
    return difference - middle, 1.4826 * float(np.median(np.abs(difference - middle)))


def _peaks(filtered: Floats, width: Sequence[float]) -> tuple[npt.NDArray[np.intp], Floats]:
    """Return local maxima ``(N, 3)`` and their heights."""
    from scipy import ndimage

    size = [1 if n == 1 else 2 * max(1, round(1.5 * w)) + 1 for n, w in zip(filtered.shape, width, strict=True)]
    is_peak = (filtered == ndimage.maximum_filter(filtered, size, mode="nearest")) & (filtered > 0)
    places = np.argwhere(is_peak)
    return places, filtered[is_peak]


def _maxima(volume: Floats, width: Sequence[float]) -> tuple[npt.NDArray[np.intp], Floats]:
    """Return the places of beads ``(N, 3)`` and their heights, brightest first."""
    filtered, deviation = _filter(volume, width)
    places, heights = _peaks(filtered, width)
    least = max(_THRESHOLD * deviation, 1e-3 * float(heights.max(initial=0)))
    bright = heights > least
    order = np.argsort(-heights[bright])[:_MOST_BEADS]
    return places[bright][order], heights[bright][order]


def _judge(
    volume: Floats,
    found: tuple[npt.NDArray[np.intp], Floats],
    width: Sequence[float],
    halves: tuple[Floats, Floats] | None,
    full: float | None,
    variance: Callable[[Floats], Floats],
) -> Iterator[Bead]:
    """Yield each bead, fitted, or with the reason why it was not."""
    places, heights = found
    reach = reach_of(width, volume.shape)
    scale = np.array([w or 1.0 for w in width])
    highest = float(volume.max())
    is_full = full is not None and highest >= full
    for place, height in zip(places, heights, strict=True):
        centre = (float(place[0]), float(place[1]), float(place[2]))
        part = cut(volume, centre, reach)
        if part is None:
            yield Bead(centre, fault="border")
            continue
        box, inside = part
        distance = np.sqrt((((places - place) / scale) ** 2).sum(axis=1))
        if ((distance > 0) & (distance < _APART) & (heights > _NEIGHBOUR * height)).any():
            yield Bead(centre, fault="touching")
            continue
        if _is_saturated(box, highest, is_full):
            yield Bead(centre, fault="saturated")
            continue
        shape = fit_gaussian(box, inside, [w or 1.0 for w in width], variance)
        corner = [c - i for c, i in zip(centre, inside, strict=True)]
        exact = [a + b for a, b in zip(corner, shape.centre, strict=True)]
        fault = "moving" if halves and _moves(halves, centre, reach, width, shape, variance) else ""
        yield Bead((exact[0], exact[1], exact[2]), shape, fault)


def _is_saturated(box: Floats, highest: float, is_full: bool) -> bool:
    """Return whether pixels reach the limit of the data type, or several share the highest value of the image."""
    count = int((box == highest).sum())
    return count > 0 and (is_full or count >= _PLATEAU) and highest > 2 * float(np.median(box))


def _moves(
    halves: tuple[Floats, Floats],
    centre: Sequence[float],
    reach: Sequence[int],
    width: Sequence[float],
    shape: Shape,
    variance: Callable[[Floats], Floats],
) -> bool:
    parts = [cut(half, centre, reach) for half in halves]
    fits = [fit_gaussian(p[0], p[1], shape.width, variance).centre for p in parts if p is not None]
    steps = [abs(a - b) / (w or np.inf) for a, b, w in zip(*fits, width, strict=True)]
    return bool(max(steps) > _MOVED)


def _leave_out_different(beads: Sequence[Bead]) -> list[Bead]:
    """Return beads, with those marked whose width or brightness differs from most."""
    good = [b.shape for b in beads if b.shape is not None and not b.fault]
    widths = np.log([[max(w, 1e-3) for w in s.width] for s in good])
    light = np.array([s.brightness for s in good])
    # Many faint specks must not outvote the beads: each counts by its light.
    typical = _weighted_median(light, np.maximum(light, 0))
    kept = (light > typical / 2.5) & (light < 2.5 * typical)
    faults = iter(_faults(widths, light, kept))
    return [replace(b, fault=next(faults)) if b.shape is not None and not b.fault else b for b in beads]


def _faults(widths: Floats, light: Floats, kept: npt.NDArray[np.bool_]) -> list[str]:
    log_light = np.log(np.maximum(light, 1e-9))
    different = _differs(log_light, kept, _BRIGHTNESS)
    wide = np.any([_differs(column, kept & ~different, _FEW_PERCENT) for column in widths.T], axis=0)
    return ["brightness" if d else "width" if w else "" for d, w in zip(different | ~kept, wide, strict=True)]


def _differs(values: Floats, kept: npt.NDArray[np.bool_], allowed: float) -> npt.NDArray[np.bool_]:
    """Return which values lie further from the median of those kept than chance and `allowed` explain."""
    if not kept.any():
        return ~kept
    middle = float(np.median(values[kept]))
    deviation = 1.4826 * float(np.median(np.abs(values[kept] - middle)))
    return np.asarray(np.abs(values - middle) > max(_OUTLIER * deviation, allowed))


def _weighted_median(values: Floats, weights: Floats) -> float:
    order = np.argsort(values)
    share = np.cumsum(weights[order])
    return float(values[order][min(int(np.searchsorted(share, share[-1] / 2)), len(values) - 1)])
