"""After a batch the widget offers to compare a result with its input, to write a report, and to open the folder."""

import pytest
from helpers.widgets.batch_files import run
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog

from napari_superres.plugin.host.docks import dock_of

pytestmark = pytest.mark.gui


@pytest.fixture(name="steps")
def steps_after_a_batch(listed, qtbot, told):
    assert listed.next_steps.isHidden()
    run(listed, qtbot)
    assert not listed.next_steps.isHidden()
    return listed.next_steps


def test_the_first_result_is_compared_with_its_input(viewer, listed, steps):
    steps.compare.click()
    (comparing,) = (widget for widget in viewer.window.dock_widgets.values() if hasattr(widget, "measure"))
    assert comparing.result.value.data.shape == (40, 48)
    assert comparing.lr.value.data.shape == (20, 24)
    assert "provenance" in comparing.result.value.metadata
    viewer.window.remove_dock_widget(comparing)
    comparing.deleteLater()
    assert dock_of(listed) is not None


def test_a_report_on_all_files_is_written_and_opened(steps, folder, qtbot, monkeypatch, tmp_path):
    target, opened = tmp_path / "page.html", []
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    steps.report.click()
    qtbot.waitUntil(lambda: steps.report.text() == "Open report")
    page = target.read_text(encoding="utf-8")
    assert all(name in page for name in ("a.ome.tif", "b.tif", "c.tif", "failed"))
    steps.report.click()
    steps.open_folder.click()
    assert opened == [str(target), str(folder / "super-resolved")]


def test_without_a_result_nothing_is_offered(listed, folder, qtbot, told):
    listed.pattern.value = "b*"
    qtbot.waitUntil(lambda: listed.is_ready and len(listed.table.files.rows) == 1)
    run(listed, qtbot)
    assert listed.next_steps.isHidden()
