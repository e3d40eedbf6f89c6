"""The columns of a report: their order, titles and formats in tables."""

from math import isnan
from typing import Any

from napari_superres.evaluation.metrics.score import CHANNEL_METRICS, PLANE_METRICS

COLUMNS = (
    *("image", "candidate", "channel"),
    *PLANE_METRICS,
    *("gain", "offset"),
    *CHANNEL_METRICS,
    *("data_range", "invalid", "constant"),
)

IN_TEXT = (
    "image",
    "candidate",
    "channel",
    "psnr",
    "ssim",
    "ms_ssim",
    "nrmse",
    "mae",
    "hfen",
    "pearson",
    "psnr_aligned",
    "ssim_aligned",
    "gain",
    "offset",
    "gamma",
    "flux",
    "data_range",
    "invalid",
    "constant",
)
"""Columns of `Report.table`; files have all columns."""

APPENDIX = {
    "Intensities as they are": [c for c in PLANE_METRICS if not c.endswith("_aligned")],
    "Aligned: after the best gain and offset": [
        "gain",
        "offset",
        *(c for c in PLANE_METRICS if c.endswith("_aligned")),
    ],
    "Intensities, and what was left out": list(COLUMNS[COLUMNS.index("offset") + 1 :]),
}
"""All columns of numbers in groups that fit on a sheet of paper."""

_NAMES = {
    "psnr": "PSNR dB",
    "ssim": "SSIM",
    "ms_ssim": "MS-SSIM",
    "nrmse": "NRMSE",
    "mae": "MAE",
    "hfen": "HFEN",
    "nmi": "NMI",
    "pearson": "r",
    "si_psnr": "SI-PSNR",
    "micro_ssim": "MicroSSIM",
    "r_squared": "R2",
    "data_range": "range",
}
_FORMATS = {
    **dict.fromkeys(("gamma", "flux"), ".3g"),
    **dict.fromkeys(("psnr", "psnr_aligned", "si_psnr"), ".2f"),
    **dict.fromkeys(("mae", "mae_aligned", "gain", "offset"), ".4g"),
}


def title(column: str) -> str:
    """Return the title of a column, such as ``SSIM aligned``."""
    metric = column.removesuffix("_aligned")
    name = _NAMES.get(metric, metric)
    if metric != column:
        name = name.removesuffix(" dB")
    return f"{name} aligned" if metric != column else name


def format_value(column: str, value: Any) -> str:
    """Return a value of a column as text; a dash where it was not measured."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and isnan(value):
        return "-"
    if isinstance(value, int):
        return str(value)
    return format(value, ".6g" if column == "data_range" else _FORMATS.get(column, ".4f"))
