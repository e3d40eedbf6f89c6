"""SimpleITK without its warnings, the names that it opens, and its geometry in array order."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.io.series import import_library

_lock = Lock()
_users = 0
_shows_warnings = True


@contextmanager
def quiet_simpleitk() -> Iterator[Any]:
    """Yield SimpleITK, which prints no warnings from C++ to stderr in this block.

    The switch is one for the whole process: the last thread to leave such a block restores it.
    """
    global _users, _shows_warnings  # noqa: PLW0603 - SimpleITK's switch is global, so its state must be, too
    sitk = import_library("SimpleITK")
    with _lock:
        if not _users:
            _shows_warnings = sitk.ProcessObject.GetGlobalWarningDisplay()
            sitk.ProcessObject.SetGlobalWarningDisplay(False)
        _users += 1
    try:
        yield sitk
    finally:
        with _lock:
            _users -= 1
            if not _users:
                sitk.ProcessObject.SetGlobalWarningDisplay(_shows_warnings)


def is_text(path: Path) -> bool:
    """Return whether a path is text in UTF-8. SimpleITK ends the whole process at one that is not."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def affine_in_array_order(
    spacing: tuple[float, ...], origin: tuple[float, ...], direction: tuple[float, ...], n: int
) -> npt.NDArray[np.float64]:
    """Return the index-to-world matrix of the first `n` axes in array order.

    Parameters
    ----------
    spacing, origin, direction
        SimpleITK's numbers, in its order of axes (X first).
    n
        Number of spatial axes.
    """
    linear = np.reshape(direction, (len(spacing), len(spacing)))[:n, :n] * np.asarray(spacing)[:n]
    affine = np.eye(n + 1)
    affine[:n, :n] = linear[::-1, ::-1]
    affine[:n, n] = np.asarray(origin)[:n][::-1]
    return affine
