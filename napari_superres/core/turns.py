"""The flips and quarter turns of a plane: for augmentation, test-time averaging and the spread of results.

They work on numpy arrays and torch tensors alike, and undo themselves exactly.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeVar

import numpy as np

_A = TypeVar("_A")


@dataclass(frozen=True, slots=True)
class Turn:
    """Exchange Y and X, or do not; then mirror along some axes.

    Attributes
    ----------
    exchanged
        Whether Y and X change places.
    mirrored
        Axes that are mirrored after that, letters of ``"ZYX"``.
    """

    exchanged: bool = False
    mirrored: str = ""

    def apply(self, array: _A, axes: str = "ZYX") -> _A:
        """Return an array turned.

        Parameters
        ----------
        array
            Numpy array or torch tensor; the result may be a view.
        axes
            Names of its last axes. Axes before them stay as they are.
        """
        turned: _A = self._mirror(self._exchange(array, axes), axes)
        return turned

    def undo(self, array: _A, axes: str = "ZYX") -> _A:
        """Return a turned array as it was before `apply`."""
        restored: _A = self._exchange(self._mirror(array, axes), axes)
        return restored

    def _exchange(self, array: Any, axes: str) -> Any:
        return array.swapaxes(_position("Y", axes), _position("X", axes)) if self.exchanged else array

    def _mirror(self, array: Any, axes: str) -> Any:
        positions = tuple(_position(a, axes) for a in self.mirrored)
        return np.flip(array, positions) if isinstance(array, np.ndarray) else array.flip(positions)


IDENTITY = Turn()


def iter_turns(mirrored: str = "YX", *, exchanged: bool = True) -> Iterator[Turn]:
    """Yield every turn, the identity first: eight of a plane, sixteen of a volume.

    Parameters
    ----------
    mirrored
        Axes that may be mirrored, letters of ``"ZYX"``.
    exchanged
        Whether Y and X may change places, which needs square pixels.
    """
    for exchange in (False, True) if exchanged else (False,):
        for chosen in product((False, True), repeat=len(mirrored)):
            yield Turn(exchange, "".join(a for a, on in zip(mirrored, chosen, strict=True) if on))


def _position(axis: str, axes: str) -> int:
    """Return the position of an axis, counted from the end."""
    return axes.index(axis) - len(axes)
