"""Images with the coarser copies of themselves that their files hold, for viewers; nothing is computed from those."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_superres.core.image import Image
from napari_superres.errors import SuperResError
from napari_superres.io.formats import family_to_read
from napari_superres.io.series import Series, present

# Metadata are rounded: centres of pixels may lie this part of a coarse pixel off.
_ROUNDING = 0.1


@dataclass(frozen=True, slots=True)
class PyramidSeries(Series):
    """One image of a file or folder, not yet opened, with coarser levels.

    Attributes
    ----------
    coarser
        Opens the levels one after another, finest first, without the finest of all.
    """

    coarser: Callable[[], Iterator[Image]]


def read_pyramids(path: str | Path) -> list[tuple[str, list[Image]]]:
    """Read every image of a file or folder in all its resolutions, with a name to display.

    Parameters
    ----------
    path
        File or folder.

    Returns
    -------
    list
        Name and levels of each image, in the order of `read_series`. Level 0 is what `read_series` gives;
        the others, if any, have its axes, channels and times, and each has fewer pixels along Y or X than
        the one before. Levels from the first on that is missing, damaged or does not lie on level 0 by its
        own pixel size and origin are left out. Nothing but metadata is read.

    Raises
    ------
    UnreadableImageError, AxesError
        As in `read_series`, of level 0 only.
    """
    path = Path(path)
    present(path)
    return [(series.name, _levels(series)) for series in family_to_read(path).load().scan(path, True)]


def _levels(series: Series) -> list[Image]:
    levels = [series.open(None)]
    if isinstance(series, PyramidSeries):
        try:
            for level in series.coarser():
                if not _lies_on(level, levels[0]):
                    break
                if _is_smaller(level, levels[-1]):
                    levels.append(level)
        except SuperResError:  # the finest level is whole, and that is the image
            pass
    return levels


def _lies_on(level: Image, finest: Image) -> bool:
    """Return whether the pixels of a level unite those of the finest, by its own grid and by their counts."""
    if (level.axes, level.dtype) != (finest.axes, finest.dtype):
        return False
    if any(level.size(a) != finest.size(a) for a in "TCS"):
        return False
    relative = np.linalg.solve(finest.affine, level.affine)
    step, first = np.diag(relative)[:-1], relative[:-1, -1]
    count, fine_count = (np.array([image.size(a) for a in image.spatial]) for image in (level, finest))
    # Writers put the first centre at that of the first pixel or in the middle of those united.
    middle = (step - 1.0) / 2.0
    in_place = np.abs(first - middle) <= middle + _ROUNDING * step
    # A last pixel that is not full is kept by some and dropped by others.
    return bool(np.all(in_place) and np.all(np.abs(fine_count - step * count) < step))


def _is_smaller(level: Image, last: Image) -> bool:
    """Return whether a level is worth showing after another: one that is coarser along Z only is as slow."""
    fits = all(n <= m for n, m in zip(level.shape, last.shape, strict=True))
    return fits and any(level.size(a) < last.size(a) for a in "YX")
