"""The form of beads: measures the point-spread function of a microscope on a layer."""

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicgui.widgets import FloatSpinBox
from qtpy.QtWidgets import QFileDialog, QPushButton, QVBoxLayout, QWidget

from napari_superres.core.image import Image
from napari_superres.errors import SettingsError, SuperResError
from napari_superres.plugin.host.layers import to_image
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.session import Session
from napari_superres.plugin.widgets.train.fields import Labelled, PathLine
from napari_superres.plugin.worker.job import Job

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_superres.degradation.psf import PsfMeasurement


class BeadsForm(QWidget):
    """Choose a layer of beads, measure the point-spread function, and write it to a file.

    Parameters
    ----------
    viewer
        napari viewer whose image layers can be chosen.
    session
        Session of the panel, for the job.
    """

    def __init__(self, viewer: "Viewer", session: Session) -> None:
        super().__init__()
        self._viewer, self._session = viewer, session
        self._job: Job | None = None
        self.layer = forms.layer_box(
            viewer, label="Beads", tooltip="Layer of at least five small beads that lie apart: raw, not saturated."
        )
        self.size = FloatSpinBox(
            value=0.0,
            min=0.0,
            max=10.0,
            step=0.05,
            label="Size, µm",
            tooltip="Diameter of the beads in micrometres, whose blur is taken off the widths; 0 = unknown.",
        )
        self.output = PathLine(
            "File of the point-spread function",
            "File to write, such as psf.ome.tif.",
            lambda parent: QFileDialog.getSaveFileName(
                parent, "Point-spread function", str(self.output.path or ""), "OME-TIFF (*.ome.tif)"
            )[0],
        )
        self.button = QPushButton("Measure PSF")
        self.button.setToolTip("Average the good beads, print the widths, and write the file.")
        self.button.clicked.connect(self._begin)
        self.text = forms.text()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        place = Labelled("Save as", self.output.line.toolTip(), self.output)
        for widget in (forms.form([self.layer, self.size, place]), self.button, self.text):
            layout.addWidget(widget)

    @property
    def controls(self) -> list[QWidget]:
        """The controls that can have the focus, in order."""
        return [self.layer.native, self.size.native, self.output.line, self.output.button, self.button]

    def refresh(self) -> None:
        """Follow the viewer's layers."""
        forms.refresh(self.layer)

    def _begin(self) -> None:
        try:
            layer, path = self.layer.value, self.output.path
            if layer is None or path is None:
                raise SettingsError("choose a layer of beads, and a file to write.")
            if path.exists():
                raise SettingsError(f"{path} exists already.", remedy="Choose another name.")
            image = to_image(layer)
        except SuperResError as error:
            forms.show_error(str(error))
            return
        self.button.setEnabled(False)
        forms.say(self.text, "Measuring…")
        size = self.size.value
        self._job = Job(
            lambda: measure(image, size, path),
            stepped=self._show,
            failed=self._fail,
            ended=lambda _: self.button.setEnabled(True),
            doing=f"measurement of {layer.name}",
        )
        self._session.add(self._job)

    def _show(self, measured: "PsfMeasurement") -> None:
        notes = [f"Note: {note}" for note in measured.notes]
        forms.say(self.text, "\n".join([*measured.describe(), *notes, f"Written to {self.output.path}."]))

    def _fail(self, message: str) -> None:
        forms.say(self.text, "")
        forms.show_error(message)


def measure(image: Image, size: float, path: Path) -> Generator[Any, None, None]:
    """Measure the point-spread function of an image of beads, write it, and yield the measurement.

    Raises
    ------
    SuperResError
        As `measure_psf` and `write_image`.
    """
    from napari_superres.degradation.psf import measure_psf
    from napari_superres.io import write_image

    measured = measure_psf(image, bead_size=size)
    point = measured.image
    write_image(point.replace(metadata={**point.metadata, "psf": measured.facts()}), path)
    yield measured
