"""The open list of models: groups, search, keyboard, and what a screen reader says."""

import numpy as np
import pytest
from helpers.scenes.dark import blobs
from qtpy.QtCore import Qt

from napari_superres.models import ModelCard, find_card
from napari_superres.plugin.widgets.common.parts.two_lines import ENTRY
from napari_superres.plugin.widgets.upscale.choosing.model_groups import Known, group_models, titles
from napari_superres.plugin.widgets.upscale.widget import UpscaleWidget


@pytest.fixture(autouse=True)
def library(monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_SUPERRES_MODELS", str(tmp_path / "library" / "models"))


@pytest.fixture
def popup(viewer, dock):
    """The open list for a fluorescence image with pixels of 0.2 µm."""
    widget = dock(UpscaleWidget)
    widget.layer.value = viewer.add_image(blobs((64, 64)), units="um", scale=(0.2, 0.2))
    widget.models.popup.open()
    yield widget.models.popup
    widget.models.popup.hide()


def names(popup):
    return {group: [item.data(0, ENTRY).value for item in items] for group, items in popup.entries.items()}


def test_models_that_fit_come_first_and_interpolation_last(popup):
    shown = names(popup)
    assert list(shown) == ["Fits this layer", "Others", "Interpolation"]
    assert shown["Fits this layer"] == ["fluo-x2", "fluo-x1"]
    assert "photo-x2" in shown["Others"]
    assert "bicubic-x2" in shown["Interpolation"]
    assert sum(map(len, shown.values())) == popup._box.count()


def test_titles_are_first_names_below_and_refusals_say_why(popup):
    entries = {item.data(0, ENTRY).value: item for items in popup.entries.values() for item in items}
    title = find_card("fluo-x2").title
    assert entries["fluo-x2"].text(0) == f"{title}, fluo-x2 · fluorescence"
    assert popup._box.currentText() == title
    refused = entries["movie-x2"]
    assert "axis T" in refused.text(0)  # not by colour alone
    assert not refused.flags() & Qt.ItemFlag.ItemIsEnabled
    popup.tree.itemClicked.emit(refused, 0)
    assert popup.isVisible()


def test_a_search_and_two_keys_choose_a_model(popup, qtbot):
    qtbot.keyClicks(popup.search, "photo X4 espcn")
    assert names(popup) == {"Others": ["espcn-x4"]}
    qtbot.keyClick(popup.search, Qt.Key.Key_Return)
    assert popup.isHidden()
    assert popup._box.currentData() == "espcn-x4"
    qtbot.keyClick(popup._box, Qt.Key.Key_Space)
    assert popup.isVisible()
    assert popup.tree.currentItem().data(0, ENTRY).value == "espcn-x4"
    qtbot.keyClick(popup.search, Qt.Key.Key_Down)
    qtbot.keyClick(popup.search, Qt.Key.Key_Return)
    assert popup._box.currentData() != "espcn-x4"


def test_a_click_opens_this_list_and_not_that_of_the_box(popup, qtbot):
    popup.hide()
    qtbot.mouseClick(popup._box, Qt.MouseButton.LeftButton)
    assert popup.isVisible()
    assert not popup._box.view().isVisible()


def card(name, title, **facts):
    return ModelCard(name=name, title=title, architecture="x", scale=(2, 2), modality="fluorescence", **facts)


def test_models_of_one_title_are_told_apart():
    cards = [(card("a", "Cells"), "a"), (card("b", "Cells"), "b"), (card("c", ""), "c"), (card("a", "Cells"), "/x/a")]
    assert titles(cards) == [("Cells (a) (a)", "a"), ("Cells (b)", "b"), ("c", "c"), ("Cells (a) (/x/a)", "/x/a")]
    assert len({title for title, _ in titles(cards)}) == len(cards)


def test_own_models_and_files_have_a_group():
    cards = [(card("mine", "Mine"), "mine"), (card("file", "File"), "/x/file"), (card("fit", "Fit"), "fit")]
    groups = dict(group_models(cards, Known(suited=("fit",), own={"mine", "fit"})))
    assert {name: [entry.value for entry in entries] for name, entries in groups.items()} == {
        "Fits this layer": ["fit"],
        "Yours": ["mine", "/x/file"],
    }
    assert groups["Fits this layer"][0].line == "fit · fluorescence · yours"


def test_nothing_fits_where_nothing_is_known(viewer, dock):
    widget = dock(UpscaleWidget)
    widget.layer.value = viewer.add_image(np.random.default_rng(0).integers(20, 230, (64, 64)).astype(np.uint8))
    assert "Fits this layer" not in dict(widget.models._groups())
