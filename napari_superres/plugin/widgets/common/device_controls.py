"""Controls for device, precision and tile size, which several widgets share."""

from magicgui.widgets import ComboBox

from napari_superres.plugin.widgets.common.forms import narrow

_TILES = ("auto", "64", "96", "128", "192", "256", "384", "512", "768", "1024")


def device_box() -> ComboBox:
    """Return the choice of a device. A widget adds the devices of this machine once torch is loaded."""
    return narrow(
        ComboBox(choices=["auto"], label="Device", tooltip="Where to compute. auto takes the fastest device.")
    )


def precision_box() -> ComboBox:
    """Return the choice of a precision."""
    return ComboBox(
        choices=["auto", "fp32", "fp16", "bf16"],
        label="Precision",
        tooltip="Number format of the computation. auto is fp32, or fp16 on a GPU if a test tile shows no difference.",
    )


def tile_box() -> ComboBox:
    """Return the choice of a tile size."""
    return ComboBox(
        choices=_TILES,
        label="Tile size",
        tooltip="Edge of the tiles given to the model, in input pixels; the result does not depend on it. auto fits "
        "the free memory.",
    )
