"""The controls of the Models widget, from top to bottom."""

from typing import TYPE_CHECKING

from qtpy.QtGui import QAction
from qtpy.QtWidgets import QMenu, QProgressBar, QPushButton

from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.panel import Panel
from napari_superres.plugin.widgets.models.model_list import ModelList
from napari_superres.plugin.widgets.models.thumbnail import Thumbnail

if TYPE_CHECKING:
    from napari.viewer import Viewer


class ModelsControls(Panel):
    """The controls; `ModelsWidget` reacts to them.

    Parameters
    ----------
    viewer
        napari viewer whose dock holds the widget.
    """

    def __init__(self, viewer: "Viewer") -> None:
        super().__init__(viewer)
        self.setAcceptDrops(True)
        self.models = ModelList()
        self.body.addWidget(self.models)
        self._add_buttons()
        self._add_texts()

    def _add_buttons(self) -> None:
        self.use = QPushButton("Use")
        self.use.setToolTip("Choose the selected model in Super-resolve.")
        self.more = QPushButton("More")
        self.more.setToolTip("Add, export, check or remove models.")
        menu = QMenu(self.more)
        menu.setToolTipsVisible(True)

        def entry(text: str, tooltip: str) -> QAction:
            action = QAction(text, menu)
            action.setToolTip(tooltip)
            menu.addAction(action)
            return action

        self.add_files = entry(
            "Add files…",
            "Copy models into the library and measure them: .safetensors, .pth, .ckpt or bioimage.io packages. "
            "Files can also be dropped onto this panel.",
        )
        self.add_folder = entry("Add folder…", "Add an unpacked bioimage.io package from a folder.")
        self.export = entry(
            "Export…", "Save the selected model as a model file, or as a bioimage.io package for other programs."
        )
        self.check = entry(
            "Check",
            "Compare every file in the library with what was added, then measure the selected model on this computer: "
            "halo, tiles, half precision and speed. This takes seconds, for volumes minutes.",
        )
        self.remove = entry("Remove…", "Delete the selected model from the library.")
        self.more.setMenu(menu)
        self.body.addWidget(forms.beside(self.use, self.more))

    def _add_texts(self) -> None:
        self.bar = QProgressBar()
        self.bar.setRange(0, 0)
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("A model is being processed")
        self.bar.setToolTip("A model is being processed. You can still use this widget.")
        self.status, self.problems, self.measurement, self.origin = (forms.text() for _ in range(4))
        self.card, self.properties = forms.text(rich=True), forms.text(rich=True)
        self.card.setToolTip(
            "What the model is for, and its scores next to bicubic interpolation and the best baseline."
        )
        self.properties.setToolTip("Halo: distance in input pixels up to which a result pixel depends on the input.")
        self.thumbnail = Thumbnail()
        self.body.addWidget(self.thumbnail)
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip("Stop as soon as possible. Files that wait are not added.")
        texts = (self.status, self.problems, self.measurement, self.card, self.properties, self.origin)
        for widget in (self.bar, self.cancel, *texts):
            self.body.addWidget(widget)
            widget.hide()
        self.body.addStretch(1)
