"""One-channel and colour networks on grey and RGB(A) images."""

from functools import lru_cache
from itertools import product

import torch
from torch import Tensor

from napari_superres.core.color import BLACK, TO_YCBCR
from napari_superres.models.interpolate import Interpolation
from napari_superres.models.model import Model

# Networks for photographs are trained on the luma of studio range.
_TO_YCBCR = torch.from_numpy(TO_YCBCR)
_FROM_YCBCR = torch.linalg.inv(_TO_YCBCR)
_BLACK = BLACK / 255.0


def compute(model: Model, runner: torch.nn.Module, x: Tensor, *, tta: bool = False) -> Tensor:
    """Run a model on windows with any number of samples.

    Parameters
    ----------
    model
        Its card says how many channels it takes and what it does with colour.
    runner
        The model's network on the device of `x`.
    x
        ``(B, S, (Z)YX)`` with S of 1, 3 or 4, normalised.

    Returns
    -------
    Tensor
        ``(B, S, ...)`` on the finer grid.
    """

    def network(batch: Tensor) -> Tensor:
        return _averaged(runner, batch) if tta else runner(batch)

    samples = x.shape[1]
    card = model.card
    if samples == card.channels:
        return network(x)
    if samples == 1:  # a colour network on a grey image
        return network(x.expand(-1, 3, *x.shape[2:]).contiguous()).mean(dim=1, keepdim=True)
    if card.channels == 3:  # the alpha of RGBA
        return torch.cat([network(x[:, :3].contiguous()), _bicubic(card.scale, x.device, x.dtype)(x[:, 3:])], dim=1)
    if card.color == "per-channel":
        flat = network(x.reshape(-1, 1, *x.shape[2:]))
        return flat.reshape(-1, samples, *flat.shape[2:])
    ycbcr = torch.einsum("ij,bj...->bi...", _TO_YCBCR.to(x), x[:, :3])
    luma = network(ycbcr[:, :1] + _BLACK) - _BLACK
    rest = _bicubic(card.scale, x.device, x.dtype)(torch.cat([ycbcr[:, 1:], x[:, 3:]], dim=1))
    full = torch.cat([luma.to(rest.dtype), rest[:, :2]], dim=1)
    return torch.cat([torch.einsum("ij,bj...->bi...", _FROM_YCBCR.to(full), full), rest[:, 2:]], dim=1)


def _averaged(runner: torch.nn.Module, x: Tensor) -> Tensor:
    """Return the mean over the eight flips and quarter turns of Y and X, each undone exactly."""
    total: Tensor | None = None
    for turned, flip_y, flip_x in product((False, True), repeat=3):
        flips = [axis for axis, wanted in ((-2, flip_y), (-1, flip_x)) if wanted]
        seen = (x.transpose(-1, -2) if turned else x).flip(flips)
        found = runner(seen.contiguous()).flip(flips)
        found = found.transpose(-1, -2) if turned else found
        total = found if total is None else total + found
    assert total is not None
    return total / 8.0


@lru_cache(maxsize=8)
def _bicubic(scale: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> Interpolation:
    return Interpolation("bicubic", scale).to(device, dtype)
