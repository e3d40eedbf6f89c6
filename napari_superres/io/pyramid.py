"""Images with the coarser levels that their files hold. Viewers show these levels; nothing is computed from them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_superres.core.image import Image
from napari_superres.errors import SuperResError
from napari_superres.io.formats import format_to_read
from napari_superres.io.identity import InputPath
from napari_superres.io.series import Accept, Series, check_present, name_file, with_name

# Files round their metadata: pixel centres may be off by this part of a coarse pixel.
_ROUNDING = 0.1


@dataclass(frozen=True, slots=True)
class PyramidSeries(Series):
    """One image of a file or folder with coarser levels, not yet opened.

    Attributes
    ----------
    coarser
        Yield the coarser levels one after another, from fine to coarse. The finest, level 0, is not among them.
    """

    coarser: Callable[[], Iterator[Image]]


def read_pyramids(path: str | Path) -> list[tuple[str, list[Image]]]:
    """Read every image of a file or folder at all its resolutions.

    Only metadata are read.

    Parameters
    ----------
    path
        File or folder.

    Returns
    -------
    list of (str, list of Image)
        Name to display and levels of each image, in the order of `read_series`. Level 0 is the image that
        `read_series` returns. The other levels have the same axes, channels and times, and each has fewer pixels
        along Y or X than the one before. The list ends before the first level that is missing or damaged, or whose
        pixel size and origin do not place it on level 0.

    Raises
    ------
    UnreadableImageError, AxesError
        As in `read_series`, for level 0 only.
    """
    path = InputPath(path)
    check_present(path)
    with name_file(path):
        found = format_to_read(path).import_reader().scan(path, Accept())
    return [(series.name, _levels(with_name(series, path))) for series in found]


def _levels(series: Series) -> list[Image]:
    levels = [series.open(None)]
    if isinstance(series, PyramidSeries):
        try:
            for level in series.coarser():
                if not _lies_on(level, levels[0]):
                    break
                if _is_smaller(level, levels[-1]):
                    levels.append(level)
        except SuperResError:  # a damaged coarse level does not matter: level 0 is the whole image
            pass
    return levels


def _lies_on(level: Image, finest: Image) -> bool:
    """Return whether each pixel of a level covers a block of finest pixels, by its grid and by the pixel counts."""
    if (level.axes, level.dtype) != (finest.axes, finest.dtype):
        return False
    if any(level.size(a) != finest.size(a) for a in "TCS"):
        return False
    relative = np.linalg.solve(finest.affine, level.affine)
    step, first = np.diag(relative)[:-1], relative[:-1, -1]
    count, fine_count = (np.array([image.size(a) for a in image.spatial]) for image in (level, finest))
    # Some writers put the first centre on the first fine pixel, others in the middle of the block that it covers.
    middle = (step - 1.0) / 2.0
    in_place = np.abs(first - middle) <= middle + _ROUNDING * step
    # Some writers keep an incomplete last pixel and others drop it.
    return bool(np.all(in_place) and np.all(np.abs(fine_count - step * count) < step))


def _is_smaller(level: Image, last: Image) -> bool:
    """Return whether a level has fewer pixels along Y or X. One that is coarser along Z only is not faster to show."""
    fits = all(n <= m for n, m in zip(level.shape, last.shape, strict=True))
    return fits and any(level.size(a) < last.size(a) for a in "YX")
