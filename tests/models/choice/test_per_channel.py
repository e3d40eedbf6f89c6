"""The model for one channel next to others: by its own name, on the grid of the others."""

import numpy as np
import pytest

from napari_superres import Image
from napari_superres.models import find_card, list_models
from napari_superres.models.choice.per_channel import choose_for_channel, image_of_channel, on_other_grids

TWO = Image.from_array(
    np.random.default_rng(0).integers(20, 230, (3, 2, 64, 48)).astype(np.uint16),
    "ZCYX",
    channel_names=("DAPI", "brightfield"),
)


def choose(name, main, image=None):
    plane = image_of_channel(TWO, 0) if image is None else image
    return choose_for_channel(plane, (name,), list_models(), find_card(main))


def test_a_channel_is_an_image_without_the_axis():
    one = image_of_channel(TWO, 1)
    assert (one.axes, one.channel_names) == ("ZYX", ())
    np.testing.assert_array_equal(one.data, TWO.data[:, 1])


@pytest.mark.parametrize(
    ("name", "main", "model"),
    [
        ("DAPI", "fluo-x2", "fluo-x2"),
        ("brightfield", "fluo-x2", "bicubic-x2"),
        ("DIC", "fluo3d-z2", "area-spline-x2x1x1"),
        ("brightfield DAPI", "photo-x2", "fluo-x2"),
        ("2", "fluo-x2", None),
    ],
)
def test_the_name_of_the_channel_decides(name, main, model):
    assert choose(name, main)[0] == model


def test_models_of_another_grid_are_known():
    model, _ = choose("DAPI", "bicubic-x3")
    assert find_card(model).scale == (3, 3)
    refused = on_other_grids(list_models(), find_card("bicubic-x3"))
    assert refused["fluo-x2"] == "fluo-x2 makes another grid than bicubic-x3"
    assert "lanczos-x3" not in refused
