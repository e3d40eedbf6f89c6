"""What a conditioned network is told: units of the sliders, words about the noise, options; without a viewer."""

import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from napari_superres.core.intensity import Normalisation
from napari_superres.core.noise import Noise
from napari_superres.errors import SettingsError
from napari_superres.inference.planning.conditions import Told
from napari_superres.models import ModelCard
from napari_superres.plugin.widgets.common.blur_noise import BlurNoise, noise_text, parse_noise, sigma_range, told_text
from napari_superres.plugin.widgets.upscale.state import UpscaleState

X2 = ModelCard(name="x2", architecture="x", scale=(2, 2), modality="any", conditions={"psf_sigma": (0, 2)})
X1 = ModelCard(name="x1", architecture="x", scale=(1, 1), modality="any", conditions={"psf_sigma": (0, 2)})


@pytest.mark.parametrize(
    ("size", "unit", "shown", "most"),
    [
        (0.2, "micrometer", "nm", 220),
        (200, "nanometer", "nm", 220),
        (1.0, "micrometer", "µm", 1.1),
        (1.0, "millimeter", "mm", 1.1),
        (1.0, "angstrom", "nm", 0.11),
        (None, None, "px", 2.2),
        (0.2, None, "px", 2.2),
    ],
)
def test_a_width_has_a_unit_with_few_digits(size, unit, shown, most):
    found = sigma_range(X2, size, unit)
    assert found.unit == shown
    assert found.most == pytest.approx(most)
    assert found.in_pixels(found.most / 2) == pytest.approx(1.1)


def test_the_largest_width_is_one_that_the_training_had():
    for size in (0.123, 7.77, 65.0):
        found = sigma_range(X2, size, "nanometer")
        assert found.in_pixels(round(found.most, 2) + 0.01) - 0.2 <= X2.conditions["psf_sigma"][1]


def test_a_width_means_the_same_for_models_of_one_image_only():
    fine = sigma_range(X2, 0.2, "micrometer")
    assert fine.is_for_same_image(sigma_range(X1, 0.2, "micrometer"))
    assert not fine.is_for_same_image(sigma_range(X2, 0.1, "micrometer"))
    assert not fine.is_for_same_image(sigma_range(X2))
    assert sigma_range(X2).is_for_same_image(sigma_range(X2))
    assert not sigma_range(X2).is_for_same_image(sigma_range(X1))  # other pixels of the result


def test_known_noise_is_typed():
    assert parse_noise(" ") == "measured"
    assert parse_noise("0") == 0
    assert parse_noise("0.5, 3") == (0.5, 3.0)
    assert parse_noise("0.5,3,100; 1, 2;") == [(0.5, 3.0, 100.0), (1.0, 2.0)]
    for text in ("much", "1", "1,2,3,4", "0.5, 3; 1"):
        with pytest.raises(SettingsError, match="must be 0, or gain and read noise"):
            parse_noise(text)


def test_what_is_not_chosen_is_no_option():
    assert BlurNoise().options() == {"noise": "measured", "strength": 1.0, "psf_sigma": None}
    assert BlurNoise(0.8, "1, 2", 0.7).options() == {"noise": (1.0, 2.0), "strength": 0.8, "psf_sigma": 0.7}
    assert UpscaleState(blur_noise=None).options.keys().isdisjoint(BlurNoise().options())
    assert UpscaleState(blur_noise=BlurNoise(0.8)).options["strength"] == 0.8


def plan(*noise, measured=True, channels=None):
    channels = channels or tuple(range(len(noise)))
    told = Told(values=(), psf_sigma=(0.0,) * len(noise), noise=noise, is_measured=measured, strength=1.0)
    normalisation = Normalisation((0.0,) * len(noise), (200.0,) * len(noise))
    return SimpleNamespace(told=told, channels=channels, normalisation=normalisation)


def test_noise_is_said_in_intensities_of_the_image():
    one, other = Noise(1.44, 5.0, 0.0), Noise(0.0, 0.0321, 0.0)
    assert noise_text(plan(one)) == "100 % is 13 at intensity 100, measured"
    assert noise_text(plan(one, other)) == "100 % is 13 at intensity 100, 0.0321 at intensity 100, measured"
    assert noise_text(plan(one, other, channels=(1,))) == "100 % is 0.0321 at intensity 100, measured"
    assert noise_text(plan(one, measured=False)) == "100 % is 13 at intensity 100, as given"
    assert noise_text(plan(*[one] * 5)).count("13") == 3
    assert noise_text(SimpleNamespace(told=None)) == ""


def test_the_plan_says_what_is_assumed():
    noise = Noise(1.44, 5.0, 0.0)
    said = "oise measured: gain 1.44, read noise 5; PSF unknown, not sharpened."
    assert told_text(plan(noise)) == f"N{said}"
    assert told_text(plan(noise, noise, channels=(1, 0))) == f"Channel 1: n{said}"
    assert told_text(SimpleNamespace(told=None)) == ""
    far = plan(noise)
    far.told = replace(far.told, doubts=("The image does not fit.",))
    assert told_text(far) == f"N{said} The image does not fit."
    stated = plan(noise)
    stated.told = replace(stated.told, offer="The file states it: `psf='metadata'` sharpens.")
    assert told_text(stated) == f"N{said} The file states it: “From file” sharpens."


def test_neither_units_nor_words_need_a_window():
    code = (
        "import sys, napari_superres.plugin.widgets.common.blur_noise\n"
        "assert not {'qtpy', 'magicgui', 'napari', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
