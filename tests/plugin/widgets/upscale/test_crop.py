"""The crop of the user's image in Super-resolve: what it holds, and when it is computed."""

import numpy as np
import pytest
from helpers.upscaling import LONG, pixels

from napari_superres import Image, upscale
from napari_superres.plugin.widgets.upscale import crop as crops
from napari_superres.plugin.widgets.upscale.crop import crop
from napari_superres.plugin.widgets.upscale.state import Request

BOX = {"Y": (10, 26), "X": (5, 17)}


@pytest.mark.parametrize(
    ("axes", "shape", "box", "channel", "place"),
    [
        ("YX", (40, 50), {}, 0, ()),
        ("ZYX", (3, 40, 50), {"Z": (2, 3)}, 0, (2,)),
        ("CYX", (3, 40, 50), {}, 1, (1,)),
        ("TCYX", (2, 3, 40, 50), {"T": (1, 2)}, 2, (1, 2)),
        ("YXS", (40, 50, 3), {}, 0, ()),
    ],
)
def test_the_three_pictures_show_one_place(axes, shape, box, channel, place):
    image = Image.from_array(pixels(shape), axes)
    options = {"channels": None, "tile": "auto", "intensity_range": None}
    low, base, fine = crop(Request(image, "lanczos-x2", options), {**BOX, **box}, channel)
    np.testing.assert_array_equal(low, np.asarray(image.data)[place][10:26, 5:17])
    for found, model in ((base, "bicubic-x2"), (fine, "lanczos-x2")):
        whole = np.asarray(upscale(image, model).data)[place]
        np.testing.assert_array_equal(found, whole[20:52, 10:34])


def test_channels_that_are_left_out_do_not_shift_the_others():
    image = Image.from_array(pixels((3, 40, 50)), "CYX", channel_names=("DAPI", "GFP", "RFP"))
    models = {0: "lanczos-x2", 2: "nearest-x2"}
    for request in (
        Request(image, "nearest-x2", {"channels": [0, 2], "tile": "auto"}),
        Request(image, models, {"channels": None, "tile": "auto"}),
    ):
        check(image, *crop(request, BOX, 1))


def check(image, low, _, fine):
    """The pictures are those of the third channel."""
    np.testing.assert_array_equal(low, np.asarray(image.data)[2, 10:26, 5:17])
    np.testing.assert_array_equal(fine, low.repeat(2, 0).repeat(2, 1))


@pytest.fixture
def computed(monkeypatch):
    """Boxes that were computed."""
    boxes, whole = [], crops.crop

    def count(request, box, channel):
        boxes.append(box)
        return whole(request, box, channel)

    monkeypatch.setattr(crops, "crop", count)
    return boxes


@pytest.mark.gui
def test_it_follows_what_is_in_view_while_it_is_in_view(viewer, widget, qtbot, computed):
    assert widget.crop.pictures.isHidden()
    layer = viewer.add_image(pixels((200, 200)))
    viewer.window._qt_window.show()
    qtbot.waitUntil(lambda: all(widget.crop.pictures.has_picture), timeout=LONG)
    assert not widget.crop.pictures.isHidden()
    assert widget.crop.waiting.isHidden()
    assert computed[-1] == {"Y": (76, 124), "X": (76, 124)}
    layer.contrast_limits = (0, 10)
    assert np.min(crops._look(layer, np.full((2, 2), 10))) == 1.0
    count = len(computed)
    widget.model.value = "bicubic-x4"
    qtbot.waitUntil(lambda: computed[-1] == {"Y": (88, 112), "X": (88, 112)}, timeout=LONG)
    assert len(computed) == count + 1
    widget.crop.section.collapse(animate=False)
    widget.model.value = "bicubic-x2"
    qtbot.waitUntil(lambda: "400 × 400" in widget.estimate.text(), timeout=LONG)
    assert not widget.crop._timer.isActive()
    widget.crop.section.expand(animate=False)
    qtbot.waitUntil(lambda: len(computed) == count + 2, timeout=LONG)


@pytest.mark.gui
def test_it_is_gone_where_nothing_can_be_computed(viewer, widget, qtbot):
    viewer.add_image(pixels())
    qtbot.waitUntil(lambda: not widget.crop.isHidden(), timeout=LONG)
    widget.intensity_range.value = "dark"
    qtbot.waitUntil(widget.crop.isHidden, timeout=LONG)
    widget.intensity_range.value = ""
    qtbot.waitUntil(lambda: not widget.crop.isHidden(), timeout=LONG)
    viewer.layers.clear()
    qtbot.waitUntil(widget.crop.isHidden, timeout=LONG)
