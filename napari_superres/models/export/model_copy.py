"""A model as one file that this program reads, and what every export checks about its target."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_superres.core.options import checks_names
from napari_superres.errors import OutputError, OutputExistsError, SettingsError
from napari_superres.models.card import ModelCard
from napari_superres.models.library.registry import find_card, model_path
from napari_superres.models.model_file import SUFFIX, read_weights
from napari_superres.storage.atomic import check_writable, one_writer, replacing


@checks_names
def export_safetensors(model: str | Path, target: Path, *, overwrite: bool = False) -> Path:
    """Write a model as one file that this program reads, card included. A run that fails writes nothing.

    Parameters
    ----------
    model
        Name or file of a model.
    target
        File that ends in ``.safetensors``.
    overwrite
        Replace an existing file.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    SettingsError
        If the model is an interpolation.
    UnknownModelError, ModelFileError
        If no such model exists, or its file is damaged.
    OutputExistsError, OutputError
        If the target exists and `overwrite` is False, or it cannot be written.
    """
    check_has_weights(find_card(model))
    with export_target(target, SUFFIX, overwrite=overwrite) as partial:
        partial.write_bytes(model_path(model).read_bytes())
        read_weights(partial)
    return target


def check_has_weights(card: ModelCard) -> None:
    """Check that a model is no interpolation.

    Raises
    ------
    SettingsError
        If it is one.
    """
    if card.is_interpolation:
        raise SettingsError(
            f"{card.name} is an interpolation and has no weights to export.", remedy="Choose a trained model."
        )


def check_export_target(target: Path, *suffixes: str, overwrite: bool) -> None:
    """Check the name of an export's target, before anything else is asked for or computed.

    Raises
    ------
    OutputExistsError
        If the target exists and `overwrite` is False.
    OutputError
        If its suffix is none of `suffixes`, or it is a folder.
    """
    if target.suffix not in suffixes or target.is_dir():
        raise OutputError(
            f"the target must be a file that ends in {' or '.join(suffixes)}, got {target}.", remedy="Rename it."
        )
    check_writable(target)
    if target.exists() and not overwrite:
        raise OutputExistsError(f"{target} exists.", remedy="Set `overwrite` or choose another name.")


@contextmanager
def export_target(target: Path, suffix: str, *, overwrite: bool) -> Iterator[Path]:
    """Yield a temporary file that replaces the target once the block ends without an error.

    Raises
    ------
    OutputExistsError
        If the target exists and `overwrite` is False.
    OutputError
        If its suffix is another one, it is a folder, or it cannot be written.
    """
    with one_writer(target):
        check_export_target(target, suffix, overwrite=overwrite)
        with replacing(target) as (partial,):
            yield partial
