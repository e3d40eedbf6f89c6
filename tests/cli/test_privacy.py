"""Whatever is done with medical images, names and paths of a patient appear in nothing that is printed or written."""

import json

import numpy as np
import pytest
from helpers.prepared import slices

from napari_superres import Image, io, read_image, write_image

SECRET = "DOE_JANE"
RUN = ("--model", "bicubic-x2", "--intensity-range", "0,1000")


@pytest.fixture
def scans(tmp_path):
    """Return a folder of a patient's images in all medical formats, sound and damaged."""
    folder = tmp_path / SECRET
    folder.mkdir()
    data = np.random.default_rng(0).integers(0, 999, (3, 12, 14)).astype(np.int16)
    image = Image.from_array(data, "ZYX", pixel_size=0.5, unit="millimeter")
    for ending in (".nii.gz", ".nrrd", ".mha"):
        write_image(image, folder / f"{SECRET}_t1{ending}")
    (folder / f"{SECRET}_cut.nii").write_bytes(b"\x5c\x01\0\0" + b"\0" * 400)
    slices(folder / "ct", [0, 3, 6])
    slices(folder / "gap", [0, 3, 9, 12])
    return folder


def written(folder):
    """Return names and content of all files below a folder, as text."""
    files = [p for p in folder.rglob("*") if p.is_file()] if folder.is_dir() else []
    return "".join(f"{p.relative_to(folder)}\n{p.read_bytes().decode('latin-1')}\n" for p in files)


@pytest.mark.parametrize("ending", [(), ("--format", ".ome.zarr"), ("--format", "ome.tif"), ("--dry-run",)])
def test_a_batch(ending, scans, superres, tmp_path):
    done = superres("upscale", scans, scans / "gone.mha", "-o", tmp_path / "out", *RUN, *ending, "--json")
    assert done.code == 3
    assert SECRET not in done.out + done.err + written(tmp_path / "out")
    if "--dry-run" in ending:
        return
    files = json.loads(done.out)["files"]
    assert sorted(f["status"] for f in files) == ["done"] * 4 + ["failed"] * 3
    kinds = {f["source"].partition("-")[0] for f in files if f["status"] == "done"}
    assert kinds == {"nifti", "nrrd", "metaimage", "dicom"}
    for label in (f["source"] for f in files if f["status"] == "done"):
        assert [p for p in (tmp_path / "out").iterdir() if p.name.startswith(f"{label}_bicubic-x2.")]


def test_one_image(scans, superres, tmp_path):
    for source in (f"{SECRET}_t1.nrrd", "ct"):
        target = tmp_path / "out" / f"{source[-2:]}.nii.gz"
        target.parent.mkdir(exist_ok=True)
        done = superres("upscale", scans / source, "-o", target, *RUN)
        assert done.code == 0
        assert SECRET not in done.out + done.err + written(target.parent)
        record = json.loads(io.sidecar_path(target).read_text())
        assert record["input"]["sha256"] == io.file_digest(scans / source)
        assert "name" not in record["input"]


@pytest.mark.parametrize(
    "words",
    [
        ("info", "gap"),
        ("info", "CUT"),
        ("info", "T1"),
        ("info", "T1", "--json"),
        ("info", "."),
        ("upscale", "CUT", "-o", "OUT", *RUN),
        ("upscale", "gap", "-o", "OUT", *RUN),
        ("upscale", "T1", "-o", "T1", *RUN, "--overwrite"),
        ("upscale", "T1", "-o", "OUT", *RUN, "--series", "4"),
        ("upscale", "T1", "-o", "OUT", *RUN, "--axes", "YX"),
        ("upscale", "gone.nii.gz", "-o", "OUT", *RUN),
        ("degrade", "CUT", "-o", "OUT", "--scale", "2"),
        ("resample", "CUT", "-o", "OUT", "--to", "1"),
        ("resolution", "CUT"),
        ("trust", "CUT", "-o", "OUT", "-m", "bicubic-x2"),
        ("evaluate", "CUT", "T1"),
        ("calibrate", ".", ".", "-m", "bicubic-x2", "-o", "OUT"),
        ("train", "--hr", ".", "--architecture", "espcn", "--scale", "2", "-o", "OUT.safetensors", "--channel", "luma"),
    ],
)
def test_other_commands(words, scans, superres, tmp_path):
    known = {
        "T1": scans / f"{SECRET}_t1.nii.gz",
        "CUT": scans / f"{SECRET}_cut.nii",
        "OUT": tmp_path / "out.nii.gz",
        "OUT.safetensors": tmp_path / "out.safetensors",
        ".": scans,
    }
    inputs = {name: scans / name for name in ("gap", "gone.nii.gz")}
    done = superres(*({**known, **inputs}.get(word, word) for word in words))
    assert done.out + done.err
    assert SECRET not in done.out + done.err


def test_results_find_their_references(scans, superres, tmp_path):
    """Results are named after the digest of their input; the names of input and reference match."""
    for folder in ("lr", "hr"):
        (tmp_path / folder).mkdir()
    low = scans / f"{SECRET}_t1.nii.gz"
    low.rename(tmp_path / "lr" / low.name)
    low = tmp_path / "lr" / low.name
    assert superres("upscale", low, "-o", tmp_path / "sr", *RUN).code == 0
    (result,) = (tmp_path / "sr").glob("*.nii.gz")
    write_image(read_image(result), tmp_path / "hr" / low.name)
    files = [part for kind in ("json", "csv", "html") for part in (f"--{kind}", tmp_path / "report" / f"a.{kind}")]
    (tmp_path / "report").mkdir()
    done = superres("evaluate", tmp_path / "sr", tmp_path / "hr", "--lr", tmp_path / "lr", *files, "--baseline", "none")
    assert done.code == 0
    assert io.safe_name(result) in done.out
    command = json.loads((tmp_path / "report" / "a.json").read_text())["about"]["command"]
    assert "put in your files: names of medical images are left out" in command
    assert SECRET not in done.out + done.err + written(tmp_path / "report")


def test_redacted(cells, superres):
    assert "cells" in superres("info", cells).out
    for words in (("info", cells, "--redact"), ("info", cells, "--redact", "--json")):
        done = superres(*words)
        assert "uint16" in done.out
        assert not any(name in done.out for name in ("cells", "DNA", "actin"))
    cells.write_bytes(b"II*\0")
    assert "cells" not in superres("info", cells, "--redact").err


def test_unexpected_errors_of_libraries(scans, superres, monkeypatch):
    """Libraries put paths into their messages. --debug shows them, and says so."""

    def fails(path, **_):
        raise RuntimeError(f"cannot read {path}")

    monkeypatch.setattr(io, "describe", lambda path, **_: fails(str(path)))
    done = superres("info", scans / "ct")
    assert done.err == "unexpected error: RuntimeError (--debug shows where)\n"
    shown = superres("info", scans / "ct", "--debug").err
    assert SECRET in shown
    assert shown.startswith("--debug shows names and paths of files, of medical images too")
    assert "cannot read cells.tif" in superres("info", "cells.tif").err


def test_unexpected_errors_in_a_batch(scans, superres, tmp_path, monkeypatch):
    def fails(path, **_):
        raise RuntimeError(f"cannot read {path!s}")

    monkeypatch.setattr(io, "read_image", lambda path, **_: fails(str(path)))
    done = superres("upscale", scans, "-o", tmp_path / "out", *RUN, "--json")
    assert done.code == 3
    assert SECRET not in done.out + done.err
