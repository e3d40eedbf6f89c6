"""The first look at an image: what cannot be computed, and what its run says of it."""

import numpy as np
import pytest

from napari_superres import Image
from napari_superres.errors import SettingsError
from napari_superres.inference.options import complete
from napari_superres.inference.planning.facts import look
from napari_superres.models import find_card


def facts(array, axes="YX", **of):
    return look(Image.from_array(array, axes, pixel_size=0.2, **of), find_card("fluo-x2"), complete({}))


def test_an_image_without_a_value_is_refused():
    with pytest.raises(SettingsError, match="no pixel with a value"):
        facts(np.full((64, 64), np.nan, np.float32))
    half = np.full((2, 64, 64), np.nan, np.float32)
    half[0] = np.random.default_rng(0).random((64, 64))
    facts(half, "CYX")


@pytest.mark.parametrize("value", [0, 1000])
def test_a_constant_image_has_one_doubt_and_no_noise(value):
    found = facts(np.full((64, 64), value, np.uint16))
    (doubt,) = found.doubts
    assert "constant" in doubt
    assert found.told.noise[0].read_noise == 0


def test_a_large_image_is_not_called_constant_because_its_middles_are_dark():
    """One cell, in none of the parts in which noise is measured."""
    sparse = np.zeros((6000, 6000), np.uint16)
    sparse[600:660, 3000:3060] = np.random.default_rng(0).poisson(300, (60, 60))
    found = facts(sparse)
    (doubt,) = found.doubts
    assert doubt.startswith("Noise was not measured, and is told as 0")
    assert "constant" not in found.fitness.line


def test_many_saturated_pixels_do_not_fit():
    values = np.random.default_rng(0).integers(100, 40_000, (96, 96)).astype(np.uint16)
    assert "saturated" not in facts(values).fitness.line
    assert "33 % of the pixels are saturated" in facts(np.minimum(values, 27_000)).fitness.line
