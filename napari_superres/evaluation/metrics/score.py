"""The rows of a report: every metric of one candidate against the reference, raw and aligned."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from math import nan
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.evaluation.metrics import full_reference as metrics
from napari_superres.evaluation.metrics.conventions import Rules
from napari_superres.evaluation.metrics.intensity_fit import AffineFit, fit_affine
from napari_superres.evaluation.metrics.linearity import flux, linearity, si_psnr
from napari_superres.evaluation.metrics.ssim import WINDOW, MicroFit, Moments, fit_micro, ms_ssim, pyramid

Planes = npt.NDArray[Any]
Row = dict[str, Any]
"""Metrics of one image, candidate and channel."""

Limits = Sequence[tuple[float, float]]

MEASURED = (
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
"""What is measured plane by plane."""

OF_CHANNEL = ("gamma", "r_squared", "flux")
"""What is measured of all planes of a channel at once."""


def planes_of(image: Image, channel: int) -> Planes:
    """Return one channel as ``(P, Y, X)``, or ``(P, Y, X, S)``, with T and Z joined to P."""
    data = np.asarray(image.data)
    axes = image.axes
    if "C" in axes:
        data = np.take(data, channel, axis=axes.index("C"))
        axes = axes.replace("C", "")
    order = [a for a in "TZYXS" if a in axes]
    data = data.transpose([axes.index(a) for a in order])
    inner = data.shape[-3:] if "S" in axes else data.shape[-2:]
    return data.reshape(-1, *inner)


def limits_of(reference: Image, rules: Rules, scale: Sequence[int] | None) -> list[tuple[float, float]]:
    """Return smallest and largest intensity of the data range, per channel."""
    samples = "S" in reference.axes
    return [
        rules.limits(rules.values(planes_of(reference, c), samples, scale), reference.dtype)
        for c in range(reference.size("C"))
    ]


def score(
    candidate: Image,
    reference: Image,
    rules: Rules,
    limits: Limits,
    *,
    image: str,
    name: str,
    scale: Sequence[int] | None,
) -> list[Row]:
    """Return one row per channel, and a row ``"all"`` (the only one where there is one channel).

    Parameters
    ----------
    candidate, reference
        Same axes and shape.
    rules, limits
        What is compared, and the data range per channel.
    image, name
        First two columns of the rows.
    scale
        Factor along Y and X, for the convention that crops by it.
    """
    channels = reference.size("C")
    names = reference.channel_names or candidate.channel_names or tuple(str(c) for c in range(channels))
    samples = "S" in reference.axes
    rows = []
    for channel in range(channels):
        low, high = limits[channel]
        r = rules.values(planes_of(reference, channel), samples, scale)
        c = rules.values(planes_of(candidate, channel), samples, scale)
        rows.append({"image": image, "candidate": name, "channel": names[channel], **_measure(r, c, high - low)})
    if channels == 1:
        return [{**rows[0], "channel": "all"}]
    return [*rows, average(rows, channel="all")]


def average(rows: Sequence[Row], **labels: str) -> Row:
    """Return the mean of rows; what has no mean (gain, offset, data range) is nan unless all agree."""
    out = {**rows[0], **labels, "planes": []}
    for key in (*MEASURED, *OF_CHANNEL):
        out[key] = mean_of([row[key] for row in rows])
    for key in ("gain", "offset", "data_range"):
        values = {row[key] for row in rows}
        out[key] = values.pop() if len(values) == 1 else nan
    out["invalid"] = sum(row["invalid"] for row in rows)
    return out


def mean_of(values: Sequence[float]) -> float:
    """Return the mean of what could be measured, nan if nothing could."""
    measured = [v for v in values if not np.isnan(v)]
    return float(np.mean(measured)) if measured else nan


def _measure(reference: Planes, candidate: Planes, data_range: float) -> dict[str, Any]:
    fit = fit_affine(reference, candidate)
    colours = range(reference.shape[-1]) if reference.ndim == 4 else None
    micro = None if colours else fit_micro(reference, candidate)

    def measure(pair: tuple[Planes, Planes]) -> dict[str, float]:
        pooled = _pooled(*pair, data_range, fit)
        parts = [pair] if colours is None else [(pair[0][..., s], pair[1][..., s]) for s in colours]
        found = [_of_plane(r, c, data_range, fit, micro) for r, c in parts]
        return pooled | {k: mean_of([f[k] for f in found]) for k in found[0]}

    # The filters let go of the interpreter: planes are measured side by side.
    with ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 8)) as pool:
        per_plane = list(pool.map(measure, zip(reference, candidate, strict=True)))
    curve = linearity(reference, candidate)
    return {
        **{k: mean_of([p[k] for p in per_plane]) for k in MEASURED},
        "gain": fit.gain,
        "offset": fit.offset,
        "gamma": curve.gamma,
        "r_squared": curve.r_squared,
        "flux": flux(reference, candidate),
        "data_range": float(data_range),
        "invalid": metrics.count_invalid(reference, candidate),
        "planes": per_plane if len(per_plane) > 1 else [],
    }


def _pooled(reference: Planes, candidate: Planes, data_range: float, fit: AffineFit) -> dict[str, float]:
    """Return metrics of single pixels, colour samples pooled."""
    aligned = fit.apply(candidate)
    return {
        "psnr": metrics.psnr(reference, candidate, data_range=data_range),
        "nrmse": metrics.nrmse(reference, candidate),
        "mae": metrics.mae(reference, candidate),
        "nmi": metrics.nmi(reference, candidate),
        "pearson": metrics.pearson(reference, candidate),
        "si_psnr": si_psnr(reference, candidate),
        "psnr_aligned": metrics.psnr(reference, aligned, data_range=data_range),
        "nrmse_aligned": metrics.nrmse(reference, aligned),
        "mae_aligned": metrics.mae(reference, aligned),
    }


def _of_plane(
    reference: Planes, candidate: Planes, data_range: float, fit: AffineFit, micro: MicroFit | None
) -> dict[str, float]:
    """Return metrics of neighbourhoods; those after the line follow from the same filtered planes."""
    edges = [metrics.laplacian_of_gaussian(v) for v in (reference, candidate)]
    found = {
        "hfen": metrics.relative_norm(*edges),
        "hfen_aligned": metrics.relative_norm(edges[0], fit.gain * edges[1]),
    }
    names = ("ssim", "ms_ssim", "micro_ssim", "ssim_aligned", "ms_ssim_aligned")
    if min(reference.shape) < WINDOW:
        return found | dict.fromkeys(names, nan)
    moments = Moments.of(reference, candidate)
    scales = pyramid(reference, candidate, moments)
    lines = [m.mapped((fit.gain, fit.offset)) for m in scales]
    values = (
        moments.mean(data_range),
        ms_ssim(scales, data_range=data_range),
        nan if micro is None else micro.score(moments),
        moments.mapped((fit.gain, fit.offset)).mean(data_range),
        ms_ssim(lines, data_range=data_range),
    )
    return found | dict(zip(names, values, strict=True))
