"""Axes of images, ``(B, C, (Z)YX)``, and of what a network takes and makes."""

from torch import Tensor


def to_network_axes(x: Tensor, order: str) -> Tensor:
    """Return ``(B, C, (Z)YX)`` with axes in an order such as ``"byxc"``; axes that are not in it have size 1."""
    letters = _letters(x.ndim - 2)
    missing = [a for a in letters if a not in order]
    permuted = x.permute([letters.index(a) for a in (*order, *missing)])
    return permuted.reshape(permuted.shape[: len(order)])


def to_image_axes(x: Tensor, order: str, ndim: int) -> Tensor:
    """Return a tensor with axes in an order such as ``"byxc"`` as ``(B, C, (Z)YX)``."""
    letters = _letters(ndim)
    axes = [*order, *(a for a in letters if a not in order)]
    whole = x.reshape(*x.shape, *[1] * (len(axes) - len(order)))
    return whole.permute([axes.index(a) for a in letters])


def _letters(ndim: int) -> str:
    return "bc" + "zyx"[3 - ndim :]


def fixed_multiple(size: int) -> int:
    """Return a size multiple on which tiles of a network that takes one size begin: a power of two that divides it.

    Networks that halve an image see it on such steps, but their file states only the one size.
    """
    return min(size & -size, 16)
