"""Refining without clean images: the estimated gain has the sign of the true one, and no gain writes nothing."""

from importlib import import_module

import numpy as np
import pytest
from scipy import ndimage

from napari_superres import Image, degrade, read_image, upscale, write_image
from napari_superres.cli.app import app
from napari_superres.core.intensity import fit_normalisation
from napari_superres.errors import TrainingError
from napari_superres.models import find_card
from napari_superres.training import adapt
from napari_superres.training.adapt import estimate_gain
from napari_superres.training.images.fields_of_view import Field


def scene(seed, size=256):
    rng = np.random.default_rng(seed)
    spots = ndimage.gaussian_filter((rng.random((size, size)) > 0.99) * 1.0, 1.2)
    wide = ndimage.gaussian_filter(rng.random((size, size)), 9.0)
    return 3000 * (spots / spots.max() + (wide - wide.min()) / np.ptp(wide))


@pytest.mark.filterwarnings("ignore:The image does not fit")  # that is why one model is worse
@pytest.mark.parametrize(("photons", "pair"), [(60, ("fluo-x2", "photo-x2")), (60, ("photo-x2", "fluo-x2"))])
def test_the_sign_of_the_gain_is_that_against_the_truth(photons, pair):
    truth = scene(0)
    low = degrade(
        Image.from_array(truth.astype(np.float32), "YX"), 2, kernel="gaussian", psf_sigma=1.0, photons=photons
    )
    norm = fit_normalisation(low, "percentile")
    field = Field(norm.apply(np.asarray(low.data), 0, np.float32))
    gain, error = estimate_gain([field], *pair, scale=(2, 2))
    errors = [np.square(np.asarray(upscale(low, name).data, float) - truth)[8:-8, 8:-8].mean() for name in pair]
    assert np.sign(gain) == np.sign(np.log(errors[0] / errors[1]))
    assert error > 0


def test_a_model_is_no_better_than_itself():
    low = degrade(Image.from_array(scene(1).astype(np.float32), "YX"), 2, kernel="gaussian", photons=60)
    norm = fit_normalisation(low, "percentile")
    gain, error = estimate_gain(
        [Field(norm.apply(np.asarray(low.data), 0, np.float32))], "fluo-x2", "fluo-x2", scale=(2, 2)
    )
    assert (gain, error) == pytest.approx((0, 0), abs=1e-9)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
@pytest.mark.filterwarnings("ignore:The image does not fit")
@pytest.mark.filterwarnings("ignore:a single image")
@pytest.mark.filterwarnings("ignore:the model is no better than bicubic")
def test_what_is_offered_is_better_and_what_is_not_is_not_written(tmp_path):
    low = degrade(Image.from_array(scene(2, 512).astype(np.float32), "YX"), 2, kernel="gaussian", photons=60)
    write_image(low, tmp_path / "cells.ome.tif")
    done = adapt([tmp_path / "cells.ome.tif"], "photo-x2", tmp_path / "mine.safetensors", minutes=None, steps=60)
    assert (done.path is not None) == (done.gain > 2 * done.error) == (tmp_path / "mine.safetensors").exists()
    truth, names = scene(2, 512), ("photo-x2", done.path)
    if done.path is not None:
        old, new = (np.square(np.asarray(upscale(low, name).data, float) - truth).mean() for name in names)
        assert new < old


@pytest.mark.parametrize(
    ("size", "model", "words"), [(256, "bicubic-x2", "must be a network"), (100, "fluo-x2", "at least 128 rows")]
)
def test_what_cannot_be_refined_is_refused(tmp_path, size, model, words):
    write_image(Image.from_array(scene(3, size).astype(np.float32), "YX"), tmp_path / "cells.ome.tif")
    with pytest.raises(TrainingError, match=words):
        app(
            ["adapt", str(tmp_path / "cells.ome.tif"), "--model", model, "-o", str(tmp_path / "m.safetensors")],
            standalone_mode=False,
        )


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
@pytest.mark.filterwarnings("ignore:a single image")
@pytest.mark.parametrize("model", ["fluo-x1", "fluo-x2"])
def test_a_model_that_is_told_the_noise_still_is_afterwards(tmp_path, monkeypatch, model):
    monkeypatch.setattr(import_module("napari_superres.training.adapt"), "_CERTAIN", -np.inf)
    noisy = np.random.default_rng(0).poisson(scene(5, 160) / 100).astype(np.float32)
    steps = []
    target = tmp_path / "m.safetensors"
    done = adapt([Image.from_array(noisy, "YX")], model, target, minutes=None, steps=2, progress=steps.append)
    assert steps
    assert all(np.isfinite(step.remaining) for step in steps)
    card = find_card(done.path)
    assert (card.conditions, card.scale) == (find_card(model).conditions, find_card(model).scale)
    assert card.scores["the image itself"]["over"] == model
    assert "better than" in done.describe(model)


def test_a_network_that_must_be_told_the_noise_learns_from_no_pairs(tmp_path):
    for folder in ("low", "high"):
        (tmp_path / folder).mkdir()
        write_image(Image.from_array(scene(6).astype(np.float32), "YX"), tmp_path / folder / "a.ome.tif")
    arguments = ["train", "--pairs", str(tmp_path / "low"), str(tmp_path / "high"), "--start", "fluo-x1"]
    with pytest.raises(TrainingError, match="must be told the noise"):
        app([*arguments, "-o", str(tmp_path / "m.safetensors")], standalone_mode=False)


def test_of_a_large_image_planes_all_over_it_are_used(tmp_path, monkeypatch):
    module = import_module("napari_superres.training.adapt")
    monkeypatch.setattr(module, "_MOST_TRAINING", 3 * 150 * 128)
    stack = np.random.default_rng(0).poisson(50, (2, 9, 200, 300)).astype(np.float32)
    for name in ("training", "held_out"):
        (tmp_path / name).mkdir()
    image = Image.from_array(stack, "CZYX")
    module._divide(image, 0, tmp_path / "training", tmp_path / "held_out")
    kept = read_image(tmp_path / "training" / "0.ome.tif")
    assert kept.size("Y") * kept.size("X") * kept.size("T") * 2 <= 2 * 3 * 150 * 128
    assert kept.size("C") == 2


@pytest.mark.parametrize(("value", "words"), [(7.0, "one intensity"), (np.nan, "no finite pixel")])
def test_an_image_that_teaches_nothing_is_named(tmp_path, value, words):
    write_image(Image.from_array(np.full((256, 256), value, np.float32), "YX"), tmp_path / "cells.ome.tif")
    with pytest.raises(TrainingError, match=rf"cells\.ome\.tif has {words}"):
        adapt([tmp_path / "cells.ome.tif"], "photo-x2", tmp_path / "m.safetensors")


def test_a_measured_blur_needs_the_pixel_size(tmp_path):
    write_image(Image.from_array(scene(4).astype(np.float32), "YX"), tmp_path / "cells.ome.tif")
    point = np.exp(-0.5 * (np.hypot(*np.mgrid[-9:10, -9:10]) / 2) ** 2).astype(np.float32)
    psf = Image.from_array(point, "YX", pixel_size=0.05)
    with pytest.raises(TrainingError, match="depends on the pixel size"):
        adapt([tmp_path / "cells.ome.tif"], "photo-x2", tmp_path / "m.safetensors", psf=psf)
