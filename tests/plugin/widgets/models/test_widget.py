"""What the Models widget lists, shows, checks and exports, and how it follows the library, in real viewers."""

import pytest
from helpers.scenes.dark import blobs
from helpers.widgets.tiny_models import LONG, names_by_group, press, row, wait_until_ready
from qtpy.QtCore import QThreadPool

from napari_superres.inference.measure.check import check_model
from napari_superres.models import add_model, find_card, list_models
from napari_superres.models.library.index import library_entries, library_path
from napari_superres.models.library.registry import model_path
from napari_superres.models.library.shipped import shipped_cards
from napari_superres.models.model_file import digest
from napari_superres.plugin.widgets.common.library_events import library
from napari_superres.plugin.widgets.common.parts.two_lines import ENTRY
from napari_superres.plugin.widgets.models.card_text import measurement_text
from napari_superres.plugin.widgets.models.widget import ModelsWidget

pytestmark = pytest.mark.gui


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


def test_models_are_listed_by_what_they_are_for(viewer, widget):
    groups = names_by_group(widget)
    assert list(groups)[-1] == "interpolation"
    assert {n for names in groups.values() for n in names} == {card.name for card in list_models()}
    for group, names in groups.items():
        assert all(find_card(n).modality == group for n in names if group != "interpolation")
    assert row(widget, "fluo-x2").text(1) == find_card("fluo-x2").title
    # The narrowest dock cuts nothing off, and every control says what it is.
    viewer.window.resize(1280, 720)
    assert widget.body.parentWidget().minimumSizeHint().width() <= 300 - 15
    assert widget.models.tree.horizontalScrollBar().maximum() == 0
    for control in (widget.models.search, widget.models.tree, widget.bar, widget.card, widget.properties):
        assert control.toolTip()
    actions = (widget.add_files, widget.add_folder, widget.export, widget.check, widget.remove)
    assert tuple(widget.more.menu().actions()) == actions
    for control in (widget.use, widget.more, *actions):
        assert control.toolTip()


def test_the_filter_takes_name_title_and_modality(widget):
    widget.models.search.setText("PHOTO span")
    assert names_by_group(widget) == {}
    assert widget.selected is None
    assert widget.card.isHidden()
    widget.models.search.setText("x3 photo")
    assert {n for names in names_by_group(widget).values() for n in names} == {
        c.name for c in shipped_cards() if "x3" in c.name
    }
    widget.models.tree.setCurrentItem(row(widget, "photo-x3"))
    widget.models.search.setText("x3")
    assert widget.selected.name == "photo-x3"
    assert "interpolation" in names_by_group(widget)
    widget.models.search.clear()
    assert "CT" in names_by_group(widget)
    assert widget.selected.name == "photo-x3"


def test_the_card_is_shown_whole(widget):
    widget.models.tree.setCurrentItem(row(widget, "fsrcnn-x2"))
    card, text = find_card("fsrcnn-x2"), widget.card.text()
    for words in (card.title, card.training, card.license, card.limits, "36.73 dB (bicubic 33.65, lanczos "):
        assert words in text
    assert 'href="https://doi.org/10.1007/978-3-319-46475-6_25"' in text
    assert "#more" not in text
    assert "8 × 8 px" in widget.properties.text()
    assert "exact" in widget.properties.text()
    sha256 = digest(model_path("fsrcnn-x2"))
    assert widget.origin.text() == f"Comes with the program. sha256 {sha256[:12]}…"
    assert sha256 in widget.origin.toolTip()
    assert not widget.remove.isEnabled()
    assert widget.export.isEnabled()
    widget.models.select("bicubic-x2")
    assert not widget.export.isEnabled()
    assert widget.origin.text() == "Comes with the program."


def test_checking_finds_an_altered_file_and_measures_the_chosen_model(widget, qtbot, model_file, monkeypatch):
    widget.add([model_file(), model_file("second")])
    wait_until_ready(widget, qtbot)
    place = library_path("second")
    content = bytearray(place.read_bytes())
    content[-1] ^= 1
    place.write_bytes(content)
    measured = []

    def check(name, **options):
        found = check_model(name, **options)
        measured.append(found)
        return found

    monkeypatch.setattr("napari_superres.inference.measure.check.check_model", check)
    widget.models.select("tiny")
    press(widget.check, widget, qtbot)
    assert widget.problems.text() == (
        "second in the model library is not the file that was added: it was changed or is damaged. "
        "Remove it with “Remove…” in Models, then add it again."
    )
    assert widget.status.text() == "2 in the library, 1 with a problem. tiny was measured."
    (found,) = measured
    assert found["model"] == "tiny"
    assert "tiles are exact" in widget.measurement.text()
    assert widget.measurement.text() == measurement_text(found)
    widget.models.select("fluo-x2")
    assert widget.measurement.isHidden()
    widget.models.select("tiny")
    assert not widget.measurement.isHidden()


def test_a_model_is_exported(widget, qtbot, tmp_path, save_as):
    widget.models.select("fsrcnn-x2")
    save_as(tmp_path / "copy")
    press(widget.export, widget, qtbot)
    assert widget.status.text() == "fsrcnn-x2 was saved as copy.safetensors."
    assert find_card(tmp_path / "copy.safetensors").citation == find_card("fsrcnn-x2").citation
    save_as(tmp_path / "gone" / "copy")
    press(widget.export, widget, qtbot)
    assert widget.status.isHidden()
    assert "gone does not exist. Create it first." in widget.problems.text()


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

    monkeypatch.setattr("napari_superres.models.export.bioimageio.export_bioimageio", export)
    monkeypatch.setattr(QInputDialog, "getText", ask)
    save_as(tmp_path / "package.zip")
    widget.models.select("fsrcnn-x2")
    press(widget.export, widget, qtbot)
    assert asked == ["Author"]
    options = {"overwrite": True, "author": ["Ada Lovelace"]}
    assert written == [("fsrcnn-x2", tmp_path / "package.zip", options)]
    widget.add([model_file()])
    wait_until_ready(widget, qtbot)
    press(widget.export, widget, qtbot)
    assert asked == ["Author", "Author", "Citation"]
    assert written[1][2] == {**options, "cite": ["Notes. doi:10.1000/182"]}
    answers["Author"] = ("", False)
    widget.export.trigger()
    assert widget.is_ready
    assert len(written) == 2


def test_the_list_follows_the_library(viewer, qtbot, model_file):
    before = len(library.changed)
    widget = ModelsWidget(viewer)
    viewer.window.add_dock_widget(widget)
    wait_until_ready(widget, qtbot)
    add_model(model_file())
    assert "tiny" not in names_by_group(widget)["fluorescence"]
    library.changed.emit()
    wait_until_ready(widget, qtbot)
    assert "tiny" in names_by_group(widget)["fluorescence"]
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


def test_use_chooses_the_model_in_super_resolve(viewer, widget, qtbot):
    widget.models.select("photo-x4")
    widget.use.click()
    using = next(w for w in viewer.window.dock_widgets.values() if type(w).__name__ == "UpscaleWidget")
    assert using.model.value == "photo-x4"
    qtbot.waitUntil(lambda: using.is_ready)
    viewer.window.remove_dock_widget(using)
    using.deleteLater()


def test_the_list_says_what_fits_the_active_layer(viewer, widget, qtbot):
    def entry(name):
        return row(widget, name).data(0, ENTRY)

    assert entry("fluo-x2").title == find_card("fluo-x2").title
    assert entry("fluo-x2").line == "fluo-x2 · x2 · fluorescence"
    viewer.add_image(blobs((64, 64)), units="um", scale=(0.2, 0.2), name="cells")
    qtbot.waitUntil(lambda: entry("fluo-x2").line.endswith("fits cells"))
    assert "fits" not in entry("photo-x2").line
    assert (entry("movie-x2").is_refused, entry("movie-x2").line[-19:]) == (True, "cannot run on cells")
    viewer.layers.clear()
    assert entry("fluo-x2").line == "fluo-x2 · x2 · fluorescence"


def test_a_picture_shows_the_model_before_and_after(widget):
    widget.models.select("fluo-x2")
    assert not widget.thumbnail.isHidden()
    assert not widget.thumbnail.pixmap().isNull()
    widget.models.select("bicubic-x2")
    assert widget.thumbnail.isHidden()
