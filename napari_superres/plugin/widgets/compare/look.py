"""The section of the Compare widget for looking at the result beside another layer."""

from collections.abc import Callable
from typing import Any

from magicgui.widgets import ComboBox, FloatSpinBox
from qtpy.QtCore import QSignalBlocker, Qt, QTimer
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QSlider, QVBoxLayout, QWidget

from napari_superres.errors import SuperResError
from napari_superres.plugin.host.labels import window_text
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.compare.curtain import KEY, Blink, Curtain
from napari_superres.plugin.widgets.compare.plots import Chosen, Interpolate

_STEPS = 1000
_SETTLED = 100
"""Milliseconds without a move of the view before what is visible then is cut."""
_IMPOSSIBLE = "A curtain needs X of the result in 2-D, and no grid: change the view, then switch it on."
_BESIDE = ("reference", "input", "interpolation")


class LookSection(QWidget):
    """A curtain between the result and another layer, or both in turn.

    Parameters
    ----------
    viewer
        napari viewer.
    chosen, interpolate
        What the widget has.
    """

    def __init__(self, viewer: Any, chosen: Chosen, interpolate: Interpolate) -> None:
        super().__init__()
        self._viewer, self._chosen, self._interpolate = viewer, chosen, interpolate
        self._running: list[Curtain | Blink] = []
        self._of: tuple[str, Any, Any] | None = None
        self._clock = self._timer(self._step, single=False)
        self._settled = self._timer(self._follow, _SETTLED)
        self._over = self._timer(self.end)
        self._make()
        running = self._running
        self.destroyed.connect(lambda: [it.end() for it in running])  # methods of a QWidget are gone by then

    def _timer(self, told: Callable[[], None], interval: int = 0, *, single: bool = True) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(single)
        timer.setInterval(interval)
        timer.timeout.connect(told)
        return timer

    def _make(self) -> None:
        self.beside = ComboBox(
            choices=_BESIDE,
            label="Beside",
            tooltip="What the result is shown beside: the reference, the input, or the bicubic interpolation of the "
            "input, which is computed first.",
        )
        self.curtain, self.blink = QPushButton("Curtain"), QPushButton("Blink")
        self.curtain.setToolTip(
            "Show the result left of a line and the other layer right of it. Move the line with the slider, or drag "
            "it in the canvas."
        )
        self.blink.setToolTip(f"Show the two in turn. {KEY} in the canvas shows the other one and stops the clock.")
        self.position = QSlider(Qt.Orientation.Horizontal)
        self.position.setRange(0, _STEPS)
        self.position.setPageStep(_STEPS // 10)
        self.position.setToolTip("Where the line is, across what is visible of the result.")
        self.interval = FloatSpinBox(
            value=0.6, min=0.2, max=2.0, step=0.1, label="Interval (s)", tooltip="How long each of the two is shown."
        )
        self.shown = forms.text()
        layout, row = QVBoxLayout(self), QHBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(forms.form([forms.narrow(self.beside)]))
        for button in (self.curtain, self.blink):
            button.setCheckable(True)
            row.addWidget(button)
        layout.addLayout(row)
        layout.addWidget(self.position)
        layout.addWidget(forms.form([self.interval]))
        layout.addWidget(self.shown)
        self.position.setEnabled(False)
        self.shown.hide()
        self.curtain.toggled.connect(lambda on: self._toggled(on, self.curtain, self.blink))
        self.blink.toggled.connect(lambda on: self._toggled(on, self.blink, self.curtain))
        self.position.valueChanged.connect(self._slid)
        self.interval.changed.connect(self._set_clock)
        self.beside.changed.connect(self.changed)

    def changed(self, _: Any = None) -> None:
        """React to layers that were chosen, came or went: what is on goes on with others, but ends with its own."""
        wanted = self._wanted()
        there = self._of is not None and all(layer in self._viewer.layers for layer in self._of[1:])
        for button in (self.curtain, self.blink):
            button.setEnabled(wanted is not None)
            if button.isChecked() and wanted != self._of:
                button.setChecked(False)
                button.setChecked(there and wanted is not None)

    def end(self) -> None:
        """Leave the viewer as it was."""
        self.curtain.setChecked(False)
        self.blink.setChecked(False)

    def _wanted(self) -> tuple[str, Any, Any] | None:
        """Return what the result is shown beside, the result, and the layer that the other is or is made of."""
        chosen, beside = self._chosen(), str(self.beside.value)
        result, other = chosen.get("result"), chosen.get("input" if beside == "interpolation" else beside)
        return None if result is None or other is None or result is other else (beside, result, other)

    def _toggled(self, on: bool, button: QPushButton, other: QPushButton) -> None:
        if on:
            with QSignalBlocker(other):
                other.setChecked(False)
        self._stop()
        self._of = self._wanted()
        if on and self._of is not None:
            beside, _, layer = self._of
            if beside == "interpolation":
                self._interpolate(lambda made: self._begin(button, made))
            else:
                self._begin(button, layer)

    def _begin(self, button: Any, other: Any) -> None:
        if not button.isChecked() or self._running or self._of is None:
            return  # it was turned off while the other was being computed
        result = self._of[1]
        try:
            if other is None:
                button.setChecked(False)
            elif button is self.blink:
                self._running.append(Blink(self._viewer, (result, other), by_hand=self._by_hand, gone=self._over.start))
                self._set_clock()
                self._say_shown()
            elif Curtain.is_possible(self._viewer, result):
                self._running.append(Curtain(self._viewer, result, other, moved=self._moved, gone=self._over.start))
                forms.say(self.shown, f"Left of the line: {result.name}. Right of it: {other.name}.")
                self._follow()
            else:
                button.setChecked(False)
                forms.say(self.shown, _IMPOSSIBLE)
        except SuperResError as error:
            button.setChecked(False)
            forms.say(self.shown, window_text(str(error)))
        self.position.setEnabled(self.curtain.isChecked())

    def _stop(self) -> None:
        self._clock.stop()
        self._settled.stop()
        self._over.stop()
        self.position.setEnabled(False)
        forms.say(self.shown, "")
        while self._running:
            self._running.pop().end()

    def _moved(self) -> None:
        if not self._settled.isActive():
            self._settled.start()

    def _follow(self) -> None:
        for it in self._running:
            if isinstance(it, Curtain):
                if not Curtain.is_possible(self._viewer, self._of[1] if self._of else None):
                    self.curtain.setChecked(False)
                    forms.say(self.shown, _IMPOSSIBLE)
                    return
                it.follow()
                with QSignalBlocker(self.position):
                    self.position.setValue(round(it.fraction * _STEPS))

    def _slid(self, value: int) -> None:
        for it in self._running:
            if isinstance(it, Curtain):
                it.fraction = value / _STEPS

    def _set_clock(self, _: Any = None) -> None:
        self._clock.setInterval(round(1000 * self.interval.value))
        if self._running and self.blink.isChecked():
            self._clock.start()

    def _step(self) -> None:
        for it in self._running:
            if isinstance(it, Blink):
                it.step()
        self._say_shown()

    def _by_hand(self) -> None:
        self._clock.stop()
        self._say_shown()

    def _say_shown(self) -> None:
        for it in self._running:
            if isinstance(it, Blink):
                forms.say(self.shown, f"Shown: {it.shown.name}")
