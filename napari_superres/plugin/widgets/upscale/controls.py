"""Controls of the Super-resolve widget, from top to bottom, and how they show a state."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox, LineEdit
from qtpy.QtWidgets import QProgressBar, QVBoxLayout, QWidget

from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.device_controls import (
    averaging_box,
    device_box,
    precision_box,
    range_field,
    tile_box,
)
from napari_superres.plugin.widgets.common.panel import Panel
from napari_superres.plugin.widgets.common.parts.fold import fold
from napari_superres.plugin.widgets.common.parts.remembered import remember
from napari_superres.plugin.widgets.common.place import PlaceForm
from napari_superres.plugin.widgets.upscale.choosing.model_choice import ModelChoice
from napari_superres.plugin.widgets.upscale.next_steps import NextSteps
from napari_superres.plugin.widgets.upscale.state import UpscaleState

if TYPE_CHECKING:
    from napari.viewer import Viewer

_CAUTION = (
    "Fine detail in the result is the model's estimate, not a measurement. Compare it with interpolation or with a "
    "reference scan before relying on it. Not for diagnosis."
)

_WIDEST_AXES = "TCZYXS "


class UpscaleControls(Panel):
    """The controls. They only show a state; `UpscaleWidget` reacts to them.

    Parameters
    ----------
    viewer
        napari viewer whose layers can be chosen.
    """

    def __init__(self, viewer: "Viewer") -> None:
        super().__init__(viewer)
        self._make_choices(self.viewer)
        self._make_buttons()
        self.card = forms.text(rich=True)
        self.card.setToolTip("What the model is for, and its scores next to those of interpolation.")
        self.card.setOpenExternalLinks(False)
        self.notice, self.estimate, self.status = forms.text(), forms.text(), forms.text()
        self.bar = QProgressBar()
        self.bar.setToolTip("How much of the image is done.")
        self.bar.setAccessibleName("Progress of the run")
        self.bar.hide()
        self.next_steps = NextSteps(viewer, self.session)

    def _make_choices(self, viewer: "Viewer") -> None:
        self.layer = forms.layer_box(
            viewer, label="Layer", tooltip="Image layer to enhance. Labels, points and shapes cannot be enhanced."
        )
        self.axes = LineEdit(
            label="Axes",
            tooltip="One letter per axis, slowest first: T time, C channel, Z, Y, X space, S colour samples. Read from "
            "the layer's axis labels; correct it here.",
        )
        self.models = ModelChoice()
        self.model = self.models.box
        self.device, self.precision, self.tile = device_box(), precision_box(), tile_box()
        self.intensity_range = range_field()
        self.tta = averaging_box()
        self.place = PlaceForm()
        self.place.session = self.session

    def _make_buttons(self) -> None:
        self.add_model = forms.button(
            "Model from file…",
            "Use a .safetensors file of this plugin for now. To keep models, or to add those of other programs, open "
            "Plugins > Super-Resolution > Models.",
        )
        self.run = forms.button("Run")
        self.run_by_keys(self.run)
        self.keep = forms.button(
            "Stop and keep", "Stop after the current tile and keep the finished part of the layer. The rest is zero."
        )
        self.keep.hide()
        self.copy_python = forms.button("Copy as Python", "Copy a script that computes exactly this.")
        self.copy_command = forms.button(
            "Copy as command", "Copy a command line that computes exactly this from the file."
        )

    def show_state(self, state: UpscaleState) -> None:
        """Show a state. The values of the choices are not changed."""
        forms.say(self.notice, state.notice)
        forms.say(self.card, state.card_text)
        forms.say(self.estimate, state.estimate)
        forms.say(self.status, state.message)
        self.run.setText(state.run_label)
        self.run.setToolTip(state.run_tooltip)
        self.run.setEnabled(state.can_press_run)
        self.keep.setVisible(state.can_keep)
        done, total = state.progress or (0, 0)
        self.bar.setRange(0, total)
        self.bar.setValue(done)
        self.bar.setVisible(state.is_running)

    def arrange(
        self,
        pixel_size: QWidget,
        choosing: Sequence[QWidget],
        looks: Sequence[QWidget],
        region: QWidget,
        live: Sequence[QWidget],
    ) -> None:
        """Put the controls into the panel, together with the parts that have a file of their own.

        What a run makes, the preview, which is the first of `live`, and the button stay in view below the part that
        scrolls.
        """
        preview, *rest = live
        self.advanced = fold("Advanced", self._advanced())
        for widget in (
            forms.form([_side_by_side(self.layer, self.axes)]),
            pixel_size,
            self.notice,
            forms.form([self.model]),
            *choosing,
            *looks,
            self.card,
            region,
            forms.form([self.intensity_range]),
            self.advanced,
            forms.text(_CAUTION),
        ):
            self.body.addWidget(widget)
        start = forms.beside(self.run, first=preview)
        for widget in (self.estimate, start, *rest, self.keep, self.bar, self.status, self.next_steps):
            self.foot.addWidget(widget)
        self.body.addStretch(1)
        remember("super-resolve", tile=self.tile, averaging=self.tta, advanced=self.advanced)

    def _advanced(self) -> QWidget:
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(forms.form([self.device, self.precision, self.tile, self.tta]))
        layout.addWidget(self.place)
        layout.addWidget(self.add_model)
        layout.addWidget(forms.row(self.copy_python, self.copy_command))
        return content


def _side_by_side(layer: ComboBox, axes: LineEdit) -> Any:
    """Return one row for a layer and its axes."""
    for control in (layer, axes):
        control.native.setAccessibleName(control.label)
    axes.native.setFixedWidth(axes.native.fontMetrics().horizontalAdvance(_WIDEST_AXES))
    row = forms.beside(layer.native, axes.native)
    return SimpleNamespace(label=layer.label, tooltip=layer.tooltip, native=row)
