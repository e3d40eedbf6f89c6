"""The check of a model can be cancelled."""

import threading

import pytest

from napari_superres.inference.measure import check

pytestmark = pytest.mark.gui


def test_a_check_stops_between_two_parts(widget, qtbot, monkeypatch, told):
    qtbot.waitUntil(lambda: widget.is_ready)
    asked, go_on, parts = threading.Event(), threading.Event(), []

    def check_slowly(_model, *, report):
        for part in range(3):
            parts.append(part)
            report("halo", part / 3)
            asked.set()
            go_on.wait(60)

    monkeypatch.setattr(check, "check_model", check_slowly)
    assert widget.cancel.isHidden()
    widget.models.select("bicubic-x2")
    widget.check.trigger()
    qtbot.waitUntil(asked.is_set)
    assert widget.cancel.isVisibleTo(widget)
    widget.cancel.click()
    assert not widget.cancel.isEnabled()
    assert widget.status.text() == "Cancelling…"
    go_on.set()
    qtbot.waitUntil(lambda: not widget.is_running)
    assert parts == [0, 1]
    assert widget.status.text() == "Cancelled."
    assert widget.cancel.isHidden()
    assert widget.check.isEnabled()
    assert told == []
