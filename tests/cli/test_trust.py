"""``superres calibrate`` and ``trust``."""

from unittest.mock import patch

import numpy as np
from helpers.scenes import check_refusal, copy_scans

from napari_superres import Image, read_image, upscale, write_image


def test_calibrations_that_are_refused(superres, data, tmp_path):
    folders, few = (data / "lr", data / "ref"), tmp_path / "few"
    few.mkdir()
    given = ("-m", "bicubic-x2", "-o", tmp_path / "c.json")
    pair = copy_scans(data, few, ("lr", "ref"), lr=1, ref=2)
    check_refusal(
        superres("calibrate", *pair, *given), "at least 2 pairs (22 for the bound), got 1", "no input of this name"
    )
    check_refusal(superres("calibrate", *folders, *given, "--alpha", 2), "between 0 and 1, got 2.0")
    check_refusal(
        superres("calibrate", *folders, "-m", "bicubic-x2", "-o", tmp_path / "gone" / "c.json"), "does not exist"
    )
    (tmp_path / "c.json").write_text("mine")
    check_refusal(superres("calibrate", *folders, *given), "c.json exists", "--overwrite")
    assert (tmp_path / "c.json").read_text() == "mine"


def test_maps_that_cannot_be_written_are_refused_before_computing(superres, lr, tmp_path):
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "0_mean.ome.tif").write_text("mine")
    with patch("napari_superres.evaluation.spread", side_effect=AssertionError("computed")):
        for folder, message in {
            "/proc": "stores no files",
            "/proc/self/maps": "is a file",
            "/proc/gone": "cannot be made",
            tmp_path / "maps": "exists already",
        }.items():
            check_refusal(superres("trust", lr, "-m", "bicubic-x2", "-o", folder), message)


def test_too_few_images_for_error_bars(superres, data, tmp_path):
    file = tmp_path / "c.json"
    done = superres("calibrate", *copy_scans(data, tmp_path, ("lr", "ref")), "-m", "bicubic-x2", "-o", file)
    check_refusal(done, "at alpha 0.1 need", "9 images", "got 2")
    assert not file.exists()
    done = superres("calibrate", *[tmp_path / n for n in ("lr", "ref")], "-m", "bicubic-x2", "-o", file, "--alpha", 0.4)
    assert done.code == 0, done.err
    assert "no guarantee for the mean share of pixels outside the error bars: " in done.out
    assert "needs at least 5 images, got 2" in done.out


def test_trust(superres, lr, data, tmp_path):
    maps, file, up = tmp_path / "maps", tmp_path / "c.json", tmp_path / "up.ome.tif"
    pairs = (data / "lr", data / "ref")
    assert superres("calibrate", *pairs, "-m", "bicubic-x2", "-o", file, "--alpha", 0.4).code == 0
    assert superres("upscale", lr, "-o", up, "-m", "bicubic-x2", "-q").code == 0
    done = superres("trust", lr, "-m", "bicubic-x2", "-o", maps, "--calibration", file)
    assert done.code == 0, done.err
    assert done.out.startswith("8 results disagree by ")
    names = ("mean", "disagreement", "error-bar", "failure-mask", "residual")
    assert done.err.splitlines() == [f"wrote {maps / f'0_{name}.ome.tif'}" for name in names]
    mean, deviation, bars, mask, residual = (read_image(maps / f"0_{name}.ome.tif") for name in names)
    result, low = read_image(up), read_image(lr)
    for image, grid in ((mean, result), (deviation, result), (bars, result), (mask, result), (residual, low)):
        assert (image.axes, image.shape, image.units) == (grid.axes, grid.shape, grid.units)
        np.testing.assert_allclose(image.affine, grid.affine, atol=1e-9)
    assert np.abs(np.asarray(mean.data) - np.asarray(result.data)).max() <= 0.51, "but for the result's rounding"
    assert np.asarray(bars.data).min() > 0
    assert set(np.unique(mask.data)) <= {0, 1}
    assert np.asarray(deviation.data).max() < 1, "interpolation does not change with turns"

    before = {p.name: p.read_bytes() for p in maps.iterdir()}
    check_refusal(superres("trust", lr, "-m", "bicubic-x2", "-o", maps), "exists", "--overwrite")
    assert {p.name: p.read_bytes() for p in maps.iterdir()} == before
    assert superres("trust", lr, "-m", "bicubic-x2", "-o", maps, "--overwrite").code == 0

    other = tmp_path / "other"
    wrong = superres("trust", lr, "-m", "lanczos-x2", "-o", other, "--calibration", file)
    check_refusal(wrong, "holds for the model bicubic-x2, got lanczos-x2")
    wrong = superres("trust", lr, "-m", "bicubic-x2", "-o", other, "--calibration", tmp_path / "gone.json")
    check_refusal(wrong, "gone.json cannot be read")
    assert not other.exists() or not list(other.iterdir())


def test_trust_without_turns_takes_two_models(superres, lr, tmp_path):
    check_refusal(superres("trust", lr, "-m", "bicubic-x2", "-o", tmp_path / "a", "--no-tta"), "two models")
    both = ("-m", "bicubic-x2", "-m", "nearest-x2")
    done = superres("trust", lr, *both, "-o", tmp_path / "b", "--no-tta", "--format", "nii.gz")
    assert done.code == 0, done.err
    assert done.out.startswith("2 results disagree by ")
    assert f"Open {tmp_path / 'b' / '0_mean.nii.gz'} with {tmp_path / 'b' / '0_disagreement.nii.gz'}" in done.out
    deviation = read_image(tmp_path / "b" / "0_disagreement.nii.gz")
    low = read_image(lr)
    found = [np.asarray(upscale(low.replace(data=np.asarray(low.data, np.float32)), m).data) for m in both[1::2]]
    # The file has axes Z, Y and X.
    np.testing.assert_allclose(np.squeeze(deviation.data), np.abs(found[0] - found[1]) / 2, atol=1e-2)


def test_maps_are_kept_where_consistency_cannot_be_measured(superres, tmp_path):
    write_image(Image.from_array(np.full((64, 64), 7, np.uint16), "YX", pixel_size=0.1), tmp_path / "flat.ome.tif")
    done = superres("trust", tmp_path / "flat.ome.tif", "-m", "bicubic-x2", "-o", tmp_path / "maps")
    assert done.code == 0, done.err
    assert sorted(p.name for p in (tmp_path / "maps").glob("*.tif")) == [
        "flat_disagreement.ome.tif",
        "flat_mean.ome.tif",
    ]
    done = superres("trust", tmp_path / "flat.ome.tif", "-m", "bicubic-x2", "-o", tmp_path / "new", "--format", "xyz")
    assert (done.code, done.err.count("\n"), (tmp_path / "new").exists()) == (1, 1, False)
