"""The models that exist, and loading one by name or file: shipped, in the library, in a file, or interpolation.

`list_models` and `load_model` are for scripts and warn; `all_cards` and `open_model` are for the layers above and
return their notes.
"""

import warnings
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from napari_superres.core.options import checks_names
from napari_superres.errors import ModelFileError, SuperResWarning, UnknownModelError
from napari_superres.models.card import ModelCard
from napari_superres.models.library.loading import file_card, is_file, open_file
from napari_superres.models.library.shipped import interpolation_card, interpolation_cards, shipped_cards, shipped_file
from napari_superres.models.library.user_models import library_cards, library_file
from napari_superres.models.model_file import SUFFIX

if TYPE_CHECKING:
    from napari_superres.models.model import Model

Origin = Literal["shipped", "added", "file"]


def list_models() -> list[ModelCard]:
    """Return the cards of all models: shipped ones by name, added ones by name, then interpolation at x2 to x4.

    Interpolation exists at any other integer scale too: ``bicubic-x5``, and per axis
    as ``bicubic-x2x1x1`` (ZYX).

    Returns
    -------
    list of ModelCard
        One card per model.

    Warns
    -----
    SuperResWarning
        If a model in the library is damaged; it is left out. See `verify_models`.
    """
    cards, notes = all_cards()
    for note in notes:
        warnings.warn(note, SuperResWarning, stacklevel=2)
    return cards


def all_cards() -> tuple[list[ModelCard], tuple[str, ...]]:
    """Return the cards that `list_models` returns, and a note on each model that cannot be used."""
    added, notes = library_cards()
    return shipped_cards() + added + interpolation_cards(), notes


@checks_names
def find_card(name: str | Path) -> ModelCard:
    """Return the card of a model by name or file, without loading its weights.

    Parameters
    ----------
    name
        Name of a model, or path of a model file.

    Returns
    -------
    ModelCard
        Facts about the model.

    Raises
    ------
    UnknownModelError
        If no model has this name; the remedy suggests the nearest names.
    ModelFileError
        If the file is not a usable model.
    """
    card = interpolation_card(str(name))
    return card if card is not None else file_card(model_path(name))


@checks_names
def load_model(name: str | Path) -> "Model":
    """Load a model by name or from a file, in evaluation and deploy form, on the CPU.

    For a file from elsewhere, what its card says about tiles and the grid is measured the first time and then
    remembered.

    Parameters
    ----------
    name
        Name of a model, or path of a model file.

    Returns
    -------
    Model
        Card and network, ready to run.

    Raises
    ------
    UnknownModelError
        If no model has this name; the remedy suggests the nearest names.
    ModelFileError
        If the file is a pickle, damaged, or made by a newer version; or if it is in the library and is no longer the
        file that was added.

    Warns
    -----
    SuperResWarning
        If the card is wrong about what can be measured. The returned card has the measured values.
    """
    model = open_model(name)
    for note in model.notes:
        warnings.warn(note, SuperResWarning, stacklevel=3)
    return model


def open_model(name: str | Path) -> "Model":
    """Load a model as `load_model` does, without warnings: its `notes` tell what the user should know."""
    from napari_superres.models.model import Model

    baseline = interpolation_card(str(name))
    return open_file(model_path(name)) if baseline is None else Model(baseline, None)


def model_path(name: str | Path) -> Path:
    """Return the file of a shipped model, of a model in the library, or of a model given by its path.

    Raises
    ------
    UnknownModelError
        If no model has this name.
    ModelFileError
        If the file does not exist, or is in the library and no longer the file that was added.
    """
    text = str(name)
    path = Path(name)
    if isinstance(name, str) and (file := shipped_file(text) or library_file(text)):
        return file
    if is_file(path):
        if path.suffix.lower() != SUFFIX:
            raise ModelFileError(
                f"{path.name} is not in this program's format.", remedy="Add it first, with `add_model()`."
            )
        return path
    if len(text) > 200:
        raise UnknownModelError(f"no model is called {text[:200]!r}...")
    if path.suffix or path.parent != Path():
        raise ModelFileError(f"model file {path} does not exist.")
    names = [card.name for card in all_cards()[0]]
    close = get_close_matches(text.lower(), names, n=3, cutoff=0.4)
    remedy = f"Did you mean {', '.join(close)}?" if close else f"Known models: {', '.join(names)}."
    raise UnknownModelError(f"no model is called {text!r}.", remedy=remedy)


def model_origin(name: str | Path) -> Origin:
    """Return where the model of a name or path comes from: the program, the library, or that file."""
    text = str(name)
    if interpolation_card(text) is not None:
        return "shipped"
    if isinstance(name, Path):
        return "file"
    return "shipped" if shipped_file(text) else "added" if library_file(text) else "file"
