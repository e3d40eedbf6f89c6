"""The line that says before a run whether the model fits the layer, and buttons for what helps."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from magicgui.widgets import ComboBox, LineEdit
from qtpy.QtWidgets import QProgressBar, QVBoxLayout, QWidget

from napari_superres.core.image import Image
from napari_superres.models.choice.choose import Choice
from napari_superres.plugin.host import field
from napari_superres.plugin.host.labels import window_text
from napari_superres.plugin.widgets.common import forms

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.viewer import Viewer

    from napari_superres.models.choice.fitness import Fitness

_PERCENTILES = 0.1, 99.9
_BUSY_HEIGHT = 4  # pixels


class FitnessForm(QWidget):
    """The line and the buttons.

    Parameters
    ----------
    viewer
        napari viewer, whose current slice can be given a range of its own.
    model, intensity_range
        Controls that the buttons set.
    changed
        Called after the layer was changed.
    """

    def __init__(
        self, viewer: "Viewer", model: ComboBox, intensity_range: LineEdit, changed: Callable[[], None]
    ) -> None:
        super().__init__()
        self.setAccessibleName("Fitness of the model")
        self.viewer, self._model, self._range, self._changed = viewer, model, intensity_range, changed
        self._layer: ImageLayer | None = None
        self._image: Image | None = None
        self._fitness: Fitness | None = None
        self._other = self._model_shown = ""
        self._warned: WeakKeyDictionary[ImageLayer, dict[str, tuple[str, ...]]] = WeakKeyDictionary()
        self.line = forms.text()
        self.busy = QProgressBar()
        self.busy.setRange(0, 0)
        self.busy.setTextVisible(False)
        self.busy.setFixedHeight(_BUSY_HEIGHT)
        self.busy.setAccessibleName("Looking at the layer")
        self.other_model = forms.button("", "Choose the model that suits this layer best.", self._take_other)
        self.other_model.setAccessibleName("Use the model that suits best")
        self.mask = forms.button(
            "Mask padding", "Leave these pixels out: they keep their value and change no others.", self._mask_padding
        )
        self.robust_range = forms.button(
            "Robust range", "Set the range to what all pixels have but the spoilt ones.", self._set_robust_range
        )
        self.plane_range = forms.button(
            "Slice's range",
            "Set the range to that of the current slice; other slices may need another.",
            self._fit_slice,
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self._helps = (self.other_model, self.mask, self.robust_range, self.plane_range)
        for widget in (self.line, self.busy, *self._helps):
            layout.addWidget(widget)
        self.hide()

    def look_at(self, layer: "ImageLayer | None") -> None:
        """Say that a layer is looked at until `show_fitness` follows, if another one or another model was shown.

        Parameters
        ----------
        layer
            The chosen layer; None hides the form.
        """
        if layer is None:
            self.hide()
        elif layer is not self._layer or self._model.value != self._model_shown:
            forms.say(self.line, "Looking at the layer…")
            self.line.setToolTip("Its pixels say whether the model fits.")
            self.busy.show()
            for button in self._helps:
                button.hide()
            self.show()

    def keep_warnings(self, layer: "ImageLayer", models: Sequence[str], warnings: tuple[str, ...]) -> None:
        """Keep what a run warned of, and show it with the fitness of its models until they are run again."""
        self._warned.setdefault(layer, {}).update(dict.fromkeys(models, warnings))

    def _warnings(self, fitness: "Fitness | None") -> list[str]:
        """Return what the last run of the layer with a model warned of, in lines."""
        if fitness is None or self._layer is None:
            return []
        warnings = self._warned.get(self._layer, {}).get(fitness.model, ())
        return [f"Its last run warned: {window_text(warning)}" for warning in warnings]

    def show_fitness(
        self,
        fitness: "Sequence[Fitness | None]",
        doubts: tuple[str, ...],
        layer: "ImageLayer | None",
        image: Image | None,
        choice: Choice | None,
    ) -> None:
        """Show whether models fit a layer, and the buttons that help; nothing without a plan.

        Parameters
        ----------
        fitness, doubts
            Of the plans. Buttons help the first; of the others, those are shown that do not fit.
        layer, image
            The chosen layer and its image.
        choice
            The models for the layer.
        """
        first, *others = fitness or (None,)
        self._layer, self._image, self._fitness = layer, image, first
        self._model_shown = self._model.value
        self.busy.hide()
        helps = () if first is None else first.helps
        bad = [other.line for other in others if other is not None and other.reasons]
        forms.say(
            self.line, "" if first is None else "\n".join(dict.fromkeys([first.line, *self._warnings(first), *bad]))
        )
        self.line.setToolTip(
            "\n".join(window_text(doubt) for doubt in doubts) or "What speaks for and against the model."
        )
        self._other = "" if choice is None or choice.model is None else choice.model
        self.other_model.setText(f"Use {self._other}")
        has_other = bool(self._other) and first is not None and self._other != first.model
        self.other_model.setVisible(has_other and bool({"model", "adapt"} & set(helps)))
        is_whole = image is not None and image.dtype.kind in "ui"
        self.mask.setVisible("mask padding" in helps and is_whole)
        needs_range = "robust range" in helps and first is not None and first.blemishes.hot_range is not None
        self.robust_range.setVisible(needs_range or ("mask padding" in helps and not is_whole))
        self.plane_range.setVisible("plane range" in helps)
        self.setVisible(first is not None)

    def _take_other(self) -> None:
        self._model.value = self._other

    def _mask_padding(self) -> None:
        if self._fitness is None or self._layer is None or self._fitness.blemishes.padding is None:
            return
        value = self._fitness.blemishes.padding
        self._layer.metadata["no_data"] = (value, value)
        self._changed()

    def _set_robust_range(self) -> None:
        if self._fitness is not None:
            self._range.value = range_text(self._fitness.blemishes.measured_range)

    def _fit_slice(self) -> None:
        if self._layer is None or self._image is None:
            return
        box = field.slice_box(self.viewer, self._layer, self._image.axes)
        index = tuple(slice(*box[a]) if a in box else slice(None) for a in self._image.axes)
        values = np.asarray(self._image.data[index])
        low, high = np.percentile(values[np.isfinite(values)], _PERCENTILES, method="nearest")
        self._range.value = range_text((float(low), float(high)))


def range_text(values: tuple[float, float]) -> str:
    """Return an intensity range as it is typed."""
    return f"{values[0]:.6g}, {values[1]:.6g}"
