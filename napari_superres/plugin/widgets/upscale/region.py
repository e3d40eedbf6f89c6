"""Which part of a layer is computed: all, what is visible, a drawn shape, the current slice; and which channels."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox, LineEdit
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_superres.core.image import Image
from napari_superres.errors import SettingsError
from napari_superres.plugin.host import field
from napari_superres.plugin.widgets.common import forms

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.layers import Shapes
    from napari.viewer import Viewer

WHOLE, VISIBLE, SHAPE, SLICE = "whole layer", "visible field", "drawn shape", "current slice"


class RegionForm(QWidget):
    """The choice of a part.

    Parameters
    ----------
    viewer
        Whose view and shapes are meant.
    changed
        Is called when another part is chosen.
    """

    def __init__(self, viewer: "Viewer", changed: Callable[[], None]) -> None:
        super().__init__()
        self.viewer = viewer
        self.kind = ComboBox(
            choices=(WHOLE, VISIBLE, SHAPE, SLICE),
            label="Region",
            tooltip="Which part is computed. It equals that part of the whole result. visible field: what the view "
            "shows of the current slice; drawn shape: the box around a shape, through all slices.",
        )
        self.shapes = forms.narrow(
            ComboBox(
                choices=self._shapes_layers,
                label="Shapes",
                tooltip="Shapes layer: its selected shape is taken, or its last one.",
            )
        )
        self.channels = LineEdit(
            label="Channels",
            tooltip="Channels to compute, such as 0,2; all where it is empty. One model for each: 0=fluo-x2, "
            "1=bicubic-x2.",
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._parts = [forms.form([widget]) for widget in (self.kind, self.shapes, self.channels)]
        for part in self._parts:
            layout.addWidget(part)
        self._changed = changed
        for control in (self.kind, self.shapes, self.channels):
            control.changed.connect(self._told)
        self.follow("")

    def _told(self, _: Any = None) -> None:
        self._parts[1].setVisible(self.kind.value == SHAPE)
        self._changed()

    def follow(self, axes: str) -> None:
        """Show what makes sense for a layer of these axes, and the shapes there are."""
        forms.refresh(self.shapes)
        self._parts[1].setVisible(self.kind.value == SHAPE)
        self._parts[2].setVisible("C" in axes)

    def _shapes_layers(self, _: Any) -> "list[tuple[str, Shapes]]":
        from napari.layers import Shapes

        return [(layer.name, layer) for layer in reversed(self.viewer.layers) if isinstance(layer, Shapes)]

    def roi(self, layer: "ImageLayer", axes: str) -> dict[str, field.Range]:
        """Return the part in pixels of the layer; empty for all of it.

        Raises
        ------
        SettingsError
            If nothing is in view or drawn.
        """
        kind = self.kind.value
        if kind == VISIBLE:
            return {**field.slice_box(self.viewer, layer, axes), **field.visible_box(self.viewer, layer, axes)}
        if kind == SHAPE:
            return field.shape_box(self.viewer, self.shapes.value, layer, axes)
        return field.slice_box(self.viewer, layer, axes) if kind == SLICE else {}

    def models(self, image: Image, model: str) -> tuple[Any, list[int] | None]:
        """Return what to compute with, one model or one per channel, and the channels; None for all.

        Raises
        ------
        SettingsError
            If the line of channels cannot be understood.
        """
        text = self.channels.value.strip() if "C" in image.axes else ""
        if not text:
            return model, None
        parts = [part.strip() for part in text.split(",") if part.strip()]
        if all("=" in part for part in parts):
            return {k.strip(): m.strip() for k, m in (part.split("=", 1) for part in parts)}, None
        try:
            return model, [int(part) for part in parts]
        except ValueError as error:
            raise SettingsError(
                f"channels are numbers such as 0,2 or models such as 0=fluo-x2, got {text!r}."
            ) from error
