"""An input that changes while it is read gives no result; the same bytes under another name or time are the same."""

import os
import shutil

import numpy as np
import pytest

from napari_superres import Image, io, read_image, upscale_file, write_image
from napari_superres.errors import OutputExistsError, UnreadableImageError
from napari_superres.inference import upscale_files
from napari_superres.inference.stream import source as module
from napari_superres.io import ZarrTarget, sidecar_path

CHANGED = "changed while it was read, so the result would be of no single image"


def pixel_files(path):
    return sorted(p for p in (path / "0" / "c").rglob("*") if p.is_file())


def alter(path):
    """Change the pixels of an image in a way that can be read, and leave its size and times as they were."""
    if path.is_dir():
        one, other, *_ = pixel_files(path)
        facts = one.stat()
        shutil.copyfile(other, one)
        os.utime(one, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        return
    facts = path.stat()
    content = path.read_bytes()
    path.write_bytes(content.replace(b"\x07\x07\x07\x07", b"\x08\x08\x08\x08"))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def half_way(act):
    """Return a callback that acts once, in the middle of a run."""
    acts = [act]

    def watch(step):
        if 2 * step.done >= step.total and acts:
            acts.pop()()

    return watch


def watched(monkeypatch):
    """Return a list of the boxes that are stored from now on."""
    stored, store = [], ZarrTarget.store

    def watching(self, box, values):
        stored.append(box)
        return store(self, box, values)

    monkeypatch.setattr(ZarrTarget, "store", watching)
    return stored


@pytest.fixture
def file(source, tmp_path):
    """Return an image in one uncompressed file."""
    import tifffile

    path = tmp_path / "file.tif"
    tifffile.imwrite(path, np.full((3, 40, 44), 0x0707, np.uint16), photometric="minisblack", metadata={"axes": "TYX"})
    return path


@pytest.mark.parametrize("result", ["out.ome.zarr", "out.ome.tif"])
@pytest.mark.parametrize("kind", ["source", "file"])
def test_an_input_that_changes_is_no_result(kind, result, source, file, espcn, tmp_path):
    path = {"source": source, "file": file}[kind]
    target = tmp_path / result
    with pytest.raises(UnreadableImageError, match=rf"{path.name} {CHANGED}"):
        upscale_file(path, target, model=espcn, tile=20, progress=half_way(lambda: alter(path)))
    assert not target.exists()
    assert not sidecar_path(target).exists()
    upscale_file(path, target, model=espcn, tile=20, overwrite=True)
    assert target.exists()


@pytest.mark.parametrize("act", ["replaced", "removed", "appended"])
def test_other_ways_to_change(act, file, espcn, tmp_path):
    def change():
        if act == "removed":
            file.unlink()
        elif act == "appended":
            with file.open("ab") as opened:
                opened.write(b"more")
        else:
            other = tmp_path / "other"
            other.write_bytes(file.read_bytes().replace(b"\x07", b"\x06"))
            other.replace(file)

    with pytest.raises(UnreadableImageError, match=f"{CHANGED}|the file ends before"):
        upscale_file(file, tmp_path / "out.ome.tif", model=espcn, tile=20, progress=half_way(change))
    assert not (tmp_path / "out.ome.tif").exists()


@pytest.mark.parametrize("pause", [0, 1e9], ids=["looked at after each box", "looked at in the end"])
def test_boxes_of_a_changed_input_are_not_kept(pause, source, target, espcn, whole, pixels, tmp_path, monkeypatch):
    """Those before the last look at the input are kept."""
    monkeypatch.setattr(module, "_PAUSE", pause)
    before = shutil.copytree(source, tmp_path / "before.ome.zarr")
    with pytest.raises(UnreadableImageError, match=CHANGED):
        upscale_file(source, target, model=espcn, tile=20, progress=half_way(lambda: alter(source)))
    if not pause:
        with pytest.raises(OutputExistsError, match="another input, or the input changed since"):
            upscale_file(source, target, model=espcn, resume=True)
    shutil.rmtree(source)
    shutil.copytree(before, source)
    stored = watched(monkeypatch)
    upscale_file(source, target, model=espcn, tile=20, resume=True)
    assert pixels(target) == whole
    total = read_image(target).metadata["provenance"]["boxes"]
    assert (len(stored) == total) == bool(pause)


def test_an_error_while_a_changed_input_is_read_keeps_no_box_of_it(source, target, espcn, whole, pixels, monkeypatch):
    monkeypatch.setattr(module, "_PAUSE", 1e9)
    one, other, *_ = pixel_files(source)
    kept = one.read_bytes(), other.read_bytes()

    def change():
        alter(source)
        other.write_bytes(kept[1][:20])

    with pytest.raises(UnreadableImageError, match=f"damaged|{CHANGED}"):
        upscale_file(source, target, model=espcn, tile=20, progress=half_way(change))
    for path, content in zip((one, other), kept, strict=True):
        path.write_bytes(content)
    upscale_file(source, target, model=espcn, tile=20, resume=True)
    assert pixels(target) == whole


def touch(path):
    for file in pixel_files(path):
        os.utime(file)
    return path


def rename(path):
    return path.rename(path.with_name("other.ome.zarr"))


def copy(path):
    made = shutil.copytree(path, path.with_name("copy.ome.zarr"), copy_function=shutil.copyfile)
    (made / ".DS_Store").write_bytes(b"left by a desktop")
    return made


@pytest.mark.parametrize("act", [touch, rename, copy])
def test_the_same_bytes_resume(act, source, target, espcn, whole, pixels, monkeypatch):
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upscale_file(source, target, model=espcn, tile=20, progress=half_way(stop))
    same = act(source)
    stored = watched(monkeypatch)
    upscale_file(same, target, model=espcn, resume=True)
    assert pixels(target) == whole
    record = read_image(target).metadata["provenance"]
    assert 0 < len(stored) < record["boxes"]
    assert record["input"]["name"] == same.name
    steps = []
    upscale_file(act(same) if act is touch else same, target, model=espcn, resume=True, progress=steps.append)
    assert not steps


def test_an_input_may_be_touched_or_renamed_while_it_is_read(source, file, espcn, tmp_path):
    upscale_file(source, tmp_path / "a.ome.zarr", model=espcn, tile=20, progress=half_way(lambda: touch(source)))
    upscale_file(file, tmp_path / "b.ome.tif", model=espcn, tile=20, progress=half_way(lambda: os.utime(file)))
    (link := tmp_path / "link.tif").symlink_to(file)
    upscale_file(link, tmp_path / "c.ome.tif", model=espcn, tile=20)
    assert read_image(tmp_path / "c.ome.tif").metadata["provenance"]["input"]["name"] == "link.tif"


def test_the_record_holds_the_digest_of_all_pixels(source, target, espcn):
    upscale_file(source, target, model=espcn)
    digest = read_image(target).metadata["provenance"]["input"]["sha256"]
    assert digest == io.file_digest(source)
    alter(source)
    assert digest != io.file_digest(source)


def test_a_batch_goes_on_after_a_changed_file(file, espcn, tmp_path):
    other = write_image(Image.from_array(np.zeros((20, 20), np.uint8), "YX"), tmp_path / "z.tif")
    change = half_way(lambda: alter(file))
    outcomes = upscale_files(
        [file, other],
        tmp_path / "out",
        model=espcn,
        tile=20,
        progress=lambda name, _, step: change(step) if name == file.name else None,
    )
    assert [o.status for o in outcomes] == ["failed", "done"]
    assert CHANGED in outcomes[0].message
