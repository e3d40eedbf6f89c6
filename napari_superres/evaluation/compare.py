"""Score one image: a result, models and baselines of one input against one reference."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

import numpy as np

from napari_superres.core.grid import upscale_affine
from napari_superres.core.image import Image
from napari_superres.errors import EvaluationError, SettingsError
from napari_superres.evaluation.baselines import BICUBIC, check_baselines, interpolate
from napari_superres.evaluation.candidates import RESULT, UNREGISTERED, candidates, empty_grid, scale_between
from napari_superres.evaluation.metrics.conventions import ComparisonRules, check_magnitude
from napari_superres.evaluation.metrics.objects.detect import check_kind
from napari_superres.evaluation.metrics.objects.table import ObjectMeter, ObjectRow, ObjectSettings, Support
from napari_superres.evaluation.metrics.score import (
    IntensityLimits,
    Row,
    channel_planes,
    has_contrast,
    intensity_limits,
    score,
)
from napari_superres.evaluation.metrics.ssim import MS_SSIM_MIN_SIZE, SSIM_WINDOW
from napari_superres.evaluation.registration.match import MatchedPair, crop_spatial, match
from napari_superres.evaluation.registration.register import Registration, Transform, register
from napari_superres.evaluation.registration.scale import Scale
from napari_superres.evaluation.registration.shifts import describe_deformation, local_shifts


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSettings:
    """How images are compared: the same for every image of a set.

    Attributes
    ----------
    rules
        Which values are compared, what is cropped, and the data range.
    models
        Names of models to run on the input.
    against
        Name of a model to compare them with; None for none.
    baselines
        Names of baselines besides bicubic interpolation, from `baselines.BASELINES`.
    psf_sigma
        Width of the input's point-spread function, in its unit of length; None fits it to the reference.
    psf
        The measured function of that width; None takes a Gaussian.
    transform
        How the reference is moved onto the result before anything is measured; None leaves it where it is.
    objects
        Which objects are looked for and matched; None for none.
    """

    rules: ComparisonRules
    models: Sequence[str] = ()
    against: str | None = None
    baselines: Sequence[str] = ()
    psf_sigma: float | None = None
    psf: Image | None = None
    transform: Transform | None = None
    objects: ObjectSettings | None = None

    @classmethod
    def of(
        cls,
        models: Sequence[str],
        convention: str,
        data_range: str | None,
        *,
        baselines: Sequence[str],
        psf_sigma: float | None,
        register: bool | Transform,
        against: str | None = None,
        detect: str | None = None,
        object_size: float | None = None,
        labelled: bool = False,
    ) -> "EvaluationSettings":
        """Return the settings that the options of `evaluate` stand for.

        Raises
        ------
        SettingsError
            If the convention, the data range, a baseline or a kind of objects is unknown, a number is out of range,
            or objects are asked for together with `register`.
        """
        if psf_sigma is not None and not 0 <= psf_sigma < inf:
            raise SettingsError(f"`psf_sigma` must be a number of at least 0, got {psf_sigma}.")
        rules = ComparisonRules.parse(convention, data_range)
        transform: Transform | None = "shift" if register is True else register or None
        return cls(
            rules=rules,
            models=models,
            against=against,
            baselines=check_baselines(baselines),
            psf_sigma=psf_sigma,
            transform=transform,
            objects=_object_settings(detect, object_size, labelled, transform),
        )


def _object_settings(
    detect: str | None, size: float | None, labelled: bool, transform: Transform | None
) -> ObjectSettings | None:
    if detect is None and not labelled:
        if size is not None:
            raise SettingsError("`object_size` needs objects.", remedy="Choose which with `detect`.")
        return None
    if transform is not None:
        raise SettingsError(
            "objects are matched where the images have them, so `register` cannot be set with `detect` or `labels`.",
            remedy="Correct the origins of the images first.",
        )
    return ObjectSettings(kind=check_kind(detect or "nuclei"), size=size)


@dataclass(frozen=True, slots=True)
class ImageScores:
    """The scores of one image, and the images that they were measured on.

    Attributes
    ----------
    rows, notes
        Rows and notes for the report.
    result
        The judged result on the common grid; without a result, that of the first model.
    whole
        The judged result with all its pixels.
    reference
        The reference on the common grid, nan where the result is not finite.
    recorded
        The same with all its pixels.
    lr
        The input; None if one was simulated.
    base
        The interpolated input on the common grid.
    registration
        How the reference was moved; None if it was not.
    unknown
        Which of result and reference have no pixel size.
    objects
        Rows of objects; empty if none are looked for.
    support
        Of the judged result's objects in the interpolated input, and which are invented: `ObjectMeter.support`.
    """

    rows: list[Row]
    notes: list[str]
    result: Image
    whole: Image
    reference: Image
    recorded: Image
    lr: Image | None
    base: Image
    registration: Registration | None
    unknown: tuple[str, ...]
    objects: list[ObjectRow] = field(default_factory=list)
    support: Support | None = None


def compare(
    result: Image | None,
    reference: Image,
    lr: Image | None,
    settings: EvaluationSettings,
    *,
    name: str,
    limits: IntensityLimits | None = None,
    labels: Image | None = None,
) -> ImageScores:
    """Score a result, models and baselines against one reference.

    Parameters
    ----------
    result
        The result; None if the models' results are judged.
    reference
        Reference scan.
    lr
        Input of the result; None simulates one from the reference.
    settings
        How images are compared.
    name
        What the rows call the image.
    limits
        Data range per channel, where images of a set share one; by default that of the reference.
    labels
        Masks of the reference's objects, if any.

    Raises
    ------
    EvaluationError
        If the images do not lie on one grid, or the scale between input and result is unknown.
    """
    check_magnitude(result, reference, lr)
    scale = scale_between(result, lr, settings.models)
    notes: list[str] = []
    unknown = [who for who, i in (("result", result or lr), ("reference", reference)) if i and not i.has_pixel_size]
    reference = _reorder_channels(reference, result or lr, "reference", notes)
    lr = None if lr is None else _reorder_channels(lr, result, "input", notes)
    ours, theirs, registration = _references(result, reference, lr, scale, settings, notes)
    plane_scale = None if scale is None else tuple(scale[a] for a in "YX")
    ranges = intensity_limits(theirs, settings.rules, plane_scale) if limits is None else limits
    recorded = ours
    if result is not None:
        ours, theirs = _mask_missing(ours, result, notes), _mask_missing(theirs, result, [])
    rows: list[Row] = []
    judged, whole, base = None, None, None
    meter = _object_meter(theirs, settings, labels, name)
    objects = [] if meter is None else _objects_before(meter, lr, scale, theirs)
    for label, role, candidate in candidates(
        result,
        lr,
        scale,
        reference=reference,
        common=theirs,
        models=settings.models,
        against=settings.against,
        baselines=settings.baselines,
        psf_sigma=settings.psf_sigma,
        psf=settings.psf,
        notes=notes,
    ):
        pair = match(candidate, ours if label == RESULT else theirs, names=(label, "reference"))
        if meter is not None:
            objects += meter.measure(pair.result, label, role, judged=judged is None and role == "judged")
        if judged is None and role == "judged":
            judged, whole = pair, candidate
        if base is None and role == "baseline":
            base = pair.result
        scores = score(pair.result, pair.reference, settings.rules, ranges, image=name, name=label, scale=plane_scale)
        rows += [{**row, "role": role} for row in scores]
    if registration is not None and result is not None:
        rows += _unregistered_rows(result, reference, settings, ranges, name, plane_scale)
    assert judged is not None
    notes += [*_notes_on_rows(rows, theirs), *_notes_on_constant_planes(judged)]
    assert whole is not None
    assert base is not None
    found = (objects, None if meter is None else meter.support(base))
    pair, recorded = judged, match(judged.result, recorded).reference
    grid = (pair.result, whole, pair.reference, recorded)
    return ImageScores(rows, notes, *grid, lr, base, registration, tuple(unknown), *found)


def _object_meter(
    reference: Image, settings: EvaluationSettings, labels: Image | None, name: str
) -> ObjectMeter | None:
    if settings.objects is None:
        return None
    if labels is not None:
        pair = match(reference, labels, names=("reference", "masks"))
        if pair.result.shape != reference.shape:
            raise EvaluationError(
                f"masks must cover the reference, got {labels.shape} for {reference.shape}.",
                remedy="Give masks on the grid of the reference.",
            )
        labels = pair.reference
    return ObjectMeter(reference, settings.objects, labels, name)


def _objects_before(meter: ObjectMeter, lr: Image | None, scale: Scale | None, reference: Image) -> list[ObjectRow]:
    """Return the rows of the reference itself, if masks are given, and of the input on its own grid."""
    rows = meter.measure_reference() if meter.labelled else []
    if lr is None or scale is None or "S" in lr.axes:
        return rows

    def to_fine(image: Image) -> Image:
        data = np.asarray(image.data)
        for axis, name in enumerate(image.axes):
            data = np.repeat(data, scale.get(name, 1), axis)
        affine = upscale_affine(image.affine, [scale[a] for a in image.spatial])
        return match(image.replace(data=data, affine=affine), reference).result

    factors = [scale[a] for a in lr.spatial if a != "Z" or lr.size("Z") > 1]
    return rows + meter.measure_input(lr, factors, to_fine)


def _references(
    result: Image | None,
    reference: Image,
    lr: Image | None,
    scale: Scale | None,
    settings: EvaluationSettings,
    notes: list[str],
) -> tuple[Image, Image, Registration | None]:
    """Return the reference aligned to the result, the reference aligned to the baselines, and the transform.

    With registration, the two differ: a result that lies elsewhere than its input must not be compared with baselines
    in the wrong place.
    """
    if settings.transform is None:
        pair = match(empty_grid(lr, scale) if result is None else result, reference)
        notes += pair.notes
        common = _common_part(pair.reference, lr, scale, notes)
        return common, common, None
    base = None if lr is None or scale is None else interpolate(lr, BICUBIC, scale)
    judged = result if result is not None else base
    assert judged is not None
    registration = register(judged, reference, transform=settings.transform)
    notes += [*_notes_on_registration(registration), *registration.notes]
    if base is None or result is None:
        return registration.reference, registration.reference, registration
    return registration.reference, register(base, reference, transform=settings.transform).reference, registration


def _reorder_channels(image: Image, other: Image | None, who: str, notes: list[str]) -> Image:
    """Return an image with its channels in the order in which another image names them."""
    if other is None or sorted(image.channel_names) != sorted(other.channel_names):
        return image
    order = [image.channel_names.index(name) for name in other.channel_names]
    if not order or order == sorted(order):
        return image
    notes.append(f"the {who}'s channels were reordered to {', '.join(other.channel_names)}")
    data = np.take(np.asarray(image.data), order, axis=image.axes.index("C"))
    return image.replace(data=data, channel_names=other.channel_names)


def _mask_missing(reference: Image, result: Image, notes: list[str]) -> Image:
    """Return a reference with NaN where the result is not finite, so that no row is measured there."""
    if np.asarray(result.data).dtype.kind != "f":
        return reference
    pair = match(result, reference)
    missing = ~np.isfinite(np.asarray(pair.result.data))
    if not missing.any():
        return reference
    notes.append(f"{100 * missing.mean():.1f} % of the result is not finite; no row is measured there")
    return pair.reference.replace(data=np.where(missing, np.nan, np.asarray(pair.reference.data, np.float64)))


def _common_part(reference: Image, lr: Image | None, scale: Scale | None, notes: list[str]) -> Image:
    """Return the part of the reference where every candidate has pixels."""
    if lr is None or scale is None:
        return reference
    pair = match(empty_grid(lr, scale), reference, names=(BICUBIC, "reference"))
    shape = [pair.reference.size(a) for a in pair.result.spatial]
    if shape != [reference.size(a) for a in pair.result.spatial]:
        notes.append("every row is measured on the pixels that all candidates have")
    # The part keeps the reference's own grid: where origins are not recorded, the result is matched by it.
    first = dict(zip(pair.result.spatial, pair.reference_start, strict=True))
    size = dict(zip(pair.result.spatial, shape, strict=True))
    starts = [first.get(a, 0) for a in reference.spatial]
    return crop_spatial(reference, starts, [size.get(a, reference.size(a)) for a in reference.spatial])


def _notes_on_registration(registration: Registration) -> list[str]:
    warped = describe_deformation(local_shifts(registration.result, registration.reference))
    notes = [warped] if warped else []
    if any(registration.pixels):
        shift = ", ".join(f"{v:+.3g}" for v in registration.shift)
        axes = ", ".join(registration.result.spatial)
        notes.insert(0, f"the reference was moved by {shift} {registration.unit} ({axes})")
    return notes


def _unregistered_rows(
    result: Image,
    reference: Image,
    settings: EvaluationSettings,
    limits: IntensityLimits,
    name: str,
    scale: Sequence[int] | None,
) -> list[Row]:
    """Return the result's rows without registration; none if the two do not lie on one grid."""
    try:
        pair = match(result, reference)
    except EvaluationError:
        return []
    rows = score(pair.result, pair.reference, settings.rules, limits, image=name, name=UNREGISTERED, scale=scale)
    return [{**row, "role": "beside"} for row in rows]


def _notes_on_rows(rows: Sequence[Row], reference: Image) -> list[str]:
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


def _notes_on_constant_planes(judged: MatchedPair) -> list[str]:
    """Return a note on planes that no row measures, and on what the result shows in them."""
    constant = total = varying = 0
    for channel in range(judged.reference.size("C")):
        pair = [channel_planes(image, channel) for image in (judged.reference, judged.result)]
        for reference, result in zip(*pair, strict=True):
            total += 1
            if not has_contrast(reference):
                constant, varying = constant + 1, varying + has_contrast(result)
    if not constant:
        return []
    note = f"{constant} of {total} planes have a constant reference and were left out of every row"
    return [note + (f"; the result is not constant in {varying} of them" if varying else "")]
