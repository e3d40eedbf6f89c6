"""What the computation of a box reads: the box once, and correct pixels outside of it."""

import numpy as np
from helpers.runs import plan_of

from napari_superres import Image
from napari_superres.inference.stream.boxes import BoxInMemory, _read_box


class Counted:
    """An array that counts how often it is read."""

    def __init__(self, data):
        self.data, self.shape, self.dtype, self.reads = data, data.shape, data.dtype, 0

    def __getitem__(self, key):
        self.reads += 1
        return self.data[key]


def test_a_box_is_read_once_and_the_rest_when_it_is_needed():
    data = np.arange(4 * 10 * 12).reshape(4, 10, 12)
    counted = Counted(data)
    box = BoxInMemory(counted, (slice(1, 3), slice(2, 8), slice(0, 12)))
    inside = [(slice(1, 3), slice(2, 8), slice(None)), (1, slice(3, 5), slice(0, 2)), (2, slice(None), 11)]
    whole = [(slice(1, 3), slice(2, 8), slice(0, 12)), (1, slice(3, 5), slice(0, 2)), (2, slice(2, 8), 11)]
    for asked, same in zip(inside, whole, strict=True):
        assert np.array_equal(box[asked], data[same])
    assert counted.reads == 1
    outside = [(0, slice(3, 5), 0), (3, slice(3, 5), 0), (1, slice(1, 5), 0), (1, slice(5, 9), 0)]
    for number, asked in enumerate(outside):
        assert np.array_equal(box[asked], data[asked])
        assert counted.reads == 2 + number


def test_only_the_channels_of_a_plan_are_read(toy):
    image = Image.from_array(np.zeros((5, 30, 30), np.float32), "CYX")
    plan = plan_of(image, toy(), channels=[1, 2])
    channels = _read_box(image, plan)[0]
    assert (channels.start, channels.stop) == (1, 3)
