"""MRC: axes in any order, the place in the cell, stacks and volumes, unsigned bytes, and refusals by name."""

import struct

import numpy as np
import pytest

from napari_superres.errors import GridError, UnreadableImageError
from napari_superres.io import read_image

mrcfile = pytest.importorskip("mrcfile", reason="mrcfile is an extra (formats)")

DATA = np.random.default_rng(0).integers(-100, 100, (4, 5, 6), dtype=np.int16)


def written(path, data=DATA, voxel=(1.0, 2.0, 3.0), *, stack=False, mz=None, **fields):
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(data)
        if stack:
            file.set_image_stack()
        file.voxel_size = voxel
        for name, value in fields.items():
            file.header[name] = value
        if mz is not None:
            file.header.mz, file.header.cella.z = mz, voxel[2] * mz
    return path


def patched(path, *values):
    content = bytearray(path.read_bytes())
    for position, value in values:
        content[position : position + 4] = struct.pack("<i", value)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 1, 3), (2, 3, 1), (3, 1, 2), (1, 3, 2)])
def test_axes_in_any_order(order, tmp_path):
    """Columns, rows and sections are the axes that the header says; pixels keep their place in the world."""
    columns, rows, sections = order
    path = written(tmp_path / "a.mrc", mapc=columns, mapr=rows, maps=sections, nxstart=5, nystart=6, nzstart=7)
    image = read_image(path)
    assert image.axes == "ZYX"
    assert image.pixel_size == (3.0, 2.0, 1.0)
    voxel = {1: 1.0, 2: 2.0, 3: 3.0}
    for at in ((0, 0, 0), (3, 4, 5), (1, 2, 4)):
        world = {  # index and start count in columns, rows and sections, sizes in X, Y and Z
            axis: (i + start) * voxel[axis]
            for axis, i, start in zip((sections, rows, columns), at, (7, 6, 5), strict=True)
        }
        index = np.linalg.solve(image.affine, [world[3], world[2], world[1], 1.0])[:3].round().astype(int)
        assert image.data[tuple(index)] == DATA[at]


def test_axes_that_the_header_does_not_state(tmp_path):
    image = read_image(written(tmp_path / "a.mrc", mapc=0, mapr=0, maps=0))
    np.testing.assert_array_equal(image.data, DATA)


def test_the_origin_comes_first_and_then_the_start_in_the_cell(tmp_path):
    image = read_image(written(tmp_path / "a.mrc", origin=(10.0, 20.0, 30.0), nxstart=5))
    assert image.origin == (30.0, 20.0, 10.0)
    image = read_image(written(tmp_path / "a.mrc", nxstart=5, nystart=-6, nzstart=7))
    assert image.origin == (21.0, -12.0, 5.0)
    assert read_image(written(tmp_path / "b.mrc", DATA[0], nxstart=5)).origin == (0.0, 5.0)


@pytest.mark.parametrize(
    ("name", "mz", "axes"), [("a.mrc", 1, "TYX"), ("a.mrcs", 1, "TYX"), ("a.mrc", 4, "ZYX"), ("a.rec", 1, "ZYX")]
)
def test_space_group_0(name, mz, axes, tmp_path):
    """It is that of image stacks, but tomography writes it into volumes."""
    image = read_image(written(tmp_path / name, stack=True, mz=mz))
    assert image.axes == axes
    assert image.pixel_size == ((3.0, 2.0, 1.0) if axes == "ZYX" else (2.0, 1.0))


def test_a_stack_of_volumes(tmp_path):
    data = np.stack([DATA, -DATA])
    image = read_image(written(tmp_path / "a.mrc", data, mapc=3, maps=1))
    assert image.axes == "TZYX"
    np.testing.assert_array_equal(image.data, data.transpose(0, 3, 2, 1))


BYTES = np.random.default_rng(1).integers(0, 256, (4, 5, 6), dtype=np.uint8)


def test_bytes_of_imod_are_unsigned_unless_it_says_otherwise(tmp_path):
    path = patched(written(tmp_path / "a.mrc", BYTES.view(np.int8)), (152, 1146047817), (156, 0))
    image = read_image(path)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image.data, BYTES)
    image = read_image(patched(path, (156, 1)))
    np.testing.assert_array_equal(image.data, BYTES.view(np.int8))


def test_bytes_whose_largest_value_is_stated_to_be_above_127_are_unsigned(tmp_path):
    path = written(tmp_path / "a.mrc", BYTES.view(np.int8), dmin=0.0, dmax=255.0, dmean=127.0)
    np.testing.assert_array_equal(read_image(path).data, BYTES)
    path = written(tmp_path / "b.mrc", BYTES.view(np.int8))
    np.testing.assert_array_equal(read_image(path).data, BYTES.view(np.int8))


@pytest.mark.parametrize(
    ("mode", "flags", "said"),
    [(3, 1, "complex whole"), (4, 1, "complex"), (16, 1, "RGB"), (101, 1, "4 bits"), (0, 16, "4 bits")],
)
def test_numbers_that_are_no_intensities_are_refused_by_name(mode, flags, said, tmp_path):
    path = patched(written(tmp_path / "a.mrc"), (12, mode), (152, 1146047817), (156, flags))
    with pytest.raises(UnreadableImageError, match=said):
        read_image(path)


def test_a_skewed_cell_is_refused(tmp_path):
    with pytest.raises(GridError, match="right angles"):
        read_image(written(tmp_path / "a.mrc", cellb=(90.0, 100.0, 90.0)))
