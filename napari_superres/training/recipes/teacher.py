"""A teacher: a larger network whose results a smaller one learns from, besides the truth.

Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, 2015, arXiv:1503.02531; for super-resolution,
He et al.: FAKD: Feature-Affinity Based Knowledge Distillation, ICIP 2020, doi:10.1109/ICIP40778.2020.9190917, without
its features: only results are used. They lack the grain of photographs, which no network can predict.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from napari_superres.errors import TrainingError
from napari_superres.models.library.registry import open_model
from napari_superres.training.images.fields_of_view import Plane
from napari_superres.training.recipes import Recipe


class Teacher:
    """Upscales low-resolution planes of training images.

    Parameters
    ----------
    name
        Name or file of a model.
    recipe
        Recipe of the network that learns from it.

    Raises
    ------
    TrainingError
        If the model does not do what the network shall learn.
    SuperResError
        If there is no such model, or it cannot be loaded.
    """

    def __init__(self, name: str | Path, recipe: Recipe) -> None:
        self._model = open_model(name)
        card = self._model.card
        facts = {
            "scale": (card.scale, recipe.scale),
            "intensity": (card.intensity, recipe.card.get("intensity", "unit")),
            "frames": (card.frames, 1),
            "conditions": (list(card.conditions), []),
        }
        if different := [f"{key} {own} instead of {needed}" for key, (own, needed) in facts.items() if own != needed]:
            raise TrainingError(
                f"{card.name} cannot teach this network: it has {', '.join(different)}.",
                remedy="Name another teacher in the recipe, or none.",
            )
        self.sha256 = self._model.sha256
        self.notes = self._model.notes

    def describe(self) -> str:
        """Return the teacher in words, for the card of a model."""
        card = self._model.card
        return f"{card.title or card.name} ({card.citation})" if card.citation else card.title or card.name

    @torch.inference_mode()
    def __call__(self, low: Plane) -> Plane:
        """Return a plane or volume on the finer grid; it is computed as a whole, in 32-bit precision."""
        card = self._model.card
        missing = [-n % m for n, m in zip(low.shape, card.multiple, strict=True)]
        padding = [p for m in reversed(missing) for p in (0, m)]
        image = F.pad(torch.from_numpy(low)[None, None], padding, mode="replicate")
        # A colour network sees the same grey in each channel.
        result = self._model(image.repeat_interleave(card.channels, dim=1)).mean(dim=1)[0]
        return np.ascontiguousarray(
            result.numpy()[tuple(slice(n * s) for n, s in zip(low.shape, card.scale, strict=True))]
        )
