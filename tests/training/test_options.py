"""Options of training: visible, checked, and without effects on the rest of the program."""

import inspect
import logging
import random
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.recipes import TINY

from napari_superres import Image, write_image
from napari_superres.degradation import degrade, resample
from napari_superres.errors import SettingsError
from napari_superres.training import TrainOptions, fit_instrument, iter_train, make_recipe, train


@pytest.mark.parametrize("function", [train, iter_train])
def test_every_option_is_visible_and_documented(function):
    parameters = inspect.signature(function).parameters
    assert set(TrainOptions.__annotations__) <= set(parameters)
    assert all(p.kind is not inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    documented = {name.strip() for line in function.__doc__.splitlines() for name in line.split(",")}
    assert set(parameters) <= documented


@pytest.mark.parametrize(
    ("call", "meant"),
    [
        (lambda: train("photo-x2", ".", "m.safetensors", step=3), "steps"),
        (lambda: iter_train("photo-x2", ".", "m.safetensors", minute=3), "minutes"),
        (lambda: make_recipe("m", [], architecture="photo", scales=2), "scale"),
        (lambda: fit_instrument(".", psf_sigmas=(1, 2)), "psf_sigma"),
        (lambda: degrade(np.ones((8, 8)), 2, photon=9), "photons"),
        (lambda: resample(Image.from_array(np.ones((8, 8)), "YX"), pixelsize=2), "pixel_size"),
    ],
)
def test_a_misspelt_option_is_answered_with_the_one_that_was_meant(call, meant):
    with pytest.raises(SettingsError, match=f"Did you mean {meant!r}"):
        call()


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
@pytest.mark.filterwarnings("ignore:the model is no better than bicubic")
def test_training_changes_nothing_global(tmp_path):
    (tmp_path / "photos").mkdir()
    for i in range(2):
        picture = np.random.default_rng(i).integers(0, 255, (40, 40), dtype=np.uint8)
        write_image(Image.from_array(picture, "YX"), tmp_path / "photos" / f"{i}.png")

    def state():
        level = logging.getLogger("lightning.pytorch.utilities.rank_zero").level
        return torch.random.get_rng_state().tolist(), random.getstate(), list(warnings.filters), level

    import lightning  # noqa: F401 - importing it is not training

    before = state()
    train(replace(TINY, arguments={"features": [8, 4]}), tmp_path, tmp_path / "m.safetensors", steps=2)
    assert state() == before
