import numpy as np
import pytest

from napari_superres.core.color import luma
from napari_superres.errors import EvaluationError, SettingsError
from napari_superres.evaluation.metrics.conventions import ComparisonRules


def test_luma_of_bt601():
    corners = np.array([[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
    assert luma(corners) == pytest.approx([16, 235, 81.481, 144.553, 40.966])
    assert luma(np.array([255, 255, 255, 3], np.uint8)) == pytest.approx(235)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("dtype", 65535), ("reference-range", 1000), (None, 998), ("reference-percentile", 998), ("fixed:4095", 4095)],
)
def test_data_range_policies(policy, expected):
    reference = np.arange(100, 1101, dtype=np.uint16).reshape(1, 7, 143)
    low, high = ComparisonRules.parse("microscopy", policy).intensity_limits(reference, reference.dtype)
    assert high - low == pytest.approx(expected)


def test_the_range_ignores_invalid_pixels():
    low, high = ComparisonRules.parse("microscopy", "reference-range").intensity_limits(
        np.array([np.nan, 1.0, np.inf, 4.0]), np.dtype(float)
    )
    assert (low, high) == (1.0, 4.0)


def test_a_hot_pixel_does_not_widen_the_range_and_sparse_spots_still_have_one():
    values = np.random.default_rng(0).uniform(100, 200, (1, 64, 64))
    rules = ComparisonRules.parse("microscopy", None)
    usual = rules.intensity_limits(values, values.dtype)
    values[0, 5, 6] = 65535
    low, high = rules.intensity_limits(values, values.dtype)
    assert high - low == pytest.approx(usual[1] - usual[0], rel=0.01)
    spots = np.zeros((1, 64, 64))
    spots[0, 30, 30] = 50
    assert rules.intensity_limits(spots, spots.dtype) == (0, 50)


def test_what_the_paper_convention_compares():
    rules = ComparisonRules.parse("sr-paper", None)
    rgb = np.random.default_rng(0).integers(0, 256, (1, 20, 24, 3), np.uint8)
    assert np.array_equal(rules.compared_values(rgb, True, (2, 3)), luma(rgb)[:, 2:-2, 3:-3])
    assert np.array_equal(rules.compared_values(rgb[..., 0], False, (4, 4)), rgb[:, 4:-4, 4:-4, 0])
    assert rules.intensity_limits(rgb, rgb.dtype) == (0.0, 255.0)


@pytest.mark.parametrize(
    ("convention", "policy", "says"),
    [
        ("matlab", None, "microscopy, sr-paper"),
        ("microscopy", "max", "reference-percentile"),
        ("microscopy", "fixed:many", "fixed:4095"),
        ("microscopy", "fixed:-1", "above 0"),
        ("sr-paper", "reference-range", "to 255"),
    ],
)
def test_unknown_rules_are_named(convention, policy, says):
    with pytest.raises(SettingsError, match=says):
        ComparisonRules.parse(convention, policy)


def test_data_that_the_rules_cannot_take():
    paper = ComparisonRules.parse("sr-paper", None)
    with pytest.raises(EvaluationError, match="8-bit"):
        paper.compared_values(np.zeros((1, 30, 30), np.uint16), False, (2, 2))
    with pytest.raises(EvaluationError, match="Give the input as `lr`"):
        paper.compared_values(np.zeros((1, 30, 30), np.uint8), False, None)
    with pytest.raises(EvaluationError, match="nothing is left"):
        paper.compared_values(np.zeros((1, 8, 30), np.uint8), False, (4, 4))
    with pytest.raises(EvaluationError, match="integer type"):
        ComparisonRules.parse("microscopy", "dtype").intensity_limits(np.ones(3), np.dtype(float))
    with pytest.raises(EvaluationError, match="no finite pixel"):
        ComparisonRules.parse("microscopy", None).intensity_limits(np.array([np.nan]), np.dtype(float))
