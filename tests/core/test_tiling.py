"""Cores fill the region once and lie the halo away from every side of their window that is not the image's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_superres.core.tiling import balanced_tile, cover, iter_tiles, padded_size, reflected, smallest_tile
from napari_superres.errors import SettingsError


@st.composite
def axes(draw):
    """One axis: region, padded size, window, halo, multiple."""
    multiple = draw(st.integers(1, 8))
    halo = draw(st.integers(0, 12))
    size = padded_size(draw(st.integers(1, 130)), multiple)
    start = draw(st.integers(0, size - 1))
    stop = draw(st.integers(start + 1, size))
    wish = smallest_tile(halo, multiple) + draw(st.integers(0, 70))
    return start, stop, size, balanced_tile(size, wish, halo, multiple), halo, multiple, wish


@given(axes())
def test_cores_partition_and_windows_hold_their_context(axis):
    start, stop, size, tile, halo, multiple, wish = axis
    assert tile % multiple == 0
    assert tile <= max(wish, 0) or tile == size
    written = np.zeros(size, int)
    for read, first, last in cover(start, stop, size, tile, halo, multiple):
        written[first:last] += 1
        assert read % multiple == 0
        assert read >= 0
        assert read + tile <= size, "windows are clipped at the image's sides, never padded"
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


@given(size=st.integers(1, 400), halo=st.integers(0, 40), multiple=st.integers(1, 16), wish=st.integers(-3, 100))
def test_too_small_a_window_is_refused_and_the_named_one_works(size, halo, multiple, wish):
    try:
        tile = balanced_tile(size, wish, halo, multiple)
    except SettingsError as error:
        named = int(str(error).rsplit("at least ", 1)[1].rstrip("."))
        assert named > wish // multiple * multiple
        tile = balanced_tile(size, named, halo, multiple)
    full = padded_size(size, multiple)
    cover(0, full, full, tile, halo, multiple)


@given(halo=st.integers(0, 30), multiple=st.integers(1, 8), size=st.integers(1, 300))
def test_the_smallest_window_works(halo, multiple, size):
    full = padded_size(size, multiple)
    tile = min(full, smallest_tile(halo, multiple))
    cores = cover(0, full, full, tile, halo, multiple)
    assert sum(last - first for _, first, last in cores) == full


def test_windows_are_balanced():
    """512 pixels in windows of at most 300 with halo 8: two equal windows, not one large and one small."""
    assert balanced_tile(512, 300, 8, 1) == 264
    assert [w[0] for w in cover(0, 512, 512, 264, 8, 1)] == [0, 248]
    with pytest.raises(SettingsError, match="at least 17"):
        balanced_tile(512, 16, 8, 1)


@given(size=st.integers(1, 20), more=st.integers(0, 60))
def test_reflection_equals_numpys(size, more):
    expected = np.pad(np.arange(size), (0, more), mode="reflect" if size > 1 else "edge")
    assert np.array_equal(reflected(0, size + more, size), expected)
