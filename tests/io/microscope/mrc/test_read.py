"""MRC: the pixel size is in angstrom, or unknown if the file does not state it; damage is an error of one line."""

import numpy as np
import pytest

from napari_superres.errors import UnreadableImageError
from napari_superres.io import read_image

mrcfile = pytest.importorskip("mrcfile", reason="mrcfile is an extra (formats)")


def written(path, data, voxel=None, *, stack=False):
    with mrcfile.new(path) as file:
        file.set_data(data)
        if voxel:
            file.voxel_size = voxel
        if stack:
            file.set_image_stack()
    return path


def test_a_volume_keeps_its_voxel_size(tmp_path):
    data = np.random.default_rng(0).integers(-99, 99, (4, 5, 6), dtype=np.int16)
    image = read_image(written(tmp_path / "a.mrc", data, (2.0, 3.0, 4.0)))
    assert image.axes == "ZYX"
    assert image.pixel_size == pytest.approx((4.0, 3.0, 2.0))
    assert set(image.units.values()) == {"angstrom"}
    np.testing.assert_array_equal(np.asarray(image.data), data)


def test_an_absent_voxel_size_is_unknown(tmp_path):
    image = read_image(written(tmp_path / "a.mrc", np.ones((5, 6), np.float32)))
    assert image.axes == "YX"
    assert not image.has_pixel_size


def test_a_stack_of_images_is_not_a_volume(tmp_path):
    image = read_image(written(tmp_path / "a.mrcs", np.ones((3, 5, 6), np.float32), (1.5, 1.5, 1.5), stack=True))
    assert image.axes == "TYX"


@pytest.mark.parametrize("size", [0, 100, 1100])
def test_damage_is_one_clear_line(tmp_path, size):
    path = written(tmp_path / "a.mrc", np.ones((4, 20, 20), np.float32), (1.0, 1.0, 1.0))
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(UnreadableImageError, match=r"a\.mrc") as caught:
        read_image(path)
    assert "\n" not in str(caught.value)
