"""The grid of a card: what it refuses, which cell an image falls into, and the map that is drawn."""

import json

import pytest

from napari_superres.errors import ModelFileError
from napari_superres.models import ModelCard
from napari_superres.models.card_grid import Grid
from napari_superres.models.grid_map import LEGEND, grid_lines, grid_marker

VALUES = {
    "psf_sigma": [0, 0.5, 1],
    "photons": [None, 300, 30],
    "over_bicubic": [[1, 2, 3], [0.2, -0.1, 0.4], [5, 5, 5]],
    "over_classical": [[0.7, 0.2, -0.1], [0.1, -0.4, 0.3], [0.5, 0.4, 0.3]],
    "worst": -0.1,
    "worst_image": "cells: a, sigma 0.5, 300 photons",
    "images": 12,
    "seen": ["nuclei"],
    "unseen": ["cells", "brain"],
    "unseen_over_classical": 0.3,
}


def card(**changed):
    return ModelCard(name="a", architecture="edsr", scale=(2, 2), grid={**VALUES, **changed})


def test_a_grid_survives_the_card():
    assert ModelCard.from_json(card().to_json()) == card()
    assert json.loads(card().to_json())["grid"]["photons"] == [None, 300, 30]
    assert ModelCard.from_json(ModelCard(name="a", architecture="b", scale=(2, 2)).to_json()).grid is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("psf_sigma", [0, 1, 0.5]),
        ("psf_sigma", []),
        ("psf_sigma", "012"),
        ("psf_sigma", [float("nan"), 1, 2]),
        ("psf_sigma", list(range(1000))),
        ("photons", [30, 300, None]),
        ("photons", [None, 30, 300]),
        ("photons", [None, 300, 0]),
        ("over_bicubic", [[1, 2, 3]]),
        ("over_bicubic", [[1, 2], [1, 2], [1, 2]]),
        ("over_classical", None),
        ("by_default", [[1]]),
        ("worst", None),
        ("worst_image", "\x1b[2J"),
        ("worst_image", "a\nsuperres: all good"),
        ("images", 0),
        ("images", True),
        ("seen", "nuclei"),
        ("seen", [1]),
        ("unseen_over_classical", "much"),
        ("flavour", 1),
    ],
)
def test_impossible_grids_are_refused(field, value):
    with pytest.raises(ModelFileError, match=r"grid|must be|needs"):
        card(**{field: value})


def test_an_incomplete_grid_is_refused():
    with pytest.raises(ModelFileError, match=r"grid is incomplete.*worst"):
        ModelCard(name="a", architecture="b", scale=(2, 2), grid={k: v for k, v in VALUES.items() if k != "worst"})


@pytest.mark.parametrize(
    ("psf_sigma", "noise", "cell"),
    [
        (0.0, (0.0, 0.0), (0, 0)),
        (0.6, (1 / 300, 0.0), (1, 1)),
        (9.0, (1 / 30, 0.0), (2, 2)),
        (0.9, (0.0, 0.13), (2, 2)),  # read noise as strong as the shot noise of 30 photons at half the range
        (0.0, (1.0, 0.5), (2, 0)),
        (0.0, (0.0, 0.005), (0, 0)),
    ],
)
def test_an_image_has_a_cell(psf_sigma, noise, cell):
    assert grid_marker(card(), psf_sigma, noise) == cell


def test_a_card_without_a_grid_marks_nothing():
    assert grid_marker(ModelCard(name="a", architecture="b", scale=(2, 2)), 0.0, (0.0, 0.0)) is None


def test_signs_say_what_the_model_beats():
    grid = card().grid
    assert [[grid.sign(row, column) for column in range(3)] for row in range(3)] == [
        ["++", "+", "-"],
        ["+", "--", "+"],
        ["++", "+", "+"],
    ]


def test_the_map_marks_the_image_and_names_the_worst():
    text = list(grid_lines(card(by_default=[[1, 1, 1]] * 3).grid, marker=(1, 1)))
    assert "[-- -0.10]" in text[2]
    assert [line for line in text if "[" in line] == [text[2], f"({LEGEND}; [your image])"]
    assert text[0].split() == ["PSF", "sigma", "0", "0.5", "1"]
    whole = "\n".join(text)
    for words in (
        "worst of 12 images: -0.10 dB",
        "sigma 0.5, 300 photons",
        "+1.00 dB over bicubic on average",
        "brain",
    ):
        assert words in whole
    assert "partly seen" not in whole  # no gain is stated for these


def test_a_grid_is_plain_values():
    assert Grid.from_values(card().grid.to_dict()) == card().grid
