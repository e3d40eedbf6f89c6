"""Models that a user keeps: known by name as shipped ones are, and checked against what was added.

They lie in a folder of model files with an index of their sha256. Each file has its model's name, and appears there
only when it is complete. A file that is not in the index is not a model of the library. Nothing in the folder is
executed.
"""

import stat
from dataclasses import dataclass
from errno import ENOSPC
from pathlib import Path

from napari_superres.errors import ModelFileError, SettingsError, UnknownModelError
from napari_superres.models.card import ModelCard
from napari_superres.models.library.index import (
    Entry,
    is_valid_name,
    library_entries,
    library_path,
    locked_entries,
    write_index,
)
from napari_superres.models.library.loading import file_card
from napari_superres.models.library.shipped import interpolation_card, shipped_file
from napari_superres.models.library_folder import library_folder
from napari_superres.models.model_file import SUFFIX, digest
from napari_superres.storage.atomic import PARTIAL

_SMALL_FILE = 2**26
"""Files of fewer bytes are read completely whenever models are listed; larger ones when they are used."""


@dataclass(frozen=True, slots=True)
class Verification:
    """Result of comparing one model of the library with the file that was added.

    Attributes
    ----------
    name
        Name of the model, or stem of a file that was not added.
    sha256
        sha256 of the file that was added; empty if the model is not in the index.
    problem
        What is wrong and what to do; empty if nothing is.
    """

    name: str
    sha256: str
    problem: str


def library_cards() -> tuple[list[ModelCard], tuple[str, ...]]:
    """Return the cards of the models in the library by name, and a note on each model that cannot be used.

    Only the headers of large files are read.
    """
    try:
        entries = library_entries()
    except ModelFileError as error:
        return [], (str(error),)
    cards, notes = [], []
    for name, entry in sorted(entries.items()):
        try:
            cards.append(_library_card(name, entry))
        except ModelFileError as error:
            notes.append(f"{error} See `verify_models()`.")
    return cards, tuple(notes)


def library_file(name: str) -> Path | None:
    """Return the file of a model in the library after checking its sha256; None if no model has this name.

    Raises
    ------
    ModelFileError
        If the file is no longer the one that was added, or the index is damaged.
    """
    if not is_valid_name(name) or (entry := library_entries().get(name)) is None:
        return None
    path = library_path(name)
    if problem := file_problem(path, entry, whole=True):
        raise _unusable(name, problem)
    return path


def remove_model(name: str) -> None:
    """Delete a model from the library, whatever the state of its file.

    Parameters
    ----------
    name
        Name of a model in the library.

    Raises
    ------
    UnknownModelError
        If it is not in the library.
    SettingsError
        If it comes with the program.
    OutputError
        If the library may not be written.
    """
    if name in library_entries():
        with locked_entries() as entries:
            if name in entries:
                _delete(name, {n: entry for n, entry in entries.items() if n != name})
                return
    if interpolation_card(name) is not None or shipped_file(name) is not None:
        raise SettingsError(f"{name} comes with the program and cannot be removed.")
    known = ", ".join(sorted(library_entries())) or "none"
    raise UnknownModelError(
        f"no model in the library is called {name[:100]!r}.", remedy=f"Models in the library: {known}."
    )


def _delete(name: str, others: dict[str, Entry]) -> None:
    """Delete a model's file and write an index of the others."""
    try:  # The index comes first: a file without an entry is not used.
        write_index(others)
    except OSError as error:
        if ENOSPC not in (error.errno, getattr(error.__cause__, "errno", None)):
            raise
        # Deleting the file makes the room on the disk that the index needs.
        library_path(name).unlink(missing_ok=True)
        write_index(others)
    library_path(name).unlink(missing_ok=True)


def verify_models() -> list[Verification]:
    """Read every file of the library and compare it with what was added.

    Returns
    -------
    list of Verification
        By name: all models in the index, and files in the folder that were not added.

    Raises
    ------
    ModelFileError
        If the index is damaged.
    """
    entries = library_entries()
    results = [Verification(name, entry.sha256, _verify(name, entry)) for name, entry in entries.items()]
    for path in library_folder().glob(f"*{SUFFIX}"):
        if path.stem not in entries and PARTIAL not in path.name:
            problem = f"{path.name} is in the model library's folder, but was not added and is not used."
            results.append(Verification(path.stem, "", f"{problem} Add it with `add_model()` or delete it."))
    return sorted(results, key=lambda result: result.name)


def _verify(name: str, entry: Entry) -> str:
    """Return what is wrong with a model in the library; empty if nothing is."""
    if problem := file_problem(library_path(name), entry, whole=True):
        return str(_unusable(name, problem))
    try:
        _library_card(name, entry)
    except ModelFileError as error:
        return str(error)
    return ""


def _library_card(name: str, entry: Entry) -> ModelCard:
    """Return the card of a model in the library."""
    if interpolation_card(name) is not None or shipped_file(name) is not None:
        raise ModelFileError(
            f"{name} in the model library is not used: a model that comes with the program has the same name.",
            remedy="Add it under another name.",
        )
    if problem := file_problem(library_path(name), entry, whole=entry.size < _SMALL_FILE):
        raise _unusable(name, problem)
    try:
        return file_card(library_path(name))
    except ModelFileError as error:
        raise _unusable(name, f"cannot be used: {error.message.rstrip('.')}") from error


def file_problem(path: Path, entry: Entry, *, whole: bool) -> str:
    """Return what is wrong with a file of the library, as the end of a sentence; empty if nothing is.

    Parameters
    ----------
    path
        The file.
    entry
        Its entry in the index.
    whole
        Whether to compare its sha256 as well as its size.
    """
    try:
        state = path.lstat()
        if not stat.S_ISREG(state.st_mode):
            return "is a link or no file"
        if state.st_size != entry.size or (whole and digest(path) != entry.sha256):
            return "is not the file that was added: it was changed or is damaged"
    except (FileNotFoundError, NotADirectoryError):
        return "has lost its file"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return ""


def _unusable(name: str, problem: str) -> ModelFileError:
    return ModelFileError(
        f"{name} in the model library {problem}.", remedy="Remove it with `remove_model()`, then add it again."
    )
