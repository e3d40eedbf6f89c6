"""Two views of one scene: pixels of the second view that show the same place become channels of the first.

Each row of the second view is searched for the place that each pixel of the first shows: squared differences, each view
without its local mean, are summed over a window, and the least of them is refined to a fraction of a pixel by a
parabola. Scharstein, Szeliski: A taxonomy and evaluation of dense two-frame stereo correspondence algorithms,
International Journal of Computer Vision 47, 2002, doi:10.1023/A:1014573219977. Nothing of it is learnt, so what is
found does not depend on the images of a training. The other way is attention along the rows: Wang, Wang, Liang, Lin,
Yang, An, Guo: Learning Parallax Attention for Stereo Image Super-Resolution, CVPR 2019, doi:10.1109/CVPR.2019.01253.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_WINDOW = 9
"""Edge of the window that is compared, in pixels."""

_TAPS = (-1, 0, 1)
"""Pixels of the second view that are returned, counted from the best match along the row."""

_LEAST_CURVATURE = 1e-12


class BlockMatch(nn.Module):
    """Finds what the second of two views shows of each pixel of the first.

    ``parallax`` is the longest way along a row that is searched, to both sides, in pixels; ``channels`` are those of
    one view.
    """

    def __init__(self, parallax: int, channels: int = 1) -> None:
        super().__init__()
        self.parallax, self.channels = parallax, channels
        self.planes = (1 + len(_TAPS)) * channels + 3
        """Number of planes that are returned."""

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Return ``(B, 4 * C + 3, H, W)``; `x` is ``(B, 2 * C, H, W)``, view by view.

        The planes are the first view; the pixel of the second that matches and its neighbours along the row; the
        fraction of a pixel by which the match lies beyond it; the difference of both windows; and how much it grows
        within a pixel, which is little where a match says little.
        """
        half = x if x.dtype == torch.float64 else x.float()
        first, second = half[:, : self.channels], half[:, self.channels :]
        costs = self._differences(first, second)  # (B, 2 * parallax + 3, H, W)
        least, best = costs[:, 1:-1].min(dim=1, keepdim=True)
        before, after = (costs.gather(1, best + step) for step in (0, 2))
        growth = (before - least + (after - least)).clamp(min=_LEAST_CURVATURE)
        fraction = ((before - after) / (2 * growth)).clamp(-0.5, 0.5)
        column = torch.arange(x.shape[-1], device=x.device) + best + 1
        wide = _repeat_edges(second, self.parallax + 1)
        taps = [wide.gather(3, (column + tap).expand_as(second)) for tap in _TAPS]
        area = float(_WINDOW**2)
        return torch.cat([first, *taps, fraction, (least / area).sqrt(), (growth / area).sqrt()], dim=1).to(x.dtype)

    def _differences(self, first: Tensor, second: Tensor) -> Tensor:
        """Return how much the windows around each pixel differ, for each way along the row, one pixel more per side."""
        first, second = (view - _window_sum(view) / _WINDOW**2 for view in (first, second))
        width, wide = first.shape[-1], _repeat_edges(second, self.parallax + 1)
        ways = range(2 * self.parallax + 3)
        squares = [(first - wide[..., d : d + width]).square().sum(dim=1) for d in ways]
        return _window_sum(torch.stack(squares, dim=1))


def _repeat_edges(planes: Tensor, reach: int) -> Tensor:
    return F.pad(planes, (reach, reach, 0, 0), mode="replicate")


def _window_sum(planes: Tensor) -> Tensor:
    """Return the sum over a window around each pixel of ``(B, N, H, W)``; pixels of the border are repeated outwards.

    Slices are added in a fixed order, so that sums are the same to the last bit however an image is tiled: the least of
    them decides which pixel is taken.
    """
    total = F.pad(planes, (_WINDOW // 2,) * 4, mode="replicate")
    for axis in (-2, -1):
        size = total.shape[axis] - _WINDOW + 1
        padded, total = total, total.narrow(axis, 0, size)
        for start in range(1, _WINDOW):
            total = total + padded.narrow(axis, start, size)
    return total
