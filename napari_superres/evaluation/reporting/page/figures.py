"""The figures of a report, drawn with matplotlib and returned as SVG or PNG text for a page."""

import base64
import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_superres.core.image import Image
from napari_superres.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_superres.evaluation.metrics.score import Row
    from napari_superres.evaluation.reporting.findings import Findings
    from napari_superres.evaluation.uncertainty.calibration import Calibration

_COLORS = {"input": "#7a7a7a", "bicubic": "#c77c11", "result": "#1262b3", "reference": "#2a2a2a"}
_MAPS = {
    "result": "gray",
    "reference": "gray",
    "difference": "RdBu_r",
    "SSIM": "viridis",
    "agreement": "magma_r",
    "residual": "RdBu_r",
}
_HINTS = "agreement: white where the two share nothing; residual: what the input does not show"
_COLUMNS = 3
_LARGEST = 512
"""Largest edge, in pixels, that a map is drawn with."""


def of_findings(findings: "Findings") -> list[tuple[str, str]]:
    """Return titles and data URIs of all figures that can be drawn of one image; none where its maps were not kept."""
    if not findings.maps:
        return []
    figures = [(f"Maps of the middle plane ({_HINTS})", png_uri(_maps(findings)))]
    if findings.agreement is not None:
        figures.append(("Agreement with the reference, by detail", _svg(_panel(lambda a: _rings(a, findings)))))
    figures.append(("Power spectrum", _svg(_panel(lambda a: _spectra(a, findings)))))
    if findings.linearity:
        figures.append(("Intensities over those of the reference", _svg(_panel(lambda a: _linearity(a, findings)))))
    if findings.consistency is not None:
        figures.append(
            ("Share of each band that the input does not explain", _svg(_panel(lambda a: _bands(a, findings))))
        )
    return figures


def of_rows(rows: Sequence["Row"]) -> list[tuple[str, str]]:
    """Return a figure of every candidate's gain over bicubic interpolation, image by image; none for one image."""
    overall = [r for r in rows if r["channel"] == "all" and r["image"] != "mean"]
    base = {r["image"]: r["psnr"] for r in overall if r["candidate"].startswith("bicubic") and r["role"] == "baseline"}
    names = list(dict.fromkeys(r["candidate"] for r in overall if r["psnr"] is not None and r["image"] in base))
    if len(base) < 2:
        return []

    def draw(axes: "Axes") -> None:
        for i, name in enumerate(names):
            gains = [r["psnr"] - base[r["image"]] for r in overall if r["candidate"] == name and r["image"] in base]
            gains = [g for g in gains if np.isfinite(g)]
            axes.plot(gains, np.full(len(gains), i), "|", ms=14, color=_COLORS["result"])
            axes.plot([np.mean(gains)] if gains else [], [i] if gains else [], "o", color=_COLORS["reference"])
        axes.axvline(0, color=_COLORS["bicubic"], lw=1)
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("PSNR less that of bicubic / dB (one line per image, dot: mean)")

    return [("Gain over interpolation", _svg(_panel(draw, width=6.4)))]


def of_calibration(calibration: "Calibration") -> list[tuple[str, str]]:
    """Return the coverage curve of a calibration, and its coverage by intensity and disagreement."""

    def draw(axes: "Axes") -> None:
        nominal, covered = zip(*calibration.curve, strict=True)
        axes.plot([0, 1], [0, 1], color=_COLORS["input"], lw=1)
        axes.plot(nominal, covered, "o-", color=_COLORS["result"])
        axes.set_xlabel("nominal coverage")
        axes.set_ylabel("coverage of images left out")

    def draw_parts(axes: "Axes") -> None:
        groups = {"intensity": calibration.by_intensity, "disagreement": calibration.by_spread}
        for i, (name, quartiles) in enumerate(groups.items()):
            at = np.arange(len(quartiles)) + 0.4 * i
            axes.bar(at, [100 * share for share in quartiles], 0.38, label=f"quartiles of {name}")
        axes.axhline(100 * (1 - calibration.alpha), color=_COLORS["reference"], lw=1)
        axes.set_ylabel("coverage / %")
        axes.set_xticks([])
        axes.legend(fontsize=7)

    return [
        ("Calibration of the error bars", _svg(_panel(draw))),
        ("Coverage by quartiles of intensity and of disagreement (lowest left)", _svg(_panel(draw_parts))),
    ]


def _rings(axes: "Axes", findings: "Findings") -> None:
    assert findings.agreement is not None
    curves = {
        "result and reference": (findings.agreement, "result"),
        "bicubic and reference": (findings.interpolated, "bicubic"),
        "two inputs": (findings.repeat, "input"),
    }
    for label, (curve, color) in curves.items():
        if curve is not None:
            axes.plot(curve.frequency, curve.correlation, label=label, color=_COLORS[color])
    rings = findings.agreement
    axes.plot(rings.frequency, rings.threshold("1/7"), ":", color="k", lw=1, label="1/7")
    axes.plot(rings.frequency[3:], rings.threshold("half-bit")[3:], "--", color="k", lw=1, label="half-bit")
    if "input" in findings.spectra:
        limit = findings.spectra["input"][0][-1]
        axes.axvspan(limit, rings.frequency[-1], color="#1262b318", label="beyond the input's pixels")
    axes.set_ylim(-0.15, 1.05)
    axes.set_xlabel(f"spatial frequency / cycles per {findings.unit}")
    axes.set_ylabel("correlation")
    axes.legend(fontsize=7)


def _spectra(axes: "Axes", findings: "Findings") -> None:
    for name, (frequency, power) in findings.spectra.items():
        axes.semilogy(frequency[1:], power[1:].clip(min=1e-12), label=name, color=_COLORS[name])
    axes.set_xlabel(f"spatial frequency / cycles per {findings.unit}")
    axes.set_ylabel("power")
    axes.legend(fontsize=7)


def _linearity(axes: "Axes", findings: "Findings") -> None:
    for name, curve in findings.linearity.items():
        axes.plot(curve.reference, curve.candidate, "o-", ms=3, label=f"{name}: gamma {curve.gamma:.2f}")
    ends = axes.get_xlim()
    axes.plot(ends, ends, color=_COLORS["input"], lw=1)
    axes.set_xlabel("reference")
    axes.set_ylabel("result, mean per bin")
    axes.legend(fontsize=7)


def _bands(axes: "Axes", findings: "Findings") -> None:
    assert findings.consistency is not None
    bands = findings.consistency.bands
    axes.bar(
        [b.low for b in bands],
        [100 * b.invented for b in bands],
        [b.high - b.low for b in bands],
        align="edge",
        color=_COLORS["result"],
        edgecolor="white",
    )
    axes.set_xlabel("spatial frequency / cycles per pixel of the result")
    axes.set_ylabel("not explained by the input / %")


def _maps(findings: "Findings") -> "Figure":
    names = [n for n in _MAPS if n in findings.maps]
    rows = -(-len(names) // _COLUMNS)
    height, width = _plane(findings.maps["result"]).shape
    figure = new_figure(3.4 * _COLUMNS, rows * (0.3 + 2.8 * min(height / width, 1.5)))
    grey = _limits(findings.maps["reference" if "reference" in findings.maps else "result"])
    for i, name in enumerate(names):
        axes = figure.add_subplot(rows, _COLUMNS, i + 1)
        values = _plane(findings.maps[name])
        if name in ("difference", "residual"):
            most = float(np.nanpercentile(np.abs(values), 99.5)) if np.isfinite(values).any() else 1.0
            low, high = (-6.0, 6.0) if name == "residual" else (-most, most or 1.0)
        else:
            low, high = {"SSIM": (0.0, 1.0)}.get(name, grey if _MAPS[name] == "gray" else _limits(findings.maps[name]))
        picture = axes.imshow(values, cmap=_MAPS[name], vmin=low, vmax=high, interpolation="nearest")
        titles = {"residual": "residual / sigma", "agreement": f"agreement / {findings.unit}"}
        axes.set_title(titles.get(name, name), fontsize=9)
        axes.axis("off")
        figure.colorbar(picture, ax=axes, shrink=0.7).ax.tick_params(labelsize=6)
    return figure


def _plane(image: Image) -> np.ndarray[Any, Any]:
    values = np.asarray(image.data, dtype=np.float64)
    values = values.reshape(-1, *values.shape[-2:])[0]
    step = max(1, -(-max(values.shape) // _LARGEST))
    return np.asarray(values[::step, ::step])


def _limits(image: Image) -> tuple[float, float]:
    values = _plane(image)
    if not np.isfinite(values).any():
        return 0.0, 1.0
    low, high = np.nanpercentile(values, [0.5, 99.5])
    return float(low), float(high if high > low else low + 1)


def _panel(draw: Callable[["Axes"], None], *, width: float = 4.6) -> "Figure":
    figure = new_figure(width, 3.2)
    axes = figure.add_subplot()
    draw(axes)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure of a size in inches.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError(
            "figures need matplotlib, which is not installed.", remedy="Run: pip install matplotlib"
        ) from error
    return Figure(figsize=(width, height), layout="constrained")


def _svg(figure: "Figure") -> str:
    return _uri(figure, "svg", "image/svg+xml")


def png_uri(figure: "Figure") -> str:
    """Return a figure as the data URI of a PNG."""
    return _uri(figure, "png", "image/png")


def _uri(figure: "Figure", kind: str, mime: str) -> str:
    import matplotlib as mpl

    out = io.BytesIO()
    # Equal reports must be equal files, so the figure holds no date and no random names.
    with mpl.rc_context({"svg.hashsalt": kind}):
        figure.savefig(out, format=kind, dpi=110, metadata={"Date": None} if kind == "svg" else None)
    return f"data:{mime};base64,{base64.b64encode(out.getvalue()).decode()}"
