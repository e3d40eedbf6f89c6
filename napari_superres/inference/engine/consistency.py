"""Does a result agree with its input? A check of a few windows during the run, far cheaper than computing them.

The result is averaged over the pixels of the input, as a camera with these pixels would do, and compared with the input
in blocks of 8 x 8 pixels. Means of blocks hardly depend on a lens, which networks may undo, and hardly on noise, which
they may remove. What the noise still adds is known from the differences within the blocks, and is subtracted. The check
finds wrong brightness and coarse structure. It is blind to fine detail: `evaluation/consistency` looks closer.

Where an image is dark, nothing that happens to it is a large share of its contrast, which a few bright spots decide.
There, the difference is judged by the signal: by how far the blocks are above the darkest block of their window.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
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

_FEW_BLOCKS = 16
"""Number of blocks below which their darkest one says too little about the signal."""

_OF_CONTRAST, _OF_SIGNAL = 0.02, 0.15
"""Differences from which a result does not agree with its input, as shares of the contrast and of the signal.

Measured on images of all kinds, without noise and down to 10 photons, where `_BEYOND_NOISE` is met: at most 0.015 and
0.15 with eight shipped models, also on kinds they do not know. Others reach 0.2 to 1.1 of the signal of an almost black
image of another kind, and models of MRI volumes 0.027 of the contrast of nuclei at 10 photons. Networks at a wrong
`intensity_range` reach 0.02 to 0.6 of the contrast.
"""

_BEYOND_NOISE = {_OF_CONTRAST: 1.0, _OF_SIGNAL: 3.0}
"""Least energy of such a difference, as a multiple of that of the noise in the means of blocks."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far windows of a result are from their input. All energies are shares of the squared contrast.

    Attributes
    ----------
    blocks
        Number of blocks that were compared.
    residual
        Sum over blocks of the squared difference of the means, without the part of the noise. It may be below 0 by
        chance.
    noise
        Sum over blocks of the variance that noise which was removed gives to the difference, and rounding.
    signal
        Sum over blocks of the squared height of the input's mean above that of the darkest block of its window.
    """

    blocks: int
    residual: float
    noise: float
    signal: float

    @property
    def of_contrast(self) -> float:
        """Root mean square difference as a share of the contrast."""
        return sqrt(max(0.0, self.residual / self.blocks)) if self.blocks else 0.0

    @property
    def of_signal(self) -> float:
        """Root mean square difference as a share of that of the signal; 0 if there is none."""
        return sqrt(max(0.0, self.residual / self.signal)) if self.signal else 0.0

    def describe_difference(self) -> str:
        """Return how large the difference is, if a user should hear of it; else nothing."""
        found = {_OF_CONTRAST: self.of_contrast, _OF_SIGNAL: self.of_signal if self.blocks >= _FEW_BLOCKS else 0.0}
        for limit, name in ((_OF_CONTRAST, "contrast"), (_OF_SIGNAL, "brightness above the darkest parts")):
            if found[limit] > limit and self.residual > _BEYOND_NOISE[limit] * self.noise:
                return f"{found[limit]:.1%} of the {name}"
        return ""


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

    def compare(self, values: npt.NDArray[Any], core: npt.NDArray[Any], channel: int) -> Agreement:
        """Compare the middle of a tile with the input.

        Parameters
        ----------
        values
            ``(S, ...)``: the kept part of the output, in intensities of the image.
        core
            ``(S, ...)``: the part of the input it was computed from.
        channel
            Index of the channel.
        """
        scale, contrast = self._plan.work_scale, self._plan.contrast[channel]
        window = [_middle(n, e) for n, e in zip(core.shape[1:], (_PLANES, _EDGE, _EDGE)[-len(scale) :], strict=True)]
        finer = tuple(slice(w.start * s, w.stop * s) for w, s in zip(window, scale, strict=True))
        shown = core[:, *window]
        difference = _grey(bin_mean(values[:, *finer], (1, *scale)) - shown) / contrast
        block = (difference.shape[0], _BLOCK, _BLOCK) if difference.ndim == 3 else (_BLOCK, _BLOCK)
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is left out below
            brightness = bin_mean(_grey(shown) / contrast, block)
            means = bin_mean(difference, block)
            # The variance within a block, over its number of pixels, is that of the mean of white noise.
            noise = (bin_mean(difference**2, block) - means**2) / (np.prod(block) - 1)
        if values.dtype.kind in "iu":
            # Where an area is even, all its values are rounded the same way.
            noise = noise + 1 / 12 / contrast**2
        usable = np.isfinite(noise) & np.isfinite(brightness)
        means, noise, brightness = means[usable], noise[usable], brightness[usable]
        signal = np.square(brightness - brightness.min()).sum() if brightness.size else 0.0
        return Agreement(means.size, float(np.square(means).sum() - noise.sum()), float(noise.sum()), float(signal))


def _middle(size: int, edge: int) -> slice:
    """Return the middle of an axis: whole blocks, or at most `edge` pixels."""
    length = min(size, edge) // _BLOCK * _BLOCK if edge >= _BLOCK else min(size, edge)
    start = (size - length) // 2
    return slice(start, start + length)


def _grey(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the luma of ``(S, ...)`` colours, without its offset, or the mean."""
    weights: Sequence[float] = TO_YCBCR[0] / TO_YCBCR[0].sum() if len(values) >= 3 else [1 / len(values)] * len(values)
    return np.asarray(np.tensordot(weights, values[: len(weights)], 1))
