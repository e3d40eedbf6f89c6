"""Models by name, by file, and interpolation at any integer scale."""

import pickle
import shutil
from dataclasses import replace
from unittest.mock import patch

import pytest
from PIL import Image

from napari_superres.errors import ModelFileError, SuperResWarning, UnknownModelError
from napari_superres.models import Model, find_card, list_models, load_model
from napari_superres.models.library.shipped import thumbnail_file, thumbnail_folder
from napari_superres.models.model_file import write_model
from napari_superres.models.probes.halo import measure_reach


def test_names_are_unique_and_load():
    cards = list_models()
    assert len({card.name for card in cards}) == len(cards)
    assert {"nearest-x2", "bicubic-x3", "lanczos-x4"} <= {card.name for card in cards}
    learned = [card for card in cards if not card.is_interpolation]
    assert "fsrcnn-x2" in {card.name for card in learned}
    for card in learned:
        model = load_model(card.name)
        assert isinstance(model, Model)
        assert model.card == card == find_card(card.name)
        assert model.module is not None
        assert len(model.sha256) == 64
        assert card.license
        assert "doi" in card.citation
        assert card.training
        assert card.limits
        assert card.scores or card.grid, f"{card.name} has no scores on its card"


@pytest.mark.parametrize("card", list_models(), ids=lambda c: c.name)
def test_the_halo_on_the_card_suffices(card):
    """Measured on the deployed network, which is the one that runs."""
    reach = measure_reach(load_model(card.name).runner, card.scale, channels=card.inputs, multiple=card.multiple)
    assert not reach.is_global
    assert all(c >= m for c, m in zip(card.halo, reach.halo, strict=True)), reach


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("fsrcnn-x", "fsrcnn-x2"), ("FSRCNN-x2", "fsrcnn-x2"), ("bicubic_x2", "bicubic-x2"), ("lancos-x4", "lanczos-x4")],
)
def test_an_unknown_name_suggests_near_ones(wrong, right):
    with pytest.raises(UnknownModelError, match=rf"'{wrong}'.*Did you mean.*{right}"):
        load_model(wrong)


@pytest.mark.parametrize("name", ["", "zzzz", "nearest-x1", "bicubic-x1x1", "bicubic-x65", "bicubic-x0"])
def test_names_that_mean_nothing(name):
    with pytest.raises((UnknownModelError, ModelFileError)) as error:
        load_model(name)
    assert not isinstance(error.value, UnknownModelError) or isinstance(error.value, KeyError)


def test_a_missing_file(tmp_path):
    for name in (tmp_path / "x.safetensors", "models/x", "x.safetensors"):
        with pytest.raises(ModelFileError, match="does not exist"):
            load_model(name)


def test_a_model_is_known_by_its_file(model_file):
    for stem, name in (("renamed", "renamed"), ("my model (1)", "my-model--1-"), ("ü" * 3, "ü" * 3)):
        copy = model_file.with_name(f"{stem}.safetensors")
        shutil.copy(model_file, copy)
        assert load_model(str(copy)).card.name == find_card(copy).name == name


def test_a_folder_is_not_a_model(tmp_path):
    (tmp_path / "m.safetensors").mkdir()
    with pytest.raises(ModelFileError):
        load_model(tmp_path / "m.safetensors")


@pytest.mark.parametrize("kernel", ["nearest", "bicubic", "lanczos", "area-spline"])
@pytest.mark.parametrize(
    ("text", "scale"), [("x2", (2, 2)), ("x7", (7, 7)), ("x1x3", (1, 3)), ("x2x1x1", (2, 1, 1)), ("x1x2x3", (1, 2, 3))]
)
def test_interpolation_at_any_scale(kernel, text, scale):
    model = load_model(f"{kernel}-{text}")
    assert model.module is None
    assert model.card.scale == scale
    assert model.card.is_interpolation
    assert measure_reach(model.runner, scale).halo <= model.card.halo


def test_cards_can_be_pickled():
    card = find_card("fsrcnn-x2")
    assert pickle.loads(pickle.dumps(card)) == card


def test_a_card_whose_halo_is_too_small_is_corrected_by_measurement(espcn, tmp_path):
    """The first load measures; later ones remember."""
    card, weights = espcn
    lying = write_model(tmp_path / "lying.safetensors", replace(card, halo=(1, 1)), weights)
    with pytest.warns(SuperResWarning, match=r"The card of lying is wrong: halo \(1, 1\), measured \(4, 4\)\."):
        found = load_model(lying)
    assert found.card.halo == (4, 4)
    with patch("napari_superres.models.probes.tiles.measure_reach") as measured, pytest.warns(SuperResWarning):
        assert load_model(lying).card == found.card
    measured.assert_not_called()


def test_thumbnails_show_shipped_models_and_name_their_source():
    pictures = list(thumbnail_folder().glob("*.png"))
    assert "fluo-x2" in {path.stem for path in pictures}
    for path in pictures:
        assert thumbnail_file(path.stem) == path
        with Image.open(path) as picture:
            assert picture.info["Source"]
            assert picture.height == 96
        assert path.stat().st_size < 50_000
    assert thumbnail_file("bicubic-x2") is None
    assert thumbnail_file("../fluo-x2") is None
