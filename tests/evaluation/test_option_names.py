"""A misspelt option of a public function is answered with the option that was meant."""

import inspect

import numpy as np
import pytest

from napari_superres import evaluation
from napari_superres.core.image import Image
from napari_superres.errors import SettingsError
from napari_superres.evaluation.metrics import full_reference

IMAGE = Image.from_array(np.random.default_rng(0).random((64, 64)), "YX")
PIXELS = IMAGE.data


@pytest.mark.parametrize(
    ("function", "arguments", "wrong", "meant"),
    [
        (evaluation.register, (IMAGE, IMAGE), "transfrom", "transform"),
        (evaluation.local_shifts, (IMAGE, IMAGE), "blocks", "block"),
        (evaluation.check_consistency, (IMAGE, IMAGE), "psf_width", "psf_sigma"),
        (evaluation.ring_correlation, (IMAGE, IMAGE), "volumes", "volume"),
        (evaluation.single_image_correlation, (IMAGE,), "chanel", "channel"),
        (evaluation.decorrelation, (IMAGE,), "channels", "channel"),
        (evaluation.local_agreement, (IMAGE, IMAGE), "channels", "channel"),
        (full_reference.psnr, (PIXELS, PIXELS), "range", "data_range"),
        (full_reference.ssim, (PIXELS, PIXELS), "datarange", "data_range"),
    ],
)
def test_a_misspelt_option_is_answered_with_the_right_one(function, arguments, wrong, meant):
    with pytest.raises(SettingsError, match=f"unknown option '{wrong}'. Did you mean '{meant}'"):
        function(*arguments, **{wrong: 1})
    assert meant in inspect.signature(function).parameters
