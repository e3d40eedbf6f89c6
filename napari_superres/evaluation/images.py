"""`evaluate`: one result against its reference scan, always beside the interpolation of its input."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_superres.core.axes import guess_axes
from napari_superres.core.image import Array, Image
from napari_superres.errors import EvaluationError, SettingsError
from napari_superres.evaluation.baselines import DEFAULT_BASELINES
from napari_superres.evaluation.compare import Task, compare
from napari_superres.evaluation.folder import compare_all
from napari_superres.evaluation.registration.register import Transform
from napari_superres.evaluation.registration.scale import scale_of
from napari_superres.evaluation.reporting import questions
from napari_superres.evaluation.reporting.findings import examine
from napari_superres.evaluation.reporting.report import Report
from napari_superres.evaluation.uncertainty.calibration import Calibration
from napari_superres.evaluation.uncertainty.coverage import NO_CALIBRATION, cover


def evaluate(
    result: Image | Array | None,
    reference: Image | Array | None,
    *,
    lr: Image | Array | None = None,
    models: Sequence[str] = (),
    axes: str | None = None,
    convention: str = "microscopy",
    data_range: str | None = None,
    baselines: Sequence[str] = DEFAULT_BASELINES,
    psf_sigma: float | None = None,
    register: bool | Transform = False,
    repeat: Image | Array | None = None,
    calibration: Calibration | str | Path | None = None,
    name: str = "image",
) -> Report:
    """Measure a super-resolved image against a reference scan of the same field.

    Bicubic interpolation of the input is always measured too: a model that does not beat it is the finding.

    Parameters
    ----------
    result, reference
        Images on one grid (same pixel size, axes and units; an odd row too many at a side is cut off),
        or bare arrays. Different data types are compared as they are; see the columns gain and offset. None as the
        result: the models are judged. None as the reference: the result is only held against its input.
    lr
        The input of the result. Without it, one is simulated from the reference by antialiased
        bicubic reduction with the scale in the result's provenance, and the rows say so.
    models
        Names of models to run on the input and to compare.
    axes
        Of bare arrays; their usual ones by default.
    convention
        ``"microscopy"``: 64-bit floats, nothing cropped; ``"sr-paper"``: Y of 8-bit RGB, border of
        `scale` pixels cropped, data range 255.
    data_range
        ``"reference-range"`` (default: largest less smallest intensity of the reference, per channel),
        ``"reference-percentile"`` (99.9 less 0.1 percentile), ``"dtype"`` or ``"fixed:VALUE"``.
    baselines
        Beside bicubic: ``"lanczos"``, ``"wiener"``, ``"richardson-lucy"``; ``"zero-filling"`` for inputs that were cut
        in k-space. Where no input is given, only bicubic.
    psf_sigma
        Standard deviation of the input's point-spread function, in its unit of length (pixels where the pixel size
        is not known), for Wiener, Richardson-Lucy and the consistency with the input. By default the one that best
        turns the reference into the input: the baselines know more than a model does.
    register
        Move the reference onto the result first, by a fraction of a pixel; ``"rigid"`` turns it too, ``"affine"``
        also scales and shears it. Rows without it are kept.
    repeat
        The input recorded once more, with noise of its own: its resolution is measured.
    calibration
        Of error bars, or its file: intervals are made of the input by the one model that is given, and how often
        they cover the reference is measured.
    name
        What the rows call this image.

    Returns
    -------
    Report
        ``.rows``, ``.conventions``, ``.notes``, ``.findings``; ``.table()``, ``.to_json()``, ``.to_csv()``,
        ``.to_html()``.

    Raises
    ------
    EvaluationError
        If the images do not lie on one grid, or there is neither an input nor a scale to simulate one.
    SettingsError
        If `convention`, `data_range` or a baseline is unknown.
    """
    task = Task.of(models, convention, data_range, baselines=baselines, psf_sigma=psf_sigma, registered=register)
    given, true, low, again = (None if i is None else as_image(i, axes) for i in (result, reference, lr, repeat))
    if true is None:
        if register or calibration is not None or models:
            raise SettingsError("models, register and calibration need a reference.")
        return _by_input_only(given, low, again, name, psf_sigma)
    found = compare(given, true, low, task, name=name)
    looked = examine(
        found.result,
        found.reference,
        low,
        whole=found.whole,
        base=found.base,
        registration=found.registration,
        repeat=again,
        unknown=found.unknown,
        psf_sigma=psf_sigma,
    )
    covered = None if calibration is None else cover(low, true, models, calibration)
    light = questions.calibrated(*covered[1:]) if covered else questions.calibrated(None, 0.0, NO_CALIBRATION)
    looked = replace(looked, lights=(*looked.lights, light))
    comparisons = compare_all(found.rows)
    return Report(
        found.rows,
        task.rules.describe(),
        tuple(found.notes),
        comparisons=comparisons,
        findings={name: looked},
        calibration=covered[0] if covered else None,
    )


def _by_input_only(
    result: Image | None, lr: Image | None, repeat: Image | None, name: str, psf_sigma: float | None
) -> Report:
    if result is None or lr is None:
        raise EvaluationError("without a reference, a result and its input (lr) are needed.")
    scale_of(result, lr)
    looked = examine(result, None, lr, repeat=repeat, psf_sigma=psf_sigma)
    note = "no reference was given: what the input cannot show remains unknown"
    return Report([], {"compared with": "the input only"}, (note,), findings={name: looked})


def as_image(image: Image | Array, axes: str | None) -> Image:
    """Return an image as it is, or a bare array as one of unknown pixel size."""
    if isinstance(image, Image):
        return image
    array = image if hasattr(image, "shape") else np.asarray(image)
    return Image.from_array(array, axes or guess_axes(tuple(array.shape)))
