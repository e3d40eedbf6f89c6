"""Whether a model fits, in one line: each reason is found, and what helps makes it go away."""

import numpy as np
import pytest
from helpers.scenes.dark import blobs
from scipy import ndimage

from napari_superres import Image
from napari_superres.core.intensity import measure
from napari_superres.models import find_card
from napari_superres.models.choice.fitness import judge


def fitness(array, model="fluo-x2", axes="YX", **facts):
    image = Image.from_array(array, axes, **{"pixel_size": 0.2, **facts})
    card = find_card(model)
    return judge(card, image, measure(image, card.intensity, None, card.percentiles))


def test_a_model_fits_images_of_its_kind():
    found = fitness(blobs((96, 96)))
    assert (found.level, found.helps) == ("fits", ())
    assert found.line.startswith("Fits: fluo-x2 suits this image (fluorescence, pixels of 0.2 µm, noise 0.0")


def test_interpolation_fits_everything():
    assert fitness(blobs((96, 96)), "bicubic-x2", metadata={"modality": "CT"}).level == "fits"


@pytest.mark.parametrize(
    ("model", "facts", "level", "words", "helps"),
    [
        ("mri-x2", {"metadata": {"modality": "CT"}, "pixel_size": 1000}, "does not fit", "the file says CT", "model"),
        ("photo-x2", {}, "check", "it looks like fluorescence", "model"),
        ("mri-x2", {"pixel_size": 700, "metadata": {"modality": "MRI"}}, "check", "not those of the tr", "resample"),
        ("mri-x2", {"pixel_size": 300, "metadata": {"modality": "MRI"}}, "does not fit", "820.3 to 2000", "resample"),
        (
            "mri-x2",
            {"pixel_size": 1, "unit": "millimeter", "metadata": {"modality": "MRI", "body_part": "KNEE"}},
            "check",
            "the file says KNEE",
            "adapt",
        ),
        (
            "fluo-x2",
            {"metadata": {"provenance": {"model": {"name": "em-x2"}}}},
            "does not fit",
            "computed by em-x2",
            None,
        ),
    ],
)
def test_what_the_file_says_against_a_model(model, facts, level, words, helps):
    found = fitness(blobs((96, 96)), model, **facts)
    assert found.level == level, found.line
    assert words in found.line
    assert found.helps == ((helps,) if helps else ())


def test_too_much_noise_does_not_fit():
    noisy = np.random.default_rng(0).integers(0, 4000, (96, 96)).astype(np.uint16)
    found = fitness(noisy, "espcn-x2", pixel_size=None)
    assert found.level == "does not fit"
    assert "noise" in found.line
    assert "adapt" in found.helps


def test_what_spoils_the_range_helps_to_mend_it():
    hot = blobs((96, 96))
    hot[np.random.default_rng(1).random(hot.shape) < 0.004] = 60_000
    padded = blobs((96, 96)).astype(np.int16)
    padded[:20] = -4000
    stack = blobs((8, 96, 96))
    stack[6:] = 100 + 0.05 * (stack[6:] - 100.0)
    for array, axes, helps in (
        (hot, "YX", "robust range"),
        (padded, "YX", "mask padding"),
        (stack, "ZYX", "plane range"),
    ):
        found = fitness(array, axes=axes)
        assert (found.level, found.helps) == ("check", (helps,)), found.line
    given = Image.from_array(hot, "YX", pixel_size=0.2)
    card, span = find_card("fluo-x2"), [fitness(hot).blemishes.measured_range]
    assert judge(card, given, measure(given, "percentile", span), is_range_given=True).level == "fits"
    masked = Image.from_array(padded, "YX", pixel_size=0.2).replace(no_data=(-4000, -4000))
    assert judge(card, masked, measure(masked, "percentile")).level == "fits"


def test_an_image_without_fine_detail_asks_for_its_blur():
    smooth = ndimage.zoom(blobs((96, 96)).astype(float), 4, order=3)
    assert "tell it the blur" in fitness(smooth).line
    assert "bin its pixels first" in fitness(smooth, "espcn-x2", pixel_size=None).line
    image = Image.from_array(smooth, "YX", pixel_size=0.2)
    card = find_card("fluo-x2")
    assert judge(card, image, measure(image, "percentile"), is_blur_told=True).level == "fits"


def test_a_constant_image_does_not_fit():
    found = fitness(np.zeros((96, 96), np.uint16))
    assert found.level == "does not fit"
    assert "the image is constant" in found.line
