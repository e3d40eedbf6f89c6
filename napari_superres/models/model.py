"""`Model`: a card and the network it describes, ready to run."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from napari_superres.models.card import ModelCard
from napari_superres.models.interpolate import Interpolation
from napari_superres.models.probes.memory import pass_bytes


@dataclass(frozen=True)
class Model:
    """A super-resolution model in evaluation mode.

    Attributes
    ----------
    card
        What it is and needs.
    module
        The network in its deploy form; None for an interpolation.
    sha256
        Of the model file, hexadecimal; empty for an interpolation.
    """

    card: ModelCard
    module: nn.Module | None
    sha256: str = ""
    _runner: nn.Module = field(init=False, repr=False, compare=False)

    def without_doubts(self) -> "Model":
        """Return the same model for any image: for measurements on images that were made, which suit none."""
        return replace(self, card=replace(self.card, noise=None, pixel_size=None))

    def __post_init__(self) -> None:
        runner = self.module or Interpolation(str(self.card.arguments["kernel"]), self.card.scale)
        object.__setattr__(self, "_runner", runner.eval().requires_grad_(False))

    @property
    def runner(self) -> nn.Module:
        """What computes: the network, or the interpolation."""
        return self._runner

    @cached_property
    def bytes_per_pixel(self) -> float:
        """Working memory of one pass in 32-bit precision, per low-resolution pixel, measured."""
        return _activation_bytes(self)[0]

    @cached_property
    def largest_activation(self) -> float:
        """Largest single tensor of one pass in 32-bit precision, in bytes per low-resolution pixel, measured."""
        return _activation_bytes(self)[1]

    @torch.inference_mode()
    def __call__(self, batch: Tensor) -> Tensor:
        """Run the model.

        Parameters
        ----------
        batch
            ``(B, card.inputs, (Z)YX)`` on the model's intensity scale (mostly 0..1), sizes multiples of
            ``card.multiple``, on the model's device.

        Returns
        -------
        Tensor
            ``(B, C, ...)`` on the finer grid.
        """
        out: Tensor = self.runner(batch)
        return out


@torch.inference_mode()
def _activation_bytes(model: Model) -> tuple[float, float]:
    """Return peak and largest tensor of a pass, in bytes per input pixel."""
    card = model.card
    edge = 32 if card.ndim == 2 else 16
    size = [-(-edge // m) * m for m in card.multiple]
    like = next(model.runner.parameters(), torch.zeros(()))
    image = torch.zeros(1, card.inputs, *size, device=like.device, dtype=like.dtype)
    peak, largest = pass_bytes(card, model.runner, image)
    pixels = image.numel() / card.inputs
    return peak / pixels, largest / pixels
