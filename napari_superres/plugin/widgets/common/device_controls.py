"""The controls of how it is computed, which several widgets have."""

from magicgui.widgets import ComboBox

_TILES = ("auto", "64", "96", "128", "192", "256", "384", "512", "768", "1024")


def device_box() -> ComboBox:
    """Return the choice of a device; those of this machine are known once torch is loaded."""
    return ComboBox(choices=["auto"], label="Device", tooltip="Where to compute. auto takes the fastest there is.")


def precision_box() -> ComboBox:
    """Return the choice of a precision."""
    return ComboBox(
        choices=["auto", "fp32", "fp16", "bf16"],
        label="Precision",
        tooltip="Number format of the computation. auto is fp32, and on GPUs fp16 where a window of the image shows "
        "that it does not matter.",
    )


def tile_box() -> ComboBox:
    """Return the choice of a window's edge."""
    return ComboBox(
        choices=_TILES,
        label="Tile",
        tooltip="Edge, in pixels of the input, of the windows given to the model. The result does not depend on it. "
        "auto fits it to the free memory; choose less if memory is short.",
    )
