"""Draw patches on the device that trains, by the rule of `training.patches`: a GPU would wait for the CPU's."""

from collections.abc import Sequence
from itertools import compress

import numpy as np
import torch
from torch import Tensor

from napari_superres.degradation.instruments import Conditioned, Scale
from napari_superres.errors import TrainingError
from napari_superres.training.images.fields_of_view import Field
from napari_superres.training.patches import ANY_KIND, crop_to_scale, reduce_field


class DevicePatches:
    """Draws batches of patches from planes that lie one after another in the memory of the device.

    Nothing here waits for the device or depends on its numbers, so that a GPU can repeat it within a graph.

    Parameters
    ----------
    fields
        Fields of view with weights. Those smaller than a patch are left out.
    noise
        Gain and read noise of each field.
    scale
        Factor along Y and X.
    edge
        Edge of a low-resolution patch in pixels.
    instrument
        Instrument that makes the low-resolution patches.
    device
        Where the patches are drawn.

    Raises
    ------
    TrainingError
        If no field is as large as a patch.
    """

    def __init__(
        self,
        fields: Sequence[Field],
        noise: Sequence[tuple[float, float]],
        *,
        scale: Scale,
        edge: int,
        instrument: Conditioned,
        device: torch.device,
    ) -> None:
        self._scale, self._factor, self._instrument, self._device = scale, scale[0], instrument, device
        self._edge = edge * self._factor + 2 * instrument.margin(scale)[0]
        is_large = [min(crop_to_scale(f.hr, scale).shape) >= self._edge for f in fields]
        large = [*compress(fields, is_large)]
        if not large:
            raise TrainingError(f"training images must be at least {self._edge} pixels long and wide.")
        planes = [crop_to_scale(f.hr, scale) for f in large]
        reduced = [lr for f in large if (lr := reduce_field(f, scale, instrument)) is not None]
        self._hr, self._lr = self._join(planes), self._join(reduced) if reduced else None
        sizes = torch.tensor([p.shape for p in planes], device=device)
        self._heights, self._widths = sizes.unbind(1)
        ends = self._heights.mul(self._widths).cumsum(0)
        self._starts = ends - self._heights * self._widths
        chance = np.cumsum([f.hr.size if f.weight is None else f.weight for f in large])
        self._chance = torch.from_numpy((chance / chance[-1]).astype(np.float32)).to(device)
        self._noise = torch.tensor([*compress(noise, is_large)], dtype=torch.float32, device=device)

    def _join(self, planes: Sequence[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.concatenate([p.ravel() for p in planes])).to(self._device)

    @torch.no_grad()
    def batch(self, count: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Return low- and high-resolution patches, ``(count, 1 + conditions, p, p)`` and ``(count, 1, s*p, s*p)``.

        Parameters
        ----------
        count
            Number of patches.
        generator
            Generator of the device; None = its default one.
        """
        corners = self._draw_corners(2 * count, generator)
        turns = self._uniform(2 * count, 3, generator=generator) < 0.5
        candidates = self._cut(self._hr, corners, turns, self._factor)
        kept = self._choose(candidates, count, generator)
        hr = candidates[kept][:, None]
        lr = None if self._lr is None else self._cut(self._lr, corners[kept], turns[kept], 1)[:, None]
        return self._instrument.simulate(hr, lr, self._scale, generator, self._noise[corners[kept, 0]])

    def _draw_corners(self, count: int, generator: torch.Generator | None) -> Tensor:
        """Return field, top and left of patches, ``(count, 3)``; top and left in low-resolution pixels."""
        share, *places = self._uniform(3, count, generator=generator).unbind()
        field = torch.searchsorted(self._chance, share).clamp(max=len(self._chance) - 1)
        edge = self._edge // self._factor
        corner = [field]
        for size, place in zip((self._heights, self._widths), places, strict=True):
            room = size[field] // self._factor - edge
            corner.append((place * (room + 1)).long().minimum(room))
        return torch.stack(corner, dim=1)

    def _cut(self, flat: Tensor, corners: Tensor, turns: Tensor, factor: int) -> Tensor:
        """Return turned patches ``(B, e, e)`` of planes that have `factor` pixels per low-resolution pixel."""
        field, top, left = (c[:, None, None] for c in corners.unbind(1))
        flip_y, flip_x, swap = (t[:, None, None] for t in turns.unbind(1))
        edge = self._edge * factor // self._factor
        line = torch.arange(edge, device=self._device)
        y, x = line[None, :, None], line[None, None, :]
        y, x = torch.where(swap, x, y), torch.where(swap, y, x)
        y, x = torch.where(flip_y, edge - 1 - y, y), torch.where(flip_x, edge - 1 - x, x)
        # The planes have the same order at both resolutions, so that lengths and places shrink alike.
        start, width = self._starts[field] * factor**2 // self._factor**2, self._widths[field] * factor // self._factor
        return flat[start + (top * factor + y) * width + left * factor + x]

    def _choose(self, candidates: Tensor, count: int, generator: torch.Generator | None) -> Tensor:
        """Return the numbers of the candidates to keep: those with most structure, and some others; in any order."""
        detail = sum(candidates.diff(dim=d).abs().mean(dim=(1, 2)) for d in (1, 2))
        assert isinstance(detail, Tensor)
        order, any_kind = detail.argsort(), count // ANY_KIND
        lower, best = order[: count + any_kind], order[count + any_kind :]
        kept = torch.cat([best, lower[self._permute(len(lower), generator)[:any_kind]]])
        return kept[self._permute(count, generator)]

    def _permute(self, count: int, generator: torch.Generator | None) -> Tensor:
        return self._uniform(count, generator=generator).argsort()

    def _uniform(self, *shape: int, generator: torch.Generator | None) -> Tensor:
        return torch.rand(*shape, device=self._device, generator=generator)
