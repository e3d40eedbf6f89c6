"""The rows of a report: every metric of a candidate against the reference, before and after the intensity fit."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from math import nan
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
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
"""Metrics of single planes, of which a report gives the mean."""

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
    """
    channels = reference.size("C")
    names = reference.channel_names or candidate.channel_names or tuple(str(c) for c in range(channels))
    samples = "S" in reference.axes
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


def average_rows(rows: Sequence[Row], **labels: str) -> Row:
    """Return the mean of rows, with some labels replaced.

    Gain, offset and data range have no meaningful mean: they are nan unless all rows agree.
    """
    out = {**rows[0], **labels, "planes": []}
    for key in (*PLANE_METRICS, *CHANNEL_METRICS):
        out[key] = mean_without_nan([row[key] for row in rows])
    for key in ("gain", "offset", "data_range"):
        values = {row[key] for row in rows}
        out[key] = values.pop() if len(values) == 1 else nan
    out["invalid"] = sum(row["invalid"] for row in rows)
    return out


def mean_without_nan(values: Sequence[float]) -> float:
    """Return the mean of the values that are not nan; nan if all are."""
    known = [v for v in values if not np.isnan(v)]
    return float(np.mean(known)) if known else nan


def _measure_channel(reference: Planes, candidate: Planes, data_range: float) -> dict[str, Any]:
    """Return every metric of one channel, given as planes ``(P, Y, X)`` or ``(P, Y, X, S)``."""
    fit = fit_gain_offset(reference, candidate)
    colours = range(reference.shape[-1]) if reference.ndim == 4 else None
    micro = None if colours else fit_micro_ssim(reference, candidate)

    def measure_plane(pair: tuple[Planes, Planes]) -> dict[str, float]:
        pooled = _pixel_metrics(*pair, data_range, fit)
        parts = [pair] if colours is None else [(pair[0][..., s], pair[1][..., s]) for s in colours]
        local = [_neighbourhood_metrics(r, c, data_range, fit, micro) for r, c in parts]
        return pooled | {k: mean_without_nan([m[k] for m in local]) for k in local[0]}

    # SciPy's filters release the interpreter lock, so that threads measure several planes at once.
    with ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 8)) as pool:
        per_plane = list(pool.map(measure_plane, zip(reference, candidate, strict=True)))
    curve = linearity(reference, candidate)
    return {
        **{k: mean_without_nan([p[k] for p in per_plane]) for k in PLANE_METRICS},
        "gain": fit.gain,
        "offset": fit.offset,
        "gamma": curve.gamma,
        "r_squared": curve.r_squared,
        "flux": flux(reference, candidate),
        "data_range": float(data_range),
        "invalid": count_invalid(reference, candidate),
        "planes": per_plane if len(per_plane) > 1 else [],
    }


def _pixel_metrics(reference: Planes, candidate: Planes, data_range: float, fit: GainOffset) -> dict[str, float]:
    """Return the metrics that compare single pixels; colour samples are pooled."""
    aligned = fit.apply(candidate)
    return {
        "psnr": psnr(reference, candidate, data_range=data_range),
        "nrmse": nrmse(reference, candidate),
        "mae": mae(reference, candidate),
        "nmi": nmi(reference, candidate),
        "pearson": pearson(reference, candidate),
        "si_psnr": si_psnr(reference, candidate),
        "psnr_aligned": psnr(reference, aligned, data_range=data_range),
        "nrmse_aligned": nrmse(reference, aligned),
        "mae_aligned": mae(reference, aligned),
    }


def _neighbourhood_metrics(
    reference: Planes, candidate: Planes, data_range: float, fit: GainOffset, micro: MicroSsimFit | None
) -> dict[str, float]:
    """Return the metrics that compare neighbourhoods of a plane ``(Y, X)``, before and after the fit."""
    edges_r, edges_c = laplacian_of_gaussian(reference), laplacian_of_gaussian(candidate)
    edge_metrics = {
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
        nan if micro is None else micro.score(moments),
        moments.with_gain_offset((fit.gain, fit.offset)).mean_ssim(data_range),
        combine_scales(aligned_scales, data_range=data_range),
    )
    return edge_metrics | dict(zip(names, values, strict=True))
