"""Where a result differs from its reference or its input: maps that lie on the result in the world.

Every map takes two images and returns one, channel by channel, with colour samples averaged. Maps of a result and a
reference register the two first if asked to.
"""

from collections.abc import Sequence

import numpy as np

from napari_superres.core.image import Image
from napari_superres.errors import EvaluationError
from napari_superres.evaluation.consistency import check_consistency
from napari_superres.evaluation.metrics import full_reference
from napari_superres.evaluation.metrics.conventions import ComparisonRules
from napari_superres.evaluation.metrics.score import intensity_limits
from napari_superres.evaluation.registration.match import match
from napari_superres.evaluation.registration.register import Transform
from napari_superres.evaluation.registration.register import register as register_images
from napari_superres.evaluation.resolution.agreement_map import local_agreement


def difference_map(result: Image, reference: Image, *, register: bool | Transform = False) -> Image:
    """Return ``result - reference`` at each pixel.

    Parameters
    ----------
    result, reference
        Images on one grid, as for `evaluate`.
    register
        Move the reference onto the result first, as in `evaluate`.

    Returns
    -------
    Image
        float32, in the intensity unit that the two share; the result's axes without S, on the common part of its
        grid. NaN where a pixel is not finite.

    Raises
    ------
    EvaluationError
        If the two do not lie on one grid, or cannot be registered.
    """
    result, reference = _on_one_grid(result, reference, register)
    with np.errstate(invalid="ignore"):  # infinite less infinite
        values = np.asarray(result.data, np.float64) - np.asarray(reference.data, np.float64)
    return _as_map(result.replace(data=np.where(np.isfinite(values), values, np.nan)))


def ssim_map(
    result: Image, reference: Image, *, register: bool | Transform = False, data_range: str | float | None = None
) -> Image:
    """Return the structural similarity around each pixel, plane by plane.

    Parameters
    ----------
    result, reference
        Images on one grid, as for `evaluate`; at least 11 pixels along Y and X.
    register
        Move the reference onto the result first, as in `evaluate`.
    data_range
        A number for all channels, or a policy as in `evaluate`; by default the reference's range in each channel.

    Returns
    -------
    Image
        float32, -1 to 1, on the grid of `difference_map`.

    Raises
    ------
    EvaluationError
        If the two do not lie on one grid, cannot be registered or are too small, or the reference has no range.
    """
    result, reference = _on_one_grid(result, reference, register)
    policy = data_range if data_range is None or isinstance(data_range, str) else f"fixed:{float(data_range)!r}"
    limits = intensity_limits(reference, ComparisonRules.parse("microscopy", policy), None)
    axes, a, b = result.axes, np.asarray(reference.data), np.asarray(result.data)
    values = np.empty(a.shape, dtype=np.float64)
    for plane in np.ndindex(*(1 if axis in "YX" else n for axis, n in zip(axes, a.shape, strict=True))):
        index = tuple(slice(None) if axis in "YX" else i for axis, i in zip(axes, plane, strict=True))
        low, high = limits[plane[axes.index("C")] if "C" in axes else 0]
        values[index] = full_reference.ssim_map(a[index], b[index], data_range=high - low)
    return _as_map(result.replace(data=values))


def agreement_map(result: Image, reference: Image, *, register: bool | Transform = False) -> Image:
    """Return the length down to which the two agree around each pixel, as `local_agreement` measures it.

    Parameters
    ----------
    result, reference
        Images on one grid, as for `evaluate`; at least 64 pixels along Y and X; square pixels.
    register
        Move the reference onto the result first, as in `evaluate`.

    Returns
    -------
    Image
        float32, in the result's unit of length (pixels where that is unknown), on the grid of `difference_map`. NaN
        where a pixel is not finite, and where the two are background or share nothing.

    Raises
    ------
    EvaluationError
        If the two do not lie on one grid, cannot be registered, are too small or share no detail anywhere.
    """
    pair = [average_samples(i) for i in _on_one_grid(result, reference, register)]
    missing = ~np.logical_and.reduce([np.isfinite(i.data) for i in pair])
    if missing.any() and not missing.all():  # as outside the field of a reference that was moved
        pair = [i.replace(data=np.where(missing, np.mean(i.data[~missing]), i.data)) for i in pair]
    agreement = _stack_channels([local_agreement(*pair, channel=c) for c in range(pair[0].size("C"))], pair[0].axes)
    if not np.isfinite(agreement.data).any():
        raise EvaluationError(
            "the map of agreement would be empty: no block of 64 pixels has detail that both show.",
            remedy="Set `register`, or check that both show the same field.",
        )
    return agreement.replace(data=np.where(missing, np.float32(np.nan), agreement.data))


def residual_map(result: Image, lr: Image) -> Image:
    """Return what the result, blurred and binned again, has more than its input.

    Parameters
    ----------
    result
        Finer than `lr` by whole factors, as for `check_consistency`.
    lr
        The input, with its noise.

    Returns
    -------
    Image
        float32, in standard deviations of the input's noise, with the input's axes without S, on its grid. NaN where
        a pixel is not finite, and in channels whose noise cannot be measured.

    Raises
    ------
    EvaluationError
        If the two do not fit, or the noise of no channel can be measured.
    """
    channels = [check_consistency(result, lr, channel=c) for c in range(lr.size("C"))]
    if all(c.noise is None for c in channels):
        raise EvaluationError(
            "the residual is given in standard deviations of the input's noise, which cannot be measured: "
            "the input is too small, or shows no noise."
        )
    return _stack_channels([c.residual for c in channels], lr.axes)


def average_samples(image: Image) -> Image:
    """Return an image without the axis S: red, green and blue averaged, a fourth sample (alpha) left out."""
    data, axes = np.asarray(image.data), image.axes
    if "S" in axes:
        at = axes.index("S")
        data, axes = data.take(range(3), axis=at).mean(axis=at), axes.replace("S", "")
    return image.replace(data=data, axes=axes)


def _on_one_grid(result: Image, reference: Image, register: bool | Transform) -> tuple[Image, Image]:
    if not register:
        pair = match(result, reference)
        return pair.result, pair.reference
    moved = register_images(result, reference, transform="shift" if register is True else register)
    return moved.result, moved.reference


def _as_map(image: Image) -> Image:
    averaged = average_samples(image)
    return averaged.replace(data=np.asarray(averaged.data).astype(np.float32), metadata={})


def _stack_channels(maps: Sequence[Image], axes: str) -> Image:
    """Return the maps of all channels as one, with C where `axes` has it."""
    if "C" not in axes:
        return maps[0]
    at, others = axes.index("C"), maps[0].axes
    return maps[0].replace(data=np.stack([m.data for m in maps], axis=at), axes=f"{others[:at]}C{others[at:]}")
