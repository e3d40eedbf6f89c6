"""`ForeignModel`: what a loader of another program's model returns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_superres.models.card import ModelCard

if TYPE_CHECKING:
    from torch import Tensor, nn

FOREIGN_ARCHITECTURES = ("spandrel", "published", "onnx", "torchscript", "exported", "source")
"""Values of `ModelCard.architecture` for networks that this package does not define."""


@dataclass(frozen=True, slots=True)
class ForeignModel:
    """A model made by others, before it is measured.

    Attributes
    ----------
    card
        What the file states. Halo, global statistics and grid are unknown.
    weights
        Tensors by name; for a program its bytes, as one tensor of uint8.
    check
        Raises `ModelFileError` if a network does not reproduce its author's test output; None without such a test.
    """

    card: ModelCard
    weights: Mapping[str, "Tensor"]
    check: Callable[["nn.Module"], None] | None = field(default=None, compare=False)
