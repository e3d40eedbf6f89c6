"""Axes strings: one upper-case letter per array axis, slowest first.

T is time, C channel, Z, Y and X are space, and S holds the samples of an RGB(A) pixel.
"""

from napari_superres.errors import AxesError

ALLOWED = "TCZYXS"
SPATIAL = "ZYX"


def validate_axes(axes: str, shape: tuple[int, ...]) -> str:
    """Return `axes` in upper case if it describes an array of this shape.

    Parameters
    ----------
    axes
        One letter of ``"TCZYXS"`` per array axis, in upper or lower case.
    shape
        Shape of the array.

    Raises
    ------
    AxesError
        If a letter is unknown or repeated, Y or X is missing, the number of letters differs from
        ``len(shape)``, an axis is empty, or S does not hold 3 or 4 samples.
    """
    axes = axes.upper()
    unknown = sorted(set(axes) - set(ALLOWED))
    if unknown:
        raise AxesError(
            f"axes must be letters of {ALLOWED}, got {axes!r} with {''.join(unknown)!r}.",
            remedy="Use T for time, C for channel, Z, Y and X for space, and S for colour samples.",
        )
    if len(set(axes)) != len(axes):
        raise AxesError(f"each axis may appear only once, got {axes!r}.", remedy="Use one letter per axis.")
    if "Y" not in axes or "X" not in axes:
        raise AxesError(
            f"an image needs the axes Y and X, got {axes!r} for shape {shape}.",
            remedy="One-dimensional data cannot be super-resolved.",
        )
    if len(axes) != len(shape):
        raise AxesError(
            f"axes must name every array axis, got {axes!r} ({len(axes)} letters) for shape {shape} "
            f"({len(shape)} axes).",
            remedy=f"Set `axes` to {len(shape)} letters of {ALLOWED}.",
        )
    if 0 in shape:
        empty = "".join(a for a, n in zip(axes, shape, strict=True) if n == 0)
        raise AxesError(f"every axis needs at least one pixel, got shape {shape}: axis {empty} is empty.")
    if "S" in axes and shape[axes.index("S")] not in (3, 4):
        raise AxesError(
            f"S must hold the 3 or 4 samples of an RGB(A) pixel, got {shape[axes.index('S')]} in shape {shape}.",
            remedy="Use C for other channels.",
        )
    return axes


def spatial_axes(axes: str) -> str:
    """Return the spatial letters of `axes` in array order, such as ``"ZYX"``."""
    return "".join(a for a in axes if a in SPATIAL)


def guess_axes(shape: tuple[int, ...]) -> str:
    """Return the usual axes of an array without metadata.

    They are the last letters of TCZYX, or YXS if the last of three axes has 3 or 4 elements. Files that name their axes
    do not need this guess.

    Raises
    ------
    AxesError
        If the array has fewer than two or more than five axes.
    """
    if len(shape) == 3 and shape[-1] in (3, 4) and min(shape[:2]) > 4:
        return "YXS"
    usual = {2: "YX", 3: "ZYX", 4: "CZYX", 5: "TCZYX"}
    if len(shape) not in usual:
        raise AxesError(
            f"an image without named axes must have 2 to 5 axes, got shape {shape}.",
            remedy=f"Set `axes` to one letter of {ALLOWED} per axis.",
        )
    return usual[len(shape)]
