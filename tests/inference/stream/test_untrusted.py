"""State files are input: what is damaged or made up is found out, and nothing outside is touched."""

import json
import os
import shutil

import numpy as np
import pytest
from helpers import networks

from napari_superres import Image, io, read_image, upscale_file, write_image
from napari_superres.errors import OutputError, OutputExistsError, SuperResError, SuperResWarning
from napari_superres.inference.stream.entries import as_header, as_line
from napari_superres.io.omezarr import layout as omezarr_layout

CUTS = {"_CHUNK": 8, "_BOX": 32, "_BOX_PIXELS": 2048, "_LEAST_BOX_PIXELS": 1}
AGAIN = "finished part.* lost or damaged on the disk since, and computed again"


@pytest.fixture(scope="module")
def prepared(espcn, tmp_path_factory):
    """Return a folder with an image, a run that was interrupted after three boxes, and one that was not."""
    folder = tmp_path_factory.mktemp("prepared")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CUTS.items():
            patch.setattr(omezarr_layout, name, value)
        data = np.random.default_rng(0).integers(0, 5000, (2, 33, 20)).astype(np.uint16)
        source = write_image(Image.from_array(data, "CYX", pixel_size=0.5), folder / "in.ome.zarr")
        upscale_file(source, folder / "whole.ome.zarr", model=espcn, tile=20)
        stop = stop_at(folder / ".out.ome.zarr.unfinished" / "journal.jsonl", 4)
        with pytest.raises(KeyboardInterrupt):
            upscale_file(source, folder / "out.ome.zarr", model=espcn, tile=20, progress=stop)
    return folder


@pytest.fixture
def source(prepared, small_cuts, tmp_path, monkeypatch):
    """Return a copy of the image."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    return shutil.copytree(prepared / "in.ome.zarr", tmp_path / "in.ome.zarr")


@pytest.fixture
def begun(prepared, source):
    """Return the hidden folder of the interrupted run."""
    return shutil.copytree(prepared / ".out.ome.zarr.unfinished", source.parent / ".out.ome.zarr.unfinished")


@pytest.fixture
def whole(prepared, pixels):
    """Return the files of the undisturbed run."""
    return pixels(prepared / "whole.ome.zarr")


@pytest.fixture
def finished(prepared, source, target):
    """Return a finished result, with its record and the times of its files."""
    shutil.copy2(prepared / "whole.ome.zarr.provenance.json", target.with_name("out.ome.zarr.provenance.json"))
    return shutil.copytree(prepared / "whole.ome.zarr", target)


def stop_at(journal_file, lines):
    """Return a callback that interrupts a run once its journal has so many lines."""

    def watch(_):
        if journal_file.exists() and len(journal_file.read_bytes().splitlines()) >= lines:
            raise KeyboardInterrupt

    return watch


def shards(result):
    return sorted(p for p in (result / "0" / "c").rglob("*") if p.is_file())


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def alter_header(hidden, **changes):
    """Change entries of the header of a journal."""
    first, *lines = (hidden / "journal.jsonl").read_text().splitlines()
    header = {**json.loads(first), **changes}
    (hidden / "journal.jsonl").write_text("\n".join([json.dumps(header), *lines, ""]))


DAMAGES = {
    "cut": lambda path: os.truncate(path, path.stat().st_size - 9),
    "flipped": lambda path: flip(path, path.stat().st_size // 3),
    "zeroed": lambda path: path.write_bytes(bytes(path.stat().st_size)),
}


@pytest.mark.parametrize("damage", ["cut", "flipped", "zeroed"])
def test_a_damaged_shard_is_computed_again(damage, begun, source, target, espcn, whole, pixels):
    (result,) = begun.glob("*.ome.zarr")
    DAMAGES[damage](shards(result)[1])
    with pytest.warns(SuperResWarning, match=AGAIN):
        upscale_file(source, target, model=espcn, resume=True)
    assert pixels(target) == whole


def test_a_shard_of_another_box_is_computed_again(begun, source, target, espcn, whole, pixels):
    """It can be read, and its own checksum is right."""
    (result,) = begun.glob("*.ome.zarr")
    first, second, *_ = shards(result)
    shutil.copy(first, second)
    with pytest.warns(SuperResWarning, match=AGAIN):
        upscale_file(source, target, model=espcn, resume=True)
    assert pixels(target) == whole


def test_a_box_that_was_lost_counts_once(begun, source, target, prepared, espcn):
    """However often the run is interrupted after it was lost."""
    (result,) = begun.glob("*.ome.zarr")
    for boxes in (4, 5):
        shards(result)[0].unlink()
        with pytest.warns(SuperResWarning, match=AGAIN), pytest.raises(KeyboardInterrupt):
            upscale_file(source, target, model=espcn, resume=True, progress=stop_at(begun / "journal.jsonl", boxes))
    upscale_file(source, target, model=espcn, resume=True)
    whole = read_image(prepared / "whole.ome.zarr").metadata["provenance"]
    assert read_image(target).metadata["provenance"]["counts"] == whole["counts"]


@pytest.mark.parametrize(
    ("name", "content"),
    [("zarr.json", b""), ("0/zarr.json", b""), ("1/zarr.json", b"{}"), ("0/zarr.json", b"[" * 100_000), ("1", None)],
    ids=lambda value: str(value)[:12],
)
def test_damaged_metadata_of_an_unfinished_result_are_written_again(
    name, content, begun, source, target, espcn, whole, pixels
):
    (result,) = begun.glob("*.ome.zarr")
    if content is None:
        (result / name / "zarr.json").unlink()
    else:
        (result / name).write_bytes(content)
    upscale_file(source, target, model=espcn, resume=True)
    assert pixels(target) == whole
    assert np.asarray(read_image(target).data).shape


def test_altered_metadata_of_an_unfinished_result_are_written_again(begun, source, target, espcn, whole, pixels):
    (result,) = begun.glob("*.ome.zarr")
    path = result / "0" / "zarr.json"
    path.write_text(path.read_text().replace('"uint16"', '"int16"'))
    upscale_file(source, target, model=espcn, resume=True)
    assert pixels(target) == whole
    assert read_image(target).dtype == np.uint16


@pytest.mark.parametrize("name", ["../victim.ome.zarr", "victim.ome.zarr", "/tmp", "", ".", "..", 7, None, ["a"]])
def test_a_journal_names_no_other_folder(name, begun, source, target, espcn):
    victim = shutil.copytree(source, target.with_name("victim.ome.zarr"))
    shutil.copytree(source, begun / "victim.ome.zarr")
    alter_header(begun, result=name)
    for options in ({"resume": True}, {}):
        with pytest.raises(OutputError, match=r"journal .* is damaged. Remove .*, or start again with `overwrite`"):
            upscale_file(source, target, model=espcn, **options)
    assert shards(victim)
    assert shards(begun / "victim.ome.zarr")


def test_a_damaged_journal_is_forgotten_when_asked(begun, source, target, espcn, whole, pixels):
    alter_header(begun, result="../in.ome.zarr")
    upscale_file(source, target, model=espcn, tile=20, overwrite=True)
    assert pixels(target) == whole
    assert shards(source)


@pytest.mark.parametrize("name", ["journal.jsonl", "lock", "result", "level", "folder"])
def test_links_out_of_the_hidden_folder_are_refused(name, begun, source, target, espcn, tmp_path):
    outside = tmp_path / "outside"
    (result,) = begun.glob("*.ome.zarr")
    inner = {"result": result, "level": result / "0", "folder": begun}.get(name, begun / name)
    inner.rename(outside)
    inner.symlink_to(outside, target_is_directory=outside.is_dir())
    before = outside.read_bytes() if outside.is_file() else sorted(p.name for p in outside.rglob("*"))
    with pytest.raises(OutputError, match="links"):
        upscale_file(source, target, model=espcn, resume=True)
    assert before == (outside.read_bytes() if outside.is_file() else sorted(p.name for p in outside.rglob("*")))


@pytest.mark.parametrize(
    "changes",
    [
        *({name: None} for name in ("plans", "threads", "boxes", "settings", "input", "asked", "version", "result")),
        {"plans": []},
        {"plans": [{}]},
        {"plans": [{"tile": [20, 20], "batch": 1}]},
        {"threads": 0},
        {"threads": 10**9},
        {"threads": True},
        {"settings": []},
        {"statistics": 5},
    ],
    ids=str,
)
def test_a_header_with_impossible_entries_is_damaged(changes, prepared):
    first = (prepared / ".out.ome.zarr.unfinished" / "journal.jsonl").read_bytes().splitlines()[0]
    assert as_header(first) == json.loads(first)
    assert as_header(json.dumps({**json.loads(first), **changes}).encode()) is None


@pytest.mark.parametrize("text", [b"", b"[]", b"null", b"7", b"\xff\xfe", b"[" * 100_000, b"{"], ids=lambda t: t[:9])
def test_what_is_no_header_is_damaged(text):
    assert as_header(text) is None
    assert as_line(text) is None


@pytest.mark.parametrize("tile", [[], [20], [0, 0], [-20, -20], [1, 1], [20, 10**6], [[20], [20]]], ids=str)
def test_tiles_that_cannot_be_are_damage(tile, begun, source, target, espcn):
    header = json.loads((begun / "journal.jsonl").read_text().splitlines()[0])
    alter_header(begun, plans=[{**header["plans"][0], "tile": tile}])
    with pytest.raises(OutputError, match="is damaged"):
        upscale_file(source, target, model=espcn, resume=True)


@pytest.mark.parametrize(("name", "value"), [("device", "cuda:77"), ("precision", "fp7"), ("max_passes", -1)])
def test_settings_that_cannot_be_are_one_clear_error(name, value, begun, source, target, espcn):
    header = json.loads((begun / "journal.jsonl").read_text().splitlines()[0])
    alter_header(begun, plans=[{**header["plans"][0], name: value}])
    with pytest.raises(SuperResError):
        upscale_file(source, target, model=espcn, resume=True)


def test_lines_for_no_box_are_dropped(begun, source, target, espcn, whole, pixels):
    last = json.loads((begun / "journal.jsonl").read_text().splitlines()[-1])
    with (begun / "journal.jsonl").open("a") as file:
        file.write("nonsense\n")
        for changes in ({"box": 99999}, {"box": 5}, {"box": 6, "files": {"../../x": "0"}}):
            file.write(json.dumps({**last, **changes}) + "\n")
    with pytest.warns(SuperResWarning, match="3 " + AGAIN):
        upscale_file(source, target, model=espcn, resume=True)
    assert pixels(target) == whole


def test_entries_of_other_types_are_no_lines(prepared):
    _, line, *_ = (prepared / ".out.ome.zarr.unfinished" / "journal.jsonl").read_bytes().splitlines()
    entries = json.loads(line)
    assert as_line(line) == entries
    for name in entries:
        for value in (None, "x", -1, True, [3], {"x": 1}):
            changed = {**entries, name: value}
            assert as_line(json.dumps(changed).encode()) is None, (name, value)
    for name in entries["counts"]:
        for value in (None, "x", True, float("nan"), {"x": 1}):
            counts = {**entries["counts"], name: value}
            assert as_line(json.dumps({**entries, "counts": counts}).encode()) is None or name == "statistics"


def test_damaged_statistics_are_one_clear_error(source, target):
    model = networks.make("squeeze")
    options = {"model": model, "tile": networks.least_tile(model), "max_passes": 20}
    path = target.with_name(".out.ome.zarr.unfinished") / "statistics.npz"
    with pytest.raises(KeyboardInterrupt):
        upscale_file(source, target, progress=stop_at(path.with_name("journal.jsonl"), 2), **options)
    kept = path.read_bytes()
    with np.load(path) as arrays:
        np.savez(path, **{name: 2 * values for name, values in arrays.items()})
    of_another_run = path.read_bytes()
    for damaged in (None, b"", kept[:-20], of_another_run):
        path.unlink()
        if damaged is not None:
            path.write_bytes(damaged)
        with pytest.raises(OutputError, match=r"journal .* is damaged"):
            upscale_file(source, target, model=model, resume=True)
        path.touch()
    path.write_bytes(kept)
    upscale_file(source, target, model=model, resume=True)


@pytest.mark.parametrize(("level", "damage"), [("0", "cut"), ("0", "flipped"), ("0", "zeroed"), ("1", "flipped")])
def test_a_finished_result_that_was_damaged_is_not_done(level, damage, finished, source, espcn):
    DAMAGES[damage](next(p for p in (finished / level / "c").rglob("*") if p.is_file()))
    with pytest.raises(OutputExistsError, match=rf"is damaged: chunk {level}/c/.*Replace it with `overwrite`"):
        upscale_file(source, finished, model=espcn, resume=True)


def test_a_damaged_result_is_made_again_when_asked(finished, source, espcn, whole, pixels):
    shards(finished)[0].write_bytes(b"")
    upscale_file(source, finished, model=espcn, tile=20, resume=True, overwrite=True)
    assert pixels(finished) == whole


@pytest.mark.parametrize("damage", ["cut", "flipped", "zeroed"])
def test_a_finished_file_that_was_damaged_is_not_done(damage, source, espcn, tmp_path):
    target = upscale_file(source, tmp_path / "out.ome.tif", model=espcn)
    DAMAGES[damage](target)
    with pytest.raises(OutputExistsError, match="is damaged"):
        upscale_file(source, target, model=espcn, resume=True)


def test_a_finished_result_is_read_only_if_its_files_have_other_times(finished, source, espcn, monkeypatch):
    reads, read = [], io.find_damage
    monkeypatch.setattr(io, "find_damage", lambda path: reads.append(path) or read(path))
    steps = []
    for expected in ([], [finished]):
        upscale_file(source, finished, model=espcn, resume=True, progress=steps.append)
        assert reads == expected
        os.utime(shards(finished)[0])
    assert not steps
