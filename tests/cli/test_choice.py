"""The model that `superres upscale` chooses, and `superres degrade` of folders."""

import json

import numpy as np
from helpers.scenes.dark import blobs

from napari_superres import Image, read_image, write_image


def test_auto_prints_its_choice_with_the_reason_and_asks_where_nothing_is_known(superres, tmp_path):
    known = write_image(Image.from_array(blobs((40, 40)), "YX", pixel_size=0.2), tmp_path / "known.ome.tif")
    grey = np.random.default_rng(0).integers(20, 230, (40, 40)).astype(np.uint8)
    unknown = write_image(Image.from_array(grey, "YX"), tmp_path / "unknown.tif")
    done = superres("upscale", known, "-o", tmp_path / "out.ome.tif", "-m", "auto")
    assert done.code == 0
    assert "fluo-x2 for fluorescence: pixels of 0.2 µm, bright on a dark ground" in done.err
    done = superres("upscale", unknown, "-o", tmp_path / "out.tif", "-m", "auto")
    assert done.code == 1
    assert "--model em-x2 (electron microscopy), --model photo-x2 (photograph), --model fluo-x2" in done.err
    done = superres("upscale", unknown, known, "-o", tmp_path / "all", "-m", "auto:photograph", "--json")
    files = json.loads(done.out)["files"]
    assert [file["chosen"].split(":")[0] for file in files] == ["photo-x2 for photograph", "fluo-x2 for fluorescence"]
    done = superres("upscale", unknown, "-o", tmp_path / "out.tif")
    assert "--model auto" in done.err


def test_the_dry_run_says_whether_the_model_fits(superres, tmp_path):
    known = write_image(Image.from_array(blobs((40, 40)), "YX", pixel_size=0.2), tmp_path / "known.ome.tif")
    done = superres("upscale", known, "-o", tmp_path / "out.ome.tif", "-m", "photo-x2", "--dry-run")
    assert "\n  Check: photo-x2, because it looks like fluorescence" in done.out
    done = superres("upscale", known, "-o", tmp_path / "out.ome.tif", "-m", "auto", "--dry-run")
    assert "\n  fluo-x2 for fluorescence" in done.out
    assert "\n  Fits: fluo-x2 suits this image" in done.out


def test_isotropic_takes_the_factor_from_the_pixel_size(superres, tmp_path):
    stack = Image.from_array(blobs((9, 24, 24)), "ZYX", pixel_size=(0.4, 0.2, 0.2))
    path = write_image(stack, tmp_path / "stack.ome.tif")
    done = superres("upscale", path, "-o", tmp_path / "thin.ome.tif", "--isotropic")
    assert (done.code, "fluo3d-z2 for fluorescence" in done.err) == (0, True), done.err
    assert read_image(tmp_path / "thin.ome.tif").shape == (18, 24, 24)
    done = superres("upscale", path, "-o", tmp_path / "thin.ome.tif", "--isotropic", "-m", "fluo-x2")
    assert "--isotropic chooses the model" in done.err


def test_a_folder_is_degraded_under_the_same_names(superres, tmp_path):
    (tmp_path / "high").mkdir()
    for name in ("a.tif", "b.ome.tif"):
        write_image(Image.from_array(blobs((40, 40)), "YX"), tmp_path / "high" / name)
    (tmp_path / "high" / "bad.tif").write_bytes(b"no image")
    done = superres("degrade", tmp_path / "high", "-o", tmp_path / "low", "--scale", 2, "--photons", 100)
    assert (done.code, "failed bad.tif" in done.err) == (3, True)
    low = [read_image(tmp_path / "low" / name) for name in ("a.ome.tif", "b.ome.tif")]
    assert [image.shape for image in low] == [(20, 20)] * 2
    assert not np.array_equal(*(image.data[...] for image in low))  # each has noise of its own


def test_an_output_that_cannot_be_written_is_refused_before_a_model_is_chosen(superres, cells, tmp_path):
    done = superres("upscale", cells, "-o", tmp_path / "a.dcm", "-m", "auto")
    assert done.code != 0
    assert "must end in one of" in done.err
    assert "fluo-x2" not in done.err


def test_several_images_do_not_become_a_folder_with_the_name_of_a_file(superres, cells, tmp_path):
    done = superres("upscale", cells, cells, "-o", tmp_path / "dd.nii.gz", "-m", "bicubic-x2")
    assert done.code != 0
    assert "need a folder" in done.err
    assert not (tmp_path / "dd.nii.gz").exists()
