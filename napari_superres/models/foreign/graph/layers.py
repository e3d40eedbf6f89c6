"""Convolutions, pools and resizing of ONNX, in torch; see ``arithmetic`` for what an operator takes."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_superres.models.foreign.graph.arithmetic import Attributes, Operator, integers

_CONVOLUTIONS: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSED: dict[int, Any] = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
_MAXIMA: dict[int, Any] = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_MEANS: dict[int, Any] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def _padding(
    attributes: Attributes,
    sizes: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> list[tuple[int, int]]:
    """Return the padding before and after each spatial axis."""
    n, auto = len(kernel), str(attributes.get("auto_pad", "NOTSET"))
    if auto in ("NOTSET", "VALID"):
        pads = attributes.get("pads", [0] * 2 * n) if auto == "NOTSET" else [0] * 2 * n
        return [(int(pads[i]), int(pads[i + n])) for i in range(n)]
    result = []
    for size, k, s, d in zip(sizes, kernel, strides, dilations, strict=True):
        total = max(0, (-(-size // s) - 1) * s + (k - 1) * d + 1 - size)
        small, large = total // 2, total - total // 2
        result.append((small, large) if auto == "SAME_UPPER" else (large, small))
    return result


def _padded(x: Tensor, pads: Sequence[tuple[int, int]], value: float = 0.0) -> tuple[Tensor, list[int]]:
    """Return the tensor with what a symmetric padding leaves, and that padding."""
    if all(a == b for a, b in pads):
        return x, [a for a, _ in pads]
    return F.pad(x, [p for pair in reversed(pads) for p in pair], value=value), [0] * len(pads)


def _window(attributes: Attributes, n: int) -> tuple[list[int], list[int]]:
    return list(attributes.get("strides", [1] * n)), list(attributes.get("dilations", [1] * n))


def _conv(attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    n = x.ndim - 2
    strides, dilations = _window(attributes, n)
    pads = _padding(attributes, x.shape[2:], weight.shape[2:], strides, dilations)
    x, padding = _padded(x, pads)
    groups = int(attributes.get("group", 1))
    result: Tensor = _CONVOLUTIONS[n](x, weight, bias, strides, padding, dilations, groups)
    return result


def _conv_transpose(attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    n = x.ndim - 2
    strides, dilations = _window(attributes, n)
    if attributes.get("auto_pad", "NOTSET") != "NOTSET" or "output_shape" in attributes:
        raise NotImplementedError("ConvTranspose of a given shape")
    pads = _padding(attributes, x.shape[2:], weight.shape[2:], strides, dilations)
    extra = list(attributes.get("output_padding", [0] * n))
    groups = int(attributes.get("group", 1))
    result: Tensor = _TRANSPOSED[n](x, weight, bias, strides, [0] * n, extra, groups, dilations)
    for axis, (a, b) in enumerate(pads):
        result = result.narrow(2 + axis, a, result.shape[2 + axis] - a - b)
    return result


def _max_pool(attributes: Attributes, x: Tensor) -> Tensor:
    kernel = list(attributes["kernel_shape"])
    strides, dilations = _window(attributes, len(kernel))
    pads = _padding(attributes, x.shape[2:], kernel, strides, dilations)
    x, padding = _padded(x, pads, -torch.inf)
    ceil = bool(attributes.get("ceil_mode", 0))
    result: Tensor = _MAXIMA[len(kernel)](x, kernel, strides, padding, dilations, ceil)
    return result


def _average_pool(attributes: Attributes, x: Tensor) -> Tensor:
    kernel = list(attributes["kernel_shape"])
    strides, dilations = _window(attributes, len(kernel))
    pads = _padding(attributes, x.shape[2:], kernel, strides, dilations)
    if any(a != b for a, b in pads) or max(dilations) > 1:
        raise NotImplementedError("AveragePool with uneven padding or dilation")
    counted = bool(attributes.get("count_include_pad", 0))
    ceil = bool(attributes.get("ceil_mode", 0))
    result: Tensor = _MEANS[len(kernel)](x, kernel, strides, [a for a, _ in pads], ceil, counted)
    return result


def _resize(
    attributes: Attributes,
    x: Tensor,
    _region: Tensor | None = None,
    scales: Tensor | None = None,
    sizes: Tensor | None = None,
) -> Tensor:
    """Resize as torch does; the comparison with onnxruntime shows whether that is the same."""
    if "axes" in attributes or attributes.get("antialias"):
        raise NotImplementedError("Resize with axes or antialias")
    if sizes is not None and sizes.numel():
        target = integers(sizes)[2:]
    else:
        assert scales is not None
        target = [int(n * s + 1e-6) for n, s in zip(x.shape, scales.tolist(), strict=True)][2:]
    return _interpolate(x, target, str(attributes.get("mode", "nearest")), attributes)


def _upsample(attributes: Attributes, x: Tensor, scales: Tensor | None = None) -> Tensor:
    factors = attributes["scales"] if scales is None else scales.tolist()
    target = [int(n * s + 1e-6) for n, s in zip(x.shape, factors, strict=True)][2:]
    plain = {"coordinate_transformation_mode": "asymmetric"}
    return _interpolate(x, target, str(attributes.get("mode", "nearest")), plain)


def _interpolate(x: Tensor, target: list[int], mode: str, attributes: Attributes) -> Tensor:
    where = str(attributes.get("coordinate_transformation_mode", "half_pixel"))
    if mode == "nearest":
        # By a whole factor upwards all rules choose the same pixel.
        return F.interpolate(x, target, mode="nearest")
    if where not in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        raise NotImplementedError(f"Resize by {where}")
    kind = _LINEAR[x.ndim - 2] if mode == "linear" else "bicubic"
    if kind == "bicubic" and x.ndim != 4:
        raise NotImplementedError("Resize of volumes by cubic")
    return F.interpolate(x, target, mode=kind, align_corners=where == "align_corners")


def _grid_sample(attributes: Attributes, x: Tensor, grid: Tensor) -> Tensor:
    mode = {"linear": "bilinear", "cubic": "bicubic"}.get(str(attributes.get("mode", "linear")), "")
    mode = mode or str(attributes["mode"])
    edges, corners = str(attributes.get("padding_mode", "zeros")), bool(attributes.get("align_corners", 0))
    return F.grid_sample(x, grid, mode, edges, corners)


LAYERS: dict[str, Operator] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "Resize": _resize,
    "Upsample": _upsample,
    "GridSample": _grid_sample,
}
