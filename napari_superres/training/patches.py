"""Draw batches of patches: from parts with structure, randomly turned, degraded by the instrument."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from napari_superres.core.turns import Turn
from napari_superres.degradation.instruments import Instrument, Scale
from napari_superres.errors import TrainingError
from napari_superres.training.fields_of_view import Field, Plane

_ANY_KIND = 8
"""One of this many patches of a batch is drawn among those with less structure."""


class PatchSampler:
    """Draws batches of patches from fields of view.

    Parameters
    ----------
    fields
        Fields of view. Those smaller than a patch are left out; `notes` says how many.
    scale
        Factor per axis.
    patch
        Edges of a low-resolution patch in pixels.
    instrument
        Instrument that makes the low-resolution patches.
    seed
        Seed of all draws.

    Raises
    ------
    TrainingError
        If no field is as large as a patch.
    """

    notes: tuple[str, ...] = ()
    """What the user should know about the fields."""

    def __init__(
        self, fields: Sequence[Field], *, scale: Scale, patch: Scale, instrument: Instrument, seed: int = 0
    ) -> None:
        self._scale, self._patch, self._instrument, self._seed = scale, patch, instrument, seed
        self._margin = instrument.margin(scale)
        edges = [p * s + 2 * m for p, s, m in zip(patch, scale, self._margin, strict=True)]
        large = [f for f in fields if all(n >= e for n, e in zip(crop_to_scale(f.hr, scale).shape, edges, strict=True))]
        if not large:
            around = f", {max(self._margin)} around it for the blur" if any(self._margin) else ""
            raise TrainingError(
                f"training images must be at least {' x '.join(map(str, edges))} pixels (patch {_format(patch)}, scale "
                f"{_format(scale)}{around}), got {len(fields)} smaller planes.",
                remedy="Choose larger images.",
            )
        if len(large) < len(fields):
            self.notes = (
                f"{len(fields) - len(large)} of {len(fields)} planes are smaller than {' x '.join(map(str, edges))} "
                "pixels and are left out.",
            )
        self._hr = [crop_to_scale(f.hr, scale) for f in large]
        self._lr = [reduce_field(f, scale, instrument) for f in large]
        weights = np.array([f.hr.size if f.weight is None else f.weight for f in large], dtype=np.float64)
        self._chance = weights.cumsum() / weights.sum()

    def batch(self, size: int, step: int) -> tuple[Tensor, Tensor]:
        """Return low- and high-resolution patches, ``(size, frames + conditions, p, p)`` and ``(size, 1, s*p, s*p)``.

        They depend only on the seed and the step, so that a resumed training sees the patches of an undisturbed one.
        """
        random = np.random.default_rng((self._seed, step))
        candidates = [self._draw(random) for _ in range(2 * size)]
        # Of twice as many candidates, keep those with most structure: sky and background teach little, but something.
        detail = [sum(np.abs(np.diff(hr, axis=a)).mean() for a in range(hr.ndim)) for _, hr in candidates]
        order, any_kind = np.argsort(detail), size // _ANY_KIND
        kept = [*order[-(size - any_kind) :], *random.permutation(order[: size + any_kind])[:any_kind]]
        chosen = (candidates[i] for i in kept)
        pairs = [_turn_randomly(low, high, random) for low, high in chosen]
        hr = torch.from_numpy(np.stack([high for _, high in pairs]))[:, None]
        lows = [low for low, _ in pairs if low is not None]
        lr = torch.from_numpy(np.stack(lows))[:, None] if lows else None
        return self._instrument.expose(hr, lr, self._scale, random)

    def _draw(self, random: np.random.Generator) -> tuple[Plane | None, Plane]:
        index = min(int(np.searchsorted(self._chance, random.random())), len(self._hr) - 1)
        hr, lr = self._hr[index], self._lr[index]
        lr_box, hr_box = [], []
        for n, s, p, m in zip(hr.shape, self._scale, self._patch, self._margin, strict=True):
            edge = p + 2 * m // s
            start = int(random.integers(0, n // s - edge + 1))
            lr_box.append(slice(start, start + edge))
            hr_box.append(slice(start * s, (start + edge) * s))
        return None if lr is None else lr[tuple(lr_box)], hr[tuple(hr_box)]


def reduce_field(field: Field, scale: Scale, instrument: Instrument) -> Plane | None:
    """Return the low-resolution plane of a field: the recorded one, or what all simulated recordings share."""
    return instrument.reduce(crop_to_scale(field.hr, scale), scale) if field.lr is None else field.lr


def crop_to_scale(plane: Plane, scale: Scale) -> Plane:
    """Return the plane without the pixels at its far end that do not fill a low-resolution pixel."""
    return plane[tuple(slice(n // s * s) for n, s in zip(plane.shape, scale, strict=True))]


def _turn_randomly(lr: Plane | None, hr: Plane, random: np.random.Generator) -> tuple[Plane | None, Plane]:
    """Flip and turn both patches alike. Z only flips: its scale may differ from that of Y and X."""
    quarters, flip = int(random.integers(4)), bool(random.integers(2))
    flip_z = hr.ndim == 3 and bool(random.integers(2))
    mirrored = {"Z": flip_z, "Y": quarters in (1, 2), "X": (quarters in (2, 3)) != flip}
    turn = Turn(quarters % 2 == 1, "".join(a for a, on in mirrored.items() if on))

    def apply(patch: Plane) -> Plane:
        return np.ascontiguousarray(turn.apply(patch), dtype=np.float32)

    return None if lr is None else apply(lr), apply(hr)


def _format(edges: Scale) -> str:
    return str(edges[0]) if len(set(edges)) == 1 else " x ".join(map(str, edges))
