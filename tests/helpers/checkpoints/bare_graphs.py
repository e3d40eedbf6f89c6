"""Bare graphs of ONNX like those that people export: a blur of the repeated pixels, in several ranges and types."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper


def graph(
    *,
    channels: int = 3,
    scale: int = 2,
    top: float = 1.0,
    limit: bool = True,
    size: int | None = None,
    whole: bool = False,
    kind: int = TensorProto.UINT8,
    order: str = "bcyx",
    opset: int = 17,
    extra: Sequence[Any] = (),
) -> ModelProto:
    """Return a network for values from 0 to `top`.

    Parameters
    ----------
    limit
        Whether it limits its result to the range; otherwise only values near 0 tell the range.
    size
        The only size that it takes.
    whole
        Whether it takes and makes whole numbers, of the type `kind`.
    extra
        Nodes after the last one, which make ``y`` of ``z``.
    """
    kernel = np.zeros((channels, 1, 3, 3), np.float32)
    kernel[:, 0] = np.array([[0, 1, 0], [1, 12, 1], [0, 1, 0]]) / 16
    values = {
        "kernel": kernel,
        "scales": np.array([1, 1, scale, scale], np.float32),
        "zero": np.float32(0),
        "top": np.float32(top),
        "level": np.float32(top / 255 if top > 1 else 0),
        "half": np.float32(0.5),
    }
    nodes = [helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT)]
    if order == "byxc":
        nodes.append(helper.make_node("Transpose", ["f"], ["g"], perm=[0, 3, 1, 2]))
    given = "g" if order == "byxc" else "f"
    nodes += [
        helper.make_node(
            "Resize",
            [given, "", "scales"],
            ["r"],
            mode="nearest",
            nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        ),
        helper.make_node("Conv", ["r", "kernel"], ["c"], pads=[1, 1, 1, 1], group=channels),
        helper.make_node("Sub", ["level", "c"], ["d"]),
        helper.make_node("Relu", ["d"], ["e"]),
        helper.make_node("Add", ["c", "e"], ["s"]),
        helper.make_node("Clip", ["s", "zero", "top"], ["k"]) if limit else helper.make_node("Identity", ["s"], ["k"]),
    ]
    if order == "byxc":
        nodes.append(helper.make_node("Transpose", ["k"], ["t"], perm=[0, 2, 3, 1]))
    result = "t" if order == "byxc" else "k"
    if whole:
        nodes += [helper.make_node("Round", [result], ["o"]), helper.make_node("Cast", ["o"], ["z"], to=kind)]
    else:
        nodes.append(helper.make_node("Identity", [result], ["z"]))
    nodes += extra or [helper.make_node("Identity", ["z"], ["y"])]
    kind = kind if whole else TensorProto.FLOAT
    letters = {"b": 1 if size else "b", "c": channels, "y": size or "h", "x": size or "w"}
    made = {"b": letters["b"], "c": channels, "y": size and size * scale, "x": size and size * scale}
    inputs = [helper.make_tensor_value_info("x", kind, [letters[a] for a in order])]
    outputs = [helper.make_tensor_value_info("y", kind, [made[a] for a in order])]
    data = [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]
    whole_graph = helper.make_graph(nodes, "net", inputs, outputs, data)
    return helper.make_model(whole_graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
