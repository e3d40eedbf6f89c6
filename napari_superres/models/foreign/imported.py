"""What an import gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_superres.models.card import ModelCard

if TYPE_CHECKING:
    from torch import Tensor, nn

FOREIGN = ("spandrel", "onnx", "torchscript", "source")
"""Architectures on cards that are not ours."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """A model made by others, not yet measured.

    Attributes
    ----------
    card
        What its file says of it. Halo, statistics and grid are to be measured.
    weights
        Its tensors; of a program its bytes, as one tensor of uint8.
    check
        Raises `ModelFileError` if the network does not make what its author's test says; None without such a test.
    """

    card: ModelCard
    weights: Mapping[str, "Tensor"]
    check: Callable[["nn.Module"], None] | None = field(default=None, compare=False)
