"""The Models widget in real viewers, through its own controls."""

import pytest
import torch
from qtpy.QtCore import QThreadPool

from napari_superres.errors import UntrustedModelError
from napari_superres.inference.check import check_model
from napari_superres.models import ModelCard, add_model, find_card, list_models
from napari_superres.models.architectures import build
from napari_superres.models.builtin import shipped_cards
from napari_superres.models.files import digest, write_model
from napari_superres.models.index import library_entries, model_place
from napari_superres.models.registry import model_path
from napari_superres.plugin import library_work
from napari_superres.plugin.library_events import library
from napari_superres.plugin.model_facts import findings_text
from napari_superres.plugin.models_widget import ModelsWidget

pytestmark = pytest.mark.gui

LONG = 60_000


@pytest.fixture(autouse=True)
def empty_library(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_SUPERRES_MODELS", str(tmp_path / "library"))


@pytest.fixture
def model_file(tmp_path):
    """Make files of tiny networks, each another one."""

    def model_file(name="tiny"):
        torch.manual_seed(sum(map(ord, name)))
        arguments = {"scale": [2, 2], "features": [4, 4]}
        card = ModelCard(
            name="tiny", title="A tiny <b>network</b>", modality="fluorescence", architecture="espcn",
            arguments=arguments, scale=(2, 2), halo=(4, 4), precision={"fp16": 61.2},
        )  # fmt: skip
        return write_model(tmp_path / f"{name}.safetensors", card, build("espcn", arguments).state_dict())

    return model_file


@pytest.fixture
def widget(dock):
    return dock(ModelsWidget)


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


@pytest.fixture
def save_as(monkeypatch):
    """Answer the dialog that saves."""
    from qtpy.QtWidgets import QFileDialog

    def save_as(path):
        def reply(dialog):
            dialog.selectFile(str(path))
            return 1

        monkeypatch.setattr(QFileDialog, "exec", reply)

    return save_as


def press(button, widget, qtbot):
    assert button.isEnabled()
    button.click()
    settled(widget, qtbot)


def settled(widget, qtbot):
    qtbot.waitUntil(lambda: widget.is_ready, timeout=LONG)
    assert widget.bar.isHidden()


def shown(widget):
    """The list: groups with the names in them."""
    tree = widget.models.tree
    tops = [tree.topLevelItem(i) for i in range(tree.topLevelItemCount())]
    return {top.text(0): [top.child(i).text(0) for i in range(top.childCount())] for top in tops}


def row(widget, name):
    from qtpy.QtCore import Qt

    return widget.models.tree.findItems(name, Qt.MatchFlag.MatchExactly | Qt.MatchFlag.MatchRecursive)[0]


def test_models_are_listed_by_what_they_are_for(viewer, widget):
    groups = shown(widget)
    assert list(groups)[-1] == "interpolation"
    assert {n for names in groups.values() for n in names} == {card.name for card in list_models()}
    for group, names in groups.items():
        assert all(find_card(n).modality == group for n in names if group != "interpolation")
    assert row(widget, "fluo-x2").text(1) == find_card("fluo-x2").title
    # The narrowest dock cuts nothing off, and every control says what it is.
    viewer.window.resize(1280, 720)
    assert widget.body.parentWidget().minimumSizeHint().width() <= 300 - 15
    assert widget.models.tree.horizontalScrollBar().maximum() == 0
    for control in (widget.models.search, widget.models.tree, widget.bar, widget.card, widget.facts):
        assert control.toolTip()
    for button in (widget.add_files, widget.add_folder, widget.remove, widget.export, widget.check):
        assert button.toolTip()


def test_the_filter_takes_name_title_and_modality(widget):
    widget.models.search.setText("PHOTO span")
    assert shown(widget) == {}
    assert widget.chosen is None
    assert widget.card.isHidden()
    widget.models.search.setText("x3 photo")
    assert {n for names in shown(widget).values() for n in names} == {c.name for c in shipped_cards() if "x3" in c.name}
    widget.models.tree.setCurrentItem(row(widget, "photo-x3"))
    widget.models.search.setText("x3")
    assert widget.chosen.name == "photo-x3"
    assert "interpolation" in shown(widget)
    widget.models.search.clear()
    assert "CT" in shown(widget)
    assert widget.chosen.name == "photo-x3"


def test_the_card_is_shown_whole(widget):
    widget.models.tree.setCurrentItem(row(widget, "fsrcnn-x2"))
    card, text = find_card("fsrcnn-x2"), widget.card.text()
    for words in (card.title, card.training, card.license, card.limits, "36.73 dB (bicubic 33.65)"):
        assert words in text
    assert 'href="https://doi.org/10.1007/978-3-319-46475-6_25"' in text
    assert "#more" not in text
    assert "8 × 8 px" in widget.facts.text()
    assert "exact" in widget.facts.text()
    sha256 = digest(model_path("fsrcnn-x2"))
    assert widget.file.text() == f"Comes with the program. sha256 {sha256[:12]}…"
    assert sha256 in widget.file.toolTip()
    assert not widget.remove.isEnabled()
    assert widget.export.isEnabled()
    widget.models.choose("bicubic-x2")
    assert not widget.export.isEnabled()
    assert widget.file.text() == "Comes with the program."


def test_a_file_is_added_and_chosen(widget, qtbot, model_file, pick, changes):
    pick(model_file())
    widget.models.search.setText("CT")
    press(widget.add_files, widget, qtbot)
    assert changes == [["tiny"]]
    assert widget.chosen.name == "tiny"
    assert "tiny" in shown(widget)["fluorescence"]
    assert row(widget, "tiny").text(1) == "added · A tiny <b>network</b>"
    assert "<b>network" not in widget.card.text()
    assert widget.status.text() == "Added: tiny."
    assert widget.file.text().startswith("Added on 20")
    assert "from tiny.safetensors" in widget.file.text()
    assert library_entries()["tiny"].sha256 in widget.file.toolTip()
    assert "fp16 61 dB" in widget.facts.text()
    assert "not stated" in widget.facts.text()
    assert widget.remove.isEnabled()


def test_the_same_file_twice_is_warned_about(widget, qtbot, model_file, pick, changes, told):
    pick(model_file())
    press(widget.add_files, widget, qtbot)
    before = shown(widget)
    widget.models.choose("fluo-x2")
    press(widget.add_files, widget, qtbot)
    assert told == ["tiny.safetensors is in the library already, as tiny; nothing was copied."]
    assert shown(widget) == before
    assert widget.chosen.name == "tiny"
    assert widget.status.isHidden()
    assert changes == [["tiny"]]


def test_one_bad_file_keeps_no_other_out(widget, qtbot, tmp_path, model_file, pick, changes):
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"nothing")
    pick(model_file(), bad, model_file("second"))
    press(widget.add_files, widget, qtbot)
    assert changes == [["tiny"], ["second", "tiny"]]
    assert widget.status.text() == "Added: tiny, second."
    assert widget.lines.text() == "bad.safetensors is empty or truncated (7 bytes). Get the file again."
    pick(bad, model_file("fsrcnn-x2"))
    press(widget.add_files, widget, qtbot)
    assert widget.status.isHidden()
    first, second = widget.lines.text().split("\n")
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
    settled(widget, qtbot)
    assert sorted(library_entries()) == ["second", "tiny"]
    assert "third.safetensors does not exist" in widget.lines.text()
    assert all(path.exists() for path in files)


def test_removing_is_asked_about(widget, qtbot, model_file, answer, changes):
    path = model_file()
    widget.add([path])
    settled(widget, qtbot)
    asked = answer("No")
    widget.remove.click()
    assert widget.is_ready
    assert len(asked) == 1
    assert "tiny" in asked[0]
    answer("Yes")
    press(widget.remove, widget, qtbot)
    assert library_entries() == {}
    assert "tiny" not in shown(widget)["fluorescence"]
    assert widget.status.text() == "Removed tiny."
    assert changes == [["tiny"], []]
    assert path.exists()


def test_checking_finds_an_altered_file_and_measures_the_chosen_model(widget, qtbot, model_file, monkeypatch):
    widget.add([model_file(), model_file("second")])
    settled(widget, qtbot)
    place = model_place("second")
    content = bytearray(place.read_bytes())
    content[-1] ^= 1
    place.write_bytes(content)
    measured = []

    def check(name):
        found = check_model(name)
        measured.append(found)
        return found

    monkeypatch.setattr("napari_superres.inference.check.check_model", check)
    widget.models.choose("tiny")
    press(widget.check, widget, qtbot)
    assert widget.lines.text() == (
        "second in the model library is not the file that was added: it was changed or is damaged. "
        "Remove it and add it again."
    )
    assert widget.status.text() == "2 in the library, 1 wrong. tiny was measured."
    (found,) = measured
    assert found["model"] == "tiny"
    assert "tiles are exact" in widget.findings.text()
    assert widget.findings.text() == findings_text(found)
    widget.models.choose("fluo-x2")
    assert widget.findings.isHidden()
    widget.models.choose("tiny")
    assert not widget.findings.isHidden()


def test_a_model_that_cannot_be_used_can_be_removed(widget, qtbot, tmp_path, model_file, answer, told):
    widget.add([model_file()])
    settled(widget, qtbot)
    model_place("tiny").write_bytes(b"cut")
    widget.refresh()
    settled(widget, qtbot)
    assert shown(widget)["cannot be used"] == ["tiny"]
    assert "cannot be used" in widget.card.text()
    assert not widget.export.isEnabled()
    assert told == []
    press(widget.check, widget, qtbot)
    assert widget.lines.text().startswith("tiny in the model library is not the file that was added")
    answer("Yes")
    press(widget.remove, widget, qtbot)
    assert library_entries() == {}
    assert "cannot be used" not in shown(widget)
    (tmp_path / "library" / "library.json").write_text("{")
    widget.refresh()
    settled(widget, qtbot)
    assert "is damaged. Move it away" in widget.lines.text()
    assert "fluorescence" in shown(widget)


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
    settled(widget, qtbot)
    (question,) = asked
    assert "tiny.safetensors is a program" in question
    assert "anything that you can do" in question
    assert digest(path) in question
    assert asked_of == ([False] if button == "No" else [False, True])
    assert changes == ([] if button == "No" else [["tiny"]])
    assert ("was not trusted" in widget.lines.text()) == (button == "No")


def test_a_model_is_exported(widget, qtbot, tmp_path, save_as):
    widget.models.choose("fsrcnn-x2")
    save_as(tmp_path / "copy")
    press(widget.export, widget, qtbot)
    assert widget.status.text() == "fsrcnn-x2 was saved as copy.safetensors."
    assert find_card(tmp_path / "copy.safetensors").citation == find_card("fsrcnn-x2").citation
    save_as(tmp_path / "gone" / "copy")
    press(widget.export, widget, qtbot)
    assert widget.status.isHidden()
    assert "cannot be written" in widget.lines.text() or "does not exist" in widget.lines.text()


def test_a_package_asks_for_what_the_card_does_not_say(widget, qtbot, tmp_path, model_file, save_as, monkeypatch):
    from qtpy.QtWidgets import QInputDialog

    written, asked = [], []

    def export(model, target, **options):
        written.append((model, target, options))
        return target

    answers = {"Author": ("Ada Lovelace", True), "Citation": ("Notes. doi:10.1000/182", True)}

    def ask(parent, title, *_, **__):
        asked.append(title)
        return answers[title]

    monkeypatch.setattr("napari_superres.models.foreign.export.export_bioimageio", export)
    monkeypatch.setattr(QInputDialog, "getText", ask)
    save_as(tmp_path / "package.zip")
    widget.models.choose("fsrcnn-x2")
    press(widget.export, widget, qtbot)
    assert asked == ["Author"]
    options = {"overwrite": True, "authors": ["Ada Lovelace"]}
    assert written == [("fsrcnn-x2", tmp_path / "package.zip", options)]
    widget.add([model_file()])
    settled(widget, qtbot)
    press(widget.export, widget, qtbot)
    assert asked == ["Author", "Author", "Citation"]
    assert written[1][2] == {**options, "cite": ["Notes. doi:10.1000/182"]}
    answers["Author"] = ("", False)
    widget.export.click()
    assert widget.is_ready
    assert len(written) == 2


def test_the_list_follows_the_library(viewer, qtbot, model_file):
    before = len(library.changed)
    widget = ModelsWidget(viewer)
    viewer.window.add_dock_widget(widget)
    settled(widget, qtbot)
    add_model(model_file())
    assert "tiny" not in shown(widget)["fluorescence"]
    library.changed.emit()
    settled(widget, qtbot)
    assert "tiny" in shown(widget)["fluorescence"]
    viewer.window.remove_dock_widget(widget)
    widget.deleteLater()
    qtbot.waitUntil(lambda: len(library.changed) == before, timeout=LONG)
    library.changed.emit()  # nobody who is gone is told


def test_closing_the_viewer_during_the_work_is_no_accident(make_napari_viewer, qtbot, model_file, told):
    viewer = make_napari_viewer()
    widget = ModelsWidget(viewer)
    viewer.window.add_dock_widget(widget)
    qtbot.waitUntil(lambda: widget.is_ready, timeout=LONG)
    widget.add([model_file()])
    viewer.close()
    # Added if it was begun before the viewer went, and else not.
    qtbot.waitUntil(lambda: QThreadPool.globalInstance().activeThreadCount() == 0, timeout=LONG)
    assert set(library_entries()) <= {"tiny"}
    assert told == []
