"""Settings and functions in messages, spelled as the windows name them."""

from collections.abc import Mapping
from functools import partial

from napari_superres.errors import spelled

LABELS = {
    "architecture": "Network",
    "axes": "Axes",
    "channels": "Channels",
    "convention": "Convention",
    "data_range": "Range",
    "device": "Device",
    "format": "Format",
    "intensity_range": "Range",
    "license": "Licence",
    "lr": "Input",
    "minutes": "Minutes",
    "model": "Model",
    "noise": "Known noise",
    "output": "Output",
    "overwrite": "Overwrite",
    "pixel_size": "Pixel size",
    "precision": "Precision",
    "read_noise": "Read noise",
    "reference": "Reference",
    "register": "Register reference",
    "result": "Result",
    "resume": "Resume",
    "roi": "Region",
    "scale": "Scale",
    "scheduler": "Run on",
    "start": "Start from",
    "strength": "Noise",
    "suffix": "Format",
    "tile": "Tile size",
    "tta": "Averaging",
    "unit": "Unit",
}
"""Label of the control that sets a setting."""

WORDS = {
    "allow_loss": "allow_loss in Python",
    "bead_channel": "channel of the beads",
    "bead_size": "diameter of the beads",
    "channel_names": "channel names",
    "dtype": "data type",
    "hr": "high-resolution image",
    "labels_dir": "folder of masks",
    "lr_dir": "folder of inputs",
    "max_passes": "the number of passes",
    "na": "numerical aperture",
    "numerical_aperture": "numerical aperture",
    "object_size": "size of the objects",
    "psf": "point-spread function",
    "psf_sigma": "PSF width",
    "ref_dir": "folder of references",
    "skip_bad": "skip_bad in Python",
    "sr_dir": "folder of results",
    "trust": "trust in Python",
}
"""Plain words for settings that no window has, where the setting's name alone does not say it."""

BUTTONS = {
    "add_model": ("Add files…", "Models"),
    "evaluate": ("Measure", "Compare"),
    "export_bioimageio": ("Export…", "Models"),
    "export_safetensors": ("Export…", "Models"),
    "register": ("Register reference", "Compare"),
    "remove_model": ("Remove…", "Models"),
    "resample": ("Resample", "Super-resolve"),
    "train": ("Run", "Train"),
    "upscale": ("Run", "Super-resolve"),
    "upscale_file": ("Run", "Batch"),
    "verify_models": ("Check", "Models"),
}
"""Control that calls a function, and the widget that has it."""


def as_labels(text: str, **labels: str) -> str:
    """Return a message for a window: settings become labels of controls, functions become buttons.

    Parameters
    ----------
    text
        Message or remedy of an error, or a note, with settings and functions in backticks.
    **labels
        Labels of a window whose controls have other ones than in `LABELS`.

    Examples
    --------
    >>> as_labels("Set `overwrite` or choose another name.")
    'Set “Overwrite” or choose another name.'
    >>> as_labels("See `verify_models()`.")
    'See “Check” in Models.'
    """
    return spelled(text, partial(_setting, LABELS | labels), _function).replace("`", "")


def window_text(message: str, **labels: str) -> str:
    """Return a message as a sentence for a window: with labels, and with a capital letter unless it begins with a name.

    Parameters
    ----------
    message
        Error, warning or note of the package.
    **labels
        Labels of a window whose controls have other ones than in `LABELS`.
    """
    text = as_labels(message, **labels)
    first = text.split(" ", 1)[0]
    return text[:1].upper() + text[1:] if first.isalpha() else text


def _setting(labels: Mapping[str, str], name: str, value: str) -> str:
    label = labels.get(name)
    words = WORDS.get(name, name.replace("_", " "))
    if value in ("", "True"):
        return f"“{label}”" if label else words
    if value == "False":
        return f"“{label}” off" if label else f"{words} off"
    return f"“{label}: {value}”" if label else f"{words} {value}"


def _function(name: str) -> str:
    if name not in BUTTONS:
        return f"{name}() in Python"
    control, widget = BUTTONS[name]
    return f"“{control}” in {widget}"
