"""The Batch widget's controls in real viewers: how files, folders and models are chosen."""

import pytest
from helpers.widgets.batch_files import choose, column, run, settle, states, write
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QComboBox, QFileDialog, QLineEdit, QPushButton, QTableView

from napari_superres.plugin.widgets.common.library_events import library

pytestmark = pytest.mark.gui


@pytest.mark.slow
def test_files_pattern_sub_folders_and_what_is_left_out(widget, qtbot, tmp_path):
    folder = tmp_path / "in"
    names = ("a_dapi.tif", "a_gfp.tif", "deep/b_dapi.tif", "deep/er/c_dapi.tif", ".hidden/d_dapi.tif")
    for name in names:
        write(folder / name)
    write(folder / "deep" / "z_dapi.ome.zarr")
    choose(widget, qtbot, folder)
    assert column(widget, 0) == ["a_dapi.tif", "a_gfp.tif"]
    widget.recursive.setChecked(True)
    settle(widget, qtbot)
    assert column(widget, 0) == ["a_dapi.tif", "a_gfp.tif", "b_dapi.tif", "z_dapi.ome.zarr", "c_dapi.tif"]
    assert column(widget, 1)[3] == "folder"
    widget.pattern.value = "*_dapi*"
    settle(widget, qtbot)
    assert column(widget, 0) == ["a_dapi.tif", "b_dapi.tif", "z_dapi.ome.zarr", "c_dapi.tif"]
    widget.pattern.value = "*.nii"
    settle(widget, qtbot)
    assert column(widget, 0) == []
    assert "No image matches" in widget.chosen.text()
    assert not widget.run.isEnabled()
    assert not widget.copy_command.isEnabled()
    choose(widget, qtbot, folder / "a_gfp.tif", folder / "deep" / "b_dapi.tif")
    assert column(widget, 0) == ["a_gfp.tif", "b_dapi.tif"]
    assert widget.run.isEnabled()


@pytest.mark.slow
def test_results_are_no_inputs_and_ones_own_folder_stays(listed, folder, qtbot):
    listed.recursive.setChecked(True)
    settle(listed, qtbot)
    run(listed, qtbot)
    assert len(states(listed)) == 3
    run(listed, qtbot)
    assert len(states(listed)) == 3
    listed.settings.output.setText("~/mine")
    choose(listed, qtbot, folder / "a.ome.tif")
    assert listed.settings.output.text() == "~/mine"
    assert listed.settings.folder.is_absolute()
    listed.settings.output.setText("")
    settle(listed, qtbot)
    assert not listed.run.isEnabled()


def test_dialogs_and_drops(widget, qtbot, folder, monkeypatch, tmp_path):
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([str(folder / "a.ome.tif")], ""))
    widget.choose_folder.click()
    settle(widget, qtbot)
    assert len(column(widget, 0)) == 3
    widget.choose_files.click()
    settle(widget, qtbot)
    assert column(widget, 0) == ["a.ome.tif"]
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([], ""))
    widget.choose_files.click()
    assert column(widget, 0) == ["a.ome.tif"], "a dialog that is closed changes nothing"
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    widget.settings.choose_output.click()
    settle(widget, qtbot)
    assert widget.settings.folder == tmp_path
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(folder / "c.tif"))])
    both = Qt.DropAction.MoveAction | Qt.DropAction.CopyAction
    enter = QDragEnterEvent(QPoint(5, 5), both, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    widget.dragEnterEvent(enter)
    assert enter.isAccepted()
    assert enter.dropAction() == Qt.DropAction.CopyAction
    drop = QDropEvent(QPointF(5, 5), both, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    widget.dropEvent(drop)
    settle(widget, qtbot)
    assert column(widget, 0) == ["c.tif"]
    takers = [w for w in widget.findChildren(QLineEdit) if w.acceptDrops()]
    assert takers == [], "a text field would take the path of a dropped file as text"


def test_models_that_are_added_appear(widget, monkeypatch):
    from napari_superres.models import find_card
    from napari_superres.plugin.widgets.batch import settings as batch_settings

    widget.settings.model.value = "bicubic-x2"
    monkeypatch.setattr(batch_settings, "list_models", lambda: [find_card("bicubic-x2"), find_card("fluo-x2")])
    library.changed.emit()
    assert widget.settings.model.choices == ("auto", "fluo-x2", "bicubic-x2")
    assert widget.settings.model.value == "bicubic-x2"


def test_every_control_has_a_tooltip_fits_and_is_reached_by_tab(viewer, widget):
    viewer.window.resize(1280, 720)
    controls = [w for kind in (QPushButton, QLineEdit, QComboBox, QTableView) for w in widget.findChildren(kind)]
    assert len(controls) > 14
    assert [w for w in controls if not w.toolTip()] == []
    assert [w.text() for w in widget.findChildren(QPushButton) if w.minimumSizeHint().width() > 300] == []
    assert widget.body.parentWidget().minimumSizeHint().width() <= 300
    assert widget.body.parentWidget().minimumSizeHint().height() <= 620
    order = [
        widget.choose_folder,
        widget.choose_files,
        widget.pattern.native,
        widget.recursive,
        widget.table,
        widget.take_settings,
        widget.settings.model.native,
        widget.settings.output,
        widget.settings.choose_output,
        widget.settings.format.native,
        widget.settings.device.native,
        widget.settings.precision.native,
        widget.settings.tile.native,
        widget.settings.axes.native,
        widget.settings.resume,
        widget.settings.overwrite,
        widget.copy_command,
        widget.copy_table,
        widget.try_first,
        widget.run,
    ]
    chain, at = [order[0]], order[0].nextInFocusChain()
    while at is not order[0]:
        chain.append(at)
        at = at.nextInFocusChain()
    assert [w for w in chain if w in order] == order
    assert not widget.table.tabKeyNavigation()
