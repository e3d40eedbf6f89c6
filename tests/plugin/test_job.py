"""Jobs: errors that nobody thought of are one line and a log."""

import pytest

from napari_superres.plugin.job import Job

pytestmark = pytest.mark.gui


def test_a_fault_is_one_line_that_names_the_log(qtbot, monkeypatch, tmp_path):
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
    assert message == f"{fault} Please report it with the end of {path}."
    text = path.read_text()
    assert "in faulty" in text
    assert text.count("ZeroDivisionError: by nought") == 1
    (tmp_path / "logs").rename(tmp_path / "other")
    (tmp_path / "logs").touch()  # may not be written
    again = Job(faulty, failed=said.append, ended=ended.append)
    again.start()
    qtbot.waitUntil(lambda: len(ended) == 2, timeout=10_000)
    assert said[1].endswith("Please report it.")
