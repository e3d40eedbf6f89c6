"""The place where a check failed is found, and shown in all images at once."""

import re

import numpy as np
import pytest
from helpers.scenes.reported import OBJECT, make_case

from napari_superres import evaluate
from napari_superres.evaluation.reporting.exhibits import nice_length
from napari_superres.evaluation.reporting.spots import short_unit

CONSISTENT = "Is it consistent with its input?"


@pytest.fixture(scope="module")
def case():
    return make_case()


def exhibit_of(result, case, reference=True):
    report = evaluate(result, case.reference if reference else None, lr=case.lr, baselines=())
    return report, report.findings["image"].exhibits


@pytest.mark.parametrize("reference", [True, False])
def test_the_object_is_in_the_middle_of_every_crop(case, reference):
    report, exhibits = exhibit_of(case.lie, case, reference)
    shown = exhibits[CONSISTENT]
    names = ["input", "interpolation", "result", *(["reference"] if reference else []), "residual"]
    assert list(shown.crops) == names
    crop = shown.crops["result"].astype(float)
    assert crop.shape == (64, 64)
    assert shown.crops["input"].shape == shown.crops["residual"].shape == (32, 32), "the same field, coarser pixels"
    extra = crop - shown.crops["interpolation"]
    y, x = np.array(np.nonzero(extra > 1000)).mean(axis=1)
    np.testing.assert_allclose([(y + 0.5) / 64, (x + 0.5) / 64], shown.centre, atol=2.5 / 64)
    peak = np.unravel_index(np.nanargmax(shown.crops["residual"]), (32, 32))
    np.testing.assert_allclose((np.array(peak) + 0.5) / 32, shown.centre, atol=2.5 / 32)
    assert (shown.width, shown.unit) == (pytest.approx(6.4), "micrometer")
    assert "µm" in shown.place
    assert "shows something that its input denies" in report.verdict().sentence


@pytest.mark.parametrize("turned", [False, True])
def test_verdict_reason_and_picture_name_one_place(case, turned):
    """In the coordinates of the world, which napari shows, also where rows run against its axis."""
    affine = np.array([[-0.1 if turned else 0.1, 0, 300], [0, 0.1, -40], [0, 0, 1]])
    coarse = affine @ [[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1]]  # The first corners are the same.
    report = evaluate(case.lie.replace(affine=affine), None, lr=case.lr.replace(affine=coarse))
    (answer,) = (a for a in report.findings["image"].answers if a.question == CONSISTENT)
    shown = report.findings["image"].exhibits[CONSISTENT]
    assert f", at {shown.place}: " in answer.reason
    assert f"worst at {shown.place}" in report.verdict().sentence
    found = re.fullmatch(r"y (\S+), x (\S+) µm", shown.place)
    expected = [300 + affine[0, 0] * OBJECT["Y"], -40 + 0.1 * OBJECT["X"]]
    np.testing.assert_allclose([float(v) for v in found.groups()], expected, atol=0.5)


def test_what_was_removed_is_called_that():
    case = make_case(3)
    values = np.array(case.result.data, np.float64)
    y, x = OBJECT.values()
    values[y - 5 : y + 6, x - 5 : x + 6] = values.min()
    report, exhibits = exhibit_of(case.result.replace(data=values.astype(np.uint16)), case)
    assert exhibits[CONSISTENT].claim == "lacks something that its input shows"
    assert report.verdict().level == "failed"


def test_crops_of_all_images_show_one_field(case):
    """Also at a corner, and where the result covers a part of the input only."""
    y, x = 3, 109
    values = np.array(case.result.data)
    values[y - 3 : y + 4, x - 3 : x + 3] += 3000
    _, exhibits = exhibit_of(case.result.replace(data=values), case)
    crops = exhibits[CONSISTENT].crops
    whole = np.asarray(case.lr.data)
    np.testing.assert_array_equal(crops["input"], whole[:32, -32:])
    np.testing.assert_array_equal(crops["reference"], np.asarray(case.reference.data)[:64, -64:])


def test_the_plane_and_channel_of_the_place_are_shown():
    case = make_case(1, (2, 3, 96, 96), "CZYX", channel=0)
    values = np.array(case.result.data)
    values[0, 2, 30:37, 50:57] += 4000
    _, exhibits = exhibit_of(case.result.replace(data=values), case)
    shown = exhibits[CONSISTENT]
    assert shown.place.startswith("plane 2, channel 0, ")
    assert shown.crops["result"].max() >= 4000
    assert shown.crops["input"].shape == (32, 32)


def test_a_sound_result_has_none(case):
    report, exhibits = exhibit_of(case.result, case)
    assert CONSISTENT not in exhibits
    assert set(report.findings["image"].pictures) == {"input", "interpolation", "result", "reference"}


@pytest.mark.parametrize(("width", "bar"), [(6.4, 2), (1, 0.2), (13, 5), (260, 100), (0.03, 0.01)])
def test_scale_bars_are_round(width, bar):
    assert nice_length(width) == pytest.approx(bar)


def test_units_have_signs():
    assert [short_unit(u) for u in ("micrometer", "pixel", "parsec")] == ["µm", "px", "parsec"]
