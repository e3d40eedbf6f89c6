"""Instruments with a lens and a camera: still images and movies."""

from dataclasses import dataclass
from math import ceil

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_superres.core.tiling import reflect_indices
from napari_superres.degradation.diffraction import SIGMA_PER_AIRY, diffract
from napari_superres.degradation.instruments.base import (
    Plane,
    Range,
    Scale,
    counted,
    drawn,
    drawn_evenly_in_logarithm,
    gaussians,
    span,
    trimmed,
)

SIGMAS_OF_CONTEXT = {"gaussian": 4, "widefield": 10, "confocal": 6}
"""How far each point-spread function reaches."""
_TREMBLE = 0.5
"""Standard deviation of a movement's unrest, in high-resolution pixels."""

_AT_ENDS = 0.1
"""Chance that a movie begins, or ends, within the frames."""


@dataclass(frozen=True, slots=True)
class Optics:
    """Point-spread function, binning, photon noise, read noise, saturation, quantisation, in this order.

    There is no offset: intensities are counted from it, 0 is darkness.

    Attributes
    ----------
    psf_sigma
        In high-resolution pixels, from, to; of a lens 0.21 wavelength / NA.
    read_noise
        Standard deviation, from, to: electrons where photons are counted, else in units of the brightest intensity.
    photons
        Per low-resolution pixel of the brightest intensity, from, to; None = they are not counted.
    psf
        ``"gaussian"``, or diffraction at the lens of a ``"widefield"`` or ``"confocal"`` microscope in focus.
    saturation
        Share of the brightest intensity at which pixels are full, from, to; None = nowhere.
    levels
        Grey levels from darkness to the brightest intensity, from, to, evenly in their logarithm; None = unlimited.
    """

    psf_sigma: Range
    read_noise: Range = (0.0, 0.0)
    photons: Range | None = None
    psf: str = "gaussian"
    saturation: Range | None = None
    levels: Range | None = None
    eight_bit = False
    frames = 1

    def margin(self, scale: Scale) -> tuple[int, ...]:
        """Return the reach of the widest point-spread function."""
        reach = max(1, ceil(SIGMAS_OF_CONTEXT[self.psf] * self.psf_sigma[1]))
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

        def strengths(between: tuple[float, ...]) -> Tensor:
            return drawn(between, count, random).repeat_interleave(alike)

        sigma = strengths(self.psf_sigma)
        blurred = _blurred(high, sigma) if self.psf == "gaussian" else _diffracted(high, sigma, self.psf)
        binned = F.avg_pool2d(blurred, scale)
        seen = trimmed(binned, tuple(m // s for m, s in zip(Optics.margin(self, scale), scale, strict=True)))
        noise = strengths(self.read_noise)
        if self.photons is not None:
            photons = drawn_evenly_in_logarithm(self.photons, count, random).repeat_interleave(alike)
            seen = counted(seen, photons, noise, random)
        else:
            spread = noise.numpy()[:, None, None, None]
            seen = torch.from_numpy((seen.numpy() + random.normal(size=seen.shape) * spread).astype(np.float32))
        if self.saturation is not None:
            seen = torch.minimum(seen, strengths(self.saturation)[:, None, None, None])
        if self.levels is not None:
            steps = drawn_evenly_in_logarithm(self.levels, count, random).round().clamp(min=1).repeat_interleave(alike)
            seen = (seen * steps[:, None, None, None]).round() / steps[:, None, None, None]
        return seen

    def describe(self) -> str:
        """Return what was done."""
        words = f"{self.psf.capitalize()} PSF, sigma {span(self.psf_sigma)} fine pixels; binning; "
        words += (
            f"Gaussian noise {span(self.read_noise)} of the brightest"
            if self.photons is None
            else f"{span(self.photons)} photons at the brightest; read noise {span(self.read_noise)} electrons"
        )
        words += f"; full at {span(self.saturation)} of the brightest" if self.saturation else ""
        return words + (f"; {span(self.levels)} grey levels" if self.levels else "")


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
        return f"{self.frames} frames, moving {span(self.speed)} fine pixels each; {Optics.describe(self)}"


def _order(k: int, random: np.random.Generator) -> npt.NDArray[np.intp]:
    """Return which of ``2k+1`` frames are seen: all, or those that stand in near the begin or the end of a movie."""
    before, after = (k if random.random() > _AT_ENDS else int(random.integers(k)) for _ in range(2))
    return reflect_indices(before - k, before + k + 1, before + 1 + after) + k - before


def _blurred(high: Tensor, sigma: Tensor) -> Tensor:
    """Return ``(B, 1, H, W)``, each image blurred by its own Gaussian."""
    count = len(high)
    kernel = gaussians(sigma, SIGMAS_OF_CONTEXT["gaussian"])
    radius = kernel.shape[-1] // 2
    padded = F.pad(high, (radius,) * 4, mode="replicate").transpose(0, 1)
    blurred = F.conv2d(F.conv2d(padded, kernel[..., None], groups=count), kernel[:, :, None], groups=count)
    return blurred.transpose(0, 1)


def _diffracted(high: Tensor, sigma: Tensor, psf: str) -> Tensor:
    """Return ``(B, 1, H, W)``, each image as a lens of its own shows it."""
    cutoffs = 2 * SIGMA_PER_AIRY / sigma.clamp(min=1e-3).numpy()
    pairs = zip(high.numpy(), cutoffs, strict=True)
    seen = np.stack([diffract(image, float(cutoff), confocal=psf == "confocal") for image, cutoff in pairs])
    return torch.from_numpy(seen.astype(np.float32))
