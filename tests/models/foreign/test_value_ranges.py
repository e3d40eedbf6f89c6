"""Which values reach the network of a package, for images of each type, and when an image is doubted."""

import re
from dataclasses import replace

import numpy as np
import pytest
from helpers.checkpoints import bioimageio_packages as packages
from helpers.checkpoints.bioimageio_packages import load_package

from napari_superres import Image, upscale
from napari_superres.errors import SuperResWarning
from napari_superres.models import Model


def loaded(path, top, before=()):
    """Return the model of a package whose author's test image goes from 0 to `top`, and the ranges it was given."""
    image = packages.example_image()
    image = (image - image.min()) / np.ptp(image) * top
    gain = before[0]["kwargs"]["gain"] if before else 1.0
    made = packages.apply_network((image * gain).astype(np.float32))
    found, network = load_package(
        packages.write_package(
            path, before=before, test_input=image.astype(np.float32), test_output=made.astype(np.float32)
        )
    )
    given = []
    network.network.register_forward_pre_hook(lambda _, x: given.append((float(x[0].min()), float(x[0].max()))))
    return Model(replace(found.card, halo=(1, 1)), network), given


def ramp(dtype, top):
    return Image.from_array(np.linspace(0, top, 64 * 64).reshape(64, 64).astype(dtype), "YX")


@pytest.mark.parametrize(("dtype", "top"), [("uint8", 255), ("uint16", 65535), ("uint16", 4000), ("float32", 1e4)])
def test_a_gain_of_one_255th_means_the_whole_range_of_any_type(dtype, top, tmp_path, recwarn):
    """Multiplied by 1/255 as it is, an image of 16 bits would reach the network as 257 times too bright."""
    gain = [{"id": "scale_linear", "kwargs": {"gain": 1 / 255, "offset": 0.0}}]
    model, given = loaded(tmp_path / "a.zip", 255.0, gain)
    assert model.card.intensity == "unit"
    upscale(ramp(dtype, top), model, device="cpu")
    lowest, highest = min(low for low, _ in given), max(high for _, high in given)
    assert lowest == pytest.approx(0, abs=0.01)
    assert highest == pytest.approx(1, abs=0.01)
    assert not [w for w in recwarn if "does not fit" in str(w.message)]


@pytest.mark.parametrize(
    ("before", "seen", "dtype", "top"),
    [
        ([], 1.0, "uint8", 255),
        ([], 1.0, "uint16", 4000),
        ([], 255.0, "uint16", 60_000),
        ([], 255.0, "float32", 1.0),
        ([{"id": "scale_linear", "kwargs": {"gain": 1e-3, "offset": 0.0}}], 1000.0, "uint8", 25),
        ([{"id": "scale_linear", "kwargs": {"gain": 1e-3, "offset": 0.0}}], 1000.0, "uint16", 65535),
    ],
)
def test_an_image_in_quite_another_range_is_doubted(before, seen, dtype, top, tmp_path):
    model, _ = loaded(tmp_path / "a.zip", seen, before)
    assert model.card.intensity == "none"
    with pytest.warns(SuperResWarning, match=re.escape(f"those of its author's test span {seen:.3g}")):
        upscale(ramp(dtype, top), model, device="cpu")


def test_an_image_in_the_author_s_range_is_not_doubted(tmp_path, recwarn):
    model, _ = loaded(tmp_path / "a.zip", 4095.0)
    upscale(ramp("uint16", 4000), model, device="cpu")
    assert not [w for w in recwarn if "author's test" in str(w.message)]
