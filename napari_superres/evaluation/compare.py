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
    check_baselines,
    interpolate,
    middle_plane,
)
from napari_superres.evaluation.metrics.conventions import ComparisonRules
from napari_superres.evaluation.metrics.score import IntensityLimits, Row, intensity_limits, score
from napari_superres.evaluation.metrics.ssim import MS_SSIM_MIN_SIZE, SSIM_WINDOW
from napari_superres.evaluation.registration.match import crop_spatial, match
from napari_superres.evaluation.registration.register import Registration, Transform, register
from napari_superres.evaluation.registration.scale import Scale, scale_of, scale_of_models
from napari_superres.evaluation.registration.shifts import describe_deformation, local_shifts

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
        Beside bicubic; see `baselines.BASELINES`.
    psf_sigma
        Of the input, in its unit of length; None = fitted to the reference.
    registered
        How the reference is moved onto the result first; None = not.
    """

    rules: ComparisonRules
    models: Sequence[str] = ()
    baselines: Sequence[str] = ()
    psf_sigma: float | None = None
    registered: Transform | None = None

    @classmethod
    def of(
        cls,
        models: Sequence[str],
        convention: str,
        data_range: str | None,
        *,
        baselines: Sequence[str],
        psf_sigma: float | None,
        registered: bool | Transform,
    ) -> "Task":
        """Return the task that options mean.

        Raises
        ------
        SettingsError
            If the convention, the data range or a baseline is unknown, or the width below 0.
        """
        if psf_sigma is not None and not 0 <= psf_sigma < inf:
            raise SettingsError(f"psf_sigma must be a number of at least 0, got {psf_sigma}.")
        rules = ComparisonRules.parse(convention, data_range)
        how: Transform | None = "shift" if registered is True else registered or None
        return cls(
            rules=rules, models=models, baselines=check_baselines(baselines), psf_sigma=psf_sigma, registered=how
        )


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
    unknown
        Which of result and reference do not know their pixel size.
    """

    rows: list[Row]
    notes: list[str]
    result: Image
    whole: Image
    reference: Image
    lr: Image | None
    base: Image
    registration: Registration | None
    unknown: tuple[str, ...]


def compare(
    result: Image | None,
    reference: Image,
    lr: Image | None,
    task: Task,
    *,
    name: str,
    limits: IntensityLimits | None = None,
) -> Compared:
    """Measure what stands beside a reference. `limits` fixes the data range per channel, for a set of images."""
    scale = scale_of(result, lr) if result is not None else _scale_without_result(task, lr)
    notes: list[str] = []
    unknown = [who for who, i in (("result", result or lr), ("reference", reference)) if i and not i.has_pixel_size]
    reference = _channels_in_order(reference, result or lr, "reference", notes)
    lr = None if lr is None else _channels_in_order(lr, result, "input", notes)
    ours, theirs, registration = _references(result, reference, lr, scale, task, notes)
    plane_scale = None if scale is None else tuple(scale[a] for a in "YX")
    ranges = intensity_limits(theirs, task.rules, plane_scale) if limits is None else limits
    if result is not None:
        ours, theirs = _masked(ours, result, notes), _masked(theirs, result, [])
    rows: list[Row] = []
    judged, whole, base = None, None, None
    for label, role, candidate in _candidates(result, reference, theirs, lr, scale, task, notes):
        both = match(candidate, ours if label == RESULT else theirs, names=(label, "reference"))
        if judged is None and role == "judged":
            judged, whole = both, candidate
        if base is None and role == "baseline":
            base = both.result
        found = score(both.result, both.reference, task.rules, ranges, image=name, name=label, scale=plane_scale)
        rows += [{**row, "role": role} for row in found]
    if registration is not None and result is not None:
        rows += _unregistered(result, reference, task, ranges, name, plane_scale)
    notes += _warnings(rows, theirs)
    assert judged is not None
    assert whole is not None
    assert base is not None
    return Compared(rows, notes, judged.result, whole, judged.reference, lr, base, registration, tuple(unknown))


def _references(
    result: Image | None, reference: Image, lr: Image | None, scale: Scale | None, task: Task, notes: list[str]
) -> tuple[Image, Image, Registration | None]:
    """Return the reference for what is judged, and for all else, and how it was moved onto what is judged.

    Registered, each has a reference of its own: a result that lies elsewhere than its input must not be held against
    baselines on the wrong place.
    """
    if task.registered is None:
        pair = match(_grid(lr, scale) if result is None else result, reference)
        notes += pair.notes
        common = _shared(pair.reference, lr, scale, notes)
        return common, common, None
    base = None if lr is None or scale is None else interpolate(lr, BICUBIC, scale)
    judged = result if result is not None else base
    assert judged is not None
    registration = register(judged, reference, transform=task.registered)
    notes += [*_on_registration(registration), *registration.notes]
    if base is None or result is None:
        return registration.reference, registration.reference, registration
    return registration.reference, register(base, reference, transform=task.registered).reference, registration


def _channels_in_order(image: Image, other: Image | None, who: str, notes: list[str]) -> Image:
    """Return an image with its channels in the order of the names that the other gives them."""
    if other is None or sorted(image.channel_names) != sorted(other.channel_names):
        return image
    order = [image.channel_names.index(name) for name in other.channel_names]
    if not order or order == sorted(order):
        return image
    notes.append(f"the {who}'s channels were brought into the order {', '.join(other.channel_names)}")
    data = np.take(np.asarray(image.data), order, axis=image.axes.index("C"))
    return image.replace(data=data, channel_names=other.channel_names)


def _masked(reference: Image, result: Image, notes: list[str]) -> Image:
    """Return a reference without the pixels that the result does not have, so that no row is measured on them."""
    if np.asarray(result.data).dtype.kind != "f":
        return reference
    pair = match(result, reference)
    gone = ~np.isfinite(np.asarray(pair.result.data))
    if not gone.any():
        return reference
    notes.append(f"{100 * gone.mean():.1f} % of the result is not finite; no row is measured there")
    return pair.reference.replace(data=np.where(gone, np.nan, np.asarray(pair.reference.data, np.float64)))


def _scale_without_result(task: Task, lr: Image | None) -> Scale:
    if lr is None or not task.models:
        raise EvaluationError("without a result, the input (lr) and at least one model are needed to make one.")
    return scale_of_models(task.models, lr)


def _grid(lr: Image | None, scale: Scale | None) -> Image:
    """Return an image without pixels of its own on the grid that all results of an input share."""
    from napari_superres.core.grid import upscale_affine

    assert lr is not None
    assert scale is not None
    factors = [scale[a] for a in lr.spatial]
    shape = [n * scale.get(a, 1) for a, n in zip(lr.axes, lr.shape, strict=True)]
    data = np.broadcast_to(np.zeros((), lr.dtype), shape)
    return lr.replace(data=data, affine=upscale_affine(lr.affine, factors))


def _shared(common: Image, lr: Image | None, scale: Scale | None, notes: list[str]) -> Image:
    """Return the reference where every candidate has pixels."""
    if lr is None or scale is None:
        return common
    pair = match(_grid(lr, scale), common, names=(BICUBIC, "reference"))
    shape = [pair.reference.size(a) for a in pair.result.spatial]
    if shape != [common.size(a) for a in pair.result.spatial]:
        notes.append("every row is measured on the pixels that all candidates have")
    # On its own grid still: where origins are not recorded, that is how the result lies on it.
    first = dict(zip(pair.result.spatial, pair.reference_start, strict=True))
    size = dict(zip(pair.result.spatial, shape, strict=True))
    starts = [first.get(a, 0) for a in common.spatial]
    return crop_spatial(common, starts, [size.get(a, common.size(a)) for a in common.spatial])


def _candidates(
    result: Image | None,
    reference: Image,
    common: Image,
    lr: Image | None,
    scale: Scale | None,
    task: Task,
    notes: list[str],
) -> Iterator[tuple[str, str, Image]]:
    """Yield names, roles and images, one at a time: the result, models, then what they stand beside."""
    from napari_superres.inference import upscale

    if scale is None:
        raise EvaluationError(
            "the scale of the result is not known (it has no provenance record), so that the interpolation "
            "to compare it with cannot be made. Give the input of the result as lr (--lr)."
        )
    if lr is None and max(scale.values()) == 1:
        raise EvaluationError(
            "the result lies on its input's grid: beside what, only its input can tell. Give it as lr (--lr)."
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
    said = describe_deformation(local_shifts(found.result, found.reference))
    if not any(found.pixels):
        return [said] if said else []
    moved = f"the reference was moved by {shift} {found.unit} ({', '.join(found.result.spatial)})"
    return [moved, said] if said else [moved]


def _unregistered(
    result: Image, reference: Image, task: Task, limits: IntensityLimits, name: str, scale: Sequence[int] | None
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
        if r["gain"] < 0 and r["pearson"] < -0.1
    ]
    smallest = min(reference.size(a) for a in "YX")
    if SSIM_WINDOW <= smallest < MS_SSIM_MIN_SIZE:
        notes.append(f"MS-SSIM was not measured: it needs {MS_SSIM_MIN_SIZE} pixels along Y and X, got {smallest}")
    if smallest < SSIM_WINDOW:
        notes.append(f"SSIM was not measured: it needs {SSIM_WINDOW} pixels along Y and X, got {smallest}")
    return notes
