"""Runs that are interrupted, in every way and at every moment: one clear error, nothing lost, the same bytes."""

import errno
import json
import os
import resource

import numpy as np
import pytest
from helpers import networks

from napari_superres import read_image, upscale_file, write_image
from napari_superres.errors import OutputError, OutputExistsError, SuperResWarning
from napari_superres.inference.machine import speed
from napari_superres.inference.planning import upscale_run
from napari_superres.inference.stream.journal import Journal
from napari_superres.io import ZarrTarget


def interrupted(source, target, boxes=3, **options):
    """Begin a run, interrupt it after some boxes, and return the hidden folder."""
    hidden = target.with_name(".out.ome.zarr.unfinished")

    def watch(_):
        lines = hidden / "journal.jsonl"
        if lines.exists() and len(lines.read_text().splitlines()) > boxes:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upscale_file(source, target, progress=watch, **options)
    assert not target.exists()
    assert len((hidden / "journal.jsonl").read_text().splitlines()) == boxes + 1
    return hidden


DONE = ["out.ome.zarr", "out.ome.zarr.provenance.json"]


def test_an_interrupted_run_goes_on_where_it_was(source, target, espcn, whole, pixels, monkeypatch, beside):
    interrupted(source, target, model=espcn, tile=20)
    stored, store = [], ZarrTarget.store

    def watching(self, box, values):
        stored.append(box)
        return store(self, box, values)

    monkeypatch.setattr(ZarrTarget, "store", watching)
    steps = []
    upscale_file(source, target, model=espcn, resume=True, progress=steps.append)
    assert pixels(target) == whole
    record = read_image(target).metadata["provenance"]
    assert len(stored) == record["boxes"] - 3
    assert steps[0].done == 0
    assert steps[-1].done == steps[-1].total
    assert beside(target) == DONE
    steps.clear()
    upscale_file(source, target, model=espcn, resume=True, progress=steps.append)
    assert not steps


def test_what_is_resumed_is_computed_as_it_was_begun(source, target, espcn, whole, pixels, monkeypatch):
    """Nothing is measured anew, whatever would be chosen now."""
    journal = interrupted(source, target, model=espcn, tile=20) / "journal.jsonl"
    # As on a computer with more cores.
    journal.write_text(journal.read_text().replace('"parallel": 1', '"parallel": 2'))
    plans = json.loads(journal.read_text().splitlines()[0])["plans"]

    def never(*_, **__):
        raise AssertionError("a resumed run measures nothing")

    for module in (upscale_run, speed):
        monkeypatch.setattr(module, "measure_speed", never)
    upscale_file(source, target, model=espcn, resume=True)
    record = read_image(target).metadata["provenance"]
    names = ("tile", "batch", "parallel", "device")
    assert {k: record[k] for k in names} == {k: plans[0][k] for k in names}
    assert pixels(target) == whole


def test_models_of_different_context_are_resumed(source, target, toy, pixels, tmp_path):
    """Each goes on with its own tile: that of one is too small for another."""
    models = {0: toy(name="near"), 1: toy("edsr", arguments={"blocks": 6}, name="far")}
    interrupted(source, target, boxes=7, model=models)
    upscale_file(source, target, model=models, resume=True)
    assert pixels(target) == pixels(upscale_file(source, tmp_path / "other.ome.zarr", model=models))


def test_statistics_are_found_once(source, target, pixels, tmp_path, monkeypatch):
    model = networks.make("squeeze")
    options = {"model": model, "tile": networks.least_tile(model), "max_passes": 20}
    interrupted(source, target, **options)

    def never(*_, **__):
        raise AssertionError("statistics are kept")

    with monkeypatch.context() as patch:
        patch.setattr("napari_superres.inference.stream.boxes.find_global_statistics", never)
        upscale_file(source, target, model=model, resume=True)
    assert read_image(target).metadata["provenance"]["statistics"]["passes"] >= 2
    assert pixels(target) == pixels(upscale_file(source, tmp_path / "other.ome.zarr", **options))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"tile": 24}, r"started with other settings \(tile\)"),
        ({"batch": 3}, r"started with other settings \(batch\)"),
        ({"tta": True}, r"other settings \(tta\)"),
        ({"channels": [1]}, r"other settings \(channels\)"),
        ({"roi": {"Y": (0, 30)}}, r"other settings \((normalisation, )?region\)"),
        ({"precision": "fp64"}, r"other settings \(precision\)"),
        ({"intensity_range": [(0, 9)]}, r"other settings \(normalisation\)"),
        ({"max_passes": 3}, r"started with other settings \(max_passes\)"),
        ({"pixel_size": 3.0}, "another input"),
        ({"model": "bicubic-x2"}, "another model"),
        ({"model": "bicubic-x3"}, "another model"),
    ],
    ids=str,
)
def test_another_run_is_refused_and_the_first_can_be_finished(changed, said, source, target, espcn, whole, pixels):
    options = {"model": espcn, "tile": 20}
    interrupted(source, target, **options)
    with pytest.raises(OutputExistsError, match=rf"{said}.*`overwrite`"):
        upscale_file(source, target, resume=True, **{"model": espcn, **changed})
    upscale_file(source, target, resume=True, **options)
    assert pixels(target) == whole


def test_what_was_lost_from_an_unfinished_result_is_computed_again(source, target, espcn, whole, pixels):
    hidden = interrupted(source, target, model=espcn, tile=20)
    (result,) = hidden.glob("*.ome.zarr")
    lost, emptied = sorted(p for p in (result / "0" / "c").rglob("*") if p.is_file())[:2]
    lost.unlink()
    emptied.write_bytes(b"")
    with pytest.warns(SuperResWarning, match="finished parts were lost or damaged on the disk"):
        upscale_file(source, target, model=espcn, resume=True)
    assert pixels(target) == whole


def test_a_worker_of_a_forgotten_run_writes_elsewhere(source, target, espcn):
    hidden = interrupted(source, target, model=espcn, tile=20)
    (first,) = hidden.glob("*.ome.zarr")
    seen = set()
    upscale_file(
        source, target, model="bicubic-x2", overwrite=True, progress=lambda _: seen.update(hidden.glob("*.ome.zarr"))
    )
    assert seen
    assert first not in seen


def test_a_damaged_record_is_forgotten_when_asked(source, target, espcn, whole, pixels):
    hidden = interrupted(source, target, model=espcn, tile=20)
    (hidden / "journal.jsonl").write_text("nonsense\n")
    upscale_file(source, target, model=espcn, tile=20, overwrite=True)
    assert pixels(target) == whole


@pytest.mark.parametrize("name", ["out.ome.zarr", "out.ome.tif"])
def test_a_finished_result_of_an_input_changed_since_is_not_done(name, source, tmp_path, espcn):
    """Also where only pixels changed, and no metadata."""
    upscale_file(source, tmp_path / name, model=espcn)
    upscale_file(source, tmp_path / name, model=espcn, resume=True)
    one, other = [p for p in (source / "0" / "c").rglob("*") if p.is_file()][:2]
    one.write_bytes(other.read_bytes())
    with pytest.raises(OutputExistsError, match="made from another input"):
        upscale_file(source, tmp_path / name, model=espcn, resume=True)


def test_a_changed_input_is_refused(source, target, espcn):
    interrupted(source, target, model=espcn)
    image = read_image(source)
    other = image.replace(data=np.asarray(image.data)[:, ::-1])
    write_image(other, source, overwrite=True)
    with pytest.raises(OutputExistsError, match="another input, or the input changed since"):
        upscale_file(source, target, model=espcn, resume=True)


def test_an_unfinished_run_is_neither_continued_nor_lost_unasked(source, target, espcn, whole, pixels, beside):
    hidden = interrupted(source, target, model=espcn, tile=20)
    before = {p: p.stat().st_mtime_ns for p in hidden.rglob("*")}
    with pytest.raises(OutputExistsError, match=r"3 parts are finished. Continue it with `resume` or start again"):
        upscale_file(source, target, model=espcn, tile=20)
    after = {p: p.stat().st_mtime_ns for p in hidden.rglob("*")}
    assert {p for p in before if before[p] != after.get(p)} <= {hidden, hidden / "lock"}
    upscale_file(source, target, model=espcn, tile=20, overwrite=True)
    assert pixels(target) == whole
    assert beside(target) == DONE


@pytest.mark.parametrize("torn", ['{"box": 3, "cou', '{"box": 3', "\0\0\0\0", "{"])
def test_a_torn_line_is_dropped(torn, source, target, espcn, whole, pixels):
    hidden = interrupted(source, target, model=espcn, tile=20)
    with (hidden / "journal.jsonl").open("a") as file:
        file.write(torn)
    upscale_file(source, target, model=espcn, resume=True)
    assert pixels(target) == whole


@pytest.mark.parametrize(
    ("header", "error", "said"),
    [
        ({"format": 99}, OutputExistsError, "started by version"),
        ({"version": "0.0.1"}, OutputExistsError, "started by version 0.0.1 .*, and this is"),
        (["another", "program"], OutputError, "is damaged. Remove"),
        ({"anything": 1, "format": None}, OutputExistsError, "start again"),
    ],
    ids=str,
)
def test_the_record_of_another_version(header, error, said, source, target, espcn, whole, pixels):
    hidden = interrupted(source, target, model=espcn, tile=20)
    journal = hidden / "journal.jsonl"
    first, *lines = journal.read_text().splitlines()
    changed = {**json.loads(first), **header} if isinstance(header, dict) else header
    journal.write_text("\n".join([json.dumps(changed), *lines, ""]))
    for options in ({"resume": True}, {}):
        with pytest.raises(error, match=said if options else "`overwrite`|Remove"):
            upscale_file(source, target, model=espcn, **options)
    journal.write_text("\n".join([first, *lines, ""]))
    upscale_file(source, target, model=espcn, resume=True)
    assert pixels(target) == whole


def test_two_runs_at_once(source, target, espcn, beside):
    with Journal(target), pytest.raises(OutputExistsError, match="being written by another run"):
        upscale_file(source, target, model=espcn)
    said = []

    def meanwhile(step):
        if step.done == 4:
            for options in ({}, {"resume": True}, {"overwrite": True}):
                with pytest.raises(OutputExistsError, match="being written by another run"):
                    upscale_file(source, target, model=espcn, **options)
                said.append(options)

    upscale_file(source, target, model=espcn, tile=20, progress=meanwhile)
    assert len(said) >= 3
    assert beside(target) == DONE


def test_an_interruption_before_the_first_box_leaves_nothing(source, target, espcn, beside):
    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        upscale_file(source, target, model=espcn, progress=stop)
    # The traceback is still there, and keeps the frames of the run.
    assert caught.tb is not None
    assert beside(target) == []
    upscale_file(source, target, model=espcn)


@pytest.mark.parametrize("where", ["store", "journal", "finish", "record"])
def test_a_full_disk_in_the_middle(where, source, target, espcn, whole, pixels, monkeypatch, beside):
    calls = []

    def full(self, *_):
        calls.append(1)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def later(done):
        return lambda *given: full(*given) if len(calls) > 3 else (calls.append(1), done(*given))[1]

    with monkeypatch.context() as patch:
        if where == "store":
            patch.setattr(ZarrTarget, "store", later(ZarrTarget.store))
        elif where == "journal":
            patch.setattr(Journal, "add", later(Journal.add))
        elif where == "finish":
            patch.setattr(ZarrTarget, "finish", full)
        else:
            patch.setattr("napari_superres.io.sidecar.write_record", full)
        with pytest.raises(OutputError, match=r"could not be written.*[Ff]ree space"):
            upscale_file(source, target, model=espcn, tile=20)
    assert beside(target) == [".out.ome.zarr.unfinished"]
    upscale_file(source, target, model=espcn, resume=True)
    assert pixels(target) == whole
    assert beside(target) == DONE


def test_a_disk_that_is_full(source, target, espcn, whole, pixels):
    """The system itself refuses."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    hidden = interrupted(source, target, model=espcn, tile=20)
    size = (hidden / "journal.jsonl").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"File too large.*Free space.*`resume`"):
            upscale_file(source, target, model=espcn, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    upscale_file(source, target, model=espcn, resume=True)
    assert pixels(target) == whole


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_folder_that_may_not_be_written(number, source, target, espcn, monkeypatch, beside):
    def refused(path, *_):
        raise OSError(number, os.strerror(number), path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "mkdir", refused)
        with pytest.raises(OutputError, match=f"{os.strerror(number)}.*[Cc]hoose another"):
            upscale_file(source, target, model=espcn)
        with pytest.raises(OutputError, match=f"{os.strerror(number)}.*[Cc]hoose another"):
            upscale_file(source, target, model=espcn, overwrite=True)
    assert beside(target) == []


def test_an_existing_result_stays_until_the_new_one_is_complete(source, target, espcn, toy, whole, pixels, beside):
    upscale_file(source, target, model=toy(seed=1, name="other"))
    before, record = pixels(target), target.with_name("out.ome.zarr.provenance.json").read_bytes()
    hidden = target.with_name(".out.ome.zarr.unfinished")

    def watch(_):
        assert pixels(target) == before
        if (hidden / "journal.jsonl").exists() and len((hidden / "journal.jsonl").read_text().splitlines()) > 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upscale_file(source, target, model=espcn, tile=20, overwrite=True, progress=watch)
    assert pixels(target) == before
    assert target.with_name("out.ome.zarr.provenance.json").read_bytes() == record
    with pytest.raises(OutputExistsError, match="later run that was started next to it, give `overwrite` and `resume`"):
        upscale_file(source, target, model=espcn, tile=20, resume=True)
    upscale_file(source, target, model=espcn, tile=20, overwrite=True, resume=True)
    assert pixels(target) == whole
    assert beside(target) == DONE


def test_what_others_left_in_the_hidden_folder_stays(source, target, espcn, whole, pixels):
    hidden = target.with_name(".out.ome.zarr.unfinished")
    (hidden / "thesis").mkdir(parents=True)
    (hidden / "thesis" / "chapter.txt").write_text("years of work")
    upscale_file(source, target, model=espcn, tile=20)
    assert pixels(target) == whole
    assert (hidden / "thesis" / "chapter.txt").read_text() == "years of work"
    assert [p.name for p in hidden.iterdir()] == ["thesis"]


def test_a_result_never_lies_inside_its_input(source, espcn, pixels):
    before = pixels(source)
    for name in ("out.ome.zarr", "0/out.tif"):
        with pytest.raises(OutputError, match="lies inside the input"):
            upscale_file(source, source / name, model=espcn)
    assert pixels(source) == before
