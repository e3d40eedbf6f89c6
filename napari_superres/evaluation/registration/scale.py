"""By how much a result is finer than its input."""

from collections.abc import Mapping, Sequence
from typing import Any

from napari_superres.core.image import Image
from napari_superres.errors import EvaluationError

Scale = dict[str, int]
"""Factor per spatial axis."""


def scale_of(result: Image, lr: Image | None) -> Scale | None:
    """Return the factor per spatial axis between input and result, from the two or from the provenance.

    Raises
    ------
    EvaluationError
        If the factor between `lr` and `result` is not whole, or 1 on every axis.
    """
    if lr is None:
        return _recorded_scale(result)
    scale = {}
    for axis in result.spatial:
        if axis not in lr.spatial:
            scale[axis] = 1
            continue
        factor = result.size(axis) / lr.size(axis)
        if factor != round(factor) and result.has_pixel_size and lr.has_pixel_size:
            # A part of the field only: the pixel sizes still tell.
            factor = lr.pixel_size[lr.spatial.index(axis)] / result.pixel_size[result.spatial.index(axis)]
        if factor < 0.5 or abs(factor - round(factor)) > 1e-3:
            raise _not_finer(result, lr)
        scale[axis] = round(factor)
    recorded = _recorded_scale(result)
    if max(scale.values()) == 1 and (recorded is None or max(recorded.values()) > 1):
        # Only of a model that restores on its input's grid: else the input is another image.
        raise _not_finer(result, lr)
    return scale


def _not_finer(result: Image, lr: Image) -> EvaluationError:
    return EvaluationError(
        f"the result must be finer than its input by a whole number above 1, got {result.axes} {result.shape} from "
        f"{lr.axes} {lr.shape}. Give the input that the result was made from."
    )


def _recorded_scale(result: Image) -> Scale | None:
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
    """Return the factor of models, which must be one for all.

    Raises
    ------
    EvaluationError
        If there is no model, or they have different scales.
    """
    from napari_superres.models import find_card

    scales = {name: find_card(name).scale for name in models}
    if len(set(scales.values())) != 1:
        said = ", ".join(f"{name} x{'x'.join(map(str, scale))}" for name, scale in scales.items()) or "none"
        raise EvaluationError(f"without a result, models of one scale are needed to make some, got {said}.")
    factors = dict(zip("ZYX"[-len(next(iter(scales.values()))) :], next(iter(scales.values())), strict=True))
    return {a: factors.get(a, 1) for a in lr.spatial}
