import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_superres.core.binning import bin_mean
from napari_superres.core.image import Image
from napari_superres.degradation import degrade
from napari_superres.degradation.optics import blur
from napari_superres.errors import AxesError, SettingsError, SuperResError

KERNELS = [{"kernel": "bicubic"}, {"kernel": "gaussian", "psf_sigma": 1.3}, {"kernel": "kspace"}]


def blob(shape, centre, sigma):
    index = np.meshgrid(*[np.arange(n) for n in shape], indexing="ij")
    return np.exp(-sum((i - c) ** 2 for i, c in zip(index, centre, strict=True)) / (2 * sigma**2))


def world_centroid(image):
    data = np.asarray(image.data, dtype=float)
    index = np.meshgrid(*[np.arange(n) for n in data.shape], indexing="ij")
    centre = [float((i * data).sum() / data.sum()) for i in index]
    return (image.affine @ [*centre, 1.0])[:-1]


def rotated(pixel_size, angle, origin):
    c, s = np.cos(angle), np.sin(angle)
    affine = np.eye(3)
    affine[:2, :2] = np.array([[c, -s], [s, c]]) @ np.diag(pixel_size)
    affine[:2, 2] = origin
    return affine


@pytest.mark.parametrize("options", KERNELS)
@given(
    scale=st.integers(2, 4),
    angle=st.floats(-3, 3),
    size=st.tuples(st.integers(61, 80), st.integers(61, 80)),
    at=st.tuples(st.floats(28, 33), st.floats(28, 33)),
)
@settings(max_examples=15, deadline=None)
def test_a_blob_stays_where_it_is_in_the_world(options, scale, angle, size, at):
    affine = rotated((0.2, 0.5), angle, (7.0, -3.0))
    hr = Image.from_array(blob(size, at, 4.0), "YX", affine=affine)
    lr = degrade(hr, scale, **options)
    assert lr.shape == tuple(n // scale for n in size)
    moved = np.linalg.inv(lr.affine[:2, :2]) @ (world_centroid(lr) - world_centroid(hr))
    assert np.abs(moved).max() < 0.05


def test_a_volume_is_reduced_per_axis_and_stays_in_place():
    hr = Image.from_array(blob((24, 48, 48), (11, 20, 25), 3.0), "ZYX", pixel_size=(1.5, 0.4, 0.4), origin=(5, 6, 7))
    for options in ({"kernel": "bicubic"}, {"kernel": "gaussian", "psf_sigma": (0.5, 1, 1)}, {"kernel": "kspace"}):
        lr = degrade(hr, (2, 3, 3), **options)
        assert lr.shape == (12, 16, 16)
        assert lr.pixel_size == pytest.approx((3.0, 1.2, 1.2))
        assert world_centroid(lr) == pytest.approx(world_centroid(hr), abs=0.02)


def test_one_number_means_the_plane():
    hr = Image.from_array(np.ones((5, 8, 8), np.uint8), "ZYX", pixel_size=1.0)
    lr = degrade(hr, 2)
    assert lr.shape == (5, 4, 4)
    assert lr.pixel_size == (1.0, 2.0, 2.0)


@pytest.mark.parametrize("options", KERNELS)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_mean_intensity_is_kept(options, scale):
    hr = np.random.default_rng(1).random((scale * 9, scale * 7))
    lr = degrade(hr, scale, **options)
    assert np.mean(lr.data) == pytest.approx(hr.mean(), rel=1e-12)


def test_noise_is_right_on_average_and_in_spread():
    flat = np.full((400, 400), 1000.0)
    lr = degrade(flat, 2, kernel="gaussian", photons=50, read_noise=3, offset=100)
    gain = 50 / 1000
    electrons = (np.asarray(lr.data) - 100) * gain
    assert electrons.mean() == pytest.approx(50, rel=0.005)
    assert electrons.var() == pytest.approx(50 + 9, rel=0.02)


def test_photon_noise_alone_gives_whole_photons():
    lr = degrade(np.full((40, 40), 8.0), 2, photons=20)
    photons = np.asarray(lr.data) * 20 / 8
    assert np.allclose(photons, np.round(photons))
    assert np.ptp(photons) > 0


def test_read_noise_without_photons_is_in_the_images_unit():
    lr = degrade(np.full((400, 400), -900.0), 2, read_noise=7)
    assert np.std(lr.data) == pytest.approx(7, rel=0.02)
    assert np.mean(lr.data) == pytest.approx(-900, abs=0.2)


def test_binning_comes_before_the_noise():
    # Noise before binning would be averaged down to half by x2.
    assert np.std(degrade(np.zeros((300, 300)), 2, kernel="gaussian", read_noise=1.0).data) > 0.97


def test_the_seed_decides():
    hr = np.full((32, 32), 9.0)
    one, two, other = (np.asarray(degrade(hr, 2, photons=10, seed=s).data) for s in (4, 4, 5))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "float16", "float32", "float64", ">u2"])
@pytest.mark.parametrize("options", KERNELS)
def test_type_is_kept_and_limits_hold(dtype, options):
    hr = np.zeros((16, 16), dtype)
    hr[:, 8:] = 120
    lr = degrade(hr, 2, **options)
    assert lr.data.dtype == np.dtype(dtype).newbyteorder("=")
    saturated = degrade(np.full((8, 8), 250, np.uint8), 2, offset=40, **options)
    assert np.all(np.asarray(saturated.data) == 255)


def test_everything_around_the_pixels_is_kept():
    rng = np.random.default_rng(0)
    hr = Image.from_array(
        rng.integers(0, 4000, (2, 3, 4, 17, 18), np.uint16),
        "TCZYX",
        pixel_size=(0.3, 0.1, 0.1),
        origin=(1, 2, 3),
        channel_names=("a", "b", "c"),
        metadata={"objective": "63x", "provenance": {"model": "x"}},
    )
    lr = degrade(hr, 2)
    assert (lr.axes, lr.shape, lr.channel_names) == ("TCZYX", (2, 3, 4, 8, 9), ("a", "b", "c"))
    assert lr.units == hr.units
    assert lr.metadata["objective"] == "63x"
    assert "provenance" not in lr.metadata
    assert lr.metadata["degradation"]["scale"] == (1, 2, 2)


@pytest.mark.parametrize("options", KERNELS)
def test_axes_order_does_not_matter(options):
    data = np.random.default_rng(3).random((2, 3, 12, 14))
    plain = degrade(data, 2, axes="CZYX", **options)
    turned = degrade(np.moveaxis(data, (0, 1), (3, 1)), 2, axes="YZXC", **options)
    assert np.allclose(np.moveaxis(np.asarray(turned.data), (3, 1), (0, 1)), plain.data, atol=1e-12)


@pytest.mark.parametrize("options", KERNELS)
def test_colour_samples_do_not_mix(options):
    rgb = np.random.default_rng(5).random((20, 22, 3))
    lr = degrade(rgb, 2, axes="YXS", **options)
    assert lr.shape == (10, 11, 3)
    for s in range(3):
        assert np.allclose(lr.data[..., s], degrade(rgb[..., s], 2, **options).data, atol=1e-12)


def test_lazy_data_are_read():
    dask = pytest.importorskip("dask.array")
    data = np.random.default_rng(6).random((3, 20, 20)).astype(np.float32)
    lazy = Image.from_array(dask.from_array(data, chunks=(1, 10, 10)), "TYX")
    lr = degrade(lazy, 2, kernel="gaussian", psf_sigma=1, photons=30)
    assert isinstance(lr.data, np.ndarray)
    assert np.array_equal(lr.data, degrade(data, 2, axes="TYX", kernel="gaussian", psf_sigma=1, photons=30).data)


@pytest.mark.parametrize("options", [*KERNELS, {"photons": 9.0}])
def test_invalid_pixels_stay_where_they_are(options):
    hr = np.ones((16, 16))
    hr[4, 7] = np.nan
    hr[11, 2] = np.inf
    lr = np.asarray(degrade(hr, 2, **options).data)
    assert np.argwhere(~np.isfinite(lr)).tolist() == [[2, 3], [5, 1]]
    if "photons" not in options:
        assert np.allclose(lr[np.isfinite(lr)], 1.0)


def test_a_point_becomes_the_point_spread_function():
    point = np.zeros((61, 61))
    point[30, 30] = 1.0
    profile = blur(point, (2.0, 2.0))[30]
    assert profile[32] / profile[30] == pytest.approx(np.exp(-4 / 8), rel=1e-9)


def test_binning_is_the_mean_of_whole_blocks():
    values = np.arange(35).reshape(5, 7)
    assert bin_mean(values, (2, 3)).tolist() == [[4.5, 7.5], [18.5, 21.5]]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"scale": 0}, "whole number"),
        ({"scale": 1.5}, "whole number"),
        ({"scale": True}, "whole number"),
        ({"scale": (2, 2, 2, 2)}, "one per axis of YX"),
        ({"scale": 99}, "cannot be reduced"),
        ({"scale": 2, "offset": 10, "saturation": 9}, "`saturation` must lie above the offset, 10, got 9"),
        ({"scale": 2, "kernel": "box"}, "Use one of bicubic, gaussian, widefield, confocal, measured, kspace"),
        ({"scale": 2, "psf_sigma": 1.0}, "kernel='gaussian'"),
        ({"scale": 2, "kernel": "gaussian", "psf_sigma": -1.0}, "at least 0"),
        ({"scale": 2, "kernel": "kspace", "psf_sigma": 1.0}, "a width of its own"),
        ({"scale": 2, "kernel": "kspace", "photons": 9}, "counts no photons"),
        ({"scale": 2, "photons": 0}, "above 0"),
        ({"scale": 2, "read_noise": -1}, "at least 0"),
        ({"scale": 2, "offset": float("nan")}, "finite"),
        ({"scale": 2, "seed": -1}, "`seed` must be a whole number of at least 0, got -1"),
        ({"scale": 2, "seed": 1.5}, "got 1.5"),
    ],
)
def test_settings_that_cannot_be_are_named(arguments, says):
    with pytest.raises(SettingsError, match=says):
        degrade(np.ones((16, 16)), **arguments)


def test_photons_of_negative_light_are_refused():
    with pytest.raises(SettingsError, match="at least 0, got -1000"):
        degrade(np.full((8, 8), -1000, np.int16), 2, photons=10)


def test_axes_that_do_not_fit_are_refused():
    with pytest.raises(AxesError):
        degrade(np.ones((8, 8)), 2, axes="ZYX")
    with pytest.raises(SuperResError, match="Leave `axes` out"):
        degrade(Image.from_array(np.ones((8, 8)), "YX"), 2, axes="XY")


@pytest.mark.parametrize("options", KERNELS)
def test_transparency_is_averaged_without_blur_and_noise(options):
    rgba = np.random.default_rng(0).random((12, 14, 4))
    noise = {"read_noise": 0.1} if options.get("kernel") == "kspace" else {"read_noise": 0.1, "photons": 50.0}
    image = Image.from_array(rgba, "YXS", pixel_size=0.1)
    found = degrade(image, 2, **{**options, **noise}).data
    np.testing.assert_allclose(found[..., 3], rgba[..., 3].reshape(6, 2, 7, 2).mean((1, 3)), rtol=1e-12)
