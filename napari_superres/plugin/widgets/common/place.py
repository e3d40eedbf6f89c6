"""Where to compute: this computer, or a cluster by its address."""

from typing import Any

from magicgui.widgets import ComboBox, LineEdit
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_superres.plugin.host.labels import window_text
from napari_superres.plugin.host.preferences import preferences
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.session import Session
from napari_superres.plugin.worker import tasks
from napari_superres.plugin.worker.job import Job

HERE, CLUSTER = "this computer", "a cluster"


class PlaceForm(QWidget):
    """Choice of the place, the address of a cluster, and a line that says what the cluster has.

    Attributes
    ----------
    changed
        Emits when another place is chosen.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.session: Session | None = None
        self.kind = ComboBox(
            choices=[HERE, CLUSTER],
            label="Run on",
            tooltip="A cluster computes on other computers: windows of the image travel to the workers of a dask "
            "scheduler, and the result comes back.",
        )
        self.address = LineEdit(
            label="Address",
            tooltip="Address of the dask scheduler, such as tls://localhost:8786. The documentation says how to start "
            "one under “A GPU in another room”.",
        )
        self.address.native.setPlaceholderText("tls://localhost:8786")
        self.address.native.setAcceptDrops(False)
        self.test = QPushButton("Test")
        self.test.setToolTip("Connect, and say which workers, GPUs and version the cluster has.")
        self.answer = forms.text()
        self.answer.hide()
        self._row = QWidget()
        row = QHBoxLayout(self._row)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(forms.form([self.address]), 1)
        row.addWidget(self.test)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget in (forms.form([self.kind]), self._row, self.answer):
            layout.addWidget(widget)
        if address := preferences().scheduler:
            self.kind.value, self.address.value = CLUSTER, address
        self._show()
        self.kind.changed.connect(self._change)
        self.address.changed.connect(self._change)
        self.test.clicked.connect(lambda: self._ask())  # noqa: PLW0108 - drops Qt's argument

    @property
    def scheduler(self) -> str | None:
        """Address of the cluster; None for this computer."""
        return str(self.address.value).strip() or None if self.kind.value == CLUSTER else None

    def take(self, scheduler: str | None) -> None:
        """Choose the cluster at an address, or this computer for None."""
        if scheduler is not None:
            self.address.value = scheduler
        self.kind.value = HERE if scheduler is None else CLUSTER

    def _change(self, _: Any = None) -> None:
        self._show()
        forms.say(self.answer, "")
        self.changed.emit()

    def _show(self) -> None:
        self._row.setVisible(self.kind.value == CLUSTER)

    def _ask(self) -> None:
        if self.session is None or self.scheduler is None:
            return
        address = self.scheduler
        forms.say(self.answer, "Connecting…")
        self.test.setEnabled(False)
        show, ended = self._say, self.test.setEnabled
        self.session.add(
            Job(lambda: tasks.describe_cluster(address), stepped=show, failed=show, ended=lambda _: ended(True))
        )

    def _say(self, text: str) -> None:
        forms.say(self.answer, window_text(text))
