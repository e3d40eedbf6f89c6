"""Tiny bioimage.io packages of a network that doubles Y and X, in each version and format of weights."""

import hashlib
import json
import warnings
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import onnx
import torch
from numpy.typing import ArrayLike, DTypeLike, NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from napari_superres.models.foreign.packages.package import read_package
from napari_superres.models.foreign.programs import build_program

SOURCE = """
import torch
from torch import nn

class Tiny(nn.Module):
    def __init__(self, channels=1):
        super().__init__()
        self.convolution = nn.Conv2d(channels, 4 * channels, 3, padding=1)
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, x):
        found = self.shuffle(self.convolution(x.to(self.convolution.weight.dtype)))
        x.zero_()  # The caller must protect its image from such changes in place.
        return found
"""


class Tiny(nn.Module):
    """Convolution and pixel shuffle."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, 4 * channels, 3, padding=1)
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # torch.jit.script reads the types
        found: torch.Tensor = self.shuffle(self.convolution(x.to(self.convolution.weight.dtype)))
        return found


def network(channels: int = 1) -> Tiny:
    """Return the network with weights that are always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Tiny(channels).eval().requires_grad_(False)


def onnx_program(net: Tiny, order: str = "bcyx", kind: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """Return the network as ONNX, with axes in the given order."""
    letters = [a for a in order if a in "bcyx"]
    whole = [*letters, *(a for a in "bcyx" if a not in letters)]
    add = [whole.index(a) for a in whole[len(letters) :]]
    nodes = [helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT)]
    nodes.append(
        helper.make_node("Unsqueeze", ["f", "add"], ["u"]) if add else helper.make_node("Identity", ["f"], ["u"])
    )
    nodes += [
        helper.make_node("Transpose", ["u"], ["t"], perm=[whole.index(a) for a in "bcyx"]),
        helper.make_node("Conv", ["t", "w", "b"], ["v"], pads=[1, 1, 1, 1]),
        helper.make_node("DepthToSpace", ["v"], ["s"], blocksize=2, mode="CRD"),
        helper.make_node("Transpose", ["s"], ["p"], perm=["bcyx".index(a) for a in whole]),
        helper.make_node("Squeeze", ["p", "add"], ["y"]) if add else helper.make_node("Identity", ["p"], ["y"]),
    ]
    weights = [
        numpy_helper.from_array(net.convolution.weight.numpy(), "w"),
        numpy_helper.from_array(dict(net.named_parameters())["convolution.bias"].numpy(), "b"),
        numpy_helper.from_array(np.array(add or [0], dtype=np.int64), "add"),
    ]
    free = [None] * len(letters)
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", kind, free)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, free)],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def torchscript(net: Tiny) -> bytes:
    """Return the network as a TorchScript file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = BytesIO()
        torch.jit.save(torch.jit.script(net), content)
    return content.getvalue()


def state_dict(net: Tiny) -> bytes:
    """Return the weights as a checkpoint."""
    content = BytesIO()
    torch.save(net.state_dict(), content)
    return content.getvalue()


def npy_bytes(values: ArrayLike) -> bytes:
    """Return an array as a file of numpy."""
    content = BytesIO()
    np.save(content, values)
    return content.getvalue()


def apply_network(x: NDArray[Any], net: Tiny | None = None) -> NDArray[Any]:
    """Return the network's output for ``(B, C, Y, X)``, as a numpy array."""
    result: torch.Tensor = (net or network(x.shape[1]))(torch.from_numpy(np.asarray(x, dtype=np.float32)))
    return result.numpy()


def example_image(channels: int = 1, dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Return a random image ``(1, C, 10, 12)``."""
    values = np.random.default_rng(1).gamma(2.0, 20.0, (1, channels, 10, 12))
    return values.astype(dtype)


def reorder(values: NDArray[Any], order: str) -> NDArray[Any]:
    """Return ``(1, C, Y, X)`` with its axes in an order such as ``"yxc"``."""
    letters = [a for a in order if a in "bcyx"]
    lacking = [a for a in "bcyx" if a not in letters]
    values = values.transpose(["bcyx".index(a) for a in (*letters, *lacking)])
    return np.ascontiguousarray(values.reshape(values.shape[: len(letters)]))


def axes(order: str, channels: int, output: bool) -> list[dict[str, Any]]:
    """Return the description of a tensor's axes, as format 0.5 has it."""

    def axis(letter: str) -> dict[str, Any]:
        if letter == "b":
            return {"type": "batch"}
        if letter == "c":
            return {"type": "channel", "channel_names": [f"channel{i}" for i in range(channels)]}
        if output:
            return {"type": "space", "id": letter, "scale": 0.5, "size": {"tensor_id": "input", "axis_id": letter}}
        return {"type": "space", "id": letter, "size": {"min": 8, "step": 2}}

    return [axis(letter) for letter in order]


def description_05(
    weights: dict[str, Any], order: str, channels: int, before: Iterable[Any], after: Iterable[Any], dtype: str
) -> dict[str, Any]:
    """Return a description in format 0.5."""
    return {
        "type": "model",
        "format_version": "0.5.4",
        "name": "Tiny doubling of Y and X",
        "description": "For tests.",
        "authors": [{"name": "Ada Lovelace"}],
        "license": "BSD-3-Clause",
        "version": "2.1",
        "cite": [{"text": "Lovelace: Notes", "doi": "10.1000/182"}],
        "documentation": "README.md",
        "inputs": [
            {
                "id": "input",
                "axes": axes(order, channels, False),
                "test_tensor": {"source": "input.npy"},
                "data": {"type": dtype},
                "preprocessing": list(before),
            }
        ],
        "outputs": [
            {
                "id": "output",
                "axes": axes(order, channels, True),
                "test_tensor": {"source": "output.npy"},
                "postprocessing": list(after),
            }
        ],
        "weights": weights,
    }


def description_04(
    weights: dict[str, Any], order: str, channels: int, before: Iterable[Any], after: Iterable[Any], dtype: str
) -> dict[str, Any]:
    """Return a description in format 0.4."""
    least = [{"b": 1, "c": channels}.get(a, 8) for a in order]
    return {
        "type": "model",
        "format_version": "0.4.10",
        "name": "Tiny doubling of Y and X",
        "description": "For tests.",
        "authors": [{"name": "Ada Lovelace"}],
        "license": "BSD-3-Clause",
        "version": "2.1",
        "cite": [{"text": "Lovelace: Notes", "doi": "10.1000/182"}],
        "documentation": "README.md",
        "covers": [],
        "timestamp": "2024-01-01T00:00:00",
        "tags": [],
        "test_inputs": ["input.npy"],
        "test_outputs": ["output.npy"],
        "inputs": [
            {
                "name": "input",
                "axes": order,
                "data_type": dtype,
                "preprocessing": list(before),
                "shape": {"min": least, "step": [2 if a in "yx" else 0 for a in order]},
            }
        ],
        "outputs": [
            {
                "name": "output",
                "axes": order,
                "data_type": "float32",
                "postprocessing": list(after),
                "shape": {
                    "reference_tensor": "input",
                    "offset": [0.0] * len(order),
                    "scale": [2.0 if a in "yx" else 1.0 for a in order],
                },
            }
        ],
        "weights": weights,
    }


def write_package(
    path: Path,
    *,
    spec: str = "0.5",
    weights: str = "onnx",
    order: str = "bcyx",
    channels: int = 1,
    before: Iterable[Any] = (),
    after: Iterable[Any] = (),
    dtype: str = "float32",
    test_input: NDArray[Any] | None = None,
    test_output: NDArray[Any] | None = None,
    kind: int = TensorProto.FLOAT,
    source: str = SOURCE,
    edit: Callable[[dict[str, Any]], object] | None = None,
    files: Iterable[tuple[str, bytes | None]] | Mapping[str, bytes | None] = (),
) -> Path:
    """Write a package: a zip file, or a folder if the path has no suffix.

    `test_input` and `test_output` are its test tensors ``(1, C, Y, X)``; `edit` changes the description. `files` adds,
    replaces or, with None, removes files.
    """
    net = network(channels)
    test_input = example_image(channels, np.dtype(dtype)) if test_input is None else test_input
    test_output = apply_network(test_input, net) if test_output is None else test_output
    programs: dict[str, tuple[str, Callable[[], bytes]]] = {
        "onnx": ("weights.onnx", lambda: onnx_program(net, order, kind).SerializeToString()),
        "torchscript": ("weights.pt", lambda: torchscript(net)),
        "pytorch_state_dict": ("weights.pt", lambda: state_dict(net)),
    }
    file, serialise = programs.get(weights, ("weights.h5", lambda: b"\x89HDF"))
    content: dict[str, bytes | None] = {
        file: serialise(),
        "input.npy": npy_bytes(reorder(test_input, order)),
        "output.npy": npy_bytes(reorder(test_output, order)),
        "README.md": b"# Validation",
    }
    entry: dict[str, Any] = {"source": file, "sha256": hashlib.sha256(content[file] or b"").hexdigest()}
    if weights == "onnx":
        entry["opset_version"] = 17
    elif weights == "keras_hdf5":
        entry["tensorflow_version"] = "2.10"
    else:
        entry["pytorch_version"] = "2.6"
    if weights == "pytorch_state_dict":
        content["tiny.py"] = source.encode()
        sha256 = hashlib.sha256(source.encode()).hexdigest()
        kwargs = {"channels": channels}
        if spec == "0.4":
            entry |= {"architecture": "tiny.py:Tiny", "architecture_sha256": sha256, "kwargs": kwargs}
        else:
            entry["architecture"] = {"source": "tiny.py", "callable": "Tiny", "sha256": sha256, "kwargs": kwargs}
    describe = description_04 if spec == "0.4" else description_05
    description = describe({weights: entry}, order, channels, before, after, dtype)
    if edit is not None:
        edit(description)
    content |= {"rdf.yaml": json.dumps(description, indent=1).encode()}  # JSON is YAML
    content |= dict(files)
    return write_files(path, {name: data for name, data in content.items() if data is not None})


def load_package(path: Path, *, trusted: bool = False) -> tuple[Any, Any]:
    """Return the model in a package and its network, after comparing it with the author's test output."""
    found = read_package(path, trusted=trusted)
    program = build_program(found.card, found.weights)
    assert found.check is not None
    found.check(program)
    return found, program


def noise(channels: int = 1, batch: int = 2) -> torch.Tensor:
    """Return random images ``(B, C, 8, 10)``, some of whose values are negative."""
    return torch.rand(batch, channels, 8, 10, generator=torch.Generator().manual_seed(3)) - 0.3


def write_files(path: Path, content: Mapping[str, bytes]) -> Path:
    """Write files into a zip file, or into a folder if the path has no suffix."""
    if path.suffix:
        with ZipFile(path, "w") as archive:
            for name, data in content.items():
                archive.writestr(name, data)
        return path
    path.mkdir()
    for name, data in content.items():
        (path / name).write_bytes(data)
    return path


def with_external_data(model: onnx.ModelProto, name: str) -> tuple[bytes, bytes]:
    """Return an ONNX program with external weights, and the bytes of these weights."""
    data = b""
    for tensor in model.graph.initializer:
        if tensor.name == "add":
            continue
        onnx.external_data_helper.set_external_data(tensor, name, offset=len(data), length=len(tensor.raw_data))
        data += tensor.raw_data
        tensor.ClearField("raw_data")
    return model.SerializeToString(), data
