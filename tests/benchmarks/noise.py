"""Measure how well the program estimates the noise of images: known noise is added to real ones.

    python tests/benchmarks/noise.py DATA [--kinds em ct ...] [--edges 64 128 256] [--most 60]

DATA holds one folder per kind, such as ``em``, ``sem``, ``ct``, ``microct``, ``fluorescence`` and ``photographs``. Each
plane is stretched to 0..1 by its percentiles 0.1 and 99.9, blurred by a Gaussian of 0, 0.5, 1 and 1.5 pixels, and
averaged over 2 x 2 pixels. Noise is then added: none, that of 300 or 30 photons at intensity 1, or Gaussian of 0.02 or
0.05. One crop is taken per plane, PSF and edge.

Printed are the median and the 5 and 95 % quantiles of the estimated over the true standard deviation, at the median
intensity of a crop and in brackets at its 95 % quantile (but at least at 0.05).

Where no noise was added, it is the estimated standard deviation in per cent of the range: in row ``none`` for all
widths of the PSF, in ``none, 0`` without a PSF. Real images hold noise of their own, so that is not an error alone.
Row ``own, 0`` shows what is left of it: half of what is estimated before the 2 x 2 mean. More than that in row
``none, 0`` is structure taken for noise.

The second column is scikit-image's ``estimate_sigma``, which needs PyWavelets: one level for all brightnesses.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from napari_superres import read_image
from napari_superres.core.binning import bin_mean
from napari_superres.core.noise import measure_noise
from napari_superres.degradation.optics import blur
from napari_superres.errors import SuperResError
from napari_superres.io import find_images

KINDS = ["em", "sem", "ct", "microct", "fluorescence", "photographs"]
SIGMAS = (0.0, 0.5, 1.0, 1.5)
NOISES = {"300": (1 / 300, 0.0), "30": (1 / 30, 0.0), "0.02": (0.0, 0.02), "0.05": (0.0, 0.05)}
"""Variance per intensity, and standard deviation at intensity 0."""

_LUMA = (0.299, 0.587, 0.114)
_MIN_CONTRAST = 0.03
_TRIES = 6

Sigma = Callable[[np.ndarray], np.ndarray]
"""Standard deviation of the noise at intensities."""


@dataclass(frozen=True)
class Crop:
    """A low-resolution part of an image without added noise, and the same part before the 2 x 2 mean."""

    psf_sigma: float
    low: np.ndarray
    fine: np.ndarray


@dataclass
class Row:
    """Results in one kind of noise."""

    factor: float
    found: list[np.ndarray] = field(default_factory=list)
    failed: int = 0

    def __str__(self) -> str:
        if not self.found:
            return f"failed {self.failed}"
        median, bright = (self.factor * np.quantile(self.found, [0.5, 0.05, 0.95], axis=0)).T
        text = "{:5.2f} ({:.2f} to {:.2f}) [{:.2f} ({:.2f} to {:.2f})]".format(*median, *bright)
        return text + (f" failed {self.failed}" if self.failed else "")


def planes_of(path: Path, most: int) -> Iterator[np.ndarray]:
    """Yield at most so many planes of an image, from the middle half of a volume."""
    image = read_image(path)
    data = np.asarray(image.data).astype(np.float64)
    if "S" in image.axes:
        data = data[..., :3] @ np.array(_LUMA)
    planes = data.reshape(-1, *data.shape[-2:])
    for i in np.unique(np.linspace(len(planes) * 0.25, len(planes) * 0.75, most).astype(int)):
        plane = planes[min(i, len(planes) - 1)]
        low, high = np.percentile(plane, [0.1, 99.9])
        if high > low:
            yield (plane - low) / (high - low)


def crops(folder: Path, edge: int, most: int) -> Iterator[Crop]:
    """Yield crops that are not empty of the images of a folder: of about `most` planes in all."""
    paths = find_images(folder)
    chosen = [paths[i] for i in np.unique(np.linspace(0, len(paths) - 1, min(most, len(paths))).round().astype(int))]
    rng = np.random.default_rng(0)
    for plane in (plane for path in chosen for plane in planes_of(path, max(1, most // len(chosen)))):
        for sigma in SIGMAS:
            fine = blur(plane, (sigma, sigma))
            low = bin_mean(fine, (2, 2))
            if min(low.shape) < edge:
                continue
            for _ in range(_TRIES):
                y, x = (int(rng.integers(n - edge + 1)) for n in low.shape)
                part = low[y : y + edge, x : x + edge]
                if part.std() > _MIN_CONTRAST:
                    break
            yield Crop(sigma, part, fine[2 * y : 2 * (y + edge), 2 * x : 2 * (x + edge)])


def noisy(clean: np.ndarray, gain: float, read_noise: float, rng: np.random.Generator) -> np.ndarray:
    light = rng.poisson(clean.clip(min=0) / gain) * gain if gain else clean
    return light + rng.normal(0, read_noise, clean.shape) if read_noise else light


def ours(image: np.ndarray) -> Sigma:
    return measure_noise([image]).sigma


def of_skimage(image: np.ndarray) -> Sigma:
    from skimage.restoration import estimate_sigma

    return partial(np.full_like, fill_value=float(estimate_sigma(image)))


METHODS: dict[str, Callable[[np.ndarray], Sigma]] = {"measure_noise": ours, "skimage": of_skimage}


def measure(kind: Path, edge: int, most: int, method: Callable[[np.ndarray], Sigma]) -> tuple[dict[str, Row], float]:
    """Return the results of a method, and its mean time in seconds."""
    rows = {name: Row(100) for name in ("none", "none, 0", "own, 0")} | {name: Row(1) for name in NOISES}
    rng = np.random.default_rng(1)
    times = []

    def add(image: np.ndarray, at: np.ndarray, true: np.ndarray | float, *names: str) -> None:
        start = time.perf_counter()
        try:
            sigma = method(image)(at)
        except SuperResError:
            for name in names:
                rows[name].failed += 1
            return
        times.append(time.perf_counter() - start)
        for name in names:
            rows[name].found.append(sigma / true)

    for crop in crops(kind, edge, most):
        at = np.quantile(crop.low, [0.5, 0.95]).clip(min=0.05)
        add(crop.low, at, 1.0, "none", *(["none, 0"] if crop.psf_sigma == 0 else []))
        if crop.psf_sigma == 0:
            add(crop.fine, at, 2.0, "own, 0")
        for name, (gain, read_noise) in NOISES.items():
            add(noisy(crop.low, gain, read_noise, rng), at, np.sqrt(gain * at + read_noise**2), name)
    return rows, float(np.mean(times)) if times else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with one folder per kind of image")
    parser.add_argument("--kinds", nargs="+", default=KINDS)
    parser.add_argument("--edges", nargs="+", type=int, default=[64, 128, 256], help="pixels along Y and X of a crop")
    parser.add_argument("--most", type=int, default=60, help="planes per kind, about")
    given = parser.parse_args()
    print(f"{'kind':12} edge crops {'noise':8}" + " | ".join(f"{name:50}" for name in METHODS))
    for kind in given.kinds:
        for edge in given.edges:
            results = [measure(given.data / kind, edge, given.most, method) for method in METHODS.values()]
            count = len(results[0][0]["none"].found) + results[0][0]["none"].failed
            for name in results[0][0] if count else ():
                cells = [str(rows[name]) for rows, _ in results]
                print(f"{kind:12} {edge:4} {count:5} {name:8}" + " | ".join(f"{c:50}" for c in cells), flush=True)
            if count:
                print(" " * 32 + " | ".join(f"{f'{1e3 * seconds:.1f} ms':50}" for _, seconds in results))


if __name__ == "__main__":
    main()
