"""A bioimage.io model description (specification 0.5; 0.4 after conversion) as a model card.

The description states which axes a network takes and makes, and how intensities are processed before and after it.
`programs.Program` applies the steps that act on each value separately. A step that is fitted to an image (percentiles,
mean and deviation) becomes the card's `intensity`: the engine fits it once to the whole image and inverts it on the
result, so that results are on the input's intensity scale.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from napari_superres.core.intensity import HIGH_PERCENTILE, LOW_PERCENTILE, Kind
from napari_superres.errors import ModelFileError
from napari_superres.models.card import ModelCard
from napari_superres.models.foreign.axes import fixed_multiple

Step = dict[str, Any]

_LINEAR = ("scale_linear", "fixed_zero_mean_unit_variance")
_FITTED: dict[str, Kind] = {"scale_range": "percentile", "zero_mean_unit_variance": "standard", "scale_linear": "unit"}
_POINTWISE = {
    "scale_linear": ("gain", "offset"),
    "fixed_zero_mean_unit_variance": ("mean", "std"),
    "clip": ("min", "max"),
    "binarize": ("threshold",),
    "ensure_dtype": ("dtype",),
    "sigmoid": (),
}
"""Steps that act on each value separately, and their parameters, as the specification names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Processing:
    """Processing of intensities around a network.

    Attributes
    ----------
    intensity, percentiles
        As on the card.
    before, after
        Steps on each value of the network's input and output.
    restore
        Inverse of the linear steps in `before`; empty if a step in `after` takes the output back to the input's
        scale.
    fitted
        The step that `intensity` replaces, or None.
    matched
        The last step if it gives the output the scale of the input, which the engine does; None otherwise.
    """

    intensity: Kind
    percentiles: tuple[float, float]
    before: list[Step]
    after: list[Step]
    restore: list[Step]
    fitted: Step | None
    matched: Step | None


def describe(description: Any, architecture: str, arguments: Mapping[str, Any]) -> tuple[ModelCard, Processing]:
    """Return the card of a described model, and the processing of its intensities.

    Parameters
    ----------
    description
        `bioimageio.spec.model.v0_5.ModelDescr`.
    architecture
        ``"onnx"``, ``"torchscript"`` or ``"source"``.
    arguments
        Arguments of the program, to which the axes and steps are added on the card.

    Raises
    ------
    ModelFileError
        If this engine cannot run such a model; the message names the reason.
    """
    title = str(description.name)
    if len(description.inputs) != 1 or len(description.outputs) != 1:
        raise ModelFileError(
            f"{title} has {len(description.inputs)} inputs and {len(description.outputs)} outputs: "
            "models of one image in and one image out are understood."
        )
    source, result = description.inputs[0], description.outputs[0]
    orders = [_order(title, tensor) for tensor in (source, result)]
    spatial = "".join(a for a in "zyx" if a in orders[0])
    if set(orders[0]) - set("bc") != set(orders[1]) - set("bc"):
        raise ModelFileError(f"{title} makes an image with axes {orders[1]} of one with axes {orders[0]}.")
    sizes = [_sizes(title, source, a) for a in spatial]
    multiple = tuple(step for step, _, _ in sizes)
    is_fixed = any(most for _, _, most in sizes)
    channels = _channels(title, source, result)
    processing = _processing(title, source, result, channels)
    arguments = {
        **arguments,
        "inputs": orders[0],
        "outputs": orders[1],
        "single": _takes_one_image(source),
        "before": processing.before,
        "after": processing.after,
        "restore": processing.restore,
        **({"smallest": [least for _, least, _ in sizes]} if any(least > step for step, least, _ in sizes) else {}),
    }
    try:
        json.dumps(arguments, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"{title}: its arguments must be numbers, texts, lists and mappings ({error}).") from error
    card = ModelCard(
        name=re.sub(r"[^A-Za-z0-9_.-]+", "-", title).strip("-.")[:100] or "model",
        title=title,
        version=str(description.version or 1),
        architecture=architecture,
        arguments=arguments,
        channels=channels,
        scale=tuple(_factor(title, source, result, a) for a in spatial),
        multiple=multiple,
        largest=tuple(most or 2**16 for _, _, most in sizes) if is_fixed else None,
        intensity=processing.intensity,
        percentiles=processing.percentiles,
        license=str(description.license or ""),
        training=_origin(description),
        citation="; ".join(_reference(entry) for entry in description.cite),
    )
    return card, processing


def _order(title: str, tensor: Any) -> str:
    """Return the axes of a tensor, one letter each."""
    letters = [{"batch": "b", "channel": "c", "space": str(axis.id)}.get(axis.type, axis.type) for axis in tensor.axes]
    order = "".join(letters)
    if len(order) != len(letters) or sorted(order.replace("b", "").replace("c", "")) not in (list("xy"), list("xyz")):
        raise ModelFileError(
            f"{title}: {tensor.id} has axes {', '.join(letters)}; "
            "understood are y and x, or z, y and x, with batch (b) and channel (c), in any order."
        )
    if order.count("c") > 1:
        raise ModelFileError(f"{title}: {tensor.id} has two channel axes; one is understood.")
    return order


def _takes_one_image(tensor: Any) -> bool:
    """Return whether the network takes one image at a time."""
    return all(axis.size == 1 for axis in tensor.axes if axis.type == "batch")


def _channels(title: str, source: Any, result: Any) -> int:
    counts = [next((a.size for a in t.axes if a.type == "channel"), 1) for t in (source, result)]
    if counts[0] not in (1, 3):
        raise ModelFileError(
            f"{title} takes {counts[0]} channels or frames at once; 1, or 3 for colour, are understood."
        )
    if counts[1] != counts[0]:
        raise ModelFileError(
            f"{title} makes {counts[1]} channels of {counts[0]}; a super-resolution model makes as many as it takes."
        )
    return int(counts[0])


def _axis(tensor: Any, name: str) -> Any:
    return next(axis for axis in tensor.axes if axis.type == "space" and axis.id == name)


def _factor(title: str, source: Any, result: Any, name: str) -> int:
    """Return the scale along an axis."""
    from bioimageio.spec.model.v0_5 import SizeReference

    size, start = _axis(result, name).size, _axis(source, name)
    if isinstance(size, int) and isinstance(start.size, int):
        if size % start.size:
            raise ModelFileError(f"{title} makes {size} pixels of {start.size} along {name}, which is no whole factor.")
        return size // start.size
    if not isinstance(size, SizeReference):
        raise ModelFileError(f"{title} makes images of exactly {size} pixels along {name}, whatever it takes.")
    if size.tensor_id != source.id or size.axis_id != name:
        raise ModelFileError(f"{title}: the output's size along {name} must refer to the input's along {name}.")
    if size.offset:
        raise ModelFileError(
            f"{title} makes images of another size by valid convolutions (offset {size.offset} along {name}): "
            "its pixels do not lie where the input's do.",
            remedy="Use a version that pads its input.",
        )
    factor = float(start.scale / _axis(result, name).scale)
    if round(factor) < 1 or abs(factor - round(factor)) > 1e-6:
        raise ModelFileError(
            f"{title} makes {factor:g} pixels of one along {name}; an integer of at least 1 is understood."
        )
    return round(factor)


def _sizes(title: str, source: Any, name: str) -> tuple[int, int, int]:
    """Return the size multiple along an axis, the least size and the only one, 0 if there are more; in pixels."""
    from bioimageio.spec.model.v0_5 import ParameterizedSize, SizeReference

    size = _axis(source, name).size
    if isinstance(size, SizeReference):
        raise ModelFileError(f"{title}: the input's size along {name} depends on another axis; it must be free.")
    if not isinstance(size, ParameterizedSize):
        return fixed_multiple(int(size)), int(size), int(size)
    if size.min % size.step:
        raise ModelFileError(
            f"{title} takes {size.min} pixels along {name} and steps of {size.step} more, which are no multiples of "
            "one number."
        )
    return int(size.step), int(size.min), 0


def _processing(title: str, source: Any, result: Any, channels: int) -> Processing:
    before, fitted = _before(title, source, channels)
    after, matched = _after(title, result, channels)
    if fitted is None and before and _is_gain(before[0], 1 / 255):
        # Such a gain means the range of 8 bits: images of other types get the same range from the engine.
        fitted = before.pop(0)
        if matched is None and after and _is_gain(after[-1], 255):
            matched = after.pop()
    if matched and matched["id"] == "scale_range" and (fitted or before):
        raise ModelFileError(
            f"{title} takes scaled intensities and makes intensities that are not scaled, which is not understood."
        )
    percentiles = LOW_PERCENTILE, HIGH_PERCENTILE
    if fitted and fitted["id"] == "scale_range":
        percentiles = fitted["min_percentile"], fitted["max_percentile"]
    returns_to_input_scale = any(step["id"] in _LINEAR for step in after)
    return Processing(
        intensity=_FITTED[fitted["id"]] if fitted else "none",
        percentiles=percentiles,
        before=before,
        after=after,
        restore=[] if returns_to_input_scale else _inverse(before),
        fitted=fitted,
        matched=matched,
    )


def _before(title: str, tensor: Any, channels: int) -> tuple[list[Step], Step | None]:
    """Return the steps on each value before the network, and the earlier step that is fitted to the image."""
    pointwise: list[Step] = []
    fitted: Step | None = None
    steps = tensor.preprocessing
    for at, step in enumerate(steps):
        if step.id == "ensure_dtype" and at == 0 and len(steps) > 1:
            continue  # The stored type of the input: the engine's floats hold integers exactly, and fractions may stay.
        if step.id not in _FITTED or step.id in _POINTWISE:
            pointwise += _pointwise(title, tensor, step, channels)
            continue
        # A fitted step undoes each increasing linear map before it.
        if not all(map(_is_increasing, pointwise)):
            raise ModelFileError(f"{title}: {step.id} after {pointwise[-1]['id']} is not understood.")
        reference = getattr(step.kwargs, "reference_tensor", None)
        if reference is not None and (pointwise or fitted):
            raise ModelFileError(f"{title}: {step.id} by the unprocessed input after other steps is not understood.")
        fitted, pointwise = _whole_image_step(title, tensor, step, channels), []
    return pointwise, fitted


def _after(title: str, tensor: Any, channels: int) -> tuple[list[Step], Step | None]:
    """Return the steps on each value after the network, and the later step that takes the input's scale."""
    pointwise: list[Step] = []
    matched: Step | None = None
    for step in tensor.postprocessing:
        reference = getattr(step.kwargs, "reference_tensor", None)
        if matched is not None and step.id != "ensure_dtype":
            raise ModelFileError(f"{title}: {step.id} after {matched['id']} is not understood.")
        if step.id in _POINTWISE:
            pointwise += _pointwise(title, tensor, step, channels) if matched is None else []
        elif step.id in ("scale_mean_variance", "scale_range") and reference is not None:
            # Such a step puts the result on the input's intensity scale, as the engine's inverse normalisation does.
            # It would undo linear steps before it.
            matched = _whole_image_step(title, tensor, step, channels)
            while pointwise and _is_increasing(pointwise[-1]):
                pointwise.pop()
        else:
            raise ModelFileError(
                f"{title}: post-processing {step.id} is not understood; its result depends on the whole image "
                "or is no image."
            )
    return pointwise, matched


def _is_gain(step: Step, gain: float) -> bool:
    """Return whether a step multiplies all values by about this number and does nothing else."""
    stated, offset = step.get("gain"), step.get("offset")
    if step["id"] != "scale_linear" or not isinstance(stated, int | float) or not isinstance(offset, int | float):
        return False
    return abs(stated / gain - 1) < 0.01 and abs(offset) < 1e-6


def _whole_image_step(title: str, tensor: Any, step: Any, channels: int) -> Step:
    """Return a step that is fitted to the image; ModelFileError if it is fitted to parts of it."""
    axes = None if step.kwargs.axes is None else {str(axis) for axis in step.kwargs.axes}
    needed = {str(a.id) for a in tensor.axes if a.type == "space" or (a.type == "channel" and channels > 1)}
    if axes is not None and needed - axes:
        raise ModelFileError(
            f"{title}: {step.id} along {', '.join(sorted(axes))} only is not understood; "
            f"it must be fitted along {', '.join(sorted(needed))}."
        )
    names = ("min_percentile", "max_percentile") if step.id == "scale_range" else ()
    return {
        "id": step.id,
        "eps": step.kwargs.eps,
        "joint": axes is None or "batch" in axes,
        **{name: getattr(step.kwargs, name) for name in names},
    }


def _pointwise(title: str, tensor: Any, step: Any, channels: int) -> list[Step]:
    """Return a step on each value as a list; empty for a floating-point type, which the engine chooses."""
    if step.id not in _POINTWISE or any(getattr(step.kwargs, f"{m}_percentile", None) for m in ("min", "max")):
        raise ModelFileError(f"{title}: {step.id} of the whole image is not understood.")
    if step.id == "ensure_dtype" and step.kwargs.dtype.startswith("float"):
        return []
    axis = getattr(step.kwargs, "axis", None)
    if axis is not None and not any(a.type == "channel" and a.id == axis for a in tensor.axes):
        raise ModelFileError(f"{title}: {step.id} along {axis} is not understood, only along channels.")
    values = {name: getattr(step.kwargs, name) for name in _POINTWISE[step.id]}
    for name, value in values.items():
        if isinstance(value, list):
            if len(value) not in (1, channels):
                raise ModelFileError(f"{title}: {step.id} has {len(value)} values for {channels} channels.")
            values[name] = value[0] if len(value) == 1 else value
    return [{"id": step.id, **values}]


def _is_increasing(step: Step) -> bool:
    # Different maps for different channels would change a fit to all of them.
    gain = step.get("gain", step.get("std"))
    single = not any(isinstance(value, list) for value in step.values())
    return step["id"] in _LINEAR and single and gain is not None and gain > 0


def _inverse(steps: list[Step]) -> list[Step]:
    """Return the inverse of the linear steps, without limits and types; empty if another step has no inverse."""
    if any(step["id"] not in (*_LINEAR, "clip", "ensure_dtype") for step in steps):
        return []
    if any(gain == 0 for step in steps for gain in _listed(step.get("gain", 1))):
        return []
    inverse: list[Step] = []
    for step in reversed(steps):
        if step["id"] == "fixed_zero_mean_unit_variance":
            inverse.append({"id": "scale_linear", "gain": step["std"], "offset": step["mean"]})
        elif step["id"] == "scale_linear":
            inverse.append({"id": "fixed_zero_mean_unit_variance", "mean": step["offset"], "std": step["gain"]})
    return inverse


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _origin(description: Any) -> str:
    authors = ", ".join(str(author.name) for author in description.authors)
    return f"bioimage.io package{f' by {authors}' if authors else ''}."


def _reference(entry: Any) -> str:
    return f"{entry.text}, doi:{entry.doi}" if entry.doi else f"{entry.text}{f', {entry.url}' if entry.url else ''}"
