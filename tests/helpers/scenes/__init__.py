"""Scenes whose resolution follows from a formula, folders of results with references and inputs, and planted lies.

``drill``  nine scenes, each with a reference, an input and honest results
``periodic``  scenes of periodic specimens, with honest results only
``beads``  images of beads with known light
``lies``   what can be wrong with a result, one function each; ``kinds`` has all of them
``subtle`` lies that follow the sample
``thick_slices``  a specimen that looks alike along all axes, and a stack of thick slices of it
``dark``     bright blobs on a dark ground
``reported``  a result with its input and reference, for the pages of reports
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

EDGE, COUNT = 96, 5
"""Edge in pixels of the references that `write_scans` writes, and their number."""


def recordings(
    sigma: float, noise: float, shape: tuple[int, ...] = (256, 256), seed: int = 0
) -> list[NDArray[np.float64]]:
    """Return two recordings of a filtered random scene of unit power, each with noise of its own."""
    random = np.random.default_rng(seed)
    scene = gaussian_filter(random.normal(size=shape), sigma, mode="wrap")
    scene /= scene.std()
    # Noise of this deviation beside a white scene before it was filtered.
    level = noise / np.sqrt(
        (gaussian_filter(np.eye(1, int(np.prod(shape))).reshape(shape), sigma, mode="wrap") ** 2).sum()
    )
    return [scene + level * random.normal(size=shape) for _ in range(2)]


def write_scans(root: Path) -> None:
    """Write folders of results, references, inputs and second inputs: ``sr``, ``ref``, ``lr`` and ``again``."""
    from napari_superres import Image, degrade, upscale, write_image

    for i in range(COUNT):
        values = gaussian_filter(np.random.default_rng(i).normal(size=(EDGE, EDGE)), 2, mode="wrap")
        values = (100 + 4000 * (values - values.min()) / np.ptp(values)).astype(np.uint16)
        reference = Image.from_array(values, "YX", pixel_size=0.1, origin=(3.0, 5.0))
        low, again = (
            degrade(reference, 2, kernel="gaussian", psf_sigma=1.0, photons=2000, read_noise=2, seed=seed)
            for seed in (i, 100 + i)
        )
        for name, image in {"sr": upscale(low, "lanczos-x2"), "ref": reference, "lr": low, "again": again}.items():
            (root / name).mkdir(exist_ok=True)
            write_image(image, root / name / f"{i}.tif")


def copy_scans(scans: Path, folder: Path, names: tuple[str, ...], **count: int) -> list[Path]:
    """Return copies of folders with their first two images, or as many as `count` says of a folder."""
    for name in names:
        (folder / name).mkdir()
        for i in range(count.get(name, 2)):
            shutil.copy(scans / name / f"{i}.tif", folder / name)
    return [folder / name for name in names]


def check_refusal(done: Any, *texts: str) -> None:
    """Check that a command printed nothing but one line on stderr, with these texts in it."""
    assert (done.code, done.err.count("\n"), done.out) == (1, 1, ""), done
    assert done.err.startswith("error: ")
    for text in texts:
        assert text in done.err
