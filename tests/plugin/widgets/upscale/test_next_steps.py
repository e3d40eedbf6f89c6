"""After a run the widget offers to compare the result, to save it, and to read how it was made."""

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_superres import Image, read_image, upscale, write_image

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


def save_and_look(widget, qtbot, monkeypatch, target):
    """Press Save, and return where the dialog begins."""
    asked = []
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *given: (asked.append(given), (str(target), ""))[1])
    widget.next_steps.save.click()
    qtbot.waitUntil(lambda: widget.next_steps.save.text() == "Saved")
    return asked[0][2]


@pytest.fixture
def two_channels(viewer, widget, qtbot, tmp_path):
    """A file of two channels, both computed."""
    path = tmp_path / "cells.ome.tif"
    data = np.arange(1800, dtype=np.uint16).reshape(2, 3, 15, 20)
    image = Image.from_array(data, "CZYX", pixel_size=(0.3, 0.2, 0.2), channel_names=("DAPI", "Membrane"))
    write_image(image, path)
    viewer.open(path, plugin="napari-superres-torch")
    widget.layer.value = viewer.layers[1]
    widget.channels.all.click()
    for row in widget.channels.rows:
        row.box.value = "bicubic-x2"
    qtbot.waitUntil(widget.run.isEnabled)
    widget.run.click()
    qtbot.waitUntil(lambda: not widget.is_running)
    return path


def test_the_channels_of_a_run_are_saved_as_one_file(viewer, widget, qtbot, tmp_path, monkeypatch, two_channels):
    made = [f"{name} - cells [bicubic-x2]" for name in ("DAPI", "Membrane")]
    assert all(name in widget.status.text() for name in made)
    target = tmp_path / "out.ome.tif"
    begins = save_and_look(widget, qtbot, monkeypatch, target)
    assert begins == str(tmp_path / "cells_bicubic-x2.ome.tif")
    stored = read_image(target)
    expected = upscale(read_image(two_channels), "bicubic-x2")
    assert (stored.axes, stored.channel_names) == (expected.axes, expected.channel_names)
    np.testing.assert_array_equal(np.asarray(stored.data), expected.data)
    np.testing.assert_allclose(stored.pixel_size, expected.pixel_size)
    assert len(stored.metadata["provenance"]["per_channel"]) == 2


def test_a_removed_channel_is_not_saved(viewer, widget, qtbot, tmp_path, monkeypatch, two_channels):
    viewer.layers.remove(viewer.layers["DAPI - cells [bicubic-x2]"])
    save_and_look(widget, qtbot, monkeypatch, tmp_path / "out.ome.tif")
    np.testing.assert_array_equal(
        np.asarray(read_image(tmp_path / "out.ome.tif").data), viewer.layers["Membrane - cells [bicubic-x2]"].data
    )


def test_a_channel_on_another_grid_is_named(viewer, widget, qtbot, tmp_path, monkeypatch, two_channels, told):
    layer = viewer.layers["DAPI - cells [bicubic-x2]"]
    layer.scale = (0.3, 0.3, 0.3)
    save_and_look(widget, qtbot, monkeypatch, tmp_path / "out.ome.tif")
    assert layer.name in told[0]


def test_a_medical_volume_is_saved_next_to_its_file_as_nifti(viewer, widget, qtbot, tmp_path, monkeypatch):
    path = tmp_path / "head.nii.gz"
    write_image(Image.from_array(np.arange(1000, dtype=np.int16).reshape(10, 10, 10), "ZYX", pixel_size=1.0), path)
    viewer.open(path, plugin="napari-superres-torch")
    widget.model.value = "bicubic-x2"
    widget.chooser.choose_by_hand()
    qtbot.waitUntil(widget.run.isEnabled)
    widget.run.click()
    qtbot.waitUntil(lambda: not widget.is_running)
    begins = save_and_look(widget, qtbot, monkeypatch, tmp_path / "out.nii.gz")
    assert begins == str(tmp_path / "head_bicubic-x2.nii.gz")


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
