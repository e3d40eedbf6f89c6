"""Jobs: unexpected errors are one line and a log; closing the window ends a job."""

import time

import pytest

from napari_superres.plugin.worker.job import Job

pytestmark = pytest.mark.gui


def test_an_unexpected_error_is_one_line_that_names_the_log(qtbot, monkeypatch, tmp_path):
    monkeypatch.setattr("platformdirs.user_log_path", lambda _: tmp_path / "logs")

    def faulty():
        yield 1
        raise ZeroDivisionError("by nought")

    said, ended = [], []
    job = Job(faulty, failed=said.append, ended=ended.append)
    job.start()
    qtbot.waitUntil(lambda: bool(ended), timeout=10_000)
    assert ended == [False]
    (message,) = said
    path = tmp_path / "logs" / "errors.log"
    fault = "this should not have happened: ZeroDivisionError: by nought."
    assert message == f"{fault} Please report it with the end of {path}, without the names of files in it."
    text = path.read_text()
    assert "in faulty" in text
    assert text.count("ZeroDivisionError: by nought") == 1
    (tmp_path / "logs").rename(tmp_path / "other")
    (tmp_path / "logs").touch()  # may not be written
    again = Job(faulty, failed=said.append, ended=ended.append)
    again.start()
    qtbot.waitUntil(lambda: len(ended) == 2, timeout=10_000)
    assert said[1].endswith("Please report it.")


def test_closing_the_window_ends_the_job_that_napari_asks_about(viewer, qtbot):
    ended, left = [], []

    def endless():
        try:
            while True:
                time.sleep(0.01)
                yield None
        finally:
            left.append(True)

    manager = viewer.window._task_status_manager
    Job(endless, doing="never begun")
    assert manager.get_status() == []
    job = Job(endless, ended=ended.append, doing="counting of sheep")
    job.start()
    quiet = Job(endless)
    quiet.start()
    qtbot.waitUntil(lambda: any("Executing" in line for line in manager.get_status()), timeout=10_000)
    assert manager.get_status() == ["napari-worker: Executing counting of sheep"]
    manager.cancel_all()  # what closing the window does
    qtbot.waitUntil(lambda: ended == [False], timeout=10_000)
    assert left == [True]  # although the window still holds the worker
    quiet.cancel()
    qtbot.waitUntil(lambda: len(left) == 2, timeout=10_000)
