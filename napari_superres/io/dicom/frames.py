"""Sort frames of a multi-frame DICOM file, or the files of a series: what lies where, and what differs in time or else.

The tags of each frame or file decide, never their order. Frames at the same place must differ in a dimension that the
tags state: time points become axis T, and everything else (b-values, echoes, segments) axis C.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.errors import UnreadableImageError
from napari_superres.io.dicom.dataset import (
    first_item,
    groups_of,
    items,
    numbers,
    private_b_value,
    quiet_pydicom,
    value,
)
from napari_superres.io.dicom.header import SliceHeader, Vector, with_groups
from napari_superres.io.dicom.stack import check_same_grid, slice_normal, stack_slices

# Dimensions that only say where a frame lies, and those that are time.
_PLACES = {"ImagePositionPatient", "InStackPositionNumber", "StackID", "ImagePositionVolume", "ImageOrientationPatient"}
_TIMES = {
    "TemporalPositionIndex",
    "TemporalPositionTimeOffset",
    "NominalCardiacTriggerDelayTime",
    "FrameReferenceDateTime",
    "FrameAcquisitionDateTime",
    "FrameReferenceTime",
    "TriggerTime",
    "TemporalPositionIdentifier",
    "AcquisitionNumber",
    "AcquisitionTime",
}
# Where frames may differ if the file does not list its dimensions. What differs as an earlier one does adds nothing.
_USUAL = (
    "DiffusionBValue",
    "DiffusionGradientOrientation",
    "EffectiveEchoTime",
    "EchoTime",
    "EchoNumbers",
    "InversionTime",
    "FlipAngle",
    "ComplexImageComponent",
    "ImageType",
    "ReferencedSegmentNumber",
    "TemporalPositionIndex",
    "TemporalPositionTimeOffset",
    "TemporalPositionIdentifier",
    "NominalCardiacTriggerDelayTime",
    "TriggerTime",
    "FrameReferenceDateTime",
    "FrameReferenceTime",
    "AcquisitionNumber",
    "AcquisitionTime",
)
# Times that each slice has of its own: only their order tells the time point.
_ORDERED = ("TriggerTime", "FrameReferenceTime", "AcquisitionTime")
# What names a channel if the dimensions of the file do not.
_NAMING = ("DiffusionBValue", "EffectiveEchoTime", "ComplexImageComponent", "FrameType")
# Steps of time in the unit that the standard gives them.
_STEPS = {
    "TemporalPositionTimeOffset": "second",
    "NominalCardiacTriggerDelayTime": "millisecond",
    "TriggerTime": "millisecond",
    "FrameReferenceTime": "millisecond",
    "AcquisitionTime": "second",
}
# Vectors of nuclear medicine: one number per frame.
_VECTORS = (
    "EnergyWindowVector",
    "DetectorVector",
    "PhaseVector",
    "RotationVector",
    "RRIntervalVector",
    "TimeSlotVector",
    "AngularViewVector",
    "TimeSliceVector",
)
Value = tuple[float | str, ...]

_MOST_CELLS = 100
"""Places in the array per frame of the file, above which its dimensions make no array."""

_NEAR = 1e-3
"""Distance in millimeters below which frames lie at the same place."""


@dataclass(frozen=True, slots=True)
class FrameGrid:
    """The frames of a file as an array.

    Attributes
    ----------
    axes
        ``"ZYX"`` or ``"YX"`` with T or C, or both, before them.
    order
        Number of the frame at each index along all axes but Y and X; -1 where no frame is stored because it is empty.
    affine
        Index-to-world matrix of ``(Z)YX``.
    channel_names
        One per channel, or empty.
    time
        Time between time points and its unit; None if unknown.
    """

    axes: str
    order: npt.NDArray[np.intp]
    affine: Vector
    channel_names: tuple[str, ...] = ()
    time: tuple[float, str] | None = None


def frame_headers(header: SliceHeader) -> list[SliceHeader]:
    """Return a header for each frame that states its place; none if the file does not state the places of frames."""
    tags, count = header.tags, header.size[2]
    per_frame = items(tags, "PerFrameFunctionalGroupsSequence")
    plane = replace(header, size=(*header.size[:2], 1))
    if len(per_frame) == count and count:
        shared = first_item("SharedFunctionalGroupsSequence", tags)
        placed = [
            with_groups(replace(plane, frame=i, position=None, tags=frame), frame, shared)
            for i, frame in enumerate(per_frame)
        ]
        return placed if all(p.position is not None and p.orientation is not None for p in placed) else []
    if header.position is None or header.orientation is None:
        return []
    normal = slice_normal(header)
    offsets = numbers(tags, "GridFrameOffsetVector")
    if offsets is not None and len(offsets) >= count:
        start = 0.0 if offsets[0] == 0 else float(header.position[2])  # else they are positions along Z of the patient
        steps = [normal * (offset - start) for offset in offsets[:count]]
    elif header.slice_spacing:
        _check_vectors(header)
        steps = [normal * header.slice_spacing * i for i in range(count)]
    else:
        return []
    return [replace(plane, frame=i, position=header.position + step) for i, step in enumerate(steps)]


def _check_vectors(header: SliceHeader) -> None:
    for keyword in _VECTORS:
        if len(set(numbers(header.tags, keyword) or ())) > 1:
            raise UnreadableImageError(
                f"{header.path} must hold the slices of one volume, but its frames also differ in their "
                f"{_description(keyword)}.",
                remedy="Export each volume to a file of its own, or convert it to NIfTI with a DICOM tool.",
            )


def share_places(slices: Sequence[SliceHeader]) -> bool:
    """Return whether some of the slices, which all state their place, lie at the same place."""
    if any(s.position is None or s.orientation is None for s in slices):
        return False
    return len({tuple(np.round(np.asarray(s.position) / _NEAR).tolist()) for s in slices}) < len(slices)


def sort_frames(header: SliceHeader, frames: Sequence[SliceHeader]) -> FrameGrid:
    """Sort the frames of a file, or the files of a series, by place, time and other dimensions.

    Parameters
    ----------
    header
        Header of the file, or of one file of the series.
    frames
        Headers of its frames, by `frame_headers`, or of the files.

    Raises
    ------
    UnreadableImageError
        If frames at the same place differ in nothing that the file states, or places are missing.
    """
    check_same_grid(frames)
    along = np.stack([np.asarray(f.position) for f in frames]) @ slice_normal(frames[0])
    ranks = _ranks(along)
    places = int(ranks.max()) + 1
    first = [frames[int(np.flatnonzero(ranks == place)[0])] for place in range(places)]
    for frame, rank in zip(frames, ranks, strict=True):
        if np.linalg.norm(np.asarray(frame.position) - np.asarray(first[rank].position)) > _NEAR:
            raise UnreadableImageError(
                f"{frame.name} must be stacked on the others along their normal, but lies in the plane of "
                f"{first[rank].name}, next to it.",
                remedy="Split it with a DICOM tool first.",
            )
    keys = _dimensions(header, frames, ranks, places) if places < len(frames) or _may_lack_frames(header) else {}
    if not keys and places == len(frames):
        ordered, affine = stack_slices(frames)
        return FrameGrid("ZYX", np.array([f.frame for f in ordered]), affine)
    grid, axes, names, time = _grid_of(header, frames, keys, ranks, places)
    # All volumes have the same places, so the checks of one are those of all.
    _, affine = stack_slices(first)
    return FrameGrid(axes + "ZYX", grid, affine, names, time)


def _ranks(along: Vector) -> npt.NDArray[np.intp]:
    """Return the number of the place of each frame, counted along the normal."""
    order = np.argsort(along, kind="stable")
    ranks = np.empty(len(along), np.intp)
    ranks[order] = np.concatenate([[0], np.cumsum(np.diff(along[order]) > _NEAR)])
    return ranks


def _dimensions(
    header: SliceHeader, frames: Sequence[SliceHeader], ranks: npt.NDArray[np.intp], places: int
) -> dict[str, list[Value]]:
    """Return the values per frame of dimensions that differ at some place; if possible, of those the same at all."""
    groups = [frame.tags for frame in frames]
    listed = _listed(header, groups)
    sparse = _may_lack_frames(header)
    differing, regular = {}, {}
    for keyword, values in (listed or {k: [_found(g, k) for g in groups] for k in _USUAL}).items():
        at = [{values[i] for i in np.flatnonzero(ranks == place)} for place in range(places)]
        if any(len(found) > 1 for found in at) or (sparse and len(set(values)) > 1):
            differing[keyword] = values
            if sparse or all(found == at[0] for found in at):
                regular[keyword] = values
            elif keyword in _ORDERED and len({len(found) for found in at}) == 1:
                orders = [sorted(found) for found in at]
                regular[keyword] = [(float(orders[r].index(v)),) for v, r in zip(values, ranks, strict=True)]
    if listed:
        return regular or differing
    # Of two that divide the frames alike, the first is enough: echo times and numbers of echoes.
    alike = {tuple(map(values.index, values)): keyword for keyword, values in reversed(regular.items())}
    return {keyword: values for keyword, values in regular.items() if keyword in alike.values()} or differing


def _may_lack_frames(header: SliceHeader) -> bool:
    """Return whether empty frames may be left out, as segmentations do."""
    return header.modality == "SEG" and value(header.tags, "SegmentSequence") is not None


def _listed(header: SliceHeader, per_frame: Sequence[Any]) -> dict[str, list[Value]]:
    """Return the index per frame of each dimension that the file lists, except places; none if it lists none."""
    pointers = items(header.tags, "DimensionIndexSequence")
    indices = [numbers(first_item("FrameContentSequence", frame), "DimensionIndexValues") for frame in per_frame]
    if not pointers or any(found is None or len(found) != len(pointers) for found in indices):
        return {}
    out: dict[str, list[Value]] = {}
    for position, pointer in enumerate(pointers):
        keyword = _keyword(value(pointer, "DimensionIndexPointer")) or f"dimension {position + 1}"
        if keyword not in _PLACES:
            out[keyword] = [(found[position],) for found in indices if found is not None]
    return out


def _keyword(tag: Any) -> str:
    with quiet_pydicom() as pydicom:
        return str(pydicom.datadict.keyword_for_tag(tag)) if tag is not None else ""


def _found(frame: Any, keyword: str) -> Value:
    """Return the value of an element in the functional groups of a frame, at most two sequences deep."""
    for group in [frame, *groups_of(frame)]:
        for inner in [group, *groups_of(group)]:
            if (given := value(inner, keyword)) is not None:
                return numbers(inner, keyword) or ((given,) if isinstance(given, str) else tuple(map(str, given)))
    return private_b_value(frame) if keyword == "DiffusionBValue" else ()


def _grid_of(
    header: SliceHeader,
    frames: Sequence[SliceHeader],
    keys: dict[str, list[Value]],
    ranks: npt.NDArray[np.intp],
    places: int,
) -> tuple[npt.NDArray[np.intp], str, tuple[str, ...], tuple[float, str] | None]:
    """Return the frames by time, channel and place, with the axes before Z, the names and the step of time."""
    times, others = [k for k in keys if k in _TIMES], [k for k in keys if k not in _TIMES]
    # Often one dimension follows from another: each b-value, or each echo of a time point, has a time of its own.
    choices = [(times, others), *(([t], others) for t in times), ([], others), (times, []), *(([t], []) for t in times)]
    grids = [_fill(keys, when, what, ranks, places) for when, what in choices]
    grid, doubled = next((g for g in grids if g[1] is None and (g[0] >= 0).all()), grids[0])
    if doubled is not None:
        raise _same_place(frames[doubled[0]], frames[doubled[1]], list(keys))
    if (grid < 0).any() and not _may_lack_frames(header):
        raise UnreadableImageError(
            f"{header.path} must {'hold' if len(frames) == header.size[2] else 'come with'} all slices of each of its "
            f"{grid.shape[0] * grid.shape[1]} volumes, but {int((grid < 0).sum())} of {grid.size} slices are missing.",
            remedy="Copy or export it again, or split it by its dimensions with a DICOM tool.",
        )
    axes = "T" * (grid.shape[0] > 1) + "C" * (grid.shape[1] > 1)
    names: tuple[str, ...] = ()
    if "C" in axes:
        examples = [int(grid[:, channel].max()) for channel in range(grid.shape[1])]
        # Private dimensions have no names, but usual ones often follow them.
        groups = [frames[i].tags for i in examples]
        both = (_channel_names(groups, keywords) for keywords in (others, _NAMING))
        names = next((found for found in both if len(set(found)) == len(found)), ())
    time = _time_step(frames, grid) if "T" in axes else None
    return grid.reshape(*(n for n in grid.shape[:2] if n > 1), places), axes, names, time


def _fill(
    keys: dict[str, list[Value]], times: Sequence[str], others: Sequence[str], ranks: npt.NDArray[np.intp], places: int
) -> tuple[npt.NDArray[np.intp], tuple[int, int] | None]:
    """Return the frames ``(time, channel, place)``, -1 where there is none, and two at the same index if any are."""
    when = [tuple(keys[k][i] for k in times) for i in range(len(ranks))]
    what = [tuple(keys[k][i] for k in others) for i in range(len(ranks))]
    points, kinds = ({v: i for i, v in enumerate(sorted(set(found)))} for found in (when, what))
    if len(points) * len(kinds) * places > _MOST_CELLS * len(ranks):
        return np.full((1, 1, 1), -1, np.intp), None
    grid = np.full((len(points), len(kinds), places), -1, np.intp)
    for number_, (point, kind, place) in enumerate(zip(when, what, ranks, strict=True)):
        index = points[point], kinds[kind], place
        if grid[index] >= 0:
            return grid, (int(grid[index]), number_)
        grid[index] = number_
    return grid, None


def _same_place(first: SliceHeader, second: SliceHeader, keys: Sequence[str]) -> UnreadableImageError:
    known = f" other than {', '.join(map(_description, keys))}" if keys else ""
    split = "Split it into one file per time point, b-value or echo with a DICOM tool first."
    return UnreadableImageError(
        f"{first.name} and {second.name} lie at the same place, but no tag{known} says in what they differ.",
        remedy="Remove copies, or move each time point, b-value or echo to a folder of its own."
        if first.frame is None
        else split,
    )


def _channel_names(groups: Sequence[Any], keywords: Sequence[str]) -> tuple[str, ...]:
    """Return names by the values in which examples of the channels differ, such as ``"Diffusion b-value 1000"``."""
    parts: list[list[str]] = [[] for _ in groups]
    for keyword in keywords:
        values = [_found(group, keyword) for group in groups]
        if len(set(values)) > 1 and "Date" not in keyword:  # dates are personal data
            for part, given in zip(parts, values, strict=True):
                words = " ".join(f"{v:g}" if isinstance(v, float) else v for v in given)
                part.append(f"{_description(keyword)} {words}" if words else "")
    return tuple(", ".join(filter(None, part)) for part in parts)


def _time_step(frames: Sequence[SliceHeader], grid: npt.NDArray[np.intp]) -> tuple[float, str] | None:
    """Return the time between time points, if it is stated and always the same."""
    first = [int(found[found >= 0][0]) for found in grid.reshape(len(grid), -1)]
    for keyword, unit in _STEPS.items():
        stated = [_found(frames[i].tags, keyword) for i in first]
        if all(len(v) == 1 and isinstance(v[0], float) for v in stated):
            moments = np.array([float(v[0]) for v in stated])
            if keyword == "AcquisitionTime":  # written as HHMMSS
                moments = moments // 10000 * 3600 + moments // 100 % 100 * 60 + moments % 100
            steps = np.diff(moments)
            if steps.min() > 0 and np.allclose(steps, steps[0], rtol=0.01):
                return float(steps.mean()), unit
    return None


def _description(keyword: str) -> str:
    with quiet_pydicom() as pydicom:
        try:
            return str(pydicom.datadict.dictionary_description(keyword))
        except (KeyError, ValueError):
            return keyword
