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
        What the model is and needs.
    module
        The network in its deploy form; None for an interpolation.
    sha256
        sha256 of the model file, hexadecimal; empty for an interpolation.
    notes
        What the user should know about the model: sentences that `load_model` shows as warnings.
    """

    card: ModelCard
    module: nn.Module | None
    sha256: str = ""
    notes: tuple[str, ...] = field(default=(), compare=False)
    _runner: nn.Module = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        runner = self.module or Interpolation(str(self.card.arguments["kernel"]), self.card.scale)
        object.__setattr__(self, "_runner", runner.eval().requires_grad_(False))

    def for_any_image(self) -> "Model":
        """Return the model without the limits of its training, for measurements on synthetic images.

        No such image suits a card that states noise, pixel size or a grid, and doubts about it would be meaningless.
        """
        return replace(self, card=replace(self.card, noise=None, pixel_size=None, grid=None))

    @property
    def runner(self) -> nn.Module:
        """The network, or the module that interpolates."""
        return self._runner

    @cached_property
    def bytes_per_pixel(self) -> float:
        """Measured working memory of one pass in 32-bit precision, in bytes per low-resolution pixel."""
        return _activation_bytes(self)[0]

    @cached_property
    def largest_activation(self) -> float:
        """Measured largest tensor of one pass in 32-bit precision, in bytes per low-resolution pixel."""
        return _activation_bytes(self)[1]

    @torch.inference_mode()
    def __call__(self, batch: Tensor) -> Tensor:
        """Run the model.

        Parameters
        ----------
        batch
            ``(B, card.inputs, (Z)YX)`` on the model's device and intensity scale (usually 0 to 1). Sizes are
            multiples of ``card.multiple``.

        Returns
        -------
        Tensor
            ``(B, C, ...)`` on the finer grid.
        """
        result: Tensor = self.runner(batch)
        return result


@torch.inference_mode()
def _activation_bytes(model: Model) -> tuple[float, float]:
    """Return peak memory and the largest tensor of a pass, in bytes per input pixel."""
    card = model.card
    edge = 32 if card.ndim == 2 else 16
    size = [-(-edge // m) * m for m in card.multiple]
    like = next(model.runner.parameters(), torch.zeros(()))
    image = torch.zeros(1, card.inputs, *size, device=like.device, dtype=like.dtype)
    peak, largest = pass_bytes(card, model.runner, image)
    pixels = image.numel() / card.inputs
    return peak / pixels, largest / pixels
