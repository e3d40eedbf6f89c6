"""`evaluate`: measure one result against its reference scan, always next to the interpolation of its input."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from napari_superres.core.image import Array, Image
from napari_superres.core.options import as_list, checks_names
from napari_superres.errors import EvaluationError, SettingsError
from napari_superres.evaluation.baselines import DEFAULT_BASELINES, interpolated_input
from napari_superres.evaluation.candidates import compare_candidates
from napari_superres.evaluation.compare import EvaluationSettings, compare
from napari_superres.evaluation.registration.lengths import length_unit, unit_factor
from napari_superres.evaluation.registration.register import Transform
from napari_superres.evaluation.reporting import questions
from napari_superres.evaluation.reporting.about import About, computed_problem
from napari_superres.evaluation.reporting.exhibits import with_exhibits
from napari_superres.evaluation.reporting.findings import Findings, base_on_grid, examine
from napari_superres.evaluation.reporting.objects import summarise
from napari_superres.evaluation.reporting.report import Report
from napari_superres.evaluation.uncertainty.calibration import Calibration
from napari_superres.evaluation.uncertainty.coverage import measure_coverage

NO_REFERENCE = "no reference was given, so nothing can be said about detail that the input does not show"

_NO_CALIBRATION = "no calibration was given; `calibrate_folder()` makes one from pairs of images"


@checks_names
def evaluate(
    result: Image | Array | None,
    reference: Image | Array | None,
    *,
    lr: Image | Array | None = None,
    models: str | Sequence[str] = (),
    against: str | None = None,
    axes: str | None = None,
    convention: str = "microscopy",
    data_range: str | None = None,
    baselines: str | Sequence[str] = DEFAULT_BASELINES,
    psf_sigma: float | None = None,
    psf: Image | None = None,
    register: bool | Transform = False,
    repeat: Image | Array | None = None,
    calibration: Calibration | str | Path | None = None,
    labels: Image | Array | None = None,
    detect: str | None = None,
    object_size: float | None = None,
    name: str = "image",
) -> Report:
    """Measure a super-resolved image against a reference scan of the same field.

    Bicubic interpolation of the input is always measured too, because a model that does not beat it is no use.

    Parameters
    ----------
    result
        The result, an `Image` or a bare array. None judges the models instead.
    reference
        Reference scan on the result's grid: the same pixel size, axes and units; an odd row more at a side is cut
        off. Its data type may differ; see the columns gain and offset. None compares the result with its input only.
    lr
        The input of the result. Without it, one is simulated from the reference by antialiased bicubic reduction, by
        the scale in the result's provenance, and the rows say so.
    models
        Names of models to run on the input and to compare.
    against
        Name of a model to run on the input, too, and to compare everything with, image by image: a shipped model, for
        one of your own.
    axes
        Axes of bare arrays; by default the usual ones of their shape.
    convention
        ``"microscopy"``: 64-bit floats, nothing cropped. ``"sr-paper"``: Y of 8-bit RGB, a border of `scale` pixels
        cropped, data range 255.
    data_range
        ``"reference-percentile"`` (default: 99.9th less 0.1st percentile of the reference, per channel),
        ``"reference-range"`` (largest less smallest intensity), ``"dtype"`` or ``"fixed:VALUE"``.
    baselines
        Baselines besides bicubic: ``"lanczos"``, ``"area-spline"`` where Z becomes finer, ``"wiener"``,
        ``"richardson-lucy"``, ``"non-local-means"``, which removes the noise measured in the input,
        ``"nlm-richardson-lucy"``, which then deconvolves; ``"zero-filling"`` for inputs that were cut in k-space. Only
        bicubic is measured on a simulated input.
    psf_sigma
        Standard deviation of the input's point-spread function, in its unit of length (pixels if the pixel size is
        unknown), for Wiener, Richardson-Lucy and the consistency with the input. By default it is fitted to the
        reference, which gives these baselines an advantage over models.
    psf
        Point-spread function of the input, measured on beads, instead of `psf_sigma`: Wiener,
        Richardson-Lucy and the consistency with the input get it as it is. The pixel size of the input must be known.
    register
        Move the reference onto the result first: True or ``"shift"`` by a fraction of a pixel, ``"rigid"`` also turns
        it, ``"affine"`` also scales and shears it. The result's unregistered rows are kept.
    repeat
        A second recording of the input, with noise of its own, to measure the input's resolution.
    calibration
        Calibration of error bars, or its file. The one model in `models` makes intervals of the input, and the share
        of the reference inside them is measured.
    labels
        Masks of the objects in the reference: a number for each, 0 for the background, on the grid of the reference.
    detect
        Kind of objects to look for in every image, and to match one to one with those of the masks or, without
        `labels`, with those found in the reference: ``"spots"``, ``"nuclei"`` (default with `labels`) or
        ``"filaments"``, bright on dark. ``objects`` of the report tells which were kept, lost and invented.
    object_size
        Diameter of these objects, or width of filaments, in the image's unit of length (pixels of the result if the
        pixel size is unknown). By default it is measured in the masks or the reference.
    name
        Name of the image in rows and findings.

    Returns
    -------
    Report
        Its ``rows``, ``conventions``, ``notes`` and ``findings``; ``table()``, ``to_json()``, ``to_csv()`` and
        ``to_html()`` write them.

    Raises
    ------
    EvaluationError
        If the images do not lie on one grid, or there is neither an input nor a scale to simulate one.
    SettingsError
        If an option, `convention`, `data_range` or a baseline is unknown.
    """
    models = as_list(models)
    low = _as_image(lr, axes)
    psf_sigma = psf_sigma if psf is None else _width(psf, low, psf_sigma)
    settings = EvaluationSettings.of(
        models,
        convention,
        data_range,
        baselines=as_list(baselines),
        psf_sigma=psf_sigma,
        register=register,
        against=against,
        detect=detect,
        object_size=object_size,
        labelled=labels is not None,
    )
    settings = replace(settings, psf=psf)
    judged, scan, again, masks = (_as_image(image, axes) for image in (result, reference, repeat, labels))
    if scan is None:
        if register or calibration is not None or models or against is not None or settings.objects is not None:
            raise SettingsError(
                "`models`, `against`, `register`, `calibration`, `labels` and `detect` need a reference."
            )
        return _compare_with_input(judged, low, again, name, psf_sigma, psf)
    if against is not None and low is None:
        raise SettingsError("`against` computes another model's result of the input.", remedy="Give the input as `lr`.")
    scores = compare(judged, scan, low, settings, name=name, labels=masks)
    findings = examine(
        scores.result,
        scores.reference,
        low,
        whole=scores.whole,
        recorded=scores.recorded,
        base=scores.base,
        registration=scores.registration,
        repeat=again,
        unknown=scores.unknown,
        psf_sigma=psf_sigma,
        psf=psf,
        rows=scores.rows,
        candidate=scores.rows[0]["candidate"],
    )
    findings = with_exhibits(findings, scores.result, scores.reference, low, scores.base)
    notes = [*scores.notes, *computed_inputs({"input": low, "second input": again, "reference": scan})]
    coverage = None if calibration is None else measure_coverage(low, scan, models, calibration)
    if coverage is None:
        answer = questions.calibrated(None, 0.0, _NO_CALIBRATION)
    else:
        answer = questions.calibrated(coverage.share, 1 - coverage.calibration.alpha, "nothing finite to compare")
    objects = summarise(settings.objects, masks is not None, scores.objects, [scores.support])
    answers = (answer,) if objects is None else (objects.answer(), answer)
    return Report(
        scores.rows,
        settings.rules.describe(),
        tuple(dict.fromkeys([*notes, *(coverage.notes if coverage else ())])),
        comparisons=compare_candidates(scores.rows, against),
        findings={name: replace(findings, answers=(*findings.answers, *answers))},
        calibration=None if coverage is None else coverage.calibration,
        about=about_now(scores.whole),
        objects=objects,
    )


def _compare_with_input(
    result: Image | None, lr: Image | None, repeat: Image | None, name: str, psf_sigma: float | None, psf: Image | None
) -> Report:
    if result is None or lr is None:
        raise EvaluationError(
            "without a reference, a result and its input are needed.", remedy="Give the input as `lr`."
        )
    findings, notes = examine_alone(result, lr, repeat=repeat, psf_sigma=psf_sigma, psf=psf)
    conventions = {"compared with": "the input only"}
    return Report([], conventions, notes, findings={name: findings}, about=about_now(result))


def _as_image(image: Image | Array | None, axes: str | None) -> Image | None:
    """Return an image as it is, a bare array as an image of unknown pixel size, and nothing as nothing."""
    from napari_superres.inference.images import as_image

    if image is None:
        return None
    return image.with_nan() if isinstance(image, Image) else as_image(image, axes)


def _width(psf: Image, lr: Image | None, psf_sigma: float | None) -> float:
    """Return the width of a measured point-spread function in the unit of the input."""
    from napari_superres.degradation.psf import psf_sigma as sigma_um

    if psf_sigma is not None:
        raise SettingsError("`psf_sigma` and `psf` state the same.", remedy="Leave one of them out.")
    if lr is None or not lr.has_pixel_size:
        raise SettingsError(
            "a measured point-spread function needs an input of known pixel size.",
            remedy="Give the input as `lr` and set its `pixel_size`.",
        )
    width = sigma_um(psf)
    return (width["Y"] + width["X"]) / 2 * unit_factor("micrometer", length_unit(lr))


def examine_alone(
    result: Image, lr: Image, *, repeat: Image | None = None, psf_sigma: float | None = None, psf: Image | None = None
) -> tuple[Findings, tuple[str, ...]]:
    """Return the findings on a result and its input, and notes.

    Raises
    ------
    EvaluationError
        If the input is not that of the result.
    """
    findings = examine(result, None, lr, repeat=repeat, psf_sigma=psf_sigma, psf=psf)
    base = base_on_grid(result, interpolated_input(result, lr))
    notes = [NO_REFERENCE, *computed_inputs({"input": lr, "second input": repeat})]
    return with_exhibits(findings, result, None, lr, base), tuple(notes)


def computed_inputs(images: Mapping[str, Image | None]) -> list[str]:
    """Return a warning for each image that should be a recording but was computed by a model."""
    records = {who: image.metadata.get("provenance") for who, image in images.items() if image is not None}
    return [problem for who, record in records.items() if (problem := computed_problem(record, who))]


def about_now(result: Image | None) -> About:
    """Return what a report made now is about: the record of a result, the program and the time."""
    from napari_superres.inference.provenance import package_version

    record = None if result is None else result.metadata.get("provenance")
    time = datetime.now(UTC).isoformat(timespec="seconds")
    known = record if isinstance(record, Mapping) else None
    return About(
        software=f"napari-superres-torch {package_version('napari-superres-torch')}", time_utc=time, record=known
    )
