"""The model file: safetensors with the card in its header. Safe to open; nothing in it is executed."""

import hashlib
import json
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

from napari_superres.errors import ModelFileError, OutputExistsError
from napari_superres.models.card import ModelCard

if TYPE_CHECKING:
    from torch import Tensor

KEY = "napari_superres"
_LARGEST_HEADER = 100_000_000


def read_card(path: Path) -> ModelCard:
    """Return the card of a model file; its weights are not read.

    Raises
    ------
    ModelFileError
        If the file is missing, not a model of this program, truncated, or made by a newer version.
    """
    header = _read_header(path)
    metadata = header.get("__metadata__", {})
    if not isinstance(metadata, dict) or KEY not in metadata:
        raise ModelFileError(f"{path.name} holds weights without a model card. It was not made by this program.")
    try:
        return ModelCard.from_json(metadata[KEY])
    except ModelFileError as error:
        raise ModelFileError(f"{path.name}: {error}") from error


def _read_header(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            start = file.read(8)
            size = path.stat().st_size
            if len(start) < 8:
                raise ModelFileError(f"{path.name} is empty or truncated ({size} bytes). Get the file again.")
            if start[:2] == b"PK" or start[:1] == b"\x80":
                raise ModelFileError(
                    f"{path.name} is a pickle, which could run code when opened, so it is not. "
                    "Ask for the weights as .safetensors."
                )
            length = int.from_bytes(start, "little")
            if length > min(size - 8, _LARGEST_HEADER):
                raise ModelFileError(f"{path.name} is truncated or not a safetensors file. Get the file again.")
            header = json.loads(file.read(length))
    except OSError as error:
        raise ModelFileError(f"model file {path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise ModelFileError(f"{path.name} is not a safetensors file: its header is not JSON.") from error
    if not isinstance(header, dict):
        raise ModelFileError(f"{path.name} is not a safetensors file: its header is not an object.")
    return header


def read_weights(path: Path) -> "dict[str, Tensor]":
    """Return the tensors of a model file.

    Raises
    ------
    ModelFileError
        If the file is truncated or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelFileError(f"{path.name} is damaged or truncated ({error}). Get the file again.") from error


def write_model(path: Path, card: ModelCard, weights: "dict[str, Tensor]", *, overwrite: bool = False) -> Path:
    """Write a model file, complete or not at all.

    Raises
    ------
    OutputExistsError
        If the file exists and `overwrite` is False.
    """
    from safetensors.torch import save

    if path.exists() and not overwrite:
        raise OutputExistsError(f"{path} exists. Choose another name or allow overwriting (--overwrite).")
    content = save({k: v.detach().cpu().contiguous() for k, v in weights.items()}, metadata={KEY: card.to_json()})
    with NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        part = Path(file.name)
        try:
            file.write(content)
            file.close()
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    return path


def digest(path: Path) -> str:
    """Return the sha256 of a model file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
