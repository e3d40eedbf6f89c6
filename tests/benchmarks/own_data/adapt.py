"""Measure `superres adapt`: is its estimate of the gain right, where the truth is known?

    python tests/benchmarks/own_data/adapt.py DATA [--case actin ...] [--steps 200] [--psf]

DATA is the folder of images that `CASES` lists. Each sharp image is blurred, binned and given noise; the model is
refined on that alone. The true gain is that of the mean squared error against the sharp image, in the rows that were
held out. All images are of ``test/``: nothing was set by them.
"""

import argparse
import tempfile
import time
import warnings
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from napari_superres import Image, degrade, read_image, upscale, write_image
from napari_superres.errors import SuperResWarning
from napari_superres.training import adapt

Floats = npt.NDArray[np.float64]


class Case(NamedTuple):
    """An image, the model to refine, the sigma of the blur in its pixels, and photons in the brightest pixel."""

    file: str
    model: str
    sigma: float
    photons: float


CASES = {
    "ssTEM": Case("em/s1_15.tif", "photo-x2", 0.7, 200),
    "ssTEM-fluo": Case("em/s1_17.tif", "fluo-x2", 1.0, 400),
    "HeLa": Case("fluorescence/neubias/hela_c1.ome.tif", "photo-x2", 1.5, 100),
    "sandstone": Case("microct/Sandstone_Versa0300.tif", "photo-x2", 1.0, 1000),
    "sandstone-blurred": Case("microct/Sandstone_Versa0400.tif", "photo-x2", 2.0, 300),
    "actin": Case("fluorescence/bpae/actin.tif", "photo-x2", 1.0, 60),
    "mitochondria": Case("fluorescence/bpae/mito.tif", "photo-x2", 1.5, 200),
    "nuclei": Case("fluorescence/bbbc039/images/K18_s8.tif", "photo-x2", 1.2, 100),
    "actin-em": Case("fluorescence/bpae/actin.tif", "em-x2", 1.0, 200),
    "liver": Case("ct/liver_slice.ome.tif", "photo-x2", 0.8, 600),
    "photograph": Case("photographs/gb82_city.png", "photo-x2", 0.5, 20000),
    "photograph-noisy": Case("photographs/gb82_flowers.png", "photo-x2", 0.8, 100),
}
_EDGE = 640
"""Largest edge of the middle part of an image that is used."""


def main() -> None:
    """Print a row for each case, and how often the sign was right."""
    parser = argparse.ArgumentParser(description="Compare the estimated gain of refined models with the true one.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--case", nargs="+", choices=CASES, default=list(CASES), metavar="CASE")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--psf", action="store_true", help="tell the blur")
    options = parser.parse_args()
    print("| image | model | blur | photons | estimated dB | error | true dB | accepted | seconds |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for name in options.case:
        print(row(name, CASES[name], options.data / "test", options.steps, told=options.psf), flush=True)


def row(name: str, case: Case, data: Path, steps: int, *, told: bool) -> str:
    """Return a line of the table."""
    sharp = read_sharp(data / case.file)
    module = import_module("napari_superres.training.adapt")
    certain, module._CERTAIN = 2.0, -np.inf  # the true gain of refused models is measured too
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore", SuperResWarning)
        low = degrade(sharp, 2, kernel="gaussian", psf_sigma=case.sigma, photons=case.photons, read_noise=2.0, seed=0)
        write_image(low, Path(folder, "low.ome.tif"))
        begun = time.monotonic()
        point = np.exp(-0.5 * (np.hypot(*np.mgrid[-20:21, -20:21]) * 0.02 / (0.1 * case.sigma)) ** 2)
        psf = Image.from_array(point.astype(np.float32), "YX", pixel_size=0.02) if told else None
        own = Path(folder, "own.safetensors")
        done = adapt([Path(folder, "low.ome.tif")], case.model, own, psf=psf, steps=steps)
        seconds = time.monotonic() - begun
        results = [upscale(low, model) for model in (case.model, own)]
    rows = 2 * max(64, round(low.size("Y") / 4))
    old, new = (np.square(np.asarray(r.data, np.float64) - sharp.data)[-rows:].mean() for r in results)
    true = 10 * np.log10(old / new)
    return (
        f"| {name} | {case.model} | {case.sigma} | {case.photons:g} | {done.gain:+.2f} | {done.error:.2f} "
        f"| {true:+.2f} | {'yes' if done.gain > certain * done.error else 'no'} | {seconds:.0f} |"
    )


def read_sharp(path: Path) -> Image:
    """Return the middle of a grey plane with even edges, as 32-bit floats from 0."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SuperResWarning)
        image = read_image(path)
    values = np.asarray(image.data, dtype=np.float64)
    if "S" in image.axes:
        values = values[..., :3].mean(axis=image.axes.index("S"))
    while values.ndim > 2:
        values = values[len(values) // 2]
    starts = [max(0, (n - _EDGE) // 2) for n in values.shape]
    cut = values[tuple(slice(s, s + min(_EDGE, n // 2 * 2)) for s, n in zip(starts, values.shape, strict=True))]
    return Image.from_array((cut - np.percentile(cut, 0.1)).clip(0).astype(np.float32) * 10, "YX", pixel_size=0.1)


if __name__ == "__main__":
    main()
