"""What a bioimage.io package says about its model: axes, sizes, intensities, README."""

import re
from typing import Any

import numpy as np

from napari_superres.core.conditions import TOLD
from napari_superres.models.card import ModelCard
from napari_superres.models.model_file import KEY

EPSILON = 1e-6
"""Number that the format adds to a range or a standard deviation before it divides by it."""

_SMALLEST_SIZE = 8


def describe_model(card: ModelCard, description: str) -> dict[str, Any]:
    """Return what the package says about the model, except its weights, authors, citations and licence."""
    from bioimageio.spec.model.v0_5 import ModelDescr

    name = re.sub(r"[^A-Za-z0-9_+() -]+", " ", card.title or card.name).strip()[:64]
    colours = ["red", "green", "blue"] if card.channels == 3 else ["intensity"]
    label, around = {"T": "frame", "Z": "plane", "C": "view"}[card.context], range(-card.own, card.frames - card.own)
    channels = [f"{label}{i:+d} {c}" for i in around for c in colours] if card.frames > 1 else colours
    channels = [*channels, *(f"plane of {condition}" for condition in card.conditions)]
    dims = f"{card.ndim}d-t" if card.frames > 1 and card.context == "T" else f"{card.ndim}d"
    input_axes, output_axes = _space_axes(card)

    def tensor(kind: str, names: list[str], axes: list[dict[str, Any]]) -> dict[str, Any]:
        axes = [{"type": "batch"}, {"type": "channel", "channel_names": names}, *axes]
        return {"id": kind, "axes": axes, "data": {"type": "float32"}, "test_tensor": {"source": f"test_{kind}.npy"}}

    inputs = tensor("input", channels, input_axes) | {"preprocessing": preprocessing(card)}
    if card.intensity == "unit":
        inputs["data"]["range"] = [0.0, 1.0]
    return {
        "type": "model",
        "format_version": ModelDescr.implemented_format_version,
        "name": name if len(name) >= 5 else f"super-resolution {name}",
        "description": description or f"{card.title or card.name}. {card.limits}".strip()[:512],
        "documentation": {"source": "README.md"},
        "tags": ["super-resolution", "image-restoration", "pytorch", dims, card.modality],
        "inputs": [inputs],
        "outputs": [tensor("output", colours, output_axes)],
        "config": {KEY: {"card": card.to_json()}},
    }


def _space_axes(card: ModelCard) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the spatial axes of input and output, with sizes, halos and pixel sizes."""
    input_axes, output_axes = [], []
    blockwise = card.bounded and not card.global_statistics
    for letter, (smallest, step, halo), scale in zip("zyx"[-card.ndim :], sizes(card), card.scale, strict=True):
        axis, fine = {"type": "space", "id": letter}, 1.0
        if card.pixel_size is not None and letter != "z":  # A card states the pixel size of planes only.
            # A number of 24 bits, so that the output's size, computed from the ratio, is a whole number.
            axis["unit"], fine = "micrometer", float(np.float32(sum(card.pixel_size) / 2 / scale))
        size = {"min": smallest, "step": step}
        input_axes.append({**axis, "scale": fine * scale, "size": size, "concatenable": blockwise})
        output_axes.append({**axis, "scale": fine, "size": {"tensor_id": "input", "axis_id": letter}})
        output_axes[-1] |= {"halo": halo * scale} if halo else {}
    return input_axes, output_axes


def sizes(card: ModelCard) -> list[tuple[int, int, int]]:
    """Return smallest size, step of sizes and halo per axis, in pixels. The smallest size exceeds twice the halo."""
    # The halo is a multiple of the step, so that the network takes an image extended by it.
    halos = [-(-h // m) * m if card.bounded else 0 for h, m in zip(card.halo, card.multiple, strict=True)]
    return [(m * -(-max(2 * h + 1, _SMALLEST_SIZE) // m), m, h) for h, m in zip(halos, card.multiple, strict=True)]


def preprocessing(card: ModelCard) -> list[dict[str, Any]]:
    """Return the steps that bring an image onto the model's intensity scale; none if it should lie there already.

    A step would scale the planes of conditions too, so networks that have some take scaled images.
    """
    if card.conditions:
        return []
    # Over all channels: several frames, and the samples of a colour, share one scale, as in this program.
    shared = {"axes": ["channel", *"zyx"[-card.ndim :]], "eps": EPSILON}
    limits = dict(zip(("min_percentile", "max_percentile"), card.percentiles, strict=True))
    return {
        "percentile": [{"id": "scale_range", "kwargs": shared | limits}],
        "standard": [{"id": "zero_mean_unit_variance", "kwargs": shared}],
    }.get(card.intensity, [])


def readme(card: ModelCard) -> str:
    """Return the package's README, from the card."""
    scale = {"unit": "lies between 0 and 1: divide 8-bit images by 255"}.get(card.intensity, "is scaled as described")
    if card.conditions:
        low, high = card.percentiles
        scale = f"is scaled so that its percentiles {low:g} and {high:g} become 0 and 1; constant planes follow: {TOLD}"
    whole = "" if card.bounded and not card.global_statistics else " The network looks at the whole image: do not tile."
    sections = {
        "What it is for": card.modality,
        "Limits": card.limits,
        "Training": card.training,
        "What it undoes": card.degradation,
        "How to run": f"The input {scale}. The result stays on that scale.{whole}\n\nWith this program: "
        "`pip install napari-superres-torch`, then in Python `from napari_superres.models import add_model` and "
        "`add_model('PACKAGE.zip')`, or choose Add in the Models widget of napari. "
        "Other programs run the ONNX weights, which take images of all sizes that the package allows.",
        "Validation": "Compare the result with interpolation, and with a measured image of your own samples at high "
        "resolution. Detail in the result is inferred, not measured.",
    }
    factors = " x ".join(map(str, card.scale))
    text = f"# {card.title or card.name}\n\nSuper-resolution by {factors} ({'ZYX'[-card.ndim :]}).\n"
    text += "".join(f"\n## {title}\n\n{body}\n" for title, body in sections.items() if body)
    for test, scores in card.scores.items():
        rows = "".join(f"| {name} | {value} |\n" for name, value in scores.items() if name != "protocol")
        text += f"\n### {test}\n\n{scores.get('protocol', '')}\n\n| measure | value |\n|---|---|\n{rows}"
    return text
