"""How a batch is computed and where its results go: the form, and the same as options of the command line."""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from magicgui.widgets import ComboBox, LineEdit
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from napari_superres import io
from napari_superres.models import list_models
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.card_html import in_groups, model_label
from napari_superres.plugin.widgets.common.device_controls import device_box, precision_box, tile_box

_AS_INPUT = "as the input"


class BatchSettings(QWidget):
    """The form.

    Attributes
    ----------
    folder_changed
        Another output folder was chosen.
    """

    folder_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._make_model()
        self._make_computing()
        output = self._make_output()
        layout = column(self)
        controls = (self.model, output, self.format, self.device, self.precision, self.tile, self.axes)
        layout.addWidget(forms.form(controls))
        layout.addLayout(line(self.resume, self.overwrite))
        for text in (self.axes.native, self.output):
            text.setAcceptDrops(False)  # files dropped on the panel are input

    def _make_model(self) -> None:
        self.model = forms.narrow(
            ComboBox(
                choices=_model_choices(),
                label="Model",
                tooltip="Trained networks by what they were trained for, then interpolation as the baseline.",
            )
        )

    def _make_computing(self) -> None:
        self.device, self.precision, self.tile = device_box(), precision_box(), tile_box()
        self.axes = LineEdit(
            label="Axes",
            tooltip="What each axis of the images is, slowest first: T time, C channel, Z Y X space, S colour samples. "
            "Empty: what each file says.",
        )
        self.axes.native.setPlaceholderText("as the files say")

    def _make_output(self) -> SimpleNamespace:
        """Make what says where results go, and return the row of the folder."""
        self.output = QLineEdit()
        self.output.setToolTip("Folder of the results; it is made if it is not there. Inputs are never changed.")
        self.output.textChanged.connect(lambda: self.folder_changed.emit())  # noqa: PLW0108 - without Qt's argument
        self.choose_output = button("…", "Choose the folder of the results.", self._choose_output)
        self.choose_output.setFixedWidth(28)
        output = SimpleNamespace(label="Output", tooltip=self.output.toolTip(), native=QWidget())
        row = line(self.output, self.choose_output)
        row.setContentsMargins(0, 0, 0, 0)
        output.native.setLayout(row)
        self.format = ComboBox(
            choices=[_AS_INPUT, *io.WRITE_SUFFIXES],
            label="Format",
            tooltip="Of the results. .ome.zarr is written part by part: for images larger than memory, and the only "
            "one in which a file that was interrupted is gone on with.",
        )
        self.resume = QCheckBox("Resume")
        self.resume.setChecked(True)
        self.resume.setToolTip(
            "Leave results alone that were made of the same input with the same settings, and go on with an unfinished "
            ".ome.zarr."
        )
        self.overwrite = QCheckBox("Overwrite")
        self.overwrite.setToolTip("Replace files that have the name of a result. Otherwise such a file fails.")
        return output

    @property
    def folder(self) -> Path | None:
        """Folder of the results; None where none is given."""
        given = self.output.text().strip()
        return Path(os.path.expanduser(given)).absolute() if given else None  # noqa: PTH111 - pathlib's may raise

    def refresh_models(self) -> None:
        """List the models anew; the one that is chosen stays so if it is still there."""
        chosen = self.model.value
        self.model.choices = choices = _model_choices()
        if chosen in [name for _, name in choices]:
            self.model.value = chosen

    def options(self) -> dict[str, Any]:
        """Return what is chosen, as options of `upscale_files`."""
        tile = self.tile.value
        return {
            "model": self.model.value,
            "suffix": None if self.format.value == _AS_INPUT else self.format.value,
            "device": self.device.value,
            "precision": self.precision.value,
            "tile": tile if tile == "auto" else int(tile),
            "axes": self.axes.value.strip() or None,
            "resume": self.resume.isChecked(),
            "overwrite": self.overwrite.isChecked(),
        }

    def arguments(self) -> list[str]:
        """Return what is chosen, as options of ``superres upscale``."""
        options = self.options()
        words = ["--output", str(self.folder), "--model", options["model"]]
        for name in ("device", "precision", "tile"):
            words += [] if options[name] == "auto" else [f"--{name}", str(options[name])]
        words += [] if options["axes"] is None else ["--axes", options["axes"]]
        words += [] if options["suffix"] is None else ["--format", options["suffix"].lstrip(".")]
        return words + [f"--{name}" for name in ("resume", "overwrite") if options[name]]

    def _choose_output(self) -> None:
        if path := QFileDialog.getExistingDirectory(self, "Folder of the results", self.output.text()):
            self.output.setText(path)


def _model_choices() -> list[tuple[str, str]]:
    return [(model_label(card), card.name) for group in in_groups(list_models()) for card in group]


def button(text: str, tooltip: str, clicked: Callable[[], None]) -> QPushButton:
    """Return a button."""
    made = QPushButton(text)
    made.setToolTip(tooltip)
    made.clicked.connect(lambda: clicked())  # noqa: PLW0108 - without Qt's argument
    return made


def line(*widgets: QWidget) -> QHBoxLayout:
    """Return widgets beside each other."""
    made = QHBoxLayout()
    made.setSpacing(4)
    for widget in widgets:
        made.addWidget(widget)
    return made


def column(widget: QWidget) -> QVBoxLayout:
    """Return the layout of a part of a panel, whose widgets stand below each other."""
    made = QVBoxLayout(widget)
    made.setContentsMargins(0, 0, 0, 0)
    made.setSpacing(6)
    return made
