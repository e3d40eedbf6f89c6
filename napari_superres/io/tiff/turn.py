"""The tag Orientation, which says where the first stored row and column belong when an image is shown."""

from dataclasses import dataclass
from typing import Any

from napari_superres.io.lazy import FlippedArray, LazyArray, TransposedArray

_ORIENTATION = 274


@dataclass(frozen=True, slots=True)
class Turn:
    """What is done with the stored pixels.

    Attributes
    ----------
    is_swapped
        Whether stored rows are shown as columns.
    flipped
        Axes that are reversed afterwards.
    """

    is_swapped: bool = False
    flipped: str = ""

    def apply(self, array: LazyArray, axes: str) -> LazyArray:
        """Return a view of an array as it is shown. The axes stay in their order."""
        y, x = axes.index("Y"), axes.index("X")
        if self.is_swapped:
            order = list(range(array.ndim))
            order[y], order[x] = x, y
            array = TransposedArray(array, order)
        return FlippedArray(array, [axes.index(a) for a in self.flipped]) if self.flipped else array


_TURNS = {
    2: Turn(flipped="X"),
    3: Turn(flipped="YX"),
    4: Turn(flipped="Y"),
    5: Turn(is_swapped=True),
    6: Turn(is_swapped=True, flipped="X"),
    7: Turn(is_swapped=True, flipped="YX"),
    8: Turn(is_swapped=True, flipped="Y"),
}


def find_turn(series: Any) -> Turn:
    """Return how a series is shown. OME-XML says itself what rows and columns are."""
    tag = series.keyframe.tags.get(_ORIENTATION)
    return Turn() if tag is None or series.kind == "ome" else _TURNS.get(tag.value, Turn())
