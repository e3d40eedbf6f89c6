"""Form that sets the pixel size of a layer whose file did not state it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from magicgui.widgets import ComboBox, FloatSpinBox
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_superres.plugin.widgets.common import forms

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

_UNITS = ("nanometer", "micrometer", "millimeter")


class PixelSizeForm(QWidget):
    """Size, unit and a button that sets them, shown if a layer's pixel size is unknown.

    Parameters
    ----------
    chosen
        Called with the size along X and its unit when the button is pressed.
    """

    def __init__(self, chosen: Callable[[float, str], None]) -> None:
        super().__init__()
        self.size = FloatSpinBox(
            value=0.1,
            min=1e-4,
            max=1e6,
            step=0.01,
            label="Pixel size",
            tooltip="Distance between neighbouring pixels along X. The other axes are scaled by the same factor.",
        )
        self.size.native.setDecimals(4)
        self.unit = ComboBox(choices=_UNITS, value="micrometer", label="Unit", tooltip="Unit of the pixel size.")
        self.button = QPushButton("Set on layer")
        self.button.setToolTip("Write this pixel size and unit to the layer.")
        self.button.clicked.connect(lambda: chosen(self.size.value, self.unit.value))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(forms.text("The pixel size is unknown. Unless you set it, the result is in pixels, too."))
        layout.addWidget(forms.form([self.size, self.unit]))
        layout.addWidget(self.button)


def set_pixel_size(layer: "ImageLayer", axes: str, size: float, unit: str) -> None:
    """Set the pixel size of a layer along X. The other axes and the translation are scaled by the same factor.

    Parameters
    ----------
    layer
        Layer to be changed.
    axes
        One letter per axis of the layer.
    size
        Distance between neighbouring pixels along X.
    unit
        Unit of `size`, for all spatial axes.
    """
    factor = size / abs(layer.scale[axes.replace("S", "").index("X")])
    scale, translate, units = list(layer.scale), list(layer.translate), [str(u) for u in layer.units]
    for i, axis in enumerate(axes.replace("S", "")):
        if axis in "ZYX":
            scale[i], translate[i], units[i] = scale[i] * factor, translate[i] * factor, unit
    layer.scale, layer.translate, layer.units = scale, translate, units
