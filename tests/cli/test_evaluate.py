"""``superres evaluate``."""

import csv
import json
import os
import re
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from helpers.scenes import COUNT, check_refusal, copy_scans

from napari_superres import read_image, write_image
from napari_superres.evaluation import evaluate
from napari_superres.evaluation.reporting.report import COLUMNS


@pytest.fixture
def judge(superres, tmp_path):
    """Return a function that runs ``superres evaluate`` and returns what it did and its report."""

    def run(*arguments):
        file = tmp_path / "report.json"
        file.unlink(missing_ok=True)
        done = superres("evaluate", *arguments, "--json", file)
        return done, json.loads(file.read_text("utf-8")) if file.exists() else None

    return run


def candidates(document):
    return list(dict.fromkeys(row["candidate"] for row in document["rows"]))


def answer(document, question, image="0"):
    (found,) = (q for q in document["findings"][image]["questions"] if question in q["question"])
    return found["state"], found["reason"]


def psnr(document, candidate):
    (value,) = (r["psnr"] for r in document["rows"] if r["candidate"] == candidate)
    return value


def test_a_result_and_its_files(superres, sr, ref, lr, tmp_path):
    files = {kind: tmp_path / f"r.{kind}" for kind in ("json", "csv", "html")}
    options = [part for kind, file in files.items() for part in (f"--{kind}", file)]
    done = superres("evaluate", sr, ref, "--lr", lr, *options)
    assert (done.code, done.err) == (0, "")
    document = json.loads(files["json"].read_text("utf-8"))
    assert candidates(document) == ["result", "bicubic", "lanczos", "wiener", "richardson-lucy", "non-local-means"]
    assert psnr(document, "result") == pytest.approx(psnr(document, "lanczos"), abs=0.01)
    header, *lines = csv.reader(files["csv"].read_text("utf-8").splitlines())
    assert header == list(COLUMNS)
    assert [float(line[3]) for line in lines] == pytest.approx([r["psnr"] for r in document["rows"]])
    assert "Does it lie on the reference?" in files["html"].read_text("utf-8")


def test_models_without_a_result(judge, ref, lr):
    done, document = judge(ref, "--lr", lr, "-m", "nearest-x2", "--model", "lanczos-x2", "--baseline", "none")
    assert (done.code, done.err) == (0, "")
    roles = {row["candidate"]: row["role"] for row in document["rows"]}
    assert roles == {"nearest-x2": "judged", "lanczos-x2": "judged", "bicubic": "baseline"}
    assert psnr(document, "lanczos-x2") > psnr(document, "nearest-x2")


def test_a_result_and_models_beside_it(judge, sr, ref, lr):
    _, document = judge(sr, ref, "--lr", lr, "--model", "nearest-x2", "--baseline", "none")
    roles = {row["candidate"]: row["role"] for row in document["rows"]}
    assert roles == {"result": "judged", "nearest-x2": "beside", "bicubic": "baseline"}


def test_a_result_and_its_input_only(judge, sr, lr, tmp_path):
    done, document = judge(sr, "--lr", lr)
    assert (done.code, done.err, document["rows"]) == (0, "", [])
    assert answer(document, "consistent with its input")[0] == "yes"
    result = read_image(sr)
    changed = np.array(result.data)
    changed[40:48, 60:68] += 2000
    _, other = judge(write_image(result.replace(data=changed), tmp_path / "0.tif"), "--lr", lr)
    state, reason = answer(other, "consistent with its input")
    assert state == "no"
    assert "more there than the input shows" in reason


def test_what_is_missing(superres, sr, ref, lr, data, tmp_path):
    check_refusal(superres("evaluate", sr), "without a reference", "--lr")
    check_refusal(superres("evaluate", ref, "--model", "bicubic-x2"), "without a result", "--lr")
    check_refusal(superres("evaluate", sr, tmp_path / "gone.tif"), "gone.tif")
    check_refusal(superres("evaluate", lr, ref), "one grid")
    check_refusal(superres("evaluate", ref, "--lr", lr, "-m", "bicubic-x2", "-m", "bicubic-x3"), "one scale")
    check_refusal(superres("evaluate", sr, ref, "--lr", lr, "-m", "nobody-x2"), "nobody-x2")
    check_refusal(superres("evaluate", sr, ref, "--lr", lr, "--convention", "mine"), "sr-paper")
    check_refusal(superres("evaluate", sr, ref, "--lr", lr, "--data-range", "fixed:-1"), "above 0")
    for option in ("--repeat", "--calibration"):
        check_refusal(superres("evaluate", data / "sr", data / "ref", "--lr", data / "lr", option, lr), "single images")


def test_a_file_that_cannot_be_written(superres, sr, ref, lr, tmp_path):
    """It is known before anything is computed, and no input is overwritten."""
    (tmp_path / "folder.html").mkdir()
    os.mkfifo(tmp_path / "pipe")
    kept = ref.read_bytes()
    for target, message in {
        tmp_path / "gone" / "r.json": "does not exist. Create it first.",
        Path("/proc/r.json"): "stores no files",
        tmp_path / "folder.html": "is a folder",
        tmp_path / "pipe": "is a device or a pipe, which is never replaced",
        ref: "is the input itself, which is never overwritten",
    }.items():
        for option in ("--json", "--csv", "--html"):
            with patch("napari_superres.evaluation.evaluate", side_effect=AssertionError("computed")):
                done = superres("evaluate", sr, ref, "--lr", lr, "--baseline", "none", option, target)
            assert (done.code, done.err.count("\n")) == (1, 1)
            assert message in done.err
    assert ref.read_bytes() == kept
    assert (tmp_path / "pipe").is_fifo()


def test_folders(judge, data):
    done, document = judge(data / "sr", data / "ref", "--lr", data / "lr", "--baseline", "none")
    assert (done.code, done.err, document["failures"]) == (0, "", [])
    assert [r["image"] for r in document["rows"]] == [n for i in (*range(COUNT), "mean") for n in [str(i)] * 2]
    assert len(document["findings"]) == COUNT
    (comparison,) = document["comparisons"]
    assert (comparison["candidate"], comparison["images"], comparison["better"]) == ("result", COUNT, COUNT)
    done, judged = judge(data / "ref", "--lr", data / "lr", "--model", "lanczos-x2", "--baseline", "none")
    assert (done.code, candidates(judged)) == (0, ["lanczos-x2", "bicubic"])
    assert judged["rows"][0]["psnr"] == pytest.approx(document["rows"][0]["psnr"], abs=0.01)


def test_failures_win_over_gates(judge, data, tmp_path):
    folders = copy_scans(data, tmp_path, ("sr", "ref", "lr"))
    (folders[0] / "1.tif").write_bytes(b"garbage")
    for gate in ("psnr>0", "psnr>1000"):
        done, document = judge(*folders[:2], "--lr", folders[2], "--baseline", "none", "--gate", gate)
        assert (done.code, done.err) == (3, "")
        assert [f["image"] for f in document["failures"]] == ["1"]
        assert "not compared: 1: " in done.out
        assert f"gate {gate}: " in done.out
    (folders[0] / "0.tif").unlink()
    done, document = judge(*folders[:2], "--lr", folders[2])
    check_refusal(done, "no image of", "1: ")
    assert document is None


@pytest.mark.parametrize(
    ("gates", "code"),
    [
        (["psnr>bicubic"], 0),
        (["psnr>=20", "ssim > 0.5", "bicubic:nrmse<1", "mae<bicubic+0.5"], 0),
        (["psnr>bicubic+20"], 4),
        (["psnr>20", "ssim>=1"], 4),
        (["ms_ssim>0"], 4),
    ],
    ids=["met", "all met", "not met", "one not met", "not measured"],
)
def test_gates(judge, sr, ref, lr, gates, code):
    options = [part for gate in gates for part in ("--gate", gate)]
    done, document = judge(sr, ref, "--lr", lr, "--baseline", "none", *options)
    assert (done.code, done.err) == (code, "")
    lines = [line for line in done.out.splitlines() if line.startswith("gate ")]
    assert len(lines) == len(gates)
    assert any("NOT MET" in line for line in lines) is (code == 4)
    assert document is not None, "a gate that is not met still has its report"


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ("psnr", "a gate must have the form METRIC>LIMIT"),
        ("psnr=30", "a gate must have the form METRIC>LIMIT"),
        ("vmaf>1", "unknown metric 'vmaf'"),
        ("image>1", "unknown metric 'image'"),
        ("nobody:psnr>1", "unknown candidate 'nobody'"),
        ("psnr>nobody+1", "neither a number nor a candidate plus or minus a number. Candidates: result, bicubic"),
    ],
)
def test_a_gate_that_is_none(superres, sr, ref, lr, gate, said):
    done = superres("evaluate", sr, ref, "--lr", lr, "--baseline", "none", "--gate", gate)
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert said in done.err


def test_a_misspelt_name_is_refused_before_anything_is_read(superres, sr, ref, lr, tmp_path):
    """The files are damaged: whatever reads them says so."""
    broken = tmp_path / "broken.tif"
    broken.write_bytes(b"garbage")
    for options, said in (
        (("--gate", "nobody:psnr>1"), "unknown candidate 'nobody'"),
        (("--gate", "psnr>wiener"), "neither a number nor a candidate"),  # left out by --baseline
        (("--gate", "anwsers"), "METRIC>LIMIT"),
        (("--model", "fluo-x22"), "fluo-x22"),
        (("--json", tmp_path / "r", "--csv", tmp_path / "r"), "files of their own"),
        (("--html", tmp_path / "none" / "r.html"), "does not exist"),
    ):
        done = superres("evaluate", broken, ref, "--lr", lr, "--baseline", "lanczos", *options)
        check_refusal(done, said)


def test_a_baseline_that_could_not_be_made_leaves_its_gate_unmet(superres, sr, ref, lr):
    done = superres("evaluate", sr, ref, "--lr", lr, "--psf-sigma", "0.001", "--gate", "psnr>wiener")
    assert (done.code, done.err) == (4, "")
    assert "gate psnr>wiener: NOT MET" in done.out


def test_answers_can_stop_a_script(superres, judge, sr, ref, lr, tmp_path):
    image = read_image(sr)
    values = np.array(image.data)
    values[30:36, 40:46] = values.max()
    lie = write_image(image.replace(data=values), tmp_path / "lie.tif")
    for options in ((lie, ref, "--lr", lr), (lie, "--lr", lr)):
        assert superres("evaluate", *options).code == 0
        for gate in (("--gate", "answers"), ("--strict",)):
            done = superres("evaluate", *options, *gate)
            assert done.code == 4, gate
            assert "NOT MET (" in done.out
            assert "consistent with its input? no" in done.out.split("NOT MET")[1]
    assert superres("evaluate", sr, "--lr", lr, "--gate", "answers").code == 0
    done = superres("evaluate", sr, ref, "--lr", lr, "--gate", "answers", "--gate", "psnr>bicubic+90")
    assert done.code == 4


def test_registration(judge, sr, ref, lr, tmp_path):
    true = read_image(ref)
    moved = write_image(true.replace(data=np.roll(np.asarray(true.data), (3, -2), axis=(0, 1))), tmp_path / "m.tif")
    _, off = judge(sr, moved, "--lr", lr, "--baseline", "none")
    state, reason = answer(off, "lie on the reference")
    assert state == "no"
    assert "set register" in reason
    done, found = judge(sr, moved, "--lr", lr, "--baseline", "none", "--register")
    assert (done.code, done.err) == (0, "")
    assert candidates(found) == ["result", "bicubic", "result, not registered"]
    assert psnr(found, "result") > psnr(found, "result, not registered") + 5
    kept, plain = found["rows"][-1], off["rows"][0]
    assert (kept["nrmse"], kept["ssim"]) == pytest.approx((plain["nrmse"], plain["ssim"]), abs=0.01)
    (note,) = (note for note in found["notes"] if note.startswith("the reference was moved by "))
    assert [float(v) for v in re.findall(r"[+-][\d.]+", note)] == pytest.approx([-0.3, 0.2], abs=0.01), note


def test_baselines(superres, judge, sr, ref, lr):
    given = (sr, ref, "--lr", lr)
    assert candidates(judge(*given, "--baseline", "none")[1]) == ["result", "bicubic"]
    found = judge(*given, "--baseline", "zero-filling", "--baseline", "lanczos")[1]
    assert candidates(found) == ["result", "bicubic", "zero-filling", "lanczos"]
    check_refusal(superres("evaluate", *given, "--baseline", "magic"), "'magic'", "richardson-lucy")


def test_the_width_of_the_point_spread_function_is_in_the_inputs_unit(judge, sr, ref, lr):
    """The fitted one is near the one that is known; another one does worse."""
    given = (sr, ref, "--lr", lr, "--baseline", "wiener")
    fitted = judge(*given)[1]
    assert any("were fitted to the reference" in note for note in fitted["notes"])
    known, wide = (judge(*given, "--psf-sigma", sigma)[1] for sigma in (0.1, 0.4))
    assert not any("PSF" in note for note in known["notes"])
    assert psnr(known, "wiener") == pytest.approx(psnr(fitted, "wiener"), abs=1)
    assert psnr(known, "wiener") > psnr(wide, "wiener") + 1


def test_a_repeated_input(judge, sr, ref, lr, data):
    given = (sr, "--lr", lr, "--repeat", data / "again" / "0.tif")
    for arguments in (given, (sr, ref, *given[1:], "--baseline", "none")):
        document = judge(*arguments)[1]
        value = document["findings"]["0"]["repeat"]["value"]
        assert 0.4 <= value < 3
        assert f"the input, of two recordings: {value:.4g} micrometer" in answer(document, "fine detail")[1]


def test_a_calibration_and_what_it_holds_for(superres, judge, sr, ref, lr, data, tmp_path):
    file = tmp_path / "c.json"
    folders = (data / "lr", data / "ref")
    done = superres("calibrate", *folders, "-m", "bicubic-x2", "-o", file, "--alpha", 0.4)
    assert done.code == 0, done.err
    assert done.out.startswith(f"{COUNT} images; intervals are ")
    assert "not given" not in done.out, "at this alpha so many images suffice"
    assert done.err.splitlines()[-1] == f"wrote {file}"
    given = (ref, "--lr", lr, "--baseline", "none", "--calibration", file)
    done, document = judge(*given, "-m", "bicubic-x2")
    assert done.code == 0, done.err
    state, reason = answer(document, "error bars calibrated")
    assert state in ("yes", "no")
    assert reason.endswith(" % of the reference lies within the intervals, 60 % should")
    assert float(reason.split("%")[0]) > 50
    check_refusal(judge(*given, "-m", "lanczos-x2")[0], "holds for the model bicubic-x2, got lanczos-x2")
    check_refusal(judge(sr, *given)[0], "one model of the input")
    check_refusal(judge(*given[:-1], lr, "-m", "bicubic-x2")[0], "no calibration or is damaged")


def test_the_command_line_says_what_the_library_says(judge, sr, ref, lr):
    document = judge(sr, ref, "--lr", lr, "--baseline", "none")[1]
    report = evaluate(read_image(sr), read_image(ref), lr=read_image(lr), baselines=(), name="0")
    said = json.loads(report.to_json())
    about = document.pop("about")
    assert about["command"].startswith("superres evaluate ")
    assert about["models"] == said.pop("about")["models"]
    assert said == document


def test_what_needs_a_reference_says_so(superres, sr, ref, lr):
    single = ("evaluate", sr, "--lr", lr)
    for option, said in (
        (("--gate", "psnr>30"), "need a reference"),
        (("--baseline", "wiener"), "need a reference"),
        (("--register",), "need a reference"),
        (("--calibration", "none.json"), "need a reference"),
    ):
        done = superres(*single, *option)
        assert (done.code, said in done.err, done.err.count("\n")) == (1, True, 1)
    done = superres("evaluate", sr, ref, "--lr", lr, "--psf-sigma", "-1")
    assert (done.code, "at least 0" in done.err) == (1, True)
    done = superres("evaluate", sr, ref, "--lr", lr, "--psf-sigma", "0.001")
    assert "nothing was deconvolved: the PSF is only" in done.out


def test_settings_are_spelled_as_each_reader_knows_them(superres, sr, ref, lr, tmp_path):
    """Flags in the terminal, Python keywords in JSON, code on the page; backticks nowhere."""
    true = read_image(ref)
    moved = write_image(true.replace(data=np.roll(np.asarray(true.data), (3, -2), axis=(0, 1))), tmp_path / "m.tif")
    files = {kind: tmp_path / f"r.{kind}" for kind in ("json", "html")}
    options = [part for kind, file in files.items() for part in (f"--{kind}", file)]
    done = superres("evaluate", sr, moved, "--lr", lr, "--baseline", "none", *options)
    text = {kind: file.read_text("utf-8") for kind, file in files.items()}
    assert "metrics measure the shift; set --register, or correct" in done.out
    assert "`superres calibrate` makes one" in done.out
    assert "metrics measure the shift; set register, or correct" in text["json"]
    assert "calibrate_folder() makes one" in text["json"]
    assert "metrics measure the shift; set <code>register</code>, or correct" in text["html"]
    assert "<code>calibrate_folder()</code> makes one" in text["html"]
    assert "`" not in text["json"] + text["html"].split("</style>")[1]


def test_a_folder_without_references(judge, data, tmp_path):
    done, document = judge(data / "sr", "--lr", data / "lr", "--html", tmp_path / "r.html")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Nothing speaks against it, but whether its fine detail is real is not known: ")
    assert {file["status"] for file in document["files"]} == {"done"}
    assert len(document["findings"]) == COUNT
    assert "Files, the worst first" in (tmp_path / "r.html").read_text("utf-8")
    (sr,) = copy_scans(data, tmp_path, ("sr",))
    (sr / "0.tif").write_bytes(b"garbage")
    done, _ = judge(sr, "--lr", data / "lr")
    assert done.code == 3
    assert "1 file could not be judged" in done.out


def test_a_model_against_another(judge, data):
    """A comparison of its own, which says how many images are missing."""
    done, document = judge(
        *(data / "ref", "--lr", data / "lr", "-m", "nearest-x2", "--against", "lanczos-x2", "--baseline", "none")
    )
    assert done.code == 0
    last = document["comparisons"][-1]
    assert (last["candidate"], last["baseline"], last["worse"]) == ("nearest-x2", "lanczos-x2", COUNT)
    assert re.search(
        rf"nearest-x2 against lanczos-x2: -\d+\.\d\d dB, worse in {COUNT} of {COUNT}; "
        rf"too few images \({COUNT}; 6 needed",
        done.out,
    )
    roles = {row["candidate"]: row["role"] for row in document["rows"]}
    assert roles == {"nearest-x2": "judged", "lanczos-x2": "beside", "bicubic": "baseline"}
    both = judge(data / "sr", data / "ref", "--lr", data / "lr", "--against", "lanczos-x2", "--baseline", "none")[1]
    assert (both["comparisons"][-1]["candidate"], both["comparisons"][-1]["baseline"]) == ("result", "lanczos-x2")
    beats = [a for f in both["findings"].values() for a in f["questions"] if a["question"].startswith("Does it beat")]
    assert all("result against bicubic: " in answer["reason"] for answer in beats), "not against the other model"


def test_a_figure(superres, sr, ref, lr, data, tmp_path):
    done = superres("evaluate", sr, ref, "--lr", lr, "--baseline", "none", "--figure", tmp_path / "f.svg")
    assert (done.code, done.err) == (0, "")
    assert "computed x2, lanczos-x2 v" in (tmp_path / "f.svg").read_text("utf-8")
    with patch("napari_superres.evaluation.evaluate", side_effect=AssertionError("computed")):
        check_refusal(superres("evaluate", sr, ref, "--figure", tmp_path / "f.pdf"), ".svg or .png")
    done = superres("evaluate", data / "sr", data / "ref", "--lr", data / "lr", "--figure", tmp_path / "g.svg")
    check_refusal(done, "single images")


def test_the_table_is_printed_in_lines(superres, sr, ref, lr):
    done = superres("evaluate", sr, ref, "--lr", lr, "--baseline", "none")
    assert "\\n" not in done.out
    assert done.out.splitlines()[1].startswith("image")


def test_objects_are_counted_and_each_row_is_a_line(judge, sr, ref, lr, tmp_path):
    """The table was once printed as one line with its ends spelled out."""
    masks = read_image(ref)
    masks = write_image(masks.replace(data=(np.asarray(masks.data) > 2500).astype(np.uint8)), tmp_path / "masks.tif")
    done, document = judge(sr, ref, "--lr", lr, "--labels", masks, "--object-size", "1", "--baseline", "none")
    assert done.code == 0
    assert done.out.splitlines()[1].split()[:2] == ["image", "candidate"]
    assert [r["candidate"] for r in document["objects"]["rows"]] == ["reference", "input", "result", "bicubic"]
    assert any(line.startswith("objects: 1 the masks show") for line in done.out.splitlines())
    assert "Does it help my measurement?" in done.out


def test_objects_need_a_reference(superres, sr, lr):
    check_refusal(superres("evaluate", sr, "--lr", lr, "--labels", sr), "--labels", "reference")
    check_refusal(superres("evaluate", sr, "--lr", lr, "--detect", "spots"), "--detect", "reference")
