"""The form of a batch: model, output, device and other options."""

import os
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox, LineEdit
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QFileDialog, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from napari_superres import io
from napari_superres.errors import ModelFileError
from napari_superres.models import find_card, list_models
from napari_superres.models.choice.choose import AUTO, is_auto
from napari_superres.models.choice.recognise import KINDS
from napari_superres.models.library.folders import remembered_kind
from napari_superres.plugin.widgets.batch.state import BatchOptions
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.blur_noise_form import BlurNoiseForm
from napari_superres.plugin.widgets.common.card_html import in_groups, model_label
from napari_superres.plugin.widgets.common.device_controls import (
    averaging_box,
    device_box,
    precision_box,
    range_field,
    tile_box,
)
from napari_superres.plugin.widgets.common.parts.fold import fold
from napari_superres.plugin.widgets.common.place import PlaceForm

if TYPE_CHECKING:
    from napari_superres.plugin.widgets.upscale.state import UpscaleState

_SAME_AS_INPUT = "same as input"


class BatchSettings(QWidget):
    """The form.

    Attributes
    ----------
    folder_changed
        Emits when the output folder changes.
    """

    folder_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._has_unknown = False
        self.model = forms.narrow(
            ComboBox(
                choices=_model_choices(),
                label="Model",
                tooltip="Automatic chooses for each file what suits it. Then come trained networks grouped by "
                "modality, and interpolation as a baseline.",
            )
        )
        self.unknown = forms.narrow(
            ComboBox(
                choices=[("leave out", ""), *((kind, kind) for kind in KINDS)],
                label="If unknown",
                tooltip="What those files show whose Fit is unknown: they state no modality, pixel size, colours or "
                "channel names. It is remembered for their folder.",
            )
        )
        self._add_computing()
        output_row = self._add_output()
        layout = column(self)
        layout.addWidget(forms.form([self.model]))
        self._unknown_row = forms.form([self.unknown])
        layout.addWidget(self._unknown_row)
        layout.addWidget(forms.form((output_row, self.format)))
        self.blur_noise = BlurNoiseForm(lambda: None)
        layout.addWidget(self.blur_noise)
        computing = (self.intensity_range, self.device, self.precision, self.tile, self.axes, self.tta)
        self.place = PlaceForm()
        rare = QWidget()
        rows = column(rare)
        rows.addWidget(forms.form(computing))
        rows.addWidget(self.place)
        self.advanced = fold("Advanced", rare)
        if self.place.scheduler:
            self.advanced.expand(animate=False)  # so that nobody sends images elsewhere unawares
        layout.addWidget(self.advanced)
        self.model.changed.connect(self._fit_model)
        self._fit_model()
        layout.addWidget(forms.row(self.resume, self.overwrite))
        for text in (self.axes.native, self.intensity_range.native, self.output, self.blur_noise.noise.native):
            text.setAcceptDrops(False)  # Files that are dropped on the panel are input.

    def _add_computing(self) -> None:
        self.device, self.precision, self.tile = device_box(), precision_box(), tile_box()
        self.intensity_range = range_field()
        self.axes = LineEdit(
            label="Axes",
            tooltip="Axes of the images, slowest first: T time, C channel, Z Y X space, S colour samples. "
            "Leave empty to take them from each file.",
        )
        self.axes.native.setPlaceholderText("from each file")
        self.tta = averaging_box()

    def _add_output(self) -> SimpleNamespace:
        """Create the controls of the output, and return the row of the folder for the form."""
        self.output = QLineEdit()
        self.output.setToolTip("Folder of the results, created if it does not exist. Inputs are never changed.")
        self.output.textChanged.connect(lambda: self.folder_changed.emit())  # noqa: PLW0108 - drops Qt's argument
        self.choose_output = forms.button("…", "Choose the folder of the results.", self._choose_output)
        self.choose_output.setAccessibleName("Choose the output folder")
        self.output.setAccessibleName("Output folder")
        forms.shrink(self.choose_output)
        row = SimpleNamespace(label="Output", tooltip=self.output.toolTip(), native=QWidget())
        layout = line(self.output, self.choose_output)
        layout.setContentsMargins(0, 0, 0, 0)
        row.native.setLayout(layout)
        self.format = ComboBox(
            choices=[_SAME_AS_INPUT, *io.WRITE_SUFFIXES],
            label="Format",
            tooltip="File format of the results. Choose .ome.zarr for images larger than memory: it is written in "
            "parts, and an interrupted file can be resumed.",
        )
        self.resume = QCheckBox("Resume")
        self.resume.setChecked(True)
        self.resume.setToolTip(
            "Skip results that were made from the same input with the same settings. An unfinished .ome.zarr is "
            "continued."
        )
        self.overwrite = QCheckBox("Overwrite")
        self.overwrite.setToolTip("Replace existing files that have the name of a result. Otherwise such files fail.")
        return row

    @property
    def folder(self) -> Path | None:
        """Output folder; None where none is given."""
        text = self.output.text().strip()
        # os.path.expanduser, because pathlib's raises for an unknown user.
        return Path(os.path.expanduser(text)).absolute() if text else None  # noqa: PTH111

    def refresh_models(self) -> None:
        """List the models again, and keep the selected one if it is still listed."""
        selected = self.model.value
        self.model.choices = choices = _model_choices()
        if selected in [name for _, name in choices]:
            self.model.value = selected

    def _fit_model(self, _: Any = None) -> None:
        card, name = None, self.model.value
        self.show_unknown(self._has_unknown)
        with suppress(ModelFileError):  # Its file was altered, as the run will say.
            card = find_card(name) if name and not is_auto(name) else None
        self.blur_noise.fit(card)

    def show_unknown(self, has_unknown: bool) -> None:
        """Ask what unknown files show where there are some and the model is chosen for each file.

        Parameters
        ----------
        has_unknown
            Whether there are some.
        """
        self._has_unknown = has_unknown
        self._unknown_row.setVisible(has_unknown and is_auto(self.model.value))

    def recall(self, folder: Path) -> None:
        """Choose what the user said that the unknown files of a folder show."""
        self.unknown.value = remembered_kind(folder) or ""

    @property
    def model_name(self) -> str:
        """Name of the model, or ``auto`` with the kind of unknown files."""
        name = str(self.model.value or "")
        return f"{name}:{self.unknown.value}" if is_auto(name) and self.unknown.value else name

    def options(self) -> BatchOptions:
        """Return the values of the form."""
        tile = self.tile.value
        return BatchOptions(
            model=self.model_name,
            suffix=None if self.format.value == _SAME_AS_INPUT else self.format.value,
            device=self.device.value,
            precision=self.precision.value,
            tile=tile if tile == "auto" else int(tile),
            axes=self.axes.value.strip() or None,
            resume=self.resume.isChecked(),
            overwrite=self.overwrite.isChecked(),
            intensity_range=self.intensity_range.value,
            tta=self.tta.value,
            blur_noise=self.blur_noise.value,
            scheduler=self.place.scheduler,
        )

    def take(self, state: "UpscaleState") -> str:
        """Take the settings of the Super-resolve widget, and return a line that says so.

        Parameters
        ----------
        state
            State of that widget.
        """
        if state.model not in self.model.choices:
            return f"{Path(state.model).name or 'The model'} is not in the library. Add it in Models first."
        self.model.value = state.model
        self.intensity_range.value = state.intensity_range
        for box, value in ((self.device, state.device), (self.precision, state.precision), (self.tile, state.tile)):
            if value in box.choices:
                box.value = value
        self.tta.value = state.tta
        self.place.take(state.scheduler)
        if state.blur_noise is not None:
            self.blur_noise.take(state.blur_noise)
        others = set((state.channels or {}).values()) - {state.model}
        more = " It computes all channels: the other models of single channels were not taken." if others else ""
        return f"Settings taken from Super-resolve: {state.model}.{more}"

    def _choose_output(self) -> None:
        if path := QFileDialog.getExistingDirectory(self, "Folder of the results", self.output.text()):
            self.output.setText(path)


def _model_choices() -> list[tuple[str, str]]:
    known = [(model_label(card), card.name) for group in in_groups(list_models()) for card in group]
    return [("Automatic · by each file", AUTO), *known]


def line(*widgets: QWidget) -> QHBoxLayout:
    """Return a layout with widgets next to each other."""
    layout = QHBoxLayout()
    layout.setSpacing(4)
    for widget in widgets:
        layout.addWidget(widget)
    return layout


def column(widget: QWidget) -> QVBoxLayout:
    """Return the vertical layout of a part of a panel."""
    layout = QVBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(6)
    return layout
