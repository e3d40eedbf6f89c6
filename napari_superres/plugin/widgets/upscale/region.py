"""Choice of the region of a layer that is computed."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_superres.plugin.host import field
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.upscale.state import SHAPE, SLICE, VISIBLE, WHOLE, UpscaleState

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.layers import Shapes
    from napari.viewer import Viewer


class RegionForm(QWidget):
    """Controls for region and shape.

    Parameters
    ----------
    viewer
        napari viewer whose view and shapes the regions refer to.
    changed
        Called when the user changes one of the controls.
    chosen
        Returns the layer that is computed; None without one.
    """

    def __init__(
        self, viewer: "Viewer", changed: Callable[[], None], chosen: "Callable[[], ImageLayer | None]"
    ) -> None:
        super().__init__()
        self.viewer, self._chosen = viewer, chosen
        self.kind = ComboBox(
            choices=(WHOLE, VISIBLE, SHAPE, SLICE),
            label="Region",
            tooltip="Part of the layer to compute: visible field is the current slice within the view, drawn shape the "
            "box around a shape through all slices. Its pixels equal those of the whole result.",
        )
        forms.narrow(self.kind)
        self.draw = QPushButton("Draw")
        self.draw.setToolTip("Drag a rectangle over the layer: only that is computed.")
        self.draw.clicked.connect(self._draw)
        kind = SimpleNamespace(
            label=self.kind.label, tooltip=self.kind.tooltip, native=forms.beside(self.kind.native, self.draw)
        )
        self.kind.native.setAccessibleName(self.kind.label)
        self.shapes = forms.narrow(
            ComboBox(
                choices=self._shapes_layers,
                label="Shapes",
                tooltip="Shapes layer whose selected shape marks the region. Without a selection, the last shape does.",
            )
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._shapes_row = forms.form([self.shapes])
        for row in (forms.form([kind]), self._shapes_row):
            layout.addWidget(row)
        for control in (self.kind, self.shapes):
            control.changed.connect(lambda _: changed())

    def show_state(self, state: UpscaleState) -> None:
        """Show the rows that apply to a state, and the shapes layers of the viewer."""
        forms.refresh(self.shapes)
        self._shapes_row.setVisible(state.region == SHAPE)

    def _draw(self) -> None:
        """Add a layer of shapes in the units of the chosen layer, ready for a rectangle, and take it as region."""
        layer = self._chosen()
        if layer is None:
            return
        place = {"scale": layer.scale[-2:], "translate": layer.translate[-2:], "units": layer.units[-2:]}
        shapes = self.viewer.add_shapes(ndim=2, name=f"region of {layer.name}", opacity=0.3, **place)
        shapes.mode = "add_rectangle"
        self.kind.value = SHAPE
        self.shapes.value = shapes

    def _shapes_layers(self, _: Any) -> "list[tuple[str, Shapes]]":
        from napari.layers import Shapes

        return [(layer.name, layer) for layer in reversed(self.viewer.layers) if isinstance(layer, Shapes)]

    def roi(self, layer: "ImageLayer", axes: str) -> dict[str, field.Range]:
        """Return the region in pixels of a layer; empty for all of it.

        Parameters
        ----------
        layer
            Layer to be computed.
        axes
            Its axes, one letter per axis.

        Raises
        ------
        SettingsError
            If the layer is not in view, or no shape is drawn on it.
        """
        kind = self.kind.value
        if kind == VISIBLE:
            return {**field.slice_box(self.viewer, layer, axes), **field.visible_box(self.viewer, layer, axes)}
        if kind == SHAPE:
            return field.shape_box(self.viewer, self.shapes.value, layer, axes)
        return field.slice_box(self.viewer, layer, axes) if kind == SLICE else {}
