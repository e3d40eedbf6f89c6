"""Settings and functions in a message, spelled as the windows name them."""

from napari_superres.errors import spelled

LABELS = {
    "axes": "Axes",
    "calibration": "Calibration",
    "channels": "Channels",
    "convention": "Convention",
    "data_range": "Range",
    "device": "Device",
    "format": "Format",
    "high": "High",
    "license": "Licence",
    "low": "Low",
    "lr": "Input",
    "minutes": "Minutes",
    "model": "Model",
    "output": "Output",
    "overwrite": "Overwrite",
    "pixel_size": "Pixel size",
    "precision": "Precision",
    "read_noise": "Read noise",
    "reference": "Reference",
    "register": "Register",
    "result": "Result",
    "resume": "Resume",
    "roi": "Region",
    "scale": "Scale",
    "start": "Start from",
    "suffix": "Format",
    "tile": "Tile",
    "tta": "Turns",
    "unit": "Unit",
}
"""Label of the control that sets a setting."""

WORDS = {
    "allow_loss": "losing that",
    "dtype": "data type",
    "hr": "high-resolution image",
    "lr_dir": "folder of inputs",
    "na": "numerical aperture",
    "psf": "point-spread function",
    "psf_sigma": "width of the point-spread function",
    "ref_dir": "folder of references",
    "skip_bad": "skipping of damaged parts",
    "sr_dir": "folder of results",
    "trust": "trust",
}
"""Plain words for settings that no window has, where the words of the name do not say it."""

BUTTONS = {
    "add_model": ("Add files…", "Models"),
    "evaluate": ("Measure", "Compare"),
    "export_bioimageio": ("Export…", "Models"),
    "export_safetensors": ("Export…", "Models"),
    "remove_model": ("Remove…", "Models"),
    "train": ("Run", "Train"),
    "upscale": ("Run", "Super-resolve"),
    "upscale_file": ("Run", "Batch"),
    "verify_models": ("Check", "Models"),
}
"""Button that calls a function, and the widget that has it."""


def as_labels(text: str) -> str:
    """Return a message for a window: settings become labels of controls, functions become buttons.

    Parameters
    ----------
    text
        Message or remedy of an error, or a note, with settings and functions in backticks.

    Examples
    --------
    >>> as_labels("Set `overwrite` or choose another name.")
    'Set “Overwrite” or choose another name.'
    >>> as_labels("See `verify_models()`.")
    'See “Check” in Models.'
    """
    return spelled(text, _setting, _function).replace("`", "")


def window_text(message: str) -> str:
    """Return a message as a sentence for a window: with labels, and with a capital letter unless it begins with a name.

    Parameters
    ----------
    message
        Error, warning or note of the package.
    """
    text = as_labels(message)
    first = text.split(" ", 1)[0]
    return text[:1].upper() + text[1:] if first.isalpha() else text


def _setting(name: str, value: str) -> str:
    label = LABELS.get(name)
    words = WORDS.get(name, name.replace("_", " "))
    if value in ("", "True"):
        return f"“{label}”" if label else words
    return f"“{label}: {value}”" if label else f"{words} {value}"


def _function(name: str) -> str:
    if name not in BUTTONS:
        return name.replace("_", " ")
    button, widget = BUTTONS[name]
    return f"“{button}” in {widget}"
