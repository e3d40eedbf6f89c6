"""What the Super-resolve widget shows: its controls, from top to bottom."""

from typing import TYPE_CHECKING

from magicgui.widgets import CheckBox, ComboBox, LineEdit
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QProgressBar, QPushButton, QWidget

from napari_superres.plugin.host.layers import other_channels
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.device_controls import device_box, precision_box, tile_box
from napari_superres.plugin.widgets.common.panel import Panel

if TYPE_CHECKING:
    from napari.viewer import Viewer

_CAUTION = (
    "Fine detail in the result is the model's estimate, not a measurement. Compare it with interpolation or with a "
    "reference scan before relying on it. Not for diagnosis."
)
_PHOTOGRAPHS = "photo-x2"
_USUAL = {"nanometer": "em-x2", "micrometer": "fluo-x2", "millimeter": "mri-x2"}
"""What images with pixels in a unit mostly are."""
RUN_TIP = "Compute the finer image. It appears as a new layer exactly over this one while it is made."


class UpscaleForms(Panel):
    """The controls, which do nothing by themselves.

    Parameters
    ----------
    viewer
        napari viewer whose layers are worked on.
    """

    def __init__(self, viewer: "Viewer") -> None:
        super().__init__(viewer)
        self.layer = forms.layer_box(
            viewer, label="Layer", tooltip="Image layer to enhance. Labels, points and shapes cannot be enhanced."
        )
        self.axes = LineEdit(
            label="Axes",
            tooltip="What each axis of the layer is, slowest first: T time, C channel, Z Y X space, S colour samples. "
            "Filled in from the layer's axis labels; correct it here.",
        )
        self.all_channels = QCheckBox()
        self.all_channels.setToolTip("Compute the layers of all channels of the file, one after the other.")
        self.model = forms.narrow(
            ComboBox(
                choices=lambda _: self.model_choices(),
                label="Model",
                tooltip="Trained networks by what they were trained for, then interpolation as the baseline. Until you "
                "choose one, it goes by the unit of the pixels.",
            )
        )
        self.is_layer_by_hand = self.is_model_by_hand = False
        self.layer.changed.connect(lambda _: setattr(self, "is_layer_by_hand", True))
        self.model.changed.connect(lambda _: setattr(self, "is_model_by_hand", True))
        self.card = forms.text(rich=True)
        self.card.setToolTip(
            "What the model is for, and its scores beside bicubic interpolation and the best baseline."
        )
        self.card.setOpenExternalLinks(False)
        self.add_model = QPushButton("Model from file…")
        self.add_model.setToolTip(
            "Use a model file (.safetensors) of this program once. To keep models, and for those of other programs: "
            "Plugins > Super-Resolution > Models."
        )
        self.device, self.precision, self.tile = device_box(), precision_box(), tile_box()
        self.tta = CheckBox(
            label="Turns",
            tooltip="Average over the eight flips and quarter turns: eight times slower, a little better.",
        )
        self.tta.native.setText("average all eight")
        self.notice, self.estimate, self.status = forms.text(), forms.text(), forms.text()
        self.run = QPushButton("Run")
        self.run.setToolTip(RUN_TIP)
        self.keep = QPushButton("Stop and keep what is done")
        self.keep.setToolTip("Stop after the tile that is being computed. The layer stays as far as it is done.")
        self.keep.hide()
        self.bar = QProgressBar()
        self.bar.setToolTip("How much of the image is done.")
        self.bar.hide()
        self.copy_python, self.copy_command = QPushButton("Copy as Python"), QPushButton("Copy as command")
        self.copy_python.setToolTip("Put a script on the clipboard that computes exactly this.")
        self.copy_command.setToolTip("Put the command line on the clipboard that computes exactly this from the file.")

    def model_choices(self) -> list[tuple[str, str]]:
        """Return what can be chosen, in words and by name."""
        return []

    def suggest_model(self) -> bool:
        """Choose a model by the unit of the layer's pixels, unless somebody chose one; return whether it is another."""
        layer = self.layer.value
        if layer is None or self.is_model_by_hand:
            return False
        wanted = _PHOTOGRAPHS if layer.rgb else _USUAL.get(str(layer.units[-1]), _PHOTOGRAPHS)
        if wanted == self.model.value or wanted not in self.model.choices:
            return False
        with self.model.changed.blocked():
            self.model.value = wanted
        return True

    def show_channels(self, viewer: "Viewer") -> None:
        """Say how many layers hold channels of the file, if there are others than the chosen one."""
        count = 0 if self.layer.value is None else len(other_channels(viewer, self.layer.value))
        self.all_channels.setVisible(count > 0)
        self.all_channels.setText(f"All {count + 1} channels of its file")

    def arrange(self, pixel_size: QWidget, resample: QWidget, region: QWidget, preview: QWidget) -> None:
        """Put everything into the panel, with the parts that have a file of their own."""
        for widget in (
            forms.form([self.layer, self.axes]),
            self.all_channels,
            pixel_size,
            self.notice,
            resample,
            forms.form([self.model]),
            self.card,
            self.add_model,
            region,
            forms.form([self.device, self.precision, self.tile, self.tta]),
            preview,
            _row(self.copy_python, self.copy_command),
            forms.text(_CAUTION),
        ):
            self.body.addWidget(widget)
        for widget in (self.estimate, self.run, self.keep, self.bar, self.status):
            self.foot.addWidget(widget)
        self.body.addStretch(1)


def _row(*widgets: QWidget) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        layout.addWidget(widget)
    return row
