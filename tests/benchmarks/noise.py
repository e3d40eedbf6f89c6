"""Measure how well the program estimates the noise of images: known noise is added to real ones.

    python tests/benchmarks/noise.py DATA [--kinds em ct ...] [--edges 64 128 256] [--most 40] [--methods ...]

DATA holds one folder per kind, such as ``em``, ``sem``, ``ct``, ``microct``, ``fluorescence`` and ``photographs``. Each
plane is stretched to 0..1 by its percentiles 0.1 and 99.9, blurred by a Gaussian of 0, 0.5, 1 and 1.5 pixels, and
averaged over 2 x 2 pixels. Noise is then added: none, that of 300 or 30 photons at intensity 1, or Gaussian of 0.02 or
0.05. One crop is taken per plane, PSF and edge.

Printed are the median and the 5 and 95 % quantiles of the estimated over the true standard deviation at the median
intensity of a crop, and in brackets at its 95 % quantile; without added noise, those of the estimated standard
deviation itself, in per cent of the range. The noise that an image holds already counts there, so it cannot become
zero. "failed" counts the crops without an estimate. The last columns are the estimator of scikit-image, whose answer is
the same for all brightnesses.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from skimage.restoration import estimate_sigma

from napari_superres import read_image
from napari_superres.core.noise import measure_noise
from napari_superres.degradation.optics import bin_mean, blur
from napari_superres.errors import SuperResError
from napari_superres.io import find_images

KINDS = ["em", "sem", "ct", "microct", "fluorescence", "photographs"]
SIGMAS = (0.0, 0.5, 1.0, 1.5)
NOISES = {"none": (0.0, 0.0), "300": (1 / 300, 0.0), "30": (1 / 30, 0.0), "0.02": (0.0, 0.02), "0.05": (0.0, 0.05)}
"""Variance per intensity, and standard deviation at intensity 0."""

_LUMA = (0.299, 0.587, 0.114)
_MIN_CONTRAST = 0.03
_TRIES = 6

Line = tuple[float, float]
"""Variance of the noise at intensity 0, and per intensity."""


def planes_of(path: Path, most: int) -> Iterator[np.ndarray]:
    """Yield at most so many planes of an image, from the middle half of a volume."""
    image = read_image(path)
    data = np.asarray(image.data).astype(np.float64)
    if "S" in image.axes:
        data = data[..., :3] @ np.array(_LUMA)
    planes = data.reshape(-1, *data.shape[-2:])
    for i in np.unique(np.linspace(len(planes) * 0.25, len(planes) * 0.75, most).astype(int)):
        low, high = np.percentile(planes[min(i, len(planes) - 1)], [0.1, 99.9])
        if high > low:
            yield (planes[min(i, len(planes) - 1)] - low) / (high - low)


def crop_of(low: np.ndarray, edge: int, rng: np.random.Generator) -> np.ndarray | None:
    """Return a part of an image that is not empty, or None."""
    if min(low.shape) < edge:
        return None
    for _ in range(_TRIES):
        y, x = (int(rng.integers(n - edge + 1)) for n in low.shape)
        part = low[y : y + edge, x : x + edge]
        if part.std() > _MIN_CONTRAST:
            break
    return part


def crops(folder: Path, edges: list[int], most: int) -> Iterator[np.ndarray]:
    """Yield noiseless low-resolution crops of all images of a folder: of at most `most` planes in all."""
    paths = find_images(folder)
    chosen = [paths[i] for i in np.unique(np.linspace(0, len(paths) - 1, min(most, len(paths))).round().astype(int))]
    rng = np.random.default_rng(0)
    for plane in (plane for path in chosen for plane in planes_of(path, max(1, most // len(chosen)))):
        for sigma in SIGMAS:
            low = bin_mean(blur(plane, (sigma, sigma)), (2, 2))
            yield from (part for edge in edges if (part := crop_of(low, edge, rng)) is not None)


def noisy(clean: np.ndarray, gain: float, read_noise: float, rng: np.random.Generator) -> np.ndarray:
    light = rng.poisson(clean.clip(min=0) / gain) * gain if gain else clean
    return light + rng.normal(0, read_noise, clean.shape) if read_noise else light


def ours(image: np.ndarray) -> Line:
    found = measure_noise([image])
    return found.gain * (0 - found.offset) + found.read_noise**2, found.gain


def of_skimage(image: np.ndarray) -> Line:
    return float(estimate_sigma(image)) ** 2, 0.0


METHODS: dict[str, Callable[[np.ndarray], Line]] = {"measure_noise": ours, "skimage": of_skimage}


def cell(found: list[tuple[float, float]], failed: int, factor: float) -> str:
    if not found:
        return f"failed {failed}"
    median, bright = (np.quantile(np.array(found)[:, i], [0.5, 0.05, 0.95]) * factor for i in (0, 1))
    text = "{:5.2f} ({:.2f} to {:.2f}) [{:.2f} ({:.2f} to {:.2f})]".format(*median, *bright)
    return text + (f" failed {failed}" if failed else "")


def table(data: Path, kind: str, edge: int, most: int, methods: list[str]) -> None:
    results: dict[tuple[str, str], list[tuple[float, float]]] = {(n, m): [] for n in NOISES for m in methods}
    failed = dict.fromkeys(results, 0)
    spent = dict.fromkeys(methods, 0.0)
    rng = np.random.default_rng(1)
    count = 0
    for clean in crops(data / kind, [edge], most):
        count += 1
        at = np.quantile(clean, [0.5, 0.95]).clip(min=0.01)
        for noise, (gain, read_noise) in NOISES.items():
            image = noisy(clean, gain, read_noise, rng)
            true = np.sqrt(gain * at + read_noise**2) if noise != "none" else np.ones(2)
            for method in methods:
                start = time.perf_counter()
                try:
                    base, slope = METHODS[method](image)
                except SuperResError:
                    failed[noise, method] += 1
                    continue
                spent[method] += time.perf_counter() - start
                ratio = np.sqrt(np.maximum(base + slope * at, 0)) / true
                results[noise, method].append((float(ratio[0]), float(ratio[1])))
    for noise in NOISES if count else ():
        cells = [cell(results[noise, m], failed[noise, m], 100 if noise == "none" else 1) for m in methods]
        print(f"{kind:12} {edge:4} {count:4} {noise:5} " + "  | ".join(f"{c:56}" for c in cells), flush=True)
    if count:
        print(" " * 28 + "  | ".join(f"{1e3 * spent[m] / count / len(NOISES):.1f} ms".ljust(56) for m in methods))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with one folder per kind of image")
    parser.add_argument("--kinds", nargs="+", default=KINDS)
    parser.add_argument("--edges", nargs="+", type=int, default=[64, 128, 256], help="pixels along Y and X of a crop")
    parser.add_argument("--most", type=int, default=40, help="planes per kind")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    given = parser.parse_args()
    print(f"{'kind':12} edge crops noise " + "  | ".join(f"{m:56}" for m in given.methods))
    for kind in given.kinds:
        for edge in given.edges:
            table(given.data, kind, edge, given.most, given.methods)


if __name__ == "__main__":
    main()
