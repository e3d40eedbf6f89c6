"""What a model is compared with: the classical methods, and the scores of one image in one condition."""

import inspect
import json
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from grid_parts.crops import Input

from napari_superres import upscale
from napari_superres.evaluation import classical

CLASSICAL = ("bicubic", "richardson-lucy", "non-local means", "non-local means, richardson-lucy")
"""The classical methods, of which the best is taken for each image."""

TUNED = (10, 30)
"""Iterations of Richardson-Lucy that undoes the area of pixels too, for images without noise."""


@dataclass(frozen=True)
class Row:
    """Scores of one crop in one condition, in dB."""

    crop: str
    source: str
    seen: bool
    sigma: float
    photons: int | None
    model: float
    classical: dict[str, float]

    @property
    def over_bicubic(self) -> float:
        return self.model - self.classical["bicubic"]

    @property
    def best(self) -> float:
        return max(self.classical[name] for name in CLASSICAL)

    @property
    def best_method(self) -> str:
        return max(CLASSICAL, key=lambda name: self.classical[name])

    @property
    def over_best(self) -> float:
        return self.model - self.best

    @property
    def over_tuned(self) -> float:
        return self.model - max(self.classical.values())


def condition(sigma: float, photons: int | None) -> str:
    return f"sigma {sigma:g}, {'no noise' if photons is None else f'{photons} photons'}"


def interpolate(pixels: np.ndarray, scale: int) -> np.ndarray:
    return np.asarray(upscale(pixels, f"bicubic-x{scale}", axes="YX").data) if scale > 1 else pixels


def classical_results(low: Input) -> dict[str, np.ndarray]:
    """Return the result of each classical method; without blur or noise some of them are the same."""
    bicubic = interpolate(low.pixels, low.scale)
    quiet = classical.denoise(low.pixels, low.gain, 0.0).astype(np.float32)
    denoised = interpolate(quiet, low.scale) if low.gain else bicubic

    def deconvolve(pixels: np.ndarray) -> np.ndarray:
        return classical.richardson_lucy(pixels, low.sigma) if low.sigma else pixels

    found = {
        "bicubic": bicubic,
        "richardson-lucy": deconvolve(bicubic),
        "non-local means": denoised,
        "non-local means, richardson-lucy": deconvolve(denoised),
    }
    if not low.gain:
        for iterations in TUNED:
            sharp = classical.richardson_lucy(bicubic, low.sigma, iterations, pixel=low.scale)
            found[f"richardson-lucy, {iterations} iterations, pixel area"] = sharp
    return found


class Cache:
    """Classical scores on disk, so that they are computed once for all models. Without a folder nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        code = zlib.crc32((inspect.getsource(classical) + inspect.getsource(classical_results)).encode())
        self.path = folder / f"classical-{code:08x}.json" if folder else None
        self.known: dict[str, dict[str, float]] = {}
        if self.path and self.path.exists():
            self.known = json.loads(self.path.read_text(encoding="utf-8"))

    def scores(self, low: Input) -> dict[str, float]:
        key = f"{zlib.crc32(low.pixels.tobytes()):08x} {low.scale} {low.sigma} {low.photons}"
        if key not in self.known:
            self.known[key] = {name: low.score(result) for name, result in classical_results(low).items()}
        return self.known[key]

    def save(self) -> None:
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps(self.known), encoding="utf-8")
