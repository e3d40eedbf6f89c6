"""Whether a viewer shows some layers alone for a while, as a curtain does.

What is visible then is nobody's choice, so whoever reacts to visibility must wait until it is over.
"""

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.viewer import Viewer

_stages: Counter[int] = Counter()  # by the viewer's identity: viewers have no hash


def begin(viewer: "Viewer") -> None:
    """Remember that some layers of a viewer are going to be shown alone."""
    _stages[id(viewer)] += 1


def end(viewer: "Viewer") -> None:
    """Remember that what was visible before is visible again."""
    _stages[id(viewer)] -= 1


def is_staged(viewer: "Viewer") -> bool:
    """Whether a viewer shows some layers alone."""
    return _stages[id(viewer)] > 0
