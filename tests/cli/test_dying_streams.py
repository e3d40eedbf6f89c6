"""A log that dies stops no work; results that cannot be printed are an error."""

import os
import signal
import subprocess
import sys

import pytest

from napari_superres.cli import app
from napari_superres.io import read_image

PROGRAM = (sys.executable, "-c", "from napari_superres.cli import main; main()")


@pytest.fixture
def full():
    """Return a stream on a full disk."""
    with open("/dev/full", "w", buffering=1) as stream:  # noqa: PTH123 - a device
        yield stream


def test_work_goes_on_without_its_log(superres, cells, tmp_path, monkeypatch, full):
    monkeypatch.setattr("sys.stderr", full)
    assert superres("upscale", cells, "-o", tmp_path / "one.ome.tif", "-m", "bicubic-x2").code == 0
    assert superres("upscale", cells, cells, "-o", tmp_path / "many", "-m", "bicubic-x2").code == 0
    for path in (tmp_path / "one.ome.tif", tmp_path / "many" / "cells_bicubic-x2.ome.tif"):
        assert read_image(path).shape == (2, 66, 82)


def test_results_that_cannot_be_printed_are_an_error(superres, sr, ref, lr, tmp_path, monkeypatch, full):
    """Files are written all the same."""
    monkeypatch.setattr("sys.stdout", full)
    words = ("evaluate", sr, ref, "--lr", lr, "--baseline", "none", "--json", tmp_path / "r.json")
    done = superres(*words)
    assert done.code == 1
    assert "the results cannot be printed: No space left on device" in done.err
    assert (tmp_path / "r.json").is_file()
    monkeypatch.setattr("sys.stdout", None)
    done = superres("info", lr)
    assert (done.code, "stdout is closed" in done.err) == (1, True)


@pytest.mark.parametrize(("streams", "code"), [("2>&-", 0), ("2>/dev/full", 0), (">/dev/full", 1), (">&- 2>&-", 1)])
def test_exit_codes(streams, code, lr):
    done = subprocess.run(["sh", "-c", f'"$@" {streams}', "sh", *PROGRAM, "info", lr], capture_output=True, check=False)
    assert done.returncode == code
    assert (b"axes" in done.stdout) == (code == 0)


def test_no_file_gets_the_number_of_a_closed_stream(tmp_path):
    """Libraries write messages to number 2, whatever it is by then."""
    code = (
        "import os; from napari_superres.cli import app; os.closerange(0, 3); app._open_standard_streams(); "
        f"os._exit(os.open({str(tmp_path / 'data')!r}, os.O_CREAT | os.O_WRONLY))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode > 2


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
def test_a_lost_connection_ends_a_run_as_sigterm_does(superres, cells, tmp_path, monkeypatch):
    def hang_up(*_, **__):
        os.kill(os.getpid(), signal.SIGHUP)

    monkeypatch.setattr("napari_superres.inference.files.run_in_memory", hang_up)
    handler = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may run under nohup
    try:
        done = superres("upscale", cells, "-o", tmp_path / "o.ome.tif", "-m", "bicubic-x2", "-q")
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        assert app._ending_signals() == [signal.SIGTERM], "nohup keeps the program alive"
    finally:
        signal.signal(signal.SIGHUP, handler)
    assert (done.code, done.err.startswith("terminated")) == (143, True)
    assert [p.name for p in tmp_path.iterdir()] == ["cells.ome.tif"]
