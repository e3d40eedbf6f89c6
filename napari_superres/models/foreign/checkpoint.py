"""Tensors of checkpoints, read without running what is in them."""

import pickle
import re
import struct
import sys
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_superres.errors import ModelFileError
from napari_superres.models.foreign.loaders.file_kinds import check_kind
from napari_superres.models.foreign.loaders.hyperparameters import emptied
from napari_superres.models.foreign.loaders.wrappers import readings
from napari_superres.models.model_file import ASK_FOR_SAFETENSORS, GET_AGAIN, SUFFIX, read_weights

SUFFIXES = (SUFFIX, ".pth", ".pt", ".ckpt", ".bin", ".pkl", ".tar", ".model")

_MAX_SHARED, _SPARE_BYTES = 16, 2**20
"""Tensors may take this many times the file's size, because some share memory, and this many bytes more."""

_MAX_TENSORS = 100_000
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


def read_checkpoint(path: Path) -> list[dict[str, Tensor]]:
    """Return the tensors of a network by name, on the CPU, in each way in which the file can be read.

    A training checkpoint holds more than the network, under names of its own; the likeliest reading comes first.

    Raises
    ------
    ModelFileError
        If the file is damaged, of another kind, or would have to run code to be read.
    """
    is_plain = path.suffix.lower() == SUFFIX
    if not is_plain:
        check_kind(path, SUFFIXES)
    found = list(readings(read_weights(path) if is_plain else _unpickle(path)))
    if not found:
        raise ModelFileError(
            f"{path.name} holds no floating-point weights by name, so it is no checkpoint of a network."
        )
    tensors = {id(tensor): (name, tensor) for reading in found for name, tensor in reading.items()}
    _check_sizes(path, list(tensors.values()))
    # Each tensor gets its own memory, because model files cannot hold shared ones.
    own = {key: t.detach().clone(memory_format=torch.contiguous_format) for key, (_, t) in tensors.items()}
    return [{name: own[id(tensor)] for name, tensor in reading.items()} for reading in found]


def _unpickle(path: Path) -> Any:
    """Return the content of torch's file, by the reader that creates nothing but tensors and plain values."""
    try:
        with path.open("rb") as file:
            is_zip = file.read(2) == b"PK"
        if is_zip:
            _check_zip(path)
        with warnings.catch_warnings(), emptied():
            warnings.simplefilter("ignore")  # torch warns of sparse tensors, which are refused below.
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except ModelFileError:
        raise
    except pickle.UnpicklingError as error:
        raise _refused(path, str(error)) from error
    except _READ_ERRORS as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ModelFileError(f"{path.name} is damaged or no checkpoint ({reason}).", remedy=GET_AGAIN) from error


def _refused(path: Path, reason: str) -> ModelFileError:
    """Return the error for a pickle that asks for more than tensors; `reason` is torch's."""
    if zipfile.is_zipfile(path) and _is_damaged(path):
        return ModelFileError(f"{path.name} is damaged: its checksums are wrong.", remedy=GET_AGAIN)
    match = re.search(r"GLOBAL ([\w.]+)|global:? ([\w]+(?:\.[\w]+)+) was not", reason)
    wanted = next(g for g in match.groups() if g) if match else ""
    module, _, name = wanted.rpartition(".")
    # Classes begin with a capital letter; those of Python's own modules are no networks.
    if name[:1].isupper() and module.split(".")[0] not in sys.stdlib_module_names | {"__builtin__"} - {"__main__"}:
        file = path.name if re.fullmatch(r"[\w. -]+", path.name) else f"FILE{path.suffix}"
        save = (
            f"import torch; m = torch.load('{file}', 'cpu', weights_only=False); "
            "m = m if hasattr(m, 'state_dict') else m['model']; torch.save(m.state_dict(), 'weights.pth')"
        )
        return ModelFileError(
            f"{path.name} is a pickle of a whole network or another object ({wanted}): it holds more than weights. "
            "Opening it could run code, so it was not opened.",
            remedy="If you trust it, save its weights where its code is installed, and add these: "
            f'`python -c "{save}"`.',
        )
    contents = f" ({wanted})" if wanted else ""
    return ModelFileError(
        f"{path.name} is a pickle that holds more than weights{contents}. Opening it could run code, so it was not "
        "opened.",
        remedy=ASK_FOR_SAFETENSORS,
    )


def _is_damaged(path: Path) -> bool:
    """Return whether a member of a zip file is not what was written."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is not None
    except _READ_ERRORS:
        return True


def _check_zip(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    names = [m.filename for m in members]
    if any(n.endswith("constants.pkl") or "/code/" in n for n in names):
        raise ModelFileError(
            f"{path.name} is TorchScript: a program, not weights.",
            remedy="Add the bioimage.io package that it belongs to, or an .onnx or .pt2 file of the same network: "
            "torch.onnx.export(torch.jit.load(file), example, 'network.onnx', dynamo=False) makes one.",
        )
    if not any(n.endswith("data.pkl") for n in names):
        raise ModelFileError(f"{path.name} is a zip file and no checkpoint of torch.")
    # torch does not compress members. A compressed one could unpack to any size.
    if any(m.compress_type != zipfile.ZIP_STORED or m.file_size != m.compress_size for m in members):
        raise ModelFileError(
            f"{path.name} was not written by torch: it is compressed.", remedy="Get the file from its author."
        )


def _check_sizes(path: Path, named: Sequence[tuple[str, Tensor]]) -> None:
    """Refuse tensors that are not a network's weights, or take far more memory than the file has bytes."""
    if len(named) > _MAX_TENSORS:
        raise ModelFileError(f"{path.name} holds {len(named)} tensors; no network has more than {_MAX_TENSORS}.")
    for name, tensor in named:
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
            raise ModelFileError(f"{path.name}: {name[:100]} is no plain tensor.")
    tensors = [tensor for _, tensor in named]
    if any(t.is_complex() for t in tensors) or not any(t.is_floating_point() for t in tensors):
        raise ModelFileError(f"{path.name} must hold floating-point weights, none of them complex.")
    needed = sum(t.numel() * t.element_size() for t in tensors)
    if needed > _MAX_SHARED * path.stat().st_size + _SPARE_BYTES:
        raise ModelFileError(
            f"{path.name} declares tensors of {needed / 1e9:.1f} GB in a file of {path.stat().st_size / 1e6:.1f} MB. "
            "It is damaged or made to fill the memory."
        )
    if not all(bool(t.isfinite().all()) for t in tensors if t.is_floating_point() and t.element_size() > 1):
        raise ModelFileError(
            f"{path.name} holds weights that are not finite: its training failed.", remedy="Use an earlier checkpoint."
        )
