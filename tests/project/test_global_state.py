"""Nothing that the program does changes the state of the process for good."""

import os
import random

import numpy as np
import pytest
import torch

from napari_superres import Image, evaluate, upscale, upscale_file, write_image


def state():
    return {
        "torch": torch.get_rng_state().tolist(),
        "threads": torch.get_num_threads(),
        "random": random.getstate(),
        "environment": {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")},
    }


@pytest.fixture
def unchanged():
    before = state()
    yield
    after = state()
    assert [name for name in before if before[name] != after[name]] == []


@pytest.fixture
def image():
    y, x = np.mgrid[:40, :40]
    return Image.from_array(np.float32(np.sin(y / 5) * np.cos(x / 4)), "YX", pixel_size=0.2)


def test_a_model_is_loaded_by_name(unchanged, image):
    upscale(image, "fluo-x2")


def test_processes_are_started(unchanged, image, tmp_path):
    source = write_image(image, tmp_path / "in.ome.zarr")
    upscale_file(source, tmp_path / "out.ome.zarr", model="bicubic-x2", workers=1)


def test_images_are_evaluated(unchanged, image):
    evaluate(
        upscale(image, "bicubic-x2"), upscale(image, "lanczos-x2"), lr=image, models="bicubic-x2", baselines="lanczos"
    )


def test_a_path_is_no_image(image):
    from napari_superres.errors import SettingsError

    with pytest.raises(SettingsError, match=r"got the path x\.tif\. Use `read_image\(\)`"):
        evaluate("x.tif", image)
