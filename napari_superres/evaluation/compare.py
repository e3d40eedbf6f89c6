"""The rows of one image: a result, models and baselines of one input against one reference."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from napari_superres.core.image import Image
from napari_superres.errors import EvaluationError, SettingsError
from napari_superres.evaluation.baselines import (
    BICUBIC,
    LEAST_SIGMA,
    baselines,
    check_names,
    interpolation,
    middle_plane,
)
from napari_superres.evaluation.conventions import Rules
from napari_superres.evaluation.match import match
from napari_superres.evaluation.register import Registration, Transform, register
from napari_superres.evaluation.scale import Scale, scale_of, scale_of_models
from napari_superres.evaluation.scores import Limits, Row, limits_of, score
from napari_superres.evaluation.shifts import deformation, local_shifts
from napari_superres.evaluation.structure import WINDOW

RESULT = "result"
UNREGISTERED = "result, not registered"
_PSF_EDGE, _MARGIN = 256, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is compared, for every image of a set alike.

    Attributes
    ----------
    rules
        Values, crop, data range.
    models
        Run on the input.
    baselines
        Beside bicubic; see `baselines.CHOICES`.
    psf_sigma
        Of the input, in its unit of length; None = fitted to the reference.
    registered
        How the reference is moved onto the result first; None = not.
    """

    rules: Rules
    models: Sequence[str] = ()
    baselines: Sequence[str] = ()
    psf_sigma: float | None = None
    registered: Transform | None = None

    @classmethod
    def of(
        cls, models: Sequence[str], convention: str, data_range: str | None, *,
        baselines: Sequence[str], psf_sigma: float | None, registered: bool | Transform,
    ) -> "Task":  # fmt: skip
        """Return the task that options mean.

        Raises
        ------
        SettingsError
            If the convention, the data range or a baseline is unknown, or the width below 0.
        """
        if psf_sigma is not None and not 0 <= psf_sigma < inf:
            raise SettingsError(f"psf_sigma must be a number of at least 0, got {psf_sigma}.")
        rules = Rules.parse(convention, data_range)
        how: Transform | None = "shift" if registered is True else registered or None
        return cls(rules=rules, models=models, baselines=check_names(baselines), psf_sigma=psf_sigma, registered=how)


@dataclass(frozen=True, slots=True)
class Compared:
    """The rows of an image, and the images that they were made of.

    Attributes
    ----------
    rows, notes
        For the report.
    result
        What is judged, on the common grid; without a result the first model's.
    whole
        The same, all that there is of it.
    reference
        On the common grid.
    lr
        The input; None where it was simulated.
    base
        The interpolated input.
    registration
        None where nothing was moved.
    """

    rows: list[Row]
    notes: list[str]
    result: Image
    whole: Image
    reference: Image
    lr: Image | None
    base: Image
    registration: Registration | None


def compare(
    result: Image | None, reference: Image, lr: Image | None, task: Task, *, name: str, limits: Limits | None = None
) -> Compared:
    """Measure what stands beside a reference. `limits` fixes the data range per channel, for a set of images."""
    scale = scale_of(result, lr) if result is not None else _scale_without_result(task, lr)
    notes: list[str] = []
    grid = result if result is not None else _grid(lr, scale)
    registration = None
    if task.registered is not None:
        registration = register(_shown_anyway(result, lr, scale), reference, transform=task.registered)
    if registration is None:
        pair = match(grid, reference)
        common, said = pair.reference, pair.notes
    else:
        common, said = registration.reference, registration.notes
        notes += _on_registration(registration)
    notes += said
    common = _shared(common, lr, scale, notes)
    plane_scale = None if scale is None else tuple(scale[a] for a in "YX")
    ranges = limits_of(common, task.rules, plane_scale) if limits is None else limits
    rows: list[Row] = []
    shown, whole, base = None, None, None
    for label, role, candidate in _candidates(result, reference, common, lr, scale, task, notes):
        both = match(candidate, common, names=(label, "reference"))
        if shown is None and role == "judged":
            shown, whole = both.result, candidate
        if base is None and role == "baseline":
            base = both.result
        found = score(both.result, both.reference, task.rules, ranges, image=name, name=label, scale=plane_scale)
        rows += [{**row, "role": role} for row in found]
    if registration is not None and result is not None:
        rows += _unregistered(result, reference, task, ranges, name, plane_scale)
    notes += _warnings(rows, common)
    assert shown is not None
    assert whole is not None
    assert base is not None
    return Compared(rows, notes, shown, whole, common, lr, base, registration)


def _shown_anyway(result: Image | None, lr: Image | None, scale: Scale | None) -> Image:
    """Return what the reference is moved onto: the result, and where there is none, the interpolated input."""
    from napari_superres.inference import upscale

    if result is not None:
        return result
    assert lr is not None
    assert scale is not None
    return upscale(lr, interpolation(BICUBIC, scale))


def _scale_without_result(task: Task, lr: Image | None) -> Scale:
    if lr is None or not task.models:
        raise EvaluationError("without a result, the input (lr) and at least one model are needed to make one.")
    return scale_of_models(task.models, lr)


def _grid(lr: Image | None, scale: Scale | None) -> Image:
    """Return an image without pixels of its own on the grid that all results of an input share."""
    from napari_superres.core.grid import upscaled_affine

    assert lr is not None
    assert scale is not None
    factors = [scale[a] for a in lr.spatial]
    shape = [n * scale.get(a, 1) for a, n in zip(lr.axes, lr.shape, strict=True)]
    data = np.broadcast_to(np.zeros((), lr.dtype), shape)
    return lr.replace(data=data, affine=upscaled_affine(lr.affine, factors))


def _shared(common: Image, lr: Image | None, scale: Scale | None, notes: list[str]) -> Image:
    """Return the reference where every candidate has pixels."""
    if lr is None or scale is None:
        return common
    found = match(_grid(lr, scale), common, names=(BICUBIC, "reference")).reference
    if [found.size(a) for a in found.spatial] != [common.size(a) for a in found.spatial]:
        notes.append("every row is measured on the pixels that all candidates have")
    return found


def _candidates(
    result: Image | None, reference: Image, common: Image, lr: Image | None, scale: Scale | None, task: Task,
    notes: list[str],
) -> Iterator[tuple[str, str, Image]]:  # fmt: skip
    """Yield names, roles and images, one at a time: the result, models, then what they stand beside."""
    from napari_superres.inference import upscale

    if scale is None:
        raise EvaluationError(
            "the scale of the result is not known (it has no provenance record), so that the interpolation "
            "to compare it with cannot be made. Give the input of the result as lr (--lr)."
        )
    if result is not None:
        yield RESULT, "judged", result
    suffix, names = "", tuple(task.baselines)
    if lr is None:
        from napari_superres.degradation import degrade

        lr = degrade(reference, [scale[a] for a in reference.spatial])
        suffix, names = " (simulated input)", ()
        notes.append(
            "no input was given: one was simulated from the reference by antialiased bicubic reduction, "
            "without blur or noise: its row is no fair rival of a result made from a real input"
        )
    for model in task.models:
        yield f"{model}{suffix}", "judged" if result is None else "beside", upscale(lr, model)
    sigma = _psf_sigma(lr, common, scale, task, notes) if {"wiener", "richardson-lucy"} & set(names) else None
    for label, image in baselines(lr, scale, names, psf_sigma=sigma, reference=common):
        yield f"{label}{suffix}", "baseline", image


def _psf_sigma(lr: Image, reference: Image, scale: Scale, task: Task, notes: list[str]) -> float | None:
    """Return the width of the input's point-spread function in pixels of the result."""
    from napari_superres.degradation.fit import fit_psf

    factor = scale["Y"]
    if task.psf_sigma is not None:
        width = task.psf_sigma / lr.pixel_size[lr.spatial.index("Y")] * factor
        if width < LEAST_SIGMA:
            notes.append(f"nothing was deconvolved: the PSF is only {width:.2g} pixels of the result wide")
        return width
    if factor == 1 or scale["X"] != factor or "S" in lr.axes or scale.get("Z", 1) > 1:
        notes.append("nothing was deconvolved: give the width of the point-spread function (--psf-sigma) for that")
        return None
    # The reference may be a part of the field, and begin within a pixel of the input.
    starts = dict(zip(lr.spatial, match(_grid(lr, scale), reference).start, strict=True))
    seen, true = middle_plane(lr), middle_plane(reference)
    margin = 0 if np.isfinite(true).all() else _MARGIN
    coarse, fine = [], []
    for axis, size in zip("YX", true.shape, strict=True):
        skipped = -starts[axis] % factor
        count = (size - skipped) // factor
        edge = min(max(count - 2 * margin, 1), _PSF_EDGE)
        first = (count - edge) // 2
        begin = (starts[axis] + skipped) // factor + first
        coarse.append(slice(begin, begin + edge))
        fine.append(slice(skipped + first * factor, skipped + (first + edge) * factor))
    low, high = seen[tuple(coarse)], true[tuple(fine)]
    if not all(np.isfinite(v).all() and np.ptp(v) > 0 for v in (low, high)):
        return None
    found = fit_psf(low, high, factor)
    notes.append(
        f"Wiener and Richardson-Lucy are as good as they can be: the reference gave them their PSF (sigma {found:.2f} "
        "pixels of the result), smoothness and iterations"
    )
    return found


def _on_registration(found: Registration) -> list[str]:
    shift = ", ".join(f"{v:+.3g}" for v in found.shift)
    said = deformation(local_shifts(found.result, found.reference))
    if not any(found.pixels):
        return [said] if said else []
    moved = f"the reference was moved by {shift} {found.unit} ({', '.join(found.result.spatial)})"
    return [moved, said] if said else [moved]


def _unregistered(
    result: Image, reference: Image, task: Task, limits: Limits, name: str, scale: Sequence[int] | None
) -> list[Row]:
    """Return the result's rows as they would be without registration; none where there is no common grid."""
    try:
        pair = match(result, reference)
    except EvaluationError:
        return []
    found = score(pair.result, pair.reference, task.rules, limits, image=name, name=UNREGISTERED, scale=scale)
    return [{**row, "role": "beside"} for row in found]


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
