"""Whatever a disk does during a run, no finished box is lost and the target is as before or complete."""

import errno
import itertools
import os
import shutil
import sys

import pytest
from helpers.faults.disk import Disk, watching, write

from napari_superres import read_image, upscale_file
from napari_superres.errors import OutputError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

DONE = ["out.ome.zarr", "out.ome.zarr.provenance.json"]
ALL = pytest.mark.slow
CASES = pytest.mark.parametrize(
    ("there", "step"), [(True, 97), pytest.param(True, 1, marks=ALL), pytest.param(False, 1, marks=ALL)]
)


@pytest.fixture
def options(espcn):
    return {"model": espcn, "tile": 20, "overwrite": True}


@pytest.fixture
def older(source, toy, there, tmp_path):
    """Return a folder with an older result of another model, or an empty one."""
    (tmp_path / "older").mkdir()
    if there:
        upscale_file(source, tmp_path / "older" / "out.ome.zarr", model=toy(seed=1, name="other"))
    return tmp_path / "older"


def start_from(older, folder):
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(older, folder)
    return folder / "out.ome.zarr"


@CASES
def test_an_error_at_any_change(there, step, older, source, options, whole, pixels, tmp_path, beside):
    before = pixels(older)
    for moment in itertools.count(0, step):
        target, seen = start_from(older, tmp_path / "results"), 0

        def fail(event, moment=moment):
            nonlocal seen
            seen += 1
            if seen == moment + 1:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

        try:
            with watching(target.parent, fail):
                upscale_file(source, target, **options)
        except OutputError:
            kept = pixels(target.parent)
            assert {k: v for k, v in kept.items() if not k.startswith(".")} == before, f"moment {moment}"
            upscale_file(source, target, resume=True, **options)
        assert pixels(target) == whole, f"moment {moment}"
        assert [name for name in beside(target) if not name.startswith(".")] == DONE
        if seen <= moment:
            break
    assert moment > 100


@CASES
def test_a_crash_at_any_moment(there, step, older, source, options, whole, pixels, tmp_path, beside):
    """What was not flushed is lost, with or without the names of files; what the journal lists is there."""
    target = start_from(older, tmp_path / "results")
    disk, images = Disk(target.parent), []
    with disk.recording(), watching(target.parent, lambda _: images.extend((disk.flushed(), disk.renamed()))):
        upscale_file(source, target, **options)
    images += [disk.flushed(), disk.renamed()]
    disk.close()
    for number in sorted({*range(0, len(images), step), len(images) - 2, len(images) - 1}):
        shutil.rmtree(target.parent)
        target.parent.mkdir()
        write(images[number], target.parent)
        if target.exists():
            read_image(target)
        computed = []
        upscale_file(source, target, resume=True, progress=lambda s, all_=computed: all_.append(s.done), **options)
        assert pixels(target) == whole, f"image {number}"
        assert [name for name in beside(target) if not name.startswith(".")] == DONE
    assert not computed, "a run that has ended is safe"
