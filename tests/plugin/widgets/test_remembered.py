"""Settings and fold states are remembered until the next session."""

import pytest
from magicgui.widgets import ComboBox
from qtpy.QtWidgets import QCheckBox, QLabel

from napari_superres.plugin.widgets.common.parts import remembered
from napari_superres.plugin.widgets.common.parts.fold import fold
from napari_superres.plugin.widgets.common.parts.remembered import remember
from napari_superres.plugin.widgets.compare.widget import CompareWidget
from napari_superres.plugin.widgets.upscale.widget import UpscaleWidget

pytestmark = pytest.mark.gui


def made(qtbot, choices=("a", "b", "c")):
    box, tick, section = ComboBox(choices=choices), QCheckBox(), fold("Advanced", QLabel("x"))
    for native in (box.native, tick, section):
        qtbot.addWidget(native)
    remember("panel", box=box, tick=tick, section=section)
    return box, tick, section


def test_what_was_changed_comes_back(qtbot):
    box, tick, section = made(qtbot)
    box.value = "b"
    tick.setChecked(True)
    section.expand(animate=False)
    box, tick, section = made(qtbot)
    assert (box.value, tick.isChecked(), section.isExpanded()) == ("b", True, True)
    section.collapse(animate=False)
    assert not made(qtbot)[2].isExpanded()


@pytest.mark.parametrize("text", ["{", "[]", '{"panel": 3}', '{"panel": {"box": ["b"], "tick": "yes", "section": 1}}'])
def test_a_damaged_file_is_as_none(qtbot, text):
    file = remembered._file()
    file.parent.mkdir(parents=True)
    file.write_text(text)
    box, tick, section = made(qtbot)
    assert (box.value, tick.isChecked(), section.isExpanded()) == ("a", False, False)


def test_a_value_that_is_no_longer_offered_is_forgotten(qtbot):
    made(qtbot)[0].value = "c"
    assert made(qtbot, choices=("a", "b"))[0].value == "a"


def test_super_resolve_is_as_it_was_left(viewer, dock):
    first = dock(UpscaleWidget)
    assert not first.advanced.isExpanded()
    first.advanced.expand(animate=False)
    first.tile.value = "128"
    first.tta.value = True
    second = dock(UpscaleWidget)
    assert (second.advanced.isExpanded(), second.tile.value, second.tta.value) == (True, "128", True)
    assert second.state.tta


def test_compare_opens_the_parts_that_were_open(dock):
    first = dock(CompareWidget)
    assert not any(section.isExpanded() for section in first.sections.values())
    first.sections["All numbers"].expand(animate=False)
    second = dock(CompareWidget)
    assert [title for title, section in second.sections.items() if section.isExpanded()] == ["All numbers"]
