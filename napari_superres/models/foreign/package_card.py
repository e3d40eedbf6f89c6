"""A bioimage.io model description (spec 0.5; 0.4 after conversion), as a model card.

The description says which axes a network takes and makes, and what is done to intensities before and after it.
What acts on each value by itself is done within the program. What is fitted to an image (percentiles, mean and
deviation) is the card's `intensity`: the engine fits it once to the whole image, and inverts it on the result, so
that results are on the input's intensity scale.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from napari_superres.core.intensity import HIGH_PERCENTILE, LOW_PERCENTILE, Kind
from napari_superres.errors import ModelFileError
from napari_superres.models.card import ModelCard

Step = dict[str, Any]

_LINEAR = ("scale_linear", "fixed_zero_mean_unit_variance")
_FITTED: dict[str, Kind] = {"scale_range": "percentile", "zero_mean_unit_variance": "standard"}
_POINTWISE = {
    "scale_linear": ("gain", "offset"),
    "fixed_zero_mean_unit_variance": ("mean", "std"),
    "clip": ("min", "max"),
    "binarize": ("threshold",),
    "ensure_dtype": ("dtype",),
    "sigmoid": (),
}
"""Steps that act on each value by itself, and their parameters, as the specification names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Processing:
    """What is done to intensities around a network.

    Attributes
    ----------
    intensity, percentiles
        As on the card.
    before, after
        Steps on each value, of the network's input and output.
    restore
        Inverse of the linear steps `before`, where none `after` takes the output back to the input's scale.
    fitted
        The step that `intensity` stands for, or None.
    matched
        The last step, which gives the output the scale of the input, or None: the engine does that.
    """

    intensity: Kind
    percentiles: tuple[float, float]
    before: list[Step]
    after: list[Step]
    restore: list[Step]
    fitted: Step | None
    matched: Step | None


def describe(description: Any, architecture: str, **arguments: Any) -> tuple[ModelCard, Processing]:
    """Return the card of a described model, and how its intensities are processed.

    Parameters
    ----------
    description
        `bioimageio.spec.model.v0_5.ModelDescr`.
    architecture
        ``"onnx"``, ``"torchscript"`` or ``"source"``.
    arguments
        More of what the program needs, for `ModelCard.arguments`.

    Raises
    ------
    ModelFileError
        If this engine cannot run such a model; the message says what it is about the model.
    """
    title = str(description.name)
    if len(description.inputs) != 1 or len(description.outputs) != 1:
        raise ModelFileError(
            f"{title} has {len(description.inputs)} inputs and {len(description.outputs)} outputs: "
            "models of one image in and one image out are understood."
        )
    given, made = description.inputs[0], description.outputs[0]
    orders = [_order(title, tensor) for tensor in (given, made)]
    spatial = "".join(a for a in "zyx" if a in orders[0])
    if set(orders[0]) - set("bc") != set(orders[1]) - set("bc"):
        raise ModelFileError(f"{title} makes an image with axes {orders[1]} of one with axes {orders[0]}.")
    multiple = tuple(_multiple(title, given, a) for a in spatial)
    channels = _channels(title, given, made)
    processing = _processing(title, given, made, channels)
    arguments |= {
        "inputs": orders[0],
        "outputs": orders[1],
        "single": _is_single(given),
        "before": processing.before,
        "after": processing.after,
        "restore": processing.restore,
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
        scale=tuple(_factor(title, given, made, a) for a in spatial),
        multiple=multiple,
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


def _is_single(tensor: Any) -> bool:
    """Return whether images must be given one by one."""
    return all(axis.size == 1 for axis in tensor.axes if axis.type == "batch")


def _channels(title: str, given: Any, made: Any) -> int:
    counts = [next((a.size for a in t.axes if a.type == "channel"), 1) for t in (given, made)]
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


def _factor(title: str, given: Any, made: Any, name: str) -> int:
    """Return how many pixels are made of one along an axis."""
    from bioimageio.spec.model.v0_5 import SizeReference

    size, start = _axis(made, name).size, _axis(given, name)
    if not isinstance(size, SizeReference):
        raise _fixed(title, name, size)
    if size.tensor_id != given.id or size.axis_id != name:
        raise ModelFileError(f"{title}: the output's size along {name} must refer to the input's along {name}.")
    if size.offset:
        raise ModelFileError(
            f"{title} makes images of another size by valid convolutions (offset {size.offset} along {name}): "
            "its pixels do not lie where the input's do. Use a version that pads its input."
        )
    factor = float(start.scale / _axis(made, name).scale)
    if round(factor) < 1 or abs(factor - round(factor)) > 1e-6:
        raise ModelFileError(
            f"{title} makes {factor:g} pixels of one along {name}; an integer of at least 1 is understood."
        )
    return round(factor)


def _multiple(title: str, given: Any, name: str) -> int:
    from bioimageio.spec.model.v0_5 import ParameterizedSize, SizeReference

    size = _axis(given, name).size
    if isinstance(size, SizeReference):
        raise ModelFileError(f"{title}: the input's size along {name} hangs on another axis; it must be free.")
    if not isinstance(size, ParameterizedSize):
        raise _fixed(title, name, size)
    if size.min % size.step:
        raise ModelFileError(
            f"{title} takes {size.min} pixels along {name} and steps of {size.step} more, which are no multiples of "
            "one number."
        )
    return int(size.step)


def _fixed(title: str, name: str, size: Any) -> ModelFileError:
    return ModelFileError(f"{title} takes and makes only images of exactly one size along {name} ({size} pixels).")


def _processing(title: str, given: Any, made: Any, channels: int) -> Processing:
    before, fitted = _before(title, given, channels)
    after, matched = _after(title, made, channels)
    if matched and matched["id"] == "scale_range" and (fitted or before):
        raise ModelFileError(
            f"{title} takes intensities that were scaled and makes some that are not, which is not understood."
        )
    percentiles = LOW_PERCENTILE, HIGH_PERCENTILE
    if fitted and fitted["id"] == "scale_range":
        percentiles = fitted["min_percentile"], fitted["max_percentile"]
    returns = any(step["id"] in _LINEAR for step in after)
    return Processing(
        intensity=_FITTED[fitted["id"]] if fitted else "none",
        percentiles=percentiles,
        before=before,
        after=after,
        restore=[] if returns else _inverse(before),
        fitted=fitted,
        matched=matched,
    )


def _before(title: str, tensor: Any, channels: int) -> tuple[list[Step], Step | None]:
    """Return the steps on each value before the network, and the one before them that is fitted to the image."""
    found: list[Step] = []
    fitted: Step | None = None
    steps = tensor.preprocessing
    for at, step in enumerate(steps):
        if step.id == "ensure_dtype" and at == 0 and len(steps) > 1:
            continue  # the type of what is given: integers are exact in the engine's floats, and fractions may stay
        if step.id not in _FITTED:
            found += _pointwise(title, tensor, step, channels)
            continue
        # What is fitted undoes each increasing linear map before it.
        if not all(map(_is_increasing, found)):
            raise ModelFileError(f"{title}: {step.id} after {found[-1]['id']} is not understood.")
        reference = getattr(step.kwargs, "reference_tensor", None)
        if reference is not None and (found or fitted):
            raise ModelFileError(f"{title}: {step.id} by the unprocessed input after other steps is not understood.")
        fitted, found = _global(title, tensor, step, channels), []
    return found, fitted


def _after(title: str, tensor: Any, channels: int) -> tuple[list[Step], Step | None]:
    """Return the steps on each value after the network, and the one after them that takes the input's scale."""
    found: list[Step] = []
    matched: Step | None = None
    for step in tensor.postprocessing:
        reference = getattr(step.kwargs, "reference_tensor", None)
        if matched is not None and step.id != "ensure_dtype":
            raise ModelFileError(f"{title}: {step.id} after {matched['id']} is not understood.")
        if step.id in _POINTWISE:
            found += _pointwise(title, tensor, step, channels) if matched is None else []
        elif step.id in ("scale_mean_variance", "scale_range") and reference is not None:
            # What such a step is for, a result on the input's intensity scale, is what the engine's inverse
            # normalisation does; and it would undo linear steps before it.
            matched = _global(title, tensor, step, channels)
            while found and _is_increasing(found[-1]):
                found.pop()
        else:
            raise ModelFileError(
                f"{title}: post-processing {step.id} is not understood; its result hangs on the whole image "
                "or is no image."
            )
    return found, matched


def _global(title: str, tensor: Any, step: Any, channels: int) -> Step:
    """Return a step that is fitted to a whole image, if to the whole of it."""
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
    """Return a step that acts on each value by itself; none for a floating-point type, which the engine chooses."""
    if step.id not in _POINTWISE or any(getattr(step.kwargs, f"{m}_percentile", None) for m in ("min", "max")):
        raise ModelFileError(f"{title}: {step.id} of the whole image is not understood.")
    if step.id == "ensure_dtype" and step.kwargs.dtype.startswith("float"):
        return []
    axis = getattr(step.kwargs, "axis", None)
    if axis is not None and not any(a.type == "channel" and a.id == axis for a in tensor.axes):
        raise ModelFileError(f"{title}: {step.id} along {axis} is not understood; along channels it is.")
    values = {name: getattr(step.kwargs, name) for name in _POINTWISE[step.id]}
    for name, value in values.items():
        if isinstance(value, list):
            if len(value) not in (1, channels):
                raise ModelFileError(f"{title}: {step.id} has {len(value)} values for {channels} channels.")
            values[name] = value[0] if len(value) == 1 else value
    return [{"id": step.id, **values}]


def _is_increasing(step: Step) -> bool:
    # One map for all channels: different ones would change what is fitted to them together.
    gain = step.get("gain", step.get("std"))
    single = not any(isinstance(value, list) for value in step.values())
    return step["id"] in _LINEAR and single and gain is not None and gain > 0


def _inverse(steps: list[Step]) -> list[Step]:
    """Return what takes intensities back through the linear steps; limits stay, other steps have no inverse."""
    if any(step["id"] not in (*_LINEAR, "clip", "ensure_dtype") for step in steps):
        return []
    if any(gain == 0 for step in steps for gain in _listed(step.get("gain", 1))):
        return []
    found: list[Step] = []
    for step in reversed(steps):
        if step["id"] == "fixed_zero_mean_unit_variance":
            found.append({"id": "scale_linear", "gain": step["std"], "offset": step["mean"]})
        elif step["id"] == "scale_linear":
            found.append({"id": "fixed_zero_mean_unit_variance", "mean": step["offset"], "std": step["gain"]})
    return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _origin(description: Any) -> str:
    authors = ", ".join(str(author.name) for author in description.authors)
    return f"bioimage.io package{f' by {authors}' if authors else ''}."


def _reference(entry: Any) -> str:
    return f"{entry.text}, doi:{entry.doi}" if entry.doi else f"{entry.text}{f', {entry.url}' if entry.url else ''}"
