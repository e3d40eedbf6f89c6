"""What the Models widget enables and says, without a viewer."""

from dataclasses import replace

from helpers.widgets.tiny_models import FOUND

from napari_superres.models import ModelCard, find_card
from napari_superres.models.library.index import Entry
from napari_superres.plugin.widgets.models.state import ModelsState, adding_text, checked_text, measuring_text
from napari_superres.plugin.widgets.models.work import ListedModel

CARD = ModelCard(name="mine", title="Mine", architecture="espcn", scale=(2, 2), modality="CT")
ENTRY = Entry(sha256="f00d" * 16, size=9, added="2026-01-31T10:00:00", file="mine.pth", source="")
SHIPPED = ListedModel("mine", "beef" * 16, CARD, None)
ADDED = ListedModel("mine", "f00d" * 16, CARD, ENTRY)
DAMAGED = replace(ADDED, card=None)
INTERPOLATION = ListedModel("bicubic-x2", "", find_card("bicubic-x2"), None)


def enabled(state):
    return state.can_remove, state.can_export, state.can_check


def test_what_can_be_pressed_depends_on_the_selected_model():
    assert enabled(ModelsState()) == (False, False, True)
    assert enabled(ModelsState(selected=SHIPPED)) == (False, True, True)
    assert enabled(ModelsState(selected=ADDED)) == (True, True, True)
    assert enabled(ModelsState(selected=DAMAGED)) == (True, False, True)
    assert enabled(ModelsState(selected=INTERPOLATION)) == (False, False, True)
    assert enabled(ModelsState(selected=ADDED, is_busy=True)) == (False, False, False)


def test_the_widget_is_ready_when_the_models_are_listed_and_nothing_is_done():
    assert not ModelsState().is_ready
    assert ModelsState(is_listed=True).is_ready
    assert not ModelsState(is_listed=True, is_busy=True).is_ready


def test_texts_are_of_the_selected_model():
    state = ModelsState()
    assert (state.card_html, state.properties_html, state.origin, state.origin_tooltip) == ("", "", "", "")
    state = ModelsState(selected=ADDED)
    assert "Mine" in state.card_html
    assert "Halo" in state.properties_html
    assert state.origin == "Added on 2026-01-31 from mine.pth. sha256 f00df00df00d…"
    assert state.origin_tooltip == f"sha256 {'f00d' * 16}"
    damaged = ModelsState(selected=DAMAGED)
    assert "cannot be used" in damaged.card_html
    assert damaged.properties_html == ""


def test_measurements_belong_to_one_file_of_a_model():
    state = ModelsState(selected=ADDED).with_measurement(ADDED, FOUND)
    assert state.measurement.startswith("Measured here")
    assert replace(state, selected=SHIPPED).measurement == ""
    assert state.cleared().measurement == state.measurement


def test_problems_are_listed_once_and_cleared_with_the_next_action():
    state = ModelsState(added=("mine",), status="Added: mine.").with_problem("a").with_problem("b").with_problem("a")
    assert state.problem_text == "a\nb"
    assert state.added_text == "Added: mine."
    cleared = state.cleared()
    assert (cleared.problem_text, cleared.added_text, cleared.status) == ("", "", "")


def test_what_is_being_done_is_said():
    assert adding_text("a.pth", 0) == "Adding a.pth: measuring it may take a minute…"
    assert adding_text("a.pth", 2).endswith("… 2 more to add.")
    assert checked_text(["a", "b"], ["a is damaged"]) == "2 in the library, 1 with a problem."
    assert checked_text(["a"], []) == "1 in the library, none with a problem."
    assert measuring_text("mine", 2) == "Measuring mine…"
    assert "minutes" in measuring_text("mine", 3)
