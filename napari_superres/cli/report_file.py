"""Files of reports: where they may be written, and the command that made them."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_superres.atomic import check_writable
from napari_superres.errors import OutputError

if TYPE_CHECKING:
    from napari_superres.evaluation.reporting.about import About


def check_report(path: Path, inputs: Sequence[Path]) -> None:
    """Raise the error that writing a report would raise, or that it would replace an input.

    Raises
    ------
    OutputError, OutputExistsError
        If it cannot be written.
    """
    from napari_superres import io

    check_writable(path)
    io.check_apart(path, inputs)
    if path.is_dir():
        raise OutputError(f"{path} is a folder.", remedy="Choose another name.")


def with_command(about: "About", files: Mapping[str, Path | None]) -> "About":
    """Return what a report is about, with its files and the command that was typed; medical images by their label."""
    from napari_superres import io

    named = {role: f"{io.InputPath(path)}" for role, path in files.items() if path is not None}
    words = [f"{io.InputPath(word)}" if _is_path(word) else word for word in sys.argv[1:]]
    return replace(about, files=named, command=shlex.join(["superres", *words]))


def _is_path(word: str) -> bool:
    try:
        return Path(word).exists()
    except (OSError, ValueError):
        return False
