"""What to do with a new model: use it now, or discard it."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_superres.errors import SuperResError
from napari_superres.models import remove_model
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.library_events import library
from napari_superres.plugin.widgets.common.parts.docks import use_model

if TYPE_CHECKING:
    from napari.viewer import Viewer


class FinishedForm(QWidget):
    """Buttons for the newest model; hidden until there is one.

    Parameters
    ----------
    viewer
        napari viewer in which it is used.
    is_certain
        Asks a question that is answered by yes or no.
    discarded
        Called with a line when the model is gone.
    """

    def __init__(self, viewer: "Viewer", is_certain: Callable[[str], bool], discarded: Callable[[str], None]) -> None:
        super().__init__()
        self.viewer, self._is_certain, self._discarded = viewer, is_certain, discarded
        self._name, self._file = "", Path()
        self.use = QPushButton("Use now")
        self.use.setToolTip("Choose the new model in Super-resolve.")
        self.use.clicked.connect(lambda: use_model(self.viewer, self._name))
        self.discard = QPushButton("Discard")
        self.discard.setToolTip("Remove the new model from the library, and delete its file.")
        self.discard.clicked.connect(self._discard)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.use, 1)
        layout.addWidget(self.discard)
        self.hide()

    def offer(self, name: str, file: Path | None) -> None:
        """Offer the steps for a model, or none.

        Parameters
        ----------
        name
            Name of the model in the library; empty for none.
        file
            File that the training has written.
        """
        self._name, self._file = name, file or Path()
        self.setVisible(bool(name))

    def _discard(self) -> None:
        name = self._name
        if not self._is_certain(f"Remove {name} from the library and delete {self._file}?"):
            return
        try:
            remove_model(name)
            with suppress(FileNotFoundError):
                self._file.unlink()
        except (SuperResError, OSError) as error:
            forms.show_error(str(error))
            return
        self.offer("", None)
        library.changed.emit()
        self._discarded(f"{name} was discarded.")
