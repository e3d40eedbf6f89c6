"""Label images, whose numbers are names: a mean of two labels is a third that belongs to nothing."""

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.errors import SettingsError
from napari_superres.inference.options import UpscaleOptions
from napari_superres.models.card import ModelCard

_EDGE = 512
_FEWEST = 3
"""Different values from which an image may be one of labels: two are also those of a page or a mask."""

_FEW = 16
"""Values up to which whole numbers without a gap from 0 are classes, although neighbours may differ by one."""

_SPECK = 9
"""Pixels below which a value does not count: thresholds leave specks of noise, each with a label of its own."""

_EQUAL = 0.9
"""Share of equal neighbours within objects. Noise and texture have fewer."""


def check_no_labels(image: Image, card: ModelCard, options: UpscaleOptions, channel: int) -> None:
    """Refuse to compute with labels as if they were intensities; the nearest pixel is right for them.

    An image holds labels if its file says so. It looks like labels if the middle of its middle plane consists of
    uniform areas of at least three whole numbers, without the steps of one that smooth intensities have and without
    the values in between that edges of pictures have. A range of intensities that the user states settles it.

    Raises
    ------
    SettingsError
        If the image holds labels, or looks like it.
    """
    if card.arguments.get("kernel") == "nearest" or image.dtype.kind not in "ui" or "S" in image.axes:
        return
    remedy = f"Use the model {_nearest(card)}, which keeps labels."
    if image.metadata.get("labels"):
        raise SettingsError(
            f"{card.name} computes with intensities, and the file says that its numbers are labels.", remedy=remedy
        )
    if options["intensity_range"] is None and looks_like_labels(_middle(image, channel)):
        raise SettingsError(
            f"{card.name} computes with intensities, and the image looks like labels: uniform areas of whole numbers.",
            remedy=f"{remedy} If these are intensities, set `intensity_range`.",
        )


def looks_like_labels(plane: npt.NDArray[np.integer]) -> bool:
    """Return whether a plane ``(Y, X)`` of whole numbers consists of uniform areas, as labels do."""
    values, counts = np.unique(plane, return_counts=True)
    if not _FEWEST <= len(values) <= plane.size // _FEW:
        return False
    objects = plane != values[counts.argmax()]
    agreeing = np.zeros(plane.shape, np.uint8)  # neighbours of the same value
    steps, equal, pairs, is_curved = [], 0, 0, False
    for axis in (0, 1):
        first = tuple(slice(None, -1) if a == axis else slice(None) for a in (0, 1))
        after = tuple(slice(1, None) if a == axis else slice(None) for a in (0, 1))
        same = plane[first] == plane[after]
        changes = ~same.all(axis=1 - axis)
        is_curved |= bool((changes[1:] & changes[:-1]).any())
        agreeing[first] += same
        agreeing[after] += same
        both = objects[first] & objects[after]
        equal, pairs = equal + int(np.count_nonzero(same & both)), pairs + int(np.count_nonzero(both))
        steps.append(np.abs(plane[first][~same].astype(np.float64) - plane[after][~same]))
    # Blocks whose edges all lie on a coarse grid are pixels of an image that was enlarged.
    if not is_curved or equal < _EQUAL * max(1, pairs):
        return False
    in_areas = np.bincount(np.searchsorted(values, plane.ravel()), agreeing.ravel() >= 2, len(values)) / counts
    counts[counts.argmax()] = 0
    many = counts >= _SPECK
    if not many.any() or np.median(in_areas[many]) <= 0.5:
        return False
    are_classes = len(values) <= _FEW and int(values[0]) == 0 and int(values[-1]) == len(values) - 1
    return are_classes or bool(np.median(np.concatenate(steps)) > 1)


def _nearest(card: ModelCard) -> str:
    """Return the name of the interpolation that repeats pixels, at the scale of a card."""
    scale = card.scale[-1:] if len(set(card.scale)) == 1 and len(card.scale) == 2 else card.scale
    return f"nearest-x{'x'.join(map(str, scale))}"


def _middle(image: Image, channel: int) -> npt.NDArray[np.integer]:
    index = tuple(
        slice(max(0, (n - _EDGE) // 2), (n + _EDGE) // 2) if a in "YX" else channel if a == "C" else n // 2
        for a, n in zip(image.axes, image.shape, strict=True)
    )
    return np.asarray(image.data[index])
