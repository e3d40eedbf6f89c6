"""What the Models widget does in a thread: whole files are read, and torch is imported inside functions."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from napari_superres.core.image import Image
from napari_superres.errors import ModelFileError, UntrustedModelError
from napari_superres.models import ModelCard
from napari_superres.models.choice.choose import Choice, choose_model
from napari_superres.models.library.add import add_model
from napari_superres.models.library.index import Entry, library_entries
from napari_superres.models.library.shipped import interpolation_cards, shipped_cards, shipped_file
from napari_superres.models.library.user_models import library_cards
from napari_superres.models.model_file import digest
from napari_superres.plugin.worker.triton import load_triton


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model in the list.

    Attributes
    ----------
    name, sha256
        Name of the model and digest of its file; interpolation has no digest.
    card
        Its card; None where the file cannot be used.
    entry
        Its entry in the index of the library; None for models that come with the program.
    """

    name: str
    sha256: str
    card: ModelCard | None
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class Addition:
    """Result of adding a file.

    Attributes
    ----------
    card
        Card of the model; None where the file is a program that the user must allow first.
    is_new
        Whether the library has changed.
    sha256
        Digest of the program that the user must allow.
    """

    card: ModelCard | None
    is_new: bool = False
    sha256: str = ""


def list_library() -> tuple[list[ListedModel], str]:
    """Return all models, and what is wrong with the index of the library.

    Models that cannot be used are listed without a card.
    """
    problem = ""
    try:
        entries = library_entries()
    except ModelFileError as error:
        entries, problem = {}, str(error)
    usable, _ = library_cards()  # The notes are about unusable models, which are listed without a card.
    cards = {card.name: card for card in usable}
    shipped = [ListedModel(card.name, _shipped_sha256(card.name), card, None) for card in shipped_cards()]
    added = [ListedModel(name, entry.sha256, cards.get(name), entry) for name, entry in sorted(entries.items())]
    interpolation = [ListedModel(card.name, "", card, None) for card in interpolation_cards()]
    return [*shipped, *added, *interpolation], problem


def fit(image: Image, names: Sequence[str]) -> Generator[Choice, None, None]:
    """Yield the models for an image.

    Parameters
    ----------
    image
        Image of a layer.
    names
        Names of its channels and its layer.
    """
    yield choose_model(image, names=names)


def add(path: Path, *, allowed: str = "") -> Addition:
    """Add a model to the library.

    Parameters
    ----------
    path
        As for `add_model`.
    allowed
        sha256 of the program that the user allows to run. A program with another digest is not run.

    Raises
    ------
    SuperResError
        As `add_model`. A program that is not allowed yet is no error.
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
        return Addition(None, sha256=fingerprint(source))
    return Addition(card, is_new=library_entries().get(card.name) != before.get(card.name))


class StoppedError(Exception):
    """The user has stopped a measurement."""


def measure(name: str, is_stopped: Callable[[], bool]) -> dict[str, Any]:
    """Return what `check_model` measures of a model.

    Parameters
    ----------
    name
        Name of the model.
    is_stopped
        Asked between two parts of the work.

    Raises
    ------
    StoppedError
        If the work was stopped.
    """
    load_triton()
    from napari_superres.inference.measure.check import check_model

    def stop_if_asked(_step: str, _share: float) -> None:
        if is_stopped():
            raise StoppedError

    return check_model(name, report=stop_if_asked)


def export(name: str, target: Path, **credit: Any) -> Path:
    """Write a model as a bioimage.io package (.zip) or as a model file, and replace the target if it exists.

    Parameters
    ----------
    name
        Name of the model.
    target
        File to write; the dialog has asked whether to replace it.
    **credit
        `author` and `cite`, as for `export_bioimageio`.
    """
    load_triton()
    from napari_superres.models import export_bioimageio, export_safetensors

    if target.suffix == ".zip":
        return export_bioimageio(name, target, overwrite=True, **credit)
    return export_safetensors(name, target, overwrite=True)


@lru_cache
def _shipped_sha256(name: str) -> str:
    path = shipped_file(name)
    return "" if path is None else digest(path)
