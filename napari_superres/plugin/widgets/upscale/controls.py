"""Controls of the Super-resolve widget, from top to bottom, and how they show a state."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from magicgui.widgets import CheckBox, LineEdit
from qtpy.QtWidgets import QCheckBox, QProgressBar, QPushButton, QWidget

from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.device_controls import device_box, precision_box, range_field, tile_box
from napari_superres.plugin.widgets.common.panel import Panel
from napari_superres.plugin.widgets.upscale.model_choice import ModelChoice
from napari_superres.plugin.widgets.upscale.state import UpscaleState

if TYPE_CHECKING:
    from napari.viewer import Viewer

_CAUTION = (
    "Fine detail in the result is the model's estimate, not a measurement. Compare it with interpolation or with a "
    "reference scan before relying on it. Not for diagnosis."
)


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

    def _make_choices(self, viewer: "Viewer") -> None:
        self.layer = forms.layer_box(
            viewer, label="Layer", tooltip="Image layer to enhance. Labels, points and shapes cannot be enhanced."
        )
        self.axes = LineEdit(
            label="Axes",
            tooltip="One letter per axis, slowest first: T time, C channel, Z, Y, X space, S colour samples. Read from "
            "the layer's axis labels; correct it here.",
        )
        self.all_channels = QCheckBox()
        self.all_channels.setToolTip("Also compute the layers of the file's other channels, one after another.")
        self.models = ModelChoice()
        self.model = self.models.box
        self.device, self.precision, self.tile = device_box(), precision_box(), tile_box()
        self.intensity_range = range_field()
        self.tta = CheckBox(
            label="Averaging",
            tooltip="Average the results of the eight flips and quarter turns of the input. Takes eight times as long "
            "and is slightly more accurate.",
        )
        self.tta.native.setText("8 orientations")

    def _make_buttons(self) -> None:
        def button(text: str, tooltip: str = "") -> QPushButton:
            push_button = QPushButton(text)
            push_button.setToolTip(tooltip)
            return push_button

        self.add_model = button(
            "Model from file…",
            "Use a .safetensors file of this plugin for now. To keep models, or to add those of other programs, open "
            "Plugins > Super-Resolution > Models.",
        )
        self.run = button("Run")
        self.run_by_keys(self.run)
        self.keep = button(
            "Stop and keep", "Stop after the current tile and keep the finished part of the layer. The rest is zero."
        )
        self.keep.hide()
        self.copy_python = button("Copy as Python", "Copy a script that computes exactly this.")
        self.copy_command = button("Copy as command", "Copy a command line that computes exactly this from the file.")

    def show_state(self, state: UpscaleState) -> None:
        """Show a state. The values of the choices are not changed."""
        self.all_channels.setVisible(state.channel_layers > 1)
        self.all_channels.setText(f"All {state.channel_layers} channels")
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
        offers: Sequence[QWidget],
        region: QWidget,
        *live: QWidget,
    ) -> None:
        """Put the controls into the panel, together with the parts that have a file of their own."""
        for widget in (
            forms.form([self.layer, self.axes]),
            self.all_channels,
            pixel_size,
            self.notice,
            forms.form([self.model]),
            *choosing,
            *offers,
            self.card,
            self.add_model,
            region,
            forms.form([self.intensity_range, self.device, self.precision, self.tile, self.tta]),
            *live,
            forms.row(self.copy_python, self.copy_command),
            forms.text(_CAUTION),
        ):
            self.body.addWidget(widget)
        for widget in (self.estimate, self.run, self.keep, self.bar, self.status):
            self.foot.addWidget(widget)
        self.body.addStretch(1)
