"""The controls of the Batch widget, from top to bottom."""

from typing import TYPE_CHECKING

from magicgui.widgets import LineEdit
from qtpy.QtWidgets import QCheckBox, QFrame, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_superres.plugin.widgets.batch.settings import BatchSettings, column
from napari_superres.plugin.widgets.batch.table import FileTable
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.panel import Panel
from napari_superres.plugin.widgets.common.parts.remembered import remember

if TYPE_CHECKING:
    from napari.viewer import Viewer

_DROP_ZONE = "QFrame#drop { border: 1px dashed palette(mid); border-radius: 4px; }"


class BatchControls(Panel):
    """The controls; `BatchWidget` reacts to them.

    Parameters
    ----------
    viewer
        napari viewer in which results can be opened.
    """

    def __init__(self, viewer: "Viewer") -> None:
        super().__init__(viewer)
        self.setAcceptDrops(True)
        self.input = QWidget()
        self.settings = BatchSettings()
        self.settings.place.session = self.session
        self._add_input()
        self.take_settings = forms.button(
            "As in Super-resolve",
            "Take model, range, device, precision, tile size and averaging from the Super-resolve widget.",
        )
        self.settings.layout().insertWidget(0, self.take_settings)
        self.body.addWidget(self.settings)
        QWidget.setTabOrder(self.table, self.take_settings)  # It was made last.
        self._add_run()
        settings = self.settings
        remember(
            "batch",
            format=settings.format,
            tile=settings.tile,
            averaging=settings.tta,
            resume=settings.resume,
            recursive=self.recursive,
            advanced=settings.advanced,
        )

    def _add_input(self) -> None:
        self.choose_folder = forms.button(
            "Folder…", "Super-resolve the images in a folder. Folders can also be dropped here."
        )
        self.choose_files = forms.button("Files…", "Super-resolve single files. Files can also be dropped here.")
        self.chosen = forms.text("Drop files or folders here, or choose them.")
        self.pattern = LineEdit(
            label="File pattern",
            tooltip="Take only files with such names from a folder: * stands for any text, ? for one character. "
            "Leave empty to take all images.",
        )
        self.pattern.native.setPlaceholderText("all, or for example *_dapi.tif")
        self.recursive = QCheckBox("Include subfolders")
        self.recursive.setToolTip("Also take the images in all subfolders. Results of one name keep their subfolders.")
        self.pattern.native.setAcceptDrops(False)  # Files that are dropped on the panel are input.
        self.table = FileTable()
        self.details = forms.text()
        self.details.hide()
        self.table.details_changed.connect(lambda text: forms.say(self.details, text))
        zone = QFrame()
        zone.setObjectName("drop")
        zone.setStyleSheet(_DROP_ZONE)
        inside = QVBoxLayout(zone)
        inside.setContentsMargins(6, 6, 6, 6)
        inside.addWidget(self.chosen)
        inside.addWidget(forms.row(self.choose_folder, self.choose_files))
        layout = column(self.input)
        layout.addWidget(zone)
        layout.addWidget(forms.form([self.pattern]))
        layout.addWidget(self.recursive)
        self.body.addWidget(self.input)
        self.body.addWidget(self.table, 1)
        self.body.addWidget(self.details)

    def _add_run(self) -> None:
        self.try_first = forms.button(
            "Try first", "Compute the first file alone and open its result. With Resume checked, Run keeps it."
        )
        self.run = QPushButton("Run")
        self.retry = forms.button("Retry failed", "Compute the files that failed once more, with the settings of now.")
        self.bar = QProgressBar()
        self.bar.setToolTip("Finished share of the batch.")
        self.bar.setAccessibleName("Progress of the batch")
        self.bar.hide()
        self.status = forms.text()
        self.copy_command = forms.button(
            "Copy command",
            "Copy the command line that does the same as Run. Use it in a terminal, overnight or on another computer.",
        )
        self.copy_table = forms.button("Copy table", "Copy the table to the clipboard, for a spreadsheet.")
        self.run_by_keys(self.run)
        self.body.addWidget(forms.row(self.copy_command, self.copy_table))
        for widget in (forms.beside(self.run, first=self.try_first), self.retry, self.bar, self.status):
            self.foot.addWidget(widget)
