"""Which models there are, and loading one by name or file: shipped ones, those in the library, interpolation."""

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from napari_superres.errors import ModelFileError, UnknownModelError
from napari_superres.models.card import ModelCard
from napari_superres.models.files import SUFFIX
from napari_superres.models.library.added import library_cards, library_file
from napari_superres.models.library.loading import file_card, is_file, load_file
from napari_superres.models.library.shipped import interpolation_card, interpolation_cards, shipped_cards, shipped_file

if TYPE_CHECKING:
    from napari_superres.models.model import Model

Origin = Literal["shipped", "added", "file"]


def list_models() -> list[ModelCard]:
    """Return the cards of all models: shipped ones by name, added ones by name, then interpolation at x2 to x4.

    Interpolation exists at any other integer scale too: ``bicubic-x5``, and per axis
    as ``bicubic-x2x1x1`` (ZYX).

    Warns
    -----
    SuperResWarning
        If a model in the library is damaged, which is left out; see `library.verify_models`.
    """
    return shipped_cards() + library_cards() + interpolation_cards()


def find_card(name: str | Path) -> ModelCard:
    """Return the card of a model by name or file, without loading its weights.

    Raises
    ------
    UnknownModelError
        If there is no such model; the nearest names are suggested.
    ModelFileError
        If the file is not a usable model.
    """
    card = interpolation_card(str(name))
    return card if card is not None else file_card(model_path(name))


def load_model(name: str | Path) -> "Model":
    """Load a model by name or from a file, in evaluation and deploy form, on the CPU.

    How far the network of a file from elsewhere looks is measured when it is first met, and remembered.

    Raises
    ------
    UnknownModelError
        If there is no such model; the nearest names are suggested.
    ModelFileError
        If the file is a pickle, damaged, made by a newer version, or in the library and no longer what was added.

    Warns
    -----
    SuperResWarning
        If the network looks farther than its card says; the card returned says what was measured.
    """
    from napari_superres.models.model import Model

    baseline = interpolation_card(str(name))
    return load_file(model_path(name)) if baseline is None else Model(baseline, None)


def model_path(name: str | Path) -> Path:
    """Return the file of a shipped model, of one in the library, or of one that is given by its path.

    Raises
    ------
    UnknownModelError, ModelFileError
        If there is none, or it is in the library and no longer what was added.
    """
    text = str(name)
    path = Path(name)
    if isinstance(name, str) and (found := shipped_file(text) or library_file(text)):
        return found
    if is_file(path):
        if path.suffix.lower() != SUFFIX:
            raise ModelFileError(
                f"{path.name} is not in this program's format. Add it first: superres models add {path}"
            )
        return path
    if len(text) > 200:
        raise UnknownModelError(f"no model is called {text[:200]!r}...")
    if path.suffix or path.parent != Path():
        raise ModelFileError(f"model file {path} does not exist.")
    names = [card.name for card in list_models()]
    close = get_close_matches(text.lower(), names, n=3, cutoff=0.4)
    hint = f"Did you mean {', '.join(close)}?" if close else f"Known models: {', '.join(names)}."
    raise UnknownModelError(f"no model is called {text!r}. {hint}")


def model_origin(name: str | Path) -> Origin:
    """Return where the model that a name or path means comes from: the program, the library, or that file."""
    text = str(name)
    if interpolation_card(text) is not None:
        return "shipped"
    if isinstance(name, Path):
        return "file"
    return "shipped" if shipped_file(text) else "added" if library_file(text) else "file"
