"""Draw batches of patches: from parts with structure, randomly turned, degraded by the instrument."""

from collections.abc import Callable, Iterable, Sequence
from math import ceil
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from napari_superres.core.binning import bin_mean
from napari_superres.core.noise import measure_noise
from napari_superres.core.turns import Turn
from napari_superres.degradation.instruments import Instrument, Scale
from napari_superres.degradation.instruments.strengths import trim
from napari_superres.errors import SettingsError, TrainingError
from napari_superres.training.images.fields_of_view import Field, Plane

ANY_KIND = 8
"""One of this many patches of a batch is drawn among those with less structure."""


class _Place(NamedTuple):
    """Where a patch lies: the number of its field, and its box in both planes of the field."""

    field: int
    lr: tuple[slice, ...]
    hr: tuple[slice, ...]


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
    teacher
        Upscales a low-resolution plane, for patches that the instrument only reduces. It is called once per field,
        when a patch of it is first drawn.

    Raises
    ------
    TrainingError
        If no field is as large as a patch.
    """

    notes: tuple[str, ...] = ()
    """What the user should know about the fields."""

    def __init__(
        self,
        fields: Sequence[Field],
        *,
        scale: Scale,
        patch: Scale,
        instrument: Instrument,
        seed: int = 0,
        teacher: Callable[[Plane], Plane] | None = None,
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
        # Empty if recordings share no low-resolution plane.
        self._lr = [lr for f in large if (lr := reduce_field(f, scale, instrument)) is not None]
        weights = np.array([f.hr.size if f.weight is None else f.weight for f in large], dtype=np.float64)
        self._chance = weights.cumsum() / weights.sum()
        self._noise = dict[int, tuple[float, ...]]()
        self._teacher, self._taught = teacher, dict[int, Plane]()

    def batch(self, size: int, step: int) -> tuple[Tensor, Tensor]:
        """Return the low-resolution patches of a step, and what they should become.

        They depend only on the seed and the step, so that a resumed training sees the patches of an undisturbed one.

        Returns
        -------
        low, high
            ``(size, frames + conditions, p, p)`` and ``(size, 1, s*p, s*p)``. With a teacher, `high` has a second
            channel: its results, or the truth once more in patches on which it does not teach.
        """
        random = np.random.default_rng((self._seed, step))
        candidates = [self._draw(random) for _ in range(2 * size)]
        # Of twice as many candidates, keep those with most structure: sky and background teach little, but something.
        patches = [self._hr[place.field][place.hr] for place in candidates]
        detail = [sum(np.abs(np.diff(hr, axis=a)).mean() for a in range(hr.ndim)) for hr in patches]
        order, any_kind = np.argsort(detail), size // ANY_KIND
        kept = [*order[-(size - any_kind) :], *random.permutation(order[: size + any_kind])[:any_kind]]
        # In any order: the instrument may treat the first ones differently.
        places = [candidates[i] for i in random.permutation(kept)]
        turns = [_draw_turn(random, len(self._scale)) for _ in places]
        low, high = self._instrument.expose(
            _stack((self._hr[place.field][place.hr] for place in places), turns),
            _stack((self._lr[place.field][place.lr] for place in places), turns) if self._lr else None,
            self._scale,
            random,
            self._own_noise(places) if self._instrument.conditions or self._instrument.is_noisy else None,
        )
        if self._teacher is None:
            return low, high
        count, taught = ceil(self._instrument.unchanged * size), high.clone()
        if count:
            results = (self._teach(place.field, self._teacher)[place.hr] for place in places[:count])
            taught[:count] = trim(_stack(results, turns[:count]), self._margin)
        return low, torch.cat([high, taught], dim=1)

    def _own_noise(self, places: Sequence[_Place]) -> Tensor:
        """Return the noise of the image of each patch, which is measured when it is first needed."""
        for place in places:
            if place.field not in self._noise:
                hr = self._hr[place.field]
                self._noise[place.field] = split_noise(hr) if self._instrument.is_noisy else own_noise(hr, self._scale)
        return torch.tensor([self._noise[place.field] for place in places], dtype=torch.float32)

    def _draw(self, random: np.random.Generator) -> _Place:
        index = min(int(np.searchsorted(self._chance, random.random())), len(self._hr) - 1)
        lr_box, hr_box = [], []
        for n, s, p, m in zip(self._hr[index].shape, self._scale, self._patch, self._margin, strict=True):
            edge = p + 2 * m // s
            start = int(random.integers(0, n // s - edge + 1))
            lr_box.append(slice(start, start + edge))
            hr_box.append(slice(start * s, (start + edge) * s))
        return _Place(index, tuple(lr_box), tuple(hr_box))

    def _teach(self, index: int, teacher: Callable[[Plane], Plane]) -> Plane:
        """Return the teacher's result on a whole field, computed when it is first needed."""
        if index not in self._taught:
            self._taught[index] = teacher(self._lr[index])
        return self._taught[index]


def own_noise(plane: Plane, scale: Scale) -> tuple[float, float]:
    """Return gain and read noise that are measured on a plane reduced by the mean over pixels; 0 if it is too small."""
    try:
        noise = measure_noise([bin_mean(crop_to_scale(plane, scale), scale)])
    except SettingsError:
        return 0.0, 0.0
    return noise.on_scale(0.0, 1.0)


def split_noise(plane: Plane) -> tuple[float, float, float]:
    """Return gain, read noise and the intensity of darkness that are measured on a plane; 0 if it is too small."""
    try:
        noise = measure_noise([plane])
    except SettingsError:
        return 0.0, 0.0, 0.0
    return *noise.on_scale(0.0, 1.0), noise.darkness(0.0, 1.0)


def reduce_field(field: Field, scale: Scale, instrument: Instrument) -> Plane | None:
    """Return the low-resolution plane of a field: the recorded one, or what all simulated recordings share."""
    return instrument.reduce(crop_to_scale(field.hr, scale), scale) if field.lr is None else field.lr


def crop_to_scale(plane: Plane, scale: Scale) -> Plane:
    """Return the plane without the pixels at its far end that do not fill a low-resolution pixel."""
    return plane[tuple(slice(n // s * s) for n, s in zip(plane.shape, scale, strict=True))]


def _draw_turn(random: np.random.Generator, ndim: int) -> Turn:
    """Return a random flip and quarter turn. Z only flips: its scale may differ from that of Y and X."""
    quarters, flip = int(random.integers(4)), bool(random.integers(2))
    flip_z = ndim == 3 and bool(random.integers(2))
    mirrored = {"Z": flip_z, "Y": quarters in (1, 2), "X": (quarters in (2, 3)) != flip}
    return Turn(quarters % 2 == 1, "".join(a for a, on in mirrored.items() if on))


def _stack(patches: Iterable[Plane], turns: Sequence[Turn]) -> Tensor:
    """Return patches as a batch ``(B, 1, ...)``, each turned."""
    turned = [turn.apply(patch) for patch, turn in zip(patches, turns, strict=True)]
    return torch.from_numpy(np.stack(turned).astype(np.float32))[:, None]


def _format(edges: Scale) -> str:
    return str(edges[0]) if len(set(edges)) == 1 else " x ".join(map(str, edges))
