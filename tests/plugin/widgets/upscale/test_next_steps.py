"""After a run the widget offers to compare the result, to save it, and to read how it was made."""

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_superres import read_image

pytestmark = pytest.mark.gui


@pytest.fixture(name="steps")
def steps_after_a_run(viewer, widget, qtbot):
    viewer.add_image(np.arange(400, dtype=np.uint16).reshape(20, 20), scale=(0.2, 0.2), units="um", name="cells")
    widget.model.value = "bicubic-x2"
    assert widget.next_steps.isHidden()
    widget.run.click()
    qtbot.waitUntil(lambda: not widget.is_running)
    return widget.next_steps


def test_the_result_is_saved_with_its_place(viewer, steps, qtbot, tmp_path, monkeypatch):
    assert not steps.isHidden()
    target = tmp_path / "out.ome.tif"
    asked = []

    def ask(_parent, _title, suggestion, _filters):
        asked.append(suggestion)
        return str(target), ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", ask)
    steps.save.click()
    qtbot.waitUntil(lambda: steps.save.text() == "Saved")
    assert asked[0].endswith("cells_bicubic-x2.ome.tif")
    stored = read_image(target)
    np.testing.assert_array_equal(np.asarray(stored.data), viewer.layers["cells [bicubic-x2]"].data)
    np.testing.assert_allclose(stored.pixel_size, (0.1, 0.1))


def test_a_file_that_cannot_be_written_is_told(steps, qtbot, tmp_path, told):
    steps.save_as(str(tmp_path / "gone" / "out.ome.tif"))
    qtbot.waitUntil(steps.save.isEnabled)
    assert len(told) == 1
    assert steps.save.text() == "Save…"


def test_how_it_was_made_can_be_read_and_copied(steps):
    steps.how_made.click()
    dialog = steps.dialog
    assert "bicubic-x2" in dialog.text.toPlainText()
    assert "20 x 20 pixels" in dialog.text.toPlainText()
    dialog.copy.click()
    assert QApplication.clipboard().text() == dialog.text.toPlainText()
    dialog.reject()


def test_compare_opens_as_a_tab_of_the_same_dock(viewer, widget, steps):
    from napari_superres.plugin.host.docks import dock_of

    steps.compare.click()
    comparing = next(w for w in viewer.window.dock_widgets.values() if type(w).__name__ == "CompareWidget")
    window = viewer.window._qt_window
    qapp_turns(10)
    assert dock_of(comparing) in window.tabifiedDockWidgets(dock_of(widget))
    assert comparing.result.value is viewer.layers["cells [bicubic-x2]"]
    viewer.window.remove_dock_widget(comparing)
    comparing.deleteLater()


def test_the_steps_go_with_the_result(viewer, steps):
    viewer.layers.remove(viewer.layers["cells [bicubic-x2]"])
    assert steps.isHidden()


def qapp_turns(count):
    for _ in range(count):
        QApplication.processEvents()
