"""A bare graph, ``.onnx`` or ``.pt2``: no description says what it takes, so its card is measured.

Which axis is which, the channels, the scale and the sizes show when the network runs. The range of its numbers shows
too: fed with the right one, a network makes an image that is like its input and hardly goes beyond the range. Where two
ranges do equally well, the user is asked.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_superres.errors import ModelFileError
from napari_superres.models.card import ModelCard
from napari_superres.models.foreign.axes import fixed_multiple, to_image_axes, to_network_axes
from napari_superres.models.foreign.graph.wishes import RANGES, Wishes
from napari_superres.models.foreign.loaders.likeness import gain
from napari_superres.models.probes.passes import NETWORK_ERRORS, natural_planes

Sizes = tuple[int, ...]

_EDGES = {2: (64, 96, 128, 256), 3: (16, 32, 64)}
_MULTIPLES = (1, 2, 4, 8, 16, 32, 64, 128, 3, 6, 12, 24, 48, 5, 10, 20, 40, 7, 14, 28, 56)
_LARGEST_FACTOR = 8
_BORDER, _MOST_CHANNELS = 4, 16
_MOST_PIXELS = 2048**2
_CLEAR, _LIKE = 2.0, 0.6
"""How many times worse every other range must be, and the largest score of an image that is like its input."""

_CLEAR_DB = 1.0
"""How much better than every other range one must restore an image if several are alike, in dB."""

_LARGEST_JUDGED = 256**2

_EXAMPLE = 1.5 / 255
"""Largest mean difference from an example, as a share of the range: rounding on the way to the file and back."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """Axes of the input and of the output, channels, factors and the size that was tried."""

    order: str
    channels: int
    scale: Sizes
    size: Sizes


def describe_bare(
    name: str, network: nn.Module, shape: Sequence[int | None], wishes: Wishes, *, whole: str
) -> tuple[ModelCard, dict[str, Any]]:
    """Return the card of a graph, and the arguments of its program.

    Parameters
    ----------
    name
        Name of the file, for messages.
    network
        The graph as a network.
    shape
        Of its input; None where it is free.
    wishes
        What the user says about it.
    whole
        Type of the whole numbers that it takes, such as ``"uint8"``; empty if it takes fractions.

    Raises
    ------
    ModelFileError
        If it is no network that makes an image of an image, or its range cannot be measured.
    """
    _check_sizes(name, shape)
    layout = _find_layout(name, network, shape, wishes)
    ndim = len(layout.scale)
    fixed = [shape[layout.order.index(a)] for a in "zyx"[-ndim:]]
    largest = tuple(n or 2**16 for n in fixed) if any(fixed) else None
    multiple = tuple(fixed_multiple(n or 1) for n in fixed) if largest else _multiple(network, layout)
    taken, made = ("0..255", "0..255") if whole == "uint8" else _range(name, network, layout, wishes)
    arguments = {
        "inputs": layout.order,
        "outputs": layout.order,
        "single": shape[0] == 1 or "b" not in layout.order,
        "before": _before(RANGES[taken], whole),
        "after": [],
        "restore": [] if RANGES[made] == 1 else [{"id": "scale_linear", "gain": 1 / RANGES[made], "offset": 0.0}],
        **({"smallest": [n or 1 for n in fixed]} if largest else {}),
    }
    factor = "x".join(dict.fromkeys(map(str, layout.scale)))
    card = ModelCard(
        name=re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")[:100] or "graph",
        title=f"{name}, x{factor}, {'colour' if layout.channels == 3 else 'one channel'}, for values {taken}",
        architecture="onnx",
        scale=layout.scale,
        channels=layout.channels,
        multiple=multiple,
        largest=largest,
        intensity="unit",
        color="luma" if wishes.channels == "luma" else "per-channel",
        modality="unknown",
        training="by others; the file does not say on what",
        limits="Made by others for images that the file does not name: compare with a reference before you trust it."
        + (
            " The network computes in 8 bits: images of more are reduced to 256 grey levels."
            if whole and taken == "0..255"
            else ""
        ),
    )
    return card, arguments


def _check_sizes(name: str, shape: Sequence[int | None]) -> None:
    """Refuse batches of several images, and images of one size that is too small or too large to be tiled."""
    if len(shape) > 3 and (shape[0] or 1) > 1:
        raise ModelFileError(
            f"{name} takes {shape[0]} images at once, no more and no fewer.", remedy="Export it for one, or any number."
        )
    edges = [n for n in shape[1:] if n is not None and n > _MOST_CHANNELS]
    if prod(edges) > _MOST_PIXELS or (len(edges) == 0 and len(shape) > 3 and None not in shape[2:]):
        raise ModelFileError(
            f"{name} takes images of one size, and this cannot be tiled: {' x '.join(map(str, shape[1:]))}.",
            remedy="Export it for any size, or for one of a few hundred pixels.",
        )


def _before(top: float, whole: str) -> list[dict[str, Any]]:
    if whole:  # A conversion cuts fractions off, so that half a level rounds.
        return [
            {"id": "scale_linear", "gain": float(top), "offset": 0.5},
            {"id": "clip", "min": 0.0, "max": float(top)},
            {"id": "ensure_dtype", "dtype": whole},
        ]
    return [] if top == 1 else [{"id": "scale_linear", "gain": float(top), "offset": 0.0}]


def _find_layout(name: str, network: nn.Module, shape: Sequence[int | None], wishes: Wishes) -> _Layout:
    """Return the first layout with which the network makes an image of an image."""
    reason, tried = "", []
    for order, channels in _orders(name, shape, wishes):
        fixed = [shape[order.index(a)] for a in "zyx" if a in order]
        for edge in _EDGES[len(fixed)]:
            size = tuple(n or edge for n in fixed)
            if (order, size) in tried and "c" not in order:
                continue
            tried.append((order, size))
            try:
                made = run(network, natural_planes(channels, size), order)
            except NETWORK_ERRORS as error:
                reason = reason or (str(error).strip().splitlines() or [type(error).__name__])[0][:150]
                continue
            factors = [n / m for n, m in zip(made.shape[2:], size, strict=True)]
            if made.shape[1] == channels and all(f in range(1, _LARGEST_FACTOR + 1) for f in factors):
                return _Layout(order, channels, tuple(map(int, factors)), size)
            reason = f"it makes {list(made.shape)} of {[1, channels, *size]}, where whole factors are understood"
    raise ModelFileError(f"{name} makes no image of an image ({reason or f'its input has the axes {list(shape)}'}).")


def _orders(name: str, shape: Sequence[int | None], wishes: Wishes) -> Iterator[tuple[str, int]]:
    """Yield orders of axes and numbers of channels that a shape allows, the most usual first."""
    known: dict[int, tuple[str, ...]] = {5: ("bczyx", "bzyxc"), 4: ("bcyx", "byxc"), 3: ("cyx", "yxc"), 2: ("yx",)}
    counts = {"rgb": (3,), "luma": (1,), None: (3, 1)}[wishes.channels]
    found = False
    for order in known.get(len(shape), ()):
        stated = shape[order.index("c")] if "c" in order else 1
        if stated is None and any(n is not None and n <= _MOST_CHANNELS for n in shape[1:]):
            continue  # The small number is that of the channels.
        for count in counts if stated is None else [stated]:
            if count not in (1, 3) or (wishes.channels and count not in counts):
                continue
            found = True
            yield order, count
    if not found:
        asked = f", which is not {wishes.channels}" if wishes.channels else ""
        raise ModelFileError(
            f"{name} takes a tensor of the sizes {['any' if n is None else n for n in shape]}{asked}: "
            "images of 1 or 3 channels, alone or in a batch, are understood."
        )


def run(network: nn.Module, x: Tensor, order: str) -> Tensor:
    """Return what a network makes of ``(1, C, (Z)YX)``, in the same order."""
    with torch.inference_mode():
        made = network(to_network_axes(x, order))
    if isinstance(made, Sequence) and len(made) == 1:
        made = made[0]
    if not isinstance(made, Tensor) or made.ndim != len(order):
        raise RuntimeError("it makes no image")
    return to_image_axes(made, order, x.ndim - 2).float()


def _multiple(network: nn.Module, layout: _Layout) -> Sizes:
    """Return a size multiple on which the network makes the promised image."""
    for m in _MULTIPLES:
        size = [m * (-(-edge // m) | 1) for edge in layout.size]
        try:
            made = run(network, natural_planes(layout.channels, size), layout.order)
        except NETWORK_ERRORS:
            continue
        if list(made.shape[2:]) == [n * s for n, s in zip(size, layout.scale, strict=True)]:
            return (m,) * len(size)
    return layout.size


def _range(name: str, network: nn.Module, layout: _Layout, wishes: Wishes) -> tuple[str, str]:
    """Return the range that the network takes and the one that it makes."""
    chosen = [wishes.range] if wishes.range else list(RANGES)
    if wishes.example is not None:
        return _by_example(name, network, layout, wishes.example, chosen)
    scores: dict[tuple[str, str], float] = {}
    image = natural_planes(layout.channels, layout.size)
    for taken in chosen:
        made = run(network, image * RANGES[taken], layout.order)
        scores |= {(taken, top): _unlikeness(image, made / RANGES[top], layout.scale) for top in RANGES}
    best = min(scores, key=lambda pair: scores[pair])
    others = [score for pair, score in scores.items() if pair[0] != best[0]]
    if not scores[best] <= (_LIKE if len(chosen) > 1 else 2 * _LIKE):
        told = f" for values {wishes.range}" if wishes.range else ""
        raise ModelFileError(
            f"{name} makes an image that is not like its input{told}, so its range of values cannot be measured.",
            remedy="State it with `range`, or give an image and the network's result of it with `example`.",
        )
    if others and min(others) < _CLEAR * scores[best]:
        other = min((p for p in scores if p[0] != best[0]), key=lambda pair: scores[pair])
        rivals = [min((p for p in scores if p[0] == taken), key=lambda pair: scores[pair]) for taken in chosen]
        alike = [pair for pair in rivals if scores[pair] < _CLEAR * scores[best]]
        if (restoring := _by_gain(network, layout, alike)) is not None:
            return restoring
        raise ModelFileError(
            f"{name} does about as well on values {best[0]} as on {other[0]}, so its range cannot be measured.",
            remedy="State the range of its training with `range`, or give an `example`.",
        )
    return best


def _by_gain(network: nn.Module, layout: _Layout, pairs: Sequence[tuple[str, str]]) -> tuple[str, str] | None:
    """Return the ranges with which the network restores clearly more of a coarser image; None if none does."""
    if len(set(layout.scale)) > 1 or len(layout.scale) != 2 or prod(layout.size) > _LARGEST_JUDGED:
        return None

    def computed(x: Tensor, taken: str, made: str) -> Tensor:
        size = x.shape[2:]
        beyond = [w for n, m in zip(reversed(layout.size), reversed(size), strict=True) for w in (0, max(0, n - m))]
        result = run(network, F.pad(x, beyond, "replicate") * RANGES[taken], layout.order) / RANGES[made]
        return result[..., : size[0] * layout.scale[0], : size[1] * layout.scale[1]]

    gains = [
        (gain(partial(computed, taken=t, made=m), layout.channels, layout.scale[0], 1.0), (t, m)) for t, m in pairs
    ]
    (most, best), (second, _), *_ = sorted(gains, reverse=True)
    return best if most > max(0.0, second + _CLEAR_DB) else None


def _unlikeness(image: Tensor, made: Tensor, scale: Sizes) -> float:
    """Return how far an image is from the mean of its finer pixels, and how far these go beyond 0 to 1."""
    pool: Any = F.avg_pool2d if len(scale) == 2 else F.avg_pool3d
    inside: Any = (..., *[slice(_BORDER, -_BORDER)] * len(scale))
    coarse, truth = pool(made, scale, scale)[inside], image[inside]
    if not bool(made.isfinite().all()):
        return torch.inf
    error = (coarse - truth).square().mean().sqrt() / truth.std()
    beyond = max(0.0, float(made.max()) - 1.0) + max(0.0, -float(made.min()))
    return float(error) + beyond


def _by_example(
    name: str, network: nn.Module, layout: _Layout, example: tuple[Tensor, Tensor], chosen: Sequence[str]
) -> tuple[str, str]:
    """Return the ranges with which the network makes the example's output of its input."""
    given, wanted = (_channels(x, layout.channels) for x in example)
    expected = [n * s for n, s in zip(given.shape[2:], layout.scale, strict=True)]
    if list(wanted.shape[2:]) != expected:
        raise ModelFileError(
            f"the example's result has {list(wanted.shape[2:])} pixels, where {name} makes {expected} of its input."
        )
    differences: dict[tuple[str, str], float] = {}
    for taken in chosen:
        try:
            made = run(network, given * RANGES[taken], layout.order)
        except NETWORK_ERRORS as error:
            raise ModelFileError(
                f"{name} does not take the example of {list(given.shape[2:])} pixels.",
                remedy="Give one whose size it takes.",
            ) from error
        for top, value in RANGES.items():
            differences[taken, top] = float((made / value).clamp(0, 1).sub(wanted).abs().mean())
    best = min(differences, key=lambda pair: differences[pair])
    if not differences[best] <= _EXAMPLE:
        raise ModelFileError(
            f"{name} does not make the example's result of its input: the mean difference is "
            f"{255 * differences[best]:.1f} of 255 grey levels for values {best[0]}.",
            remedy="Give an image and the result that the network's author made of it.",
        )
    return best


def _channels(x: Tensor, channels: int) -> Tensor:
    if x.shape[1] == channels:
        return x
    if x.shape[1] == 1:
        return x.expand(-1, channels, *x.shape[2:])
    raise ModelFileError(f"the example has {x.shape[1]} channels, and the network {channels}.")
