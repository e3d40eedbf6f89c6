"""The images of the grid: which files are one source, and which crops of them are measured.

A source is one specimen, person or screen. It is *seen* if the training folder holds another part of it. Every source
gives as many crops as the others. Of each plane the crop with most structure is taken: that whose mean gradient, of
Gaussians of sigma 2 so that noise counts little, is the largest. Crops are at most 256 x 256 pixels, on a grid of 32
pixels, and those of one plane do not overlap. A source that is small gives fewer.
"""

import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from math import log10
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_gradient_magnitude

from napari_superres import Image, degrade, read_image, write_image
from napari_superres.core.color import luma
from napari_superres.core.noise import measure_noise

EDGE, STEP = 256, 32
LEAST_EDGE = 64
CROPS = 24
"""Crops of a kind, about, where its sources are few."""

PER_SOURCE = 4
PERCENTILES = (0.1, 99.9)
SIGMAS = (0.0, 0.5, 1.0, 1.5)
PHOTONS: tuple[int | None, ...] = (None, 300, 30)
ON_ITS_GRID = (0.0, 0.25, 0.5, 0.75), (300, 100, 30)
"""Sigmas and photons of models that keep the grid: the same blur in pixels of the image, and always noise."""

LEAST_ERROR = 1e-10
"""Mean square from which results count as equal to the truth: 100 dB."""


@dataclass(frozen=True)
class Source:
    """One specimen, person or screen: the files that show it, below ``DATA/test``."""

    name: str
    pattern: str
    seen: bool = False
    may_be_shown: bool = True


SOURCES = {
    "fluorescence": (
        Source("BBBC022", "fluorescence/bbbc022.tif"),
        Source("Drosophila embryo", "fluorescence/DrosophilaEmbryo*.tif"),
        Source("nuclei stack", "fluorescence/nuclei_z*.tif", seen=True),
        Source("BBBC038", "fluorescence/bbbc038/*.png", seen=True),
        Source("BBBC039", "fluorescence/bbbc039/images/*.tif", seen=True),
        Source("BPAE cells", "fluorescence/bpae/*.tif"),
        Source("mouse brain", "fluorescence/brainreg/*.tif", seen=True),
        Source("DAPI and tubulin", "fluorescence/neubias/dapi*.tif"),
        Source("HeLa cells", "fluorescence/neubias/hela*.tif"),
        Source("epithelium", "fluorescence/neubias/membranes*.tif"),
    ),
    "em": (
        Source("FIB-SEM of medulla", "em/fibsem*.tif", seen=True),
        Source("ssTEM of nerve cord", "em/s1_*.tif", may_be_shown=False),
    ),
    "ct": (
        Source("thorax A062055", "ct/thorax/A062055*.tif"),
        Source("thorax A072894", "ct/thorax/A072894*.tif"),
        Source("liver", "ct/liver*.tif"),
        Source("lung", "ct/thorax_lungmask*.tif"),
        Source("sandstone", "microct/Sandstone*.tif", seen=True),
    ),
    "mri": (
        Source("head", "mri/brainchop*.nii.gz"),
        Source("heart", "mri/cardiac*.tif", seen=True),
        Source("template", "mri/ch2.nii.gz"),
        Source("neck", "mri/cord_T2s*.tif", seen=True),
        Source("brain of patient 19", "mri/ms_patient19*.nii.gz"),
        Source("thick slices of patient 12", "mri/thick/*.tif"),
        Source("schwannoma", "mri/vs_seg*.nii.gz", seen=True),
    ),
    "photographs": (Source("gb82", "photographs/gb82*.png"),),
}


@dataclass(frozen=True)
class Crop:
    """A crop that is the truth: percentiles 0.1 and 99.9 are 0 and 1, and what is darker is 0."""

    name: str
    source: Source
    pixels: np.ndarray

    @cached_property
    def noise(self) -> float:
        """Mean variance of the noise that is measured in the truth itself."""
        return float(np.square(measure_noise([self.pixels]).sigma(self.pixels)).mean())

    def counts(self, scale: int, photons: int | None) -> bool:
        """Return whether the truth is fit to judge a model at a number of photons.

        On the grid of the image, a truth that holds more noise than what is added rewards whoever keeps that noise: the
        image as it is would beat the true intensities. A finer grid rewards nobody so.
        """
        return scale > 1 or photons is None or self.noise <= float(self.pixels.mean()) / photons


def crops_of(kind: str, data: Path) -> Iterator[Crop]:
    """Yield the crops of a kind, source by source."""
    sources = SOURCES[kind]
    count = max(PER_SOURCE, -(-CROPS // len(sources)))
    for source in sources:
        files = sorted((data / "test").glob(source.pattern))
        if not files:
            raise SystemExit(f"{data / 'test' / source.pattern} matches no file")
        planes = [
            (f"{path.name.partition('.')[0]}{label}", plane) for path in files for label, plane in planes_of(path)
        ]
        # The crops are dealt to the planes evenly, and the planes that get one are spread evenly.
        edges = np.linspace(0, count, len(planes) + 1).round().astype(int)
        for (name, plane), (first, last) in zip(planes, pairwise(edges), strict=True):
            for y, x, pixels in richest(plane, last - first):
                low, high = np.percentile(pixels, PERCENTILES)
                truth = ((pixels - low) / (high - low)).clip(0, None).astype(np.float32)
                yield Crop(f"{name} [{y},{x}]", source, truth)


def planes_of(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield a label and the pixels of each channel; of a stack, of eight planes of its middle half.

    Planes along all three axes are taken of a volume whose edges are equal.
    """
    image = read_image(path)
    data = np.asarray(image.data)
    if "S" in image.axes:
        yield "", luma(data)
        return
    for channel in range(image.size("C")):
        values = (data[channel] if "C" in image.axes else data).astype(np.float64)
        label = f" c{channel}" if image.size("C") > 1 else ""
        if values.ndim == 2:
            yield label, values
            continue
        for axis in range(3 if len(set(values.shape)) == 1 else 1):
            size = values.shape[axis]
            for at in np.linspace(size / 4, 3 * size / 4, 8 if axis == 0 else 4).astype(int):
                yield f"{label} {'zyx'[axis]}{at}", values.take(at, axis)


def richest(plane: np.ndarray, count: int) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield corner and pixels of the `count` crops with most structure, or of as many as fit."""
    height, width = (min(EDGE, n // 4 * 4) for n in plane.shape)
    if count == 0 or min(height, width) < LEAST_EDGE or not np.ptp(plane):
        return
    gradient = gaussian_gradient_magnitude(plane, 2)
    rows, columns = (range(0, n - edge + 1, STEP) for n, edge in zip(plane.shape, (height, width), strict=True))
    places = [(float(gradient[y : y + height, x : x + width].mean()), y, x) for y in rows for x in columns]
    taken: list[tuple[int, int]] = []
    for _, y, x in sorted(places, reverse=True):
        if len(taken) < count and all(abs(y - v) >= height or abs(x - u) >= width for v, u in taken):
            taken.append((y, x))
            yield y, x, plane[y : y + height, x : x + width]


@dataclass(frozen=True)
class Input:
    """The low-resolution image of a crop in one condition; its noise has the variance ``gain * intensity``."""

    crop: Crop
    scale: int
    sigma: float
    photons: int | None
    pixels: np.ndarray

    @property
    def file_name(self) -> str:
        """Name of the file of the image, and of each result of it."""
        name = re.sub(r"[^\w-]+", "_", f"{self.crop.source.name} {self.crop.name}").strip("_")
        return f"{name}_sigma{self.sigma:g}_{'clean' if self.photons is None else f'{self.photons}photons'}.tif"

    @property
    def gain(self) -> float:
        return 0.0 if self.photons is None else 1 / self.photons

    def score(self, result: np.ndarray) -> float:
        """Return the PSNR of a result in dB."""
        return -10 * log10(max(float(np.square(result - self.crop.pixels, dtype=np.float64).mean()), LEAST_ERROR))


def conditions_of(scale: int) -> tuple[tuple[float, ...], tuple[int | None, ...]]:
    """Return the sigmas and the numbers of photons of the grid of a model."""
    return (SIGMAS, PHOTONS) if scale > 1 else ON_ITS_GRID


def inputs_of(crop: Crop, scale: int) -> Iterator[Input]:
    """Yield the low-resolution images of a crop, one per condition for which its truth counts."""
    sigmas, numbers = conditions_of(scale)
    height, width = (n // scale * scale for n in crop.pixels.shape)
    crop = replace(crop, pixels=crop.pixels[:height, :width])
    for photons in numbers:
        for sigma in sigmas if crop.counts(scale, photons) else ():
            low = degrade(
                Image.from_array(crop.pixels, "YX"),
                scale,
                kernel="gaussian",
                psf_sigma=sigma,
                photons=photons,
                seed=zlib.crc32(f"{crop.name} {sigma} {photons}".encode()),
            )
            yield Input(crop, scale, sigma, photons, np.asarray(low.data))


def export(crops: Iterable[Crop], scale: int, folder: Path) -> None:
    """Write all low-resolution images of crops, to be upscaled by any program."""
    folder.mkdir(parents=True, exist_ok=True)
    for crop in crops:
        for low in inputs_of(crop, scale):
            write_image(Image.from_array(low.pixels, "YX"), folder / low.file_name)
