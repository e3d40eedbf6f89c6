"""Runs that are killed just before any change on the disk: what is there is true, and the rest is made."""

import json
import os
import shutil
import signal
import sys

import pytest

from napari_superres import read_image, upscale_file

DONE = ["out.ome.zarr", "out.ome.zarr.provenance.json"]
# What changes a folder, as the interpreter tells of it.
EVENTS = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate"}


def killed_at(moment, folder, work):
    """Do something in a process of its own that is killed just before its n-th change to a folder.

    Returns
    -------
    int or None
        How many changes there were; None where it was killed.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        seen = 0

        def watch(event, given):
            nonlocal seen
            changes = event in EVENTS or (event == "open" and isinstance(given[2], int) and given[2] & os.O_ACCMODE)
            if changes and str(given[0]).startswith(str(folder)):
                if seen == moment:
                    os.kill(os.getpid(), signal.SIGKILL)
                seen += 1

        sys.addaudithook(watch)
        try:
            work()
            os.write(writer, str(seen).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        said = told.read()
    _, status = os.waitpid(child, 0)
    assert said or os.WTERMSIG(status) == signal.SIGKILL
    return int(said) if said else None


@pytest.mark.parametrize(
    ("moments", "there"),
    [
        ("some", True),
        pytest.param("all", True, marks=pytest.mark.slow),
        pytest.param("all", False, marks=pytest.mark.slow),
    ],
)
def test_killed_before_any_change_on_the_disk(moments, there, source, espcn, toy, whole, pixels, tmp_path, beside):
    """Also while the result is put in its place, over another one or not."""
    folder = tmp_path / "results"
    folder.mkdir()
    target = folder / "out.ome.zarr"
    options = {"model": espcn, "tile": 20, "overwrite": there}
    if there:
        other = upscale_file(source, tmp_path / "other.ome.zarr", model=toy(seed=1, name="other"))

    def prepare():
        shutil.rmtree(folder)
        folder.mkdir()
        if there:
            shutil.copytree(other, target)
            shutil.copy(tmp_path / "other.ome.zarr.provenance.json", folder / "out.ome.zarr.provenance.json")

    prepare()
    total = killed_at(-1, folder, lambda: upscale_file(source, target, **options))
    assert total > 60
    chosen = range(total) if moments == "all" else [30, *range(total - 16, total, 5)]
    for moment in chosen:
        prepare()
        assert killed_at(moment, folder, lambda: upscale_file(source, target, **options)) is None
        if target.exists():
            made_of = json.loads((folder / "out.ome.zarr.provenance.json").read_text())["model"]
            assert made_of == read_image(target).metadata["provenance"]["model"], f"moment {moment}"
        upscale_file(source, target, resume=True, **options)
        assert pixels(target) == whole, f"moment {moment}"
        assert [n for n in beside(target) if not n.startswith(".")] == DONE
    # What is left of a kill after the very end goes with the next run.
    upscale_file(source, target, model=espcn, tile=20, overwrite=True)
    assert beside(target) == DONE
