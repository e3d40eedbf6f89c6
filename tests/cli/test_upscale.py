"""`superres upscale`: the pixels of the Python interface, clear lines, and exit codes that scripts can trust."""

import json
import re

import numpy as np
import pytest
from helpers.conditioned import write_conditioned_model
from helpers.faults.object_server import object_server
from helpers.scenes import check_refusal, copy_scans

from napari_superres import Image, read_image, upscale, write_image


def test_the_pixels_are_those_of_python(superres, cells, tmp_path):
    target = tmp_path / "out.ome.tif"
    done = superres("upscale", cells, "-o", target, "-m", "fsrcnn-x2", "--tile", 30)
    assert (done.code, done.out) == (0, "")
    assert f"wrote {target}" in done.err
    found, expected = read_image(target), upscale(read_image(cells), "fsrcnn-x2", tile=30)
    assert np.array_equal(found.data[...], expected.data)
    assert np.allclose(found.affine, expected.affine)
    assert found.channel_names == ("DNA", "actin")


def test_options_reach_the_engine(superres, cells, tmp_path):
    target = tmp_path / "out.ome.tif"
    done = superres(
        "upscale",
        cells,
        "-o",
        target,
        "-m",
        "bicubic-x3",
        "--channels",
        1,
        "--roi",
        "3:20,5:30",
        "--tta",
        "--precision",
        "fp32",
        "--intensity-range",
        "0,1000",
        "--pixel-size",
        "0.5",
        "--unit",
        "mm",
        "--tile",
        "16,20",
        "--device",
        "cpu",
        "-q",
    )
    assert (done.code, done.out, done.err) == (0, "", "")
    image = read_image(cells, pixel_size=0.5, unit="mm")
    expected = upscale(
        image,
        "bicubic-x3",
        channels=[1],
        roi={"Y": (3, 20), "X": (5, 30)},
        tta=True,
        intensity_range=[(0, 1000)],
        tile=(16, 20),
        precision="fp32",
    )
    found = read_image(target)
    assert np.array_equal(np.squeeze(found.data[...]), np.squeeze(expected.data))
    record = json.loads((tmp_path / "out.ome.tif.provenance.json").read_text())
    assert record["tta"] is True
    assert record["normalisation"] == {"low": [0.0, 0.0], "high": [1000.0, 1000.0]}


def test_a_model_per_channel_and_a_repeated_record(superres, cells, tmp_path):
    assert superres("upscale", cells, "-o", tmp_path / "a.ome.tif", "-m", "DNA=bicubic-x2,1=nearest-x2").code == 0
    image = read_image(cells)
    found = read_image(tmp_path / "a.ome.tif").data[...]
    assert np.array_equal(found[1], upscale(image, "nearest-x2").data[1])
    said = superres("upscale", cells, "-o", tmp_path / "dna.ome.tif", "-m", "DNA=bicubic-x2")
    assert "No model was given for actin: left out" in said.out + said.err
    superres("upscale", cells, "-o", tmp_path / "b.ome.tif", "-m", "bicubic-x2", "--intensity-range", "0,5000", "--tta")
    superres("upscale", cells, "-o", tmp_path / "c.ome.tif", "--from", tmp_path / "b.ome.tif.provenance.json")
    one, two = (json.loads((tmp_path / f"{n}.ome.tif.provenance.json").read_text()) for n in "bc")
    assert {k: one[k] for k in ("normalisation", "tta", "precision")} == {
        k: two[k] for k in ("normalisation", "tta", "precision")
    }
    assert np.array_equal(read_image(tmp_path / "b.ome.tif").data[...], read_image(tmp_path / "c.ome.tif").data[...])
    superres("upscale", cells, "-o", tmp_path / "d.ome.tif", "-m", "bicubic-x2")
    superres("upscale", cells, "-o", tmp_path / "e.ome.tif", "--from", tmp_path / "d.ome.tif.provenance.json", "--tta")
    assert json.loads((tmp_path / "e.ome.tif.provenance.json").read_text())["tta"] is True, "what is given counts"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gone.tif", "-o", "o.tif", "-m", "bicubic-x2"], "does not exist"),
        (["{cells}", "-o", "{dir}/o.tif", "-m", "bicubik-x2"], "Did you mean"),
        (["{cells}", "-o", "{dir}/o.tif", "-m", "{dir}/x.safetensors"], "does not exist"),
        (["{cells}", "-o", "{dir}/o.tif"], "--model"),
        (["{cells}", "-o", "{cells}", "-m", "bicubic-x2", "--overwrite"], "never overwritten"),
        (["{cells}", "-o", "{dir}/o.bmp", "-m", "bicubic-x2"], ".ome.tif"),
        (["{cells}", "-o", "{dir}/o.tif", "-m", "0=bicubic-x2,0=nearest-x2"], "twice"),
        (["{cells}", "-o", "{dir}/no/o.tif", "-m", "bicubic-x2"], "folder"),
        (["{cells}", "-o", "{dir}/o.tif", "-m", "bicubic-x2", "--device", "cuda:9"], "is not available"),
        (["{cells}", "-o", "{dir}/o.tif", "-m", "bicubic-x2", "--tile", "big"], "--tile"),
        (["{cells}", "-o", "{dir}/o.tif", "-m", "fsrcnn-x2", "--tile", "4"], "at least 17"),
        (["{cells}", "-o", "{dir}/o.tif", "-m", "bicubic-x2", "--axes", "YX"], "--axes"),
        (["{cells}", "-o", "{dir}/o.tif", "-m", "bicubic-x2", "--roi", "1:2"], "--roi"),
        (["{cells}", "-o", "{dir}/o.tif", "-m", "bicubic-x2", "--roi", "1:900,0:4"], "0:33"),
        (["{cells}", "-o", "{dir}/o.tif", "-m", "bicubic-x2", "--channels", "5"], "0 to 1"),
        (["{cells}", "-o", "{dir}/o.tif", "-m", "bicubic-x2", "--channels", "x"], "--channels"),
        (["{cells}", "-o", "{dir}/o.tif", "-m", "bicubic-x2", "--precision", "fp8"], "fp16"),
        (["{cells}", "-o", "{dir}/o.tif", "-m", "bicubic-x2", "--pixel-size", "0"], "above zero"),
        (["{cells}", "-o", "{dir}/o.tif", "-m", "bicubic-x2", "--pixel-size", "1", "--unit", "foot"], "unknown unit"),
        (["{cells}", "-o", "{dir}/o.tif", "-m", "bicubic-x2", "--intensity-range", "5"], "--intensity-range"),
        (["{cells}", "-o", "{dir}/o.tif", "-m", "bicubic-x2", "--series", "3"], "series"),
        (["{cells}", "-o", "{dir}/o.tif", "-m", "7=bicubic-x2"], "0 to 1"),
        (["{cells}", "-o", "{dir}/o.tif", "-m", "=bicubic-x2"], "--model"),
        (["{cells}", "-o", "{dir}/o.tif", "-m", "bicubic-x2", "--format", "ome.zarr"], "--format"),
        (["{cells}", "-o", "{dir}/o.tif", "--from", "{cells}"], "--from"),
        (["{empty}", "-o", "{dir}/o.tif", "-m", "bicubic-x2"], "empty"),
    ],
)
def test_errors_are_one_line_and_nothing_is_written(arguments, said, superres, cells, tmp_path):
    empty = tmp_path / "empty.tif"
    empty.touch()
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    done = superres("upscale", *(a.format(cells=cells, dir=tmp_path, empty=empty) for a in arguments))
    assert done.code == 1
    assert done.out == ""
    assert said in done.err
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    assert "Traceback" not in done.err
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_debug_shows_where(superres, tmp_path):
    for arguments in (["--debug", "info", tmp_path / "x"], ["info", tmp_path / "x", "--debug"]):
        done = superres(*arguments)
        assert done.code == 1
        assert "Traceback" in done.err


@pytest.mark.parametrize(
    "arguments", [["upscale"], ["upscale", "a.tif"], ["nonsense"], ["upscale", "a", "-o", "b", "--flavour"]]
)
def test_wrong_usage(arguments, superres):
    done = superres(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert "Traceback" not in done.err


def test_an_unexpected_error_is_one_line_too(superres, cells, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("surprise\nof two lines")

    monkeypatch.setattr("napari_superres.inference.upscale_file", broken, raising=False)
    done = superres("upscale", cells, "-o", tmp_path / "o.tif", "-m", "bicubic-x2", "-q")
    assert done.code == 1
    assert done.err == "unexpected error: ZeroDivisionError: surprise of two lines (--debug shows where)\n"


def test_a_batch_goes_on_and_says_what_failed(superres, cells, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in ("a.ome.tif", "c.ome.tif"):
        (folder / name).write_bytes(cells.read_bytes())
    (folder / "b.tif").write_bytes(b"garbage")
    command = ["upscale", folder, "-o", out, "-m", "bicubic-x2", "--json"]
    done = superres(*command)
    assert done.code == 3
    summary = json.loads(done.out)
    assert (summary["done"], summary["skipped"], summary["failed"]) == (2, 0, 1)
    assert [f["status"] for f in summary["files"]] == ["done", "failed", "done"]
    assert summary["files"][1]["message"]
    assert "2 done, 0 skipped, 1 failed" in done.err
    assert (out / "a_bicubic-x2.ome.tif").exists()
    done = superres(*command, "--resume")
    assert json.loads(done.out)["skipped"] == 2
    (folder / "b.tif").unlink()
    assert superres(*command, "--resume", "-q").code == 0
    assert superres(*command).code == 3, "existing results are kept"
    assert superres(*command, "--overwrite").code == 0


def test_a_missing_file_among_others(superres, cells, tmp_path):
    done = superres("upscale", cells, tmp_path / "gone.tif", "-o", tmp_path / "out", "-m", "bicubic-x2", "--json")
    assert done.code == 3
    assert [f["status"] for f in json.loads(done.out)["files"]] == ["done", "failed"]
    done = superres("upscale", cells, cells, "-o", tmp_path / "two", "-m", "nothing")
    assert (done.code, done.err.count("\n")) == (1, 1), "a wrong model is said once, not for every file"


def test_patterns_and_formats(superres, cells, tmp_path):
    done = superres(
        "upscale", tmp_path / "*.tif", "-o", tmp_path / "out", "-m", "nearest-x2", "--format", "ome.zarr", "-q"
    )
    assert done.code == 0
    assert read_image(tmp_path / "out" / "cells_nearest-x2.ome.zarr").shape == (2, 66, 82)
    done = superres("upscale", tmp_path / "*.nii", "-o", tmp_path / "out", "-m", "nearest-x2")
    assert (done.code, done.err.count("\n")) == (1, 1)


def test_subfolders(superres, cells, tmp_path):
    for name in ("in/a/x.ome.tif", "in/b/x.ome.tif"):
        (tmp_path / name).parent.mkdir(parents=True)
        write_image(read_image(cells), tmp_path / name)
    command = ("upscale", tmp_path / "in", "-o", tmp_path / "out", "-m", "nearest-x2", "--recursive", "--json")
    targets = [tmp_path / "out" / folder / "x_nearest-x2.ome.tif" for folder in "ab"]
    planned = superres(*command, "--dry-run")
    assert [row["target"] for row in json.loads(planned.out)["plans"]] == [str(target) for target in targets]
    for status, more in (("done", ()), ("skipped", ("--resume",))):
        done = superres(*command, *more)
        assert done.code == 0
        assert [(f["source"], f["target"], f["status"]) for f in json.loads(done.out)["files"]] == [
            (f"{folder}/x.ome.tif", str(target), status) for folder, target in zip("ab", targets, strict=True)
        ]


def test_a_dry_run_computes_nothing(superres, cells, tmp_path):
    done = superres("upscale", cells, "-o", tmp_path / "o.tif", "-m", "fsrcnn-x2", "--dry-run", "--json")
    (plan,) = json.loads(done.out)["plans"]
    assert plan["shape"] == [2, 33, 41]
    assert plan["result"] == [2, 66, 82]
    assert not (tmp_path / "o.tif").exists()
    text = superres("upscale", cells, "-o", tmp_path / "o.tif", "-m", "fsrcnn-x2", "--dry-run")
    assert "(2, 33, 41) -> (2, 66, 82) uint16" in text.out


def test_a_dry_run_says_what_would_be_refused(superres, cells, tmp_path):
    there = tmp_path / "there.ome.tif"
    there.write_bytes(cells.read_bytes())
    (tmp_path / "broken.tif").write_bytes(b"garbage")
    command = ("upscale", "-m", "bicubic-x2", "--dry-run")
    assert "exists already" in superres(*command, cells, "-o", there).err
    assert superres(*command, cells, "-o", there, "--overwrite").code == 0
    assert "does not exist" in superres(*command, cells, "-o", tmp_path / "no" / "o.tif").err
    assert (
        "does not answer"
        in superres(*command, cells, "-o", tmp_path / "o.ome.zarr", "--scheduler", "tcp://127.0.0.1:9").err
    )
    assert "workers write an OME-Zarr" in superres(*command, cells, "-o", tmp_path / "o.tif", "--workers", 2).err
    done = superres(*command, cells, tmp_path / "gone.tif", "-o", tmp_path / "new")
    assert (done.code, done.out.count(": would fail: ")) == (3, 1), "one that is missing is a failure among others"
    done = superres(*command, tmp_path, "-o", tmp_path / "new")
    assert done.code == 3
    assert done.out.count("->") == 2
    assert f"{tmp_path / 'broken.tif'}: would fail: " in done.out
    assert not (tmp_path / "new").exists()


def test_failures_of_a_quiet_batch_are_told(superres, cells, tmp_path):
    done = superres("upscale", cells, tmp_path / "gone.tif", "-o", tmp_path / "out", "-m", "bicubic-x2", "-q")
    assert (done.code, done.out, done.err.count("\n")) == (3, "", 1)
    assert done.err.startswith("failed gone.tif: ")


def test_a_single_result_as_json(superres, cells, tmp_path):
    done = superres("upscale", cells, "-o", tmp_path / "o.tif", "-m", "bicubic-x2", "--json")
    assert json.loads(done.out) == {"files": [{"target": str(tmp_path / "o.tif"), "status": "done"}]}


def test_a_warning_is_one_line(superres, tmp_path):
    data = np.random.default_rng(0).random((20, 20)).astype(np.float32)
    data[3, 3] = np.nan
    write_image(Image.from_array(data, "YX"), tmp_path / "nan.tif")
    done = superres("upscale", tmp_path / "nan.tif", "-o", tmp_path / "o.tif", "-m", "bicubic-x2")
    assert done.code == 0
    assert [line for line in done.err.splitlines() if line.startswith("warning: ")] == [
        "warning: 1 pixels are NaN or infinite: they were computed around and put back."
    ]
    assert np.isnan(read_image(tmp_path / "o.tif").data[...]).sum() == 4


def test_a_recorded_run_with_a_model_per_channel_is_repeated(superres, cells, tmp_path):
    models = "DNA=fluo-x2,actin=bicubic-x2"
    assert superres("upscale", cells, "-o", tmp_path / "a.ome.tif", "-m", models, "-q").code == 0
    record = tmp_path / "a.ome.tif.provenance.json"
    assert superres("upscale", cells, "-o", tmp_path / "b.ome.tif", "--from", record, "-q").code == 0
    a, b = (np.asarray(read_image(tmp_path / f"{name}.ome.tif").data) for name in "ab")
    assert np.array_equal(a, b)


def test_notes_of_a_batch_are_printed_once_and_counted(superres, tmp_path):
    data = np.random.default_rng(0).random((20, 20)).astype(np.float32)
    data[3, 3] = np.nan
    for name in ("a", "b"):
        write_image(Image.from_array(data, "YX"), tmp_path / f"{name}.tif")
    done = superres("upscale", tmp_path / "*.tif", "-o", tmp_path / "out", "-m", "bicubic-x2", "-q")
    assert done.code == 0
    starts = ["warning: a.tif: 1 pixels are", "warning: 2 files: 1 pixels a"]
    assert [line[:28].rstrip() for line in done.err.splitlines()] == [start[:28] for start in starts]


def test_what_a_network_was_told_is_shown_and_repeated(superres, cells, tmp_path):
    model = write_conditioned_model(tmp_path / "told.safetensors")
    options = ("--noise", "0.5,3,100", "--noise", "0", "--psf-sigma", "1.2", "--strength", "0.8")
    planned = superres("upscale", cells, "-o", tmp_path / "a.ome.tif", "-m", model, *options, "--dry-run")
    assert "noise given: gain 0.5, read noise 3, removed at 80 %; PSF sigma 1.2 pixels of the result" in planned.out
    assert superres("upscale", cells, "-o", tmp_path / "a.ome.tif", "-m", model, *options).code == 0
    record = tmp_path / "a.ome.tif.provenance.json"
    assert superres("upscale", cells, "-o", tmp_path / "b.ome.tif", "-m", model, "--from", record).code == 0
    one, two = (json.loads((tmp_path / f"{n}.ome.tif.provenance.json").read_text())["told"] for n in "ab")
    assert one == two
    assert one["noise"][0] == {"gain": 0.5, "read_noise": 3.0, "offset": 100.0}
    assert np.array_equal(read_image(tmp_path / "a.ome.tif").data[...], read_image(tmp_path / "b.ome.tif").data[...])
    refused = superres("upscale", cells, "-o", tmp_path / "c.ome.tif", "-m", model, "--noise", "much")
    assert "--noise must be measured, 0, or GAIN,READ" in refused.err


@pytest.mark.parametrize(("command", "options"), [("upscale", ("-m", "bicubic-x2")), ("degrade", ("--scale", "2"))])
def test_no_input_is_overwritten(command, options, superres, cells, tmp_path):
    """Neither the image itself nor the folder that it lies in."""
    write_image(read_image(cells), tmp_path / "exp.ome.zarr")
    write_image(read_image(cells), tmp_path / "exp.ome.zarr" / "raw.ome.tif")
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    for source, target in (
        ("exp.ome.zarr/0", "exp.ome.zarr"),
        ("exp.ome.zarr/raw.ome.tif", "exp.ome.zarr"),
        ("cells.ome.tif", "cells.ome.tif"),
        ("exp.ome.zarr/0", "exp.ome.zarr/more.ome.tif"),
    ):
        words = (command, tmp_path / source, "-o", tmp_path / target, *options, "--overwrite")
        for dry in ((), ("--dry-run",)) if command == "upscale" else ((),):
            done = superres(*words, *dry)
            assert (done.code, done.err.count("\n")) == (1, 1)
            assert "which is never" in done.err
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_addresses(superres, monkeypatch, tmp_path):
    pytest.importorskip("obstore", reason="addresses need the extra remote")
    image = Image.from_array(np.arange(120, dtype=np.uint8).reshape(10, 12), "YX", pixel_size=0.5)
    write_image(image, tmp_path / "in.ome.zarr")
    with object_server() as server:
        for name, value in (("ENDPOINT_URL", server.address), ("ACCESS_KEY_ID", "me"), ("SECRET_ACCESS_KEY", "geheim")):
            monkeypatch.setenv(f"AWS_{name}", value)
        address = server.serve_folder(tmp_path / "in.ome.zarr", "b/in.ome.zarr")
        assert json.loads(superres("info", address, "--json").out)[0]["shape"] == [10, 12]
        planned = superres("upscale", address, "-o", "s3://b/out.ome.zarr", "-m", "nearest-x2", "--dry-run", "--json")
        assert json.loads(planned.out)["plans"][0]["target"] == "s3://b/out.ome.zarr"
        done = superres("upscale", address, "-o", "s3://b/out.ome.zarr", "-m", "nearest-x2")
        assert (done.code, "wrote s3://b/out.ome.zarr" in done.err) == (0, True)
        batch = superres("upscale", address, "-o", "s3://b/more", "-m", "nearest-x2", "--json")
        outcomes = json.loads(batch.out)["files"]
        assert [row["status"] for row in outcomes] == ["done"]
        assert outcomes[0]["target"] == "s3://b/more/in_nearest-x2.ome.zarr"
        assert read_image("s3://b/out.ome.zarr").shape == (20, 24)
        secret = superres("upscale", "https://me:geheim@b/x.zarr", "-o", tmp_path / "o.ome.zarr", "-m", "nearest-x2")
        assert secret.code == 1
        assert "geheim" not in secret.out + secret.err
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("s3")]


def test_a_page_on_a_batch(superres, data, tmp_path):
    (lr,) = copy_scans(data, tmp_path, ("lr",))
    (lr / "bad.tif").write_bytes(b"garbage")
    page = tmp_path / "report.html"
    done = superres("upscale", lr, "-o", tmp_path / "out", "-m", "lanczos-x2", "--report", page, "-q")
    assert done.code == 3
    text = page.read_text("utf-8")
    names = re.findall(r'<tr><th scope="row">([^<]+)</th>\s*<td><div class="pictures">', text)
    assert names == ["0.tif", "1.tif", "bad.tif"]
    assert text.count("data:image/jpeg") == 4
    assert "1 file could not be judged" in text
    assert "superres upscale" in text
    one = superres("upscale", lr / "0.tif", "-o", tmp_path / "one.tif", "-m", "lanczos-x2", "--report", page, "-q")
    assert one.code == 0
    assert page.read_text("utf-8").count("data:image/jpeg") == 2


def test_a_page_that_cannot_be_written_is_refused_first(superres, lr, tmp_path):
    done = superres("upscale", lr, "-o", tmp_path / "a.tif", "-m", "lanczos-x2", "--report", tmp_path / "no" / "r.html")
    check_refusal(done, "does not exist")
    check_refusal(
        superres("upscale", lr, "-o", tmp_path / "a.tif", "-m", "lanczos-x2", "--report", lr), "the input itself"
    )
    assert not (tmp_path / "a.tif").exists()


def test_a_result_as_input_is_warned_about(superres, lr, tmp_path):
    up = tmp_path / "up.tif"
    assert superres("upscale", lr, "-o", up, "-m", "lanczos-x2", "-q").code == 0
    done = superres("upscale", up, "-o", tmp_path / "twice.tif", "-m", "espcn-x2")
    assert "warning: The image does not fit espcn-x2: it was itself computed by lanczos-x2" in done.err
    done = superres("upscale", up, "-o", tmp_path / "again.tif", "-m", "lanczos-x2")
    assert "itself computed" not in done.err
