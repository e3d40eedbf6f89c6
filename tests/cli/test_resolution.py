"""``superres resolution``."""

import json

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_superres import Image, read_image, write_image


@pytest.fixture
def repeats(tmp_path):
    """Return two recordings with two channels, of which the second has no noise of its own."""
    random = np.random.default_rng(0)
    scene = 30000 + 40000 * gaussian_filter(random.normal(size=(128, 128)), 3, mode="wrap")
    paths = []
    for name in "ab":
        seen = np.stack([scene + 60 * random.normal(size=scene.shape), scene])
        image = Image.from_array(seen.clip(0).astype(np.uint16), "CYX", pixel_size=0.1)
        paths.append(write_image(image, tmp_path / f"{name}.ome.tif"))
    return paths


def test_resolution(superres, repeats):
    done = superres("resolution", *repeats)
    assert done.code == 0, done.err
    first, second = done.out.splitlines()
    assert first.startswith("channel 0: 0.")
    assert first.endswith("micrometer (threshold 1/7)")
    assert second.startswith("channel 1: not measurable (threshold 1/7): both images are the same")
    rows = json.loads(superres("resolution", *repeats, "--json", "--threshold", "half-bit").out)["channels"]
    assert 0.2 < rows[0]["value"] < 1
    assert rows[1]["value"] is None
    assert len(rows[0]["frequency"]) == len(rows[0]["correlation"]) == 65


def test_images_that_do_not_match(superres, repeats, tmp_path):
    write_image(Image.from_array(np.ones((64, 64), np.uint16), "YX", pixel_size=0.1), tmp_path / "c.ome.tif")
    done = superres("resolution", repeats[0], tmp_path / "c.ome.tif")
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "same axes and shape" in done.err


def test_one_recording(superres, repeats, tmp_path):
    done = superres("resolution", repeats[0])
    assert done.code == 0, done.err
    halves, phases, *_ = done.out.splitlines()
    assert halves.startswith("channel 0: interleaved pixels: 0.")
    assert "origin unverified" in halves
    assert phases.startswith("channel 0: decorrelation: 0.")
    rows = json.loads(superres("resolution", repeats[0], "--json").out)["channels"]
    assert [r["method"] for r in rows] == ["ring correlation", "decorrelation"] * 2
    assert rows[3]["value"] is None
    assert "rounding" in rows[3]["reason"]
    assert "need two recordings" in superres("resolution", repeats[0], "--volume").err


def test_a_map_of_agreement(superres, repeats, tmp_path):
    target = tmp_path / "map.ome.tif"
    assert superres("resolution", *repeats, "--map", target).code == 0
    found = read_image(target)
    assert found.shape[-2:] == (128, 128)
    assert found.pixel_size[-1] == pytest.approx(0.1)
