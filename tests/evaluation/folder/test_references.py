import numpy as np
import pytest

from napari_superres.core.image import Image
from napari_superres.degradation import degrade
from napari_superres.errors import EvaluationError
from napari_superres.evaluation import evaluate_folder
from napari_superres.inference import upscale
from napari_superres.io import write_image


def scene(seed, top):
    data = np.random.default_rng(seed).random((40, 44)) * top
    return Image.from_array(data.astype(np.uint16), "YX", pixel_size=0.1, origin=(1.0, 2.0))


@pytest.fixture
def folders(tmp_path):
    sr, ref, lr = (tmp_path / name for name in ("sr", "ref", "lr"))
    for folder in (sr, ref, lr):
        folder.mkdir()
    for seed, (name, top) in enumerate({"a": 1000, "b": 4000}.items()):
        reference = scene(seed, top)
        low = degrade(reference, 2)
        write_image(reference, ref / f"{name}.ome.tif")
        write_image(low, lr / f"{name}.ome.tif")
        write_image(upscale(low, "lanczos-x2"), sr / f"{name}_lanczos-x2.ome.tif")
    return sr, ref, lr


def test_a_folder_has_rows_per_image_and_their_mean_over_one_data_range(folders):
    sr, ref, lr = folders
    report = evaluate_folder(sr, ref, lr_dir=lr)
    assert report.failures == ()
    result = {r["image"]: r for r in report.rows if r["candidate"] == "result"}
    assert list(result) == ["a_lanczos-x2", "b_lanczos-x2", "mean"]
    assert {r["candidate"] for r in report.rows} == {
        "result",
        "bicubic",
        "lanczos",
        "wiener",
        "richardson-lucy",
        "non-local-means",
    }
    errors = {image: 10 ** (-row["psnr"] / 10) for image, row in result.items()}
    assert errors["mean"] == pytest.approx((errors["a_lanczos-x2"] + errors["b_lanczos-x2"]) / 2)
    assert len({r["data_range"] for r in report.rows}) == 1
    assert result["mean"]["data_range"] > 3800


def test_a_blank_pair_is_left_out_and_counted(folders):
    sr, ref, lr = folders
    before = {r["candidate"]: r for r in evaluate_folder(sr, ref, lr_dir=lr).rows if r["image"] == "mean"}
    blank = Image.from_array(np.full((64, 64), 7, np.uint16), "YX", pixel_size=0.1)
    for folder, image in ((ref, blank), (lr, degrade(blank, 2)), (sr, blank)):
        write_image(image, folder / "blank.ome.tif")
    report = evaluate_folder(sr, ref, lr_dir=lr, data_range="fixed:4000")
    after = {r["candidate"]: r for r in report.rows if r["image"] == "mean"}
    for name in ("result", "bicubic"):
        shift = after[name]["psnr"] - before[name]["psnr"]
        assert shift == pytest.approx(20 * np.log10(4000 / before[name]["data_range"])), "as without the blank pair"
        assert after[name]["constant"] == 1
    assert [c.images for c in report.comparisons if c.candidate == "result"] == [2]
    assert any("blank: 1 of 1 planes have a constant reference" in note for note in report.notes)


def test_different_data_types_are_spoken_of(tmp_path):
    for name in ("ref", "lr"):
        (tmp_path / name).mkdir()
    for i, dtype in enumerate((np.uint8, np.uint16)):
        values = np.random.default_rng(i).integers(0, 200, (32, 32)).astype(dtype)
        reference = Image.from_array(values, "YX", pixel_size=0.1)
        write_image(reference, tmp_path / "ref" / f"{i}.tif")
        write_image(degrade(reference, 2), tmp_path / "lr" / f"{i}.tif")
    report = evaluate_folder(None, tmp_path / "ref", lr_dir=tmp_path / "lr", models=["bicubic-x2"], baselines=())
    assert any("different data types (uint16, uint8)" in note for note in report.notes)
    small = [note for note in report.notes if "MS-SSIM was not measured" in note]
    assert [note.split(":")[0] for note in small] == ["2 images"]  # said once


def test_missing_partners_and_bad_files_are_listed_and_the_others_done(folders):
    sr, ref, lr = folders
    write_image(scene(7, 500), sr / "lonely.ome.tif")
    write_image(scene(8, 500), ref / "forgotten.ome.tif")
    (sr / "bad.tif").write_bytes(b"garbage")
    write_image(scene(9, 500), ref / "bad.ome.tif")
    write_image(scene(9, 500), lr / "bad.ome.tif")
    (lr / "b.ome.tif").unlink()
    report = evaluate_folder(sr, ref, lr_dir=lr)
    reasons = {f["image"]: f["reason"] for f in report.failures}
    assert set(reasons) == {"lonely", "forgotten", "bad", "b_lanczos-x2"}
    assert "no reference" in reasons["lonely"]
    assert "no result" in reasons["forgotten"]
    assert "no input" in reasons["b_lanczos-x2"]
    assert {r["image"] for r in report.rows} == {"a_lanczos-x2"}
    assert "not compared: lonely" in report.table()


def test_nothing_to_compare_is_an_error(folders, tmp_path):
    sr, _, _ = folders
    other = tmp_path / "other"
    other.mkdir()
    write_image(scene(0, 9), other / "z.ome.tif")
    with pytest.raises(EvaluationError, match="no image of"):
        evaluate_folder(sr, other)


def test_notes_that_differ_in_numbers_only_are_said_once(folders):
    sr, ref, lr = folders
    report = evaluate_folder(sr, ref, lr_dir=lr, baselines=("wiener",))
    fitted = [note for note in report.notes if "are as good as they can be" in note]
    assert len(fitted) == 1
    assert fitted[0].startswith("2 images")
