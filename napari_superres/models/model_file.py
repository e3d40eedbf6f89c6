"""The model file: safetensors with the card in its header. Reading it executes nothing."""

import hashlib
import json
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_superres.errors import ModelFileError, OutputError, OutputExistsError
from napari_superres.models.card import ModelCard
from napari_superres.storage.atomic import check_writable, one_writer, replacing

if TYPE_CHECKING:
    from torch import Tensor

KEY = "napari_superres"
"""Key of the card in the header's metadata, and in the ``config`` of a bioimage.io package."""

SUFFIX = ".safetensors"

GET_AGAIN = "Get the file again."
"""Remedy for a damaged file."""

ASK_FOR_SAFETENSORS = "Ask its author for the weights as .safetensors."
"""Remedy for a pickle that would run code."""

_LARGEST_HEADER = 10_000_000
"""Bytes of the longest header: 100,000 tensors. As JSON it takes up to thirty times as much memory."""

_CLOCK_TICK_NS = 2 * 10**9


def read_card(path: Path) -> ModelCard:
    """Return the card of a model file without reading its weights.

    Raises
    ------
    ModelFileError
        If the file is missing, truncated, not a model of this program, or made by a newer version.
    """
    header = _read_header(path)
    metadata = header.get("__metadata__", {})
    if not isinstance(metadata, dict) or KEY not in metadata:
        raise ModelFileError(
            f"{path.name} holds weights without a model card: this program did not make it.",
            remedy="Add it with `add_model()`.",
        )
    try:
        return ModelCard.from_json(metadata[KEY])
    except ModelFileError as error:
        raise ModelFileError(f"{path.name}: {error.message}", remedy=error.remedy) from error


def is_model_file(path: Path) -> bool:
    """Return whether a file is this program's, or too damaged to tell; a sound file of another program has no card."""
    try:
        metadata = _read_header(path).get("__metadata__", {})
    except ModelFileError:
        return True
    return isinstance(metadata, dict) and KEY in metadata


def _read_header(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            header = json.loads(_header_text(path, file.read(8), file.read))
    except ModelFileError:
        raise  # ModelFileError is a ValueError, which is caught below.
    except OSError as error:
        raise ModelFileError(f"model file {path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path.name} is not a safetensors file: its header is not JSON.") from error
    if not isinstance(header, dict):
        raise ModelFileError(f"{path.name} is not a safetensors file: its header is not an object.")
    return header


def _header_text(path: Path, start: bytes, read: Callable[[int], bytes]) -> bytes:
    """Return the header of a file that begins with `start`, the length of the header."""
    size = path.stat().st_size
    if len(start) < 8:
        raise ModelFileError(f"{path.name} is empty or truncated ({size} bytes).", remedy=GET_AGAIN)
    length = int.from_bytes(start, "little")
    if length <= min(size - 8, _LARGEST_HEADER):
        return read(length)
    # Only an impossible length is taken for a pickle: a sound length may begin with the same bytes.
    if start[:2] == b"PK" or start[:1] == b"\x80":
        raise ModelFileError(
            f"{path.name} is a pickle. Opening it could run code, so it was not opened.",
            remedy="If it is a checkpoint of torch, rename it to end in .pth: its tensors alone are read then.",
        )
    raise ModelFileError(f"{path.name} is truncated or not a safetensors file.", remedy=GET_AGAIN)


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
        raise ModelFileError(f"{path.name} is damaged or truncated ({str(error)[:200]}).", remedy=GET_AGAIN) from error


def check_model_target(path: Path, *, overwrite: bool) -> None:
    """Check that a model file can be written: before hours of training, not after them.

    Raises
    ------
    OutputExistsError
        If the file exists and `overwrite` is False.
    OutputError
        If its suffix is not ``.safetensors``, or its folder is missing or may not be written.
    """
    if path.suffix != SUFFIX:
        raise OutputError(
            f"a model file must end in {SUFFIX}, got {path.name}.", remedy=f"Name it {path.stem}{SUFFIX}."
        )
    check_writable(path)
    if path.exists() and not overwrite:
        raise OutputExistsError(f"{path} exists.", remedy="Set `overwrite` or choose another name.")
    if path.is_dir():
        raise OutputError(f"{path} is a folder.", remedy="Choose another name.")


def write_model(path: Path | str, card: ModelCard, weights: "dict[str, Tensor]", *, overwrite: bool = False) -> Path:
    """Write a model file. A run that fails leaves no partial file.

    Parameters
    ----------
    path
        Target, ending in ``.safetensors``.
    card
        Facts about the model.
    weights
        State dict of the network.
    overwrite
        Replace an existing file.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OutputExistsError
        If the file exists and `overwrite` is False.
    OutputError
        If it cannot be written; see `check_model_target`.
    """
    path = Path(path)
    check_model_target(path, overwrite=overwrite)
    content = pack_model(card, weights)
    with one_writer(path), replacing(path) as (partial,):
        partial.write_bytes(content)
    return path


def pack_model(card: ModelCard, weights: "dict[str, Tensor]") -> bytes:
    """Return the content of a model file."""
    from safetensors.torch import save

    content: bytes = save(
        {k: v.detach().cpu().contiguous() for k, v in weights.items()}, metadata={KEY: card.to_json()}
    )
    return content


def digest(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal. It is kept in memory until the file changes."""
    state = path.stat()
    changed = max(state.st_mtime_ns, state.st_ctime_ns)
    # A file that changed just now may change again within the same tick of the file system's clock.
    if abs(time.time_ns() - changed) < _CLOCK_TICK_NS:
        return _digest.__wrapped__(path, ())
    return _digest(path, (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns))


@lru_cache(maxsize=256)
def _digest(path: Path, state: tuple[int, ...]) -> str:
    del state  # Part of the cache's key only.
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
