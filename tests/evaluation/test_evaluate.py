import csv
import io
import json

import numpy as np
import pytest

from napari_superres.core.color import luma
from napari_superres.core.image import Image
from napari_superres.degradation import degrade
from napari_superres.errors import EvaluationError, OutputError, SuperResError
from napari_superres.evaluation import Report, evaluate
from napari_superres.evaluation.metrics import full_reference
from napari_superres.evaluation.reporting.report import COLUMNS
from napari_superres.inference import upscale


def scene(shape=(48, 60), axes="YX", dtype=np.uint16, seed=0, **options):
    """Smooth blobs with some texture; pixel size known."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    sigma = [1.5 if a in "YX" else 0 for a in axes]
    data = gaussian_filter(rng.random(shape), sigma)
    data = (data - data.min()) / np.ptp(data)
    top = 250 if dtype == np.uint8 else 4000
    return Image.from_array((data * top).astype(dtype), axes, pixel_size=0.1, **options)


def row_of(report, candidate, channel="all", image=None):
    found = [
        r
        for r in report.rows
        if r["candidate"] == candidate and r["channel"] == channel and image in (None, r["image"])
    ]
    assert len(found) == 1
    return found[0]


def robust_range(image):
    low, high = np.percentile(image.data, [0.1, 99.9])
    return float(high - low)


def test_the_interpolated_input_always_stands_beside_the_result():
    reference = scene()
    lr = degrade(reference, 2)
    sharp = reference.replace(data=np.asarray(reference.data) + np.uint16(7))
    report = evaluate(sharp, reference, lr=lr)
    assert [r["candidate"] for r in report.rows] == [
        "result",
        "bicubic",
        "lanczos",
        "wiener",
        "richardson-lucy",
        "non-local-means",
    ]
    assert [r["role"] for r in report.rows] == ["judged", *["baseline"] * 5]
    bicubic = np.asarray(upscale(lr, "bicubic-x2").data)
    reach = robust_range(reference)
    expected = full_reference.psnr(np.asarray(reference.data), bicubic, data_range=reach)
    assert row_of(report, "bicubic")["psnr"] == pytest.approx(expected, abs=1e-9)
    result = row_of(report, "result")
    assert result["psnr"] == pytest.approx(20 * np.log10(reach / 7))
    assert result["data_range"] == reach
    assert (result["gain"], result["offset"]) == pytest.approx((1.0, -7.0))
    assert result["mae_aligned"] == pytest.approx(0, abs=1e-9)
    assert set(result) == {*COLUMNS, "planes", "role"}


def test_measuring_the_interpolation_itself_gives_two_equal_rows():
    reference = scene((51, 47))
    lr = degrade(reference, 3)
    report = evaluate(upscale(lr, "bicubic-x3"), reference, lr=lr)
    one, two, *_ = ({k: v for k, v in r.items() if k not in ("candidate", "role")} for r in report.rows)
    assert one == two


def test_without_an_input_one_is_simulated_and_the_row_says_so():
    reference = scene((49, 61))
    result = upscale(degrade(reference, 2), "lanczos-x2")
    report = evaluate(result, reference)
    simulated = row_of(report, "bicubic (simulated input)")
    given = row_of(evaluate(result, reference, lr=degrade(reference, 2)), "bicubic")
    # The cropped last row and column change nothing but the mirrored border.
    assert simulated["psnr"] == pytest.approx(given["psnr"], abs=0.2)
    assert any("simulated" in note for note in report.notes)


def test_neither_input_nor_scale_asks_for_the_input():
    reference = scene()
    with pytest.raises(EvaluationError, match="as `lr`"):
        evaluate(reference, reference)


def test_further_models_get_a_row_each():
    reference = scene()
    lr = degrade(reference, 2)
    report = evaluate(reference, reference, lr=lr, models=["nearest-x2", "lanczos-x2"], baselines=())
    assert [r["candidate"] for r in report.rows] == ["result", "nearest-x2", "lanczos-x2", "bicubic"]
    assert row_of(report, "result")["psnr"] == np.inf
    assert row_of(report, "nearest-x2")["psnr"] < row_of(report, "lanczos-x2")["psnr"]


def test_a_model_of_another_scale_is_refused_by_name():
    reference = scene()
    with pytest.raises(EvaluationError, match="bicubic-x3 and reference"):
        evaluate(reference, reference, lr=degrade(reference, 2), models=["bicubic-x3"])


def test_the_sign_of_the_contrast_is_not_hidden():
    reference = scene(dtype=np.float32)
    inverted = reference.replace(data=1000 - 2 * np.asarray(reference.data))
    report = evaluate(inverted, reference, lr=degrade(reference, 2))
    row = row_of(report, "result")
    assert row["gain"] == pytest.approx(-0.5)
    assert row["psnr_aligned"] > 60
    assert any("inverted" in note for note in report.notes)


def test_each_channel_has_a_row_and_its_own_range():
    reference = scene((2, 40, 44), "CYX", channel_names=("DAPI", "GFP"))
    data = np.array(reference.data)
    data[1] //= 10
    reference = reference.replace(data=data)
    report = evaluate(upscale(degrade(reference, 2), "lanczos-x2"), reference)
    rows = [row_of(report, "result", name) for name in ("DAPI", "GFP", "all")]
    assert rows[0]["data_range"] > 5 * rows[1]["data_range"]
    errors = [10 ** (-row["psnr"] / 10) for row in rows]
    assert errors[2] == pytest.approx((errors[0] + errors[1]) / 2), "errors are averaged, not decibels"
    assert np.isnan(rows[2]["gain"])


@pytest.mark.parametrize("axes", ["ZYX", "TYX"])
def test_planes_are_measured_one_by_one_and_their_errors_pooled(axes):
    reference = scene((3, 40, 44), axes)
    result = upscale(degrade(reference, 2), "lanczos-x2")
    row = row_of(evaluate(result, reference), "result")
    reach = robust_range(reference)
    planes = [(np.asarray(reference.data)[i], np.asarray(result.data)[i]) for i in range(3)]
    whole = np.asarray(reference.data), np.asarray(result.data)
    assert row["psnr"] == pytest.approx(full_reference.psnr(*whole, data_range=reach))
    assert row["nrmse"] == pytest.approx(full_reference.nrmse(*whole))
    assert row["ssim"] == pytest.approx(np.mean([full_reference.ssim(*p, data_range=reach) for p in planes]))


def test_axes_order_and_data_type_do_not_matter():
    reference = scene((3, 40, 44), "CYX")
    lr = degrade(reference, 2)
    result = upscale(lr, "lanczos-x2")
    plain = evaluate(result, reference, lr=lr).rows
    turned = reference.replace(data=np.moveaxis(np.asarray(reference.data), 0, 2).astype(np.float64), axes="YXC")
    assert evaluate(result, turned, lr=lr).rows == plain


def test_the_paper_convention_on_colour():
    reference = scene((48, 60, 3), "YXS", np.uint8)
    result = upscale(degrade(reference, 2), "lanczos-x2")
    row = row_of(evaluate(result, reference, convention="sr-paper"), "result")
    a, b = (luma(np.asarray(i.data))[2:-2, 2:-2] for i in (reference, result))
    assert row["psnr"] == pytest.approx(full_reference.psnr(a, b, data_range=255.0), abs=1e-9)
    assert row["ssim"] == pytest.approx(full_reference.ssim(a, b, data_range=255.0), abs=1e-12)


def test_alpha_is_not_measured():
    reference = scene((40, 44, 4), "YXS", np.uint8)
    other = np.array(reference.data)
    other[..., 3] = 255 - other[..., 3]
    row = row_of(evaluate(reference.replace(data=other), reference, lr=degrade(reference, 2)), "result")
    assert row["psnr"] == np.inf


def test_invalid_pixels_are_left_out_and_counted():
    reference = scene(dtype=np.float32)
    broken = np.array(reference.data)
    broken[5:7, 9] = np.nan
    row = row_of(evaluate(reference.replace(data=broken), reference, lr=degrade(reference, 2)), "result")
    assert row["invalid"] == 2
    assert row["psnr"] == np.inf
    assert row["ssim"] == pytest.approx(1)


def test_bare_arrays_are_compared_by_index():
    reference = np.asarray(scene().data)
    report = evaluate(reference, reference, lr=degrade(reference, 2))
    assert row_of(report, "result")["psnr"] == np.inf
    assert any("unknown" in note for note in report.notes)


def test_a_part_of_the_field_is_compared_with_that_part():
    reference = scene((60, 80))
    lr = degrade(reference, 2)
    whole = upscale(lr, "lanczos-x2")
    from napari_superres.core.grid import crop_affine

    part = whole.replace(data=np.asarray(whole.data)[10:51, 20:63], affine=crop_affine(whole.affine, (10, 20)))
    row = row_of(evaluate(part, reference, lr=lr, data_range="fixed:4000"), "result")
    a, b = np.asarray(reference.data)[10:51, 20:63], np.asarray(part.data)
    assert row["psnr"] == pytest.approx(full_reference.psnr(a, b, data_range=4000))


def test_small_images_lack_only_the_ssim():
    reference = scene((10, 60))
    report = evaluate(reference, reference, lr=degrade(reference, 2))
    row = row_of(report, "result")
    assert np.isnan(row["ssim"])
    assert row["psnr"] == np.inf
    assert any("11 pixels" in note for note in report.notes)


def test_a_constant_reference_asks_for_a_range():
    flat = Image.from_array(np.full((40, 40), 7.0), "YX", pixel_size=0.1)
    with pytest.raises(EvaluationError, match="fixed:VALUE"):
        evaluate(flat, flat, lr=degrade(flat, 2))
    report = evaluate(flat, flat, lr=degrade(flat, 2), data_range="fixed:10")
    row = row_of(report, "result")
    assert np.isnan(row["psnr"]), "no error in nothing is no perfect result"
    assert row["constant"] == 1
    assert any("1 of 1 planes have a constant reference" in note for note in report.notes)


def test_an_input_that_is_not_the_input():
    reference = scene((48, 60))
    for shape in ((31, 40), (48, 60), (96, 120)):
        with pytest.raises(SuperResError, match="by a whole number above 1"):
            evaluate(reference, reference, lr=Image.from_array(np.ones(shape, np.uint16), "YX"))


@pytest.fixture
def report():
    reference = scene()
    return evaluate(reference, reference, lr=degrade(reference, 2), name="a <b>")


def test_json_is_strict_and_complete(report, tmp_path):
    text = report.to_json(tmp_path / "r.json")
    assert (tmp_path / "r.json").read_text(encoding="utf-8") == text
    document = json.loads(text, parse_constant=pytest.fail)
    assert [set(r) for r in document["rows"]] == [{*COLUMNS, "planes", "role"}] * 6
    assert document["rows"][0]["psnr"] == "inf"
    assert document["conventions"]["data_range"].startswith("reference-percentile")


def test_csv_can_be_read_back(report, tmp_path):
    report.to_csv(tmp_path / "r.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "r.csv").read_text(encoding="utf-8"))))
    assert float(rows[0]["psnr"]) == np.inf
    assert float(rows[1]["psnr"]) == report.rows[1]["psnr"]


def test_the_table_and_the_page_show_rows_and_conventions(report):
    text = report.table()
    assert "bicubic" in text
    assert "reference-percentile" in text
    assert len({len(line.rstrip()) for line in text.splitlines()[2:4]}) == 1
    page = report.to_html()
    assert "a &lt;b&gt;" in page
    assert "reference-percentile" in page
    assert "http" not in page


def test_a_report_that_cannot_be_written_leaves_nothing(report, tmp_path):
    with pytest.raises(OutputError, match="could not be written"):
        report.to_json(tmp_path / "missing" / "r.json")
    (tmp_path / "taken").mkdir()
    with pytest.raises(OutputError):
        report.to_csv(tmp_path / "taken")
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]


def test_a_report_without_numbers_still_prints():
    row = dict.fromkeys(COLUMNS, float("nan")) | {
        "image": "x",
        "candidate": "c",
        "channel": "all",
        "invalid": 0,
        "constant": 0,
    }
    report = Report([row], {}, (), ({"image": "y", "reason": "no reference"},))
    assert "not compared: y: no reference" in report.table()
    assert json.loads(report.to_json())["rows"][0]["psnr"] is None


@pytest.mark.parametrize(
    ("axes", "scale"), [("YX", (2, 3)), ("ZYX", (2, 2, 2)), ("ZYX", (3, 2, 2)), ("ZYX", (1, 4, 4))]
)
def test_the_interpolation_has_the_results_scale_on_every_axis(axes, scale):
    reference = scene(tuple(12 * s for s in scale), axes, np.float32)
    lr = degrade(reference, scale)
    row = row_of(evaluate(reference, reference, lr=lr), "bicubic")
    assert 10 < row["psnr"] < 80
    simulated = upscale(lr, "bicubic-x" + "x".join(str(s) for s in scale if s > 1 or axes == "YX"))
    assert evaluate(simulated, reference).rows[1]["psnr"] == pytest.approx(row["psnr"])


@pytest.mark.parametrize("suffix", [".ome.tif", ".tif", ".ome.zarr", ".nii.gz", ".nrrd"])
def test_a_result_from_any_file_is_measured_like_the_one_in_memory(suffix, tmp_path):
    from napari_superres.io import read_image, write_image

    reference = scene(origin=(3.0, -5.0) if suffix != ".tif" else (3.0, 5.0))
    lr = degrade(reference, 2)
    result = upscale(lr, "lanczos-x2")
    back = read_image(write_image(result, tmp_path / f"result{suffix}"))
    one, two = (evaluate(image, reference, lr=lr) for image in (result, back))
    assert all("as good as they can be" in note or "MS-SSIM" in note for note in two.notes)
    assert two.rows == one.rows


def test_a_restoration_on_its_inputs_grid_stands_beside_its_input():
    rng = np.random.default_rng(0)
    plain = scene((64, 72))
    truth = plain.replace(data=np.asarray(plain.data, dtype=np.float64))
    lr = truth.replace(data=truth.data + rng.normal(0, 0.1 * np.ptp(truth.data), truth.shape))
    record = {"scale": {"Y": 1, "X": 1}}
    better = truth.replace(data=(truth.data + lr.data) / 2, metadata={"provenance": record})
    report = evaluate(better, truth, lr=lr)
    assert [row["candidate"] for row in report.rows] == ["result", "bicubic", "non-local-means"]
    ours, base = (row_of(report, name)["psnr"] for name in ("result", "bicubic"))
    expected = 10 * np.log10(robust_range(truth) ** 2 / np.mean((lr.data - truth.data) ** 2))
    assert base == pytest.approx(expected, abs=1e-6)
    assert ours == pytest.approx(expected + 20 * np.log10(2), abs=1e-6)
    with pytest.raises(EvaluationError, match="Give the input as `lr`"):
        evaluate(better, truth)
    # Without a record, an input on the result's grid is another image.
    with pytest.raises(EvaluationError, match="finer than its input"):
        evaluate(better.replace(metadata={}), truth, lr=lr)


def test_doubts_about_a_model_are_notes_of_the_report():
    """Python warnings are errors in these tests."""
    fine = scene().with_pixel_size(5.0)
    report = evaluate(None, fine, lr=degrade(fine, 2), models=["mri-x2"], baselines=())
    doubts = [note for note in report.notes if note.startswith("mri-x2: ")]
    assert any("pixel" in doubt for doubt in doubts)
