"""Intensities: one map per channel for the whole image, inverted exactly, cast without wrapping."""

import numpy as np
import pytest

from napari_superres import Image
from napari_superres.core.intensity import Normalisation, cast, fit_normalisation, sample
from napari_superres.errors import SettingsError

LIMITS = {
    "u1": (0, 255),
    "i2": (-32768, 32767),
    ">u2": (0, 65535),
    "i4": (-(2**31), 2**31 - 1),
    "u4": (0, 2**32 - 1),
    "i8": (-(2**62), 2**62),
    "f4": (-3e38, 3e38),
    ">f4": (-1e-30, 1e-30),
    "f8": (-1e300, 1e300),
    "f2": (-60000, 60000),
}


@pytest.mark.parametrize("dtype", LIMITS)
def test_the_map_is_inverted_in_double_precision(dtype):
    low, high = LIMITS[dtype]
    values = np.linspace(low, high, 1001, dtype=np.float64).astype(dtype).reshape(7, 143)
    image = Image.from_array(values, "YX")
    norm = fit_normalisation(image, "percentile")
    there = norm.apply(values, 0, np.float64)
    assert there.min() >= -0.01
    assert there.max() <= 1.01
    back = norm.invert(there.copy(), 0, values.dtype)
    assert np.abs(back - values.astype(np.float64)).max() <= 2e-15 * (float(high) - float(low))
    found, saturated = cast(back, image.dtype)
    assert saturated == 0
    if dtype not in ("i8", "f8"):  # double precision cannot hold all digits of 64 bits
        assert np.array_equal(found, values)


@pytest.mark.parametrize("dtype", ["i4", "u4", "i8", "f8", "f4"])
def test_a_large_offset_keeps_the_low_bits(dtype):
    """Single precision for the model must not lose the digits of an offset on the way back."""
    offset = 2**22 if dtype == "f4" else 2**30
    values = (offset + np.arange(1000).reshape(20, 50)).astype(dtype)
    norm = fit_normalisation(Image.from_array(values, "YX"), "percentile")
    back = norm.invert(norm.apply(values, 0, np.float32), 0, values.dtype)
    assert np.abs(cast(back, values.dtype)[0].astype(np.float64) - values).max() <= (0 if dtype[0] != "f" else 1e-3)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2"])
def test_small_integers_survive_single_precision(dtype):
    info = np.iinfo(dtype)
    values = np.arange(info.min, info.max + 1, dtype=np.int64).astype(dtype)[None]
    norm = fit_normalisation(Image.from_array(values, "YX"), "percentile")
    assert np.array_equal(cast(norm.invert(norm.apply(values, 0), 0, values.dtype), values.dtype)[0], values)


def test_the_input_is_never_changed():
    values = np.random.default_rng(0).random((5, 5)).astype(np.float32)
    before = values.copy()
    for norm in (Normalisation((0.0,), (1.0,)), Normalisation((2.0,), (5.0,))):
        out = norm.apply(values, 0)
        out += 1
        assert np.array_equal(values, before)


@pytest.mark.parametrize("kind", ["f4", "f8"])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"])
def test_integers_round_and_saturate_with_a_count(dtype, kind):
    info = np.iinfo(dtype)
    span = float(info.max) - float(info.min)
    values = np.array([info.min - span, float(info.min), 2.5, 3.5, 3.4999, float(info.max) + span, 1e30, -1e30], kind)
    found, saturated = cast(values, np.dtype(dtype))
    assert found.dtype == dtype
    assert found[:5].tolist() == [info.min, info.min, 2, 4, 3]
    # The largest 32- and 64-bit integers have no equal float, so the next smaller float is the limit.
    assert info.max - span * 2.0 ** -(23 if kind == "f4" else 52) <= int(found[5]) <= info.max
    assert found[6] == found[5]
    assert found[7] == info.min
    assert saturated == 4


def test_floats_are_not_clamped_but_float16_saturates():
    values = np.array([1e6, -1e6, 5.0, np.nan, np.inf, -np.inf], np.float32)
    found, count = cast(values, np.dtype(np.float16))
    assert count == 2
    assert found[:3].tolist() == [65504, -65504, 5]
    assert np.isnan(found[3])
    assert np.isinf(found[4:]).all(), "infinite pixels of the input stay infinite"
    found, count = cast(np.array([1e300, 1.0]), np.dtype(np.float32))
    assert count == 1
    assert np.isfinite(found).all()
    assert cast(np.array([-7.25], np.float32), np.dtype(np.float64))[0].tolist() == [-7.25]


def test_unit_of_8_bits_is_fixed_and_none_is_identity():
    image = Image.from_array(np.full((4, 4), 7, np.uint8), "YX")
    assert fit_normalisation(image, "unit") == Normalisation((0.0,), (255.0,))
    assert fit_normalisation(image, "none") == Normalisation((0.0,), (1.0,))


@pytest.mark.parametrize("value", [0, 7, 65535])
def test_constant_images_have_a_range(value):
    norm = fit_normalisation(Image.from_array(np.full((4, 4), value, np.uint16), "YX"), "percentile")
    assert norm.high[0] > norm.low[0]
    assert norm.low[0] == value


@pytest.mark.parametrize("value", [0.0, 0.25, -1e-30])
def test_constant_real_numbers_have_a_range_near_their_size(value):
    norm = fit_normalisation(Image.from_array(np.full((4, 4), value, np.float32), "YX"), "standard")
    assert norm.low[0] == pytest.approx(value)
    assert norm.high[0] - norm.low[0] == pytest.approx(abs(value) or 1.0)


def test_sparse_signal_on_a_constant_background():
    values = np.zeros((100, 100), np.uint16)
    values[3, 4] = 1000
    assert fit_normalisation(Image.from_array(values, "YX"), "percentile") == Normalisation((0.0,), (1000.0,))


def test_not_a_number_is_ignored():
    values = np.random.default_rng(0).random((50, 60))
    clean = fit_normalisation(Image.from_array(values, "YX"), "percentile")
    spoilt = values.copy()
    spoilt[::50, ::7] = np.nan
    spoilt[1, 1], spoilt[2, 2] = np.inf, -np.inf
    found = fit_normalisation(Image.from_array(spoilt, "YX"), "percentile")
    assert np.isfinite([*found.low, *found.high]).all()
    assert found.low[0] == pytest.approx(clean.low[0], abs=0.01)
    nothing = fit_normalisation(Image.from_array(np.full((4, 4), np.nan), "YX"), "percentile")
    assert nothing == Normalisation((0.0,), (1.0,))


def test_two_extreme_values_do_not_wrap():
    """Interpolating between distant integers in their own type would overflow."""
    for dtype in ("i1", "i2", "i4", "i8", "f2"):
        limits = np.finfo(dtype) if dtype == "f2" else np.iinfo(dtype)
        norm = fit_normalisation(Image.from_array(np.array([[limits.min, limits.max]], dtype), "YX"), "percentile")
        assert norm == Normalisation((float(limits.min),), (float(limits.max),))


def test_one_map_per_channel_over_all_of_time_and_depth():
    rng = np.random.default_rng(1)
    data = rng.normal(size=(3, 2, 4, 20, 22)) + np.arange(3)[:, None, None, None, None] * 10  # drifts over T
    data[:, 1] *= 100
    norm = fit_normalisation(Image.from_array(data, "TCZYX"), "percentile")
    for channel in (0, 1):
        low, high = np.percentile(data[:, channel], [0.1, 99.9])
        assert norm.low[channel] == pytest.approx(low, rel=0.2)
        assert norm.high[channel] == pytest.approx(high, rel=0.2)
        assert norm.low[channel] < data[0, channel].mean() < data[2, channel].mean() < norm.high[channel]
    turned = fit_normalisation(Image.from_array(np.moveaxis(data, 1, -1), "TZYXC"), "percentile")
    assert turned == norm


@pytest.mark.parametrize("kind", ["dask", "zarr"])
def test_lazy_data_are_sampled_not_read_whole(kind):
    data = np.random.default_rng(2).integers(0, 5000, (200, 1, 32, 30), dtype=np.uint16)
    read = []
    if kind == "dask":
        da = pytest.importorskip("dask.array")

        def load(block_info=None):
            place = block_info[None]["array-location"]
            read.append(place[0])
            return data[tuple(slice(*p) for p in place)]

        lazy = da.map_blocks(
            load, chunks=((1,) * 200, (1,), (32,), (30,)), dtype=data.dtype, meta=np.empty((0,) * 4, "u2")
        )
    else:
        import zarr

        lazy = zarr.create_array({}, shape=data.shape, chunks=(1, 1, 32, 30), dtype=data.dtype)
        lazy[...] = data
    whole = fit_normalisation(Image.from_array(data, "TCYX"), "percentile")
    found = fit_normalisation(Image.from_array(lazy, "TCYX"), "percentile")
    assert found == whole
    assert sample(Image.from_array(lazy, "TCYX"), 0).size <= 64 * 32 * 30
    assert kind == "zarr" or 0 < len(set(read)) <= 64


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ([(5, 5)], "low < high"),
        ([(5, 1)], "low < high"),
        ([(0, np.inf)], "finite"),
        ([(np.nan, 1)], "finite"),
        ([(0, 1)] * 3, r"one per channel \(2\), got 3"),
        ((0, 1, 4095), r"a pair such as \(0, 4095\), or one per channel"),
        ([(1, 2, 3)], "pairs"),
        ([], "got 0"),
    ],
)
def test_ranges_that_cannot_be(ranges, message):
    with pytest.raises(SettingsError, match=message):
        fit_normalisation(Image.from_array(np.zeros((2, 3, 3)), "CYX"), "percentile", ranges)


def test_ranges_fix_the_map():
    image = Image.from_array(np.zeros((2, 3, 3), np.uint16), "CYX")
    for ranges in ([(0, 4095)], (0, 4095)):
        assert fit_normalisation(image, "percentile", ranges) == Normalisation((0.0, 0.0), (4095.0, 4095.0))
    assert fit_normalisation(image, "unit", [(0, 1), (2, 3)]) == Normalisation((0.0, 2.0), (1.0, 3.0))


def test_percentiles_of_ones_own_and_standard_deviations():
    values = np.arange(1001, dtype=np.uint16).reshape(7, 143)
    image = Image.from_array(values, "YX")
    assert fit_normalisation(image, "percentile", percentiles=(1, 99)) == Normalisation((10.0,), (990.0,))
    found = fit_normalisation(image, "standard")
    np.testing.assert_allclose(found.apply(values, 0, np.float64).mean(), 0, atol=1e-12)
    np.testing.assert_allclose(found.apply(values, 0, np.float64).std(), 1)
    flat = fit_normalisation(Image.from_array(np.full((4, 4), 3.0), "YX"), "standard")
    assert flat == Normalisation((3.0,), (4.0,))
    nothing = fit_normalisation(Image.from_array(np.full((4, 4), np.nan), "YX"), "standard")
    assert nothing == Normalisation((0.0,), (1.0,))
