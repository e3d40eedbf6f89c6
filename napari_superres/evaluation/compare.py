"""`evaluate`: one result against its reference scan, always beside the interpolation of its input."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from napari_superres.core.axes import guess_axes
from napari_superres.core.image import Array, Image
from napari_superres.errors import EvaluationError
from napari_superres.evaluation.conventions import Rules
from napari_superres.evaluation.match import match
from napari_superres.evaluation.report import Report, Row
from napari_superres.evaluation.scores import Limits, limits_of, score
from napari_superres.evaluation.structure import WINDOW

RESULT = "result"


def evaluate(
    result: Image | Array,
    reference: Image | Array,
    *,
    lr: Image | Array | None = None,
    models: Sequence[str] = (),
    axes: str | None = None,
    convention: str = "microscopy",
    data_range: str | None = None,
    name: str = "image",
) -> Report:
    """Measure a super-resolved image against a reference scan of the same field.

    Bicubic interpolation of the input is always measured too: a model that does not beat it is the finding.

    Parameters
    ----------
    result, reference
        Images on one grid (same pixel size, axes and units; an odd row too many at a side is cut off),
        or bare arrays. Different data types are compared as they are; see the columns gain and offset.
    lr
        The input of the result. Without it, one is simulated from the reference by antialiased
        bicubic reduction with the scale in the result's provenance, and the rows say so.
    models
        Names of further models to run on the input and to compare.
    axes
        Of bare arrays; their usual ones by default.
    convention
        ``"microscopy"``: 64-bit floats, nothing cropped; ``"sr-paper"``: Y of 8-bit RGB, border of
        `scale` pixels cropped, data range 255.
    data_range
        ``"reference-range"`` (default: largest less smallest intensity of the reference, per channel),
        ``"reference-percentile"`` (99.9 less 0.1 percentile), ``"dtype"`` or ``"fixed:VALUE"``.
    name
        What the rows call this image.

    Returns
    -------
    Report
        ``.rows``, ``.conventions``, ``.notes``; ``.table()``, ``.to_json()``, ``.to_csv()``, ``.to_html()``.

    Raises
    ------
    EvaluationError
        If the images do not lie on one grid, or there is neither an input nor a scale to simulate one.
    SettingsError
        If `convention` or `data_range` is unknown.
    """
    rules = Rules.parse(convention, data_range)
    low = None if lr is None else as_image(lr, axes)
    rows, notes = compare(as_image(result, axes), as_image(reference, axes), low, rules=rules, models=models, name=name)
    return Report(rows, rules.describe(), tuple(notes))


def as_image(image: Image | Array, axes: str | None) -> Image:
    """Return an image as it is, or a bare array as one of unknown pixel size."""
    if isinstance(image, Image):
        return image
    array = image if hasattr(image, "shape") else np.asarray(image)
    return Image.from_array(array, axes or guess_axes(tuple(array.shape)))


def compare(
    result: Image,
    reference: Image,
    lr: Image | None,
    *,
    rules: Rules,
    models: Sequence[str],
    name: str,
    limits: Limits | None = None,
) -> tuple[list[Row], list[str]]:
    """Return the rows of one image, and notes. `limits` fixes the data range per channel, for a set of images."""
    pair = match(result, reference)
    notes = list(pair.notes)
    scale = scale_of(result, lr)
    candidates = {RESULT: result}
    common = pair.reference
    for label, candidate in _others(common, lr, scale, models, notes):
        candidates[label] = candidate
        # Every row is measured on the same pixels: those that all candidates have.
        common = match(candidate, common, names=(label, "reference")).reference
    if [common.size(a) for a in common.spatial] != [pair.reference.size(a) for a in common.spatial]:
        notes.append("every row is measured on the pixels that all candidates have")
    plane_scale = None if scale is None else tuple(scale[a] for a in "YX")
    ranges = limits_of(common, rules, plane_scale) if limits is None else limits
    rows = []
    for label, candidate in candidates.items():
        both = match(candidate, common)
        rows += score(both.result, both.reference, rules, ranges, image=name, name=label, scale=plane_scale)
    return rows, notes + _warnings(rows, common)


def scale_of(result: Image, lr: Image | None) -> dict[str, int] | None:
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
    if max(scale.values()) == 1:
        raise _not_finer(result, lr)
    return scale


def _not_finer(result: Image, lr: Image) -> EvaluationError:
    return EvaluationError(
        f"the result must be finer than its input by a whole number above 1, got {result.axes} {result.shape} from "
        f"{lr.axes} {lr.shape}. Give the input that the result was made from."
    )


def _recorded_scale(result: Image) -> dict[str, int] | None:
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


def _others(
    reference: Image, lr: Image | None, scale: Mapping[str, int] | None, models: Sequence[str], notes: list[str]
) -> Iterator[tuple[str, Image]]:
    """Yield what stands beside the result: the interpolated input, then further models."""
    from napari_superres.inference import upscale

    if scale is None:
        raise EvaluationError(
            "the scale of the result is not known (it has no provenance record), so that the interpolation "
            "to compare it with cannot be made. Give the input of the result as lr (--lr)."
        )
    suffix = ""
    if lr is None:
        from napari_superres.degradation import degrade

        lr = degrade(reference, [scale[a] for a in reference.spatial])
        suffix = " (simulated input)"
        notes.append(
            "no input was given: one was simulated from the reference by antialiased bicubic reduction, "
            "without blur or noise: its row is no fair rival of a result made from a real input"
        )
    yield f"bicubic{suffix}", upscale(lr, _interpolation(scale))
    for model in models:
        yield f"{model}{suffix}", upscale(lr, model)


def _interpolation(scale: Mapping[str, int]) -> str:
    """Return the name of the bicubic interpolation of this scale, which knows planes and volumes."""
    factors = [scale[a] for a in ("YX" if scale.get("Z", 1) == 1 else "ZYX")]
    plain = len(factors) == 2 and factors[0] == factors[1]
    return f"bicubic-x{factors[0]}" if plain else f"bicubic-x{'x'.join(map(str, factors))}"


def _warnings(rows: Sequence[Row], reference: Image) -> list[str]:
    notes = [
        f"{r['candidate']} ({r['channel']}): contrast is inverted (gain {r['gain']:.3g}); "
        "its aligned numbers do not make it right"
        for r in rows
        if r["gain"] < 0
    ]
    smallest = min(reference.size(a) for a in "YX")
    if smallest < WINDOW:
        notes.append(f"SSIM was not measured: it needs {WINDOW} pixels along Y and X, got {smallest}")
    return notes
