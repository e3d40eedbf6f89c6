"""Models of magnetic resonance on truncated k-space with Rician noise, on images that no training used.

The crops are those of kind ``mri`` in `grid_parts.crops`; half of k-space is kept along both axes, and the magnitude
has noise of 0, 0.02, 0.05 or 0.1 of the range in its real and imaginary part. Models have their default settings. The
classical method is the best of six *for each image*, which a user cannot choose without the truth: bicubic, Lanczos and
sinc interpolation (zero-filling), and non-local means by the true noise before bicubic and sinc interpolation, of which
the latter also without the bias of a magnitude (Gudbjartsson, Patz 1995, doi:10.1002/mrm.1910340618). Scores are
decibels of PSNR, whose peak is the range of the truth from its 0.1 to its 99.9 percentile.
"""

import zlib
from collections.abc import Iterator, Sequence
from math import log10
from typing import Any

import numpy as np
from grid_parts.crops import LEAST_ERROR, Crop

from napari_superres import upscale
from napari_superres.degradation import kspace
from napari_superres.evaluation.classical import denoise
from napari_superres.models import Model

SIGMAS = (0.0, 0.02, 0.05, 0.1)
FLAT = (0.0, 0.1, 0.5, 0.9)
"""Intensities of the flat fields."""


def scan(truth: np.ndarray, sigma: float, name: str) -> np.ndarray:
    low = kspace.truncate(truth, (2, 2))
    random = np.random.default_rng(zlib.crc32(f"{name} {sigma}".encode()))
    return (kspace.rician(low, sigma, random) if sigma else np.abs(low)).astype(np.float32)


def restore(low: np.ndarray, model: Model | str) -> np.ndarray:
    return np.asarray(upscale(low, model, axes="YX").data, dtype=np.float64)


def classical_results(low: np.ndarray, sigma: float) -> dict[str, np.ndarray]:
    found = {
        "bicubic": restore(low, "bicubic-x2"),
        "lanczos": restore(low, "lanczos-x2"),
        "zero-filling": kspace.fill_zeros(low, (2, 2)),
    }
    if sigma:
        quiet = denoise(low, 0.0, sigma)
        found["non-local means, bicubic"] = restore(quiet.astype(np.float32), "bicubic-x2")
        found["non-local means, zero-filling"] = kspace.fill_zeros(quiet, (2, 2))
        unbiased = np.sqrt(np.maximum(quiet**2 - sigma**2, 0))
        found["non-local means, unbiased, zero-filling"] = kspace.fill_zeros(unbiased, (2, 2))
    return found


def psnr(result: np.ndarray, truth: np.ndarray) -> float:
    return -10 * log10(max(float(np.square(result - truth, dtype=np.float64).mean()), LEAST_ERROR))


def measure(model: Model, crops: Sequence[Crop]) -> Iterator[dict[str, Any]]:
    for crop in crops:
        for sigma in SIGMAS:
            low = scan(crop.pixels, sigma, crop.name)
            others = {name: psnr(result, crop.pixels) for name, result in classical_results(low, sigma).items()}
            result = restore(low, model)
            best = max(others, key=lambda name: others[name])
            yield {
                "image": f"{crop.source.name}: {crop.name}",
                "seen": crop.source.seen,
                "sigma": sigma,
                "over_bicubic": psnr(result, crop.pixels) - others["bicubic"],
                "over_best": psnr(result, crop.pixels) - others[best],
                "best": best,
                "intensity": float(result.mean() / crop.pixels.mean()),
            }


def show(title: str, rows: list[dict[str, Any]]) -> None:
    over, best = (min(rows, key=lambda row: row[key]) for key in ("over_bicubic", "over_best"))
    means = [float(np.mean([row[key] for row in rows])) for key in ("over_bicubic", "over_best", "intensity")]
    print(
        f"{title:22}{means[0]:+8.2f}{means[1]:+8.2f}{over['over_bicubic']:+8.2f}{best['over_best']:+8.2f}"
        f"{100 * (means[2] - 1):+8.2f}   {best['image']}, {best['sigma']:g}, {best['best']}"
    )


def show_flat(model: Model) -> None:
    """Print by how much flat fields deviate from their mean, and that mean from what it should be."""
    for sigma in SIGMAS[1:]:
        parts = []
        for level in FLAT:
            # Two corners give the image its range.
            truth = np.full((192, 192), level)
            truth[:8, :8], truth[-8:, -8:] = 1.0, 0.0
            flat = restore(scan(truth, sigma, "flat"), model)[48:-48, 48:-48]
            parts.append(f"{level:g}: {flat.mean() - level:+.4f} ± {flat.std():.4f}, most {np.ptp(flat):.3f}")
        print(f"flat, noise {sigma:<10g}{'; '.join(parts)}")


def measure_scans(name: str, model: Model, crops: Sequence[Crop]) -> None:
    """Measure a model and print the figures."""
    rows = list(measure(model, crops))
    print(f"\n{name}: mean dB over bicubic, over the best classical method; worst of both; mean intensity in %")
    for sigma in SIGMAS:
        show(f"noise {sigma:g}", [row for row in rows if row["sigma"] == sigma])
    show("seen sources", [row for row in rows if row["seen"]])
    show("unseen sources", [row for row in rows if not row["seen"]])
    show("all", rows)
    show_flat(model)
