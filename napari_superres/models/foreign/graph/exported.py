"""Programs of ``torch.export``."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import torch
from torch import Tensor, nn

from napari_superres.errors import ModelFileError
from napari_superres.models.foreign.graph.runtime import first_line


def build_exported(_: Mapping[str, Any], weights: Mapping[str, Tensor]) -> "Exported":
    """Return the network of a program of ``torch.export``; this may run what the file holds.

    Raises
    ------
    ModelFileError
        If torch cannot load it, or it takes more than one tensor.
    """
    try:
        program = torch.export.load(BytesIO(weights["program"].cpu().numpy().tobytes()))
        inputs = [n for n in program.graph.nodes if n.name in program.graph_signature.user_inputs]
        value = inputs[0].meta["val"]
        network = program.module()
    except Exception as error:  # torch raises what its parser meets.
        raise ModelFileError(
            f"torch {torch.__version__} cannot load it as a program of torch.export ({first_line(error)}).",
            remedy="Export it again with this version of torch, or as ONNX.",
        ) from error
    if len(inputs) != 1 or not isinstance(value, Tensor) or not value.is_floating_point():
        raise ModelFileError(
            "the program must take one tensor of floating-point numbers.",
            remedy="Wrap the network in one that does, and export that.",
        )
    return Exported(network, [n if type(n) is int else None for n in value.shape])


class Exported(nn.Module):
    """A program of ``torch.export``, with the sizes that it takes; None where they are free."""

    def __init__(self, network: nn.Module, shape: list[int | None]) -> None:
        super().__init__()
        self.network, self.shape = network, tuple(shape)

    def forward(self, x: Tensor) -> Any:
        """Return the program's output."""
        return self.network(x)

    def train(self, mode: bool = True) -> "Exported":  # noqa: ARG002 - a program has no modes, and refuses to be asked
        """Return the program as it is."""
        return self
