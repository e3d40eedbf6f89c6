"""Adding a model to the library: it is checked, converted if another program made it, measured, and copied."""

import re
import unicodedata
import warnings
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np

from napari_superres.core.image import Image
from napari_superres.core.options import checks_names
from napari_superres.errors import ModelFileError, SettingsError, SuperResWarning
from napari_superres.models.card import ModelCard
from napari_superres.models.foreign.foreign_model import FOREIGN_ARCHITECTURES
from napari_superres.models.foreign.graph.wishes import UNSAID, Wishes, example_tensor
from napari_superres.models.foreign.trust import fingerprint
from napari_superres.models.library.index import (
    Entry,
    copy_model,
    is_valid_name,
    library_entries,
    library_path,
    locked_entries,
    write_index,
)
from napari_superres.models.library.loading import file_card, file_name, is_file, is_folder, open_file
from napari_superres.models.library.shipped import interpolation_card, shipped_cards, shipped_file
from napari_superres.models.library.user_models import file_problem
from napari_superres.models.model_file import SUFFIX, digest, is_model_file
from napari_superres.models.probes.facts import remember_facts
from napari_superres.storage import is_address

_OTHER_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")


@checks_names
def add_model(
    path: str | Path,
    *,
    trust: bool = False,
    range: str | None = None,
    channels: Literal["rgb", "luma"] | None = None,
    example: tuple[Image, Image] | None = None,
    quick: bool = False,
    report: Callable[[str, float], None] | None = None,
) -> ModelCard:
    """Copy a model into the library, where it is known by the file's stem.

    It is loaded first, as any model file is, and measured: halo, size multiple, grid. A link is followed. Models of
    other programs are converted to this program's format: checkpoints whose architecture is recognised, bioimage.io
    packages, and bare graphs (``.onnx``, ``.pt2``), of which scale, sizes and range are measured. This happens in a
    process of its own, with limits of time and memory. Pickles are read by a reader that creates nothing but tensors.

    Parameters
    ----------
    path
        The model file, the folder of a bioimage.io package, or the address of a file, ``https://...``, which is
        fetched. A file stays where it is.
    trust
        Allow a model that is a program (TorchScript, torch.export, or an architecture's source) to run. The permission
        is remembered by sha256.
    range
        Range of the values that a bare graph takes: ``"0..1"``, ``"0..255"`` or ``"16bit"``; None = measure it.
    channels
        What a bare graph takes: ``"rgb"``, or the luminance, ``"luma"``; None = as its file states.
    example
        An image and the result of a bare graph, which show its range.
    quick
        Assume a halo of 64 pixels (16 in volumes) instead of measuring it. The error of tiles is then unknown.
    report
        Called with what is done, in words, and the share of it that is done. An error that it raises stops the work.

    Returns
    -------
    ModelCard
        Card of the model under its name in the library, with what was measured.

    Raises
    ------
    ModelFileError
        If the file is not a usable model.
    UntrustedModelError
        If the model is a program and `trust` is False.
    MissingExtraError
        If a library that reads the file is not installed.
    SettingsError
        If a different model has this name, or the name cannot be a model's.
    OutputError
        If the library may not be written, or the disk is full. Nothing is changed.

    Warns
    -----
    SuperResWarning
        If the same model is in the library already, whose card is then returned; or if its card is wrong about what
        can be measured.
    """
    wishes = make_wishes(range=range, channels=channels, example=example, quick=quick)
    card, notes = import_model(path, trust=trust, wishes=wishes, report=report)
    for note in notes:
        warnings.warn(note, SuperResWarning, stacklevel=3)
    return card


def make_wishes(
    *,
    range: str | None = None,
    channels: Literal["rgb", "luma"] | None = None,
    example: tuple[Image, Image] | None = None,
    quick: bool = False,
) -> Wishes:
    """Return what a user says about a model, as `add_model` takes it.

    Raises
    ------
    SettingsError
        If a value is not one of those that are understood.
    """
    tensors = None
    if example is not None:
        first, second = (example_tensor(np.asarray(image.data), image.axes) for image in example)
        tensors = first, second
    return Wishes(range, channels, tensors, quick)


def import_model(
    path: str | Path,
    *,
    trust: bool = False,
    wishes: Wishes = UNSAID,
    report: Callable[[str, float], None] | None = None,
) -> tuple[ModelCard, tuple[str, ...]]:
    """Copy a model into the library as `add_model` does, and return its card and the notes instead of warning.

    `report` is called with what is done, in words, and the share of it that is done.
    """
    from napari_superres.models.foreign.packages.files import is_package

    if is_address(str(path)):
        from napari_superres.models.library.download import fetched

        with fetched(str(path), report) as file:
            return import_model(file, trust=trust, wishes=wishes, report=report)
    if (other := _OTHER_ADDRESS.match(str(path))) is not None:
        raise SettingsError(
            f"models are taken from files and from https:// addresses, got {other[1]}://.",
            remedy="Fetch the file, then give its path.",
        )
    source = Path(path)
    source = source.parent if source.suffix in (".yaml", ".yml") else source
    if not is_file(source) and not is_folder(source):
        raise ModelFileError(f"model file {str(source)[:300]} does not exist or is no file.")
    if source.suffix.lower() == SUFFIX and not source.is_dir() and is_model_file(source):
        return _store(source, source)
    if source.is_dir() and not is_package(source):
        raise ModelFileError(f"{source.name[:300]} is a folder, and no package of bioimage.io: it has no description.")
    known = fingerprint(source)
    for name, entry in library_entries().items():
        if entry.source == known and not file_problem(library_path(name), entry, whole=True):
            return file_card(library_path(name)), (_already_known(source.name, name, "is in the library already"),)
    # The name is checked before measuring, which may take minutes.
    _check_name(source.name, file_name(source), library_entries())
    with TemporaryDirectory(prefix="superres-") as folder:
        return _store(_convert(source, Path(folder), trust=trust, wishes=wishes, report=report), source)


def _convert(
    source: Path, folder: Path, *, trust: bool, wishes: Wishes, report: Callable[[str, float], None] | None
) -> Path:
    """Write another program's model as a model file of this program."""
    from napari_superres.models.foreign.confined import convert_confined
    from napari_superres.models.foreign.programs import NEEDS_TRUST
    from napari_superres.models.foreign.trust import grant_trust, is_trusted

    known, converted = fingerprint(source), folder / f"{file_name(source)}{SUFFIX}"
    card = convert_confined(source, converted, trusted=trust or is_trusted(known), wishes=wishes, report=report)
    sha256 = digest(converted)
    if card.architecture in NEEDS_TRUST:
        grant_trust(known, sha256)
    if card.architecture in FOREIGN_ARCHITECTURES:
        remember_facts(card, sha256)
    return converted


def _store(path: Path, source: Path) -> tuple[ModelCard, tuple[str, ...]]:
    """Put a model file, which was made of the user's `source`, into the library; return its card and notes."""
    model, name, file = open_file(path), file_name(source), source.name
    if (shipped := _shipped_twin(path, model.sha256)) is not None:
        return shipped, (*model.notes, _already_known(file, shipped.name, "comes with the program"))
    with locked_entries() as entries:
        twin = next((n for n, entry in entries.items() if entry.sha256 == model.sha256), None)
        if twin is not None and not file_problem(library_path(twin), entries[twin], whole=True):
            note = _already_known(file, twin, "is in the library already")
            return file_card(library_path(twin)), (*model.notes, note)
        name = twin or name
        if twin is None:
            _check_name(file, name, entries)
        size = copy_model(path, library_path(name), model.sha256)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        source_sha256 = model.sha256 if path == source else fingerprint(source)
        write_index({**entries, name: Entry(model.sha256, size, now, file, source_sha256)})
    card = model.card if name == model.card.name else file_card(library_path(name))
    return card, model.notes


def _shipped_twin(source: Path, sha256: str) -> ModelCard | None:
    """Return the card of the shipped model with the same content; None if there is none."""
    size = source.stat().st_size
    for card in shipped_cards():
        path = shipped_file(card.name)
        if path is not None and path.stat().st_size == size and digest(path) == sha256:
            return card
    return None


def _already_known(file: str, name: str, where: str) -> str:
    return f"{file} {where}, as {name}; nothing was copied."


def _check_name(file: str, name: str, entries: Mapping[str, Entry]) -> None:
    """Check that a model may have the name of a file."""
    if not is_valid_name(name):
        raise SettingsError(
            f"{file} cannot name a model: a name begins with a letter or digit and does not end in {SUFFIX}.",
            remedy="Rename the file.",
        )
    shipped = {_comparable(card.name) for card in shipped_cards()}
    if _comparable(name) in shipped or interpolation_card(name) is not None:
        raise SettingsError(
            f"a model that comes with the program is called {name}.",
            remedy=f"Rename the file, for example to my-{name}{SUFFIX}.",
        )
    other = next((n for n in entries if _comparable(n) == _comparable(name)), None)
    if other is not None:
        raise SettingsError(
            f"the library has another model called {other} (added {entries[other].added[:10]}).",
            remedy="Rename the file, or remove that model first with `remove_model()`.",
        )


def _comparable(name: str) -> str:
    # Some file systems take names that differ in case or composition for the same.
    return unicodedata.normalize("NFC", name).casefold()
