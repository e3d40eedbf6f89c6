"""Giving a layer the pixel size that its file did not state."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from magicgui.widgets import ComboBox, FloatSpinBox
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_superres.plugin.widgets.common import forms

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

_UNITS = ("nanometer", "micrometer", "millimeter")


class PixelSizeForm(QWidget):
    """Shown where a layer's pixel size is unknown.

    Parameters
    ----------
    chosen
        Is given the size along X and its unit when the button is pressed.
    """

    def __init__(self, chosen: Callable[[float, str], None]) -> None:
        super().__init__()
        self.size = FloatSpinBox(
            value=0.1,
            min=1e-4,
            max=1e6,
            step=0.01,
            label="Pixel size",
            tooltip="Distance of neighbouring pixels of this layer along X. Other axes keep their proportion to it.",
        )
        self.size.native.setDecimals(4)
        self.unit = ComboBox(choices=_UNITS, value="micrometer", label="Unit", tooltip="Unit of the pixel size.")
        self.button = QPushButton("Set on layer")
        self.button.setToolTip("Write this pixel size and unit to the layer; the result follows.")
        self.button.clicked.connect(lambda: chosen(self.size.value, self.unit.value))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(forms.text("The pixel size is unknown. The result will be in pixels, too, unless it is set."))
        layout.addWidget(forms.form([self.size, self.unit]))
        layout.addWidget(self.button)


def set_pixel_size(layer: "ImageLayer", axes: str, size: float, unit: str) -> None:
    """Give a layer a pixel size along X; the proportions of the voxel and the place in pixels are kept."""
    factor = size / abs(layer.scale[-1])
    scale, translate, units = list(layer.scale), list(layer.translate), [str(u) for u in layer.units]
    for i, axis in enumerate(axes.replace("S", "")):
        if axis in "ZYX":
            scale[i], translate[i], units[i] = scale[i] * factor, translate[i] * factor, unit
    layer.scale, layer.translate, layer.units = scale, translate, units
