"""Short trainings give a model file that loads, is scored on images held out, and can be reproduced."""

import json
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.recipes import TINY

from napari_superres import Image, load_model, upscale, write_image
from napari_superres.core.color import luma
from napari_superres.degradation.instruments import make_instrument
from napari_superres.errors import OutputError, OutputExistsError, SuperResWarning, TrainingError, UnknownModelError
from napari_superres.inference.measure import check
from napari_superres.models.library.registry import find_card
from napari_superres.models.model_file import read_weights
from napari_superres.storage.atomic import one_writer
from napari_superres.training import TrainingStep, make_recipe, preparation, train
from napari_superres.training.images.fields_of_view import Field, read_fields
from napari_superres.training.patches import PatchSampler, _draw_turn
from napari_superres.training.running.checkpoint import checkpoint_path
from napari_superres.training.validation import hold_out, score_fields, select_evenly

pytest.importorskip("lightning", reason="training needs Lightning")
# Lightning's own: it asks torch in a way that is going out.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning"),
    pytest.mark.filterwarnings("ignore:the model is no better than bicubic"),  # after seconds
]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Return a folder that holds a folder of eight small pictures and a text file."""
    folder = tmp_path_factory.mktemp("data") / "photos"
    folder.mkdir()
    y, x = np.mgrid[:40, :44]
    for i in range(8):
        picture = 128 + 90 * np.sin(y / (3 + i)) * np.cos(x / (2 + i))
        write_image(Image.from_array(picture.astype(np.uint8), "YX"), folder / f"{i}.png")
    (folder / "readme.txt").write_text("not an image")
    return folder.parent


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory) -> Path:
    """Return a model file after thirty steps."""
    return train(TINY, data, tmp_path_factory.mktemp("models") / "mine.safetensors", steps=30)


def test_it_loads_and_runs(trained):
    model = load_model(trained)
    smooth = np.add.outer(np.arange(20), np.arange(21)).astype(np.uint8)
    result = upscale(smooth, model, axes="YX")
    assert result.shape == (40, 42)
    assert [p.name for p in trained.parent.iterdir()] == ["mine.safetensors"], "no checkpoints or logs are left"


def test_the_card_is_complete(trained):
    card = load_model(trained).card
    assert (card.name, card.title, card.architecture, card.scale) == ("mine", "Tiny", "espcn", (2, 2))
    assert card.halo == (4, 4)
    assert "photos: 8 images of 40 x 44 pixels; 30 steps of 2 patches of 8 x 8 pixels" in card.training
    assert card.pixel_size is None
    scores = card.scores["validation"]
    assert scores["images"] == 1
    assert np.isfinite([scores["psnr"], scores["bicubic_psnr"]]).all()
    assert json.loads(card.to_json())["limits"] == "A test."


def test_where_images_are_few_none_is_held_out(data, tmp_path, monkeypatch):
    learnt = []

    def source(fields, **options):
        learnt.append(len(fields))
        return PatchSampler(fields, **options)

    monkeypatch.setattr(preparation, "PatchSampler", source)
    for is_held_out in (True, False):
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*hold out")
            path = train(replace(TINY, hold_out=is_held_out), data, tmp_path / f"{is_held_out}.safetensors", steps=3)
        assert ("validation" in find_card(path).scores) is is_held_out
    assert learnt == [7, 8]
    with pytest.raises(TrainingError, match="hold_out must be true or false, got 'no'"):
        replace(TINY, hold_out="no")


def test_fields_are_looked_at_evenly():
    planes = [Field(np.full((4, 4), i, np.float32)) for i in range(100)]
    seen = [int(f.hr[0, 0]) for f in select_evenly(planes)]
    assert len(seen) <= 32
    assert set(np.diff(seen)) == {seen[1]}, "evenly"
    assert seen[-1] + seen[1] >= 100, "to the last"
    volume = select_evenly([Field(np.zeros((200, 100, 90), np.float32))])[0].hr
    assert volume.shape == (96, 96, 90), "the middle"


def test_the_same_seed_gives_the_same_weights(data, trained, tmp_path):
    again = read_weights(train(TINY, data, tmp_path / "a.safetensors", steps=30))
    other = read_weights(train(TINY, data, tmp_path / "b.safetensors", steps=30, seed=1))
    first = read_weights(trained)
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert not all(torch.equal(first[k], other[k]) for k in first)


def test_training_starts_from_given_weights(data, trained, tmp_path):
    slow = replace(TINY, rate=1e-12)
    path = train(slow, data, tmp_path / "a.safetensors", steps=1, start=trained)
    before, after = read_weights(trained), read_weights(path)
    assert all(torch.allclose(before[k], after[k], atol=1e-9) for k in before)
    assert "mine" in load_model(path).card.training
    with pytest.raises(UnknownModelError, match="no model is called 'mine'"):
        train(slow, data, tmp_path / "c.safetensors", steps=1, start="mine")
    with pytest.raises(TrainingError, match=r"no weights of fluo-x2\.safetensors fit"):
        train(slow, data, tmp_path / "c.safetensors", steps=1, start="fluo-x2")
    with pytest.raises(TrainingError, match=r"no weights of mine\.safetensors fit"):
        train(
            replace(TINY, architecture="vdsr", arguments={}), data, tmp_path / "b.safetensors", steps=1, start=trained
        )


def test_what_cannot_be_is_said_before_training(data, trained, tmp_path):
    new = tmp_path / "new.safetensors"
    for output, error in (
        (trained, OutputExistsError),
        (tmp_path / "no" / "m.safetensors", OutputError),
        (tmp_path / "m.pth", OutputError),
    ):
        with pytest.raises(error):
            train(TINY, data, output, steps=1)
    for log in (Path("/proc/gone"), Path("/proc"), trained):
        with pytest.raises(OutputError):
            train(TINY, data, new, steps=1, log=log)
    for budget in ({"steps": 0}, {"minutes": 0}, {"minutes": -1.0}):
        with pytest.raises(TrainingError, match="above 0"):
            train(TINY, data, new, **budget)
    with pytest.raises(TrainingError, match=r"must be at least 400 x 400.*got 7 smaller"):
        train(replace(TINY, patch=200), data, new, steps=1)
    with pytest.raises(TrainingError, match="must be the folder that holds those of the recipe, elsewhere"):
        train(replace(TINY, data=("elsewhere",)), data, new, steps=1)
    assert not new.exists()


def test_a_model_is_trained_once_at_a_time(data, tmp_path):
    output = tmp_path / "m.safetensors"
    with one_writer(checkpoint_path(output)), pytest.raises(OutputExistsError, match="being written by another run"):
        train(TINY, data, output, steps=1)
    assert not list(tmp_path.iterdir())


def test_an_image_is_never_on_both_sides():
    images = [[Field(np.full((2, 2), 100 * i + p, np.float32)) for p in range(5)] for i in range(30)]
    training, held = hold_out(images, seed=3)
    sides = [{int(f.hr[0, 0]) // 100 for f in side} for side in (training, held)]
    assert not sides[0] & sides[1]
    assert sides[0] | sides[1] == set(range(30))
    assert hold_out(images, seed=3)[1][0] is held[0]
    assert hold_out(images[:1], seed=0) == (images[0], [])


def test_planes_are_read_per_image(data, tmp_path):
    images = read_fields([data / "photos"], channel="luma", shrink=(1, 2)).images
    assert [[f.hr.shape for f in fields] for fields in images] == [[(40, 44), (20, 22)]] * 8
    assert all(0 <= f.hr.min() <= f.hr.max() <= 1 for fields in images for f in fields)
    write_image(Image.from_array(np.eye(9, dtype=np.uint16), "YX"), tmp_path / "deep.tif")
    with pytest.raises(TrainingError, match="8 bits"):
        read_fields([tmp_path], channel="luma")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "x.png").write_bytes(b"\x89PNG broken")
    with pytest.raises(TrainingError, match=r"no image .* x.png is left out: .* damaged"):
        read_fields([tmp_path / "empty"], channel="each")


def test_scores_stay_finite_for_a_perfect_result_and_show_invalid_pixels():
    plane = np.random.default_rng(0).random((24, 24)).astype(np.float32)
    field, instrument = Field(plane, plane), make_instrument({"kind": "recorded"})
    assert score_fields(torch.nn.Identity(), [field], scale=(1, 1), instrument=instrument)["psnr"] == 60.0
    broken = torch.nn.Threshold(0.5, float("nan"))
    assert np.isnan(score_fields(broken, [field], scale=(1, 1), instrument=instrument)["psnr"])


def test_luminance_is_the_one_of_the_literature():
    rgb = np.array([[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
    assert np.rint(luma(rgb)).tolist() == [235.0, 16.0, 81.0, 145.0, 41.0]


INSTRUMENTS = {
    "bicubic": {"kind": "bicubic"},
    "optics": {"kind": "optics", "psf_sigma": [1.0, 1.0], "photons": [1e9, 1e9]},
    "lens": {"kind": "optics", "psf": "confocal", "psf_sigma": [1.0, 1.0], "photons": [1e9, 1e9]},
    "detector": {"kind": "optics", "psf_sigma": [0.5, 1.5], "read_noise": [0.0, 1e-6]},
    "kspace": {"kind": "kspace"},
}


def test_patches_are_turned_by_quarters_and_flipped():
    lr, hr = (np.arange(n, dtype=np.float32).reshape(3 * s, 2 * s) for s, n in ((1, 6), (2, 24)))
    seen = set()
    for seed in range(60):
        random = np.random.default_rng(seed)
        quarters, flip = int(random.integers(4)), bool(random.integers(2))
        turn = _draw_turn(np.random.default_rng(seed), 2)
        for patch in (lr, hr):
            turned = turn.apply(patch)
            expected = np.rot90(patch, quarters)
            np.testing.assert_array_equal(turned, expected[:, ::-1] if flip else expected)
        seen.add((quarters, flip))
    assert len(seen) == 8


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_patches_lie_on_each_other(name):
    """Compare the centroid of a blob in both patches: a network would learn a shift between them."""
    y, x = np.mgrid[:40, :40]
    blob = np.exp(-((y - 18.0) ** 2 + (x - 22.0) ** 2) / (2 * 3.0**2)).astype(np.float32)
    plane = np.pad(blob, 20)
    source = PatchSampler([Field(plane)], scale=(2, 2), patch=(20, 20), instrument=make_instrument(INSTRUMENTS[name]))
    low, high = source.batch(6, 0)
    assert low.shape == (6, 1, 20, 20)
    assert high.shape == (6, 1, 40, 40)
    means = torch.nn.functional.avg_pool2d(high, 2)
    at = torch.stack(torch.meshgrid(torch.arange(20.0), torch.arange(20.0), indexing="ij"))
    compared = 0
    for one, other in zip(low, means, strict=True):
        edges = other[0, 0].sum() + other[0, -1].sum() + other[0, :, 0].sum() + other[0, :, -1].sum()
        if other.sum() > 10 and edges < 0.01:
            compared += 1
            centre = [(at * p).sum((1, 2)) / p.sum() for p in (one, other)]
            assert torch.allclose(*centre, atol=0.05)
    assert compared


def test_batches_depend_on_seed_and_step_only():
    planes = [Field(np.random.default_rng(0).random((60, 70), np.float32))]
    instrument = make_instrument({"kind": "optics", "psf_sigma": [0.5, 1.0], "photons": [10, 99]})
    options = {"scale": (2, 2), "patch": (12, 12), "instrument": instrument}
    first, second = (PatchSampler(planes, **options, seed=3) for _ in range(2))
    first.batch(4, 0)
    assert torch.equal(first.batch(4, 7)[0], second.batch(4, 7)[0])
    assert not torch.equal(first.batch(4, 7)[0], first.batch(4, 8)[0])
    other = PatchSampler(planes, **options, seed=4)
    assert not torch.equal(other.batch(4, 7)[0], first.batch(4, 7)[0])


def test_scores_of_bicubic_against_itself_are_equal():
    from napari_superres.models.interpolate import Interpolation

    plane = np.random.default_rng(0).random((24, 26)).astype(np.float32)
    found = score_fields(
        Interpolation("bicubic", (2, 2)),
        [Field(plane)] * 2,
        scale=(2, 2),
        instrument=make_instrument({"kind": "bicubic"}),
    )
    assert found["psnr"] == found["bicubic_psnr"]
    assert found["images"] == 2


def test_progress_is_told(data, tmp_path):
    told: list[TrainingStep] = []
    train(TINY, data, tmp_path / "m.safetensors", steps=30, progress=told.append)
    assert (told[-1].step, told[-1].share, told[-1].remaining) == (30, 1.0, 0.0)
    assert len(told[-1].scores) == 20
    assert all(np.isfinite([t.loss, *t.scores]).all() for t in told)


def test_looking_at_validation_images_does_not_eat_up_the_time(data, tmp_path, monkeypatch):
    from napari_superres.training import trainer

    def slowly(*arguments, **options):
        time.sleep(0.25)
        return score_fields(*arguments, **options)

    monkeypatch.setattr(trainer, "score_fields", slowly)
    told: list[TrainingStep] = []
    train(TINY, data, tmp_path / "m.safetensors", minutes=0.05, progress=told.append)
    assert 2 <= len(told[-1].scores) <= 5


def test_a_model_that_is_no_better_is_said_to_be(data, tmp_path):
    with pytest.warns(SuperResWarning, match="no better than bicubic interpolation .*Train longer"):
        train(replace(TINY, rate=1e-12), data, tmp_path / "m.safetensors", steps=1)


def test_weights_of_another_scale_are_taken_where_they_fit(data, trained, tmp_path):
    other = replace(TINY, scale=(3, 3))
    with pytest.warns(SuperResWarning, match="4 of 6 weights are taken from mine"):
        train(other, data, tmp_path / "m.safetensors", steps=1, start=trained)


def test_the_pixel_size_is_that_of_the_images(tmp_path):
    images = []
    for i, size in enumerate((0.1, 0.25)):
        folder = tmp_path / str(i)
        folder.mkdir()
        picture = np.random.default_rng(i).random((40, 44), np.float32)
        write_image(Image.from_array(picture, "YX", pixel_size=size, unit="micrometer"), folder / "a.tif")
        images.append(folder)
    recipe = make_recipe("m", images, architecture="espcn", scale=2, card={"license": "CC0-1.0"})
    card = load_model(train(replace(recipe, patch=8), tmp_path, tmp_path / "m.safetensors", steps=1)).card
    assert card.pixel_size == pytest.approx((0.2, 0.5), rel=1e-3)


def test_what_training_makes_passes_the_check(trained):
    found = check.check_model(trained)
    assert found["exact"]
    assert found["halo_on_card"] == [4, 4]
    json.dumps(found)
