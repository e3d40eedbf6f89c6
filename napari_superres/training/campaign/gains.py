"""Scores of images held out of training, next to bicubic interpolation, in a grid of blur and noise."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from statistics import mean

import numpy as np
import torch
from torch import Tensor, nn

from napari_superres.degradation.instruments import Conditioned, Scale, Strengths
from napari_superres.models.interpolate import Interpolation
from napari_superres.training.images.fields_of_view import Field
from napari_superres.training.losses import MIN_ERROR
from napari_superres.training.validation import crop_to_structure, select_evenly

_SIGMAS = (0.0, 0.5, 1.0, 1.5)
"""Sigma of the point-spread function in pixels of the result."""

_PHOTONS = (None, 300, 30)
"""Photons at the intensity 1; None = no noise."""

_SEED = 1

Gains = Mapping[str, Mapping[str, float]]
"""Mean PSNR of the network and of bicubic interpolation, and mean and lowest gain over it in dB, by condition."""


class HeldOut:
    """Patches held out of training, recorded once in each condition.

    Parameters
    ----------
    fields
        Fields of view; the part of each with most structure is scored.
    scale, instrument
        Scale and instrument of the training.
    device
        Where the network is.
    """

    def __init__(self, fields: Sequence[Field], scale: Scale, instrument: Conditioned, device: torch.device) -> None:
        self._bicubic = Interpolation("bicubic", scale).to(device)
        self._border = scale[0]
        crops = [crop_to_structure(field, scale) for field in select_evenly(fields)]
        largest = max((crop.hr.shape for crop in crops), default=(0, 0))
        self.parts = [crop for crop in crops if crop.hr.shape == largest]
        """The parts that are scored, all of one size."""
        recordings = _record(self.parts, scale, instrument) if self.parts else ()
        self._recordings = [(name, low.to(device), high.to(device)) for name, low, high in recordings]

    @torch.inference_mode()
    def score(self, network: nn.Module) -> Gains:
        """Return the scores of a network in evaluation mode; empty if no image is held out.

        Errors below 60 dB count alike: interpolation of a sharp image by a factor of 1 has none.
        """
        return {name: self._compare(network(low), low, high) for name, low, high in self._recordings}

    def _compare(self, result: Tensor, low: Tensor, high: Tensor) -> dict[str, float]:
        own, bicubic = (self._decibels(sr, high) for sr in (result, self._bicubic(low[:, :1])))
        gain = own - bicubic
        scores = {"psnr": own.mean(), "bicubic_psnr": bicubic.mean(), "gain": gain.mean(), "worst": gain.min()}
        return {key: round(float(value), 3) for key, value in scores.items()}

    def _decibels(self, result: Tensor, high: Tensor) -> Tensor:
        inside = (..., slice(self._border, -self._border), slice(self._border, -self._border))
        error = (result[inside].float() - high[inside]).square().mean(dim=(1, 2, 3))
        return -10 * torch.log10(error + MIN_ERROR)


def summarise(gains: Gains) -> dict[str, float]:
    """Return the mean of each score over all conditions, and the lowest gain; empty without conditions."""
    if not gains:
        return {}
    means = {key: round(mean(row[key] for row in gains.values()), 3) for key in ("psnr", "bicubic_psnr", "gain")}
    return {**means, "worst": min(row["worst"] for row in gains.values())}


def describe_protocol(held_out: HeldOut) -> str:
    """Return in words what the scores are, for a card."""
    edge = held_out.parts[0].hr.shape[-1]
    sigmas, photons = ", ".join(f"{s:g}" for s in _SIGMAS), ", ".join(str(p) for p in _PHOTONS if p)
    return (
        f"{len(held_out.parts)} patches of {edge} pixels of held-out training images; mean over PSF sigma {sigmas} "
        f"fine pixels, each without noise and with {photons} photons, which the network is told"
    )


def _record(parts: Sequence[Field], scale: Scale, instrument: Conditioned) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yield the name of each condition, low- and high-resolution patches."""
    pads = [(margin, margin) for margin in instrument.margin(scale)]
    high = torch.from_numpy(np.stack([np.pad(part.hr, pads, mode="symmetric") for part in parts]))[:, None]
    for sigma, photons in product(_SIGMAS, _PHOTONS):
        values = (sigma, 1 / photons if photons else 0.0, 0.0)
        strengths = Strengths(*(torch.full((len(parts),), value) for value in values))
        generator = torch.Generator().manual_seed(_SEED)
        name = f"PSF {sigma:g}, {f'{photons} photons' if photons else 'no noise'}"
        yield name, *instrument.record(high, strengths, scale, generator=generator)
