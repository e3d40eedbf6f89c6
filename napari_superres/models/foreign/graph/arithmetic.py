"""Operators of ONNX on each value, reductions, norms and products, in torch.

https://onnx.ai/onnx/operators. Each takes the node's attributes and its inputs, None for one that is left out.
Reductions call the functions of torch that `probes.reductions` recognises, so that their statistics can be measured.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Attributes = Mapping[str, Any]
Operator = Callable[..., Any]


def integers(x: Tensor) -> list[int]:
    """Return the values of a small tensor of whole numbers."""
    return [int(v) for v in x.flatten().tolist()]


def _plain(function: Callable[..., Any]) -> Operator:
    """Return an operator that has no attributes."""
    return lambda _, *inputs: function(*inputs)


def _folded(function: Callable[..., Any]) -> Operator:
    return lambda _, *inputs: reduce(function, inputs)


def _divide(_: Attributes, a: Tensor, b: Tensor) -> Tensor:
    if a.is_floating_point() or b.is_floating_point():
        return a / b
    return torch.div(a, b, rounding_mode="trunc")


def _modulo(attributes: Attributes, a: Tensor, b: Tensor) -> Tensor:
    return torch.fmod(a, b) if attributes.get("fmod") else torch.remainder(a, b)


def _clip(attributes: Attributes, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    least = attributes.get("min") if low is None else float(low)
    most = attributes.get("max") if high is None else float(high)
    return x if least is None and most is None else x.clamp(least, most)


def _gelu(attributes: Attributes, x: Tensor) -> Tensor:
    return F.gelu(x, approximate=str(attributes.get("approximate", "none")))


def _prelu(_: Attributes, x: Tensor, slope: Tensor) -> Tensor:
    return torch.where(x < 0, x * slope, x)


def _hard_sigmoid(attributes: Attributes, x: Tensor) -> Tensor:
    return torch.clamp(float(attributes.get("alpha", 0.2)) * x + float(attributes.get("beta", 0.5)), 0, 1)


def _softmax(attributes: Attributes, x: Tensor) -> Tensor:
    return x.softmax(int(attributes.get("axis", -1)))


def _cast(attributes: Attributes, x: Tensor) -> Tensor:
    """Convert between kinds of numbers. Floats keep their precision; images stay floats, to be measured with NaN."""
    kind = int(attributes["to"])
    if kind in _FLOATS:
        return x if x.is_floating_point() else x.to(torch.get_default_dtype())
    if kind == _BOOL:
        return x != 0
    if x.is_floating_point() and x.ndim > 2:
        return x.trunc()
    return x.long()


_FLOATS, _BOOL = (1, 10, 11, 16), 9
"""Numbers of ONNX for the types float, float16, double and bfloat16; bool."""


def _matrix(attributes: Attributes, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    left = a.T if attributes.get("transA") else a
    right = b.T if attributes.get("transB") else b
    result = float(attributes.get("alpha", 1.0)) * (left @ right)
    return result if c is None else result + float(attributes.get("beta", 1.0)) * c


def _einsum(attributes: Attributes, *inputs: Tensor) -> Tensor:
    result: Tensor = torch.einsum(str(attributes["equation"]), *inputs)
    return result


def _axes(attributes: Attributes, x: Tensor, axes: Tensor | None) -> tuple[int, ...] | None:
    """Return the axes of a reduction; None if nothing is reduced."""
    chosen = attributes.get("axes") if axes is None else integers(axes)
    if not chosen:
        return None if attributes.get("noop_with_empty_axes") else tuple(range(x.ndim))
    return tuple(int(a) % x.ndim for a in chosen)


def _reduction(function: Callable[[Tensor, tuple[int, ...], bool], Tensor]) -> Operator:
    def reduced(attributes: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
        chosen = _axes(attributes, x, axes)
        return x if chosen is None else function(x, chosen, bool(attributes.get("keepdims", 1)))

    return reduced


def _product(x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    for axis in sorted(axes, reverse=True):
        x = x.prod(axis, keepdim=keep)
    return x


def _batch_norm(attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    return F.batch_norm(x, mean, var, weight, bias, False, 0.0, float(attributes.get("epsilon", 1e-5)))


def _instance_norm(attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    eps = float(attributes.get("epsilon", 1e-5))
    return F.instance_norm(x, weight=weight, bias=bias, use_input_stats=True, eps=eps)


def _group_norm(attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    groups = int(attributes["num_groups"])
    if len(weight) != x.shape[1]:  # Until version 20 there was one value per group.
        weight, bias = (v.repeat_interleave(x.shape[1] // groups) for v in (weight, bias))
    return F.group_norm(x, groups, weight, bias, float(attributes.get("epsilon", 1e-5)))


def _layer_norm(attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    shape = x.shape[int(attributes.get("axis", -1)) % x.ndim :]
    bias = bias if bias is None else bias.expand(shape)
    return F.layer_norm(x, shape, weight.expand(shape), bias, float(attributes.get("epsilon", 1e-5)))


def _lp_norm(attributes: Attributes, x: Tensor) -> Tensor:
    axis, p = int(attributes.get("axis", -1)), int(attributes.get("p", 2))
    length: Tensor = torch.linalg.vector_norm(x, p, axis, keepdim=True)
    return x / length


def _global_pool(function: Callable[[Tensor, tuple[int, ...], bool], Tensor]) -> Operator:
    return lambda _, x: function(x, tuple(range(2, x.ndim)), True)


def _mean(x: Tensor, axes: Sequence[int], keep: bool) -> Tensor:
    return torch.mean(x, dim=tuple(axes), keepdim=keep)


def _maximum(x: Tensor, axes: Sequence[int], keep: bool) -> Tensor:
    return torch.amax(x, dim=tuple(axes), keepdim=keep)


def _norm2(x: Tensor, axes: Sequence[int], keep: bool) -> Tensor:
    result: Tensor = torch.linalg.vector_norm(x, 2, tuple(axes), keepdim=keep)
    return result


def _extreme(function: Callable[..., Tensor]) -> Operator:
    def position(attributes: Attributes, x: Tensor) -> Tensor:
        return function(x, dim=int(attributes.get("axis", 0)), keepdim=bool(attributes.get("keepdims", 1)))

    return position


def _average(_: Attributes, *inputs: Tensor) -> Tensor:
    return reduce(torch.add, inputs) / len(inputs)


_PLAIN: dict[str, Callable[..., Any]] = {
    "Add": torch.add,
    "Sub": torch.sub,
    "Mul": torch.mul,
    "Pow": lambda a, b: a.pow(b.to(a.dtype) if a.is_floating_point() else b),
    "Sqrt": torch.sqrt,
    "Exp": torch.exp,
    "Log": torch.log,
    "Abs": torch.abs,
    "Neg": torch.neg,
    "Reciprocal": torch.reciprocal,
    "Erf": torch.erf,
    "Tanh": torch.tanh,
    "Sigmoid": torch.sigmoid,
    "Relu": torch.relu,
    "HardSwish": F.hardswish,
    "Mish": F.mish,
    "Softplus": F.softplus,
    "Softsign": F.softsign,
    "Floor": torch.floor,
    "Ceil": torch.ceil,
    "Round": torch.round,
    "Sign": torch.sign,
    "Sin": torch.sin,
    "Cos": torch.cos,
    "Where": lambda condition, a, b: torch.where(condition.bool(), a, b),
    "Equal": torch.eq,
    "Greater": torch.gt,
    "GreaterOrEqual": torch.ge,
    "Less": torch.lt,
    "LessOrEqual": torch.le,
    "And": torch.logical_and,
    "Or": torch.logical_or,
    "Not": torch.logical_not,
    "IsNaN": torch.isnan,
    "MatMul": torch.matmul,
}
"""Operators that have no attributes."""

ARITHMETIC: dict[str, Operator] = {
    "Max": _folded(torch.maximum),
    "Min": _folded(torch.minimum),
    "Sum": _folded(torch.add),
    **{name: _plain(function) for name, function in _PLAIN.items()},
    "Identity": lambda _, x: x,
    "Dropout": lambda _, x, *__: x,
    "CastLike": lambda _, x, like: x if x.is_floating_point() == like.is_floating_point() else x.to(like.dtype),
    "Cast": _cast,
    "Div": _divide,
    "Mod": _modulo,
    "Mean": _average,
    "Clip": _clip,
    "Gelu": _gelu,
    "PRelu": _prelu,
    "LeakyRelu": lambda attributes, x: F.leaky_relu(x, float(attributes.get("alpha", 0.01))),
    "Elu": lambda attributes, x: F.elu(x, float(attributes.get("alpha", 1.0))),
    "Celu": lambda attributes, x: F.celu(x, float(attributes.get("alpha", 1.0))),
    "Selu": lambda _, x: F.selu(x),
    "HardSigmoid": _hard_sigmoid,
    "Softmax": _softmax,
    "LogSoftmax": lambda attributes, x: x.log_softmax(int(attributes.get("axis", -1))),
    "Gemm": _matrix,
    "Einsum": _einsum,
    "ReduceMean": _reduction(_mean),
    "ReduceMax": _reduction(_maximum),
    "ReduceSum": _reduction(lambda x, axes, keep: torch.sum(x, dim=axes, keepdim=keep)),
    "ReduceMin": _reduction(lambda x, axes, keep: torch.amin(x, dim=axes, keepdim=keep)),
    "ReduceL1": _reduction(lambda x, axes, keep: torch.sum(x.abs(), dim=axes, keepdim=keep)),
    "ReduceL2": _reduction(_norm2),
    "ReduceSumSquare": _reduction(lambda x, axes, keep: torch.sum(x * x, dim=axes, keepdim=keep)),
    "ReduceProd": _reduction(_product),
    "GlobalAveragePool": _global_pool(_mean),
    "GlobalMaxPool": _global_pool(_maximum),
    "ArgMax": _extreme(torch.argmax),
    "ArgMin": _extreme(torch.argmin),
    "BatchNormalization": _batch_norm,
    "InstanceNormalization": _instance_norm,
    "GroupNormalization": _group_norm,
    "LayerNormalization": _layer_norm,
    "LpNormalization": _lp_norm,
}
