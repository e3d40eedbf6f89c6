"""What all widgets are made of: a panel that scrolls and goes away cleanly, choices of layers, lines of text."""

import re
from collections.abc import Callable, Iterable
from typing import Any

from magicgui.widgets import ComboBox
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import QComboBox, QFormLayout, QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget

from napari_superres.plugin.worker.job import Job

OURS, TEMPORARY = "napari_superres", "temporary"
"""Metadata of layers that a widget shows for a while, and that cannot be chosen."""

# Options and commands that other faces have.
_ELSEWHERE = re.compile(
    r", or allow the loss \(--allow-loss\)| \((--[a-z-]+|axes)\)| \(superres [^)]*\)| See: superres [\w ]+"
)
_LABEL_WIDTH = 84  # one column for all forms of a panel
_LAYER_EVENTS = ("inserted", "removed", "reordered", "renamed")


class Session:
    """What must end with a panel: jobs in threads and the ear on the viewer's layers.

    It is no Qt object, so that it can still be asked when the panel's Qt part is gone.

    Parameters
    ----------
    viewer
        napari viewer.
    changed
        Called when layers come, go, move or are renamed.
    """

    def __init__(self, viewer: Any, changed: Callable[[], None]) -> None:
        self._events = viewer.layers.events
        self._changed: Callable[[], None] | None = changed
        self._jobs: list[Job] = []
        for name in _LAYER_EVENTS:
            getattr(self._events, name).connect(self._told)

    def add(self, job: Job) -> None:
        """Start a job as soon as those before it have ended.

        One at a time: threads of napari's that overlap mix up the process's warning filters.
        """
        job.over = self._next
        self._jobs.append(job)
        if len(self._jobs) == 1:
            job.start()

    def forget(self, job: Job | None) -> None:
        """Drop a job: it stops and tells nobody anything any more."""
        if job is not None:
            job.drop()
            self._jobs = [j for j in self._jobs if j is not job or j.is_started]

    def _next(self, ended: Job) -> None:
        self._jobs = [job for job in self._jobs if job is not ended]
        if self._jobs and not self._jobs[0].is_started:
            self._jobs[0].start()

    def close(self) -> None:
        """Stop all jobs and listen to nothing any more."""
        for job in self._jobs:
            job.drop()
        self._jobs.clear()
        if self._changed is not None:
            self._changed = None
            for name in _LAYER_EVENTS:
                getattr(self._events, name).disconnect(self._told)

    def _told(self, event: Any = None) -> None:
        del event
        if self._changed is not None:
            self._changed()


class Panel(QWidget):
    """A widget for napari's dock: its content scrolls where the dock is low."""

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self.viewer = viewer
        content = QWidget()
        self.body = QVBoxLayout(content)
        self.body.setContentsMargins(6, 6, 6, 6)
        self.body.setSpacing(6)
        scroll = self._scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(content)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll)
        self.foot = QVBoxLayout()  # stays in view
        self.foot.setContentsMargins(6, 0, 6, 6)
        outer.addLayout(self.foot)
        self.setMinimumWidth(300)
        session = self.session = Session(viewer, self.layers_changed)
        self.destroyed.connect(lambda: session.close())  # noqa: PLW0108 - a bound method would not keep the session alive

    def layers_changed(self) -> None:
        """React to layers that came, went, moved or were renamed."""

    def leave(self) -> None:
        """Take away what the panel shows in the viewer for a while: its dock was closed."""

    def scroll_to(self, widget: QWidget) -> None:
        """Show a part of the panel, from its top."""
        later = QTimer(self)  # when the layout knows its place, unless the panel is gone by then
        later.setSingleShot(True)
        later.timeout.connect(lambda: self._scroll.verticalScrollBar().setValue(widget.y()))
        later.timeout.connect(later.deleteLater)
        later.start(0)

    def event(self, event: Any) -> bool:
        """End what is running when the dock around the panel was closed."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.leave()
            self.session.close()
        return bool(super().event(event))


def form(widgets: Iterable[Any]) -> QWidget:
    """Return magicgui widgets as a form with labels, for a panel."""
    native = QWidget()
    layout = QFormLayout(native)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    for widget in widgets:
        label = QLabel(widget.label)
        label.setMinimumWidth(_LABEL_WIDTH)
        label.setToolTip(widget.tooltip)
        layout.addRow(label, widget.native)
    return native


def narrow(box: ComboBox) -> ComboBox:
    """Let a list be narrower than its longest entry; the entries are shown whole when it is open."""
    native: QComboBox = box.native
    native.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    native.setMinimumContentsLength(6)
    return box


def image_layers(viewer: Any) -> list[tuple[str, Any]]:
    """Return name and layer of what can be chosen, newest first, as in napari's own list."""
    from napari.layers import Image

    return [
        (layer.name, layer)
        for layer in reversed(viewer.layers)
        if isinstance(layer, Image) and layer.metadata.get(OURS) != TEMPORARY
    ]


def layer_box(viewer: Any, *, label: str, tooltip: str, optional: bool = False) -> ComboBox:
    """Return a list of the viewer's image layers; others cannot be chosen by mistake."""
    return narrow(ComboBox(choices=lambda _: image_layers(viewer), label=label, tooltip=tooltip, nullable=optional))


def refresh(box: ComboBox) -> bool:
    """Bring a list of layers up to date, keep the one chosen, and return whether it had to change."""
    before = box.value
    with box.changed.blocked():
        box.reset_choices()
        if before is not None and any(before is choice for choice in box.choices):
            box.value = before
    return box.value is not before


def prefer_visible(box: ComboBox) -> bool:
    """Choose the newest visible layer instead of a hidden one, such as a sample's reference; return whether it did."""
    seen = next((layer for layer in box.choices if layer is not None and layer.visible), None)
    if box.value is None or box.value.visible or seen is None:
        return False
    with box.changed.blocked():
        box.value = seen
    return True


def text(content: str = "", *, rich: bool = False) -> QLabel:
    """Return lines of text that wrap and can be copied."""
    label = QLabel(content)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.RichText if rich else Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
    label.setOpenExternalLinks(True)
    label.setMinimumWidth(50)
    return label


def say(label: QLabel, content: str) -> None:
    """Show a text, or hide its label where there is none."""
    label.setText(content)
    label.setVisible(bool(content))


def show_error(message: str) -> None:
    """Show what a person can mend as a notification of napari's."""
    from napari.utils import notifications

    notifications.show_error(sentence(message))


def sentence(message: str) -> str:
    """Return an error's message as it reads in a window: with a capital letter, unless it begins with a name."""
    word = message.split(" ", 1)[0]
    return message[:1].upper() + message[1:] if word.isalpha() else message


def in_window(message: str) -> str:
    """Return a message as it reads in a window: with a capital letter, without what is typed elsewhere."""
    return sentence(_ELSEWHERE.sub("", message))
