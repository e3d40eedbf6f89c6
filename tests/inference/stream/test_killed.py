"""The program, killed at any moment and started again: the same bytes."""

import random
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from napari_superres import Image, upscale_file, write_image
from napari_superres.io.omezarr import layout as omezarr_layout

COMMAND = """
import sys
from napari_superres.io.omezarr import layout as omezarr_layout
omezarr_layout._CHUNK, omezarr_layout._BOX = 32, 128
omezarr_layout._BOX_PIXELS, omezarr_layout._LEAST_BOX_PIXELS = 2**14, 1
from napari_superres.cli import main
sys.exit(main())
"""


def command(source, target):
    """Start the program, which resumes."""
    words = ["upscale", source, "-o", target, "-m", "fsrcnn-x2", "--tile", 40, "--resume", "--quiet"]
    return subprocess.Popen([sys.executable, "-c", COMMAND, *map(str, words)], stderr=subprocess.PIPE, text=True)


def wait_for(condition, process):
    """Wait until the program has come so far, or has ended."""
    while not condition() and process.poll() is None:
        time.sleep(0.002)


def lines_of(target):
    try:
        return (target.with_name(".out.ome.zarr.unfinished") / "journal.jsonl").read_bytes().count(b"\n") - 1
    except FileNotFoundError:
        return -1


@pytest.fixture
def large(tmp_path):
    data = np.random.default_rng(0).integers(4000, 9000, (3, 256, 250)).astype(np.uint16)
    return write_image(Image.from_array(data, "CYX", pixel_size=0.5), tmp_path / "large.ome.zarr")


@pytest.fixture
def undisturbed(large, pixels, tmp_path, monkeypatch):
    """Return the files of a run in this process, cut as the program cuts them."""
    for name, value in {"_CHUNK": 32, "_BOX": 128, "_BOX_PIXELS": 2**14, "_LEAST_BOX_PIXELS": 1}.items():
        monkeypatch.setattr(omezarr_layout, name, value)
    return pixels(upscale_file(large, tmp_path / "whole.ome.zarr", model="fsrcnn-x2", tile=40))


def kill_after(large, target, lines, seconds):
    """Run the program until it has recorded so many boxes and a little longer, kill it, and return its records."""
    program = command(large, target)
    wait_for(lambda: lines_of(target) >= lines, program)
    time.sleep(seconds)
    program.kill()
    program.wait()
    program.stderr.close()
    return lines_of(target)


def finish(large, target):
    done = command(large, target)
    assert done.wait() == 0, done.stderr.read()
    done.stderr.close()


def test_the_program_is_killed_several_times(large, undisturbed, pixels, tmp_path):
    target = tmp_path / "out.ome.zarr"
    before = 0
    for more in (3, 8, 10):
        after = kill_after(large, target, before + more, 0.003 * more)
        assert after >= before + more
        assert not target.exists()
        before = after
    finish(large, target)
    assert pixels(target) == undisturbed
    assert sorted(p.name for p in tmp_path.iterdir() if "out." in p.name) == [
        "out.ome.zarr",
        "out.ome.zarr.provenance.json",
    ]


@pytest.mark.slow
def test_the_program_is_killed_at_random_moments(large, undisturbed, pixels, tmp_path):
    chance = random.Random(0)
    boxes = 3 * 16
    for attempt in range(20):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        target = folder / "out.ome.zarr"
        kill_after(large, target, chance.randint(-1, boxes), chance.random() * 0.05)
        finish(large, target)
        assert pixels(target) == undisturbed, f"attempt {attempt}"
        shutil.rmtree(folder)


def test_terminated_as_batch_systems_do(large, undisturbed, pixels, tmp_path):
    """What was being written is put away, and one line says how to go on."""
    target = tmp_path / "out.ome.zarr"
    program = command(large, target)
    wait_for(lambda: lines_of(target) >= 2, program)
    program.terminate()
    _, said = program.communicate(timeout=60)
    assert program.returncode == 143
    assert said == "terminated; finished files are kept. Commands that have --resume continue from there.\n"
    again = command(large, target)
    said = again.communicate(timeout=60)[1]
    assert all(line.startswith("warning: ") for line in said.splitlines())  # the pixels are random
    assert again.returncode == 0
    assert pixels(target) == undisturbed
