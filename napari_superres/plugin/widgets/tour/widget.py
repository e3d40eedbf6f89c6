"""The guided tour through Super-resolve, in a dock below the image."""

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtGui import QHideEvent, QKeyEvent, QShowEvent
from qtpy.QtWidgets import QApplication, QHBoxLayout, QLabel, QMainWindow, QPushButton, QVBoxLayout, QWidget

from napari_superres.plugin.host.docks import PLUGIN, SUPER_RESOLVE, dock_of, find_control, open_widget
from napari_superres.plugin.host.samples import show_preview
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.tour.pointer import Pointer
from napari_superres.plugin.widgets.tour.steps import STEPS

if TYPE_CHECKING:
    import napari

_SAMPLE = "nuclei"


class TourWidget(QWidget):
    """Tells the steps one after another and points at their controls. Escape ends the tour.

    Parameters
    ----------
    viewer
        napari viewer. A sample is opened there if it has no layers.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:  # napari looks for this very annotation
        super().__init__()
        self.viewer = viewer
        self.setAccessibleName("Guided tour")
        self._pointer: Pointer | None = None
        self._step = 0
        self.count, self.text = QLabel(), forms.text()
        self.next, self.skip = QPushButton("Next"), QPushButton("Skip")
        self.skip.setToolTip("End the tour (Escape).")
        self.next.clicked.connect(self._go_on)
        self.skip.clicked.connect(self.end)
        column = QVBoxLayout(self)
        column.addWidget(self.text)
        row = QHBoxLayout()
        row.addWidget(self.count)
        row.addStretch(1)
        row.addWidget(self.skip)
        row.addWidget(self.next)
        column.addLayout(row)
        self._start_soon = QTimer(self)
        self._start_soon.setSingleShot(True)
        self._start_soon.timeout.connect(self._start)

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802 - Qt's name
        """Begin with the first step, once napari has placed the dock."""
        super().showEvent(event)
        if self._pointer is None:
            self._start_soon.start(0)

    def hideEvent(self, event: QHideEvent | None) -> None:  # noqa: N802 - Qt's name
        """Take the frame away."""
        super().hideEvent(event)
        self._start_soon.stop()
        self._stop()

    def end(self) -> None:
        """Close the dock. The menu opens it again."""
        dock = dock_of(self)
        (self if dock is None else dock).hide()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 - Qt's name
        """End the tour by Escape, wherever the focus is, but not while Escape closes a list or a dialog."""
        is_elsewhere = QApplication.activePopupWidget() is not None or QApplication.activeModalWidget() is not None
        key = event.key() if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress else None
        if key == Qt.Key.Key_Escape and not is_elsewhere:
            self.end()
            return True
        return bool(super().eventFilter(watched, event))

    def _start(self) -> None:
        window, dock = self.window(), dock_of(self)
        if dock is not None and isinstance(window, QMainWindow):
            window.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, dock)  # The controls are at the right.
        if not self.viewer.layers:
            self.viewer.open_sample(PLUGIN, _SAMPLE)
        show_preview(self.viewer)
        self._pointer = Pointer(window)
        application = QApplication.instance()
        if application is not None:
            application.installEventFilter(self)
        self._show_step(0)
        self.next.setFocus()

    def _stop(self) -> None:
        if self._pointer is None:
            return
        self._pointer.point_at(None)
        self._pointer.deleteLater()
        self._pointer = None
        application = QApplication.instance()
        if application is not None:
            application.removeEventFilter(self)

    def _go_on(self) -> None:
        if self._step + 1 == len(STEPS):
            self.end()
        else:
            self._show_step(self._step + 1)

    def _show_step(self, number: int) -> None:
        self._step = number
        step, is_last = STEPS[number], number + 1 == len(STEPS)
        self.text.setText(step.text)
        self.count.setText(f"{number + 1} of {len(STEPS)}")
        self.next.setText("Finish" if is_last else "Next")
        # The focus stays on the button: its description is what a screen reader says.
        self.next.setAccessibleDescription(step.text)
        self.skip.setVisible(not is_last)
        if self._pointer is not None:
            self._pointer.point_at(find_control(open_widget(self.viewer, SUPER_RESOLVE), step.control))
