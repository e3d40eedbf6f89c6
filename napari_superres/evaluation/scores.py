"""The rows of a report: every metric of one candidate against the reference, raw and aligned."""

from collections.abc import Sequence
from math import nan
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.evaluation import metrics
from napari_superres.evaluation.align import fit_affine
from napari_superres.evaluation.conventions import Rules
from napari_superres.evaluation.report import Row

Planes = npt.NDArray[Any]
Limits = Sequence[tuple[float, float]]

_AVERAGED = (
    "psnr", "ssim", "nrmse", "mae", "pearson", "psnr_aligned", "ssim_aligned", "nrmse_aligned", "mae_aligned",
)  # fmt: skip


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
    out = {**rows[0], **labels}
    for key in _AVERAGED:
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
    per_plane = []
    for r, c in zip(reference, candidate, strict=True):
        raw = _plane_metrics(r, c, data_range)
        aligned = _plane_metrics(r, fit.apply(c), data_range)
        raw["pearson"] = metrics.pearson(r, c)
        per_plane.append(raw | {f"{k}_aligned": v for k, v in aligned.items()})
    return {
        **{k: mean_of([p[k] for p in per_plane]) for k in _AVERAGED},
        "gain": fit.gain,
        "offset": fit.offset,
        "data_range": float(data_range),
        "invalid": metrics.count_invalid(reference, candidate),
    }


def _plane_metrics(reference: Planes, candidate: Planes, data_range: float) -> dict[str, float]:
    return {
        "psnr": metrics.psnr(reference, candidate, data_range=data_range),
        "ssim": _plane_ssim(reference, candidate, data_range),
        "nrmse": metrics.nrmse(reference, candidate),
        "mae": metrics.mae(reference, candidate),
    }


def _plane_ssim(reference: Planes, candidate: Planes, data_range: float) -> float:
    if min(reference.shape[:2]) < metrics.SSIM_WINDOW:
        return nan
    if reference.ndim == 2:
        return metrics.ssim(reference, candidate, data_range=data_range)
    return mean_of(
        [metrics.ssim(reference[..., s], candidate[..., s], data_range=data_range) for s in range(reference.shape[-1])]
    )
