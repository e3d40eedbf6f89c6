"""Cores fill the region once, at least a halo away from every side of their tile that is not a side of the image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_superres.core.tiling import balanced_tile, cover, iter_tiles, padded_size, reflect_indices, smallest_tile
from napari_superres.errors import SettingsError


@st.composite
def axes(draw):
    """Draw one axis: start and stop of the region, padded size, tile, halo, multiple, and largest tile."""
    multiple = draw(st.integers(1, 8))
    halo = draw(st.integers(0, 12))
    size = padded_size(draw(st.integers(1, 130)), multiple)
    start = draw(st.integers(0, size - 1))
    stop = draw(st.integers(start + 1, size))
    largest = smallest_tile(halo, multiple) + draw(st.integers(0, 70))
    return start, stop, size, balanced_tile(size, largest, halo, multiple), halo, multiple, largest


@given(axes())
def test_cores_partition_and_tiles_hold_their_context(axis):
    start, stop, size, tile, halo, multiple, largest = axis
    assert tile % multiple == 0
    assert tile <= max(largest, 0) or tile == size
    written = np.zeros(size, int)
    for read, first, last in cover(start, stop, size, tile, halo, multiple):
        written[first:last] += 1
        assert read % multiple == 0
        assert read >= 0
        assert read + tile <= size, "tiles never reach beyond the sides of the image"
        assert read == 0 or first - read >= halo
        assert read + tile == size or read + tile - last >= halo
        assert first < last
    assert (written[start:stop] == 1).all()
    assert written.sum() == stop - start


@given(axes(), axes())
def test_tiles_of_a_plane_partition_it(one, two):
    shape, region = (one[2], two[2]), (slice(one[0], one[1]), slice(two[0], two[1]))
    written = np.zeros(shape, int)
    for tile in iter_tiles(region, shape, (one[3], two[3]), (one[4], two[4]), (one[5], two[5])):
        written[tile.core] += 1
        assert all(r.start <= c.start < c.stop <= r.stop for r, c in zip(tile.read, tile.core, strict=True))
    inside = np.zeros(shape, int)
    inside[region] = 1
    assert np.array_equal(written, inside)


@given(size=st.integers(1, 400), halo=st.integers(0, 40), multiple=st.integers(1, 16), largest=st.integers(-3, 100))
def test_a_tile_that_is_too_small_is_refused_and_the_suggested_one_works(size, halo, multiple, largest):
    try:
        tile = balanced_tile(size, largest, halo, multiple)
    except SettingsError as error:
        suggested = int(str(error).rsplit("at least ", 1)[1].rstrip("."))
        assert suggested > largest // multiple * multiple
        tile = balanced_tile(size, suggested, halo, multiple)
    full = padded_size(size, multiple)
    cover(0, full, full, tile, halo, multiple)


@given(halo=st.integers(0, 30), multiple=st.integers(1, 8), size=st.integers(1, 300))
def test_the_smallest_tile_works(halo, multiple, size):
    full = padded_size(size, multiple)
    tile = min(full, smallest_tile(halo, multiple))
    cores = cover(0, full, full, tile, halo, multiple)
    assert sum(last - first for _, first, last in cores) == full


def test_tiles_are_balanced():
    """512 pixels in tiles of at most 300 with halo 8 need two equal tiles, not a large and a small one."""
    assert balanced_tile(512, 300, 8, 1) == 264
    assert [w[0] for w in cover(0, 512, 512, 264, 8, 1)] == [0, 248]
    with pytest.raises(SettingsError, match="at least 17"):
        balanced_tile(512, 16, 8, 1)


@given(size=st.integers(1, 20), more=st.integers(0, 60))
def test_reflection_equals_numpys(size, more):
    expected = np.pad(np.arange(size), (0, more), mode="reflect" if size > 1 else "edge")
    assert np.array_equal(reflect_indices(0, size + more, size), expected)
