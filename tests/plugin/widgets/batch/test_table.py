"""The table of the Batch widget in real viewers: opened results, warnings, names, thousands of rows."""

import time
from types import FunctionType

import numpy as np
import pytest
from helpers.widgets.batch_files import LONG, choose, clipboard, column, run, settle, tooltip, write
from qtpy.QtCore import Qt

from napari_superres import Image, write_image
from napari_superres.plugin.widgets.batch import table as batch_table
from napari_superres.plugin.widgets.batch.search import Row
from napari_superres.plugin.widgets.batch.widget import BatchWidget

pytestmark = pytest.mark.gui

SLOW = 0.5  # seconds: a slot that grows with the number of files takes more; 0.05 is the aim, and told below


def test_double_click_opens_a_result_in_its_place(viewer, listed, folder, qtbot):
    run(listed, qtbot)
    double_click(listed, qtbot, 1)  # one that failed has no result
    assert len(viewer.layers) == 0
    double_click(listed, qtbot, 0)
    listed.settings.format.value = ".tif"  # which napari would read without pixel size
    listed.settings.output.setText(str(folder / "plain"))
    settle(listed, qtbot)
    run(listed, qtbot)
    listed.table.setCurrentIndex(listed.table.files.index(2, 0))
    qtbot.keyClick(listed.table, Qt.Key.Key_Return)
    assert [layer.name for layer in viewer.layers] == ["a_bicubic-x2", "c_bicubic-x2"]
    for layer in viewer.layers:
        assert layer.data.shape == (40, 48)
        np.testing.assert_allclose(layer.scale, (0.1, 0.1))
        assert {str(u) for u in layer.units} == {"micrometer"}


@pytest.mark.slow
def test_warnings_are_told_in_the_table_and_not_in_a_thousand_notifications(widget, qtbot, tmp_path, told):
    data = np.random.default_rng(0).random((20, 20)).astype(np.float32)
    data[3, 3] = np.nan
    write_image(Image.from_array(data, "YX", pixel_size=0.2), tmp_path / "nan.ome.tif")
    write(tmp_path / "plain.ome.tif")
    choose(widget, qtbot, tmp_path)
    widget.settings.model.value = "bicubic-x2"
    run(widget, qtbot)
    assert column(widget, 2) == ["done, with a warning", "done"]
    assert "1 pixels are NaN" in tooltip(widget, 0)
    widget.copy_table.click()
    first, second, third = clipboard().splitlines()
    assert first.split("\t") == ["File", "Size", "Status", "Fit", "Pixel", "Channels", "Warnings"]
    assert second.split("\t")[0] == "nan.ome.tif"
    assert "1 pixels are NaN" in second
    assert third.split("\t")[2::4] == ["done", ""]
    widget.table.selectRow(1)
    qtbot.keyClick(widget.table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert clipboard().splitlines() == [first, third]
    assert told == []


@pytest.mark.slow
def test_names_cannot_dress_up_and_those_of_patients_are_not_copied(qapp, tmp_path):
    rows = [Row(tmp_path / "<b>x.tif", 5, "<b>x.tif"), Row(tmp_path / "Doe^Jane.dcm", 5, "DICOM")]
    files = batch_table.FileModel()
    files.show_rows(rows)
    assert "<b>x" not in files.data(files.index(0, 0), Qt.ItemDataRole.ToolTipRole)
    assert "Doe" not in batch_table.as_text(rows)


@pytest.mark.slow
def test_five_thousand_files_are_listed_and_done_without_a_slow_slot(widget, qtbot, tmp_path, monkeypatch):
    for i in range(5000):
        (tmp_path / f"{i:04}.tif").write_bytes(b"II*\0")
    times = time_slots(monkeypatch, BatchWidget, batch_table.FileModel, batch_table.FileTable)
    choose(widget, qtbot, tmp_path)
    assert widget.table.files.rowCount() == 5000
    assert "5000 images, 20 kB" in widget.chosen.text()
    widget.settings.model.value = "bicubic-x2"
    widget.table.scrollToBottom()
    widget.run.click()
    qtbot.waitUntil(lambda: widget._batch is not None and widget._batch.position > 20, timeout=LONG)
    widget.run.click()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    widget.copy_table.click()
    assert len(clipboard().splitlines()) == 5001
    name, most = max(times.items(), key=lambda item: item[1])
    print(f"slowest slot: {name}, {1000 * most:.0f} ms")
    slow = {name: f"{1000 * most:.0f} ms" for name, most in times.items() if most > SLOW}
    assert not slow, slow
    assert {"_search", "_show_listing", "show_rows", "data", "_poll", "_finish"} <= {n.split(".")[1] for n in times}


# Helpers


def double_click(widget, qtbot, row):
    table = widget.table
    place = table.visualRect(table.files.index(row, 0)).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseDClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)


def time_slots(monkeypatch, *classes):
    """Record the longest time that the GUI thread computes in each of our functions; waiting for others is no fault."""
    longest = {}

    def timed(name, function):
        def call(*arguments, **options):
            start = time.thread_time()
            try:
                return function(*arguments, **options)
            finally:
                longest[name] = max(longest.get(name, 0.0), time.thread_time() - start)

        return call

    for kind in classes:
        for name, function in list(vars(kind).items()):
            if isinstance(function, FunctionType) and not name.startswith("__"):
                monkeypatch.setattr(kind, name, timed(f"{kind.__name__}.{name}", function))
    return longest
