"""The model file: safetensors with the card in its header. Safe to open; nothing in it is executed."""

import hashlib
import json
import time
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from napari_superres.atomic import replacing
from napari_superres.errors import ModelFileError, OutputError, OutputExistsError
from napari_superres.models.card import ModelCard

if TYPE_CHECKING:
    from torch import Tensor

KEY = "napari_superres"
SUFFIX = ".safetensors"
_LARGEST_HEADER = 100_000_000
_TICK_NS = 2 * 10**9


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


def is_model_file(path: Path) -> bool:
    """Return whether a file is one of ours, or too damaged to tell: a sound one of another program has no card."""
    try:
        metadata = _read_header(path).get("__metadata__", {})
    except ModelFileError:
        return True
    return isinstance(metadata, dict) and KEY in metadata


def _read_header(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            start = file.read(8)
            size = path.stat().st_size
            if len(start) < 8:
                raise ModelFileError(f"{path.name} is empty or truncated ({size} bytes). Get the file again.")
            length = int.from_bytes(start, "little")
            if length > min(size - 8, _LARGEST_HEADER):
                # Only now: the length of a good header may begin with the same bytes as a pickle.
                if start[:2] == b"PK" or start[:1] == b"\x80":
                    raise ModelFileError(
                        f"{path.name} is a pickle, which could run code when opened, so it is not. "
                        "Ask for the weights as .safetensors."
                    )
                raise ModelFileError(f"{path.name} is truncated or not a safetensors file. Get the file again.")
            header = json.loads(file.read(length))
    except ModelFileError:
        raise  # it is a ValueError too
    except OSError as error:
        raise ModelFileError(f"model file {path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
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


def check_model_target(path: Path, *, overwrite: bool) -> None:
    """Check that a model file can be written; before hours of training, not after them.

    Raises
    ------
    OutputExistsError
        If the file exists and `overwrite` is False.
    OutputError
        If its suffix is not ``.safetensors``, or its folder is missing or may not be written.
    """
    if path.suffix != SUFFIX:
        raise OutputError(f"a model file ends in .safetensors, got {path.name}. Name it {path.stem}.safetensors.")
    if path.exists() and not overwrite:
        raise OutputExistsError(f"{path} exists. Choose another name or allow overwriting (--overwrite).")
    if not path.parent.is_dir():
        raise OutputError(f"folder {path.parent} does not exist. Make it first or choose another one.")
    if path.is_dir():
        raise OutputError(f"{path} is a folder. Choose another name.")
    try:  # permission, a read-only or a full disk
        with TemporaryFile(dir=path.parent) as probe:
            probe.write(b"probe")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OutputError(f"{path} cannot be written: {reason}. Choose a folder that you may write to.") from error


def write_model(path: Path | str, card: ModelCard, weights: "dict[str, Tensor]", *, overwrite: bool = False) -> Path:
    """Write a model file, complete or not at all.

    Raises
    ------
    OutputExistsError, OutputError
        As `check_model_target`, and if the disk is full.
    """
    from safetensors.torch import save

    path = Path(path)
    check_model_target(path, overwrite=overwrite)
    content = save({k: v.detach().cpu().contiguous() for k, v in weights.items()}, metadata={KEY: card.to_json()})
    with replacing(path) as (made,):
        made.write_bytes(content)
    return path


def digest(path: Path) -> str:
    """Return the sha256 of a model file, in hexadecimal; of large ones it is kept until they change."""
    found = path.stat()
    changed = max(found.st_mtime_ns, found.st_ctime_ns)
    # A file that changed just now may change again within the same tick of the clock.
    if abs(time.time_ns() - changed) < _TICK_NS:
        return _digest.__wrapped__(path, ())
    return _digest(path, (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))


@lru_cache(maxsize=256)
def _digest(path: Path, state: tuple[int, ...]) -> str:
    del state  # another one asks anew
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
