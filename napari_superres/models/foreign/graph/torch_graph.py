"""`TorchGraph`: a graph of ONNX computed by torch, operator by operator.

Converters from the package registry do not hold up: onnx2torch 1.5.15 knows no operator set beyond 16, onnx2pytorch 0.6
fails on half of the exports of torch. Here each operator is a line of a table, and a graph is used only if it makes
what onnxruntime makes; see ``exact``. In torch a network runs on accelerators, and its halo can be measured exactly.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_superres.errors import ModelFileError
from napari_superres.models.foreign.graph.arithmetic import ARITHMETIC, Operator
from napari_superres.models.foreign.graph.layers import LAYERS
from napari_superres.models.foreign.graph.shapes import SHAPES

OPERATORS: dict[str, Operator] = {**ARITHMETIC, **SHAPES, **LAYERS}
_OWN = ("", "ai.onnx")
_BRANCH = "If"
_HALF = 10
_WIDE = (torch.float32, torch.float64)


class TorchGraph(nn.Module):
    """A graph of ONNX with one input, of which the first output is returned.

    Parameters
    ----------
    model
        `onnx.ModelProto` whose data were loaded.

    Raises
    ------
    ModelFileError
        If an operator is not understood.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        if unknown := sorted(_operators(model.graph) - set(OPERATORS) - {"Constant", _BRANCH}):
            raise ModelFileError(f"operators of the graph are not known to torch: {', '.join(unknown)[:200]}.")
        self.output = model.graph.output[0].name
        self.is_half = any(tensor.data_type == _HALF for tensor in model.graph.initializer)
        self._plan = _Plan(model.graph, self)
        if len(self._plan.inputs) != 1:
            raise ModelFileError("the graph must take one tensor.")
        self.input = self._plan.inputs[0]
        self.shape: tuple[int | None, ...] = ()
        # Callers read the device and precision of a module from its first parameter.
        self.anchor = nn.Parameter(torch.empty(0), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the first output."""
        x = x if x.is_floating_point() else x.to(self.anchor.dtype)  # Whole numbers, which floats hold.
        values = self._plan.run({self.input: x}, self, x.dtype)
        result = values[self.output]
        return result if result.is_floating_point() else result.to(x.dtype)


class _Plan:
    """The nodes of a graph, in an order in which each finds its inputs computed."""

    def __init__(self, graph: Any, owner: nn.Module) -> None:
        self.constants: dict[str, str | Tensor] = {}
        for tensor in graph.initializer:
            self._keep(tensor.name, _tensor(tensor), owner)
        self.inputs = [value.name for value in graph.input if value.name not in self.constants]
        self.nodes: list[tuple[str, dict[str, Any], list[str], list[str]]] = []
        for node in graph.node:
            attributes = {a.name: _attribute(a, owner) for a in node.attribute}
            if node.op_type == "Constant":
                self._keep(node.output[0], _constant(attributes), owner)
            else:
                attributes["outputs"] = len(node.output)
                self.nodes.append((node.op_type, attributes, list(node.input), list(node.output)))
        self._last = _last_uses(self.nodes, [value.name for value in graph.output])

    def _keep(self, name: str, value: Tensor, owner: nn.Module) -> None:
        """Keep a constant: numbers of the network as a buffer, which follows its device and precision."""
        if not value.is_floating_point():
            self.constants[name] = value
            return
        key = f"c{len(owner._buffers)}"
        owner.register_buffer(key, value)
        self.constants[name] = key

    def run(self, given: Mapping[str, Tensor], owner: nn.Module, dtype: torch.dtype) -> dict[str, Tensor]:
        """Return the values that are alive at the end."""
        buffers = owner._buffers
        values: dict[str, Any] = {k: buffers[v] if isinstance(v, str) else v for k, v in self.constants.items()}
        values |= given
        for at, (kind, attributes, inputs, outputs) in enumerate(self.nodes):
            if kind == _BRANCH:
                branch: _Plan = attributes["then_branch" if bool(values[inputs[0]]) else "else_branch"]
                inner = branch.run(values, owner, dtype)
                made: Any = tuple(inner[name] for name in branch.results)
            else:
                made = OPERATORS[kind](attributes, *(values[name] if name else None for name in _trimmed(inputs)))
            for name, value in zip(outputs, made if isinstance(made, tuple) else (made,), strict=False):
                # Whole numbers that become fractions take the precision of the input; autocast has its own.
                values[name] = value.to(dtype) if value.dtype in _WIDE else value
            for name in self._last.get(at, ()):
                values.pop(name, None)
        return values

    results: list[str]


def _trimmed(inputs: list[str]) -> list[str]:
    while inputs and not inputs[-1]:
        inputs = inputs[:-1]
    return inputs


def _last_uses(nodes: list[Any], kept: list[str]) -> dict[int, list[str]]:
    """Return which values are needed no more after each node, so that their memory is freed."""
    if any(kind == _BRANCH for kind, *_ in nodes):
        return {}  # Branches read values of the graph around them.
    last: dict[str, int] = {}
    for at, (_, _, inputs, outputs) in enumerate(nodes):
        last |= dict.fromkeys((*inputs, *outputs), at)
    freed: dict[int, list[str]] = {}
    for name, at in last.items():
        if name and name not in kept:
            freed.setdefault(at, []).append(name)
    return freed


def _operators(graph: Any) -> set[str]:
    """Return the kinds of nodes, those of branches included; others than ONNX's own with their domain."""
    kinds = set()
    for node in graph.node:
        kinds.add(node.op_type if node.domain in _OWN else f"{node.domain}.{node.op_type}")
        for attribute in node.attribute:
            if attribute.HasField("g"):
                kinds |= _operators(attribute.g)
    return kinds


def _tensor(proto: Any) -> Tensor:
    from onnx import numpy_helper

    array = np.array(numpy_helper.to_array(proto))
    if array.dtype.kind == "f":
        return torch.from_numpy(array.astype(np.float32 if array.dtype.itemsize < 8 else np.float64)).float()
    return torch.from_numpy(array.astype(np.bool_ if array.dtype.kind == "b" else np.int64))


def _attribute(attribute: Any, owner: nn.Module) -> Any:
    from onnx import helper

    value = helper.get_attribute_value(attribute)
    if attribute.HasField("t"):
        return _tensor(value)
    if attribute.HasField("g"):
        branch = _Plan(value, owner)
        branch.results = [v.name for v in value.output]
        return branch
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return list(value) if hasattr(value, "append") else value


def _constant(attributes: Mapping[str, Any]) -> Tensor:
    value = next(iter(attributes.values()))
    return value if isinstance(value, Tensor) else torch.tensor(value)
