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

from napari_superres.degradation import kspace
from napari_superres.degradation.resample import resize_bicubic
from napari_superres.errors import SettingsError

Plane = npt.NDArray[np.float32]
Range = tuple[float, float]

_SIGMAS_OF_CONTEXT = 4


class Instrument(Protocol):
    """Makes low-resolution images.

    Whatever looks far is done once for a whole plane, by `reduce`; the rest patch by patch, by `expose`.
    """

    eight_bit: bool
    """Whether images have 8 bits, in which results are then measured too."""

    def margin(self, scale: int) -> int:
        """Return the high-resolution pixels that patches need around them: a multiple of `scale`."""

    def reduce(self, plane: Plane, scale: int) -> Plane | None:
        """Return the low-resolution plane that all recordings have in common; None if there is no such."""

    def expose(
        self, high: Tensor, low: Tensor | None, scale: int, random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return recordings ``(B, 1, h, w)`` of patches, and the patches ``(B, 1, H, W)`` without their margin."""

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

    def margin(self, scale: int) -> int:
        """Return 0."""
        del scale
        return 0

    def reduce(self, plane: Plane, scale: int) -> Plane:
        """Return the plane reduced, and rounded if so wished."""
        reduced = resize_bicubic(plane, scale)
        if self.eight_bit:
            reduced = np.rint(reduced * 255.0).clip(0, 255) / 255.0
        return np.asarray(reduced, dtype=np.float32)

    def expose(
        self, high: Tensor, low: Tensor | None, scale: int, random: np.random.Generator
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

    def margin(self, scale: int) -> int:
        """Return the reach of the widest point-spread function."""
        return -(-max(1, ceil(_SIGMAS_OF_CONTEXT * self.psf_sigma[1])) // scale) * scale

    def reduce(self, plane: Plane, scale: int) -> None:
        """Return nothing: every recording has its own point-spread function."""

    def expose(
        self, high: Tensor, low: Tensor | None, scale: int, random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return recordings, each with its own blur, light and noise."""
        del low
        count, margin = len(high), self.margin(scale)
        binned = F.avg_pool2d(_blurred(high, _drawn(self.psf_sigma, count, random)), scale)
        m = margin // scale
        binned, high = binned[..., m:-m, m:-m], high[..., margin:-margin, margin:-margin]
        seen, noise = binned.numpy(), _drawn(self.read_noise, count, random).numpy()[:, None, None, None]
        if self.photons is None:
            return torch.from_numpy((seen + random.normal(size=seen.shape) * noise).astype(np.float32)), high
        light = np.exp(_drawn(tuple(np.log(self.photons)), count, random).numpy())[:, None, None, None]
        seen = random.poisson(seen.clip(min=0) * light) + random.normal(size=seen.shape) * noise
        return torch.from_numpy((seen / light).astype(np.float32)), high.contiguous()

    def describe(self) -> str:
        """Return what was done."""
        words = f"Gaussian PSF, sigma {_span(self.psf_sigma)} fine pixels; binning"
        if self.photons is None:
            return f"{words}; Gaussian noise {_span(self.read_noise)} of the brightest"
        return f"{words}; {_span(self.photons)} photons at the brightest; read noise {_span(self.read_noise)} electrons"


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

    def margin(self, scale: int) -> int:
        """Return 0: planes are truncated as a whole."""
        del scale
        return 0

    def reduce(self, plane: Plane, scale: int) -> Plane:
        """Return the plane from the lowest spatial frequencies."""
        return kspace.truncate(plane, (scale, scale)).astype(np.float32)

    def expose(
        self, high: Tensor, low: Tensor | None, scale: int, random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return magnitudes, each patch with its own noise."""
        del scale
        assert low is not None
        noise = _drawn(self.noise, len(low), random).numpy()[:, None, None, None]
        return torch.from_numpy(kspace.rician(low.numpy(), noise, random).astype(np.float32)), high

    def describe(self) -> str:
        """Return what was done."""
        return f"k-space truncation; Rician noise {_span(self.noise)} of the brightest"


@dataclass(frozen=True, slots=True)
class Recorded:
    """No simulation: both images of a pair were recorded."""

    eight_bit = False

    def margin(self, scale: int) -> int:
        """Return 0."""
        del scale
        return 0

    def reduce(self, plane: Plane, scale: int) -> None:
        """Return nothing: low-resolution images are there."""

    def expose(
        self, high: Tensor, low: Tensor | None, scale: int, random: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return what was recorded."""
        del scale, random
        assert low is not None
        return low, high

    def describe(self) -> str:
        """Return what was done."""
        return "none: pairs recorded by instruments"


_KINDS: dict[str, type[Any]] = {"bicubic": Bicubic, "optics": Optics, "kspace": KSpace, "recorded": Recorded}


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
