"""Instruments with a lens and a camera: still images and movies."""

from dataclasses import dataclass
from math import ceil

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_superres.core.conditions import SIGMA_PER_AIRY
from napari_superres.core.tiling import reflect_indices
from napari_superres.degradation.diffraction import diffract
from napari_superres.degradation.instruments.measured import MeasuredShape
from napari_superres.degradation.instruments.protocol import NOTHING_TOLD, Plane, Range, Scale
from napari_superres.degradation.instruments.strengths import (
    add_photon_noise,
    blur,
    draw_log_uniform,
    draw_uniform,
    format_range,
    trim,
)

SIGMAS_OF_CONTEXT = {"gaussian": 4, "widefield": 10, "confocal": 6}
"""Reach of each point-spread function, in sigmas; a measured one reaches as far as a Gaussian."""

_JITTER = 0.5
"""Standard deviation of the position of a frame around its path, in high-resolution pixels."""

_END_CHANCE = 0.1
"""Chance that a movie begins, or ends, within the frames."""


@dataclass(frozen=True, slots=True)
class Optics:
    """Point-spread function, binning, photon noise, read noise, saturation and quantisation, in this order.

    There is no offset: the intensity 0 is darkness.

    Attributes
    ----------
    psf_sigma
        Range of the sigma of the point-spread function in high-resolution pixels; 0.21 wavelength / NA for a lens.
    read_noise
        Range of the standard deviation of the read noise: in electrons with `photons`, else as a share of the brightest
        intensity.
    photons
        Range of the number of photons in a low-resolution pixel of the brightest intensity; None = no photon noise.
    psf
        ``"gaussian"``, or diffraction at the lens of a ``"widefield"`` or ``"confocal"`` microscope in focus, or a
        measured one.
    saturation
        Range of the largest intensity that pixels can hold, as a share of the brightest; None = no limit.
    levels
        Range of the number of grey levels from darkness to the brightest intensity, drawn uniformly in their logarithm;
        None = unlimited.
    """

    psf_sigma: Range
    read_noise: Range = (0.0, 0.0)
    photons: Range | None = None
    psf: str | MeasuredShape = "gaussian"
    saturation: Range | None = None
    levels: Range | None = None
    eight_bit = False
    frames = 1
    is_noisy = False
    input_share = 0.0
    conditions = NOTHING_TOLD
    unchanged = 0.0

    def margin(self, scale: Scale) -> tuple[int, ...]:
        """Return the reach of the widest point-spread function."""
        shape = self.psf if isinstance(self.psf, str) else "gaussian"
        reach = max(1, ceil(SIGMAS_OF_CONTEXT[shape] * self.psf_sigma[1]))
        return tuple(-(-reach // s) * s for s in scale)

    def reduce(self, plane: Plane, scale: Scale) -> None:
        """Return None: each recording has its own point-spread function."""

    def expose(
        self, hr: Tensor, lr: Tensor | None, scale: Scale, random: np.random.Generator, own_noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return recordings, each with its own blur and noise, and the patches without margin."""
        del lr, own_noise
        return self.record(hr, scale, random), trim(hr, Optics.margin(self, scale))

    def record(self, hr: Tensor, scale: Scale, random: np.random.Generator, *, group: int = 1) -> Tensor:
        """Return recordings ``(B, 1, h, w)`` without the margin; each `group` in a row shares its strengths."""
        count = len(hr) // group

        def strengths(between: tuple[float, ...]) -> Tensor:
            return draw_uniform(between, count, random).repeat_interleave(group)

        def log_strengths(between: Range) -> Tensor:
            return draw_log_uniform(between, count, random).repeat_interleave(group)

        sigma = strengths(self.psf_sigma)
        binned = F.avg_pool2d(self._blur(hr, sigma), scale)
        lr = trim(binned, tuple(m // s for m, s in zip(Optics.margin(self, scale), scale, strict=True)))
        noise = strengths(self.read_noise)
        if self.photons is not None:
            lr = add_photon_noise(lr, log_strengths(self.photons), noise, random)
        else:
            spread = noise.numpy()[:, None, None, None]
            lr = torch.from_numpy((lr.numpy() + random.normal(size=lr.shape) * spread).astype(np.float32))
        if self.saturation is not None:
            lr = torch.minimum(lr, strengths(self.saturation)[:, None, None, None])
        if self.levels is not None:
            steps = log_strengths(self.levels).round().clamp(min=1)[:, None, None, None]
            lr = (lr * steps).round() / steps
        return lr

    def _blur(self, hr: Tensor, sigma: Tensor) -> Tensor:
        if isinstance(self.psf, MeasuredShape):
            return self.psf.blur(hr, sigma)
        if self.psf == "gaussian":
            return blur(hr, sigma, SIGMAS_OF_CONTEXT["gaussian"])
        return _diffract(hr, sigma, self.psf)

    def describe(self) -> str:
        """Return the degradation in words."""
        shape = self.psf if isinstance(self.psf, str) else "measured"
        words = f"{shape.capitalize()} PSF, sigma {format_range(self.psf_sigma)} fine pixels; binning; "
        noise = format_range(self.read_noise)
        words += (
            f"Gaussian noise {noise} of the brightest"
            if self.photons is None
            else f"{format_range(self.photons)} photons at the brightest; read noise {noise} electrons"
        )
        words += f"; full at {format_range(self.saturation)} of the brightest" if self.saturation else ""
        return words + (f"; {format_range(self.levels)} grey levels" if self.levels else "")


@dataclass(frozen=True, slots=True)
class Movie(Optics):
    """Frames of a moving scene, each recorded as `Optics` records it.

    Each patch moves in its own direction and at its own speed, with some jitter. Some patches lie near the beginning or
    the end of the movie, where frames of the opposite direction replace the missing ones.

    Attributes
    ----------
    frames
        Number of frames, odd; the middle one shows the patch itself.
    speed
        Range of the speed in high-resolution pixels per frame.
    """

    frames: int = 5
    speed: Range = (0.0, 2.0)

    def margin(self, scale: Scale) -> tuple[int, ...]:
        """Return the reach of the point-spread function and of the movement."""
        path = ceil((self.frames // 2) * self.speed[1] + 3 * _JITTER)
        optics = Optics.margin(self, scale)
        return tuple(m + -(-path // s) * s for m, s in zip(optics, scale, strict=True))

    def expose(
        self, hr: Tensor, lr: Tensor | None, scale: Scale, random: np.random.Generator, own_noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return movies, each with its own movement, blur and noise, and the patches without margin."""
        del lr, own_noise
        count = len(hr)
        shifted = self._shift_frames(hr, scale, random)
        movies = self.record(shifted, scale, random, group=self.frames)
        movies = movies.reshape(count, self.frames, *movies.shape[-2:])
        order = np.stack([_frame_order(self.frames // 2, random) for _ in range(count)])
        lr = torch.stack([movie[indices] for movie, indices in zip(movies, torch.from_numpy(order), strict=True)])
        return lr, trim(hr, self.margin(scale))

    def _shift_frames(self, hr: Tensor, scale: Scale, random: np.random.Generator) -> Tensor:
        """Return ``(B * frames, 1, H, W)``: each patch along its path, with the margin of the point-spread function."""
        count, k = len(hr), self.frames // 2
        optics = Optics.margin(self, scale)
        room = [m - o for m, o in zip(self.margin(scale), optics, strict=True)]
        angle, speed = random.uniform(0, 2 * np.pi, count), random.uniform(*self.speed, count)
        step = np.stack([speed * np.sin(angle), speed * np.cos(angle)], axis=1)  # (B, 2)
        path = np.arange(-k, k + 1)[:, None] * step[:, None] + random.normal(size=(count, self.frames, 2)) * _JITTER
        path[:, k] = 0
        # A scene that moves by `path` appears where the unmoved patch is cut out at minus `path`.
        starts = np.rint(np.array(room) - path).astype(int).clip(0, 2 * np.array(room))
        height, width = (n - 2 * r for n, r in zip(hr.shape[-2:], room, strict=True))
        views = [
            patch[:, y : y + height, x : x + width] for patch, frames in zip(hr, starts, strict=True) for y, x in frames
        ]
        return torch.stack(views)

    def describe(self) -> str:
        """Return the degradation in words."""
        return f"{self.frames} frames, moving {format_range(self.speed)} fine pixels each; {Optics.describe(self)}"


def _frame_order(k: int, random: np.random.Generator) -> npt.NDArray[np.intp]:
    """Return indices of ``2k+1`` frames; near the beginning or end of a movie, mirrored ones replace missing frames."""
    before, after = (k if random.random() > _END_CHANCE else int(random.integers(k)) for _ in range(2))
    return reflect_indices(before - k, before + k + 1, before + 1 + after) + k - before


def _diffract(hr: Tensor, sigma: Tensor, psf: str) -> Tensor:
    """Return ``(B, 1, H, W)``, each image blurred by the diffraction of its own lens."""
    cutoffs = 2 * SIGMA_PER_AIRY / sigma.clamp(min=1e-3).numpy()
    pairs = zip(hr.numpy(), cutoffs, strict=True)
    blurred = np.stack([diffract(image, float(cutoff), confocal=psf == "confocal") for image, cutoff in pairs])
    return torch.from_numpy(blurred.astype(np.float32))
