"""An instrument that tells the network how it blurred and how noisy it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_superres.core.conditions import CONDITIONS, encode
from napari_superres.degradation.instruments.protocol import Plane, Range, Scale
from napari_superres.degradation.instruments.reductions import Bicubic
from napari_superres.degradation.instruments.strengths import blur, draw_log_uniform, format_range, trim
from napari_superres.degradation.resample import resize_bicubic
from napari_superres.errors import SettingsError

_REACH = 4
"""Reach of the point-spread function, in sigmas."""

_BICUBIC_REACH = 2
"""Reach of the bicubic kernel, in low-resolution pixels."""

_UNCHANGED = 2 / 3
"""Share of patches that are reduced and not changed further, if the reduction is bicubic."""

_SHARP, _NARROW, _NARROW_SIGMA = 0.15, 0.3, 0.6
"""Share of patches without blur, and of those with a point-spread function narrower than this, in fine pixels."""

_NOISE_SHARES = {"none": 0.2, "read": 0.25, "photon": 0.25, "both": 0.3}
_MISTOLD, _MISTOLD_NOISE = 0.25, (0.003, 0.03)
"""Share of patches of which more read noise is told than they have, and how much: measured noise may be texture."""

_TOLD_ERROR = 0.1
"""Relative error with which noise is told in half of the patches, as one standard deviation."""

_TEXTURE, _TEXTURE_GAIN, _TEXTURE_NOISE = 0.5, (1e-6, 1e-3), (5e-4, 1e-2)
"""Share of unchanged patches of which noise is told, and how much: what is measured on photographs without noise."""

_FAINT, _FLAT = 0.5, 0.03
"""Share of patches of less contrast than their image's range, and without any: noise stretches the range."""

_LEAST_CONTRAST = 0.4


def _reduce_bicubic(hr: Tensor, scale: Scale) -> Tensor:
    return torch.from_numpy(resize_bicubic(hr.numpy(), scale, axes=range(2, hr.ndim)))


REDUCTIONS: Mapping[str, Callable[[Tensor, Scale], Tensor]] = {"binning": F.avg_pool2d, "bicubic": _reduce_bicubic}
"""Reductions of `Conditioned` by name."""


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
        blur and noise and rounded to 8 bits, as is the convention of the literature.
    """

    psf_sigma: Range = (0.0, 2.0)
    gain: Range = (2e-4, 0.08)
    read_noise: Range = (2e-3, 0.15)
    reduction: str = "binning"
    frames = 1

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
        return _UNCHANGED if self.reduction == "bicubic" else 0.0

    @property
    def conditions(self) -> Mapping[str, Range]:
        """What the network is told; 0 is always among the noise."""
        return {"psf_sigma": self.psf_sigma, "gain": (0.0, self.gain[1]), "read_noise": (0.0, self.read_noise[1])}

    def margin(self, scale: Scale) -> tuple[int, ...]:
        """Return the reach of the widest point-spread function, and of the bicubic kernel."""
        reach = max(1, ceil(_REACH * self.psf_sigma[1]))
        more = _BICUBIC_REACH if self.reduction == "bicubic" else 0
        return tuple((-(-reach // s) + more) * s for s in scale)

    def reduce(self, plane: Plane, scale: Scale) -> Plane | None:
        """Return the plane reduced in 8 bits; None with binning: each recording has its own point-spread function."""
        return Bicubic().reduce(plane, scale) if self.reduction == "bicubic" else None

    def expose(self, hr: Tensor, lr: Tensor | None, scale: Scale, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return recordings with what is told of them, ``(B, 1 + 3, h, w)``, and the patches without margin."""
        margin, unchanged = self.margin(scale), ceil(self.unchanged * len(hr))
        lows, highs = [], []
        if unchanged:
            assert lr is not None
            low = _trim_low(lr[:unchanged], margin, scale)
            lows.append(_add_told(low.numpy(), np.zeros(unchanged), *_tell_texture(unchanged, random)))
            highs.append(hr[:unchanged])
        if unchanged < len(hr):
            low, high = self._record(hr[unchanged:], scale, random)
            lows.append(low)
            highs.append(high)
        return torch.cat(lows), trim(torch.cat(highs), margin)

    def _record(self, hr: Tensor, scale: Scale, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return blurred and noisy recordings with what is told of them, and the patches, which keep their margin."""
        count = len(hr)
        contrast, offset = _draw_contrast(count, random)
        hr = hr * contrast + offset
        sigma = self._draw_sigma(count, random)
        blurred = blur(hr, torch.from_numpy(sigma).float(), _REACH)
        low = _trim_low(REDUCTIONS[self.reduction](blurred, scale), self.margin(scale), scale)
        gain, read_noise = self._draw_noise(count, random)
        noisy = _add_noise(low.numpy(), gain, read_noise, random)
        return _add_told(noisy, sigma, *_tell(gain, read_noise, random)), hr

    def _draw_sigma(self, count: int, random: np.random.Generator) -> npt.NDArray[np.float64]:
        low, high = self.psf_sigma
        share = random.random(count)
        narrow = random.uniform(low, max(low, min(high, _NARROW_SIGMA)), count)
        sigma = np.where(share < _SHARP + _NARROW, narrow, random.uniform(low, high, count))
        return np.where(share < _SHARP, low, sigma)

    def _draw_noise(
        self, count: int, random: np.random.Generator
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        kinds = random.choice(list(_NOISE_SHARES), count, p=list(_NOISE_SHARES.values()))
        gain, read_noise = (draw_log_uniform(r, count, random).double().numpy() for r in (self.gain, self.read_noise))
        return gain * np.isin(kinds, ("photon", "both")), read_noise * np.isin(kinds, ("read", "both"))

    def describe(self) -> str:
        """Return the degradation in words."""
        first = "two thirds: antialiased bicubic reduction, 8 bit; others: " if self.eight_bit else ""
        return (
            f"{first}Gaussian PSF, sigma {format_range(self.psf_sigma)} fine pixels; {self.reduction}; no noise, "
            f"photon noise of gain {format_range(self.gain)}, read noise {format_range(self.read_noise)} of the "
            "brightest, or both; the network is told blur and noise"
        )


def _trim_low(low: Tensor, margin: tuple[int, ...], scale: Scale) -> Tensor:
    return trim(low, tuple(m // s for m, s in zip(margin, scale, strict=True)))


def _draw_contrast(count: int, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return factor and offset ``(B, 1, 1, 1)`` of each patch, which leave 0..1 within 0..1."""
    faint = random.random(count) < _FAINT
    contrast = np.where(faint, random.uniform(_LEAST_CONTRAST, 1, count), 1.0)
    contrast = np.where(random.random(count) < _FLAT, 0.0, contrast)
    offset = random.random(count) * (1 - contrast)
    factor, constant = (torch.from_numpy(v).float()[:, None, None, None] for v in (contrast, offset))
    return factor, constant


def _add_noise(
    low: npt.NDArray[np.float32],
    gain: npt.NDArray[np.float64],
    read_noise: npt.NDArray[np.float64],
    random: np.random.Generator,
) -> npt.NDArray[np.float64]:
    """Return ``(B, 1, h, w)`` with photon noise where the gain is above 0, and read noise."""
    noisy, photon = low.astype(np.float64), gain > 0
    steps = gain[photon, None, None, None]
    noisy[photon] = random.poisson(noisy[photon].clip(min=0) / steps) * steps
    return noisy + random.normal(size=noisy.shape) * read_noise[:, None, None, None]


def _add_told(low: npt.NDArray[Any], *told: npt.NDArray[np.float64]) -> Tensor:
    """Return ``(B, 1 + 3, h, w)``: recordings, and a plane for each condition."""
    planes = np.stack([encode(name, value) for name, value in zip(CONDITIONS, told, strict=True)], axis=1)
    spread = np.broadcast_to(planes[:, :, None, None], (*planes.shape, *low.shape[2:]))
    return torch.from_numpy(np.concatenate([low, spread], axis=1).astype(np.float32))


def _tell_texture(count: int, random: np.random.Generator) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return gain and read noise as they might be measured on photographs without noise."""
    is_mistold = random.random(count) < _TEXTURE
    gain, noise = (draw_log_uniform(r, count, random).double().numpy() for r in (_TEXTURE_GAIN, _TEXTURE_NOISE))
    return gain * is_mistold, noise * is_mistold


def _tell(
    gain: npt.NDArray[np.float64], read_noise: npt.NDArray[np.float64], random: np.random.Generator
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return gain and read noise as they might be measured."""
    count = len(gain)
    factor = np.where(random.random(count) < 0.5, np.exp(random.normal(size=count) * _TOLD_ERROR), 1.0)
    extra = draw_log_uniform(_MISTOLD_NOISE, count, random).double().numpy() * (random.random(count) < _MISTOLD)
    return gain * factor**2, np.hypot(read_noise * factor, extra)
