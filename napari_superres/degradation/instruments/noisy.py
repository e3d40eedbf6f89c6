"""Instruments for images that are all noisy: each patch gives two with independent noise, one to learn from the other.

The mean squared error against a noisy target is that against the truth plus the variance of the target's noise, as long
as the target's noise is independent of the input's (Lehtinen et al., Noise2Noise, ICML 2018, arXiv:1803.04189). So
nothing is lost but time.

Counts are split by binomial thinning, whose two parts are independent Poisson counts (Chen et al., Estimating the risk
of denoisers without clean data; Calvarons, Improved Noise2Noise denoising with limited data, CVPR Workshops 2021,
doi:10.1109/CVPRW53098.2021.00089); Gaussian noise of known strength by adding and subtracting noise of the same kind
(Pang et al., Recorrupted-to-Recorrupted, CVPR 2021, doi:10.1109/CVPR46437.2021.00209). Noise of unknown law is split by
neighbours (Huang et al., Neighbor2Neighbor, CVPR 2021, doi:10.1109/CVPR46437.2021.01454).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, sqrt

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_superres.core.binning import bin_mean
from napari_superres.core.conditions import CONDITIONS, SHADE
from napari_superres.degradation.instruments.conditioned import Strengths
from napari_superres.degradation.instruments.protocol import NOTHING_TOLD, Plane, Range, Scale
from napari_superres.degradation.instruments.strengths import blur, format_range

Floats = npt.NDArray[np.float64]

_LEAST_GAIN = 1e-9
"""Gain below which noise does not grow with brightness."""

_SIGMAS_OF_CONTEXT = 4

_MOST_COUNTS = 1e15
"""Counts above which binomial numbers cannot be drawn; their noise is then negligible."""


def split(
    values: npt.NDArray[np.floating],
    gain: float,
    read_noise: float,
    share: float,
    random: np.random.Generator,
    *,
    dark: float = 0.0,
) -> tuple[Floats, Floats]:
    """Split a noisy image into two of the same mean, whose noise is independent.

    Parameters
    ----------
    values
        Intensities whose noise has the variance ``gain * (intensity - dark) + read_noise ** 2``.
    gain, read_noise
        Noise of the image; both 0 = it has none, and both parts are the image.
    share
        Share of the light in the first image, between 0 and 1. Its noise has ``1 / share`` times the variance of that
        of the image; the second one ``1 / (1 - share)`` times.
    random
        Generator of the split.
    dark
        Intensity without light. Told too low, dark parts count as brighter than their noise says: the noise of the two
        images is then opposite to each other, and a network learns to make darkness rough.

    Returns
    -------
    first, second
        Arrays of the shape of `values`.
    """
    wide = np.asarray(values, dtype=np.float64)
    unit = gain if gain > _LEAST_GAIN else 1.0
    counts = (wide - dark) / unit
    first = share * counts
    if gain > _LEAST_GAIN:
        # Measured intensities are no whole counts: rounding up or down at random keeps their mean.
        whole = np.floor(np.clip(counts, 0, _MOST_COUNTS) + random.random(counts.shape))
        first = random.binomial(whole.astype(np.int64), share) + share * (counts - whole)
    spread = np.sqrt(share * (1 - share)) * read_noise / unit
    first = first + spread * random.normal(size=counts.shape)
    return first / share * unit + dark, (counts - first) / (1 - share) * unit + dark


def tell(low: Tensor, strengths: Sequence[tuple[float, float, float]], ranges: Mapping[str, Range]) -> Tensor:
    """Return inputs ``(B, 1, h, w)`` with planes that tell blur and noise of each, within what a network can be told.

    Parameters
    ----------
    low
        Inputs.
    strengths
        Sigma in pixels of the result, gain and read noise of each, as in `core.conditions`.
    ranges
        Range of each condition.
    """
    of_each = torch.tensor(strengths, dtype=torch.float32).T
    known = [s.clamp(*ranges[name]) for name, s in zip(CONDITIONS, of_each, strict=True)]
    return torch.cat([low, Strengths(*known).planes(low)], dim=1)


@dataclass(frozen=True, slots=True)
class Splits:
    """Each noisy patch is split into an input and a target by its measured noise.

    Attributes
    ----------
    share
        Range of the share of the light in the input: the rest is in the target. A single patch, for validation, gets
        the middle one.
    psf_sigma
        Range of the sigma of the point-spread function in pixels of the images, which are blurred by it already. The
        input is blurred until it is as blurred in its own, larger pixels as the images are in theirs; so the network
        learns to sharpen images by the scale as well. 0 = it learns to undo the larger pixels alone.
    told
        What the network is told of each input, with its range; nothing by default. A network that knows how noisy its
        input is does not take the image, which is less noisy than all its parts, for one of them.
    """

    share: tuple[float, float] = (0.5, 0.9)
    psf_sigma: Range = (0.0, 0.0)
    told: Mapping[str, Range] = field(default_factory=dict)
    eight_bit = False
    frames = 1
    is_noisy = True
    unchanged = 0.0

    @property
    def conditions(self) -> Mapping[str, Range]:
        """What the network is told."""
        return self.told

    def margin(self, scale: Scale) -> tuple[int, ...]:
        """Return the reach of the blur that is added."""
        return tuple(-(-ceil(_SIGMAS_OF_CONTEXT * _added_blur(self.psf_sigma[1], scale)) // s) * s for s in scale)

    def reduce(self, plane: Plane, scale: Scale) -> None:
        """Return None: each recording has its own noise."""

    def expose(
        self, hr: Tensor, lr: Tensor | None, scale: Scale, random: np.random.Generator, own_noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return inputs, binned by the scale, and targets, both noisy.

        `own_noise` is that of `hr` itself: gain, read noise, and the intensity of darkness, for each patch.

        Binning averages noise. What it takes away is added again, because the network will see images as they are.
        """
        del lr
        assert own_noise is not None
        pixels, margin = int(np.prod(scale)), self.margin(scale)
        inner = tuple(slice(m, -m or None) for m in margin)
        lows, highs, strengths = [], [], []
        for patch, (gain, read_noise, dark) in zip(hr.numpy(), own_noise.tolist(), strict=True):
            share = self.input_share if len(hr) == 1 else float(random.uniform(*self.share))
            first, second = split(patch, gain, read_noise, share, random, dark=dark)
            left = 1 / (share * pixels)  # variance of the input's noise over that of the image
            wide, sigma = first[0], 0.0
            if any(margin):
                sigma = float(random.uniform(*self.psf_sigma))
                added = _added_blur(sigma, scale)
                planes = torch.from_numpy(wide.astype(np.float32))[None, None]
                wide = blur(planes, torch.tensor([added]), _SIGMAS_OF_CONTEXT)[0, 0].numpy()
                left /= max(1.0, 4 * np.pi * added**2 / pixels)
            low = bin_mean(wide[inner], scale)
            variance = (gain * np.clip(low - dark, 0, None) + read_noise**2) * max(0.0, 1 - left)
            lows.append(low + np.sqrt(variance) * random.normal(size=low.shape) if pixels > 1 else low)
            highs.append(second[0][inner])
            strengths.append((sigma * max(scale) - SHADE, gain * max(1, left), read_noise * sqrt(max(1, left))))
        low_batch, high_batch = (torch.from_numpy(np.stack(s).astype(np.float32))[:, None] for s in (lows, highs))
        return tell(low_batch, strengths, self.told) if self.told else low_batch, high_batch

    @property
    def input_share(self) -> float:
        """The middle of `share`."""
        return sum(self.share) / 2

    def describe(self) -> str:
        """Return the degradation in words."""
        low, high = self.share
        words = f"noisy images split by their measured noise: {low:g} to {high:g} of the light is the input"
        sharper = f"; as blurred in larger pixels as the images, sigma {format_range(self.psf_sigma)} pixels"
        return words + (sharper if self.psf_sigma[1] else "")


def _added_blur(sigma: float, scale: Scale) -> float:
    """Return the sigma that makes a blur as wide in pixels that are larger by the scale."""
    return sigma * sqrt(max(scale) ** 2 - 1)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Each noisy patch is split into two of half the pixels per axis: of each 2 x 2 pixels, two neighbours."""

    eight_bit = False
    frames = 1
    is_noisy = True
    input_share = 0.0
    conditions = NOTHING_TOLD
    unchanged = 0.0

    def margin(self, scale: Scale) -> tuple[int, ...]:
        """Return 0: patches come back half as large."""
        return (0,) * len(scale)

    def reduce(self, plane: Plane, scale: Scale) -> None:
        """Return None: each recording has its own pixels."""

    def expose(
        self, hr: Tensor, lr: Tensor | None, scale: Scale, random: np.random.Generator, own_noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return inputs, binned by the scale, and targets."""
        del lr, own_noise
        rows, columns = (n // (2 * s) * 2 * s for n, s in zip(hr.shape[-2:], scale, strict=True))
        cells = F.pixel_unshuffle(hr[..., :rows, :columns], 2)  # (B, 4, h, w): rows of a cell, then columns
        first = torch.from_numpy(random.integers(0, 4, (len(hr), 1, *cells.shape[-2:])))
        # The neighbour below or above, or the one beside it: the other bit of the number stays.
        second = first ^ torch.from_numpy(random.integers(1, 3, first.shape))
        return _bin(cells.gather(1, first), scale), cells.gather(1, second)

    def describe(self) -> str:
        """Return the degradation in words."""
        return "noisy images split into neighbouring pixels"


def _bin(planes: Tensor, scale: Scale) -> Tensor:
    return planes if max(scale) == 1 else F.avg_pool2d(planes, scale)
