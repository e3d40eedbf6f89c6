"""What open widgets are told: that the library has other models now."""

from collections.abc import Callable
from typing import Any
from weakref import WeakMethod

from psygnal import Signal


class LibraryEvents:
    """News of the library of models, emitted on the GUI thread.

    Attributes
    ----------
    changed
        A model was added or removed.
    """

    changed = Signal()

    def follow(self, panel: Any, react: Callable[[], None]) -> None:
        """Call a method of a panel at every change, until the panel's Qt part is gone; it is not kept alive.

        Parameters
        ----------
        panel
            A Qt object.
        react
            A bound method.
        """
        method = WeakMethod(react)

        def tell() -> None:
            call = method()
            if call is not None:
                call()

        self.changed.connect(tell)
        panel.destroyed.connect(lambda: self.changed.disconnect(tell, missing_ok=True))


library = LibraryEvents()
"""The one that all widgets share, as they share the library."""
