"""What the Compare widget enables, suggests and says, without a viewer."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from napari_superres.plugin.widgets.compare.state import MAP, PARTNERS, CompareState, suggest_layers


def layer(name, shape=(8, 8), **metadata):
    return SimpleNamespace(name=name, data=np.zeros(shape), metadata=metadata)


LOW, RESULT, REFERENCE = layer("cells", (4, 4)), layer("cells [fluo-x2]", provenance={}), layer("reference")
COMPLETE = CompareState(RESULT, REFERENCE, LOW)


def abilities(state):
    names = ("can_press_measure", "can_correlate", "can_plot_spectra", "can_draw_profile", "can_save")
    return [getattr(state, name) for name in names], [state.can_map(n) for n in ("reference", "input", "model")]


def test_everything_can_be_done_with_all_layers():
    assert abilities(COMPLETE) == ([True] * 5, [True] * 3)
    assert COMPLETE.measure_label == "Measure"
    assert COMPLETE.hint == ""


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"lr": None}, ([True] * 5, [True, False, False])),
        ({"lr": RESULT}, ([True] * 5, [True, False, False])),
        ({"reference": None}, ([True, False, True, True, True], [False, True, True])),
        ({"reference": RESULT}, ([True, False, True, True, True], [False, True, True])),
        ({"result": None}, ([False, False, False, False, True], [False] * 3)),
    ],
)
def test_what_is_missing_disables_what_needs_it(change, expected):
    assert abilities(replace(COMPLETE, **change)) == expected


def test_one_thing_is_computed_at_a_time():
    job, interpolation = (replace(COMPLETE, activity=activity) for activity in ("job", "interpolation"))
    assert abilities(job) == ([True, False, False, True, False], [False] * 3)  # a job can be cancelled
    assert job.measure_label == "Cancel"
    assert abilities(interpolation) == ([False, False, False, True, False], [False] * 3)
    assert interpolation.measure_label == "Measure"


def test_a_layer_has_one_role_only():
    assert COMPLETE.layers == {"result": RESULT, "reference": REFERENCE, "input": LOW}
    assert replace(COMPLETE, lr=RESULT, reference=None).layers == {"result": RESULT}
    assert replace(COMPLETE, result=None).layers == {"reference": REFERENCE, "input": LOW}


def test_the_partner_of_the_result():
    assert [COMPLETE.partner(role) for role in PARTNERS] == [REFERENCE, LOW, LOW]
    assert [replace(COMPLETE, lr=None).partner(role) for role in PARTNERS] == [REFERENCE, None, None]
    assert [replace(COMPLETE, result=None).partner(role) for role in PARTNERS] == [None] * 3


def test_the_convention_may_fix_the_range():
    assert COMPLETE.evaluate_options == {
        "convention": "microscopy",
        "data_range": "reference-percentile",
        "register": False,
    }
    paper = replace(COMPLETE, convention="sr-paper", register=True)
    assert not paper.can_choose_range
    assert replace(paper, reference=None).evaluate_options == {}
    assert paper.evaluate_options == {"convention": "sr-paper", "data_range": None, "register": True}


def test_what_is_missing_is_said():
    assert "same layer" in replace(COMPLETE, reference=RESULT).hint
    assert replace(COMPLETE, reference=None).hint == ""
    assert "input of the result" in replace(COMPLETE, reference=None, lr=None).hint
    assert "reference scan" in CompareState().hint


def test_the_newest_result_its_reference_and_its_input_are_suggested():
    other = layer("other", (8, 8))
    assert suggest_layers([other, RESULT, REFERENCE, LOW]) == (RESULT, REFERENCE, LOW)
    assert suggest_layers([other, RESULT]) == (RESULT, other, None)
    assert suggest_layers([RESULT, LOW]) == (RESULT, None, LOW)
    assert suggest_layers([other, LOW]) == (other, None, None)
    assert suggest_layers([RESULT, layer("cells [photo-x2]", provenance={}), LOW]) == (RESULT, None, LOW)
    assert suggest_layers([RESULT, layer("SSIM of cells", **{MAP: "SSIM"})]) == (RESULT, None, None)
    assert suggest_layers([]) is None
