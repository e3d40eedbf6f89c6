"""Training networks that are told blur and noise, also without finer pixels, from folders with shares."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skimage.data

from napari_superres import Image, degrade, upscale, write_image
from napari_superres.errors import SuperResWarning
from napari_superres.models.library.registry import find_card, open_model
from napari_superres.training import Recipe, train
from napari_superres.training.images.fields_of_view import Field, read_fields
from napari_superres.training.patches import PatchSampler, own_noise

pytest.importorskip("lightning", reason="training needs Lightning")
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning"),
    pytest.mark.filterwarnings("ignore:the model is no better than bicubic"),
]

RECIPE = Recipe(
    name="told-x2",
    architecture="edsr",
    arguments={"blocks": 2, "features": 8, "tail": "direct"},
    scale=(2, 2),
    data=("cells",),
    channel="each",
    patch=16,
    batch=4,
    rate=4e-3,
    hold_out=False,
    degradation={"kind": "conditioned", "psf_sigma": [0, 1.5]},
    card={
        "title": "Told",
        "license": "BSD-3-Clause",
        "intensity": "percentile",
        "color": "per-channel",
        "limits": "A test.",
    },
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with parts of a picture, of 100 and 200 pixels, in two folders."""
    folder = tmp_path_factory.mktemp("data")
    for name, picture in {"cells": skimage.data.camera(), "others": skimage.data.moon()}.items():
        (folder / name).mkdir()
        for number, edge in enumerate((100, 100, 200)):
            part = picture[number * 100 : number * 100 + edge, :edge]
            write_image(Image.from_array(part.copy(), "YX"), folder / name / f"{number}.png")
    return folder


def test_a_network_learns_from_what_it_is_told(data: Path, tmp_path: Path) -> None:
    path = train(replace(RECIPE, scale=(1, 1)), data, tmp_path / "told.safetensors", steps=800)
    card = find_card(path)
    assert card.conditions == {"psf_sigma": (0, 1.5), "gain": (0, 0.2), "read_noise": (0, 0.25)}
    assert card.inputs == 4
    scene = Image.from_array(skimage.data.camera()[200:328, 200:328].astype(np.float32), "YX")
    noisy = degrade(scene, 1, kernel="gaussian", psf_sigma=0.0, photons=30)
    results = {s: np.asarray(upscale(noisy, open_model(path), strength=s).data) for s in (0.0, 1.0)}
    errors = {s: float(np.mean((r - np.asarray(scene.data)) ** 2)) for s, r in results.items()}
    assert errors[1.0] < 0.97 * errors[0.0]


def test_weights_of_another_scale_start_a_network_that_is_told_the_same(data: Path, tmp_path: Path) -> None:
    first = train(RECIPE, data, tmp_path / "first.safetensors", steps=2)
    with pytest.warns(SuperResWarning, match="the others have another shape"):
        second = train(replace(RECIPE, scale=(1, 1)), data, tmp_path / "x1.safetensors", steps=2, start=first)
    assert "first" in find_card(second).training


def test_folders_are_drawn_by_their_shares_and_images_by_the_root_of_their_size(data: Path) -> None:
    folders, shares = [data / "cells", data / "others"], (3.0, 1.0)
    fields = [f for image in read_fields(folders, channel="each", shares=shares).images for f in image]
    weights = [field.weight or 0 for field in fields]
    assert sum(weights[:3]) == pytest.approx(3)
    assert sum(weights[3:]) == pytest.approx(1)
    assert weights[2] / weights[0] == pytest.approx(2)  # four times the pixels
    sampler = PatchSampler(fields, scale=(2, 2), patch=(4, 4), instrument=RECIPE.instrument)
    random = np.random.default_rng(0)
    drawn = [sampler._draw(random).field for _ in range(4000)]
    counts = np.bincount(drawn, minlength=6) / len(drawn)
    assert counts == pytest.approx(np.array(weights) / 4, abs=0.03)


def test_a_batch_holds_patches_of_any_structure(data: Path) -> None:
    fields = [f for image in read_fields([data / "cells"], channel="each").images for f in image]
    flat = replace(fields[2], hr=np.zeros_like(fields[2].hr))
    sampler = PatchSampler([*fields, flat], scale=(2, 2), patch=(16, 16), instrument=RECIPE.instrument)
    empty = sum(float(np.ptp(patch)) == 0 for step in range(40) for patch in sampler.batch(8, step)[1].numpy())
    assert 15 <= empty <= 80


def test_the_noise_of_an_image_is_measured_once_and_on_its_reduced_form(data: Path) -> None:
    random = np.random.default_rng(0)
    scene = skimage.data.camera()[:256, :256] / 255
    noisy = Field((scene + 0.04 * random.normal(size=scene.shape)).astype(np.float32))
    gain, read_noise = own_noise(noisy.hr, (2, 2))
    assert 0.016 < (gain * 0.5 + read_noise**2) ** 0.5 < 0.028
    sampler = PatchSampler([noisy], scale=(2, 2), patch=(16, 16), instrument=RECIPE.instrument)
    for step in range(3):
        sampler.batch(4, step)
    assert sampler._noise == {0: (gain, read_noise)}
    assert own_noise(noisy.hr[:20, :20], (2, 2)) == (0.0, 0.0)
