"""Tensors of checkpoints, read without running what is in them."""

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
from napari_superres.models.model_file import ASK_FOR_SAFETENSORS, GET_AGAIN, SUFFIX, read_weights

SUFFIXES = (SUFFIX, ".pth", ".pt", ".ckpt", ".bin")

_MAX_SHARED, _SPARE_BYTES = 16, 2**20
"""Tensors may take this many times the file's size, because some share memory, and this many bytes more."""

_MAX_TENSORS = 100_000
_LEVELS = 3
"""Levels of mappings in which a checkpoint may keep the weights."""

_READ_ERRORS = (
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
)
"""What torch raises for damaged files."""


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a state dict by name, on the CPU; from a training checkpoint those of its network.

    Raises
    ------
    ModelFileError
        If the file is damaged, of another kind, or would have to run code to be read.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ModelFileError(
            f"{path.name} is no model file: these end in {', '.join(SUFFIXES)}, packages of bioimage.io in .zip."
        )
    content = read_weights(path) if path.suffix.lower() == SUFFIX else _unpickle(path)
    tensors = {str(k): v for k, v in _state_dict(content).items() if isinstance(v, Tensor)}
    if not tensors:
        raise ModelFileError(f"{path.name} holds no tensors by name, so it is no checkpoint of a network.")
    _check_sizes(path, tensors)
    # Each tensor gets its own memory, because model files cannot hold shared ones.
    return {name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}


def _state_dict(content: Any) -> Mapping[Any, Any]:
    from napari_superres.models.foreign.spandrel_models import import_spandrel

    if not isinstance(content, Mapping):
        return {}
    state: Any = import_spandrel().canonicalize_state_dict(_with_text_keys(content, _LEVELS))
    return state if isinstance(state, Mapping) else {}


def _with_text_keys(content: Mapping[Any, Any], levels: int) -> dict[str, Any]:
    """Return the entries whose key is a text, in mappings nested that many levels deep too."""
    # A mapping may hold itself, or another one many times.
    return {
        k: _with_text_keys(v, levels - 1) if levels and isinstance(v, Mapping) else v
        for k, v in content.items()
        if isinstance(k, str)
    }


def _unpickle(path: Path) -> Any:
    """Return the content of torch's file, by the reader that creates nothing but tensors and plain values."""
    try:
        with path.open("rb") as file:
            is_zip = file.read(2) == b"PK"
        if is_zip:
            _check_zip(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of sparse tensors, which are refused below.
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except ModelFileError:
        raise
    except pickle.UnpicklingError as error:
        match = re.search(r"GLOBAL ([\w.]+)|global[^\n]*?`?([\w]+(?:\.[\w]+)+)", str(error))
        contents = f" ({next(g for g in match.groups() if g)})" if match else ""
        raise ModelFileError(
            f"{path.name} is a pickle that holds more than weights{contents}. Opening it could run code, so it was "
            "not opened.",
            remedy=ASK_FOR_SAFETENSORS,
        ) from error
    except _READ_ERRORS as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ModelFileError(f"{path.name} is damaged or no checkpoint ({reason}).", remedy=GET_AGAIN) from error


def _check_zip(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    names = [m.filename for m in members]
    if any(n.endswith("constants.pkl") or "/code/" in n for n in names):
        raise ModelFileError(
            f"{path.name} is TorchScript: a program, not weights.",
            remedy="Add the bioimage.io package that it belongs to, which describes its inputs and outputs.",
        )
    if not any(n.endswith("data.pkl") for n in names):
        raise ModelFileError(f"{path.name} is a zip file and no checkpoint of torch.")
    # torch does not compress members. A compressed one could unpack to any size.
    if any(m.compress_type != zipfile.ZIP_STORED or m.file_size != m.compress_size for m in members):
        raise ModelFileError(
            f"{path.name} was not written by torch: it is compressed.", remedy="Get the file from its author."
        )


def _check_sizes(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Refuse tensors that are not a network's weights, or take far more memory than the file has bytes."""
    if len(tensors) > _MAX_TENSORS:
        raise ModelFileError(f"{path.name} holds {len(tensors)} tensors; no network has more than {_MAX_TENSORS}.")
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
            raise ModelFileError(f"{path.name}: {name[:100]} is no plain tensor.")
    if any(t.is_complex() for t in tensors.values()) or not any(t.is_floating_point() for t in tensors.values()):
        raise ModelFileError(f"{path.name} must hold floating-point weights, none of them complex.")
    needed = sum(t.numel() * t.element_size() for t in tensors.values())
    if needed > _MAX_SHARED * path.stat().st_size + _SPARE_BYTES:
        raise ModelFileError(
            f"{path.name} declares tensors of {needed / 1e9:.1f} GB in a file of {path.stat().st_size / 1e6:.1f} MB. "
            "It is damaged or made to fill the memory."
        )
