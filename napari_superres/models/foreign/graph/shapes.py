"""Operators of ONNX that move, cut and join values, in torch; see ``arithmetic`` for what an operator takes."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_superres.models.foreign.graph.arithmetic import Attributes, Operator, integers


def _shape(attributes: Attributes, x: Tensor) -> Tensor:
    return torch.tensor(list(x.shape)[int(attributes.get("start", 0)) : attributes.get("end")], dtype=torch.int64)


def _reshape(attributes: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    sizes = integers(shape)
    if not attributes.get("allowzero"):
        sizes = [x.shape[i] if size == 0 else size for i, size in enumerate(sizes)]
    return torch.reshape(x, sizes)


def _flatten(attributes: Attributes, x: Tensor) -> Tensor:
    axis = int(attributes.get("axis", 1))
    return x.reshape(int(torch.tensor(x.shape[:axis]).prod()), -1)


def _listed(attributes: Attributes, axes: Tensor | None) -> list[int] | None:
    return attributes.get("axes") if axes is None else integers(axes)


def _squeeze(attributes: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    chosen = _listed(attributes, axes)
    return x.squeeze() if chosen is None else x.squeeze(tuple(chosen))


def _unsqueeze(attributes: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    chosen = _listed(attributes, axes) or []
    for axis in sorted(a % (x.ndim + len(chosen)) for a in chosen):
        x = x.unsqueeze(axis)
    return x


def _concat(attributes: Attributes, *inputs: Tensor) -> Tensor:
    return torch.cat(inputs, int(attributes["axis"]))


def _split(attributes: Attributes, x: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
    axis = int(attributes.get("axis", 0))
    parts = attributes.get("split") if sizes is None else integers(sizes)
    if parts is None:
        count = int(attributes.get("num_outputs", attributes["outputs"]))
        return torch.split(x, -(-x.shape[axis] // count), axis)
    return torch.split(x, [int(p) for p in parts], axis)


def _slice(
    attributes: Attributes,
    x: Tensor,
    starts: Tensor | None = None,
    ends: Tensor | None = None,
    axes: Tensor | None = None,
    steps: Tensor | None = None,
) -> Tensor:
    begin = attributes.get("starts") if starts is None else integers(starts)
    end = attributes.get("ends") if ends is None else integers(ends)
    assert begin is not None
    assert end is not None
    chosen = _listed(attributes, axes) or list(range(len(begin)))
    strides = [1] * len(begin) if steps is None else integers(steps)
    for a, b, axis, step in zip(begin, end, chosen, strides, strict=True):
        index: list[Any] = [slice(None)] * x.ndim
        if step > 0:
            index[axis] = slice(a, b, step)
            x = x[tuple(index)]
            continue
        positions = list(range(x.shape[axis]))[slice(a, b if b >= -x.shape[axis] else None, step)]
        x = x.index_select(axis, torch.tensor(positions, device=x.device))
    return x


def _gather(attributes: Attributes, x: Tensor, index: Tensor) -> Tensor:
    axis = int(attributes.get("axis", 0)) % x.ndim
    index = index.to(x.device).long() % x.shape[axis]
    taken = x.index_select(axis, index.flatten())
    return torch.reshape(taken, (*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]))


def _gather_elements(attributes: Attributes, x: Tensor, index: Tensor) -> Tensor:
    axis = int(attributes.get("axis", 0)) % x.ndim
    return x.gather(axis, index.to(x.device).long() % x.shape[axis])


def _gather_nd(attributes: Attributes, x: Tensor, index: Tensor) -> Tensor:
    if attributes.get("batch_dims"):
        raise NotImplementedError("GatherND with batch_dims")
    return x[tuple(index.to(x.device).long().movedim(-1, 0))]


def _scatter_nd(attributes: Attributes, x: Tensor, index: Tensor, updates: Tensor) -> Tensor:
    if attributes.get("reduction", "none") != "none":
        raise NotImplementedError("ScatterND with a reduction")
    result = x.clone()
    result[tuple(index.to(x.device).long().movedim(-1, 0))] = updates.to(x)
    return result


def _expand(_: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    return x.expand(np.broadcast_shapes(tuple(x.shape), tuple(integers(shape))))


def _constant_of_shape(attributes: Attributes, shape: Tensor) -> Tensor:
    value = attributes.get("value")
    fill = torch.zeros(1) if value is None else value
    return torch.full(integers(shape), fill.item(), dtype=fill.dtype)


def _range(_: Attributes, start: Tensor, stop: Tensor, step: Tensor) -> Tensor:
    return torch.arange(start.item(), stop.item(), step.item(), dtype=start.dtype)


def _pad(
    attributes: Attributes,
    x: Tensor,
    pads: Tensor | None = None,
    value: Tensor | None = None,
    axes: Tensor | None = None,
) -> Tensor:
    widths = attributes.get("pads") if pads is None else integers(pads)
    assert widths is not None
    chosen = list(range(x.ndim)) if axes is None else [a % x.ndim for a in integers(axes)]
    before, after = [0] * x.ndim, [0] * x.ndim
    for at, axis in enumerate(chosen):
        before[axis], after[axis] = widths[at], widths[at + len(chosen)]
    mode = str(attributes.get("mode", "constant"))
    if mode == "constant":
        flat = [w for axis in reversed(range(x.ndim)) for w in (before[axis], after[axis])]
        fill = attributes.get("value", 0.0) if value is None or not value.numel() else float(value)
        return F.pad(x, flat, value=fill)
    if mode not in ("reflect", "edge"):
        raise NotImplementedError(f"Pad of mode {mode}")
    for axis in range(x.ndim):
        x = _extend(x, axis, before[axis], after[axis], mode)
    return x


def _extend(x: Tensor, axis: int, before: int, after: int, mode: str) -> Tensor:
    size = x.shape[axis]
    if before < 0 or after < 0:
        start = max(0, -before)
        x = x.narrow(axis, start, size - start - max(0, -after))
        before, after, size = max(0, before), max(0, after), x.shape[axis]
    if not before and not after:
        return x
    if mode == "reflect" and max(before, after) >= size:
        raise ValueError(f"Pad reflects {max(before, after)} values of {size}")
    positions = torch.arange(-before, size + after)
    positions = positions.clamp(0, size - 1) if mode == "edge" else size - 1 - (size - 1 - positions.abs()).abs()
    return x.index_select(axis, positions.to(x.device))


def _depth_to_space(attributes: Attributes, x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    b = int(attributes["blocksize"])
    if attributes.get("mode", "DCR") == "CRD":
        return F.pixel_shuffle(x, b)
    return x.reshape(n, b, b, c // b**2, h, w).permute(0, 3, 4, 1, 5, 2).reshape(n, c // b**2, h * b, w * b)


def _space_to_depth(attributes: Attributes, x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    b = int(attributes["blocksize"])
    return x.reshape(n, c, h // b, b, w // b, b).permute(0, 3, 5, 1, 2, 4).reshape(n, c * b * b, h // b, w // b)


def _transpose(attributes: Attributes, x: Tensor) -> Tensor:
    return x.permute([int(a) for a in attributes.get("perm", reversed(range(x.ndim)))])


def _trilu(attributes: Attributes, x: Tensor, k: Tensor | None = None) -> Tensor:
    diagonal = 0 if k is None else int(k)
    return x.triu(diagonal) if attributes.get("upper", 1) else x.tril(diagonal)


SHAPES: dict[str, Operator] = {
    "Shape": _shape,
    "Size": lambda _, x: torch.tensor(x.numel()),
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Concat": _concat,
    "Split": _split,
    "Slice": _slice,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "ScatterND": _scatter_nd,
    "Expand": _expand,
    "Tile": lambda _, x, repeats: x.repeat(integers(repeats)),
    "ConstantOfShape": _constant_of_shape,
    "Range": _range,
    "Pad": _pad,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
    "Trilu": _trilu,
    "NonZero": lambda _, x: x.nonzero().T,
}
