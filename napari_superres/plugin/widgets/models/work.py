"""What the Models widget asks of the library, to be called in a thread: whole files are read, torch is imported."""

import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from napari_superres.errors import ModelFileError, SuperResWarning, UntrustedModelError
from napari_superres.models import ModelCard
from napari_superres.models.library.add import add_model
from napari_superres.models.library.index import Entry, library_entries
from napari_superres.models.library.shipped import interpolation_cards, shipped_cards, shipped_file
from napari_superres.models.library.user_models import library_cards
from napari_superres.models.model_file import digest
from napari_superres.plugin.worker.triton import load_triton


@dataclass(frozen=True, slots=True)
class Listed:
    """A model on the list.

    Attributes
    ----------
    name, sha256
        Of the model and its file; interpolation has none.
    card
        None where the file cannot be used.
    entry
        What the library's index says; None of what comes with the program.
    """

    name: str
    sha256: str
    card: ModelCard | None
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a file: a card, or the sha256 of a program that the user must allow."""

    card: ModelCard | None
    is_new: bool = False
    sha256: str = ""


def listing() -> tuple[list[Listed], str]:
    """Return all models, and what is wrong with the index of the library.

    Warns
    -----
    SuperResWarning
        Of models that cannot be used, which are listed without a card.
    """
    problem = ""
    try:
        entries = library_entries()
    except ModelFileError as error:
        entries, problem = {}, str(error)
    usable, notes = library_cards()
    for note in notes:
        warnings.warn(note, SuperResWarning, stacklevel=2)
    cards = {card.name: card for card in usable}
    shipped = [Listed(card.name, _shipped_sha256(card.name), card, None) for card in shipped_cards()]
    added = [Listed(name, entry.sha256, cards.get(name), entry) for name, entry in sorted(entries.items())]
    return [*shipped, *added, *(Listed(card.name, "", card, None) for card in interpolation_cards())], problem


def add(path: Path, *, allowed: str = "") -> Added:
    """Add a model to the library.

    Parameters
    ----------
    path
        As for `add_model`.
    allowed
        sha256 of the program that the user allows to run; if it is another one by now, it is not run.

    Raises
    ------
    SuperResError
        As `add_model`, unless the user is to be asked.
    """
    load_triton()
    from napari_superres.models.foreign.trust import fingerprint

    source = path.parent if path.suffix in (".yaml", ".yml") else path
    before = library_entries()
    trust = bool(allowed) and fingerprint(source) == allowed
    try:
        card = add_model(source, trust=trust)
    except UntrustedModelError:
        if trust:
            raise
        return Added(None, sha256=fingerprint(source))
    return Added(card, is_new=library_entries().get(card.name) != before.get(card.name))


def measure(name: str) -> dict[str, Any]:
    """Return what `inference.check.check_model` finds of a model."""
    load_triton()
    from napari_superres.inference.measure.check import check_model

    return check_model(name)


def export(name: str, target: Path, **credit: Any) -> Path:
    """Write a model as a bioimage.io package (.zip) or as our one file; a dialog has asked whether to overwrite."""
    load_triton()
    from napari_superres.models import export_bioimageio, export_safetensors

    if target.suffix == ".zip":
        return export_bioimageio(name, target, overwrite=True, **credit)
    return export_safetensors(name, target, overwrite=True)


@lru_cache
def _shipped_sha256(name: str) -> str:
    path = shipped_file(name)
    return "" if path is None else digest(path)
