"""The model for an image: right by what is known, with a reason, and asked for where nothing is known."""

import numpy as np
import pytest
from scipy import ndimage

from napari_superres import Image, upscale
from napari_superres.errors import SettingsError
from napari_superres.models import ModelCard, find_card
from napari_superres.models.choice.choose import choose, choose_model


def dark(shape=(64, 64), dtype=np.uint16, offset=100):
    """Few bright blobs on a dark ground."""
    rng = np.random.default_rng(0)
    blobs = ndimage.gaussian_filter((rng.random(shape) < 0.003).astype(float), [0] * (len(shape) - 2) + [2, 2])
    top = 150 if dtype == np.uint8 else 3000
    return (offset + top * blobs / blobs.max() + rng.random(shape) * top / 100).astype(dtype)


def grey(shape=(64, 64), dtype=np.uint8):
    return np.random.default_rng(0).integers(20, 230, shape).astype(dtype)


def undershot(top):
    """Grey levels of which an interpolation has brought a few below 0, to -610."""
    values = grey().astype(np.int16) * (top // 256)
    values.flat[:4] = -610
    return values


def image(array, axes="YX", **facts):
    return Image.from_array(array, axes, **facts)


LIGHT = {"photograph", "fluorescence", "electron microscopy"}
UM, NM, MM = "micrometer", "nanometer", "millimeter"


@pytest.mark.parametrize(
    ("seen", "model"),
    [
        (image(grey(), metadata={"modality": "CT"}, pixel_size=1, unit=MM), "ct-x2"),
        (image(grey(), metadata={"modality": "MRI"}, pixel_size=1, unit=MM), "mri-x2"),
        (image(grey(), metadata={"modality": "electron microscopy"}), "em-x2"),
        (image(grey(), metadata={"modality": "US (DICOM)"}), "bicubic-x2"),
        (image(grey((2, 64, 64)), "CYX", channel_names=("DAPI", "GFP")), "fluo-x2"),
        (image(dark(), pixel_size=0.2, unit=UM), "fluo-x2"),
        (image(dark()), "fluo-x2"),
        (image(dark((6, 64, 64)), "TYX", pixel_size=0.2, unit=UM), "movie-x2"),
        (image(dark((3, 64, 64)), "TYX", pixel_size=0.2, unit=UM), "fluo-x2"),
        (image(dark((9, 64, 64)), "ZYX", pixel_size=(0.4, 0.2, 0.2), unit=UM), "fluo3d-z2"),
        (image(dark((9, 64, 64)), "ZYX", pixel_size=(0.2, 0.2, 0.2), unit=UM), "fluo-x2"),
        (image(grey(), pixel_size=8, unit=NM), "em-x2"),
        (image(grey(), pixel_size=0.008, unit=UM), "em-x2"),
        (image(grey().astype(np.int16) * 8 - 1024, pixel_size=0.8, unit=MM), "ct-x2"),
        (image(grey(), pixel_size=1, unit=MM), "mri-x2"),
        (image(undershot(top=30000), pixel_size=2, unit=MM), "mri-x2"),
        (image(grey((9, 64, 64)), "ZYX", pixel_size=(3, 0.8, 0.8), unit=MM), "mri3d-z4"),
        (image(grey((64, 64, 3)), "YXS"), "photo-x2"),
    ],
)
def test_the_model_follows_from_what_is_known(seen, model):
    choice = choose_model(seen)
    assert choice.model == model, choice.reason
    assert choice.reason.startswith(model)
    assert choice.ranked[0] == model


@pytest.mark.parametrize(
    ("seen", "kinds"),
    [
        (image(grey()), {"electron microscopy", "photograph", "fluorescence"}),
        (image(dark(dtype=np.uint8, offset=2)), {"fluorescence", "photograph", "MRI"}),
        (image(dark(offset=0)), {"fluorescence", "photograph", "MRI"}),  # slices of MRI end at 0, too
        (image(grey((9, 64, 64)), "ZYX"), {"electron microscopy", "CT", "fluorescence"}),
        (image(undershot(top=2000), pixel_size=2, unit=MM), {"CT", "MRI", "electron microscopy"}),
        (image(undershot(top=30000)), {"electron microscopy", "photograph", "fluorescence"}),
        (image(grey(), pixel_size=2.2, unit=UM), {"CT", "electron microscopy", "fluorescence"}),
        (image(grey(), pixel_size=1e6, unit=UM), {"electron microscopy", "photograph", "fluorescence"}),
        (image(grey((64, 64, 3)), "YXS", pixel_size=0.5, unit=UM), LIGHT),
        (image(grey((1, 64, 64)), "CYX", channel_names=["Brightfield"]), LIGHT),
    ],
)
def test_where_nothing_is_known_three_are_named(seen, kinds):
    choice = choose_model(seen)
    assert choice.model is None
    assert set(choice.questions) == kinds
    with pytest.raises(SettingsError, match="no model can be chosen") as caught:
        choice.required()
    assert all(model in caught.value.remedy for model in choice.questions.values())
    assert f"for all files that do not tell, `model='auto:{next(iter(choice.questions))}'`" in caught.value.remedy


def test_an_answer_decides_and_holds_only_where_nothing_else_does():
    assert choose_model(image(grey()), kind="photograph").model == "photo-x2"
    assert choose("auto:electron microscopy", image(grey())).model == "em-x2"
    assert choose("auto:electron microscopy", image(grey((64, 64, 3)), "YXS")).model == "photo-x2"
    with pytest.raises(SettingsError, match="got 'cells'"):
        choose("auto:cells", image(grey()))


def test_models_that_cannot_run_have_a_reason():
    refused = choose_model(image(dark(), pixel_size=0.2)).refused
    assert "Z axis" in refused["mri3d-z2"]
    assert "axis T" in refused["movie-x2"]
    assert "fluo-x2" not in refused


def test_channels_are_views_of_one_scene_only_if_the_user_says_so():
    stained = image(grey((6, 64, 64)), "CYX", metadata={"modality": "photograph"})
    choice = choose_model(stained)
    assert choice.model == "photo-x2"
    assert "stereo-x2" in choice.ranked
    assert "got 1 along C" in choose_model(image(grey((6, 64, 64)), "TYX"), kind="photograph").refused["stereo-x2"]


def test_models_of_the_user_are_ranked_below_those_that_are_shipped_and_above_interpolation():
    own = ModelCard(name="mine", architecture="espcn", scale=(2, 2), modality="histology")
    stated = image(grey(), metadata={"modality": "histology"})
    assert choose_model(stated, [own], shipped=()).model == "mine"
    like = ModelCard(name="a-mine", architecture="espcn", scale=(2, 2), modality="fluorescence")
    cards = [like, find_card("fluo-x2"), find_card("bicubic-x2")]
    assert choose_model(image(dark()), cards, shipped={"fluo-x2"}).ranked == ("fluo-x2", "a-mine", "bicubic-x2")


def test_slices_become_as_thin_as_pixels():
    thick = image(grey((9, 64, 64)), "ZYX", pixel_size=(3, 1, 1), unit=MM)
    assert choose("isotropic", thick).model == "mri3d-z3"
    far = image(grey((9, 64, 64)), "ZYX", pixel_size=(9, 1, 1), unit=MM)
    assert choose("isotropic", far).model == "area-spline-x9x1x1"
    with pytest.raises(SettingsError, match="are 1 pixels apart"):
        choose("isotropic", image(grey((9, 64, 64)), "ZYX", pixel_size=1, unit=MM))
    with pytest.raises(SettingsError, match="no Z axis"):
        choose("isotropic", image(grey()))


def test_a_run_records_why_its_model_was_chosen():
    result = upscale(image(dark(), pixel_size=0.2), "auto")
    record = result.metadata["provenance"]
    assert record["model"]["name"] == "fluo-x2"
    assert record["chosen"].startswith("fluo-x2 for fluorescence")
    assert "chosen" not in upscale(image(dark(), pixel_size=0.2), "bicubic-x2").metadata["provenance"]
