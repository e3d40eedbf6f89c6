"""Comparison of a network with the test tensors in its bioimage.io package."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_superres.errors import ModelFileError
from napari_superres.models.card import ModelCard
from napari_superres.models.foreign.axes import to_image_axes
from napari_superres.models.foreign.packages.card import Processing, Step
from napari_superres.models.foreign.packages.files import one_line, read_array
from napari_superres.models.foreign.programs import apply_steps
from napari_superres.models.probes.passes import NETWORK_ERRORS

_TOLERANCE = 1e-3
"""Largest difference from the author's test output, as a fraction of the output's range."""

Check = Callable[[nn.Module], None]


def package_check(folder: Path, description: Any, card: ModelCard, processing: Processing) -> Check | None:
    """Return a function that compares a network with the test tensors of its package; None if it has none.

    Parameters
    ----------
    folder
        The package.
    description
        `bioimageio.spec.model.v0_5.ModelDescr`.
    card, processing
        As `card.describe` returns them.

    Returns
    -------
    callable
        Raises `ModelFileError` if the network does not reproduce the test output.
    """
    arrays = [read_array(folder, t.test_tensor) for t in (description.inputs[0], description.outputs[0])]
    if arrays[0] is None or arrays[1] is None:
        return None
    first = description.inputs[0].preprocessing[0]
    image = arrays[0].astype(first.kwargs.dtype) if first.id == "ensure_dtype" else arrays[0]
    orders = card.arguments["inputs"], card.arguments["outputs"]
    for array, order in zip((image, arrays[1]), orders, strict=True):
        if array.ndim != len(order):
            raise ModelFileError(f"a test tensor has shape {array.shape}, where the axes are {order}.")
    x, expected = (
        to_image_axes(torch.from_numpy(a.astype(np.float64)), order, card.ndim)
        for a, order in zip((image, arrays[1]), orders, strict=True)
    )
    # An output that was rounded to integers may differ by one.
    rounding = 1.0 if arrays[1].dtype.kind in "iu" else 0.0

    @torch.inference_mode()
    def check(network: nn.Module) -> None:
        scaled = x if processing.fitted is None else _rescale(x, processing.fitted, x)
        try:
            output = network(scaled.float()).double()
        except NETWORK_ERRORS as error:
            raise ModelFileError(f"{card.name} fails on its author's test input ({one_line(error)}).") from error
        wanted = expected
        if processing.matched is None:
            wanted = apply_steps(expected, processing.restore)
        else:
            output = _rescale(output, processing.matched, x)
        _compare(card.name, output, wanted, rounding)

    return check


def with_seen_range(folder: Path, description: Any, card: ModelCard) -> ModelCard:
    """Return the card with the range of its author's test input, if the image's intensities reach the network as are.

    An image of quite another range is then doubted, such as one of 8 bits for a network of values from 0 to 1.
    """
    array = read_array(folder, description.inputs[0].test_tensor)
    if card.intensity != "none" or array is None or not np.isfinite(array).all() or np.ptp(array) == 0:
        return card
    seen = [float(array.min()), float(array.max())]
    return replace(card, arguments={**card.arguments, "seen": seen})


def _compare(name: str, output: Tensor, expected: Tensor, rounding: float) -> None:
    """Raise ModelFileError if a network's output differs from its author's."""
    margins = [(o - e) // 2 for o, e in zip(output.shape[2:], expected.shape[2:], strict=True)]
    # Some authors cut a margin off their test output.
    inside: Any = (..., *[slice(m, m + e) for m, e in zip(margins, expected.shape[2:], strict=True)])
    output = output[inside] if min(margins) >= 0 else output
    failure = f"{name} does not reproduce its author's test output"
    if output.shape != expected.shape:
        raise ModelFileError(f"{failure}: it makes {list(output.shape)}, not {list(expected.shape)}.")
    span = float(expected.max() - expected.min()) or 1.0
    worst = float((output - expected).abs().max())
    if not worst <= max(_TOLERANCE * span, rounding):
        raise ModelFileError(
            f"{failure}: largest difference {worst:.3g}, {100 * worst / span:.2f} % of the output's range."
        )


def _rescale(x: Tensor, step: Step, reference: Tensor) -> Tensor:
    """Return a whole tensor ``(B, C, (Z)YX)`` scaled as the specification defines, in double precision."""
    parts = [slice(None)] if step.get("joint", True) else [slice(i, i + 1) for i in range(len(x))]
    return torch.cat([_rescale_jointly(x[part], step, reference[part]) for part in parts])


def _rescale_jointly(x: Tensor, step: Step, reference: Tensor) -> Tensor:
    if step["id"] == "scale_linear":
        return x * float(step["gain"]) + float(step["offset"])
    eps = float(step["eps"])
    if step["id"] == "scale_range":
        low, high = np.percentile(reference.numpy(), (step["min_percentile"], step["max_percentile"]))
        return (x - float(low)) / float(high - low + eps)
    deviation, target = float(x.std(correction=0)), float(reference.std(correction=0))
    standard = (x - x.mean()) / (deviation + eps)
    return standard * (target + eps) + reference.mean() if step["id"] == "scale_mean_variance" else standard
