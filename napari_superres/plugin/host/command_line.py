"""Options of a run as arguments of ``superres upscale``, for commands that users copy."""

from collections.abc import Mapping
from typing import Any

from napari_superres.errors import SettingsError

_RENAMED = {"suffix": "format"}
_WITHOUT_FLAG = ("batch", "max_passes", "psf")


def changed_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of `upscale_files` that differ from their defaults."""
    from napari_superres.inference.options import FILE_DEFAULTS

    defaults: dict[str, Any] = {**FILE_DEFAULTS, "suffix": None, "scheduler": None}
    return {name: value for name, value in options.items() if value != defaults[name] and value != {}}


def option_arguments(options: Mapping[str, Any]) -> list[str]:
    """Return the arguments for the options that differ from their defaults.

    Raises
    ------
    SettingsError
        If the command line has no flag for one of them.
    """
    arguments: list[str] = []
    for name, value in changed_options(options).items():
        if name in _WITHOUT_FLAG:
            raise SettingsError(f"{name} has no flag on the command line.", remedy="Copy as Python.")
        flag = f"--{_RENAMED.get(name, name).replace('_', '-')}"
        if value is True:
            arguments.append(flag)
        elif name == "intensity_range":
            arguments += [word for low, high in value for word in (flag, f"{low!r},{high!r}")]
        elif name == "roi":
            arguments += [flag, ",".join(f"{axis}={start}:{stop}" for axis, (start, stop) in value.items())]
        elif name == "noise" and value:
            rows = value if isinstance(value[0], list | tuple) else [value]
            arguments += [word for row in rows for word in (flag, ",".join(f"{v!r}" for v in row))]
        elif name == "suffix":
            arguments += [flag, value.lstrip(".")]
        else:
            values = value if isinstance(value, list | tuple) else [value]
            arguments += [flag, ",".join(map(str, values))]
    return arguments
