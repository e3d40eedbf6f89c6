"""Results, references and inputs that stand for recordings, and how a command refuses them."""

import shutil

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_superres import Image, degrade, upscale, write_image

EDGE, COUNT = 96, 5


def scene(seed):
    values = gaussian_filter(np.random.default_rng(seed).normal(size=(EDGE, EDGE)), 2, mode="wrap")
    values = (values - values.min()) / np.ptp(values)
    return Image.from_array((100 + 4000 * values).astype(np.uint16), "YX", pixel_size=0.1, origin=(3.0, 5.0))


def recorded(reference, seed):
    return degrade(reference, 2, kernel="gaussian", psf_sigma=1.0, photons=2000, read_noise=2, seed=seed)


def write_scans(root):
    """Write folders of results, references, inputs and repeated inputs."""
    for i in range(COUNT):
        reference = scene(i)
        low, again = recorded(reference, i), recorded(reference, 100 + i)
        for name, image in {"sr": upscale(low, "lanczos-x2"), "ref": reference, "lr": low, "again": again}.items():
            (root / name).mkdir(exist_ok=True)
            write_image(image, root / name / f"{i}.tif")


def refused(done, *said):
    """Check that there was one line on stderr that says this, and nothing on stdout."""
    assert (done.code, done.err.count("\n"), done.out) == (1, 1, ""), done
    assert done.err.startswith("error: ")
    for text in said:
        assert text in done.err


def subset(data, folder, names, **count):
    """Return a folder of the first images of each of `names`."""
    for name in names:
        (folder / name).mkdir()
        for i in range(count.get(name, 2)):
            shutil.copy(data / name / f"{i}.tif", folder / name)
    return [folder / name for name in names]
