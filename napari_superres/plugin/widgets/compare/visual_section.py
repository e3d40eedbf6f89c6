"""The part of the Compare widget that shows the result next to other layers: curtain, blinking, side by side."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox, FloatSpinBox
from qtpy.QtCore import QSignalBlocker, Qt, QTimer
from qtpy.QtWidgets import QCheckBox, QPushButton, QSlider, QVBoxLayout, QWidget

from napari_superres.errors import SuperResError
from napari_superres.plugin.host.labels import window_text
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.compare.blink import KEY, Blink, SideBySide
from napari_superres.plugin.widgets.compare.curtain import Curtain
from napari_superres.plugin.widgets.compare.interpolation import Request
from napari_superres.plugin.widgets.compare.state import PARTNERS, PREFERRED, CompareState

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.viewer import Viewer

    Pair = tuple[str, ImageLayer, ImageLayer]

_SLIDER_STEPS = 1000
_SETTLE_TIME = 100
"""Milliseconds after a move of the view before the curtain is cut to what is visible then."""
_IMPOSSIBLE = "A curtain needs the X axis of the result in 2-D, and no grid. Change the view, then press Curtain again."


class VisualSection(QWidget):
    """Show a curtain between the result and another layer, both in turn, or all layers side by side.

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
        self._active: list[Curtain | Blink | SideBySide] = []
        self._pair: Pair | None = None
        self._wanted_partner = PARTNERS[0]
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
        self.curtain, self.blink, self.grid = QPushButton("Curtain"), QPushButton("Blink"), QPushButton("Grid")
        self.grid.setToolTip("Show input, interpolation, result and reference side by side, as far as they are chosen.")
        self.same_contrast = QCheckBox("Same contrast")
        self.same_contrast.setChecked(True)
        self.same_contrast.setToolTip(
            "Show all with the contrast and gamma of the result. Afterwards, each layer has its own again."
        )
        self.curtain.setToolTip(
            "Show the result left of a line and the other layer right of it. Move the line with the slider or drag it "
            "in the canvas."
        )
        self.blink.setToolTip(f"Show the two layers in turn. {KEY} in the canvas shows the other one and stops there.")
        self.position = QSlider(Qt.Orientation.Horizontal)
        self.position.setRange(0, _SLIDER_STEPS)
        self.position.setPageStep(_SLIDER_STEPS // 10)
        self.position.setAccessibleName("Place of the curtain's line")
        self.position.setToolTip("Place of the line across the visible part of the result.")
        self.interval = FloatSpinBox(
            value=0.6, min=0.2, max=2.0, step=0.1, label="Interval (s)", tooltip="Time for which each layer is shown."
        )
        self.caption = forms.text()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(forms.form([forms.narrow(self.partner)]))
        for button in self.buttons:
            button.setCheckable(True)
            button.toggled.connect(lambda on, button=button: self._toggle(on, button))
        layout.addWidget(forms.row(*self.buttons))
        layout.addWidget(self.same_contrast)
        layout.addWidget(self.position)
        layout.addWidget(forms.form([self.interval]))
        layout.addWidget(self.caption)
        self.position.setEnabled(False)
        self.caption.hide()
        self.same_contrast.toggled.connect(self._start_again)
        self.position.valueChanged.connect(self._move_line)
        self.interval.changed.connect(self._set_interval)
        self.partner.changed.connect(self._choose_partner)

    def show_state(self, _: Any = None) -> None:
        """React to a change of the chosen layers.

        An active curtain or blinking continues with the layers that are chosen now. It ends when its own were removed.
        """
        self._choose_possible_partner()
        wanted = self._wanted_pair()
        is_open = self._pair is not None and all(layer in self._viewer.layers for layer in self._pair[1:])
        for button in self.buttons:
            button.setEnabled(wanted is not None)
            if button.isChecked() and wanted != self._pair:
                button.setChecked(False)
                button.setChecked(is_open and wanted is not None)

    @property
    def buttons(self) -> tuple[QPushButton, ...]:
        """The buttons, of which one at most is pressed."""
        return self.curtain, self.blink, self.grid

    def _choose_possible_partner(self) -> None:
        """Without the partner that the user wants, show the result next to the most telling one there is."""
        state, wanted = self._state(), (self._wanted_partner, *PREFERRED)
        with self.partner.changed.blocked():
            self.partner.value = next((role for role in wanted if state.partner(role) is not None), wanted[0])

    def _choose_partner(self, role: str) -> None:
        self._wanted_partner = role
        self.show_state()

    def _start_again(self) -> None:
        for button in self.buttons:
            if button.isChecked():
                button.setChecked(False)
                button.setChecked(True)

    def end(self) -> None:
        """Restore the viewer."""
        for button in self.buttons:
            button.setChecked(False)

    def _wanted_pair(self) -> "Pair | None":
        """Return the role of the other layer, the result, and the other layer (or the input of an interpolation)."""
        state, role = self._state(), str(self.partner.value)
        result, other = state.result, state.partner(role)
        return None if result is None or other is None else (role, result, other)

    def _toggle(self, on: bool, button: QPushButton) -> None:
        for other in self.buttons if on else ():
            with QSignalBlocker(other):
                other.setChecked(other is button)
        self._stop()
        self._pair = self._wanted_pair()
        if on and self._pair is not None:
            role, _, layer = self._pair
            if button is self.grid and "input" in self._state().layers:
                self._request_interpolation(lambda interpolation: self._begin(button, interpolation or layer))
            elif role == "interpolation":
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
            elif button is self.grid:
                self._begin_grid(result, other)
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
        blink = Blink(
            self._viewer,
            (result, other),
            key_pressed=self._stop_clock,
            removed=self._removal_timer.start,
            pattern=self._pattern,
        )
        self._active.append(blink)
        self._set_interval()
        self._show_caption()

    def _begin_curtain(self, result: "ImageLayer", other: "ImageLayer") -> None:
        curtain = Curtain(
            self._viewer,
            result,
            other,
            moved=self._follow_soon,
            removed=self._removal_timer.start,
            pattern=self._pattern,
        )
        self._active.append(curtain)
        forms.say(self.caption, f"Left of the line: {result.name}. Right of it: {other.name}.")
        self._follow_view()

    def _begin_grid(self, result: "ImageLayer", other: "ImageLayer") -> None:
        chosen = self._state().layers
        cells = [chosen.get("input"), other, result, chosen.get("reference")]
        layers = tuple(dict.fromkeys(layer for layer in cells if layer is not None))
        removed, pattern = self._removal_timer.start, self._pattern
        self._active.append(SideBySide(self._viewer, layers, removed=removed, pattern=pattern))
        forms.say(self.caption, f"Row by row: {', '.join(layer.name for layer in layers)}.")

    @property
    def _pattern(self) -> "ImageLayer | None":
        """The layer whose looks all have."""
        return self._pair[1] if self.same_contrast.isChecked() and self._pair is not None else None

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
