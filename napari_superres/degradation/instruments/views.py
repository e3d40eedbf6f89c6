"""Two views of one scene, recorded by two cameras."""

from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_superres.degradation.instruments.lenses import Optics
from napari_superres.degradation.instruments.protocol import Range, Scale
from napari_superres.degradation.instruments.strengths import draw_uniform, format_range, trim

_FOREGROUND_CHANCE = 0.5
"""Chance that something stands before a scene."""

_STEP = (2.0, 16.0)
"""Range of the parallax between what stands before a scene and the scene, in high-resolution pixels."""

_RELIEF = 4.0
"""Largest change of the parallax within a surface, in high-resolution pixels."""

_ROW_ERROR = 0.3
"""Standard deviation of the height at which the second camera sees a scene, in high-resolution pixels."""

_GAIN_ERROR = 0.02
"""Standard deviation of the ratio of the cameras' brightness, less 1."""


@dataclass(frozen=True, slots=True)
class Views(Optics):
    """Two views of a scene, each recorded as `Optics` records it, with the same strengths; the first is refined.

    A scene is a surface with a relief, before which the surface of another patch may stand, cut out by a random
    outline. Each camera sees parts that the other does not: the scene continues behind what stands before it.

    Attributes
    ----------
    parallax
        Range of the parallax of the scene in high-resolution pixels, to either side.
    """

    parallax: Range = (0.0, 32.0)
    frames = 2

    def margin(self, scale: Scale) -> tuple[int, ...]:
        """Return the reach of the point-spread function and of the parallax."""
        path = ceil(self.parallax[1] + 4 * _ROW_ERROR)
        optics = Optics.margin(self, scale)
        return tuple(m + -(-path // s) * s for m, s in zip(optics, scale, strict=True))

    def expose(
        self, hr: Tensor, lr: Tensor | None, scale: Scale, random: np.random.Generator, own_noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return both views as channels, and the first view at high resolution without margin."""
        del lr, own_noise
        first, second = self.see(hr, random)
        room = tuple(m - o for m, o in zip(self.margin(scale), Optics.margin(self, scale), strict=True))
        views = torch.stack([trim(first, room), trim(second, room)], dim=1).flatten(0, 1)
        gain = torch.from_numpy(1 + random.normal(size=len(hr)) * _GAIN_ERROR).float()
        views[1::2] *= gain[:, None, None, None]
        recorded = self.record(views, scale, random, group=2)
        return recorded.reshape(len(hr), 2, *recorded.shape[-2:]), trim(first, self.margin(scale))

    def see(self, hr: Tensor, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return the two views ``(B, 1, H, W)`` of scenes made of patches, at high resolution and without noise."""
        count, size, most = len(hr), hr.shape[-2:], self.parallax[1]
        side, base_side = (torch.from_numpy(random.choice([-1.0, 1.0], count)).float() for _ in range(2))
        base = base_side * draw_uniform(self.parallax, count, random)
        rows = torch.from_numpy(random.normal(size=count) * _ROW_ERROR).float().clamp(-4 * _ROW_ERROR, 4 * _ROW_ERROR)
        behind, before = (
            (level[:, None, None, None] + _RELIEF * _smooth(count, size, random)).clamp(-most, most)
            for level in (base, base + side * draw_uniform(_STEP, count, random))
        )
        outline = _smooth(count, size, random)
        outline[torch.from_numpy(random.random(count) >= _FOREGROUND_CHANCE)] = -1.0
        front = hr.roll(1, dims=0)
        moved = _moved(hr, behind, rows), _moved(front, before, rows), _moved(outline, before, rows)
        return _composed(hr, front, outline), _composed(*moved)

    def describe(self) -> str:
        """Return the degradation in words."""
        return f"Two views, parallax {format_range(self.parallax)} fine pixels; {Optics.describe(self)}"


def _composed(scene: Tensor, front: Tensor, outline: Tensor) -> Tensor:
    """Return a scene with something before it wherever the outline is above 0."""
    return torch.where(outline > 0, front, scene)


def _smooth(count: int, size: torch.Size, random: np.random.Generator) -> Tensor:
    """Return smooth random planes ``(count, 1, *size)`` between about -1 and 1."""
    coarse = torch.from_numpy(random.uniform(-1, 1, (count, 1, 4, 4))).float()
    return F.interpolate(coarse, tuple(size), mode="bicubic", align_corners=True)


def _moved(planes: Tensor, parallax: Tensor, rows: Tensor) -> Tensor:
    """Return planes whose pixel x shows what was at ``x + parallax``, by cubic interpolation."""
    height, width = planes.shape[-2:]
    y = torch.arange(height)[None, :, None] + rows[:, None, None]
    x = torch.arange(width)[None, None, :] + parallax[:, 0]
    grid = torch.stack([2 * x / (width - 1) - 1, (2 * y / (height - 1) - 1).expand_as(x)], dim=-1)
    return F.grid_sample(planes, grid, mode="bicubic", padding_mode="border", align_corners=True)
