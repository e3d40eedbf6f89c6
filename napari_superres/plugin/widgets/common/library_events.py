"""Event that tells open widgets that the model library has changed."""

from collections.abc import Callable
from weakref import WeakMethod

from psygnal import Signal
from qtpy.QtCore import QObject


class LibraryEvents:
    """Events of the model library, emitted on the GUI thread.

    Attributes
    ----------
    changed
        A model was added or removed.
    """

    changed = Signal()

    def follow(self, panel: QObject, react: Callable[[], None]) -> None:
        """Call a method of a panel at every change, as long as the panel's Qt part exists.

        Parameters
        ----------
        panel
            Qt object. It is not kept alive.
        react
            Bound method of the panel.
        """
        method = WeakMethod(react)

        def call() -> None:
            bound = method()
            if bound is not None:
                bound()

        self.changed.connect(call)
        panel.destroyed.connect(lambda: self.changed.disconnect(call, missing_ok=True))


library = LibraryEvents()
"""The events that all widgets share, as they share the library."""
