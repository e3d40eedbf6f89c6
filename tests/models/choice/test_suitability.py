"""Whether a model suits an image: pixel size, modality and noise compared with the training."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.runs import plan_of
from scipy import ndimage

from napari_superres import Image, upscale
from napari_superres.core.intensity import measure
from napari_superres.errors import SuperResWarning
from napari_superres.models import Model, ModelCard, find_card, load_model
from napari_superres.models.choice.fitness import judge
from napari_superres.models.choice.suitability import doubts, noise_level, pixel_size_doubt, trained_pixel_size


def card(**facts):
    return ModelCard(name="mine", architecture="espcn", scale=(2, 2), **facts)


@pytest.mark.parametrize(
    ("size", "unit", "warns"),
    [
        (0.2, "micrometer", False),
        (200, "nanometer", False),
        (2.0, "micrometer", True),
        (1.0, None, False),
        (9, "second", False),
    ],
)
def test_pixel_sizes_outside_of_training_are_doubted(size, unit, warns):
    message = pixel_size_doubt(card(pixel_size=(0.1, 0.5)), (size, size), unit)
    assert bool(message) is warns
    assert not warns or ("2 µm" in message and "0.1 to 0.5 µm" in message and "Resample" in message)


def test_the_nearest_model_that_fits_is_named(monkeypatch):
    others = [
        card(pixel_size=(1.0, 3.0)),
        ModelCard(name="other", architecture="espcn", scale=(3, 3), pixel_size=(1, 3)),
    ]
    monkeypatch.setattr("napari_superres.models.library.registry.all_cards", lambda: (others, ()))
    assert ", or use mine;" in pixel_size_doubt(card(pixel_size=(0.1, 0.5)), (2.0, 2.0), "micrometer")


@pytest.mark.parametrize(
    ("seen", "trained", "warns"),
    [
        ("MRI", "MRI", False),
        ("MRI", "brain MRI", False),
        (None, "MRI", False),
        ("MRI", "any", False),
        ("CT", "MRI", True),
        ("US (DICOM)", "MRI", True),
        ("electron microscopy", "fluorescence", True),
    ],
)
def test_another_modality_is_doubted(seen, trained, warns):
    image = Image.from_array(np.ones((9, 9)), "YX", metadata={"modality": seen} if seen else {})
    message = doubts(card(modality=trained), image, measure(image, "percentile"))
    assert bool(message) is warns
    if warns:
        named = {"CT": "Use ct-x2;", "US (DICOM)": "Use interpolation", "electron microscopy": "Use em-x2;"}[seen]
        assert f"it is {seen}, and the training was on {trained}. {named}" in message[0]


def test_the_nearest_pixels_of_training():
    trained = card(pixel_size=(0.1, 0.5))
    assert trained_pixel_size(trained, (900, 40), "nanometer") == pytest.approx((500, 100))
    assert trained_pixel_size(trained, (0.2, 2.0), "micrometer") == pytest.approx((0.2, 0.5))
    for size, unit in (((0.2, 0.2), "micrometer"), ((9.0, 9.0), None), ((9.0, 9.0), "second")):
        assert trained_pixel_size(trained, size, unit) is None
    assert trained_pixel_size(card(), (9.0, 9.0), "micrometer") is None


@pytest.mark.parametrize("sigma", [0.01, 0.05, 0.2])
def test_noise_is_measured_on_structure(sigma):
    rng = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(rng.random((200, 200)), 6.0)
    assert noise_level(smooth + rng.normal(0, sigma, smooth.shape)) == pytest.approx(sigma, rel=0.05)
    assert noise_level(smooth) < 1e-4
    assert noise_level(np.ones((2, 9))) == 0.0


@pytest.mark.parametrize("axes", ["YX", "XY", "CYX", "TZYX", "YXS"])
def test_an_image_noisier_than_the_training_is_doubted(axes):
    rng = np.random.default_rng(0)
    shape = [{"C": 2, "T": 2, "Z": 3, "S": 3}.get(a, 100) for a in axes]
    noisy = Image.from_array((rng.random(shape) * 4000).astype(np.uint16), axes)
    message = doubts(card(noise=(0.0, 0.02)), noisy, measure(noisy, "percentile"))
    assert len(message) == 1
    assert "noisier" in message[0]
    assert not doubts(card(noise=(0.0, 0.5)), noisy, measure(noisy, "percentile"))
    assert not doubts(card(), noisy, measure(noisy, "percentile"))


def test_doubts_reach_the_plan_the_warning_and_the_record():
    """The plan holds it, running it warns once, the record keeps it."""
    model = load_model("fsrcnn-x2")
    told_card = replace(model.card, noise=(0.0, 0.01))
    model = Model(told_card, model.module)
    image = Image.from_array(np.random.default_rng(0).integers(100, 156, (60, 60), np.uint8), "YX")
    assert plan_of(image, model).doubts == doubts(told_card, image, measure(image, "unit"))
    with pytest.warns(SuperResWarning, match="noisier") as told:
        result = upscale(image, model)
    assert len(told) == 1
    assert result.metadata["provenance"]["doubts"] == [str(told[0].message)]
    assert not plan_of(image, load_model("bicubic-x2")).doubts
    assert find_card("bicubic-x2").noise is None


def reduced(levels):
    """A smooth image in whole steps between two numbers of levels."""
    smooth = ndimage.gaussian_filter(np.random.default_rng(0).random((128, 128)), 6.0)
    return np.rint((smooth - smooth.min()) / np.ptp(smooth) * (levels - 1))


@pytest.mark.parametrize(
    ("values", "warns"),
    [
        (reduced(4), True),
        (reduced(4) * 60 + 7, True),
        ((reduced(8) / 7).astype(np.float32), True),
        (reduced(64), False),
        (reduced(1) + 5, False),
        (np.random.default_rng(0).poisson(reduced(3)), False),
    ],
    ids=["4 levels", "far apart", "of a float image", "enough", "a constant image", "single photons"],
)
def test_few_grey_levels_do_not_fit(values, warns):
    image = Image.from_array(np.asarray(values), "YX")
    message = doubts(card(), image, measure(image, "percentile"))
    assert bool(message) is warns
    assert not warns or ("The image does not fit mine" in message[0] and "grey levels" in message[0])
    interpolation = find_card("bicubic-x2")
    assert not doubts(interpolation, image, measure(image, "none"))


def test_the_noise_of_the_grid_of_tests_counts():
    noisy = Image.from_array(np.random.default_rng(0).normal(0.5, 0.15, (100, 100)), "YX")
    grid = {
        "psf_sigma": (0.0,),
        "photons": (None, 30.0),
        "over_bicubic": ((0.0,), (1.0,)),
        "over_classical": ((0.0,), (1.0,)),
        "worst": 0.0,
        "worst_image": "none",
        "images": 1,
    }
    (message,) = doubts(card(noise=(0.0, 0.02)), noisy, measure(noisy, "none"))
    assert "does not fit mine: it is noisier" in message
    assert not doubts(card(noise=(0.0, 0.02), grid=grid), noisy, measure(noisy, "none"))
    tested = card(noise=(0.0, 0.02), grid={**grid, "over_bicubic": ((0.0,), (-2.5,)), "worst": -3.0})
    (message,) = doubts(tested, noisy, measure(noisy, "none"))
    assert "the model was 2.5 dB worse than bicubic interpolation in tests with such noise" in message
    line = judge(tested, noisy, measure(noisy, "none")).line
    assert "does not fit" in line.lower()
    assert "2.5 dB worse than bicubic" in line


@pytest.mark.parametrize(
    ("span", "warns"), [(1 / 15, False), (1 / 17, True), (1.0, False), (15.0, False), (17.0, True)]
)
def test_an_image_of_quite_another_range_than_the_authors_is_doubted(span, warns):
    """A network that gets intensities as they are, and whose author's test spans 0 to 1."""
    image = Image.from_array(np.random.default_rng(0).random((100, 100)) * span, "YX")
    message = doubts(card(intensity="none", arguments={"seen": [0.0, 1.0]}), image, measure(image, "none"))
    assert bool(message) is warns
    assert not warns or "Bring the image to that range first" in message[0]
    assert not doubts(card(intensity="none"), image, measure(image, "none"))


def test_pixels_that_are_not_square_are_doubted():
    values = np.random.default_rng(0).random((64, 64))
    for size, warns in (((0.4, 0.1), True), ((0.1, 0.4), True), ((0.2, 0.2), False), ((0.2, 0.1), False)):
        image = Image.from_array(values, "YX", pixel_size=size)
        found = [text for text in doubts(card(), image, measure(image, "none")) if "not square" in text]
        assert len(found) == warns
        assert ("not square" in judge(card(), image, measure(image, "none")).line) is warns
