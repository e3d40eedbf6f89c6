"""`evaluate`: one result against its reference scan, always beside the interpolation of its input."""

from collections.abc import Sequence

import numpy as np

from napari_superres.core.axes import guess_axes
from napari_superres.core.image import Array, Image
from napari_superres.evaluation.baselines import USUAL, check_names
from napari_superres.evaluation.compare import Task, compare
from napari_superres.evaluation.conventions import Rules
from napari_superres.evaluation.folder import compare_all
from napari_superres.evaluation.report import Report


def evaluate(
    result: Image | Array | None,
    reference: Image | Array,
    *,
    lr: Image | Array | None = None,
    models: Sequence[str] = (),
    axes: str | None = None,
    convention: str = "microscopy",
    data_range: str | None = None,
    baselines: Sequence[str] = USUAL,
    psf_sigma: float | None = None,
    register: bool = False,
    name: str = "image",
) -> Report:
    """Measure a super-resolved image against a reference scan of the same field.

    Bicubic interpolation of the input is always measured too: a model that does not beat it is the finding.

    Parameters
    ----------
    result, reference
        Images on one grid (same pixel size, axes and units; an odd row too many at a side is cut off),
        or bare arrays. Different data types are compared as they are; see the columns gain and offset. None as the
        result: the models are judged.
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
        is not known), for Wiener and Richardson-Lucy. By default the one that best turns the reference into the
        input: they know more than a model does.
    register
        Move the reference onto the result first, by a fraction of a pixel; rows without it are kept.
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
        If `convention`, `data_range` or a baseline is unknown.
    """
    rules = Rules.parse(convention, data_range)
    task = Task(
        rules=rules, models=models, baselines=check_names(baselines), psf_sigma=psf_sigma, registered=register
    )  # fmt: skip
    given, true, low = (None if image is None else as_image(image, axes) for image in (result, reference, lr))
    assert true is not None
    found = compare(given, true, low, task, name=name)
    return Report(found.rows, rules.describe(), tuple(found.notes), comparisons=compare_all(found.rows))


def as_image(image: Image | Array, axes: str | None) -> Image:
    """Return an image as it is, or a bare array as one of unknown pixel size."""
    if isinstance(image, Image):
        return image
    array = image if hasattr(image, "shape") else np.asarray(image)
    return Image.from_array(array, axes or guess_axes(tuple(array.shape)))
