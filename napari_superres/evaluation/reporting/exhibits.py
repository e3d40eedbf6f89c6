"""What a report shows of an image: its middle plane, and the place where a check failed, in all images at once."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.evaluation.reporting.questions import Answer
from napari_superres.evaluation.reporting.spots import in_units_of, in_words, on_grid

if TYPE_CHECKING:
    from napari_superres.evaluation.reporting.findings import Findings

Floats = npt.NDArray[np.float64]
Place = dict[str, int]

_FIELD = 64
"""Edge of a crop, in pixels of the result; that of a coarser input is shown with fewer."""

_BLOCK = 5
"""Edge in pixels of the blocks over which differences are averaged to find the worst place."""


_CLEAR = 10.0
"""Sum of the residuals of a block, in standard deviations of that sum, from which something was added or removed."""


@dataclass(frozen=True, slots=True)
class Exhibit:
    """The same field in several images, around the place where a check failed.

    Attributes
    ----------
    crops
        Planes ``(Y, X)``, or ``(Y, X, S)`` in colour, by the name of the image: ``"input"``, ``"interpolation"``,
        ``"result"``, ``"reference"`` and ``"residual"``. All cover one field; that of the input has fewer pixels.
    centre
        Place in the field along Y and X, as shares of its height and width.
    width
        Width of the field in `unit`.
    unit
        Unit of length; ``"pixel"`` where the pixel size is not known.
    place
        Where the field is, in words.
    residual
        What the residual shows, in words; empty without one.
    claim
        What is wrong there, as the end of the sentence "The result ..."; empty where only the answer tells.
    """

    crops: Mapping[str, npt.NDArray[Any]]
    centre: tuple[float, float]
    width: float
    unit: str
    place: str
    residual: str = ""
    claim: str = ""


def with_exhibits(
    findings: "Findings", result: Image, reference: Image | None, lr: Image | None, base: Image | None
) -> "Findings":
    """Return findings with the middle planes of the images, and the place of each check that failed or is doubtful.

    Parameters
    ----------
    findings
        Findings of `examine`.
    result, reference, base
        Result, reference and interpolated input on one grid; the last two may be None.
    lr
        The input on its own grid, or None.
    """
    lr = None if lr is None else in_units_of(lr, result)
    images = {"input": lr, "interpolation": base, "result": result, "reference": reference}
    pictures = {name: middle_plane(image) for name, image in images.items() if image is not None}
    exhibits: dict[str, Exhibit] = {}
    for answer in findings.answers:
        if answer.state not in ("no", "doubtful"):
            continue
        residual = None if findings.consistency is None else findings.consistency.residual
        named = findings.places.get(answer.question)
        place = _worst_place(answer, result, reference, lr, residual) if named is None else dict(named)
        if place is not None and "C" in result.axes:
            place.setdefault("C", findings.channel)
        if place is not None:
            exhibit = _exhibit(place, result, reference, lr, base, residual)
            claim = _claim(answer, residual) if residual is not None and "its input" in answer.question else ""
            exhibits[answer.question] = replace(exhibit, claim=claim)
    return replace(findings, pictures=pictures, exhibits=exhibits)


_ADDED, _REMOVED = "shows something that its input denies", "lacks something that its input shows"


def _claim(answer: Answer, residual: Image) -> str:
    """Return what is wrong with the place where a result contradicts its input; empty if no place stands out."""
    for kind, claim in (("more", _ADDED), ("less", _REMOVED)):
        if f"{kind} there than the input shows" in answer.reason:
            return claim
    values = np.asarray(residual.data, dtype=np.float64)
    if not np.isfinite(values).any():
        return ""
    blocks = _blocks(values, residual.axes)
    # The mean over a block of white noise has a standard deviation of 1 / _BLOCK.
    peak = float(blocks.flat[np.abs(blocks).argmax()]) * _BLOCK
    if abs(peak) <= _CLEAR:
        return ""
    return _ADDED if peak > 0 else _REMOVED


def middle_plane(image: Image) -> Image:
    """Return the middle plane of all channels and colours."""
    sizes = zip(image.axes, image.shape, strict=True)
    key = tuple(slice(n // 2, n // 2 + 1) if a in "TZ" else slice(None) for a, n in sizes)
    return image.replace(data=np.asarray(image.data[key]))


def _worst_place(
    answer: Answer, result: Image, reference: Image | None, lr: Image | None, residual: Image | None
) -> Place | None:
    """Return the pixel of the result where an answer is worst; None if nothing tells it."""
    if "every pixel" in answer.question:
        holes = np.argwhere(~np.isfinite(np.asarray(result.data, dtype=np.float64)))
        return dict(zip(result.axes, map(int, holes[len(holes) // 2]), strict=True))
    denied = residual is not None and np.isfinite(np.asarray(residual.data)).any()
    if residual is not None and lr is not None and denied and (reference is None or "its input" in answer.question):
        at = _peak(np.asarray(residual.data, dtype=np.float64), residual.axes)
        return on_grid(at, lr, result)
    if reference is None or reference.shape != result.shape:
        return None
    ours, theirs = (np.asarray(i.data, dtype=np.float64) for i in (result, reference))
    spread = np.nanstd(theirs, axis=tuple(i for i, a in enumerate(result.axes) if a != "C"), keepdims=True)
    return _peak((ours - theirs) / np.where(spread > 0, spread, 1), result.axes)


def _peak(values: Floats, axes: str) -> Place:
    """Return where the mean over a block of pixels is farthest from 0."""
    blocks = np.abs(_blocks(values, axes))
    return dict(zip(axes, map(int, np.unravel_index(blocks.argmax(), blocks.shape)), strict=True))


def _blocks(values: Floats, axes: str) -> Floats:
    from scipy.ndimage import uniform_filter

    size = [_BLOCK if a in "YX" else 1 for a in axes]
    return np.asarray(uniform_filter(np.nan_to_num(values, posinf=0, neginf=0), size, mode="reflect"))


def _exhibit(
    place: Place, result: Image, reference: Image | None, lr: Image | None, base: Image | None, residual: Image | None
) -> Exhibit:
    starts = {a: max(0, min(place[a] - _FIELD // 2, result.size(a) - _FIELD)) for a in "YX"}
    stops = {a: min(starts[a] + _FIELD, result.size(a)) for a in "YX"}
    crops: dict[str, npt.NDArray[Any]] = {}
    if lr is not None:
        crops["input"] = _crop_coarse(lr, result, place, starts, stops)
    for name, image in (("interpolation", base), ("result", result), ("reference", reference)):
        if image is not None and image.shape == result.shape:
            crops[name] = _crop(image, place, starts, stops)
    words = ""
    if residual is not None and lr is not None and np.isfinite(np.asarray(residual.data)).any():
        same = residual.spatial == lr.spatial
        crops["residual"] = _crop_coarse(
            residual.replace(affine=lr.affine) if same else residual, result, place, starts, stops
        )
        words = "result degraded again, less the input, in standard deviations of the input's noise"
    elif "reference" in crops:
        crops["residual"] = crops["result"].astype(np.float64) - crops["reference"]
        words = "result less reference"
    pixel = result.pixel_size[result.spatial.index("X")]
    known = result.has_pixel_size
    centre = [(place[a] - starts[a] + 0.5) / (stops[a] - starts[a]) for a in "YX"]
    return Exhibit(
        crops={name: crop for name, crop in crops.items() if crop.size},
        centre=(centre[0], centre[1]),
        width=(stops["X"] - starts["X"]) * (pixel if known else 1.0),
        unit=str(result.units["X"]) if known else "pixel",
        place=in_words(place, result),
        residual=words,
    )


def _crop(image: Image, place: Place, starts: Place, stops: Place) -> npt.NDArray[Any]:
    """Return a part of one plane of an image, with Y, X and colours at the end."""
    key: list[int | slice] = []
    for axis, size in zip(image.axes, image.shape, strict=True):
        if axis in "YX":
            key.append(slice(max(0, starts[axis]), max(0, stops[axis])))
        else:
            key.append(slice(None) if axis == "S" else min(place.get(axis, 0), size - 1))
    plane = np.asarray(image.data[tuple(key)])
    left = [a for a in image.axes if a in "YXS"]
    return np.moveaxis(plane, [left.index(a) for a in "YXS" if a in left], range(plane.ndim))


def _crop_coarse(lr: Image, result: Image, place: Place, starts: Place, stops: Place) -> npt.NDArray[Any]:
    """Return the part of the input, or of an image on its grid, that covers a field of the result."""
    corners = []
    for edge in (starts, stops):
        # The outer edges of pixels, not their centres, bound the field.
        index = [edge[a] - 0.5 if a in "YX" else place.get(a, 0) for a in result.spatial]
        world = result.affine @ np.array([*index, 1])
        ours = [world[result.spatial.index(a)] if a in result.spatial else 0.0 for a in lr.spatial]
        found = np.linalg.solve(lr.affine, np.array([*ours, 1]))
        corners.append(dict(zip(lr.spatial, found, strict=False)))
    first, last = ({a: round(corner[a] + 0.5) for a in "YX"} for corner in corners)
    depth = {a: int(np.clip(round(corners[0][a]), 0, lr.size(a) - 1)) for a in lr.spatial if a not in "YX"}
    return _crop(lr, {**place, **depth}, first, last)


def nice_length(width: float) -> float:
    """Return a round length, 1, 2 or 5 times a power of ten, that is at most 0.4 of a width."""
    most = 0.4 * width
    power = 10.0 ** np.floor(np.log10(most))
    return float(max(factor * power for factor in (1, 2, 5) if factor * power <= most))
