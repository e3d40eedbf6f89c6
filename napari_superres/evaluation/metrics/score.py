"""The rows of a report: every metric of a candidate against the reference, before and after the intensity fit."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from math import inf, nan
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.core.units import peak_to_error_db
from napari_superres.errors import EvaluationError
from napari_superres.evaluation.metrics.conventions import ComparisonRules
from napari_superres.evaluation.metrics.full_reference import (
    count_invalid,
    laplacian_of_gaussian,
    mae,
    nmi,
    nrmse,
    pearson,
    psnr,
    relative_difference,
)
from napari_superres.evaluation.metrics.intensity_fit import GainOffset, fit_gain_offset
from napari_superres.evaluation.metrics.linearity import flux, linearity, si_psnr
from napari_superres.evaluation.metrics.ssim import (
    SSIM_WINDOW,
    LocalMoments,
    MicroSsimFit,
    combine_scales,
    fit_micro_ssim,
    moments_pyramid,
)

Planes = npt.NDArray[Any]
Row = dict[str, Any]
"""Metrics of one image, candidate and channel."""

IntensityLimits = Sequence[tuple[float, float]]
"""Smallest and largest intensity of the data range, per channel."""

PLANE_METRICS = (
    "psnr",
    "ssim",
    "ms_ssim",
    "nrmse",
    "mae",
    "hfen",
    "nmi",
    "pearson",
    "si_psnr",
    "micro_ssim",
    "psnr_aligned",
    "ssim_aligned",
    "ms_ssim_aligned",
    "nrmse_aligned",
    "mae_aligned",
    "hfen_aligned",
)
"""Metrics of single planes. A report pools the errors of `POOLED`, and gives the mean of the others."""

POOLED = ("psnr", "psnr_aligned", "si_psnr", "nrmse", "nrmse_aligned", "hfen", "hfen_aligned")
"""Metrics that are the logarithm, or the root, of a mean squared error."""

CHANNEL_METRICS = ("gamma", "r_squared", "flux")
"""Metrics of all planes of a channel at once."""


def channel_planes(image: Image, channel: int) -> Planes:
    """Return one channel as ``(P, Y, X)``, or ``(P, Y, X, S)`` with colour samples; P runs over T and Z."""
    data = np.asarray(image.data)
    axes = image.axes
    if "C" in axes:
        data = np.take(data, channel, axis=axes.index("C"))
        axes = axes.replace("C", "")
    order = [a for a in "TZYXS" if a in axes]
    data = data.transpose([axes.index(a) for a in order])
    inner = data.shape[-3:] if "S" in axes else data.shape[-2:]
    return data.reshape(-1, *inner)


def intensity_limits(
    reference: Image, rules: ComparisonRules, scale: Sequence[int] | None
) -> list[tuple[float, float]]:
    """Return the smallest and the largest intensity of the data range of each channel.

    Parameters
    ----------
    reference
        Image that determines the data range.
    rules
        Convention and data range.
    scale
        Scale along Y and X, by which the convention ``sr-paper`` crops; None = unknown.
    """
    samples = "S" in reference.axes
    return [
        rules.intensity_limits(rules.compared_values(channel_planes(reference, c), samples, scale), reference.dtype)
        for c in range(reference.size("C"))
    ]


def score(
    candidate: Image,
    reference: Image,
    rules: ComparisonRules,
    limits: IntensityLimits,
    *,
    image: str,
    name: str,
    scale: Sequence[int] | None,
) -> list[Row]:
    """Measure every metric of a candidate.

    Parameters
    ----------
    candidate, reference
        Images with the same axes and shape.
    rules
        Convention and data range.
    limits
        Smallest and largest intensity of the data range, per channel.
    image, name
        Names of the image and of the candidate: the first two columns of the rows.
    scale
        Scale along Y and X, by which the convention ``sr-paper`` crops; None = unknown.

    Returns
    -------
    list of Row
        One row per channel and their mean, named ``"all"``. An image of one channel has the row ``"all"`` only.
        ``constant`` counts the planes whose reference is constant: they have no contrast to compare, and an error of
        0 in one of them would make PSNR infinite. They are left out of every metric.

    Raises
    ------
    EvaluationError
        If the reference is constant in every channel.
    """
    channels = reference.size("C")
    names = reference.channel_names or candidate.channel_names or tuple(str(c) for c in range(channels))
    samples = "S" in reference.axes
    if not any(high > low for low, high in limits):
        raise EvaluationError(
            "the reference is constant, so that nothing can be compared.",
            remedy="Choose another reference, channel or frame, or `data_range='fixed:VALUE'`.",
        )
    rows = []
    for channel in range(channels):
        low, high = limits[channel]
        r = rules.compared_values(channel_planes(reference, channel), samples, scale)
        c = rules.compared_values(channel_planes(candidate, channel), samples, scale)
        rows.append(
            {"image": image, "candidate": name, "channel": names[channel], **_measure_channel(r, c, high - low)}
        )
    if channels == 1:
        return [{**rows[0], "channel": "all"}]
    return [*rows, average_rows(rows, channel="all")]


def average_rows(rows: Sequence[Row], *, pooled: bool = True, **labels: str) -> Row:
    """Return the mean of rows, with some labels replaced.

    Gain, offset and data range have no meaningful mean: they are nan unless all rows agree.

    Parameters
    ----------
    rows
        Rows of several channels or images.
    pooled
        Whether PSNR is that of the mean of all squared errors; otherwise it is the mean of decibels.
    labels
        Values of columns that the rows do not share.
    """
    out = {**rows[0], **labels, "planes": []}
    for key in (*PLANE_METRICS, *CHANNEL_METRICS):
        values = [row[key] for row in rows]
        out[key] = pool_decibels(values) if pooled and "psnr" in key else mean_without_nan(values)
    for key in ("gain", "offset", "data_range"):
        different = {row[key] for row in rows}
        out[key] = different.pop() if len(different) == 1 else nan
    for key in ("invalid", "constant"):
        out[key] = sum(row[key] for row in rows)
    return out


def pool_decibels(values: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """Return the decibels of the mean of the errors that these decibels stand for; nan values are left out.

    One value may be infinite: it stands for no error, and does not make the result infinite.
    """
    errors = [0.0 if v == inf else 10 ** (-v / 10) for v in values]
    error = _weighted_mean(errors, weights)
    return nan if np.isnan(error) else peak_to_error_db(1.0, error)


def _weighted_mean(values: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """Return the weighted mean of the values that are not nan; nan if there are none of weight."""
    array, weight = np.asarray(values, np.float64), np.ones(len(values)) if weights is None else np.asarray(weights)
    known = ~np.isnan(array) & (weight > 0)
    return float(np.average(array[known], weights=weight[known])) if known.any() else nan


def mean_without_nan(values: Sequence[float]) -> float:
    """Return the mean of the values that are not nan; nan if all are."""
    return _weighted_mean(values)


def has_contrast(plane: Planes) -> bool:
    """Return whether the finite pixels of a plane differ."""
    finite = plane[np.isfinite(plane)]
    return bool(finite.size and finite.min() < finite.max())


def _measure_channel(reference: Planes, candidate: Planes, data_range: float) -> dict[str, Any]:
    """Return every metric of one channel, given as planes ``(P, Y, X)`` or ``(P, Y, X, S)``."""
    kept = np.array([has_contrast(plane) for plane in reference])
    total = len(reference)
    if not kept.all():
        reference, candidate = reference[kept], candidate[kept]
    fit = fit_gain_offset(reference, candidate)
    colours = range(reference.shape[-1]) if reference.ndim == 4 else None
    micro = None if colours else fit_micro_ssim(reference, candidate)

    def measure_plane(pair: tuple[Planes, Planes]) -> tuple[dict[str, float], dict[str, float]]:
        pooled, weights = _pixel_metrics(*pair, data_range, fit)
        parts = [pair] if colours is None else [(pair[0][..., s], pair[1][..., s]) for s in colours]
        local = [_neighbourhood_metrics(r, c, data_range, fit, micro) for r, c in parts]
        values = {k: mean_without_nan([m[k] for m in local]) for k in local[0]}
        edges = values.pop("edge_energy")
        return pooled | values, weights | {"hfen": edges, "hfen_aligned": edges}

    # SciPy's filters release the interpreter lock, so that threads measure several planes at once.
    with ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 8)) as pool:
        measured = list(pool.map(measure_plane, zip(reference, candidate, strict=True)))
    curve = linearity(reference, candidate)
    rest = iter(values for values, _ in measured)
    unknown = dict.fromkeys(PLANE_METRICS, nan)
    return {
        **{k: _pool(k, measured) for k in PLANE_METRICS},
        "gain": fit.gain,
        "offset": fit.offset,
        "gamma": curve.gamma,
        "r_squared": curve.r_squared,
        "flux": flux(reference, candidate),
        "data_range": float(data_range),
        "invalid": count_invalid(reference, candidate),
        "constant": total - len(measured),
        "planes": [next(rest) if known else unknown for known in kept] if total > 1 else [],
    }


def _pool(metric: str, planes: Sequence[tuple[dict[str, float], dict[str, float]]]) -> float:
    """Return a metric of all planes, given the values and the weights of each."""
    values = [metrics[metric] for metrics, _ in planes]
    if metric not in POOLED:
        return mean_without_nan(values)
    weights = [weight[metric] for _, weight in planes]
    if "psnr" in metric:
        return pool_decibels(values, weights)
    return float(np.sqrt(_weighted_mean(np.square(values).tolist(), weights)))


def _pixel_metrics(
    reference: Planes, candidate: Planes, data_range: float, fit: GainOffset
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the metrics that compare single pixels, and the weights by which their squared errors are pooled.

    Colour samples are pooled.
    """
    aligned = fit.apply(candidate)
    finite = np.isfinite(reference) & np.isfinite(candidate)
    count = float(np.count_nonzero(finite))
    energy = float(np.square(reference, dtype=np.float64, where=finite, out=np.zeros(finite.shape)).sum())
    weights = dict.fromkeys(("psnr", "psnr_aligned", "si_psnr"), count) | dict.fromkeys(
        ("nrmse", "nrmse_aligned"), energy
    )
    values = {
        "psnr": psnr(reference, candidate, data_range=data_range),
        "nrmse": nrmse(reference, candidate),
        "mae": mae(reference, candidate),
        "nmi": nmi(reference, candidate),
        "pearson": pearson(reference, candidate),
        "si_psnr": si_psnr(reference, candidate, data_range=data_range),
        "psnr_aligned": psnr(reference, aligned, data_range=data_range),
        "nrmse_aligned": nrmse(reference, aligned),
        "mae_aligned": mae(reference, aligned),
    }
    return values, weights


def _neighbourhood_metrics(
    reference: Planes, candidate: Planes, data_range: float, fit: GainOffset, micro: MicroSsimFit | None
) -> dict[str, float]:
    """Return the metrics that compare neighbourhoods of a plane ``(Y, X)``, before and after the fit."""
    edges_r, edges_c = laplacian_of_gaussian(reference), laplacian_of_gaussian(candidate)
    edge_metrics = {
        "edge_energy": float(np.nansum(np.square(edges_r))),
        "hfen": relative_difference(edges_r, edges_c),
        "hfen_aligned": relative_difference(edges_r, fit.gain * edges_c),
    }
    names = ("ssim", "ms_ssim", "micro_ssim", "ssim_aligned", "ms_ssim_aligned")
    if min(reference.shape) < SSIM_WINDOW:
        return edge_metrics | dict.fromkeys(names, nan)
    moments = LocalMoments.between(reference, candidate)
    scales = moments_pyramid(reference, candidate, moments)
    # Gain and offset commute with the filters: the moments after the fit follow from those before it.
    aligned_scales = [m.with_gain_offset((fit.gain, fit.offset)) for m in scales]
    values = (
        moments.mean_ssim(data_range),
        combine_scales(scales, data_range=data_range),
        nan if micro is None else micro.score(moments, reference),
        moments.with_gain_offset((fit.gain, fit.offset)).mean_ssim(data_range),
        combine_scales(aligned_scales, data_range=data_range),
    )
    return edge_metrics | dict(zip(names, values, strict=True))
