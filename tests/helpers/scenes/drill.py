"""Nine scenes, each with a reference of its own noise, an input, and results that hide nothing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_superres import Image, degrade, upscale

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scene:
    """One field of view: what is there, two recordings of it, and how the input was made.

    Attributes
    ----------
    name
        Name of the scene.
    truth
        Intensities without noise, on the grid of the reference.
    reference, lr
        Recordings, each with noise of its own.
    scale
        Factor between the two along Y and X.
    model
        Shipped model for such images.
    psf
        Standard deviation of the input's point-spread function, in pixels of the reference.
    """

    name: str
    truth: Image
    reference: Image
    lr: Image
    scale: int
    model: str
    psf: float


def spots(shape: tuple[int, ...], seed: int, sizes: tuple[tuple[float, float, float], ...]) -> Floats:
    """Return Gaussian objects on darkness: for each size, its deviation, their density and their brightness."""
    random = np.random.default_rng(seed)
    values = np.zeros(shape)
    for sigma, density, light in sizes:
        points = np.zeros(shape)
        count = max(1, round(density * np.prod(shape[-2:])))
        at = tuple(random.integers(0, n, count) for n in shape)
        np.add.at(points, at, random.uniform(0.4, 1, count) * light)
        spread = (sigma,) * len(shape) if len(shape) == 2 else (min(sigma, 1.5), sigma, sigma)
        values += gaussian_filter(points, spread, mode="wrap") * (2 * np.pi * sigma**2)
    return values


def nuclei(shape: tuple[int, int], seed: int) -> Floats:
    """Return textured discs with soft edges."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    values = np.zeros(shape)
    for _ in range(max(6, shape[0] * shape[1] // 1400)):
        cy, cx, a, b, turn = *random.uniform(0, shape, 2), *random.uniform(6, 14, 2), random.uniform(0, np.pi)
        u, v = (x - cx) * np.cos(turn) + (y - cy) * np.sin(turn), (y - cy) * np.cos(turn) - (x - cx) * np.sin(turn)
        values = np.maximum(values, random.uniform(0.4, 1) / (1 + np.exp(6 * (np.hypot(u / a, v / b) - 1))))
    texture = gaussian_filter(random.normal(size=shape), 2)
    return np.asarray(values * (1 + 0.2 * texture / texture.std()).clip(0.2))


def filaments(shape: tuple[int, int], seed: int, width: float = 1.2) -> Floats:
    """Return thin curved lines."""
    random = np.random.default_rng(seed)
    values = np.zeros(shape)
    for _ in range(max(8, shape[0] // 8)):
        at, angle = random.uniform(0, shape, 2), random.uniform(0, 2 * np.pi)
        for _ in range(4 * shape[0]):
            angle += random.normal(0, 0.04)
            at = at + 0.3 * np.array([np.sin(angle), np.cos(angle)])
            if not (0 <= at[0] < shape[0] - 1 and 0 <= at[1] < shape[1] - 1):
                break
            values[tuple(np.rint(at).astype(int))] += 0.3
    return np.asarray(gaussian_filter(values, width))


def tissue(shape: tuple[int, int], seed: int, slope: float = 1.6) -> Floats:
    """Return a dense texture whose amplitude falls with frequency, with dark membranes, in 0 to 1."""
    random = np.random.default_rng(seed)
    fy, fx = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])
    amplitude = 1 / np.maximum(np.hypot(fy, fx), 0.01) ** slope
    fields = [np.fft.irfft2(np.fft.rfft2(random.normal(size=shape)) * amplitude, s=shape) for _ in range(2)]
    first, second = (f / f.std() for f in fields)
    values = gaussian_filter(0.5 + 0.12 * first - 0.35 * np.exp(-((second / 0.12) ** 2)), 0.7)
    return np.asarray(values.clip(0.02, 1))


def phantom(shape: tuple[int, int], seed: int) -> Floats:
    """Return overlapping ellipses of constant brightness, in 0 to 1."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    values = np.zeros(shape)
    for k in range(14):
        cy, cx = np.array(shape) / 2 + random.uniform(-0.3, 0.3, 2) * shape * (k > 0)
        a, b = (np.array(shape) * (0.46 if k == 0 else random.uniform(0.04, 0.16))) * random.uniform(0.7, 1, 2)
        values[np.hypot((x - cx) / a, (y - cy) / b) < 1] = 0.35 if k == 0 else random.uniform(0.1, 1)
    return np.asarray(gaussian_filter(values, 0.8))


def make_scene(
    name: str,
    values: Floats,
    axes: str,
    *,
    scale: int = 2,
    psf: float = 1.4,
    photons: float = 400,
    dtype: str = "uint16",
    top: float = 8000,
    model: str = "fluo-x2",
    names: tuple[str, ...] = (),
) -> Scene:
    """Return a scene of intensities, with recordings of it."""
    values = values * (top / np.percentile(values, 99.9)) + 0.02 * top
    truth = Image.from_array(values.astype(np.float32), axes, pixel_size=0.1, channel_names=names)
    factors = [scale if a in "YX" else 1 for a in truth.spatial]
    widths = [psf if a in "YX" else 0.0 for a in truth.spatial]
    lr = degrade(truth, factors, kernel="gaussian", psf_sigma=widths, photons=photons, read_noise=2, seed=1)
    ones = [1] * len(factors)
    reference = degrade(truth, ones, kernel="gaussian", psf_sigma=[0.0] * len(ones), photons=4 * photons, seed=2)
    return Scene(name, truth, _as(reference, dtype), _as(lr, dtype), scale, model, psf)


def _as(image: Image, dtype: str) -> Image:
    """Return an image in another type, with no record of how it was made."""
    values = np.asarray(image.data, np.float64)
    if np.dtype(dtype).kind != "f":
        limits = np.iinfo(dtype)
        values = np.rint(values).clip(limits.min, limits.max)
    return image.replace(data=values.astype(dtype), metadata={})


SIZES = ((1.3, 0.004, 0.5), (3.0, 0.002, 0.7), (8.0, 0.0005, 1.0))


def _cells(photons: float) -> Floats:
    return spots((192, 192), 3 if photons < 100 else 4, SIZES) + 0.05


def _moving() -> Floats:
    random = np.random.default_rng(12)
    still = spots((160, 160), 13, SIZES[1:])
    at, light = random.uniform(0, 160, (60, 2)), random.uniform(0.4, 1, 60)
    frames = []
    for _ in range(6):
        at = (at + random.normal(0, 2.0, at.shape)) % 159
        points = np.zeros((160, 160))
        np.add.at(points, tuple(np.rint(at).astype(int).T), light)
        frames.append(still + gaussian_filter(points, 1.5) * 14 + 0.05)
    return np.stack(frames)


def _volume() -> Floats:
    return spots((14, 128, 128), 21, ((1.3, 0.03, 0.5), (3.0, 0.02, 0.7), (7.0, 0.004, 0.6))) + 0.05


def _colours() -> Floats:
    parts = [tissue((192, 192), s, 1.5) for s in (31, 32)]
    stain = nuclei((192, 192), 33)
    return np.stack([0.9 * parts[0] + 0.1, parts[0] * (1 - 0.5 * stain), 0.5 * parts[1] + 0.4 * stain], axis=-1)


def _rgb() -> Scene:
    return make_scene("rgb", _colours(), "YXS", top=230, photons=9000, dtype="uint8", model="photo-x2", psf=0.7)


def _pair() -> Floats:
    return np.stack([nuclei((192, 192), 41) + 0.04, filaments((192, 192), 42) + 0.03])


MAKERS: dict[str, Callable[[], Scene]] = {
    "dim cells": lambda: make_scene("dim cells", _cells(60), "YX", photons=60),
    "cells": lambda: make_scene("cells", _cells(2000), "YX", photons=2000),
    "filaments": lambda: make_scene("filaments", filaments((192, 192), 5) + 0.04, "YX", photons=300),
    "tissue": lambda: make_scene(
        "tissue", tissue((192, 192), 6), "YX", photons=900, top=200, dtype="uint8", model="em-x2"
    ),
    "phantom x4": lambda: make_scene(
        "phantom x4", phantom((256, 256), 7), "YX", photons=1500, scale=4, psf=2.0, top=1500, model="em-x4"
    ),
    "two channels": lambda: make_scene("two channels", _pair(), "CYX", photons=300, names=("nuclei", "tubulin")),
    "rgb": _rgb,
    "volume": lambda: make_scene("volume", _volume(), "ZYX", photons=300),
    "movie": lambda: make_scene("movie", _moving(), "TYX", photons=300, model="fluo-x2"),
}
"""Scenes by name: dim and bright, sparse and dense, two-channel, colour, 3-D and time lapse."""


@cache
def scene(name: str) -> Scene:
    """Return a scene, made once."""
    from helpers.scenes.periodic import PERIODIC

    return (MAKERS | PERIODIC)[name]()


def honest_results(of: Scene) -> Iterator[tuple[str, Image]]:
    """Yield the name and the image of results that hide nothing: interpolation, restoration, models."""
    from napari_superres.evaluation.candidates import candidates

    scale = {"Z": 1, "Y": of.scale, "X": of.scale}
    names = ("lanczos", "wiener", "richardson-lucy", "non-local-means", "nlm-richardson-lucy")
    made = candidates(
        None,
        of.lr,
        {a: scale[a] for a in of.lr.spatial},
        reference=of.reference,
        common=of.reference,
        models=(of.model,),
        against=None,
        baselines=names,
        psf_sigma=of.psf * of.reference.pixel_size[-1],
        psf=None,
        notes=[],
    )
    for name, _, image in made:
        yield name, image.replace(metadata={})


@cache
def good_result(name: str) -> Image:
    """Return the result of the shipped model for a scene."""
    of = scene(name)
    return upscale(of.lr, of.model).replace(metadata={})


@cache
def _rivals(name: str) -> tuple[list[dict[str, object]], Image]:
    """Return the rows of the baselines of a scene, and the interpolated input."""
    of = scene(name)
    made = [(n, i) for n, i in honest_results(of) if n != of.model]
    rows = [{**row, "role": "baseline"} for n, i in made for row in _score(of, n, i)]
    return rows, dict(made)["bicubic"]


def _score(of: Scene, name: str, image: Image) -> list[dict[str, object]]:
    from napari_superres.evaluation.metrics.conventions import ComparisonRules
    from napari_superres.evaluation.metrics.score import intensity_limits, score

    rules = ComparisonRules.parse("microscopy", None)
    limits = intensity_limits(of.reference, rules, None)
    return score(image, of.reference, rules, limits, image="image", name=name, scale=(of.scale, of.scale))


def judge(name: str, result: Image, *, with_reference: bool) -> dict[str, tuple[str, str]]:
    """Return state and reason of each answer about a result of a scene; that it was refused is an answer too.

    As `evaluate` does, but the baselines of a scene are made and scored once.
    """
    from napari_superres.errors import SuperResError
    from napari_superres.evaluation.reporting.findings import examine

    of = scene(name)
    rows, base = _rivals(name)
    try:
        if not with_reference:
            found = examine(result, None, of.lr)
        else:
            mine = [{**row, "role": "judged"} for row in _score(of, "result", result)]
            found = examine(result, of.reference, of.lr, base=base, rows=[*mine, *rows], candidate="result")
    except SuperResError as error:
        return {"refused": ("no", str(error))}
    return {a.question: (a.state, a.reason) for a in found.answers}
