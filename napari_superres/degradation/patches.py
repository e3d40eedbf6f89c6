"""What instruments would have recorded of patches for training, each drawn with a strength of its own.

An `Instrument` is what a recipe says under ``[degradation]``. Intensities are those of the model: 0 is
darkness, 1 the brightest.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import ceil
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_superres.core.tiling import reflected
from napari_superres.degradation import kspace
from napari_superres.degradation.optics import bin_mean
from napari_superres.degradation.resample import resize_bicubic
from napari_superres.errors import SettingsError

Plane = npt.NDArray[np.float32]
"""A plane or a volume."""

Range = tuple[float, float]
Scale = tuple[int, ...]
"""Factor per axis."""

_SIGMAS_OF_CONTEXT = 4
_TREMBLE = 0.5
"""Standard deviation of a movement's unrest, in high-resolution pixels."""

_AT_ENDS = 0.1
"""Chance that a movie begins, or ends, within the frames."""


class Instrument(Protocol):
    """Makes low-resolution images.

    Whatever looks far is done once for a whole plane, by `reduce`; the rest patch by patch, by `expose`.
    """

    eight_bit: bool
    """Whether images have 8 bits, in which results are then measured too."""

    frames: int
    """How many frames are recorded of a moving patch, as channels; the middle one shows the patch itself."""

    def margin(self, scale: Scale) -> tuple[int, ...]:
        """Return the high-resolution pixels that patches need around them, per axis: multiples of `scale`."""

    def reduce(self, plane: Plane, scale: Scale) -> Plane | None:
        """Return the low-resolution plane that all recordings have in common; None if there is no such."""

    def expose(
        self, high: Tensor, low: Tensor | None, scale: Scale, random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return recordings ``(B, frames, (d,) h, w)`` of patches, and the patches ``(B, 1, ...)`` without margin."""

    def describe(self) -> str:
        """Return what was done, for a model's card."""


@dataclass(frozen=True, slots=True)
class Bicubic:
    """Antialiased bicubic reduction.

    Attributes
    ----------
    eight_bit
        Whether low-resolution images are rounded to 8 bits, as is the convention of the literature.
    """

    eight_bit: bool = True
    frames = 1

    def margin(self, scale: Scale) -> tuple[int, ...]:
        """Return 0."""
        return (0,) * len(scale)

    def reduce(self, plane: Plane, scale: Scale) -> Plane:
        """Return the plane reduced, and rounded if so wished."""
        reduced = resize_bicubic(plane, scale, axes=range(plane.ndim))
        if self.eight_bit:
            reduced = np.rint(reduced * 255.0).clip(0, 255) / 255.0
        return np.asarray(reduced, dtype=np.float32)

    def expose(
        self, high: Tensor, low: Tensor | None, scale: Scale, random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return what was reduced: there is no noise."""
        del scale, random
        assert low is not None
        return low, high

    def describe(self) -> str:
        """Return what was done."""
        return f"antialiased bicubic reduction{', 8 bit' if self.eight_bit else ''}"


@dataclass(frozen=True, slots=True)
class Optics:
    """Gaussian point-spread function, binning, photon noise, read noise, in this order.

    Attributes
    ----------
    psf_sigma
        In high-resolution pixels, from, to.
    read_noise
        Standard deviation, from, to: electrons where photons are counted, else in units of the brightest intensity.
    photons
        Per low-resolution pixel of the brightest intensity, from, to; None = they are not counted.
    """

    psf_sigma: Range
    read_noise: Range = (0.0, 0.0)
    photons: Range | None = None
    eight_bit = False
    frames = 1

    def margin(self, scale: Scale) -> tuple[int, ...]:
        """Return the reach of the widest point-spread function."""
        reach = max(1, ceil(_SIGMAS_OF_CONTEXT * self.psf_sigma[1]))
        return tuple(-(-reach // s) * s for s in scale)

    def reduce(self, plane: Plane, scale: Scale) -> None:
        """Return nothing: every recording has its own point-spread function."""

    def expose(
        self, high: Tensor, low: Tensor | None, scale: Scale, random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return recordings, each with its own blur, light and noise."""
        del low
        return self.record(high, scale, random), trimmed(high, Optics.margin(self, scale))

    def record(self, high: Tensor, scale: Scale, random: np.random.Generator, *, alike: int = 1) -> Tensor:
        """Return recordings ``(B, 1, h, w)`` without the margin; `alike` in a row have the same blur and light."""
        count = len(high) // alike

        def drawn(between: tuple[float, ...]) -> Tensor:
            return _drawn(between, count, random).repeat_interleave(alike)

        blurred = _blurred(high, drawn(self.psf_sigma))
        binned = F.avg_pool2d(blurred, scale)
        seen = trimmed(binned, tuple(m // s for m, s in zip(Optics.margin(self, scale), scale, strict=True))).numpy()
        noise = drawn(self.read_noise).numpy()[:, None, None, None]
        if self.photons is None:
            return torch.from_numpy((seen + random.normal(size=seen.shape) * noise).astype(np.float32))
        light = np.exp(drawn(tuple(np.log(self.photons))).numpy())[:, None, None, None]
        seen = random.poisson(seen.clip(min=0) * light) + random.normal(size=seen.shape) * noise
        return torch.from_numpy((seen / light).astype(np.float32))

    def describe(self) -> str:
        """Return what was done."""
        words = f"Gaussian PSF, sigma {_span(self.psf_sigma)} fine pixels; binning"
        if self.photons is None:
            return f"{words}; Gaussian noise {_span(self.read_noise)} of the brightest"
        return f"{words}; {_span(self.photons)} photons at the brightest; read noise {_span(self.read_noise)} electrons"


@dataclass(frozen=True, slots=True)
class Movie(Optics):
    """What `Optics` sees of a moving scene, frame by frame.

    Each patch moves at a speed and in a direction of its own, and trembles. Some are seen at the begin or the end
    of the movie, where frames in the opposite direction stand in for those that are not there.

    Attributes
    ----------
    frames
        Odd; the patch itself is what the middle one shows.
    speed
        High-resolution pixels per frame, from, to.
    """

    frames: int = 5
    speed: Range = (0.0, 2.0)

    def margin(self, scale: Scale) -> tuple[int, ...]:
        """Return the reach of the point-spread function, and of the movement."""
        path = ceil((self.frames // 2) * self.speed[1] + 3 * _TREMBLE)
        optics = Optics.margin(self, scale)
        return tuple(m + -(-path // s) * s for m, s in zip(optics, scale, strict=True))

    def expose(
        self, high: Tensor, low: Tensor | None, scale: Scale, random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return movies, each with its own movement, blur, light and noise."""
        del low
        count, k = len(high), self.frames // 2
        around = Optics.margin(self, scale)
        room = [m - a for m, a in zip(self.margin(scale), around, strict=True)]
        angle, speed = random.uniform(0, 2 * np.pi, count), random.uniform(*self.speed, count)
        step = np.stack([speed * np.sin(angle), speed * np.cos(angle)], axis=1)  # (B, 2)
        path = np.arange(-k, k + 1)[:, None] * step[:, None] + random.normal(size=(count, self.frames, 2)) * _TREMBLE
        path[:, k] = 0
        # What moves by `path` is seen that much earlier on the axis.
        at = np.rint(np.array(room) - path).astype(int).clip(0, 2 * np.array(room))
        height, width = (n - 2 * r for n, r in zip(high.shape[-2:], room, strict=True))
        views = [
            patch[:, y : y + height, x : x + width] for patch, places in zip(high, at, strict=True) for y, x in places
        ]
        seen = self.record(torch.stack(views), scale, random, alike=self.frames)
        seen = seen.reshape(count, self.frames, *seen.shape[-2:])
        order = np.stack([_order(k, random) for _ in range(count)])
        seen = torch.stack([movie[indices] for movie, indices in zip(seen, torch.from_numpy(order), strict=True)])
        return seen, trimmed(high, self.margin(scale))

    def describe(self) -> str:
        """Return what was done."""
        return f"{self.frames} frames, moving {_span(self.speed)} fine pixels each; {Optics.describe(self)}"


@dataclass(frozen=True, slots=True)
class Slices:
    """Thick slices: the mean over what each contains, then noise.

    Attributes
    ----------
    noise
        Standard deviation in units of the brightest intensity, from, to; Rician, as in magnetic resonance.
    """

    noise: Range = (0.0, 0.0)
    eight_bit = False
    frames = 1

    def margin(self, scale: Scale) -> tuple[int, ...]:
        """Return 0: slices touch."""
        return (0,) * len(scale)

    def reduce(self, plane: Plane, scale: Scale) -> Plane:
        """Return the volume in thick slices."""
        return bin_mean(plane, scale).astype(np.float32)

    def expose(
        self, high: Tensor, low: Tensor | None, scale: Scale, random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return magnitudes, each patch with its own noise."""
        del scale
        return _with_rician_noise(low, self.noise, random), high

    def describe(self) -> str:
        """Return what was done."""
        return f"thick slices, touching (box profile); Rician noise {_span(self.noise)} of the brightest"


@dataclass(frozen=True, slots=True)
class KSpace:
    """Truncation of k-space and Rician noise.

    Attributes
    ----------
    noise
        Standard deviation of real and imaginary part in units of the brightest intensity, from, to.
    """

    noise: Range = (0.0, 0.0)
    eight_bit = False
    frames = 1

    def margin(self, scale: Scale) -> tuple[int, ...]:
        """Return 0: planes are truncated as a whole."""
        return (0,) * len(scale)

    def reduce(self, plane: Plane, scale: Scale) -> Plane:
        """Return the plane from the lowest spatial frequencies."""
        return kspace.truncate(plane, scale).astype(np.float32)

    def expose(
        self, high: Tensor, low: Tensor | None, scale: Scale, random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return magnitudes, each patch with its own noise."""
        del scale
        return _with_rician_noise(low, self.noise, random), high

    def describe(self) -> str:
        """Return what was done."""
        return f"k-space truncation; Rician noise {_span(self.noise)} of the brightest"


@dataclass(frozen=True, slots=True)
class Recorded:
    """No simulation: both images of a pair were recorded."""

    eight_bit = False
    frames = 1

    def margin(self, scale: Scale) -> tuple[int, ...]:
        """Return 0."""
        return (0,) * len(scale)

    def reduce(self, plane: Plane, scale: Scale) -> None:
        """Return nothing: low-resolution images are there."""

    def expose(
        self, high: Tensor, low: Tensor | None, scale: Scale, random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return what was recorded."""
        del scale, random
        assert low is not None
        return low, high

    def describe(self) -> str:
        """Return what was done."""
        return "none: pairs recorded by instruments"


_KINDS: dict[str, type[Any]] = {
    "bicubic": Bicubic, "optics": Optics, "movie": Movie, "slices": Slices, "kspace": KSpace, "recorded": Recorded,
}  # fmt: skip


def make_instrument(settings: Mapping[str, Any]) -> Instrument:
    """Return an instrument from plain values, ``{"kind": "optics", "psf_sigma": [0.8, 2.2], ...}``.

    Raises
    ------
    SettingsError
        If the kind is unknown, a setting is unknown or missing, or a range is not two increasing numbers >= 0.
    """
    given = dict(settings)
    kind = _KINDS.get(given.pop("kind", None))
    if kind is None:
        raise SettingsError(f"degradation kind must be one of {', '.join(_KINDS)}, got {settings.get('kind')!r}.")
    known = [f.name for f in fields(kind)]
    if unknown := set(given) - set(known):
        raise SettingsError(
            f"{settings['kind']} has no setting {', '.join(sorted(unknown))}. There are: {', '.join(known) or 'none'}."
        )
    for name, value in given.items():
        if name == "eight_bit":
            given[name] = bool(value)
            continue
        if name == "frames":
            if not isinstance(value, int) or value < 1 or value % 2 == 0:
                raise SettingsError(f"frames must be an odd number, got {value!r}.")
            continue
        ends = tuple(map(float, value)) if isinstance(value, list | tuple) else ()
        if len(ends) != 2 or not 0 <= ends[0] <= ends[1] < float("inf") or (name == "photons" and not ends[0]):
            raise SettingsError(f"{name} must be a range [lowest, highest] of numbers of at least 0, got {value!r}.")
        given[name] = ends
    try:
        made: Instrument = kind(**given)
    except TypeError as error:
        raise SettingsError(
            f"{settings['kind']} needs {' and '.join(known[:1])}, a range [lowest, highest]."
        ) from error
    return made


def trimmed(patches: Tensor, margin: tuple[int, ...]) -> Tensor:
    """Return ``(B, C, ...)`` without `margin` pixels at both ends of each spatial axis."""
    for axis, m in enumerate(margin, start=2):
        patches = patches.narrow(axis, m, patches.shape[axis] - 2 * m)
    return patches.contiguous()


def _with_rician_noise(low: Tensor | None, noise: Range, random: np.random.Generator) -> Tensor:
    assert low is not None
    sigma = _drawn(noise, len(low), random).numpy().reshape(-1, *[1] * (low.ndim - 1))
    return torch.from_numpy(kspace.rician(low.numpy(), sigma, random).astype(np.float32))


def _order(k: int, random: np.random.Generator) -> npt.NDArray[np.intp]:
    """Return which of ``2k+1`` frames are seen: all, or those that stand in near the begin or the end of a movie."""
    before, after = (k if random.random() > _AT_ENDS else int(random.integers(k)) for _ in range(2))
    return reflected(before - k, before + k + 1, before + 1 + after) + k - before


def _drawn(between: tuple[float, ...], count: int, random: np.random.Generator) -> Tensor:
    return torch.from_numpy(random.uniform(between[0], between[1], count)).float()


def _span(between: Range) -> str:
    return "-".join(dict.fromkeys(f"{v:g}" for v in between))


def _blurred(high: Tensor, sigma: Tensor) -> Tensor:
    """Return ``(B, 1, H, W)``, each image blurred by its own Gaussian."""
    count = len(high)
    radius = max(1, ceil(_SIGMAS_OF_CONTEXT * float(sigma.max())))
    offsets = torch.arange(-radius, radius + 1).float()
    kernel = torch.exp(-0.5 * (offsets / sigma.clamp(min=1e-3)[:, None]) ** 2)
    kernel = (kernel / kernel.sum(dim=1, keepdim=True))[:, None]  # (B, 1, k)
    padded = F.pad(high, (radius,) * 4, mode="replicate").transpose(0, 1)
    blurred = F.conv2d(F.conv2d(padded, kernel[..., None], groups=count), kernel[:, :, None], groups=count)
    return blurred.transpose(0, 1)
