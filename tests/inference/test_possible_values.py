"""An image without values below 0 comes back without them, the same for every tiling; what was changed is counted."""

import numpy as np
import pytest
from helpers.runs import plan_of

from napari_superres import Image, read_image, upscale, upscale_file, write_image
from napari_superres.errors import SuperResWarning


@pytest.fixture
def dark() -> np.ndarray:
    """Return a magnitude image: bright spots on a background of exactly 0."""
    generator = np.random.default_rng(0)
    return np.where(generator.random((61, 47)) > 0.8, 1000 * generator.random((61, 47)), 0.0)


def counts_of(result: Image) -> dict[str, int]:
    return result.metadata["provenance"]["counts"]


@pytest.mark.parametrize("dtype", ["u2", "i2", "i4", "f2", "f4", "f8"])
def test_no_value_below_0_and_what_was_changed_is_counted(dtype, espcn, dark):
    data = dark.astype(dtype)
    free = upscale(data.astype("f8") - 1.0, espcn, axes="YX").data + 1.0
    with pytest.warns(SuperResWarning, match=r"% of the values came out below 0.*toy-espcn may not suit this image"):
        result = upscale(data, espcn, axes="YX")
    record = result.metadata["provenance"]
    assert record["nonnegative"] == [True]
    assert free.min() < -100
    assert result.data.min() == 0
    limit, span = 0.5 if data.dtype.kind != "f" else 0.0, record["normalisation"]["high"][0]
    counts = counts_of(result)
    assert counts["raised_to_zero"] == pytest.approx((free < -limit).sum(), rel=0.01)
    assert counts["raised_far"] == pytest.approx((free < -0.01 * span).sum(), rel=0.01)
    assert counts["saturated"] == 0
    tolerance = 0.51 if data.dtype.kind != "f" else 2e-3 * span if data.dtype.itemsize == 2 else 1e-3
    assert np.abs(result.data.astype("f8") - free.clip(0, None)).max() <= tolerance


def test_a_channel_with_values_below_0_keeps_them(espcn, dark):
    image = Image.from_array(np.stack([dark, dark - 20.0]), "CYX")
    assert plan_of(image, espcn).nonnegative == (True, False)
    result = upscale(image, espcn).data
    assert result[0].min() == 0.0
    assert result[1].min() < -20


def test_interpolation_says_only_what_it_changed(dark):
    with pytest.warns(SuperResWarning, match=r"came out below 0") as heard:
        result = upscale(dark, "bicubic-x2", axes="YX")
    assert len(heard) == 1
    assert "suit" not in str(heard[0].message)
    assert result.data.min() == 0


def test_few_changed_values_are_only_counted(espcn, plane, recwarn):
    image = plane.copy()
    image[:2, :3] = 0.0
    result = upscale(image, espcn, axes="YX")
    assert not any("below 0" in str(w.message) for w in recwarn)
    assert 0 < counts_of(result)["raised_to_zero"] < 0.01 * result.data.size


@pytest.mark.parametrize("rare", [False, True], ids=["no values below 0", "rare values below 0"])
@pytest.mark.parametrize("scale", [(2, 2), (3, 3)])
def test_the_same_for_every_tiling_and_on_disk(rare, scale, toy, dark, tmp_path, small_cuts):
    model = toy(scale=scale)
    if rare:
        dark[10, 12], dark[40:43, 20] = -30.0, -5.0
    image = Image.from_array(dark, "YX", pixel_size=1.0)
    options = {"precision": "fp64"}
    whole = upscale(image, model, **options)
    # A pixel below 0 is the least possible value of its part of the result.
    least = np.kron(np.minimum(dark, 0.0), np.ones(scale))
    assert (whole.data >= least).all()
    assert (whole.data == least).mean() > 0.05
    assert whole.data.min() == (-30.0 if rare else 0.0)
    for tile in (14, 30):
        tiled = upscale(image, model, tile=tile, **options)
        assert np.abs(tiled.data - whole.data).max() <= 1e-10 * np.ptp(whole.data)
        assert counts_of(tiled) == counts_of(whole)
    source = write_image(image, tmp_path / "in.ome.zarr")
    with pytest.warns(SuperResWarning, match="came out below 0"):
        found = read_image(upscale_file(source, tmp_path / "out.ome.zarr", model=model, **options))
    assert np.abs(np.asarray(found.data) - whole.data).max() <= 1e-10 * np.ptp(whole.data)
    assert found.metadata["provenance"]["nonnegative"] == [True]
