"""The scale between a result and its input."""

from collections.abc import Mapping, Sequence
from typing import Any

from napari_superres.core.image import Image
from napari_superres.errors import EvaluationError
from napari_superres.evaluation.registration.lengths import length_unit, pixel_sizes

Scale = dict[str, int]
"""Factor per spatial axis."""

_DRIFT = 0.5
"""Pixels of the result by which two fields of view may differ."""


def scale_of(result: Image, lr: Image | None) -> Scale | None:
    """Return the scale between an input and its result.

    Parameters
    ----------
    result
        Result, on a finer grid than its input or on the same one.
    lr
        Input; None = use the provenance of the result.

    Returns
    -------
    dict or None
        Factor per spatial axis of the result; None if neither the input nor the provenance gives one.

    Raises
    ------
    EvaluationError
        If a factor is not a whole number, all are 1 although no model that keeps the grid is recorded, or the pixel
        sizes say another factor than the shapes.
    """
    if lr is None:
        return _recorded_scale(result)
    scale = {}
    for axis in result.spatial:
        if axis not in lr.spatial:
            scale[axis] = 1
            continue
        factor = result.size(axis) / lr.size(axis)
        if result.has_pixel_size and lr.has_pixel_size:
            coarse, fine = (pixel_sizes(image, axis, length_unit(result))[0] for image in (lr, result))
            if factor != round(factor):
                # The result may show a part of the field only. Then the pixel sizes give the factor.
                factor = coarse / fine
            elif abs(coarse / fine - factor) * lr.size(axis) > _DRIFT:
                raise _contradiction(result, lr, axis, coarse, fine)
        if factor < 0.5 or abs(factor - round(factor)) > 1e-3:
            raise _scale_error(result, lr)
        scale[axis] = round(factor)
    recorded = _recorded_scale(result)
    if max(scale.values()) == 1 and (recorded is None or max(recorded.values()) > 1):
        # A scale of 1 is right only for a model that restores on the grid of its input. Otherwise `lr` is not the
        # input of this result.
        raise _scale_error(result, lr)
    return scale


def _contradiction(result: Image, lr: Image, axis: str, coarse: float, fine: float) -> EvaluationError:
    unit = length_unit(result)
    return EvaluationError(
        f"the pixel sizes of the input and of its result contradict their shapes along {axis}: {lr.size(axis)} pixels "
        f"of {coarse:.4g} {unit} and {result.size(axis)} of {fine:.4g} {unit} do not show the same field.",
        remedy="Correct `pixel_size` where it is wrong, or give the input that the result was made from.",
    )


def _scale_error(result: Image, lr: Image) -> EvaluationError:
    return EvaluationError(
        f"the result must be finer than its input by a whole number above 1, got {result.axes} {result.shape} from "
        f"{lr.axes} {lr.shape}.",
        remedy="Give the input that the result was made from.",
    )


def _recorded_scale(result: Image) -> Scale | None:
    """Return the scale in the provenance of the result; None where there is none."""
    provenance = result.metadata.get("provenance")
    recorded: Any = provenance.get("scale") if isinstance(provenance, Mapping) else None
    if recorded is None:
        return None
    if isinstance(recorded, Mapping):
        return {a: int(recorded.get(a, 1)) for a in result.spatial}
    values = [recorded] if isinstance(recorded, int) else list(recorded)
    if len(values) == len(result.spatial):
        return {a: int(v) for a, v in zip(result.spatial, values, strict=True)}
    return {a: int(values[-1]) if a in "YX" else 1 for a in result.spatial}


def scale_of_models(models: Sequence[str], lr: Image) -> Scale:
    """Return the common scale of models, per spatial axis of the input.

    Raises
    ------
    EvaluationError
        If no model is given, or their scales differ.
    """
    from napari_superres.models import find_card

    scales = {name: find_card(name).scale for name in models}
    if len(set(scales.values())) != 1:
        given = ", ".join(f"{name} x{'x'.join(map(str, scale))}" for name, scale in scales.items()) or "none"
        raise EvaluationError(
            f"without a result, models of one scale are needed to make some, got {given}.",
            remedy="Name in `models` one model, or several of the same scale.",
        )
    scale = next(iter(scales.values()))
    factors = dict(zip("ZYX"[-len(scale) :], scale, strict=True))
    return {a: factors.get(a, 1) for a in lr.spatial}
