"""Label images are never computed with as intensities, and intensities are never taken for labels."""

import numpy as np
import pytest
import skimage.data
from skimage.measure import label
from skimage.segmentation import find_boundaries

from napari_superres import Image, upscale, upscale_file, write_image
from napari_superres.errors import SettingsError
from napari_superres.inference.planning.labels import looks_like_labels

RANDOM = np.random.default_rng(0)
GRID = np.mgrid[:200, :220]


def touching(count=60):
    at = RANDOM.random((count, 2)) * (200, 220)
    return np.argmin(((GRID[:, None] - at.T[..., None, None]) ** 2).sum(0), axis=0) + 1


LABELS = {
    "objects": label(skimage.data.binary_blobs(200, rng=1)).astype("u2"),
    "coins": label(skimage.data.coins() > 120, background=0).astype("i4"),
    "touching cells": touching().astype("u2"),
    "touching cells with a rim": (touching() * ~find_boundaries(touching())).astype("i8"),
    "names without order": RANDOM.permutation(10**6)[touching()].astype("u4"),
    "classes": (touching(40) % 4).astype("u1"),
    "classes from 0 to 255": (touching(40) % 4 * 85).astype("u1"),
    "negative": (touching() - 20).astype("i1"),
}
INTENSITIES = {
    **{name: getattr(skimage.data, name)() for name in ("camera", "coins", "moon", "page", "text", "brick", "grass")},
    "photons": RANDOM.poisson(GRID[0] / 100).astype("u2"),
    "few photons": RANDOM.poisson(0.05, (200, 220)).astype("u1"),
    "gradient": (GRID[0] // 10).astype("u1"),
    "steep gradient": (GRID.sum(0) // 4).astype("u2"),
    "mask": skimage.data.binary_blobs(200, rng=1).astype("u1") * 255,
    "constant": np.full((200, 220), 7, "u1"),
    "board": skimage.data.checkerboard(),
    "every value once": np.arange(40000, dtype="u2").reshape(200, 200),
    "repeated pixels": np.kron(RANDOM.integers(0, 200, (50, 50)), np.ones((4, 4))).astype("u2"),
    "pixels repeated often": np.kron(RANDOM.integers(0, 60000, (8, 8)), np.ones((25, 25))).astype("u2"),
    "smooth discs": (np.clip(60 - np.hypot(*(GRID - 100)), 0, 30) * 100).astype("u2"),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels(name):
    assert looks_like_labels(LABELS[name])


@pytest.mark.parametrize("name", INTENSITIES)
def test_intensities(name):
    assert not looks_like_labels(INTENSITIES[name])


def test_labels_are_refused_and_the_nearest_pixel_keeps_them(toy, tmp_path):
    labels = np.stack([np.zeros_like(LABELS["objects"]), LABELS["objects"], LABELS["objects"][::-1]])
    for model in (toy(), "bicubic-x2"):
        with pytest.raises(SettingsError, match=r"looks like labels.*nearest-x2"):
            upscale(labels, model, axes="ZYX")
    found = upscale(labels, "nearest-x2", axes="ZYX")
    np.testing.assert_array_equal(found.data, labels.repeat(2, 1).repeat(2, 2))
    path = write_image(Image.from_array(labels, "ZYX", pixel_size=1.0), tmp_path / "a.ome.tif")
    with pytest.raises(SettingsError, match="looks like labels"):
        upscale_file(path, tmp_path / "b.ome.tif", model=toy())


def test_who_states_the_range_of_intensities_says_that_they_are_some():
    assert upscale(LABELS["classes"], "bicubic-x2", axes="YX", intensity_range=[(0, 3)]).shape == (400, 440)


def test_a_file_that_says_so(toy):
    mask = Image.from_array(INTENSITIES["mask"], "YX", metadata={"labels": True})
    with pytest.raises(SettingsError, match="the file says"):
        upscale(mask, toy(), intensity_range=[(0, 255)])
