"""Recipes: the shipped ones are complete, and mistakes are found before training."""

from dataclasses import replace

import pytest
from helpers.recipes import TINY

from napari_superres.errors import TrainingError
from napari_superres.models import ModelCard
from napari_superres.models.architectures import build, list_architectures
from napari_superres.models.library.registry import find_card
from napari_superres.training import list_recipes, load_recipe


@pytest.mark.parametrize("name", list_recipes())
def test_shipped_recipes_are_whole(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.architecture in list_architectures()
    assert recipe.minutes > 0
    build(recipe.architecture, recipe.network_arguments)
    assert not recipe.start or find_card(recipe.start).name == recipe.start, "users have these weights too"
    card = ModelCard(
        name=name,
        architecture=recipe.architecture,
        scale=recipe.scale,
        **{"degradation": recipe.instrument.describe(), **recipe.card},
    )
    assert card.license
    assert "doi" in card.citation
    assert card.limits
    assert card.degradation


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be used: it needs architecture, scale, data"),
        ("architecture = ", "cannot be used"),
        ('colour = "red"', "cannot be used: unknown entry 'colour'. Valid entries: architecture"),
        ('architecture = "espcn"\nscale = [2, 3]\ndata = ["a"]', "one factor"),
        ('architecture = "espcn"\nscale = [0, 0]\ndata = ["a"]', "whole numbers"),
        ('architecture = "espcn"\nscale = [2, 2]\ndata = ["a", "b"]\nshares = [1]', "one number per folder of data, 2"),
        ('architecture = "espcn"\nscale = [2, 2]\ndata = ["a"]\nshares = [0]', "numbers above 0"),
        ('architecture = "espcn"\nscale = [2, 2]\ndata = ["a"]\nchannel = "red"', "'luma' or 'each'"),
        ('architecture = "espcn"\nscale = [2, 2]\ndata = ["a"]\n[degradation]\nkind = "magic"', "kind must be"),
        ('architecture = "espcn"\nscale = [2, 2]\ndata = ["a"]\n[degradation]\nkind = "optics"', "needs psf_sigma"),
    ],
)
def test_recipes_that_cannot_be(text, said, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(TrainingError, match=said):
        load_recipe(path)
    with pytest.raises(TrainingError, match=r"no recipe 'unheard'.*fsrcnn-x2"):
        load_recipe("unheard")


@pytest.mark.parametrize(
    ("entry", "value", "said"),
    [
        ("scale", 2, "scale must be a list"),
        ("scale", [2.0, 2.0], "whole numbers"),
        ("architecture", 3, "name of"),
        ("arguments", "x", "a table"),
        ("arguments", {"features": 0}, "features of the network must be at least 1"),
        ("data", "photos", "a list of folders"),
        ("data", [], "a list of folders"),
        ("shrink", [0], "shrink must be"),
        ("patch", 24.5, "patch must be"),
        ("patch", "24", "patch must be"),
        ("batch", 0, "batch must be"),
        ("batch", "8", "batch must be"),
        ("rate", -1.0, "rate must be a number above 0"),
        ("rate", "fast", "above 0"),
        ("minutes", "30", "minutes must be"),
        ("hold_out", 1, "true or false"),
        ("loss", "psnr", "a table"),
        ("degradation", "optics", "a table"),
        ("start", 3, "name or file of a model"),
        ("card", "x", "a table"),
        ("card", {"wibble": "x"}, "card has no entry wibble. Valid entries: title"),
        ("card", {"title": 3}, "title must be"),
        ("card", {"intensity": "foo"}, "intensity must be"),
        ("card", {"pixel_size": [2, 1]}, "pixel_size must rise from at least 1e-06"),
        ("card", {"scores": {}}, "no entry scores"),
    ],
)
def test_a_mistake_in_a_recipe_is_found_before_training(entry, value, said):
    with pytest.raises(TrainingError, match=said):
        replace(TINY, **{entry: value})
