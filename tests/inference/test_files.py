"""Files: whole or not at all, with their record; resumed only where nothing has changed; failures stay alone."""

import errno
import json
import os
import shutil

import numpy as np
import pytest
import tifffile

from napari_superres import Image, read_image, upscale, upscale_file, write_image
from napari_superres.errors import (
    DeviceError,
    OutputError,
    OutputExistsError,
    SettingsError,
    SuperResError,
    UnknownModelError,
    UnreadableImageError,
)
from napari_superres.inference import upscale_files
from napari_superres.models import load_model

MODEL = "bicubic-x2"


@pytest.fixture
def source(tmp_path, plane):
    """Return a small OME-TIFF."""
    image = Image.from_array((plane * 1000).astype(np.uint16), "YX", pixel_size=(0.2, 0.1), origin=(5.0, -3.0))
    return write_image(image, tmp_path / "cells.ome.tif")


def record_of(target):
    return json.loads(target.with_name(target.name + ".provenance.json").read_text())


def test_a_file_holds_what_memory_holds(source, tmp_path):
    target = upscale_file(source, tmp_path / "out.ome.tif", model="fsrcnn-x2", tile=30)
    expected = upscale(read_image(source), "fsrcnn-x2", tile=30)
    found = read_image(target)
    assert np.array_equal(found.data[...], expected.data)
    assert np.allclose(found.affine, expected.affine)
    record = record_of(target)
    assert record["input"]["name"] == "cells.ome.tif"
    assert len(record["input"]["sha256"]) == 64
    assert record["model"]["sha256"] == load_model("fsrcnn-x2").sha256
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cells.ome.tif", "out.ome.tif", "out.ome.tif.provenance.json"]


def test_steps_are_told(source, tmp_path):
    steps = []
    upscale_file(source, tmp_path / "a.tif", model=MODEL, tile=20, progress=steps.append)
    assert steps[0].done == 0
    assert steps[-1].done == steps[-1].total == len(steps) - 1


@pytest.mark.parametrize("where", ["run", "write"])
def test_nothing_is_left_of_a_run_that_fails(source, tmp_path, where, monkeypatch):
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}

    def stop(step):
        if where == "run" and step.done:
            raise KeyboardInterrupt

    if where == "write":

        def full(*_, **__):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("tifffile.TiffWriter.write", full)
    with pytest.raises((KeyboardInterrupt, OutputError)):
        upscale_file(source, tmp_path / "out.ome.tif", model=MODEL, tile=20, progress=stop)
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_an_existing_target_is_kept(source, tmp_path):
    target = tmp_path / "out.tif"
    target.write_bytes(b"precious")
    steps = []
    with pytest.raises(OutputExistsError, match="`overwrite`"):
        upscale_file(source, target, model=MODEL, progress=steps.append)
    assert not steps, "refused before anything is computed"
    assert target.read_bytes() == b"precious"
    upscale_file(source, target, model=MODEL, overwrite=True)
    assert read_image(target).shape == (74, 90)


def test_resume_skips_what_is_done(source, tmp_path):
    target = tmp_path / "out.ome.tif"
    upscale_file(source, target, model=MODEL)
    stamp, steps = target.stat().st_mtime_ns, []
    # The way it is computed does not matter; what is computed does.
    upscale_file(source, target, model=MODEL, resume=True, tile=20, progress=steps.append)
    assert target.stat().st_mtime_ns == stamp
    assert not steps


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "lanczos-x2"},
        {"model": "bicubic-x3"},
        {"roi": {"Y": (0, 5)}},
        {"tta": True},
        {"precision": "fp64"},
        {"intensity_range": [(0, 10)]},
        {"pixel_size": 7.0},
        {"pixel_size": (0.2, 0.1), "unit": "millimeter"},
        {"axes": "XY"},
    ],
    ids=str,
)
def test_resume_refuses_what_was_made_otherwise(source, tmp_path, changed):
    target = tmp_path / "out.ome.tif"
    upscale_file(source, target, model=MODEL)
    before = target.read_bytes()
    with pytest.raises(OutputExistsError, match="other settings"):
        upscale_file(source, target, resume=True, **{"model": MODEL, **changed})
    assert target.read_bytes() == before
    upscale_file(source, target, resume=True, overwrite=True, **{"model": MODEL, **changed})
    steps = []
    upscale_file(source, target, resume=True, progress=steps.append, **{"model": MODEL, **changed})
    assert not steps


def test_resume_refuses_another_input_or_no_record(source, tmp_path, plane):
    target = tmp_path / "out.ome.tif"
    upscale_file(source, target, model=MODEL)
    write_image(read_image(source).replace(data=np.ones_like(plane, dtype=np.uint16)), source, overwrite=True)
    with pytest.raises(OutputExistsError):
        upscale_file(source, target, model=MODEL, resume=True)
    for damaged in ("{", "[]", "null", '{"input": 5}'):
        (tmp_path / "out.ome.tif.provenance.json").write_text(damaged)
        with pytest.raises(OutputExistsError):
            upscale_file(source, target, model=MODEL, resume=True)
    (tmp_path / "out.ome.tif.provenance.json").unlink()
    with pytest.raises(OutputExistsError):
        upscale_file(source, target, model=MODEL, resume=True)


def test_what_the_file_does_not_say(tmp_path, plane):
    write_image(Image.from_array((plane * 255).astype(np.uint8), "YX"), tmp_path / "a.png")
    target = upscale_file(tmp_path / "a.png", tmp_path / "b.ome.tif", model=MODEL, pixel_size=0.5, unit="mm")
    found = read_image(target)
    assert found.pixel_size == pytest.approx((250.0, 250.0) if found.units["X"] == "micrometer" else (0.25, 0.25))


def test_a_bad_file_does_not_stop_the_others(source, tmp_path, plane):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a", "c", "d"):
        write_image(read_image(source), folder / f"{name}.tif")
    (folder / "b.tif").write_bytes(b"II*\0 this is no image")
    (folder / "c.tif").write_bytes((folder / "c.tif").read_bytes()[:200])
    (folder / "notes.txt").write_text("not an image")
    told = []
    outcomes = upscale_files([folder], tmp_path / "out", model=MODEL, finished=told.append)
    assert [(o.source, o.status) for o in outcomes] == [
        ("a.tif", "done"),
        ("b.tif", "failed"),
        ("c.tif", "failed"),
        ("d.tif", "done"),
    ]
    assert told == outcomes
    assert all(o.message and "\n" not in o.message for o in outcomes if o.status == "failed")
    made = {p.name for p in (tmp_path / "out").iterdir()}
    assert {n for n in made if not n.endswith(".json")} == {o.target.name for o in outcomes if o.status == "done"}
    again = upscale_files([folder], tmp_path / "out", model=MODEL, resume=True)
    assert [o.status for o in again] == ["skipped", "failed", "failed", "skipped"]


def test_a_batch_goes_on_after_a_file_that_is_cut_off_while_it_is_read(source, tmp_path):
    """A memory map would end the process with SIGBUS."""
    cut = tmp_path / "a.tif"
    tifffile.imwrite(cut, np.zeros((4, 64, 80), np.uint16), photometric="minisblack", metadata={"axes": "TYX"})
    outcomes = upscale_files(
        [cut, source],
        tmp_path / "out",
        model=MODEL,
        tile=40,
        progress=lambda name, *_: os.truncate(cut, 14000) if name == cut.name else None,
    )
    assert [o.status for o in outcomes] == ["failed", "done"]
    assert "the file ends before its pixels do" in outcomes[0].message
    assert not outcomes[0].target.exists()


def test_a_missing_file_among_others_is_one_failure(source, tmp_path):
    outcomes = upscale_files([tmp_path / "gone.tif", source], tmp_path / "out", model=MODEL)
    assert [o.status for o in outcomes] == ["failed", "done"]
    assert "does not exist" in outcomes[0].message
    with pytest.raises(UnreadableImageError):
        upscale_files([tmp_path / "gone.tif"], tmp_path / "out", model=MODEL)


def test_a_file_named_twice_is_computed_once_and_two_of_one_stem_do_not_collide(source, tmp_path, plane):
    assert len(upscale_files([source, source], tmp_path / "one", model=MODEL)) == 1
    write_image(Image.from_array((plane * 255).astype(np.uint8), "YX"), tmp_path / "cells.png")
    outcomes = upscale_files([source, tmp_path / "cells.png"], tmp_path / "two", model=MODEL, suffix=".ome.tif")
    assert [o.status for o in outcomes] == ["done", "failed"]
    assert "cells.png and cells.ome.tif would have the same result" in outcomes[1].message


def test_what_is_wrong_for_all_is_said_before_the_first(source, tmp_path):
    with pytest.raises(UnknownModelError, match="Did you mean"):
        upscale_files([source, source.parent], tmp_path / "out", model="bicubic-x")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made"):
        upscale_files([source], tmp_path / "file" / "out", model=MODEL)


def test_wrong_wishes_reach_the_caller(source, tmp_path):
    for options, error in (
        ({"tile": 1}, SettingsError),
        ({"device": "cuda:77"}, DeviceError),
        ({"axes": "Q"}, SuperResError),
        ({"series": 4}, SuperResError),
        ({"pixel_size": -1}, SuperResError),
    ):
        with pytest.raises(error):
            upscale_file(source, tmp_path / "x.tif", model=MODEL, **options)
    assert not (tmp_path / "x.tif").exists()


def test_no_names_or_paths_of_patients(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    pixels = sitk.GetImageFromArray(np.random.default_rng(0).integers(0, 500, (1, 16, 18)).astype(np.int16))
    pixels.SetSpacing((0.5, 0.5, 2.0))
    for tag, value in {
        "0010|0010": "Doe^Jane",
        "0010|0020": "ID77",
        "0008|0060": "MR",
        "0028|0030": "0.5\\0.5",
    }.items():
        pixels.SetMetaData(tag, value)
    folder = tmp_path / "Doe_Jane"
    folder.mkdir()
    path = folder / "doe_jane.dcm"
    sitk.WriteImage(pixels, str(path))
    (outcome,) = upscale_files([path], tmp_path / "out", model=MODEL)
    assert outcome.status == "done", outcome.message
    assert outcome.source.startswith("dicom-")
    for made in (tmp_path / "out").iterdir():
        assert b"oe_" not in made.read_bytes() + made.name.encode()
        assert b"Jane" not in made.read_bytes()
        assert b"ID77" not in made.read_bytes()
        assert str(tmp_path).encode() not in made.read_bytes()


def test_the_input_is_never_overwritten(source):
    before = source.read_bytes()
    with pytest.raises(OutputExistsError, match="input itself"):
        upscale_file(source, source, model=MODEL, overwrite=True)
    assert source.read_bytes() == before


def test_resume_does_not_trust_a_record_that_outlived_its_result(source, tmp_path):
    target = upscale_file(source, tmp_path / "out.ome.tif", model=MODEL)
    target.write_bytes(target.read_bytes()[:3000])
    with pytest.raises(OutputExistsError):
        upscale_file(source, target, model=MODEL, resume=True)
    upscale_file(source, target, model=MODEL, resume=True, overwrite=True)
    assert read_image(target).shape[0] == 2 * read_image(source).shape[0]


def test_results_among_their_sources_are_not_sources(source, tmp_path):
    first = upscale_files([tmp_path], tmp_path, model=MODEL)
    again = upscale_files([tmp_path], tmp_path, model=MODEL, resume=True)
    assert [o.status for o in first] == ["done"]
    assert [(o.source, o.status) for o in again] == [("cells.ome.tif", "skipped")]


def test_a_path_is_one_source_and_not_its_letters(tmp_path, espcn, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.ome.tif", "other.ome.tif"):
        write_image(Image.from_array(np.zeros((20, 20), np.uint8), "YX", pixel_size=1.0), tmp_path / name)
    for source in ("a.ome.tif", tmp_path / "a.ome.tif"):
        outcomes = upscale_files(source, tmp_path / "out", model=espcn, overwrite=True)
        assert [(o.source, o.status) for o in outcomes] == [("a.ome.tif", "done")]


@pytest.mark.parametrize("name", ["out.ome.tif", "out.nrrd", "out.ome.zarr"])
def test_a_target_has_one_writer(name, source, tmp_path):
    """The second of two runs is refused before it computes, whatever it may overwrite."""
    target, refused = tmp_path / name, []

    def meanwhile(step):
        if step.done == 1:
            for options in ({}, {"overwrite": True}, {"resume": True}):
                with pytest.raises(OutputExistsError, match="being written by another run"):
                    upscale_file(source, target, model=MODEL, progress=refused.append, **options)
            with pytest.raises(OutputExistsError, match="being written by another run"):
                write_image(read_image(source), target, overwrite=True)
            refused.append("asked")

    upscale_file(source, target, model=MODEL, tile=20, progress=meanwhile)
    assert refused == ["asked"]
    assert read_image(target).shape == (74, 90)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["cells.ome.tif", name, f"{name}.provenance.json"])


def test_results_of_one_stem_have_a_record_each(source, tmp_path):
    """Of every format, in one folder, also where they are replaced and resumed."""
    names = ["a.ome.tif", "a.tif", "a.nrrd", "a.zarr", "a.ome.zarr"]
    for options in ({}, {"overwrite": True}):
        for name in names:
            upscale_file(source, tmp_path / name, model=MODEL, **options)
    steps = []
    for name in names:
        assert record_of(tmp_path / name)["input"]["name"] == "cells.ome.tif"
        upscale_file(source, tmp_path / name, model=MODEL, resume=True, progress=steps.append)
    assert not steps


def test_an_unfinished_result_is_not_that_of_its_stem(source, tmp_path):
    def stop(step):
        if step.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upscale_file(source, tmp_path / "a.ome.zarr", model=MODEL, tile=20, progress=stop)
    kept = sorted(tmp_path.rglob(".a*"))
    upscale_file(source, tmp_path / "a.zarr", model=MODEL, overwrite=True)
    assert sorted(tmp_path.rglob(".a*")) == kept


def test_a_folder_that_may_not_be_read_stops_no_batch(source, tmp_path, monkeypatch):
    """One that is named as an image fails as one."""
    folder = tmp_path / "in"
    for name in ("lost+found", "b.ome.zarr"):
        (folder / name).mkdir(parents=True)
    write_image(read_image(source), folder / "a.tif")
    locked = [str(folder / "lost+found"), str(folder / "b.ome.zarr")]

    def refusing(name, call):
        def refuse(path=".", *given, **options):
            inside = [place for place in locked if str(path).startswith(f"{place}/")]
            if inside or (name != "stat" and str(path) in locked):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return call(path, *given, **options)

        return refuse

    for name in ("stat", "listdir", "scandir"):
        monkeypatch.setattr(os, name, refusing(name, getattr(os, name)))
    outcomes = upscale_files(folder, tmp_path / "out", model=MODEL)
    assert [(o.source, o.status) for o in outcomes] == [("a.tif", "done"), ("b.ome.zarr", "failed")]
    assert "may not be read: permission denied" in outcomes[1].message
    with pytest.raises(UnreadableImageError, match="may not be read: permission denied"):
        upscale_files(folder / "lost+found", tmp_path / "out", model=MODEL)


def test_names_that_no_disk_takes_are_refused_before_computing(source, tmp_path):
    folder, steps = tmp_path / "in", []
    folder.mkdir()
    for name in ("x" * 230, os.fsdecode(b"caf\xe9"), "short"):
        write_image(read_image(source), folder / f"{name}.ome.tif")
    outcomes = upscale_files(folder, tmp_path / "out", model=MODEL, progress=lambda name, *_: steps.append(name))
    assert [(o.source[:3], o.status) for o in outcomes] == [("caf", "done"), ("sho", "done"), ("xxx", "failed")]
    assert "is too long" in outcomes[2].message
    assert not any(name.startswith("xxx") for name in steps)
    assert record_of(outcomes[0].target)["input"]["name"] == os.fsdecode(b"caf\xe9.ome.tif")
    for options in ({}, {"resume": True}):
        with pytest.raises(OutputError, match="too long"):
            upscale_file(source, tmp_path / f"{'x' * 300}.tif", model=MODEL, **options)


def test_a_batch_overwrites_none_of_its_inputs(source, tmp_path):
    other = write_image(read_image(source), tmp_path / f"cells_{MODEL}.ome.tif")
    before = other.read_bytes()
    outcomes = upscale_files([source, other], tmp_path, model=MODEL, overwrite=True)
    assert [o.status for o in outcomes] == ["failed", "done"]
    assert "is itself an input of this batch" in outcomes[0].message
    assert other.read_bytes() == before


def test_a_folder_that_vanishes(source, tmp_path):
    """While it is computed: one clear error, and nothing elsewhere."""
    before = sorted(p.name for p in tmp_path.iterdir())
    for name in ("out.ome.tif", "out.nrrd", "out.ome.zarr"):
        (tmp_path / "gone").mkdir()

        def vanish(step):
            if step.done:
                shutil.rmtree(tmp_path / "gone", ignore_errors=True)

        with pytest.raises(
            OutputError, match=r"gone does not exist|could not be written: .*([Nn]o such file|does not exist)"
        ):
            upscale_file(source, tmp_path / "gone" / name, model=MODEL, tile=20, progress=vanish)
        assert sorted(p.name for p in tmp_path.iterdir()) == before
