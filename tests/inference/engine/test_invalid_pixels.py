"""NaN and infinite pixels: computed around, put back, counted, warned about once, the same for every tiling."""

import warnings

import numpy as np
import pytest

from napari_superres import upscale
from napari_superres.errors import SettingsError, SuperResWarning


def spoilt(plane, dtype):
    data = plane.astype(dtype)
    data[0, 0], data[20, 23], data[21:25, 30:33], data[-1, -1] = np.nan, np.inf, np.nan, -np.inf
    return data


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4"])
def test_put_back_and_counted_once(dtype, espcn, plane):
    data = spoilt(plane, dtype)
    with pytest.warns(SuperResWarning, match=r"15 pixels are NaN or infinite") as heard:
        result = upscale(data, espcn, axes="YX", tile=20)
    assert sum("NaN" in str(w.message) for w in heard) == 1
    counts = result.metadata["provenance"]["counts"]
    assert counts == {"saturated": 0, "raised_to_zero": 0, "raised_far": 0, "non_finite": 15, "recomputed_in_fp32": 0}
    expected = np.kron(np.where(np.isfinite(data), 0, data.astype("f8")), np.ones((2, 2)))
    bad = ~np.isfinite(expected)
    assert np.array_equal(result.data[bad], expected[bad].astype(result.dtype), equal_nan=True)
    assert np.isfinite(result.data[~bad]).all()


def test_far_pixels_do_not_notice(espcn, plane):
    """One NaN would poison a receptive field; filled, pixels beyond it are as without it."""
    clean = upscale(plane, espcn, axes="YX", intensity_range=[(0, 1)], precision="fp64").data
    data = plane.copy()
    data[5, 5] = np.nan
    with pytest.warns(SuperResWarning):
        found = upscale(data, espcn, axes="YX", intensity_range=[(0, 1)], precision="fp64").data
    reach = 2 * (5 + espcn.card.halo[0] + 1)
    assert np.array_equal(found[reach:], clean[reach:])
    near = np.abs(found - clean)[~np.isnan(found)]
    assert near.max() < 1.0, "neighbours are computed from a plausible fill"


def test_the_same_for_every_tiling(toy, plane):
    """Also at windows' sides, and where the image is padded to the model's multiple."""
    rng = np.random.default_rng(5)
    data = plane.copy()
    data[rng.random(data.shape) < 0.1] = np.nan
    data[-1, :] = np.nan
    for model, tiles in ((toy(), (9, 14, 21)), (toy("cnn"), (36, 40))):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SuperResWarning)
            whole = upscale(data, model, axes="YX", tile=64, precision="fp64")
            for tile in tiles:
                found = upscale(data, model, axes="YX", tile=tile, precision="fp64")
                assert np.allclose(found.data, whole.data, rtol=0, atol=1e-12, equal_nan=True), (model.card.name, tile)
                assert found.metadata["provenance"]["counts"] == whole.metadata["provenance"]["counts"]


def test_nothing_but_nan(espcn):
    with pytest.raises(SettingsError, match="no pixel with a value"):
        upscale(np.full((6, 6), np.nan, np.float32), espcn, axes="YX")


def test_counted_in_the_region_only(espcn, plane):
    data = plane.copy()
    data[3, 3] = np.nan
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*NaN")
        part = upscale(data, espcn, axes="YX", roi={"Y": (5, 20), "X": (5, 20)})
    assert part.metadata["provenance"]["counts"]["non_finite"] == 0
    assert np.isfinite(part.data).all()


def test_in_colour_each_sample_by_itself(toy, plane):
    rgb = np.stack([plane] * 3, axis=-1)
    rgb[10, 10, 1] = np.nan
    with pytest.warns(SuperResWarning, match="1 pixels"):
        result = upscale(rgb, toy(intensity="none", color="luma"), axes="YXS").data
    assert np.isnan(result[20:22, 20:22, 1]).all()
    assert np.isnan(result).sum() == 4
