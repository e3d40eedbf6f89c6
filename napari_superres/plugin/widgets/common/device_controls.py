"""Controls for device, precision and tile size, which several widgets share."""

from magicgui.widgets import CheckBox, ComboBox, LineEdit

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
        tooltip="Number format of the computation. auto is fp32, or 16 bits where they are faster and a window of the "
        "image shows at least 60 dB against fp32.",
    )


def tile_box() -> ComboBox:
    """Return the choice of a tile size."""
    return ComboBox(
        choices=_TILES,
        label="Tile size",
        tooltip="Edge of the tiles given to the model, in input pixels; the result does not depend on it. auto fits "
        "the free memory.",
    )


def range_field() -> LineEdit:
    """Return the field for the intensities that a model gets as 0 and 1."""
    box = LineEdit(
        label="Range",
        tooltip="Darkest and brightest intensity, such as 0, 4095; or one pair per channel: 0, 4095; 100, 2000. Leave "
        "empty to fit them to the image.",
    )
    box.native.setPlaceholderText("fitted to the image")
    return box


def averaging_box() -> CheckBox:
    """Return the choice of averaging over the orientations of the input."""
    box = CheckBox(
        label="Averaging",
        tooltip="Average the results of the eight flips and quarter turns of the input. Takes eight times as long "
        "and is slightly more accurate.",
    )
    box.native.setText("8 orientations")
    return box
