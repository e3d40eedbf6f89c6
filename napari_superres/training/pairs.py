"""Low- and high-resolution patches: drawn where there is content, degraded, flipped and turned."""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from napari_superres.degradation.instruments import Instrument, Scale
from napari_superres.errors import SuperResWarning, TrainingError
from napari_superres.training.sources import Field, Plane


class PatchSource:
    """Draws batches of patches from planes.

    Parameters
    ----------
    fields
        What patches are drawn from.
    scale
        Factor per axis.
    patch
        Edges of a low-resolution patch in pixels.
    instrument
        Makes the low-resolution patches.
    seed
        Of all draws.

    Raises
    ------
    TrainingError
        If no plane is as large as a patch.
    """

    def __init__(
        self, fields: Sequence[Field], *, scale: Scale, patch: Scale, instrument: Instrument, seed: int = 0
    ) -> None:
        self.scale, self.patch, self.instrument, self.seed = scale, patch, instrument, seed
        self.margin = instrument.margin(scale)
        edges = [p * s + 2 * m for p, s, m in zip(patch, scale, self.margin, strict=True)]
        large = [f for f in fields if all(n >= e for n, e in zip(whole(f.high, scale).shape, edges, strict=True))]
        if not large:
            around = f", {max(self.margin)} around it for the blur" if any(self.margin) else ""
            raise TrainingError(
                f"training images must be at least {' x '.join(map(str, edges))} pixels (patch {_text(patch)}, scale "
                f"{_text(scale)}{around}), got {len(fields)} smaller planes."
            )
        if len(large) < len(fields):
            warnings.warn(
                f"{len(fields) - len(large)} of {len(fields)} planes are smaller than {' x '.join(map(str, edges))} "
                "pixels and are left out.",
                SuperResWarning,
                stacklevel=3,
            )
        self.planes = [whole(f.high, scale) for f in large]
        self.low = [low_of(f, scale, instrument) for f in large]
        area = np.array([p.size for p in self.planes], dtype=np.float64)
        self.chance = area / area.sum()

    def batch(self, size: int, step: int) -> tuple[Tensor, Tensor]:
        """Return low- and high-resolution patches ``(size, frames, p, p)`` and ``(size, 1, s*p, s*p)`` of a step.

        They depend on seed and step only, so that an interrupted training sees what an undisturbed one would.
        """
        random = np.random.default_rng((self.seed, step))
        drawn = [self._draw(random) for _ in range(2 * size)]
        # Of twice as many candidates keep those with most structure: sky and background teach little.
        detail = [sum(np.abs(np.diff(hr, axis=a)).mean() for a in range(hr.ndim)) for _, hr in drawn]
        pairs = [_turned(low, high, random) for low, high in (drawn[i] for i in np.argsort(detail)[-size:])]
        high = torch.from_numpy(np.stack([hr for _, hr in pairs]))[:, None]
        lows = [lr for lr, _ in pairs if lr is not None]
        low = torch.from_numpy(np.stack(lows))[:, None] if lows else None
        return self.instrument.expose(high, low, self.scale, random)

    def _draw(self, random: np.random.Generator) -> tuple[Plane | None, Plane]:
        which = int(random.choice(len(self.planes), p=self.chance))
        plane, low = self.planes[which], self.low[which]
        coarse, fine = [], []
        for n, s, p, m in zip(plane.shape, self.scale, self.patch, self.margin, strict=True):
            edge = p + 2 * m // s
            first = int(random.integers(0, n // s - edge + 1))
            coarse.append(slice(first, first + edge))
            fine.append(slice(first * s, (first + edge) * s))
        return None if low is None else low[tuple(coarse)], plane[tuple(fine)]


def low_of(field: Field, scale: Scale, instrument: Instrument) -> Plane | None:
    """Return the low-resolution plane that was recorded of a field, or that all simulations have in common."""
    return instrument.reduce(whole(field.high, scale), scale) if field.low is None else field.low


def whole(plane: Plane, scale: Scale) -> Plane:
    """Return the plane without the pixels at its far end that do not fill a low-resolution one."""
    return plane[tuple(slice(n // s * s) for n, s in zip(plane.shape, scale, strict=True))]


def _turned(low: Plane | None, high: Plane, random: np.random.Generator) -> tuple[Plane | None, Plane]:
    """Turn and mirror both in the plane, which may have another scale than the depth; mirror the depth."""
    turns, mirrored = int(random.integers(4)), bool(random.integers(2))
    upside = high.ndim == 3 and bool(random.integers(2))

    def turned(patch: Plane) -> Plane:
        patch = np.rot90(patch, turns, axes=(-2, -1))
        patch = patch[..., ::-1] if mirrored else patch
        return np.ascontiguousarray(patch[::-1] if upside else patch, dtype=np.float32)

    return None if low is None else turned(low), turned(high)


def _text(edges: Scale) -> str:
    return str(edges[0]) if len(set(edges)) == 1 else " x ".join(map(str, edges))
