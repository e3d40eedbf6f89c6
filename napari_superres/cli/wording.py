"""Messages in the words of the command line: settings become flags, functions become commands."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import typer

from napari_superres.errors import spelled

COMMANDS = {
    "upscale": "upscale",
    "iter_upscale": "upscale",
    "upscale_file": "upscale",
    "upscale_files": "upscale",
    "evaluate": "evaluate",
    "evaluate_folder": "evaluate",
    "train": "train",
    "iter_train": "train",
    "isotropic": "isotropic",
    "isotropic_file": "isotropic",
    "adapt": "adapt",
    "measure_psf": "psf",
    "degrade": "degrade",
    "resample": "resample",
    "describe": "info",
    "list_models": "models list",
    "find_card": "models show",
    "add_model": "models add",
    "search_models": "models search",
    "remove_model": "models remove",
    "verify_models": "models verify",
    "export_bioimageio": "models export",
    "export_safetensors": "models export",
    "check_model": "check",
    "ring_correlation": "resolution",
    "single_image_correlation": "resolution",
    "decorrelation": "resolution",
    "local_agreement": "resolution",
    "calibrate_folder": "calibrate",
    "spread": "trust",
    "write_methods": "methods",
    "run_selftest": "selftest",
    "verify_result": "verify",
    "iter_throughput": "bench",
}
"""The command that does what a function does."""

_OTHER_NAMES = {
    "models": "model",
    "baselines": "baseline",
    "authors": "author",
    "citation": "cite",
    "devices": "device",
    "tiles": "tile",
    "low": "pairs",
    "lr_dir": "lr",
    "labels_dir": "labels",
}
"""Settings whose option has another name: an option that may be repeated is singular."""

_SPECIAL = {
    ("baselines", "()"): "--baseline none",
    ("register", "shift"): "--register",
    ("register", "rigid"): "--register --transform rigid",
    ("register", "affine"): "--register --transform affine",
}
"""Settings with a value for which there is no option of the same form."""


_NAMED, _CAUSES = 3, 5
"""Files that failed for one cause, and causes, that the end of a batch names."""


def failure_lines(failures: Iterable[tuple[str, str, str]], head: str = "failed") -> list[str]:
    """Return a line per cause, the most frequent first: in a long batch, the errors have scrolled away.

    Parameters
    ----------
    failures
        File, cause, and message of each; the message may say more than the cause, such as what to do.
    head
        First word of a line.
    """
    files_of: dict[str, list[str]] = {}
    messages: dict[str, str] = {}
    for file, cause, message in failures:
        files_of.setdefault(cause, []).append(file)
        messages.setdefault(cause, message)
    lines = []
    for cause, files in sorted(files_of.items(), key=lambda item: -len(item[1])):
        others = len(files) - _NAMED
        named = ", ".join(files[:_NAMED]) + (f" and {others} other{'s' * (others > 1)}" if others > 0 else "")
        lines.append(f"{head}: {named}: {messages[cause]}")
    more = len(lines) - _CAUSES
    return lines if more < 2 else [*lines[:_CAUSES], f"... and {more} other causes, printed above"]


@dataclass(frozen=True)
class _Option:
    """An option of some command."""

    flag: str
    off: str
    """What switches it off; empty for options that take a value or are only left out."""
    takes_value: bool


def as_flags(text: str) -> str:
    """Return a message with its settings as flags and its functions as commands.

    A setting that no command has stays a word.

    Examples
    --------
    >>> as_flags("Use `max_passes=16`, set `overwrite`, or see `verify_models()`.")
    'Use --max-passes 16, set --overwrite, or see `superres models verify`.'
    """
    return spelled(text, _flag, _command)


def _flag(setting: str, value: str) -> str:
    if (setting, value) in _SPECIAL:
        return _SPECIAL[setting, value]
    option = _options().get(_OTHER_NAMES.get(setting, setting))
    if option is None:
        return f"{setting} {value}".strip()
    if not option.takes_value or value in ("True", "False"):
        return (option.off or f"no {option.flag}") if value == "False" else option.flag
    return f"{option.flag} {_typed(value)}".strip()


def _typed(value: str) -> str:
    """Return a Python value as it is typed on the command line: ``(16, 128)`` as ``16,128``; with quotes if needed."""
    typed = value.strip("()[]").replace(", ", ",")
    return shlex.quote(typed) if " " in typed else typed


def _command(function: str) -> str:
    command = COMMANDS.get(function)
    return f"{function}()" if command is None else f"`superres {command}`"


@cache
def _options() -> dict[str, _Option]:
    """Return the option of each setting; where commands differ, that of the command which is listed first."""
    # The commands import this module by way of the terminal.
    from napari_superres.cli.app import app

    found: dict[str, _Option] = {}

    def visit(command: Any) -> None:
        for parameter in command.params:
            if parameter.param_type_name == "option":
                flag, off = max(parameter.opts, key=len), "".join(parameter.secondary_opts)
                option = _Option(flag, off, takes_value=not parameter.is_flag)
                found.setdefault(parameter.name.rstrip("_"), option)
        for inner in getattr(command, "commands", {}).values():
            visit(inner)

    visit(typer.main.get_command(app))
    return found
