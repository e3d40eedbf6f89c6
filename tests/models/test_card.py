"""The card survives its file format, and refuses impossible values."""

import json
import math

import pytest

from napari_superres.errors import ModelFileError
from napari_superres.models import ModelCard, list_models
from napari_superres.models.card import FORMAT

GOOD = {
    "name": "a-b_c.1",
    "architecture": "fsrcnn",
    "arguments": {"scale": [2, 2]},
    "scale": (2, 2),
    "halo": (8, 8),
    "intensity": "percentile",
    "color": "per-channel",
    "pixel_size": (0.1, 0.5),
    "scores": {"Set5": {"psnr": 36.5}},
    "citation": "Müller & 田中",
    "grid_offset": (0.5, 0.0),
}


@pytest.mark.parametrize("card", [ModelCard(**GOOD), *list_models()], ids=lambda c: c.name)
def test_cards_survive_json(card):
    assert ModelCard.from_json(card.to_json()) == card
    assert json.loads(card.to_json())["format"] == FORMAT


def test_defaults_follow_the_scale():
    card = ModelCard(name="a", architecture="b", scale=(2, 3, 4))
    assert (card.ndim, card.multiple, card.halo) == (3, (1, 1, 1), (0, 0, 0))
    assert card.offset == (0.5, 1.0, 1.5)
    assert ModelCard(**GOOD).offset == (0.5, 0.0)
    assert not ModelCard(**GOOD).is_centred
    assert ModelCard(**{**GOOD, "grid_offset": tuple((s - 1) / 2 for s in GOOD["scale"])}).is_centred


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "a/b"),
        ("name", "../x"),
        ("name", "a b"),
        ("name", "x" * 101),
        ("name", 5),
        ("title", "x" * 30_000),
        ("citation", None),
        ("version", 1),
        ("scale", (2,)),
        ("scale", (2, 2, 2, 2)),
        ("scale", (0, 2)),
        ("scale", (2.0, 2)),
        ("scale", (True, 2)),
        ("scale", "22"),
        ("scale", 2),
        ("scale", (10**6, 2)),
        ("scale", None),
        ("multiple", (1,)),
        ("multiple", (0, 1)),
        ("halo", (-1, 0)),
        ("halo", (8,)),
        ("halo", 8),
        ("intensity", "zscore"),
        ("color", "rgb"),
        ("channels", 2),
        ("channels", "1"),
        ("channels", True),
        ("frames", 4),
        ("frames", 0),
        ("frames", "1"),
        ("arguments", [1]),
        ("scores", "good"),
        ("global_statistics", "no"),
        ("global_statistics", 0),
        ("pixel_size", (1.0,)),
        ("pixel_size", 1.0),
        ("pixel_size", ("a", "b")),
        ("pixel_size", (math.nan, 1.0)),
        ("grid_offset", (0.5,)),
        ("grid_offset", 0.5),
        ("grid_offset", (0.5, True)),
    ],
)
def test_impossible_fields_are_refused(field, value):
    with pytest.raises(ModelFileError, match=rf"{field}|card is incomplete"):
        ModelCard(**{**GOOD, field: value})
    with pytest.raises(ModelFileError):
        ModelCard.from_json(json.dumps({"format": FORMAT, **GOOD, field: value}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "JSON object"),
        ("{}", "its format"),
        ('{"format": "1"}', "its format"),
        ('{"format": 1}', "incomplete"),
        ('{"format": 99}', "newer version.*pip install -U"),
        ('{"format": 1, "flavour": 3}', "unknown fields: flavour"),
        (None, "not JSON"),
        (5, "not JSON"),
    ],
)
def test_texts_that_are_no_card(text, message):
    with pytest.raises(ModelFileError, match=message):
        ModelCard.from_json(text)


def test_a_newer_card_is_named_before_its_unknown_fields():
    text = json.dumps({"format": FORMAT + 1, "something_new": 1})
    with pytest.raises(ModelFileError, match="newer version"):
        ModelCard.from_json(text)


@pytest.mark.parametrize(
    "facts",
    [
        {"title": "\x1b[2Jgone"},
        {"title": "a\nsuperres: all good"},
        {"license": "MIT\x07"},
        {"title": "x" * 301},
        {"limits": "\x9b31m"},
        {"modality": "a\nb"},
    ],
)
def test_texts_cannot_command_a_terminal_or_forge_a_line(facts):
    with pytest.raises(ModelFileError, match=r"control characters|one line each"):
        ModelCard(name="n", architecture="espcn", scale=(2, 2), **facts)
    assert ModelCard(name="n", architecture="espcn", scale=(2, 2), limits="two\nlines").limits
