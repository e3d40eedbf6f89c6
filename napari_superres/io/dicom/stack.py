"""Order the slices of a DICOM series and check that they form a straight, evenly spaced stack."""

import math
from collections.abc import Sequence

import numpy as np

from napari_superres.errors import UnreadableImageError
from napari_superres.io.dicom.header import SliceHeader, Vector, need_spacing
from napari_superres.io.series import damage_error

_ROUNDING = 0.02
"""Part of a pixel by which stated directions may move a pixel of the volume without a meaning."""

_SPLIT = "Export it again, or split it by its dimensions with a DICOM tool first."


def _complete(header: SliceHeader) -> str:
    if header.frame is not None:
        return _SPLIT
    return "Complete the series, or move the slices that belong together to a folder of their own."


def _move(header: SliceHeader) -> str:
    return "Move it to another folder." if header.frame is None else _SPLIT


def stack_slices(headers: Sequence[SliceHeader]) -> tuple[list[SliceHeader], Vector]:
    """Return the slices of a series in order along their normal, and the index-to-world matrix ``(Z, Y, X)``.

    Parameters
    ----------
    headers
        Slices of one series, in any order. A single slice must have a place (see ``header.has_place``).

    Raises
    ------
    UnreadableImageError
        If the slices do not form a straight, evenly spaced stack. The message names the file.
    """
    check_same_grid(headers)
    first = headers[0]
    normal = slice_normal(first)
    spacing = need_spacing(first)
    across, down = np.split(np.asarray(first.orientation), 2)
    ordered = sorted(headers, key=lambda h: float(_position(h) @ normal))
    if len(ordered) > 1:
        step = _checked_step(ordered, normal, min(spacing))
    else:
        step = normal * abs(first.slice_spacing or first.thickness or 1.0)
    affine = np.eye(4)
    columns = np.stack([step, down * spacing[0], across * spacing[1]], axis=1)
    affine[:3, :3] = _straightened(columns, (len(ordered), first.size[1], first.size[0]), spacing)[::-1]
    affine[:3, 3] = _position(ordered[0])[::-1]
    return ordered, affine


def _straightened(columns: Vector, shape: tuple[int, int, int], spacing: tuple[float, float]) -> Vector:
    """Return the steps along Z, Y and X at right angles, if that moves no pixel by more than a rounding error.

    Files state directions and positions with few digits.
    """
    sizes = np.array([np.linalg.norm(columns[:, 0]), *spacing])
    left, _, right = np.linalg.svd(columns / np.linalg.norm(columns, axis=0))
    straight: Vector = (left @ right) * sizes
    farthest = np.abs(straight - columns) @ (np.array(shape) - 1.0)
    return straight if float(farthest.max()) < _ROUNDING * min(spacing) else columns


def slice_normal(header: SliceHeader) -> Vector:
    """Return the direction at right angles to the rows and columns of a slice.

    Raises
    ------
    UnreadableImageError
        If the slice states no orientation, or one whose rows and columns are not at right angles.
    """
    if header.orientation is None:
        raise damage_error(header.path, "slice", "its orientation (tag 0020,0037) is missing")
    across, down = header.orientation[:3], header.orientation[3:]
    if abs(across @ down) > 1e-3 or max(abs(np.linalg.norm(across) - 1), abs(np.linalg.norm(down) - 1)) > 1e-3:
        raise damage_error(header.path, "slice", "its rows and columns are not at right angles (tag 0020,0037)")
    normal = np.cross(across, down)
    return np.asarray(normal / np.linalg.norm(normal))


def _position(header: SliceHeader) -> Vector:
    if header.position is None:
        raise damage_error(header.path, "slice", "its position (tag 0020,0032) is missing")
    return header.position


def check_same_grid(headers: Sequence[SliceHeader]) -> None:
    """Check that slices have the same size, orientation and pixel spacing.

    Raises
    ------
    UnreadableImageError
        If one differs from the first. The message names it.
    """
    for header in headers:
        _check_like(header, headers[0])


def _check_like(header: SliceHeader, first: SliceHeader) -> None:
    if header.size != first.size:
        raise UnreadableImageError(
            f"{header.name} must have the size of the other slices of its series, {first.size[0]} x {first.size[1]}, "
            f"but is {header.size[0]} x {header.size[1]}.",
            remedy=_move(header),
        )
    parallel = (
        header.orientation is not None
        and first.orientation is not None
        and np.allclose(header.orientation, first.orientation, atol=1e-3)
    )
    if first.orientation is not None and not parallel:
        raise UnreadableImageError(
            f"{header.name} must lie parallel to the other slices of its series, but is not parallel to "
            f"{first.name} (mixed orientations).",
            remedy=_SPLIT if header.frame is not None else "Move slices of one orientation to a folder of their own.",
        )
    if first.spacing is not None and not np.allclose(need_spacing(header), first.spacing, rtol=1e-3):
        raise UnreadableImageError(
            f"{header.name} must have the pixel spacing of the other slices, {first.spacing}, but has "
            f"{header.spacing}.",
            remedy=_move(header),
        )


def _checked_step(ordered: Sequence[SliceHeader], normal: Vector, pixel: float) -> Vector:
    """Return the step from slice to slice, after a check that all steps are equal and along the normal."""
    positions = np.stack([_position(h) for h in ordered])
    gaps = np.diff(positions @ normal)
    usual = float(np.median(gaps))
    _check_gaps(ordered, gaps, usual)
    step: Vector = (positions[-1] - positions[0]) / (len(ordered) - 1)
    if np.linalg.norm(step - (step @ normal) * normal) > 0.01 * usual:
        tilt = math.degrees(math.acos(min(1.0, abs(float(step @ normal)) / float(np.linalg.norm(step)))))
        raise UnreadableImageError(
            f"{ordered[0].name} and the other slices must be stacked at right angles, but are shifted sideways by "
            f"{tilt:.1f} degrees (gantry tilt).",
            remedy="Resample the series to a straight grid first.",
        )
    straight = positions[0] + np.arange(len(ordered))[:, None] * step
    distances = np.linalg.norm(positions - straight, axis=1)
    if distances.max() > max(0.1 * usual, 0.1 * pixel):
        raise UnreadableImageError(
            f"{ordered[int(distances.argmax())].name} must lie in line with the other slices, "
            f"but is {distances.max():.3g} mm off.",
            remedy=_complete(ordered[0]),
        )
    return step


def _check_gaps(ordered: Sequence[SliceHeader], gaps: Vector, usual: float) -> None:
    """Check that every gap is the usual one, in millimeters along the normal."""
    for before, after, gap in zip(ordered, ordered[1:], gaps, strict=False):
        if gap < 1e-3:
            raise UnreadableImageError(
                f"{after.name} must have a position of its own, but has the same as {before.name} "
                "(several time points, echoes or copies).",
                remedy=_complete(after),
            )
        if abs(gap - usual) <= max(0.02 * usual, 0.005):
            continue
        lengths = f"{gap:.4g} mm where {usual:.4g} mm is usual"
        if gap > 1.5 * usual:
            missing = round(gap / usual) - 1
            raise UnreadableImageError(
                f"{before.name} must be followed by the next slice, but {missing} slice(s) are missing before "
                f"{after.name} ({lengths}).",
                remedy=_complete(after),
            )
        raise UnreadableImageError(
            f"{after.name} must follow {before.name} evenly, but the gap is {lengths}.", remedy=_complete(after)
        )
