"""Axes strings: one upper-case letter per array axis, slowest first.

T time, C channel, Z Y X space, S samples of an RGB(A) pixel.
"""

from napari_superres.errors import AxesError

ALLOWED = "TCZYXS"
SPATIAL = "ZYX"


def validate_axes(axes: str, shape: tuple[int, ...]) -> str:
    """Return `axes` in upper case if it describes an array of this shape.

    Raises
    ------
    AxesError
        If letters are unknown or repeated, Y or X is missing, the count differs from
        ``len(shape)``, an axis is empty, or S does not hold 3 or 4 samples.
    """
    axes = axes.upper()
    unknown = sorted(set(axes) - set(ALLOWED))
    if unknown:
        raise AxesError(
            f"axes must be letters of {ALLOWED}, got {axes!r} with {''.join(unknown)!r}. "
            "Use T time, C channel, Z Y X space, S colour samples."
        )
    if len(set(axes)) != len(axes):
        raise AxesError(f"each axis may appear once, got {axes!r}.")
    if "Y" not in axes or "X" not in axes:
        raise AxesError(
            f"an image needs the axes Y and X, got {axes!r} for shape {shape}. "
            "One-dimensional data cannot be super-resolved."
        )
    if len(axes) != len(shape):
        raise AxesError(
            f"axes must name every array axis: got {axes!r} ({len(axes)} letters) for shape {shape} "
            f"({len(shape)} axes). Give axes (--axes) with {len(shape)} letters of {ALLOWED}."
        )
    if 0 in shape:
        empty = "".join(a for a, n in zip(axes, shape, strict=True) if n == 0)
        raise AxesError(f"every axis needs at least one pixel, got shape {shape}: axis {empty} is empty.")
    if "S" in axes and shape[axes.index("S")] not in (3, 4):
        raise AxesError(
            f"S holds the 3 or 4 samples of an RGB(A) pixel, got {shape[axes.index('S')]} in shape {shape}. "
            "Use C for other channels."
        )
    return axes


def spatial_axes(axes: str) -> str:
    """Return the spatial letters of `axes` in array order, such as ``"ZYX"``."""
    return "".join(a for a in axes if a in SPATIAL)


def guess_axes(shape: tuple[int, ...]) -> str:
    """Return the usual axes of a bare array: the last of TCZYX, or YXS where the last axis is 3 or 4.

    A file that names its axes is never guessed at.

    Raises
    ------
    AxesError
        If the array has fewer than two or more than five axes.
    """
    if len(shape) == 3 and shape[-1] in (3, 4) and min(shape[:2]) > 4:
        return "YXS"
    usual = {2: "YX", 3: "ZYX", 4: "CZYX", 5: "TCZYX"}
    if len(shape) not in usual:
        raise AxesError(f"an image has 2 to 5 axes, got shape {shape}. Say what they are with axes (--axes).")
    return usual[len(shape)]
