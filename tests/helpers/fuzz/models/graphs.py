"""Damage to ONNX: operations, attributes, shapes, names and places of data."""

import hashlib
import json
from random import Random
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from helpers.fuzz.models.cards import damage_json
from helpers.fuzz.models.checkpoints import read_members, write_members

_OPERATIONS = (
    "Identity",
    "Div",
    "Mod",
    "Reshape",
    "Tile",
    "Expand",
    "Pad",
    "Resize",
    "Softmax",
    "Cast",
    "MatMul",
    "NoSuch",
)
_NUMBERS = (0, 1, -1, 2, 3, 255, 2**20, 2**31 - 1, 2**62)


def damage_graph(rng: Random, data: bytes) -> bytes:
    """Return a package whose ONNX program is another one."""
    members = read_members(data)
    members["weights.onnx"] = _damaged(rng, members["weights.onnx"])
    description = json.loads(members["rdf.yaml"])
    description["weights"]["onnx"]["sha256"] = hashlib.sha256(members["weights.onnx"]).hexdigest()
    members["rdf.yaml"] = json.dumps(description).encode()
    return write_members(members)


def damage_description(rng: Random, data: bytes) -> bytes:
    """Return a package whose description says something else."""
    members = read_members(data)
    members["rdf.yaml"] = damage_json(rng, members["rdf.yaml"])
    return write_members(members)


def _damaged(rng: Random, program: bytes) -> bytes:
    model = ModelProto.FromString(program)
    graph = model.graph
    node = rng.choice(graph.node)
    tensor = rng.choice(graph.initializer)
    how = rng.randrange(8)
    if how == 0:
        node.op_type = rng.choice(_OPERATIONS)
    elif how == 1 and node.attribute:
        attribute = rng.choice(node.attribute)
        attribute.i = rng.choice(_NUMBERS)
        attribute.ints[:] = [rng.choice(_NUMBERS) for _ in attribute.ints]
    elif how == 2:
        tensor.dims[:] = [rng.choice(_NUMBERS) for _ in tensor.dims]
    elif how == 3:
        node.input[:] = [rng.choice([*node.output, "x", "w", "b", "add", "none"]) for _ in node.input]
    elif how == 4:
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=rng.choice(("/etc/passwd", "../rdf.yaml", "rdf.yaml", "")))
        tensor.ClearField("raw_data")
    elif how == 5:
        _fill(rng, graph.node, graph.initializer)
    elif how == 6:
        _divide_by_size(graph.node, graph.initializer)
    else:
        graph.node.remove(node)
    content: bytes = model.SerializeToString()
    return content


def _fill(rng: Random, nodes: Any, initializers: Any) -> None:
    """Add a constant of up to eight gigabytes to the result."""
    size = numpy_helper.from_array(np.array([rng.choice((10, 2**20, 2**31))]), "many")
    _add(nodes, initializers, [helper.make_node("ConstantOfShape", ["many"], ["filled"])], "filled", [size])


def _divide_by_size(nodes: Any, initializers: Any) -> None:
    """Divide by an integer that is 0 for images below 16 pixels."""
    numbers = [numpy_helper.from_array(np.array(n), f"n{n}") for n in (2, 16)]
    made = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "n2"], ["height"]),
        helper.make_node("Div", ["height", "n16"], ["steps"]),
        helper.make_node("Div", ["height", "steps"], ["step"]),
        helper.make_node("Cast", ["step"], ["number"], to=TensorProto.FLOAT),
    ]
    _add(nodes, initializers, made, "number", numbers)


def _add(nodes: Any, initializers: Any, made: list[NodeProto], name: str, tensors: list[TensorProto]) -> None:
    last = nodes[-1]
    result = last.output[0]
    last.output[0] = "before"
    zero = numpy_helper.from_array(np.zeros((), np.float32), "zero")
    made += [
        helper.make_node("ReduceMax", [name], ["one"], keepdims=0),
        helper.make_node("Mul", ["one", "zero"], ["nothing"]),
        helper.make_node("Add", ["before", "nothing"], [result]),
    ]
    nodes.extend(made)
    initializers.extend([zero, *tensors])
