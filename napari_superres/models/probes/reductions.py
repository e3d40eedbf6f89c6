"""Reductions over the whole map, recognised in torch's functions: means, sums, maxima, variances, norms, pools.

`REDUCTIONS` maps a function to one that recognises a call of it. `global_layers` looks up each function that a network
calls. To teach it another reduction, write its recogniser here and add it to the table.

A sum is treated as a mean times the tile's number of pixels, because networks divide it by just these.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

MAXIMUM, MEAN, VARIANCE = 1, 2, 3
"""Rows of a statistic: the maximum; count and mean; count, mean and summed squared deviations."""


@dataclass(frozen=True, slots=True)
class Reduction:
    """A call that reduces a tensor.

    Attributes
    ----------
    x
        The tensor.
    dims
        Axes that are reduced.
    rows
        Rows of statistics that the result needs: `MAXIMUM`, `MEAN` or `VARIANCE`.
    finish
        Returns the result of the call, given these rows.
    chain
        The function, if a call of it over some axes may be followed by a call over the others; None otherwise.
    """

    x: Tensor
    dims: tuple[int, ...]
    rows: int
    finish: Callable[[Tensor], Any]
    chain: Callable[..., Tensor] | None = None


Recogniser = Callable[..., Reduction | None]
"""Takes the arguments of a torch function; returns the reduction that the call makes, or None."""


def _axes(x: Tensor, dim: Any) -> tuple[int, ...]:
    axes = range(x.ndim) if dim is None or dim == () else (dim,) if isinstance(dim, int) else dim
    return tuple(d % x.ndim for d in axes)


def _reduction(
    x: Tensor,
    dim: Any,
    keepdim: bool,
    rows: int,
    pick: Callable[[Tensor], Tensor],
    chain: Callable[..., Tensor] | None = None,
) -> Reduction:
    """Return the reduction of a tensor, together with the calls over other axes that made the tensor."""
    dims = _axes(x, dim)
    shape = [1 if d in dims else n for d, n in enumerate(x.shape) if keepdim or d not in dims]
    earlier: Reduction | None = getattr(x, "partial", None)
    source = x
    if earlier is not None and earlier.chain is chain:
        source, kept = earlier.x, [d for d in range(earlier.x.ndim) if d not in earlier.dims]
        axes = range(source.ndim) if x.ndim == source.ndim else kept
        dims = tuple({*earlier.dims, *(axes[d] for d in dims)})
    return Reduction(source, dims, rows, lambda statistic: pick(statistic).reshape(shape).to(x.device, x.dtype), chain)


def _mean(x: Tensor, dim: Any = None, keepdim: bool = False, **_: Any) -> Reduction:
    return _reduction(x, dim, keepdim, MEAN, lambda statistic: statistic[1], torch.mean)


def _sum(x: Tensor, dim: Any = None, keepdim: bool = False, **_: Any) -> Reduction:
    mean = _reduction(x, dim, keepdim, MEAN, lambda statistic: statistic[1], torch.sum)
    pixels = prod(mean.x.shape[d] for d in mean.dims)
    return Reduction(mean.x, mean.dims, MEAN, lambda statistic: mean.finish(statistic) * pixels, torch.sum)


def _amax(x: Tensor, dim: Any = None, keepdim: bool = False, **_: Any) -> Reduction:
    return _reduction(x, dim, keepdim, MAXIMUM, lambda statistic: statistic[0])


def _variance(root: bool, with_mean: bool) -> Recogniser:
    """Return a recogniser of ``var``, or of ``std`` if `root`; of the forms that return the mean too if `with_mean`."""

    def recognise(
        x: Tensor,
        dim: Any = None,
        unbiased: bool | None = None,
        keepdim: bool = False,
        *,
        correction: float | None = None,
        **_: Any,
    ) -> Reduction | None:
        if isinstance(dim, bool):  # The form var(x, unbiased) is over everything.
            return None
        less = float(unbiased is not False) if correction is None else correction

        def pick(statistic: Tensor) -> Tensor:
            variance = statistic[2] / (statistic[0] - less)
            return variance.sqrt() if root else variance

        spread = _reduction(x, dim, keepdim, VARIANCE, pick)
        if not with_mean:
            return spread
        mean = _reduction(x, dim, keepdim, VARIANCE, lambda statistic: statistic[1])
        return Reduction(x, spread.dims, VARIANCE, lambda statistic: (spread.finish(statistic), mean.finish(statistic)))

    return recognise


def _norm(x: Tensor, p: Any = 2, dim: Any = None, keepdim: bool = False, **_: Any) -> Reduction | None:
    if p not in (2, "fro"):
        return None
    return _reduction(
        x, dim, keepdim, VARIANCE, lambda statistic: (statistic[2] + statistic[0] * statistic[1] ** 2).sqrt()
    )


def _vector_norm(x: Tensor, ord: Any = 2, dim: Any = None, keepdim: bool = False, **_: Any) -> Reduction | None:
    return _norm(x, ord, dim, keepdim)


def _adaptive_pool(reduce: Callable[..., Reduction]) -> Recogniser:
    """Return a recogniser of an adaptive pool to one pixel."""

    def recognise(x: Tensor, output_size: Any, return_indices: bool = False) -> Reduction | None:
        to_one_pixel = output_size == 1 or (not isinstance(output_size, int) and set(output_size) == {1})
        return reduce(x, range(2, x.ndim), True) if to_one_pixel and not return_indices else None

    return recognise


def _avg_pool(
    x: Tensor, kernel_size: Any, _stride: Any = None, padding: Any = 0, *_: Any, **__: Any
) -> Reduction | None:
    sizes = tuple(x.shape[2:])
    kernel = (kernel_size,) * len(sizes) if isinstance(kernel_size, int) else tuple(kernel_size)
    padded = padding if isinstance(padding, int) else max(padding)
    return _mean(x, range(2, x.ndim), True) if kernel == sizes and not padded else None


def _instance_norm(
    x: Tensor, *, weight: Tensor | None, bias: Tensor | None, use_input_stats: bool, eps: float, **_: Any
) -> Reduction | None:
    if not use_input_stats:
        return None
    return Reduction(
        x, tuple(range(2, x.ndim)), VARIANCE, lambda statistic: _normalise(x, statistic, weight, bias, eps)
    )


def _group_norm(
    x: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Reduction:
    groups = x.view(len(x), num_groups, -1, *x.shape[2:])  # (B, G, C / G, ...)
    dims = tuple(range(2, groups.ndim))
    return Reduction(groups, dims, VARIANCE, lambda statistic: _normalise(x, statistic, weight, bias, eps))


def _normalise(x: Tensor, statistic: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    # (B, C) for both norms: the channels of a group share its statistics.
    count, mean, squares = statistic.repeat_interleave(x.shape[1] // statistic.shape[2], dim=2)
    factor = (squares / count + eps).rsqrt()
    factor = factor if weight is None else factor * weight.cpu()
    shift = -mean * factor if bias is None else bias.cpu() - mean * factor
    wide = x if x.dtype == torch.float64 else x.float()
    shape = (*x.shape[:2], *[1] * (x.ndim - 2))
    return torch.addcmul(shift.to(wide).view(shape), wide, factor.to(wide).view(shape)).to(x.dtype)


REDUCTIONS: dict[Any, Recogniser] = {
    **dict.fromkeys([torch.mean, Tensor.mean], _mean),
    **dict.fromkeys([torch.sum, Tensor.sum], _sum),
    **dict.fromkeys([torch.amax, Tensor.amax], _amax),
    **dict.fromkeys([torch.var, Tensor.var], _variance(root=False, with_mean=False)),
    **dict.fromkeys([torch.std, Tensor.std], _variance(root=True, with_mean=False)),
    torch.var_mean: _variance(root=False, with_mean=True),
    torch.std_mean: _variance(root=True, with_mean=True),
    **dict.fromkeys([torch.norm, Tensor.norm], _norm),
    torch.linalg.vector_norm: _vector_norm,
    **dict.fromkeys([F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d], _adaptive_pool(_mean)),
    **dict.fromkeys([F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d], _adaptive_pool(_amax)),
    **dict.fromkeys([F.avg_pool2d, F.avg_pool3d], _avg_pool),
    F.instance_norm: _instance_norm,
    F.group_norm: _group_norm,
}
