"""The library: model files that a user keeps, known by name as shipped ones are, and held to what was added.

A folder of model files, and an index with the sha256 of each. Files lie under the model's name, and take their
places whole; a file that is not in the index is not a model of the library. Nothing in the folder is executed.
"""

import stat
import unicodedata
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from errno import ENOSPC
from pathlib import Path
from tempfile import TemporaryDirectory

from napari_superres.atomic import PARTIAL
from napari_superres.errors import ModelFileError, SettingsError, SuperResWarning, UnknownModelError
from napari_superres.models.card import ModelCard
from napari_superres.models.files import SUFFIX, digest, is_model_file, write_model
from napari_superres.models.folder import library_folder
from napari_superres.models.foreign.imported import FOREIGN
from napari_superres.models.foreign.trust import fingerprint
from napari_superres.models.library.index import (
    Entry,
    changing,
    copy_in,
    is_name,
    library_entries,
    model_place,
    write_index,
)
from napari_superres.models.library.loading import file_card, file_name, is_file, is_folder, load_file, remember_reach
from napari_superres.models.library.shipped import interpolation_card, shipped_cards, shipped_file

_SMALL = 2**26


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found of a model in the library.

    Attributes
    ----------
    name, sha256
        Of the model, as it was added; no sha256 where it is not in the index.
    problem
        What is wrong and how to mend it; empty where all is well.
    """

    name: str
    sha256: str
    problem: str


def library_cards() -> list[ModelCard]:
    """Return the cards of the models in the library, by name; only headers are read.

    Warns
    -----
    SuperResWarning
        Of each that cannot be used, which is left out.
    """
    try:
        entries = library_entries()
    except ModelFileError as error:
        warnings.warn(str(error), SuperResWarning, stacklevel=3)
        return []
    cards = []
    for name, entry in sorted(entries.items()):
        try:
            cards.append(_card(name, entry))
        except ModelFileError as error:
            warnings.warn(f"{error} See: superres models verify", SuperResWarning, stacklevel=3)
    return cards


def library_file(name: str) -> Path | None:
    """Return the file of a model in the library, or None if none is called so.

    Raises
    ------
    ModelFileError
        If the file is no longer the one that was added, or the index is damaged.
    """
    if not is_name(name) or (entry := library_entries().get(name)) is None:
        return None
    path = model_place(name)
    if problem := _problem(path, entry, whole=True):
        raise ModelFileError(_advice(name, problem))
    return path


def add_model(path: str | Path, *, trust: bool = False) -> ModelCard:
    """Copy a model into the library, where it is known by the file's stem.

    It is loaded first, as any model file is, and measured: halo, size multiple, grid. A link is followed. What other
    programs made is brought into our format: checkpoints whose architecture spandrel recognises, and bioimage.io
    packages. Pickles are read by a reader that makes nothing but tensors.

    Parameters
    ----------
    path
        The model file, or the folder of a bioimage.io package; it stays where it is.
    trust
        Let a model run that is a program (TorchScript, or an architecture's source). Remembered by sha256.

    Returns
    -------
    ModelCard
        Of the model under its name, with the halo that was measured if its card says too little.

    Raises
    ------
    ModelFileError
        If the file is not a usable model.
    UntrustedModelError
        If it is a program, and `trust` is False.
    MissingExtraError
        If what reads it is not installed.
    SettingsError
        If a model of another content has this name, or the name cannot be one.
    OutputError
        If the library may not be written, or the disk is full. Nothing is changed.

    Warns
    -----
    SuperResWarning
        If the same file is there already, which is then all there is, and its card is returned; and as `load_file`.
    """
    source = Path(path)
    source = source.parent if source.suffix in (".yaml", ".yml") else source
    _check_source(source)
    if _is_own(source):
        return _added(source, source)
    known = fingerprint(source)
    for name, entry in library_entries().items():
        if entry.source == known and not _problem(model_place(name), entry, whole=True):
            _say_known(source.name, name, "is in the library already")
            return file_card(model_place(name))
    _check_name(source.name, file_name(source), library_entries())  # before minutes of measuring
    with TemporaryDirectory(prefix="superres-") as folder:
        return _added(_converted(source, Path(folder), trusted=trust), source)


def _is_own(source: Path) -> bool:
    return source.suffix.lower() == SUFFIX and not source.is_dir() and is_model_file(source)


def _converted(source: Path, folder: Path, *, trusted: bool) -> Path:
    """Return a model file of ours with what another program's file holds."""
    from napari_superres.models.foreign.convert import convert
    from napari_superres.models.foreign.programs import NEEDS_TRUST
    from napari_superres.models.foreign.trust import trust

    card, weights = convert(source, trusted=trusted)
    # The name in the file is the same whatever its source was called, so that the same model is met again.
    made = write_model(folder / f"model{SUFFIX}", card, dict(weights))
    sha256 = digest(made)
    if card.architecture in NEEDS_TRUST:
        trust(sha256)
    if card.bounded and card.architecture in FOREIGN:
        remember_reach(card, sha256)
    return made


def _added(path: Path, source: Path) -> ModelCard:
    """Put a model file of ours, made of what the user has, into the library and return its card."""
    model, name, called = load_file(path), file_name(source), source.name
    if (shipped := _shipped_twin(path, model.sha256)) is not None:
        _say_known(called, shipped.name, "comes with the program")
        return shipped
    with changing() as entries:
        twin = next((n for n, entry in entries.items() if entry.sha256 == model.sha256), None)
        if twin is not None and not _problem(model_place(twin), entries[twin], whole=True):
            _say_known(called, twin, "is in the library already")
            return file_card(model_place(twin))
        name = twin or name
        if twin is None:
            _check_name(called, name, entries)
        size = copy_in(path, model_place(name), model.sha256)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        write_index(
            {
                **entries,
                name: Entry(model.sha256, size, now, called, model.sha256 if path == source else fingerprint(source)),
            }
        )
    return model.card if name == model.card.name else file_card(model_place(name))


def remove_model(name: str) -> None:
    """Delete a model from the library, whatever state its file is in.

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
        with changing() as entries:
            if name in entries:
                others = {n: entry for n, entry in entries.items() if n != name}
                try:  # first the index: a file without an entry is not used
                    write_index(others)
                except OSError as error:
                    if error.errno != ENOSPC:
                        raise
                    model_place(name).unlink(missing_ok=True)  # which makes the room that the index needs
                    write_index(others)
                model_place(name).unlink(missing_ok=True)
                return
    if interpolation_card(name) is not None or shipped_file(name) is not None:
        raise SettingsError(f"{name} comes with the program and cannot be removed.")
    known = ", ".join(sorted(library_entries())) or "none"
    raise UnknownModelError(f"no model in the library is called {name[:100]!r}. Those in it: {known}.")


def verify_models() -> list[Verified]:
    """Read every file of the library and compare it with what was added.

    Returns
    -------
    list of Verified
        By name: all models in the index, and files in the folder that are not.

    Raises
    ------
    ModelFileError
        If the index is damaged.
    """
    entries, found = library_entries(), []
    for name, entry in entries.items():
        problem = _problem(model_place(name), entry, whole=True)
        said = _advice(name, problem) if problem else ""
        if not problem:
            try:
                _card(name, entry)
            except ModelFileError as error:
                said = str(error)
        found.append(Verified(name, entry.sha256, said))
    for path in library_folder().glob(f"*{SUFFIX}"):
        if path.stem not in entries and PARTIAL not in path.name:
            said = f"{path.name} lies in the model library and was not added, so it is not used. Add it or delete it."
            found.append(Verified(path.stem, "", said))
    return sorted(found, key=lambda v: v.name)


def _alike(name: str) -> str:
    # Some file systems take these for the same.
    return unicodedata.normalize("NFC", name).casefold()


def _card(name: str, entry: Entry) -> ModelCard:
    """Return the card of a model, of whose file only the header is read."""
    if interpolation_card(name) is not None or shipped_file(name) is not None:
        raise ModelFileError(
            f"{name} in the model library is not used: a model that comes with the program is called so. Add it under "
            "another name."
        )
    # Small files are read whole; large ones when they are used.
    if problem := _problem(model_place(name), entry, whole=entry.size < _SMALL):
        raise ModelFileError(_advice(name, problem))
    try:
        return file_card(model_place(name))
    except ModelFileError as error:
        raise ModelFileError(_advice(name, f"cannot be used: {str(error).rstrip('.')}")) from error


def _problem(path: Path, entry: Entry, *, whole: bool) -> str:
    """Return what is wrong with a file, of which the size is looked at or the whole; empty if nothing is."""
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            return "is a link or no file"
        if found.st_size != entry.size or (whole and digest(path) != entry.sha256):
            return "is not the file that was added: it was changed or is damaged"
    except (FileNotFoundError, NotADirectoryError):
        return "has lost its file"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return ""


def _advice(name: str, problem: str) -> str:
    return f"{name} in the model library {problem}. Remove it (superres models remove {name}) and add it again."


def _check_source(source: Path) -> None:
    if not is_file(source) and not is_folder(source):
        raise ModelFileError(f"model file {str(source)[:300]} does not exist or is no file.")


def _check_name(called: str, name: str, entries: Mapping[str, Entry]) -> None:
    if not is_name(name):
        raise SettingsError(
            f"{called} cannot name a model, which begins with a letter or digit and does not end in {SUFFIX}. "
            "Rename the file."
        )
    names = {_alike(card.name) for card in shipped_cards()}
    if _alike(name) in names or interpolation_card(name) is not None:
        raise SettingsError(
            f"a model that comes with the program is called {name}. Rename the file, such as my-{name}{SUFFIX}."
        )
    other = next((n for n in entries if _alike(n) == _alike(name)), None)
    if other is not None:
        raise SettingsError(
            f"the library has another model called {other} (added {entries[other].added[:10]}). "
            f"Rename the file, or remove that one first (superres models remove {other})."
        )


def _shipped_twin(source: Path, sha256: str) -> ModelCard | None:
    size = source.stat().st_size
    for card in shipped_cards():
        path = shipped_file(card.name)
        if path is not None and path.stat().st_size == size and digest(path) == sha256:
            return card
    return None


def _say_known(called: str, name: str, where: str) -> None:
    warnings.warn(f"{called} {where}, as {name}; nothing was copied.", SuperResWarning, stacklevel=4)
