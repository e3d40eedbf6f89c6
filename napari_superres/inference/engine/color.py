"""One-channel and colour networks on grey and RGB images."""

from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor

from napari_superres.core.color import BLACK, TO_YCBCR
from napari_superres.core.turns import IDENTITY, Turn, iter_turns
from napari_superres.models.interpolate import Interpolation
from napari_superres.models.model import Model

# Networks for photographs are trained on luma in studio range.
_TO_YCBCR = torch.from_numpy(TO_YCBCR)
_FROM_YCBCR = torch.linalg.inv(_TO_YCBCR)
_BLACK = BLACK / 255.0


class Network(Protocol):
    """A network as `compute` calls it, with the turn of the tiles in a batch."""

    def __call__(self, x: Tensor, *, turn: Turn = IDENTITY) -> Tensor:
        """Return ``(B, C, ...)`` on the finer grid."""


def compute(model: Model, runner: Network, x: Tensor, *, tta: bool = False) -> Tensor:
    """Run a model on tiles with any number of colour samples.

    Parameters
    ----------
    model
        Its card states how many channels it takes and how it treats colour.
    runner
        The model's network on the device of `x`.
    x
        ``(B, frames * S + conditions, (Z)YX)``, frame by frame, with S of 1 or 3, normalised; then the planes of
        the card's conditions.

    Returns
    -------
    Tensor
        ``(B, S, ...)`` on the finer grid.
    """

    def run(batch: Tensor) -> Tensor:
        return _average_turns(runner, batch, exchanged=model.card.is_turnable) if tta else runner(batch)

    card, size = model.card, x.shape[2:]
    if x.shape[1] == card.inputs:
        return run(x)
    x, told = x.tensor_split([x.shape[1] - len(card.conditions)], dim=1)

    def network(batch: Tensor) -> Tensor:
        planes = told.repeat_interleave(len(batch) // len(told), dim=0)
        return run(torch.cat([batch, planes], dim=1) if card.conditions else batch)

    samples = x.shape[1] // card.frames
    frames = x.reshape(len(x), card.frames, samples, *size)
    if samples == 1:  # A colour network on a grey image.
        return network(frames.expand(-1, -1, 3, *size).flatten(1, 2).contiguous()).mean(dim=1, keepdim=True)
    if card.color == "per-channel":
        flat = network(frames.transpose(1, 2).reshape(-1, card.frames, *size))
        return flat.reshape(-1, samples, *flat.shape[2:])
    ycbcr = torch.einsum("ij,bfj...->bfi...", _TO_YCBCR.to(x), frames)
    luma = network(ycbcr[:, :, 0] + _BLACK) - _BLACK
    differences = _bicubic(card.scale, x.device, x.dtype)(ycbcr[:, card.own, 1:])
    full = torch.cat([luma.to(differences.dtype), differences], dim=1)
    return torch.einsum("ij,bj...->bi...", _FROM_YCBCR.to(full), full)


def _average_turns(runner: Network, x: Tensor, *, exchanged: bool) -> Tensor:
    """Return the mean output over the flips of Y and X, and their quarter turns, each turned back exactly."""
    total: Tensor | None = None
    turns = list(iter_turns("YX", exchanged=exchanged))
    for turn in turns:
        output = turn.undo(runner(turn.apply(x).contiguous(), turn=turn))
        total = output if total is None else total + output
    assert total is not None
    return total / float(len(turns))


@lru_cache(maxsize=8)
def _bicubic(scale: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> Interpolation:
    return Interpolation("bicubic", scale).to(device, dtype)
