"""An instrument that tells the network how it blurred and how noisy it is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log, pi

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_superres.core.conditions import CONDITIONS, encode
from napari_superres.degradation.instruments.protocol import Plane, Range, Scale
from napari_superres.degradation.instruments.reductions import Bicubic, KSpace
from napari_superres.degradation.instruments.strengths import convolve, format_range, sample_gaussians, trim
from napari_superres.degradation.resample import bicubic_taps
from napari_superres.errors import SettingsError

_REACH = 4
"""Reach of the point-spread function, in sigmas."""

_BICUBIC_REACH = 2
"""Reach of the bicubic kernel, in low-resolution pixels."""

_WHOLE = 2 / 3
"""Share of patches whose plane is reduced as a whole; the others are blurred and reduced as patches."""

_MAGNITUDE = (2 - pi / 2) ** 0.5
"""Standard deviation of Rician noise where the signal is 0, over that in the real and the imaginary part."""

_AS_LINE, _BRIGHT = 0.75, (0.3, 0.9)
"""Share of truncated patches whose noise is told as a line over brightness, which is what `measure_noise` finds, and
the intensity at which that line reaches the variance in the real part."""

_SMOOTH, _SMOOTH_SIGMA = 0.4, (0.3, 1.5)
"""Share of truncated patches that are smooth, and the sigma of their blur in high-resolution pixels: scanners
interpolate, and the mean over many scans is smooth. All but nothing lies then beyond the truncation."""

_QUIET = 0.4
"""Share of truncated patches without noise."""

_SHARP, _NARROW, _NARROW_SIGMA = 0.15, 0.3, 0.6
"""Share of patches without blur, and of those with a point-spread function narrower than this, in fine pixels."""

_NO_NOISE, _ONLY_READ_NOISE, _BOTH_NOISES = 0.2, 0.25, 0.3
"""Share of patches without noise, with read noise alone, and with photon noise too; the rest has photon noise alone."""

_MISTOLD, _MISTOLD_NOISE = 0.15, (0.003, 0.03)
"""Share of patches of which more read noise is told than they have, and how much: measured noise may be texture."""

_OWN = 0.85
"""Share of patches of which the noise of their own image is told too, which the originals keep: it is measured with the
added one, and a network that removed it would lose what may be texture."""

_CORNER = 0.85
"""Spatial frequency along each axis at which noise is measured, as a share of the highest of the reduced image."""

_TOLD_ERROR = 0.1
"""Relative error with which noise is told in half of the patches, as one standard deviation."""

_OVERSTATED, _MOST_OVERSTATED = 0.25, 2.0
"""Share of patches whose noise is told too high, and by what factor at most: believing it costs detail."""

_TEXTURE, _TEXTURE_GAIN, _TEXTURE_NOISE = 0.5, (1e-6, 1e-3), (5e-4, 1e-2)
"""Share of patches without noise, reduced as a whole, of which noise is told, and how much: texture is measured."""

_NARROWER = 0.25
"""Largest difference by which the sigma is told too narrow, in fine pixels: `upscale` shades it by `SHADE`."""

_FAINT, _FLAT = 0.5, 0.1
"""Share of patches of less contrast than their image's range, and without any: noise stretches the range."""

_LEAST_CONTRAST = 0.4


def _reduce_by_binning(planes: Tensor, scale: Scale, margin: tuple[int, ...]) -> Tensor:
    return F.avg_pool2d(trim(planes, margin), scale)


def _reduce_bicubic(planes: Tensor, scale: Scale, margin: tuple[int, ...]) -> Tensor:
    """Return planes reduced as `resize_bicubic` does; the kernel reaches into the margin that is cut off."""
    for axis, (factor, m) in enumerate(zip(scale, margin, strict=True), start=2):
        first, weights = bicubic_taps(factor)
        count = (planes.shape[axis] - 2 * m) // factor
        part = planes.narrow(axis, m + first, (count - 1) * factor + len(weights))
        lines = part.unfold(axis, len(weights), factor)  # (..., taps)
        planes = torch.stack([lines[..., k] * weight for k, weight in enumerate(weights)]).sum(dim=0)
    return planes


REDUCTIONS: Mapping[str, Callable[[Tensor, Scale, tuple[int, ...]], Tensor]] = {
    "binning": _reduce_by_binning,
    "bicubic": _reduce_bicubic,
    "kspace": _reduce_by_binning,
}
"""Reductions of `Conditioned` by name: of blurred planes ``(B, 1, H, W)``, whose margin is cut off."""


@dataclass(frozen=True, slots=True)
class Conditioned:
    """Gaussian point-spread function, binning, photon and read noise, all of which the network is told.

    Some patches are sharp, some are free of noise, and some are flat. Noise is told with the errors that measuring it
    has, and rather too high than too low.

    Attributes
    ----------
    psf_sigma
        Range of the sigma of the point-spread function in high-resolution pixels.
    gain
        Range of the gain: the variance of the noise per intensity. Drawn uniformly in its logarithm.
    read_noise
        Range of the standard deviation of the read noise, as a share of the brightest intensity. Drawn likewise.
    reduction
        ``"binning"``; or, for photographs, ``"bicubic"``: antialiased, and two thirds of the patches are then free of
        blur and noise and rounded to 8 bits, as is the convention of the literature; or, for magnetic resonance,
        ``"kspace"``: two thirds of the patches are then magnitudes of truncated k-space, with Rician noise of the range
        `read_noise`, and the others are binned.
    """

    psf_sigma: Range = (0.0, 2.0)
    gain: Range = (2e-4, 0.2)
    read_noise: Range = (2e-3, 0.25)
    reduction: str = "binning"
    frames = 1
    is_noisy = False
    input_share = 0.0

    def __post_init__(self) -> None:
        for name in ("gain", "read_noise"):
            if not getattr(self, name)[0] > 0:
                raise SettingsError(f"{name} must be a range [lowest, highest] of numbers above 0.")
        if self.reduction not in REDUCTIONS:
            raise SettingsError(f"reduction must be one of {', '.join(REDUCTIONS)}, got {self.reduction!r}.")

    @property
    def eight_bit(self) -> bool:
        """Whether low-resolution images without noise are rounded to 8 bits."""
        return self.reduction == "bicubic"

    @property
    def unchanged(self) -> float:
        """Two thirds of the patches, if the reduction is bicubic."""
        return _WHOLE if self.reduction == "bicubic" else 0.0

    @property
    def conditions(self) -> Mapping[str, Range]:
        """What the network is told; 0 is always among the noise."""
        return {"psf_sigma": self.psf_sigma, "gain": (0.0, self.gain[1]), "read_noise": (0.0, self.read_noise[1])}

    def margin(self, scale: Scale) -> tuple[int, ...]:
        """Return the reach of the widest point-spread function, and of the bicubic kernel."""
        more = _BICUBIC_REACH if self.reduction == "bicubic" else 0
        return tuple((-(-self._radius // s) + more) * s for s in scale)

    def reduce(self, plane: Plane, scale: Scale) -> Plane | None:
        """Return the plane reduced as a whole; None with binning: each recording has its own point-spread function."""
        whole: Mapping[str, Bicubic | KSpace] = {"bicubic": Bicubic(), "kspace": KSpace()}
        return whole[self.reduction].reduce(plane, scale) if self.reduction in whole else None

    def expose(
        self, hr: Tensor, lr: Tensor | None, scale: Scale, random: np.random.Generator, own_noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return recordings with what is told of them, ``(B, 1 + 3, h, w)``, and the patches without margin."""
        return self.simulate(hr, lr, scale, torch.Generator().manual_seed(int(random.integers(2**63))), own_noise)

    def simulate(
        self,
        hr: Tensor,
        lr: Tensor | None,
        scale: Scale,
        generator: torch.Generator | None = None,
        own_noise: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Do the same on the device of the patches, with a generator of that device, and never wait for it.

        A GPU can so repeat it within a graph.
        """
        margin, whole = self.margin(scale), 0 if lr is None else ceil(_WHOLE * len(hr))
        lows, highs = [], []
        if lr is not None:
            low, high, draw = lr[:whole], hr[:whole], _Draws(whole, hr.device, generator)
            if self.reduction == "kspace":
                low, told, high = self._receive(low, high, scale, draw, own_noise)
            else:
                low, told, high = trim(low, _lower(margin, scale)), _tell_texture(draw), trim(high, margin)
            lows.append(torch.cat([low, told.planes(low)], dim=1))
            highs.append(high)
        if whole < len(hr):
            draw = _Draws(len(hr) - whole, hr.device, generator)
            contrast, offset = _draw_contrast(draw)
            strengths = Strengths(self._draw_sigma(draw), *self._draw_noise(draw))
            scene = hr[whole:] * contrast + offset
            told = _tell(strengths, draw)
            if own_noise is not None:
                own = _own_strengths(own_noise[whole:], contrast, offset, strengths.psf_sigma, scale)
                told = _add(told, own, draw.uniform() < _OWN)
            low, high = self.record(scene, strengths, scale, told=told, generator=generator)
            lows.append(low)
            highs.append(high)
        return torch.cat(lows), torch.cat(highs)

    def _receive(
        self, lr: Tensor, hr: Tensor, scale: Scale, draw: "_Draws", own_noise: Tensor | None
    ) -> tuple[Tensor, "Strengths", Tensor]:
        """Return magnitudes of truncated patches with Rician noise, what is told of them, and the originals."""
        contrast, offset = _draw_contrast(draw)
        smooth = torch.where(draw.uniform() < _SMOOTH, draw.uniform(_SMOOTH_SIGMA), 0.0)
        sigma = draw.log_uniform(self.read_noise) * (draw.uniform() >= _QUIET)
        told = _add(_tell(_rician_as_line(sigma, draw), draw), _tell_texture(draw), sigma == 0)
        if own_noise is not None:
            own = _own_strengths(own_noise[: len(hr)], contrast, offset, smooth, scale)
            told = _add(told, own, draw.uniform() < _OWN)
        margin = self.margin(scale)
        low = _blur(lr, [smooth / s for s in scale], _lower(margin, scale)) * contrast + offset
        high = _blur(hr, [smooth, smooth], margin) * contrast + offset
        return draw.rician(low, sigma), told, high

    def record(
        self,
        hr: Tensor,
        strengths: "Strengths",
        scale: Scale,
        *,
        told: "Strengths | None" = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return recordings of given strengths and the patches without margin, as `expose` does.

        The strengths are told as they are, unless others are given.
        """
        margin, radius = self.margin(scale), self._radius
        blurred = _blur(hr, [strengths.psf_sigma, strengths.psf_sigma], (radius, radius))
        low = REDUCTIONS[self.reduction](blurred, scale, tuple(m - radius for m in margin))
        noisy = _add_noise(low, strengths, generator)
        return torch.cat([noisy, (told or strengths).planes(noisy)], dim=1), trim(hr, margin)

    @property
    def _radius(self) -> int:
        return max(1, ceil(_REACH * self.psf_sigma[1]))

    def _draw_sigma(self, draw: "_Draws") -> Tensor:
        low, high = self.psf_sigma
        share = draw.uniform()
        narrow = draw.uniform((low, max(low, min(high, _NARROW_SIGMA))))
        sigma = torch.where(share < _SHARP + _NARROW, narrow, draw.uniform((low, high)))
        return torch.where(share < _SHARP, low, sigma)

    def _draw_noise(self, draw: "_Draws") -> tuple[Tensor, Tensor]:
        kind = draw.uniform()
        both, photon = kind > 1 - _BOTH_NOISES, kind > _NO_NOISE + _ONLY_READ_NOISE
        read = both | ((kind > _NO_NOISE) & ~photon)
        return draw.log_uniform(self.gain) * photon, draw.log_uniform(self.read_noise) * read

    def describe(self) -> str:
        """Return the degradation in words."""
        first = {
            "bicubic": "two thirds: antialiased bicubic reduction, 8 bit; others: ",
            "kspace": f"two thirds: k-space truncation, Rician noise 0-{self.read_noise[1]:g}; others: ",
        }.get(self.reduction, "")
        pixels = "bicubic" if self.reduction == "bicubic" else "binning"
        return (
            f"{first}Gaussian PSF, sigma {format_range(self.psf_sigma)} fine pixels; {pixels}; no noise, "
            f"photon noise of gain {format_range(self.gain)}, read noise {format_range(self.read_noise)} of the "
            "brightest, or both; the network is told blur and noise"
        )


@dataclass(frozen=True, slots=True)
class Strengths:
    """Strengths of blur and noise, one per patch, in the units of `core.conditions`: tensors ``(B,)``."""

    psf_sigma: Tensor
    gain: Tensor
    read_noise: Tensor

    def planes(self, low: Tensor) -> Tensor:
        """Return what the network is told of patches ``(B, 1, h, w)``, as constant planes ``(B, 3, h, w)``."""
        told = torch.stack([encode(name, getattr(self, name)) for name in CONDITIONS], dim=1)
        return told[:, :, None, None].expand(-1, -1, *low.shape[2:])


@dataclass(frozen=True, slots=True)
class _Draws:
    """Random numbers, one per patch, as tensors ``(B,)``."""

    count: int
    device: torch.device
    generator: torch.Generator | None

    def uniform(self, between: Range = (0.0, 1.0)) -> Tensor:
        low, high = between
        return low + (high - low) * torch.rand(self.count, device=self.device, generator=self.generator)

    def log_uniform(self, between: Range) -> Tensor:
        return self.uniform((log(between[0]), log(between[1]))).exp()

    def normal(self) -> Tensor:
        return torch.randn(self.count, device=self.device, generator=self.generator)

    def rician(self, values: Tensor, sigma: Tensor) -> Tensor:
        """Return magnitudes of ``(B, 1, h, w)`` with noise in the real and imaginary part; see `kspace.rician`."""
        noise = torch.randn((2, *values.shape), device=self.device, generator=self.generator)
        real, imaginary = noise * sigma[:, None, None, None]
        return torch.where(sigma[:, None, None, None] > 0, torch.hypot(values + real, imaginary), values)


def _lower(margin: tuple[int, ...], scale: Scale) -> tuple[int, ...]:
    """Return a margin in low-resolution pixels."""
    return tuple(m // s for m, s in zip(margin, scale, strict=True))


def _blur(planes: Tensor, sigmas: Sequence[Tensor], margin: tuple[int, ...]) -> Tensor:
    """Return planes ``(B, 1, H, W)``, each blurred by its own sigma along Y and X, without the margin."""
    return convolve(planes, *(sample_gaussians(sigma, m) for sigma, m in zip(sigmas, margin, strict=True)))


def _draw_contrast(draw: _Draws) -> tuple[Tensor, Tensor]:
    """Return factor and offset ``(B, 1, 1, 1)`` of each patch, which leave 0..1 within 0..1."""
    contrast = torch.where(draw.uniform() < _FAINT, draw.uniform((_LEAST_CONTRAST, 1.0)), 1.0)
    contrast = torch.where(draw.uniform() < _FLAT, 0.0, contrast)
    offset = draw.uniform() * (1 - contrast)
    return contrast[:, None, None, None], offset[:, None, None, None]


def _add_noise(low: Tensor, strengths: Strengths, generator: torch.Generator | None) -> Tensor:
    """Return ``(B, 1, h, w)`` with photon noise where the gain is above 0, and read noise."""
    gain, read_noise = (s[:, None, None, None] for s in (strengths.gain, strengths.read_noise))
    photon = gain > 0
    step = torch.where(photon, gain, 1.0)
    electrons = torch.poisson(torch.where(photon, low.clamp(min=0) / step, 0.0), generator=generator)
    normal = torch.randn(low.shape, device=low.device, generator=generator)
    return torch.where(photon, electrons * step, low) + normal * read_noise


def _tell_texture(draw: _Draws) -> Strengths:
    """Return gain and read noise as they might be measured on photographs without noise."""
    is_mistold = draw.uniform() < _TEXTURE
    gain, read_noise = draw.log_uniform(_TEXTURE_GAIN) * is_mistold, draw.log_uniform(_TEXTURE_NOISE) * is_mistold
    return Strengths(torch.zeros_like(gain), gain, read_noise)


def _rician_as_line(sigma: Tensor, draw: _Draws) -> Strengths:
    """Return Rician noise as it is measured: less in the dark; or, of images without darkness, the same everywhere."""
    is_line = draw.uniform() < _AS_LINE
    dark = torch.where(is_line, _MAGNITUDE, 1.0) * sigma
    return Strengths(torch.zeros_like(sigma), (sigma**2 - dark**2) / draw.uniform(_BRIGHT), dark)


def _tell(strengths: Strengths, draw: _Draws) -> Strengths:
    """Return noise as it might be measured, and a width as `upscale` tells it: a little too narrow."""
    sigma = (strengths.psf_sigma - draw.uniform((0.0, _NARROWER))).clamp(min=0)
    factor = torch.where(draw.uniform() < 0.5, (draw.normal() * _TOLD_ERROR).exp(), 1.0)
    factor = torch.where(draw.uniform() < _OVERSTATED, draw.uniform((1.0, _MOST_OVERSTATED)), factor)
    extra = draw.log_uniform(_MISTOLD_NOISE) * (draw.uniform() < _MISTOLD)
    return Strengths(sigma, strengths.gain * factor**2, torch.hypot(strengths.read_noise * factor, extra))


def _own_strengths(own: Tensor, contrast: Tensor, offset: Tensor, sigma: Tensor, scale: Scale) -> Strengths:
    """Return the noise of the original images, with the contrast of the patches and faded by their blur."""
    factor, dark = contrast.flatten(), offset.flatten()
    wave = sum((_CORNER / (2 * s)) ** 2 for s in scale)  # cycles per high-resolution pixel, squared
    fade = torch.exp(-4 * pi**2 * wave * sigma**2)  # of the variance
    gain = own[:, 0] * factor
    variance = (own[:, 1] * factor) ** 2 - gain * dark
    return Strengths(sigma, gain * fade, (variance.clamp(min=0) * fade).sqrt())


def _add(told: Strengths, own: Strengths, where: Tensor) -> Strengths:
    """Return strengths with the noise of others added where asked for."""
    read_noise = torch.hypot(told.read_noise, own.read_noise * where)
    return Strengths(told.psf_sigma, told.gain + own.gain * where, read_noise)
