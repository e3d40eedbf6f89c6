"""Files of reports: where they may be written, and the command that made them."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_superres.cli import terminal
from napari_superres.errors import OutputError, SettingsError
from napari_superres.storage.atomic import check_writable

if TYPE_CHECKING:
    from napari_superres.evaluation.reporting.about import About


_READING = ("axes", "series", "pixel_size", "unit", "trust")


def check_report(path: Path | None, inputs: Sequence[Path]) -> None:
    """Raise the error that writing a report would raise, or that it would replace an input; None is no report.

    Raises
    ------
    OutputError, OutputExistsError
        If it cannot be written.
    """
    from napari_superres import io

    if path is None:
        return
    check_writable(path)
    io.check_apart(path, inputs)
    if path.is_dir():
        raise OutputError(f"{path} is a folder.", remedy="Choose another name.")


def check_reports(paths: Sequence[Path], inputs: Sequence[Path]) -> None:
    """Raise the error that writing reports would raise, or that one would replace an input or another.

    Raises
    ------
    OutputError, OutputExistsError
        If one cannot be written.
    SettingsError
        If two have one file.
    """
    for path in paths:
        check_report(path, inputs)
    if len({path.resolve() for path in paths}) < len(paths):
        raise SettingsError("--json, --csv, --html and --figure need files of their own, got one file twice.")


def write_report(
    made: Sequence[tuple[Path, Path, str, str, tuple[str, ...]]], file: Path, reading: Mapping[str, Any]
) -> None:
    """Write a page on results that were just made.

    Parameters
    ----------
    made
        Input, result, status, message and notes of each.
    file
        The page.
    reading
        Options with which the inputs were read.
    """
    from napari_superres import io
    from napari_superres.evaluation import BatchFile, report_files

    options = {name: reading[name] for name in _READING if name in reading}
    files = [
        BatchFile(io.short_label(source), target, io.InputPath(source), status, message, notes)
        for source, target, status, message, notes in made
    ]
    page = report_files(files, reading=options)
    replace(page, about=with_command(page.about, {})).to_html(file)
    terminal.say(f"wrote {file}")


def with_command(about: "About", files: Mapping[str, Path | None]) -> "About":
    """Return what a report is about, with its files and the command that was typed; medical images by their label."""
    from napari_superres import io

    named = {role: f"{io.InputPath(path)}" for role, path in files.items() if path is not None}
    words = [f"{io.InputPath(word)}" if _is_path(word) else word for word in sys.argv[1:]]
    command = shlex.join(["superres", *words])
    if any(_is_path(word) and io.is_anonymous(word) for word in sys.argv[1:]):
        command += "  # put in your files: names of medical images are left out, because they may be a patient's"
    return replace(about, files=named, command=command)


def _is_path(word: str) -> bool:
    try:
        return Path(word).exists()
    except (OSError, ValueError):
        return False
