"""What the Models widget adds to the library and removes from it, and what it asks about that, in real viewers."""

import pytest
from helpers.widgets.tiny_models import names_by_group, press, row, wait_until_ready
from qtpy.QtCore import Qt

from napari_superres.errors import UntrustedModelError
from napari_superres.models import add_model
from napari_superres.models.library.index import library_entries, library_path
from napari_superres.models.model_file import digest
from napari_superres.plugin.widgets.common.library_events import library
from napari_superres.plugin.widgets.models import work as library_work

pytestmark = [pytest.mark.gui, pytest.mark.slow]


@pytest.fixture
def changes():
    """Count what open widgets are told."""
    heard = []

    def hear():
        heard.append(sorted(library_entries()))

    library.changed.connect(hear)
    yield heard
    library.changed.disconnect(hear)


@pytest.fixture
def answer(monkeypatch):
    """Answer questions, and keep what was asked."""
    from qtpy.QtWidgets import QMessageBox

    asked = []

    def answer(button):
        def reply(box):
            assert box.defaultButton() is box.button(QMessageBox.StandardButton.No)
            asked.append(box.text())
            return QMessageBox.StandardButton[button]

        monkeypatch.setattr(QMessageBox, "exec", reply)
        return asked

    return answer


@pytest.fixture
def pick(monkeypatch):
    """Answer the dialog that opens files."""
    from qtpy.QtWidgets import QFileDialog

    def pick(*paths):
        monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([str(p) for p in paths], ""))

    return pick


def test_a_file_is_added_and_chosen(widget, qtbot, model_file, pick, changes):
    pick(model_file())
    widget.models.search.setText("CT")
    press(widget.add_files, widget, qtbot)
    assert changes == [["tiny"]]
    assert widget.selected.name == "tiny"
    assert "tiny" in names_by_group(widget)["fluorescence"]
    words = row(widget, "tiny").data(0, Qt.ItemDataRole.AccessibleTextRole)
    assert words == "A tiny <b>network</b>, tiny · x2 · fluorescence · added"
    assert "<b>network" not in widget.card.text()
    assert widget.status.text() == "Added: tiny."
    assert widget.origin.text().startswith("Added on 20")
    assert "from tiny.safetensors" in widget.origin.text()
    assert library_entries()["tiny"].sha256 in widget.origin.toolTip()
    assert "fp16 61 dB" in widget.properties.text()
    assert "not stated" in widget.properties.text()
    assert widget.remove.isEnabled()


def test_the_same_file_twice_is_warned_about(widget, qtbot, model_file, pick, changes, told):
    pick(model_file())
    press(widget.add_files, widget, qtbot)
    before = names_by_group(widget)
    widget.models.select("fluo-x2")
    press(widget.add_files, widget, qtbot)
    assert told == ["tiny.safetensors is in the library already, as tiny; nothing was copied."]
    assert names_by_group(widget) == before
    assert widget.selected.name == "tiny"
    assert widget.status.isHidden()
    assert changes == [["tiny"]]


def test_one_bad_file_keeps_no_other_out(widget, qtbot, tmp_path, model_file, pick, changes):
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"nothing")
    pick(model_file(), bad, model_file("second"))
    press(widget.add_files, widget, qtbot)
    assert changes == [["tiny"], ["second", "tiny"]]
    assert widget.status.text() == "Added: tiny, second."
    assert widget.problems.text() == "bad.safetensors is empty or truncated (7 bytes). Get the file again."
    pick(bad, model_file("fsrcnn-x2"))
    press(widget.add_files, widget, qtbot)
    assert widget.status.isHidden()
    first, second = widget.problems.text().split("\n")
    assert first.startswith("bad.safetensors is empty")
    assert second.startswith("fsrcnn-x2.safetensors: a model that comes with the program is called")
    assert len(changes) == 2


def test_dropped_files_are_added(widget, qtbot, tmp_path, model_file):
    from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
    from qtpy.QtGui import QDragEnterEvent, QDropEvent
    from qtpy.QtWidgets import QApplication

    copy, move = Qt.DropAction.CopyAction, Qt.DropAction.MoveAction

    def drop(*urls, actions=copy | move):
        data = QMimeData()
        data.setUrls([QUrl(url) for url in urls])
        rest = actions, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        enter, end = QDragEnterEvent(QPoint(5, 5), *rest), QDropEvent(QPointF(5, 5), *rest)
        enter.ignore()
        QApplication.sendEvent(widget, enter)
        if enter.isAccepted():
            QApplication.sendEvent(widget, end)
            assert end.dropAction() == copy  # a move would delete the file
        return enter.isAccepted()

    assert not drop("https://example.org/model.pth")
    assert not widget.models.search.acceptDrops()
    files = [model_file(), model_file("second")]
    assert not drop(files[0].as_uri(), actions=move)
    assert drop(*(path.as_uri() for path in files))
    assert drop((tmp_path / "third.safetensors").as_uri())
    wait_until_ready(widget, qtbot)
    assert sorted(library_entries()) == ["second", "tiny"]
    assert "third.safetensors does not exist" in widget.problems.text()
    assert all(path.exists() for path in files)


def test_removing_is_asked_about(widget, qtbot, model_file, answer, changes):
    path = model_file()
    widget.add([path])
    wait_until_ready(widget, qtbot)
    asked = answer("No")
    widget.remove.trigger()
    assert widget.is_ready
    assert len(asked) == 1
    assert "tiny" in asked[0]
    answer("Yes")
    press(widget.remove, widget, qtbot)
    assert library_entries() == {}
    assert "tiny" not in names_by_group(widget)["fluorescence"]
    assert widget.status.text() == "Removed tiny."
    assert changes == [["tiny"], []]
    assert path.exists()


def test_a_model_that_cannot_be_used_can_be_removed(widget, qtbot, tmp_path, model_file, answer, told):
    widget.add([model_file()])
    wait_until_ready(widget, qtbot)
    library_path("tiny").write_bytes(b"cut")
    widget.refresh()
    wait_until_ready(widget, qtbot)
    assert names_by_group(widget)["cannot be used"] == ["tiny"]
    assert "cannot be used" in widget.card.text()
    assert not widget.export.isEnabled()
    assert told == []
    press(widget.check, widget, qtbot)
    assert widget.problems.text().startswith("tiny in the model library is not the file that was added")
    answer("Yes")
    press(widget.remove, widget, qtbot)
    assert library_entries() == {}
    assert "cannot be used" not in names_by_group(widget)
    (tmp_path / "library" / "library.json").write_text("{")
    widget.refresh()
    wait_until_ready(widget, qtbot)
    assert "is damaged. Move it away" in widget.problems.text()
    assert "fluorescence" in names_by_group(widget)


@pytest.mark.parametrize("button", ["No", "Yes"])
def test_a_program_is_added_only_when_it_is_trusted(widget, qtbot, model_file, monkeypatch, answer, changes, button):
    asked_of = []

    def careful(path, *, trust=False):
        asked_of.append(trust)
        if not trust:
            raise UntrustedModelError(f"{path.name} is a program")
        return add_model(path)

    monkeypatch.setattr(library_work, "add_model", careful)
    asked = answer(button)
    path = model_file()
    widget.add([path])
    wait_until_ready(widget, qtbot)
    (question,) = asked
    assert "tiny.safetensors is a program" in question
    assert "anything that you can do" in question
    assert digest(path) in question
    assert asked_of == ([False] if button == "No" else [False, True])
    assert changes == ([] if button == "No" else [["tiny"]])
    assert ("was not trusted" in widget.problems.text()) == (button == "No")
