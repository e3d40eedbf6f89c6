"""The controls of the Train widget, from top to bottom: images, instrument, goal."""

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox, FloatSpinBox
from qtpy.QtWidgets import QComboBox, QFileDialog, QLabel, QMessageBox, QProgressBar, QPushButton, QWidget

from napari_superres.models.model_file import SUFFIX
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.card_html import model_label
from napari_superres.plugin.widgets.common.panel import Panel
from napari_superres.plugin.widgets.common.pictures import Pictures
from napari_superres.plugin.widgets.train.beads_form import BeadsForm
from napari_superres.plugin.widgets.train.curves import Curves
from napari_superres.plugin.widgets.train.degradation_form import DegradationForm
from napari_superres.plugin.widgets.train.fields import Labelled, PathLine
from napari_superres.plugin.widgets.train.finished import FinishedForm
from napari_superres.plugin.widgets.train.source_form import SourceForm
from napari_superres.plugin.widgets.train.state import GOALS, LICENSES, SCALES
from napari_superres.plugin.widgets.train.work import BEFORE_LOADING

if TYPE_CHECKING:
    from napari.viewer import Viewer

BAR_STEPS = 1000


class TrainControls(Panel):
    """The controls; `TrainWidget` reacts to them.

    Parameters
    ----------
    viewer
        napari viewer whose layers can be learnt from.
    """

    def __init__(self, viewer: "Viewer") -> None:
        super().__init__(viewer)
        self._available = BEFORE_LOADING
        self.source = SourceForm(self.viewer, self.session)
        self.beads = BeadsForm(self.viewer, self.session)
        self.degradation = DegradationForm(self.viewer, self.session)
        self._add_network()
        self._add_output()
        self._arrange_forms()
        self._add_run()
        self._order_focus()

    def _add_network(self) -> None:
        self.start = forms.narrow(
            ComboBox(
                choices=self._start_choices,
                label="Start from",
                tooltip="Train from random weights, or refine an existing model. A model to refine keeps its network, "
                "and its training settings are filled in below.",
            )
        )
        self.network = forms.narrow(
            ComboBox(
                choices=self._network_choices,
                label="Network",
                tooltip="Network to train. Two processor cores train the small EDSR well within minutes.",
            )
        )
        self.scale = ComboBox(
            choices=list(SCALES.items()),
            value=(2, 2),
            label="Scale",
            tooltip="Factor by which the number of pixels grows along Y and X, or along Z for volumes.",
        )
        self.goal = ComboBox(
            choices=list(GOALS.items()),
            label="Goal",
            tooltip="Quick shows whether it is worth it, good is for use, long is for a night. Each sets Minutes.",
        )
        self.minutes = FloatSpinBox(
            value=2.0,
            min=0.02,
            max=100_000,
            step=1,
            label="Minutes",
            tooltip="Time to train. You can stop earlier and keep the best model so far.",
        )

    def _add_output(self) -> None:
        self.output = PathLine(
            "Model file to write",
            "File of the model. The model is also added to the library under the name of the file.",
            lambda parent: QFileDialog.getSaveFileName(
                parent,
                "Model file",
                str(self.output.path or ""),
                f"Model (*{SUFFIX})",
                options=QFileDialog.Option.DontConfirmOverwrite,  # Run asks for confirmation.
            )[0],
        )
        self.license = QComboBox()
        self.license.addItems(LICENSES)
        self.license.setEditable(True)
        self.license.setAccessibleName("Licence")
        self.license.setToolTip(
            "Licence of the model for its card: choose or type an SPDX name. Without one, others cannot know whether "
            "they may use the model."
        )
        self.license.setMinimumContentsLength(6)

    def _arrange_forms(self) -> None:
        output_rows = [
            self.goal,
            self.minutes,
            Labelled("Save as", self.output.line.toolTip(), self.output),
            Labelled("Licence", self.license.toolTip(), self.license),
        ]
        self.instrument_heading = _heading("2  Instrument")
        self._inputs = [
            self.source,
            self.beads,
            self.instrument_heading,
            self.degradation,
            _heading("3  Goal"),
            forms.form([self.start, self.network, self.scale]),
            forms.form(output_rows),
        ]
        self.body.addWidget(_heading("1  Images"))
        for widget in self._inputs:
            self.body.addWidget(widget)

    def _add_run(self) -> None:
        self.run, self.keep = QPushButton("Run"), QPushButton("Stop and keep")
        self.keep.setToolTip("Stop training after the current step, and keep the best model so far.")
        self.run_by_keys(self.run)
        self.bar = QProgressBar()
        self.bar.setRange(0, BAR_STEPS)
        self.bar.setToolTip("Share of the time that has passed.")
        self.bar.setAccessibleName("Progress of the training")
        self.status = forms.text()
        self.curves = Curves()
        self.examples = Pictures(
            ("Low", "Result", "High"),
            "Part of a held-out image: the input of the network, its result, and the high-resolution image.",
        )
        self.finished = FinishedForm(self.viewer, lambda question: ask(self, question), self.status.setText)
        for widget in (self.curves, self.examples):
            self.body.addWidget(widget)
        self.foot.addWidget(forms.beside(self.run, self.keep))
        for widget in (self.bar, self.status, self.finished):
            self.foot.addWidget(widget)
        self.body.addStretch(1)
        self.curves.hide()
        self.examples.hide()

    def _order_focus(self) -> None:
        order: list[QWidget] = [
            *self.source.controls,
            *self.beads.controls,
            *self.degradation.controls,
            self.start.native,
            self.network.native,
            self.scale.native,
            self.goal.native,
            self.minutes.native,
            self.output.line,
            self.output.button,
            self.license,
            self.run,
            self.keep,
        ]
        for first, second in pairwise(order):
            QWidget.setTabOrder(first, second)

    def _network_choices(self, _: Any) -> list[tuple[str, str]]:
        return [(label, name) for name, label in self._available.networks.items()]

    def _start_choices(self, _: Any) -> list[tuple[str, str]]:
        return [("random weights", ""), *((model_label(card), name) for name, card in self._available.cards.items())]


def _heading(text: str) -> QLabel:
    """Return the title of a step of the widget."""
    label = QLabel(text)
    label.setStyleSheet("font-weight: bold;")
    return label


def ask(parent: QWidget, question: str) -> bool:
    """Ask a question that is answered by yes or no."""
    return bool(QMessageBox.question(parent, "Train", question) == QMessageBox.StandardButton.Yes)
