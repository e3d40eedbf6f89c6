"""The section of the Compare widget that shows the result next to another layer: curtain and blinking."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox, FloatSpinBox
from qtpy.QtCore import QSignalBlocker, Qt, QTimer
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QSlider, QVBoxLayout, QWidget

from napari_superres.errors import SuperResError
from napari_superres.plugin.host.labels import window_text
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.compare.blink import KEY, Blink
from napari_superres.plugin.widgets.compare.curtain import Curtain
from napari_superres.plugin.widgets.compare.interpolation import Request
from napari_superres.plugin.widgets.compare.state import PARTNERS, CompareState

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.viewer import Viewer

    Pair = tuple[str, ImageLayer, ImageLayer]

_SLIDER_STEPS = 1000
_SETTLE_TIME = 100
"""Milliseconds after a move of the view before the curtain is cut to what is visible then."""
_IMPOSSIBLE = "A curtain needs the X axis of the result in 2-D, and no grid. Change the view, then press Curtain again."


class VisualSection(QWidget):
    """Show a curtain between the result and another layer, or both in turn.

    Parameters
    ----------
    viewer
        napari viewer.
    state
        Returns what is chosen.
    request_interpolation
        Provides the layer of the interpolated input.
    """

    def __init__(self, viewer: "Viewer", state: Callable[[], CompareState], request_interpolation: Request) -> None:
        super().__init__()
        self._viewer, self._state, self._request_interpolation = viewer, state, request_interpolation
        self._active: list[Curtain | Blink] = []
        self._pair: Pair | None = None
        self._clock = self._timer(self._switch, single=False)
        self._settle_timer = self._timer(self._follow_view, _SETTLE_TIME)
        self._removal_timer = self._timer(self.end)
        self._add_controls()
        active = self._active
        # Not a method of this widget, because Qt has deleted it by then.
        self.destroyed.connect(lambda: [display.end() for display in active])

    def _timer(self, callback: Callable[[], None], interval: int = 0, *, single: bool = True) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(single)
        timer.setInterval(interval)
        timer.timeout.connect(callback)
        return timer

    def _add_controls(self) -> None:
        self.partner = ComboBox(
            choices=PARTNERS,
            label="Next to",
            tooltip="Layer to show the result next to: reference, input, or bicubic interpolation of the input. "
            "The interpolation is computed first.",
        )
        self.curtain, self.blink = QPushButton("Curtain"), QPushButton("Blink")
        self.curtain.setToolTip(
            "Show the result left of a line and the other layer right of it. Move the line with the slider or drag it "
            "in the canvas."
        )
        self.blink.setToolTip(f"Show the two layers in turn. {KEY} in the canvas shows the other one and stops there.")
        self.position = QSlider(Qt.Orientation.Horizontal)
        self.position.setRange(0, _SLIDER_STEPS)
        self.position.setPageStep(_SLIDER_STEPS // 10)
        self.position.setToolTip("Place of the line across the visible part of the result.")
        self.interval = FloatSpinBox(
            value=0.6, min=0.2, max=2.0, step=0.1, label="Interval (s)", tooltip="Time for which each layer is shown."
        )
        self.caption = forms.text()
        layout, row = QVBoxLayout(self), QHBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(forms.form([forms.narrow(self.partner)]))
        for button in (self.curtain, self.blink):
            button.setCheckable(True)
            row.addWidget(button)
        layout.addLayout(row)
        layout.addWidget(self.position)
        layout.addWidget(forms.form([self.interval]))
        layout.addWidget(self.caption)
        self.position.setEnabled(False)
        self.caption.hide()
        self.curtain.toggled.connect(lambda on: self._toggle(on, self.curtain, self.blink))
        self.blink.toggled.connect(lambda on: self._toggle(on, self.blink, self.curtain))
        self.position.valueChanged.connect(self._move_line)
        self.interval.changed.connect(self._set_interval)
        self.partner.changed.connect(self.show_state)

    def show_state(self, _: Any = None) -> None:
        """React to a change of the chosen layers.

        An active curtain or blinking continues with the layers that are chosen now. It ends when its own were removed.
        """
        wanted = self._wanted_pair()
        is_open = self._pair is not None and all(layer in self._viewer.layers for layer in self._pair[1:])
        for button in (self.curtain, self.blink):
            button.setEnabled(wanted is not None)
            if button.isChecked() and wanted != self._pair:
                button.setChecked(False)
                button.setChecked(is_open and wanted is not None)

    def end(self) -> None:
        """Restore the viewer."""
        self.curtain.setChecked(False)
        self.blink.setChecked(False)

    def _wanted_pair(self) -> "Pair | None":
        """Return the role of the other layer, the result, and the other layer (or the input of an interpolation)."""
        state, role = self._state(), str(self.partner.value)
        result, other = state.result, state.partner(role)
        return None if result is None or other is None else (role, result, other)

    def _toggle(self, on: bool, button: QPushButton, other_button: QPushButton) -> None:
        if on:
            with QSignalBlocker(other_button):
                other_button.setChecked(False)
        self._stop()
        self._pair = self._wanted_pair()
        if on and self._pair is not None:
            role, _, layer = self._pair
            if role == "interpolation":
                self._request_interpolation(lambda interpolation: self._begin(button, interpolation))
            else:
                self._begin(button, layer)

    def _begin(self, button: QPushButton, other: "ImageLayer | None") -> None:
        if not button.isChecked() or self._active or self._pair is None:
            return  # The button was released while the interpolation was being computed.
        result = self._pair[1]
        try:
            if other is None:
                button.setChecked(False)
            elif button is self.blink:
                self._begin_blink(result, other)
            elif Curtain.is_possible(self._viewer, result):
                self._begin_curtain(result, other)
            else:
                button.setChecked(False)
                forms.say(self.caption, _IMPOSSIBLE)
        except SuperResError as error:
            button.setChecked(False)
            forms.say(self.caption, window_text(str(error)))
        self.position.setEnabled(self.curtain.isChecked())

    def _begin_blink(self, result: "ImageLayer", other: "ImageLayer") -> None:
        blink = Blink(self._viewer, (result, other), key_pressed=self._stop_clock, removed=self._removal_timer.start)
        self._active.append(blink)
        self._set_interval()
        self._show_caption()

    def _begin_curtain(self, result: "ImageLayer", other: "ImageLayer") -> None:
        curtain = Curtain(self._viewer, result, other, moved=self._follow_soon, removed=self._removal_timer.start)
        self._active.append(curtain)
        forms.say(self.caption, f"Left of the line: {result.name}. Right of it: {other.name}.")
        self._follow_view()

    def _stop(self) -> None:
        self._clock.stop()
        self._settle_timer.stop()
        self._removal_timer.stop()
        self.position.setEnabled(False)
        forms.say(self.caption, "")
        while self._active:
            self._active.pop().end()

    def _follow_soon(self) -> None:
        if not self._settle_timer.isActive():
            self._settle_timer.start()

    def _follow_view(self) -> None:
        for display in self._active:
            if isinstance(display, Curtain):
                if self._pair is None or not Curtain.is_possible(self._viewer, self._pair[1]):
                    self.curtain.setChecked(False)
                    forms.say(self.caption, _IMPOSSIBLE)
                    return
                display.follow()
                with QSignalBlocker(self.position):
                    self.position.setValue(round(display.fraction * _SLIDER_STEPS))

    def _move_line(self, value: int) -> None:
        for display in self._active:
            if isinstance(display, Curtain):
                display.fraction = value / _SLIDER_STEPS

    def _set_interval(self, _: Any = None) -> None:
        self._clock.setInterval(round(1000 * self.interval.value))
        if self._active and self.blink.isChecked():
            self._clock.start()

    def _switch(self) -> None:
        for display in self._active:
            if isinstance(display, Blink):
                display.switch()
        self._show_caption()

    def _stop_clock(self) -> None:
        self._clock.stop()
        self._show_caption()

    def _show_caption(self) -> None:
        for display in self._active:
            if isinstance(display, Blink):
                forms.say(self.caption, f"Shown: {display.visible.name}")
