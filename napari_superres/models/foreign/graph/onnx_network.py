"""The network of a graph: computed by torch if it makes the same as onnxruntime, otherwise by onnxruntime."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from napari_superres.errors import ModelFileError
from napari_superres.models.card import ModelCard
from napari_superres.models.foreign.graph.onnx_file import check_references, with_data
from napari_superres.models.foreign.graph.runtime import RuntimeGraph, first_line
from napari_superres.models.foreign.graph.torch_graph import TorchGraph
from napari_superres.models.probes.passes import natural_image, result_shape

RUNS_IN = "runs_in"
"""Argument of a card: ``"torch"`` if torch computes the graph, missing for onnxruntime."""

_EDGES = {2: (48, 72), 3: (16, 24)}
_POWERS = 6
_ERROR, _HALF_ERROR, _WHOLE_ERROR = 1e-5, 5e-3, 1.5 / 200
"""Largest difference that counts as rounding, as a share of the range of the result; in half precision; in 8 bits."""


def build_graph(arguments: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    """Return the network of a graph as its card asks for it.

    Parameters
    ----------
    arguments
        Of the card. ``"data"`` names the file of the weights, if the graph does not hold them.
    weights
        ``"program"`` and, with such a file, ``"data"``: bytes as uint8.

    Raises
    ------
    ModelFileError, MissingExtraError
        If it cannot be built, or a library is missing.
    """
    program, name, data = _parts(arguments, weights)
    check_references(program, name)
    if arguments.get(RUNS_IN) == "torch":
        return _torch_graph(program, name, data)
    return RuntimeGraph(program, name, data)


@torch.inference_mode()
def makes_the_same(card: ModelCard, network: nn.Module, other: nn.Module) -> bool:
    """Return whether two networks make the same of images of two sizes, but for rounding."""
    for edge in _EDGES[card.ndim]:
        image = natural_image(card, edge)
        made, wanted = other(image).double(), network(image).double()
        if made.shape != wanted.shape:
            return False
        span = float(wanted.max() - wanted.min())
        # Graphs of half precision are computed more precisely by torch, and whole numbers round to either side.
        is_whole = any(step["id"] == "ensure_dtype" for step in card.arguments["before"])
        limit = _WHOLE_ERROR if is_whole else _HALF_ERROR if _is_half(other) else _ERROR
        if not float((made - wanted).abs().max()) <= limit * max(span, 1e-12):
            return False
    return True


def without_fixed_size(card: ModelCard) -> list[ModelCard]:
    """Return the card of a graph of one size as if it took every size on a multiple, for rising multiples."""
    if card.largest is None:
        return []
    arguments = {name: value for name, value in card.arguments.items() if name != "smallest"}
    return [
        replace(card, largest=None, arguments=arguments, multiple=(2**power,) * card.ndim) for power in range(_POWERS)
    ]


@torch.inference_mode()
def takes_any_size(card: ModelCard, network: nn.Module) -> bool:
    """Return whether a network makes the promised image of other sizes than the one that its file states."""
    for edge in _EDGES[card.ndim]:
        image = natural_image(card, edge + max(card.multiple))
        if list(network(image).shape) != result_shape(card, image.shape[2:]):
            return False
    return True


def _is_half(network: nn.Module) -> bool:
    return any(isinstance(part, TorchGraph) and part.is_half for part in network.modules())


def _parts(arguments: Mapping[str, Any], weights: Mapping[str, Tensor]) -> tuple[bytes, str, bytes]:
    name = str(arguments.get("data", ""))
    return _bytes(weights["program"]), name, _bytes(weights["data"]) if name else b""


def _torch_graph(program: bytes, name: str, data: bytes) -> TorchGraph:
    model = with_data(program, name, data)
    try:
        graph = TorchGraph(model)
    except ModelFileError:
        raise
    except Exception as error:  # A stranger's graph may hold anything.
        raise ModelFileError(f"torch cannot build the graph: {first_line(error)}.") from error
    given = next(value for value in model.graph.input if value.name == graph.input)
    graph.shape = tuple(d.dim_value or None for d in given.type.tensor_type.shape.dim)
    return graph


def _bytes(tensor: Tensor) -> bytes:
    return bytes(tensor.cpu().numpy().tobytes())
