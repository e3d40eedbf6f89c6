"""The network in a bioimage.io package: as state dict, which needs this program, and as ONNX, which does not."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from napari_superres.models.card import ModelCard
from napari_superres.models.export.description import sizes

_OPSET = 18
"""ONNX's set of operations: it has all that the networks need, and ONNX Runtime knows it since version 1.14."""

_LARGEST_DIFFERENCE = 1e-5
"""Of the ONNX form from the trained network, as a fraction of the largest value, or of 1 if that is smaller."""

_ENVIRONMENT = "dependencies: [python>=3.11, pytorch>=2.6, pip, pip: [napari-superres-torch]]\n"


def write_weights(
    folder: Path, card: ModelCard, trained: nn.Module, deployed: nn.Module, image: Tensor
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Write the weights in each format; return their descriptions, and a note if ONNX is not among them.

    Parameters
    ----------
    folder
        Folder of the package.
    card
        Card of the model.
    trained, deployed
        The network as it is trained and in its deploy form.
    image
        Test input on the network's intensity scale.
    """
    torch.save(trained.state_dict(), folder / "weights.pt")
    (folder / "environment.yaml").write_text(_ENVIRONMENT, encoding="utf-8")
    kind = type(trained)
    weights: dict[str, Any] = {
        "pytorch_state_dict": {
            "source": "weights.pt",
            "pytorch_version": torch.__version__.partition("+")[0],
            "architecture": {"import_from": kind.__module__, "callable": kind.__name__, "kwargs": card.arguments},
            "dependencies": {"source": "environment.yaml"},
        }
    }
    try:
        _write_onnx(folder / "weights.onnx", card, trained, deployed, image)
    except RuntimeError as error:
        note = f"{card.name} is exported without ONNX, so that only programs with Python can run it"
        return weights, (f"{note}: {str(error).splitlines()[0]}.",)
    weights["onnx"] = {"source": "weights.onnx", "opset_version": _OPSET, "parent": "pytorch_state_dict"}
    return weights, ()


def _write_onnx(path: Path, card: ModelCard, trained: nn.Module, deployed: nn.Module, image: Tensor) -> None:
    """Write a network for images of all sizes as ONNX; RuntimeError if that is impossible or gives other results."""
    from onnxruntime import InferenceSession
    from torch.export import Dim

    dimensions: dict[int, Any] = {0: Dim("batch")}
    for axis, (letter, step) in enumerate(zip("zyx"[-card.ndim :], card.multiple, strict=True), 2):
        dimensions[axis] = Dim(letter) if step == 1 else step * Dim(f"{letter}_step")
    two = image.repeat(2, *[1] * (image.ndim - 1))  # The exporter would take a size of 1 for a constant.
    program: Any = torch.onnx.export(
        deployed.to(memory_format=torch.contiguous_format),
        (two,),
        dynamo=True,
        dynamic_shapes=(dimensions,),
        input_names=["input"],
        output_names=["output"],
        opset_version=_OPSET,
        verbose=False,
    )
    content = program.model_proto
    for part in (content, content.graph, *content.graph.node):
        del part.metadata_props[:]  # Metadata holds paths of this machine.
    path.write_bytes(content.SerializeToString())
    session = InferenceSession(path, providers=["CPUExecutionProvider"])
    if any(isinstance(session.get_inputs()[0].shape[axis], int) for axis in dimensions):
        raise RuntimeError("it takes images of one size only")
    where: Any = (..., *(slice(smallest) for smallest, _, _ in sizes(card)))
    for batch in (image, two[where]):
        expected, result = trained(batch).numpy(), session.run(None, {"input": batch.numpy()})[0]
        limit = _LARGEST_DIFFERENCE * max(1, abs(expected).max())
        if result.shape != expected.shape or abs(result - expected).max() > limit:
            raise RuntimeError(f"its results differ on images of {list(batch.shape)}")
