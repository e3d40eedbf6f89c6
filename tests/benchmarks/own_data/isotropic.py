"""Measure `superres isotropic` on isotropic volumes: thin slices are averaged to thick ones, made thin again, compared.

    python tests/benchmarks/own_data/isotropic.py DATA [--case T2 fibsem-4 ...]

DATA is the folder of images that `CASES` lists. Nothing but the thick slices is learnt from. All gains are decibels of
PSNR, without the first and last thick slice, whose peak is the range from the 0.1 to the 99.9 percentile of the truth.
The rule of the prediction was set on the cases of ``train/``; those of ``test/`` only report.
"""

import argparse
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import zoom

from napari_superres import Image, read_image, upscale
from napari_superres.core.binning import bin_mean
from napari_superres.errors import SuperResWarning
from napari_superres.training.isotropic import Learnt, iter_learning
from napari_superres.training.isotropic.learn import LEAST_GAIN

Floats = npt.NDArray[np.float64]


class Case(NamedTuple):
    """A volume, the factor by which its slices are made thick, and noise as a share of its range."""

    file: str
    factor: int
    noise: float = 0.0


CASES = {
    "T1": Case("train/mri/ms_patient07_T1.nii.gz", 3),
    "T2": Case("train/mri/ms_patient07_T2.nii.gz", 3),
    "FLAIR": Case("train/mri/ms_patient07_FLAIR.nii.gz", 3),
    "T1-noisy": Case("train/mri/ms_patient07_T1.nii.gz", 3, 0.02),
    "T1-scanner": Case("train/mri/uih_head1_T1.nii.gz", 3),
    "mouse": Case("train/fluorescence/brainreg/brain_z100-139.ome.tif", 2),
    "aorta": Case("train/ct/aorta_1.5mm.nii.gz", 3),
    "fibsem-train-4": Case("train/em/fibsem_medulla_1.tif", 4),
    "T1-other": Case("test/mri/ms_patient19_T1.nii.gz", 3),
    "T2-other": Case("test/mri/ms_patient19_T2.nii.gz", 3),
    "FLAIR-other": Case("test/mri/ms_patient19_FLAIR.nii.gz", 3),
    "mouse-other": Case("test/fluorescence/brainreg/brain_z200-223.ome.tif", 2),
    "fibsem-2": Case("test/em/fibsem_medulla_3_160.tif", 2),
    "fibsem-4": Case("test/em/fibsem_medulla_3_160.tif", 4),
    "fibsem-8": Case("test/em/fibsem_medulla_3_160.tif", 8),
}
_EDGE = 160
"""Largest edge of the middle part of a volume that is used."""


def main() -> None:
    """Print a row for each case."""
    parser = argparse.ArgumentParser(description="Measure how much closer to the truth isotropic stacks are.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--case", nargs="+", choices=CASES, default=list(CASES), metavar="CASE")
    options = parser.parse_args()
    print("| volume | factor | cubic dB | area-spline | isotropic | predicted over area-spline | true | seconds |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for name in options.case:
        print(row(name, CASES[name], options.data), flush=True)


def row(name: str, case: Case, data: Path) -> str:
    """Return a line of the table."""
    thin = read_scaled(data / case.file)
    thin = thin[: len(thin) // case.factor * case.factor]
    thick = bin_mean(thin, (case.factor, 1, 1))
    thick = thick + case.noise * np.random.default_rng(0).standard_normal(thick.shape)
    image = Image.from_array(thick.astype(np.float32), "ZYX", pixel_size=(float(case.factor), 1.0, 1.0))
    begun = time.monotonic()
    learnt = learn(image)
    seconds = time.monotonic() - begun
    scale = f"x{case.factor}x1x1"
    cubic = zoom(thick, (case.factor, 1, 1), order=3, mode="nearest", grid_mode=True)
    results = [cubic, *(np.asarray(upscale(image, m).data) for m in (f"area-spline-{scale}", learnt.model))]
    base, area, own = (psnr(result, thin, case.factor) for result in results)
    octave = learnt.prediction.octave
    checks = f"planes {learnt.prediction.planes:+.2f}, octave " + ("-" if octave is None else f"{octave:+.2f}")
    refused = ", refused" if learnt.prediction.gain < LEAST_GAIN else ""
    return (
        f"| {name} | {case.factor} | {base:.2f} | {area - base:+.2f} | {own - base:+.2f} "
        f"| {learnt.prediction.gain:+.2f} ({checks}{refused}) | {own - area:+.2f} | {seconds:.0f} |"
    )


def read_scaled(path: Path) -> Floats:
    """Return the middle of a volume, ZYX, with its 0.1 and 99.9 percentiles at 0 and 1."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SuperResWarning)
        image = read_image(path)
    volume = np.asarray(image.data, dtype=np.float64).reshape(image.shape[-3:])
    starts = [max(0, (n - _EDGE) // 2) for n in volume.shape]
    volume = volume[tuple(slice(s, s + _EDGE) for s in starts)]
    low, high = np.percentile(volume, [0.1, 99.9])
    return np.asarray((volume - low) / (high - low))


def learn(image: Image) -> Learnt:
    """Return what is learnt from a stack, whatever the checks say."""
    steps = iter_learning(image, {"force": True, "minutes": 600})
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            learnt: Learnt = stop.value
            return learnt


def psnr(result: npt.NDArray[np.floating], truth: Floats, factor: int) -> float:
    """Return the PSNR in dB without the first and last thick slice."""
    inner = slice(factor, len(truth) - factor)
    return float(-10 * np.log10(np.mean((np.asarray(result, np.float64)[inner] - truth[inner]) ** 2)))


if __name__ == "__main__":
    main()
