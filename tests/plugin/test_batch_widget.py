"""The Batch widget in real viewers, through its own controls, beside the command line."""

import shlex
import time
from types import FunctionType

import numpy as np
import pytest
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication, QComboBox, QFileDialog, QLineEdit, QPushButton, QTableView

from napari_superres import Image, read_image, upscale, write_image
from napari_superres.plugin import batch_run, batch_table
from napari_superres.plugin.batch_widget import BatchWidget
from napari_superres.plugin.library_events import library

pytestmark = pytest.mark.gui

LONG = 60_000
SLOW = 0.5  # seconds: a slot that grows with the number of files takes more; 0.05 is the aim, and told below


def write(path, shape=(20, 24), seed=0, axes="YX"):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = (np.random.default_rng(seed).random(shape) * 1000).astype(np.uint16)
    return write_image(Image.from_array(values, axes, pixel_size=0.2), path)


@pytest.fixture
def widget(dock):
    return dock(BatchWidget)


@pytest.fixture
def folder(tmp_path):
    """Three images, one of them damaged, and a text."""
    folder = tmp_path / "in"
    write(folder / "a.ome.tif", seed=1)
    write(folder / "c.tif", seed=2)
    (folder / "b.tif").write_bytes(b"II*\0 this is no image")
    (folder / "notes.txt").write_text("not an image")
    return folder


@pytest.fixture
def listed(widget, folder, qtbot):
    choose(widget, qtbot, folder)
    widget.settings.model.value = "bicubic-x2"
    return widget


def choose(widget, qtbot, *paths):
    widget.choose(paths)
    settle(widget, qtbot)


def settle(widget, qtbot):
    qtbot.waitUntil(lambda: widget.is_ready, timeout=LONG)


def run(widget, qtbot):
    widget.run.click()
    assert widget.is_running
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)


def column(widget, number):
    files = widget.table.files
    return [files.data(files.index(row, number)) for row in range(files.rowCount())]


def tooltip(widget, row, number=2):
    files = widget.table.files
    return files.data(files.index(row, number), Qt.ItemDataRole.ToolTipRole)


def states(widget):
    return [row.status for row in widget.table.files.rows]


def clipboard():
    return QApplication.clipboard().text()


def test_a_folder_is_done_as_python_does_it_and_a_bad_file_stops_no_other(listed, folder, qtbot, told):
    assert column(listed, 0) == ["a.ome.tif", "b.tif", "c.tif"]
    assert column(listed, 1)[1] == "21 B"
    assert column(listed, 2) == ["waiting"] * 3
    assert "in: 3 images" in listed.chosen.text()
    listed.settings.model.value = "fsrcnn-x2"
    run(listed, qtbot)
    assert states(listed) == ["done", "failed", "done"]
    assert column(listed, 2)[1].startswith("failed: must be a complete TIFF")
    assert "Copy or export it again." in tooltip(listed, 1)
    assert "2 done, 1 failed" in listed.status.text()
    assert [str(m) for m in told] == ["1 of 3 files failed. The table of Batch says why."]
    out = folder / "super-resolved"
    for name in ("a", "c"):
        found = read_image(out / f"{name}_fsrcnn-x2.ome.tif")
        source = read_image(next(folder.glob(f"{name}.*")))
        np.testing.assert_array_equal(found.data[...], upscale(source, "fsrcnn-x2").data)
        assert found.pixel_size == pytest.approx((0.1, 0.1))
        assert (out / f"{name}_fsrcnn-x2.provenance.json").is_file()
    assert no_bars_left()


def test_the_command_line_does_the_same(listed, folder, qtbot, tmp_path, monkeypatch):
    from napari_superres.cli.app import app

    write(folder / "deep [1]" / "d.ome.tif", seed=3)
    listed.deep.setChecked(True)
    listed.pattern.value = "*.ome.tif"
    settings = listed.settings
    settings.output.setText(str(tmp_path / "my results"))
    settings.model.value = "fsrcnn-x2"
    settings.tile.value = "64"
    settings.precision.value = "fp32"
    settings.device.value = "cpu"
    settings.axes.value = "YX"
    settings.format.value = ".nrrd"
    settle(listed, qtbot)
    assert column(listed, 0) == ["a.ome.tif", "d.ome.tif"]
    listed.copy_command.click()
    words = shlex.split(clipboard())
    assert words[:2] == ["superres", "upscale"]
    run(listed, qtbot)
    assert states(listed) == ["done", "done"]
    at = words.index("--output") + 1
    assert words[at] == str(tmp_path / "my results")
    words[at] = str(tmp_path / "others")
    app(words[1:], standalone_mode=False)
    ours, theirs = ({p.name for p in (tmp_path / n).iterdir()} for n in ("my results", "others"))
    assert ours == theirs == {f"{n}_fsrcnn-x2.{e}" for n in "ad" for e in ("nrrd", "provenance.json")}
    for name in "ad":
        made, again = (read_image(tmp_path / n / f"{name}_fsrcnn-x2.nrrd") for n in ("my results", "others"))
        np.testing.assert_array_equal(made.data[...], again.data[...])
        np.testing.assert_allclose(made.affine, again.affine)
        record, other = (dict(i.metadata["provenance"]) for i in (made, again))
        for key in ("model", "normalisation", "precision", "device", "tile", "input"):
            assert record[key] == other[key]


def test_resume_and_overwrite(listed, folder, qtbot):
    expected = ["superres", "upscale", str(folder), "--output", str(folder / "super-resolved"), "--model", "bicubic-x2"]
    assert listed.command() == [*expected, "--resume"], "only what is not the default"
    (folder / "b.tif").unlink()
    run(listed, qtbot)
    assert states(listed) == ["done", "done"]  # looked for anew: b.tif is not failed
    made = folder / "super-resolved" / "a_bicubic-x2.ome.tif"
    stamp = made.stat().st_mtime_ns
    write(folder / "e.ome.tif")
    run(listed, qtbot)
    assert states(listed) == ["skipped", "skipped", "done"]
    assert column(listed, 2)[0] == "skipped (already done)"
    assert listed.status.text().startswith("1 done, 2 skipped in")
    listed.settings.resume.setChecked(False)
    run(listed, qtbot)
    assert states(listed) == ["failed"] * 3
    assert column(listed, 2)[0] == "failed: a_bicubic-x2.ome.tif exists already. Use overwrite or another name."
    assert made.stat().st_mtime_ns == stamp
    listed.settings.overwrite.setChecked(True)
    assert listed.command() == [*expected, "--overwrite"]
    run(listed, qtbot)
    assert states(listed) == ["done"] * 3
    assert made.stat().st_mtime_ns > stamp


def test_cancel_acts_within_one_tile_and_run_goes_on(widget, qtbot, tmp_path, told):
    write(tmp_path / "in" / "a.ome.tif")
    write(tmp_path / "in" / "b.ome.tif", (300, 300))
    write(tmp_path / "in" / "c.ome.tif")
    choose(widget, qtbot, tmp_path / "in")
    widget.settings.model.value = "fsrcnn-x2"
    widget.settings.tile.value = "64"
    widget.run.click()
    qtbot.waitUntil(lambda: states(widget)[1] == "running" and widget.table.files.rows[1].share > 0, timeout=LONG)
    qtbot.waitUntil(lambda: "running" in column(widget, 2)[1] and "of 3" in widget.status.text(), timeout=LONG)
    assert widget.run.text() == "Cancel"
    assert not widget.settings.isEnabled()
    assert not widget.bar.isHidden()
    widget.run.click()
    share = widget.table.files.rows[1].share
    assert widget.run.text() == "Cancelling…"
    assert not widget.run.isEnabled()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    assert states(widget) == ["done", "cancelled", "waiting"]
    assert widget.table.files.rows[1].share <= share + 0.15
    assert widget.status.text().startswith("Cancelled: 1 done in")
    out = tmp_path / "in" / "super-resolved"
    assert {p.name for p in out.iterdir()} == {"a_fsrcnn-x2.ome.tif", "a_fsrcnn-x2.provenance.json"}
    assert widget.run.text() == "Run"
    assert widget.settings.isEnabled()
    assert widget.bar.isHidden()
    assert no_bars_left()
    run(widget, qtbot)
    assert states(widget) == ["skipped", "done", "done"]
    assert told == []


@pytest.mark.slow
def test_an_unfinished_zarr_is_gone_on_with(widget, qtbot, tmp_path, monkeypatch):
    write(tmp_path / "in" / "a.ome.tif", (4, 40, 40), axes="CYX")  # parts of a result are channels at most
    choose(widget, qtbot, tmp_path / "in")
    widget.settings.model.value = "fsrcnn-x2"
    widget.settings.format.value = ".ome.zarr"
    unfinished = tmp_path / "in" / "super-resolved" / ".a_fsrcnn-x2.unfinished"
    with monkeypatch.context() as patch:
        shares = watch_shares(patch, lambda share: share < 0.6 or widget._job.cancel())
        run(widget, qtbot)
    assert states(widget) == ["cancelled"]
    assert (unfinished / "journal.jsonl").is_file()
    assert shares[-1] < 1
    shares = watch_shares(monkeypatch)
    run(widget, qtbot)
    assert states(widget) == ["done"]
    assert min(s for s in shares if s) >= 0.5, "what was done is not done again"
    expected = upscale(read_image(tmp_path / "in" / "a.ome.tif"), "fsrcnn-x2")
    found = read_image(tmp_path / "in" / "super-resolved" / "a_fsrcnn-x2.ome.zarr")
    np.testing.assert_array_equal(found.data[...], expected.data)
    assert not unfinished.exists()


@pytest.mark.slow
def test_the_bar_in_the_activity_dock_cancels_too(widget, qtbot, tmp_path):
    from napari.utils import progress

    write(tmp_path / "a.ome.tif", (300, 300))
    choose(widget, qtbot, tmp_path / "a.ome.tif")
    widget.settings.model.value = "fsrcnn-x2"
    widget.settings.tile.value = "64"
    widget.run.click()
    qtbot.waitUntil(lambda: len(progress._all_instances) == 1, timeout=LONG)
    (bar,) = progress._all_instances
    bar.cancel()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    assert states(widget) == ["cancelled"]
    assert no_bars_left()


def test_what_is_wrong_for_all_is_one_notification(listed, folder, qtbot, told, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("napari_superres.io.write.os.access", lambda *_: False)
        run(listed, qtbot)
    assert states(listed) == ["failed"] * 3
    assert "may not be written" in column(listed, 2)[0]
    assert "3 of 3 files failed" in told.pop()
    (folder / "file").write_text("")
    listed.settings.output.setText(str(folder / "file" / "out"))
    settle(listed, qtbot)
    run(listed, qtbot)
    assert "cannot be made" in told.pop()
    assert told == []
    assert states(listed) == ["waiting"] * 3
    assert "see the notification" in listed.status.text()
    for path in folder.glob("*.tif"):
        path.unlink()
    run(listed, qtbot)
    assert "holds no image" in told.pop()
    assert listed.table.files.rowCount() == 0
    assert not listed.run.isEnabled()


@pytest.mark.slow
def test_files_pattern_sub_folders_and_what_is_left_out(widget, qtbot, tmp_path):
    folder = tmp_path / "in"
    names = ("a_dapi.tif", "a_gfp.tif", "deep/b_dapi.tif", "deep/er/c_dapi.tif", ".hidden/d_dapi.tif")
    for name in names:
        write(folder / name)
    write(folder / "deep" / "z_dapi.ome.zarr")
    choose(widget, qtbot, folder)
    assert column(widget, 0) == ["a_dapi.tif", "a_gfp.tif"]
    widget.deep.setChecked(True)
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
    listed.deep.setChecked(True)
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
    assert first.split("\t") == ["File", "Size", "Status", "Warnings"]
    assert second.split("\t")[0] == "nan.ome.tif"
    assert "1 pixels are NaN" in second
    assert third.split("\t")[2:] == ["done", ""]
    widget.table.selectRow(1)
    qtbot.keyClick(widget.table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert clipboard().splitlines() == [first, third]
    assert told == []


@pytest.mark.slow
def test_names_cannot_dress_up_and_those_of_patients_are_not_copied(qapp, tmp_path):
    rows = [batch_run.Row(tmp_path / "<b>x.tif", 5, "<b>x.tif"), batch_run.Row(tmp_path / "Doe^Jane.dcm", 5, "DICOM")]
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
    qtbot.waitUntil(lambda: widget._batch is not None and widget._batch.at > 20, timeout=LONG)
    widget.run.click()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    widget.copy_table.click()
    assert len(clipboard().splitlines()) == 5001
    name, most = max(times.items(), key=lambda item: item[1])
    print(f"slowest slot: {name}, {1000 * most:.0f} ms")
    slow = {name: f"{1000 * most:.0f} ms" for name, most in times.items() if most > SLOW}
    assert not slow, slow
    assert {"_scan", "_listed", "show_rows", "data", "_look", "_ended"} <= {n.split(".")[1] for n in times}


def test_closing_the_dock_ends_the_run(viewer, widget, qtbot, tmp_path):
    from qtpy.QtCore import QThreadPool

    write(tmp_path / "a.ome.tif", (300, 300))
    choose(widget, qtbot, tmp_path / "a.ome.tif")
    widget.settings.model.value = "fsrcnn-x2"
    widget.settings.tile.value = "64"
    widget.run.click()
    qtbot.waitUntil(lambda: not no_bars_left(), timeout=LONG)
    batch = widget._batch
    viewer.window.remove_dock_widget(widget)
    qtbot.waitUntil(lambda: QThreadPool.globalInstance().activeThreadCount() == 0, timeout=LONG)
    assert batch.at == 0
    assert no_bars_left()
    assert not (tmp_path / "super-resolved" / "a_fsrcnn-x2.ome.tif").exists()


def test_models_that_are_added_appear(widget, monkeypatch):
    from napari_superres.models import find_card
    from napari_superres.plugin import batch_settings

    widget.settings.model.value = "bicubic-x2"
    monkeypatch.setattr(batch_settings, "list_models", lambda: [find_card("bicubic-x2"), find_card("fluo-x2")])
    library.changed.emit()
    assert widget.settings.model.choices == ("fluo-x2", "bicubic-x2")
    assert widget.settings.model.value == "bicubic-x2"


def test_every_control_has_a_tooltip_fits_and_is_reached_by_tab(viewer, widget):
    viewer.window.resize(1280, 720)
    controls = [w for kind in (QPushButton, QLineEdit, QComboBox, QTableView) for w in widget.findChildren(kind)]
    assert len(controls) > 14
    assert [w for w in controls if not w.toolTip()] == []
    assert [w.text() for w in widget.findChildren(QPushButton) if w.minimumSizeHint().width() > 300] == []
    assert widget.body.parentWidget().minimumSizeHint().width() <= 300
    assert widget.body.parentWidget().minimumSizeHint().height() <= 620
    order = [widget.choose_folder, widget.choose_files, widget.pattern.native, widget.deep, widget.table,
             widget.settings.model.native, widget.settings.output, widget.settings.choose_output,
             widget.settings.format.native, widget.settings.device.native, widget.settings.precision.native,
             widget.settings.tile.native, widget.settings.axes.native, widget.settings.resume,
             widget.settings.overwrite, widget.run, widget.copy_command, widget.copy_table]  # fmt: skip
    chain, at = [order[0]], order[0].nextInFocusChain()
    while at is not order[0]:
        chain.append(at)
        at = at.nextInFocusChain()
    assert [w for w in chain if w in order] == order
    assert not widget.table.tabKeyNavigation()


# Means


def double_click(widget, qtbot, row):
    table = widget.table
    place = table.visualRect(table.files.index(row, 0)).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseDClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)


def watch_shares(monkeypatch, react=lambda _: None):
    """Record how much of a file is done at each step."""
    shares = []
    original = batch_run.Batch._progressed

    def watched(batch, label, index, step):
        shares.append(step.done / step.total)
        react(shares[-1])
        original(batch, label, index, step)

    monkeypatch.setattr(batch_run.Batch, "_progressed", watched)
    return shares


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


def no_bars_left():
    from napari.utils import progress

    return len(progress._all_instances) == 0
