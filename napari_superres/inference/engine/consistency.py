"""Does a result agree with its input? A check of a few windows during the run, far cheaper than computing them.

The result is averaged over the pixels of the input, as a camera with these pixels would do, and compared with the input
in blocks of 8 x 8 pixels. Means of blocks hardly depend on a lens, which networks may undo, and hardly on noise, which
they may remove. What the noise still adds is known from the differences within the blocks, and is subtracted. The check
finds wrong brightness and coarse structure. It is blind to fine detail: `evaluation/consistency` looks closer.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.binning import bin_mean
from napari_superres.core.color import TO_YCBCR
from napari_superres.core.tiling import Box
from napari_superres.inference.planning.plan import Plan
from napari_superres.models.card import ModelCard

_WINDOWS = 8
_EDGE, _BLOCK = 64, 8
"""Edge of a window and of a block along Y and X, in pixels of the input."""

_PLANES = 4
"""Largest number of planes of a window of a volume."""


class ConsistencyCheck:
    """Compares windows of a run with the input: in up to eight planned tiles, spread evenly over the run.

    Interpolation is not checked, nor models whose result lies on another grid.
    """

    def __init__(self, plan: Plan, card: ModelCard) -> None:
        self._plan = plan
        is_centred = all(plan.offset[a] == (plan.scale[a] - 1) / 2 for a in plan.work_axes)
        planes, tiles = plan.planes(), plan.tiles()
        count = len(planes) * len(tiles) if is_centred and not card.is_interpolation else 0
        numbers = {(2 * i + 1) * count // (2 * _WINDOWS) for i in range(_WINDOWS if count else 0)}
        places = [divmod(n, len(tiles)) for n in sorted(numbers)]
        self._middles = [(planes[p], [(c.start + c.stop) // 2 for c in tiles[t].core]) for p, t in places]

    def is_checked(self, plane: object, core: Box) -> bool:
        """Return whether a tile holds the middle of a tile to check: short of memory, runs divide planned tiles."""
        return any(
            plane == p and all(c.start <= m < c.stop for c, m in zip(core, middle, strict=True))
            for p, middle in self._middles
        )

    def compare(self, values: npt.NDArray[Any], core: npt.NDArray[Any], channel: int) -> tuple[float, int]:
        """Compare the middle of a tile with the input.

        Parameters
        ----------
        values
            ``(S, ...)``: the kept part of the output, in intensities of the image.
        core
            ``(S, ...)``: the part of the input it was computed from.
        channel
            Index of the channel.

        Returns
        -------
        residual : float
            Sum over blocks of the squared difference of the means, without the part of the noise, as a share of the
            squared contrast of the channel. It may be below 0 by chance.
        blocks : int
            Number of blocks.
        """
        scale = self._plan.work_scale
        window = [_middle(n, e) for n, e in zip(core.shape[1:], (_PLANES, _EDGE, _EDGE)[-len(scale) :], strict=True)]
        finer = tuple(slice(w.start * s, w.stop * s) for w, s in zip(window, scale, strict=True))
        reduced = bin_mean(values[:, *finer], (1, *scale))
        difference = _grey(reduced - core[:, *window]) / self._plan.contrast[channel]
        block = (difference.shape[0], _BLOCK, _BLOCK) if difference.ndim == 3 else (_BLOCK, _BLOCK)
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is left out below
            means = bin_mean(difference, block)
            squares = bin_mean(difference**2, block)
            size = np.prod(block)
            # The variance within a block, over its number of pixels, is that of the mean of white noise.
            residual = means**2 - (squares - means**2) / (size - 1)
        residual = residual[np.isfinite(residual)]
        return float(residual.sum()), residual.size


def _middle(size: int, edge: int) -> slice:
    """Return the middle of an axis: whole blocks, or at most `edge` pixels."""
    length = min(size, edge) // _BLOCK * _BLOCK if edge >= _BLOCK else min(size, edge)
    start = (size - length) // 2
    return slice(start, start + length)


def _grey(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the luma of ``(S, ...)`` colours, of the differences of which the offset does not matter, or the mean."""
    weights: Sequence[float] = TO_YCBCR[0] / TO_YCBCR[0].sum() if len(values) >= 3 else [1 / len(values)] * len(values)
    return np.asarray(np.tensordot(weights, values[: len(weights)], 1))
