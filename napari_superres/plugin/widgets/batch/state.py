"""What is chosen in the Batch widget, what follows from it, and the texts to show; without Qt."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from napari_superres import io
from napari_superres.plugin.host.command_line import option_arguments
from napari_superres.plugin.widgets.common.blur_noise import BlurNoise
from napari_superres.plugin.widgets.common.wording import byte_count, parse_range

RESULT_FOLDER = "super-resolved"
"""Name of the suggested output folder."""

_RUN = "Super-resolve every file of the table into the output folder (Ctrl+Enter). Files that fail stop no others."
_CANCEL = "Stop after the tile that is being computed. Finished results stay."


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How the files of a batch are computed and written.

    Attributes
    ----------
    model
        Name of the model.
    suffix
        Format of the results, such as ``".ome.zarr"``; None for the format of each input.
    device, precision
        As for `upscale`.
    tile
        Edge of a tile in pixels of the input, or ``"auto"``.
    axes
        Axes of every image; None to take them from each file.
    resume
        Skip finished results and continue unfinished ones.
    overwrite
        Replace existing files.
    intensity_range
        Text of the intensities that become 0 and 1; empty to fit them to each file.
    tta
        Whether to average the results of eight orientations.
    blur_noise
        What a conditioned network shall be told; None for other models.
    """

    model: str
    suffix: str | None = None
    device: str = "auto"
    precision: str = "auto"
    tile: int | Literal["auto"] = "auto"
    axes: str | None = None
    resume: bool = True
    overwrite: bool = False
    intensity_range: str = ""
    tta: bool = False
    blur_noise: BlurNoise | None = None

    def keywords(self) -> dict[str, Any]:
        """Return the options as keyword arguments of `upscale_files`.

        Raises
        ------
        SettingsError
            If the text of the noise or of the intensity range cannot be understood.
        """
        own = {name: getattr(self, name) for name in self.__slots__ if name != "blur_noise"}
        own["intensity_range"] = parse_range(self.intensity_range)
        return own if self.blur_noise is None else {**own, **self.blur_noise.options()}

    def arguments(self) -> list[str]:
        """Return the options that are not the default as arguments of ``superres upscale``.

        Raises
        ------
        SettingsError
            As `keywords`.
        """
        options = {name: value for name, value in self.keywords().items() if name != "model"}
        return ["--model", self.model, *option_arguments(options)]


@dataclass(frozen=True, slots=True)
class BatchState:
    """State of the Batch widget at one moment.

    Attributes
    ----------
    options
        How the files are computed and written.
    folder
        Output folder; None where none is given.
    sources
        Files, folders and glob patterns in which the files of the table were found.
    recursive
        Whether results in subfolders of the output folder are left out, as `upscale_files` does with this option.
    file_count
        Number of files in the table.
    failed
        Files that have failed.
    is_running
        Whether a batch is running.
    is_cancelling
        Whether the running batch was asked to stop and has not stopped yet.
    """

    options: BatchOptions
    folder: Path | None = None
    sources: tuple[str, ...] = ()
    recursive: bool = False
    file_count: int = 0
    failed: tuple[Path, ...] = ()
    is_running: bool = False
    is_cancelling: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether everything is chosen that a run needs."""
        return bool(self.sources and self.file_count and self.folder and self.options.model)

    @property
    def can_edit(self) -> bool:
        """Whether files and options can be changed."""
        return not self.is_running

    @property
    def can_press_run(self) -> bool:
        """Whether the button that starts or cancels a run can be pressed."""
        return not self.is_cancelling if self.is_running else self.is_complete

    @property
    def can_try(self) -> bool:
        """Whether the first file can be computed alone."""
        return self.is_complete and not self.is_running

    @property
    def can_retry(self) -> bool:
        """Whether files have failed that can be computed once more."""
        return self.can_try and bool(self.failed)

    @property
    def can_copy_command(self) -> bool:
        """Whether a command line can be copied."""
        return self.is_complete

    @property
    def can_copy_table(self) -> bool:
        """Whether the table can be copied."""
        return self.file_count > 0

    @property
    def run_label(self) -> str:
        """Text of the button that starts or cancels a run."""
        if self.is_cancelling:
            return "Cancelling…"
        return "Cancel" if self.is_running else "Run"

    @property
    def run_tooltip(self) -> str:
        """Tooltip of the button that starts or cancels a run."""
        return _CANCEL if self.is_running else _RUN

    @property
    def command(self) -> list[str]:
        """Words of the command line that does the same as Run."""
        where = [*self.sources, *(["--recursive"] if self.recursive else []), "--output", str(self.folder)]
        return ["superres", "upscale", *where, *self.options.arguments()]


def suggest_folder(place: Path) -> Path:
    """Return the output folder to suggest for a file or folder: inside the folder, or next to the file."""
    return folder_of(place) / RESULT_FOLDER


def folder_of(place: Path) -> Path:
    """Return a folder of images as it is, and the folder of a file."""
    is_folder_of_images = place.is_dir() and io.suffix(place) not in io.ZARR_SUFFIXES
    return place if is_folder_of_images else place.parent


def search_text(places: Sequence[Path], file_count: int, byte_total: int, problem: str) -> str:
    """Return what a search for files has found, in a line."""
    name = places[0].name if len(places) == 1 else f"{len(places)} files and folders"
    if file_count:
        return f"{name}: {file_count} {'image' if file_count == 1 else 'images'}, {byte_count(byte_total)}"
    return problem or f"{name}: no images, or only results of this batch."


def end_text(summary: str, *, complete: bool, cancelled: bool) -> str:
    """Return the status line after a run."""
    if complete:
        return f"{summary}."
    if cancelled:
        return f"Cancelled: {summary}. With Resume checked, Run continues."
    return "Stopped; see the notification."


def failure_text(failed: int, total: int) -> str:
    """Return the notification after a run in which files failed."""
    return f"{failed} of {total} files failed. The table in Batch shows why; Retry failed repeats them."
