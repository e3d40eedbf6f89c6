"""Losses that training minimises: by pixel, by structure, by frequency."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_superres.errors import TrainingError

Kind = Literal["l1", "charbonnier", "mse", "psnr", "bce"]

_NAMES = {"l1": "L1", "charbonnier": "Charbonnier", "mse": "MSE", "psnr": "PSNR", "bce": "binary cross-entropy"}
FINISH_FROM = 0.8
"""Share of the budget after which the loss changes to `Loss.finish`."""

_FINISHES = {"bce": "bce", "psnr": "psnr"}
_EPSILON = 1e-3
MIN_ERROR = 1e-6
"""Mean squared error, 60 dB, below which a patch teaches little: flat patches have hardly any error."""

_SSIM_EDGE, _SSIM_SIGMA = 11, 1.5
_SSIM_STABILISERS = 0.01**2, 0.03**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A sum of terms between the result and the reference ``(B, C, (D,) H, W)``, both on the scale 0..1.

    Attributes
    ----------
    kind
        Term by pixel. ``"l1"``. ``"charbonnier"``, which is smooth at 0 (Charbonnier et al., ICIP 1994,
        doi:10.1109/ICIP.1994.413553). ``"mse"``. ``"psnr"``, the mean PSNR of patches as ``1 - dB / 100``, in which
        clean patches count as much as noisy ones (Chen et al., CVPR Workshops 2021, doi:10.1109/CVPRW53098.2021.00027).
        ``"bce"``, binary cross-entropy, for networks that end in a sigmoid.
    finish
        Kind for the last fifth of the budget. By default the mean squared error, which PSNR rewards; ``"psnr"`` and
        ``"bce"`` do not change.
    ssim
        Weight of ``1 - SSIM`` of planes (Wang et al., IEEE TIP 2004, doi:10.1109/TIP.2003.819861).
    fourier
        Weight of the mean distance of the spectra of planes (Fuoli et al., ICCV 2021,
        doi:10.1109/ICCV48922.2021.00234, without the adversarial part).

    Raises
    ------
    TrainingError
        If a kind is unknown or a weight is below 0.
    """

    kind: Kind = "l1"
    finish: Kind | None = None
    ssim: float = 0.0
    fourier: float = 0.0

    def __post_init__(self) -> None:
        if self.finish is None:
            object.__setattr__(self, "finish", _FINISHES.get(self.kind, "mse"))
        for name in ("kind", "finish"):
            if getattr(self, name) not in get_args(Kind):
                raise TrainingError(
                    f"loss {name} must be one of {', '.join(get_args(Kind))}, got {getattr(self, name)!r}."
                )
        for name in ("ssim", "fourier"):
            weight = getattr(self, name)
            if not isinstance(weight, int | float) or not 0 <= weight < float("inf"):
                raise TrainingError(f"loss {name} must be a weight of at least 0, got {weight!r}.")

    def __call__(self, sr: Tensor, hr: Tensor, progress: float) -> Tensor:
        """Return the loss after the share `progress` of the budget, 0 to 1."""
        kind = self.finish if progress > FINISH_FROM else self.kind
        assert kind is not None
        total = _PIXELS[kind](sr, hr)
        if self.ssim:
            total = total + self.ssim * (1.0 - ssim(sr, hr))
        if self.fourier:
            total = total + self.fourier * spectral_distance(sr, hr)
        return total

    def describe(self) -> str:
        """Return the terms in words, for a model's card."""
        kinds = dict.fromkeys(_NAMES[k] for k in (self.kind, self.finish) if k is not None)
        weights = {"1 - SSIM": self.ssim, "distance of spectra": self.fourier}
        return " + ".join([", then ".join(kinds), *(f"{w:g} ({name})" for name, w in weights.items() if w)])


def make_loss(settings: Mapping[str, Any]) -> Loss:
    """Return a loss from plain values, such as those of a recipe.

    Raises
    ------
    TrainingError
        If a setting is unknown; and as `Loss`.
    """
    known = [f.name for f in fields(Loss)]
    if unknown := sorted(set(settings) - set(known)):
        raise TrainingError(f"loss has no setting {', '.join(unknown)}.", remedy=f"Valid settings: {', '.join(known)}.")
    return Loss(**settings)


def ssim(sr: Tensor, hr: Tensor) -> Tensor:
    """Return the mean structural similarity of planes, for a data range of 1 and Gaussian windows inside the image."""
    x, y = (image.flatten(0, -3)[:, None] for image in (sr, hr))  # (N, 1, H, W)
    edge = min(_SSIM_EDGE, *x.shape[-2:])
    at = torch.arange(edge, device=x.device, dtype=x.dtype) - (edge - 1) / 2
    window = torch.exp(-0.5 * (at / _SSIM_SIGMA) ** 2)
    window = window / window.sum()

    def mean(values: Tensor) -> Tensor:
        return F.conv2d(F.conv2d(values, window[None, None, :, None]), window[None, None, None])

    mx, my = mean(x), mean(y)
    vx, vy, vxy = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    c1, c2 = _SSIM_STABILISERS
    return ((2 * mx * my + c1) * (2 * vxy + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))).mean()


def spectral_distance(sr: Tensor, hr: Tensor) -> Tensor:
    """Return the mean modulus of the difference of the spectra of planes, with orthonormal transforms."""
    return torch.fft.rfft2(sr - hr, norm="ortho").abs().mean()


def _charbonnier(sr: Tensor, hr: Tensor) -> Tensor:
    return ((sr - hr) ** 2 + _EPSILON**2).sqrt().mean()


def _peak_signal_noise_ratio(sr: Tensor, hr: Tensor) -> Tensor:
    error = ((sr - hr) ** 2).flatten(1).mean(dim=1)  # (B,)
    return 1.0 + 0.1 * torch.log10(error + MIN_ERROR).mean()


def _cross_entropy(sr: Tensor, hr: Tensor) -> Tensor:
    if float(sr.detach().min()) < 0 or float(sr.detach().max()) > 1:
        raise TrainingError(
            "binary cross-entropy needs a network that ends in a sigmoid, with outputs between 0 and 1.",
            remedy="Use such a network or another `loss`.",
        )
    return F.binary_cross_entropy(sr, hr.clamp(0, 1))


_PIXELS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": F.l1_loss,
    "charbonnier": _charbonnier,
    "mse": F.mse_loss,
    "psnr": _peak_signal_noise_ratio,
    "bce": _cross_entropy,
}
