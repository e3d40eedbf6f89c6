"""Tensors of checkpoints, without running what is in them."""

import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_superres.errors import ModelFileError
from napari_superres.models.files import SUFFIX, read_weights

SUFFIXES = (SUFFIX, ".pth", ".pt", ".ckpt", ".bin")
_MOST_SHARED = 16
"""How many times a file's size its tensors may take: some share their memory."""

_SPARE_BYTES = 2**20
_MOST_TENSORS = 100_000


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a state dict by name, on the CPU; of a training's checkpoint those of its network.

    Raises
    ------
    ModelFileError
        If the file is damaged, of another kind, or would have to run code to be read.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ModelFileError(
            f"{path.name} is no model file: these end in {', '.join(SUFFIXES)}, packages of bioimage.io in .zip."
        )
    found = read_weights(path) if path.suffix.lower() == SUFFIX else _unpickled(path)
    tensors = {str(k): v for k, v in _state_dict(found).items() if isinstance(v, Tensor)}
    if not tensors:
        raise ModelFileError(f"{path.name} holds no tensors by name, so it is no checkpoint of a network.")
    _check_sizes(path, tensors)
    # Own memory for each: files keep no sharing.
    return {name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}


def _state_dict(found: Any) -> Mapping[Any, Any]:
    from napari_superres.models.foreign.detect import spandrel

    if not isinstance(found, Mapping):
        return {}
    state: Any = spandrel().canonicalize_state_dict(_named(found))
    return state if isinstance(state, Mapping) else {}


def _named(found: Mapping[Any, Any]) -> dict[str, Any]:
    """Return what has a name, in checkpoints within checkpoints too."""
    return {k: _named(v) if isinstance(v, Mapping) else v for k, v in found.items() if isinstance(k, str)}


def _unpickled(path: Path) -> Any:
    """Return what is in a file of torch, read by the reader that makes nothing but tensors and plain values."""
    try:
        with path.open("rb") as file:
            is_zip = file.read(2) == b"PK"
        if is_zip:
            _check_zip(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sparse tensors, which are refused
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except ModelFileError:
        raise
    except pickle.UnpicklingError as error:
        wanted = re.search(r"GLOBAL ([\w.]+)|global[^\n]*?`?([\w]+(?:\.[\w]+)+)", str(error))
        what = f" ({next(g for g in wanted.groups() if g)})" if wanted else ""
        raise ModelFileError(
            f"{path.name} is a pickle that holds more than weights{what} and could run code when opened, so it is not. "
            "Ask for the weights as .safetensors."
        ) from error
    except (
        OSError,
        EOFError,
        RuntimeError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        AssertionError,
        MemoryError,
        OverflowError,
        struct.error,
        zipfile.BadZipFile,
    ) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ModelFileError(f"{path.name} is damaged or no checkpoint ({said}). Get the file again.") from error


def _check_zip(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    names = [m.filename for m in members]
    if any(n.endswith("constants.pkl") or "/code/" in n for n in names):
        raise ModelFileError(
            f"{path.name} is TorchScript: a program, not weights. Add the bioimage.io package it belongs to, which "
            "says what it takes and makes."
        )
    if not any(n.endswith("data.pkl") for n in names):
        raise ModelFileError(f"{path.name} is a zip file and no checkpoint of torch.")
    # torch stores members as they are; compressed ones may unpack to any size.
    if any(m.compress_type != zipfile.ZIP_STORED or m.file_size != m.compress_size for m in members):
        raise ModelFileError(f"{path.name} was not written by torch: it is compressed. Get the file from its author.")


def _check_sizes(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Refuse tensors that take more memory than there are bytes in the file."""
    if len(tensors) > _MOST_TENSORS:
        raise ModelFileError(f"{path.name} holds {len(tensors)} tensors; no network does.")
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
            raise ModelFileError(f"{path.name}: {name[:100]} is no plain tensor.")
    if any(t.is_complex() for t in tensors.values()) or not any(t.is_floating_point() for t in tensors.values()):
        raise ModelFileError(
            f"{path.name} holds no floating-point weights, or complex ones, which no network here has."
        )
    needed = sum(t.numel() * t.element_size() for t in tensors.values())
    if needed > _MOST_SHARED * path.stat().st_size + _SPARE_BYTES:
        raise ModelFileError(
            f"{path.name} declares tensors of {needed / 1e9:.1f} GB in a file of {path.stat().st_size / 1e6:.1f} MB. "
            "It is damaged or made to fill the memory."
        )
