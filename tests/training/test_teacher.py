"""A teacher's results are learnt on the patches that the instrument only reduces, turned as these are."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.recipes import TINY

from napari_superres import Image, load_model, write_image
from napari_superres.degradation.instruments import make_instrument
from napari_superres.errors import TrainingError, UnknownModelError
from napari_superres.models import ModelCard
from napari_superres.models.architectures import build
from napari_superres.models.model_file import write_model
from napari_superres.training import train
from napari_superres.training.images.fields_of_view import Field
from napari_superres.training.losses import Loss
from napari_superres.training.options import TRAIN_DEFAULTS
from napari_superres.training.patches import PatchSampler
from napari_superres.training.preparation import prepare
from napari_superres.training.recipes.teacher import Teacher

pytest.importorskip("lightning", reason="training needs Lightning")
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning"),
    pytest.mark.filterwarnings("ignore:the model is no better than bicubic"),
]

PUPIL = replace(TINY, name="pupil-x2", teacher="teacher.safetensors", card={"modality": "photograph"})
CONDITIONED = {"kind": "conditioned", "reduction": "bicubic"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return a folder with a folder of pictures and a colour network that teaches."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "photos").mkdir()
    y, x = np.mgrid[:40, :44]
    for i in range(4):
        picture = 128 + 90 * np.sin(y / (3 + i)) * np.cos(x / (2 + i))
        write_image(Image.from_array(picture.astype(np.uint8), "YX"), folder / "photos" / f"{i}.png")
    write_teacher(folder / "teacher.safetensors")
    return folder


def write_teacher(path, **facts):
    arguments = {"scale": [2, 2], "channels": 3, "blocks": 1, "features": 4}
    with torch.random.fork_rng():
        torch.manual_seed(5)
        network = build("edsr", arguments)
    card = {
        "name": "t",
        "title": "Big one",
        "citation": "Somebody 2020",
        "scale": (2, 2),
        "channels": 3,
        "halo": (8, 8),
    }
    return write_model(
        path, ModelCard(architecture="edsr", arguments=arguments, **{**card, **facts}), network.state_dict()
    )


def marked(low):
    """Return what no instrument makes: the low-resolution plane doubled, and its negative."""
    return -low.repeat(2, axis=0).repeat(2, axis=1)


@pytest.mark.parametrize(
    ("settings", "taught"),
    [({"kind": "bicubic"}, 6), (CONDITIONED, 4), ({"kind": "optics", "psf_sigma": [1.0, 1.0]}, 0)],
    ids=lambda v: v["kind"] if isinstance(v, dict) else str(v),
)
def test_results_lie_on_the_patches_that_are_only_reduced(settings, taught):
    plane = np.random.default_rng(0).random((90, 96), np.float32)
    calls = []

    def teacher(low):
        calls.append(low.shape)
        return marked(low)

    options = {"scale": (2, 2), "patch": (8, 8), "instrument": make_instrument(settings)}
    low, high = PatchSampler([Field(plane)], **options, teacher=teacher).batch(6, 0)
    assert high.shape == (6, 2, 16, 16)
    own, results = high[:, :1], high[:, 1:]
    doubled = -low[:, :1].repeat_interleave(2, -2).repeat_interleave(2, -1)
    torch.testing.assert_close(results[:taught], doubled[:taught])
    assert torch.equal(results[taught:], own[taught:]), "where it does not teach, the truth is learnt"
    assert calls == ([(45, 48)] if taught else []), "once per field"
    without = PatchSampler([Field(plane)], **options).batch(6, 0)
    assert torch.equal(without[0], low)
    assert torch.equal(without[1], own)


def test_two_thirds_of_the_conditioned_photographs_are_as_in_the_literature():
    plane = np.random.default_rng(0).random((90, 96), np.float32)
    field, options = Field(plane), {"scale": (2, 2), "patch": (8, 8)}
    low, _ = PatchSampler([field], **options, instrument=make_instrument(CONDITIONED)).batch(6, 0)
    levels = low[:, 0] * 255
    is_rounded = (levels - levels.round()).abs().amax((1, 2)) < 1e-3
    assert is_rounded.tolist() == [True] * 4 + [False] * 2
    assert float(low[:4, 1].abs().max()) == 0, "no blur is told"
    assert float(low[:4, 2:].max()) < 0.1, "hardly any noise is told"
    whole = make_instrument({"kind": "bicubic"}).reduce(plane, (2, 2))
    windows = np.lib.stride_tricks.sliding_window_view(whole, (8, 8))
    for patch in low[:4, 0].numpy():
        turned = [np.rot90(p, k) for p in (patch, patch.T) for k in range(4)]
        assert any(np.abs(windows - t).max((2, 3)).min() < 1e-6 for t in turned), "part of the image reduced as a whole"


def test_reduction_of_blurred_patches_is_that_of_the_whole():
    plane = torch.rand(2, 1, 80, 80, generator=torch.Generator().manual_seed(0))
    instrument = make_instrument({**CONDITIONED, "psf_sigma": [0, 0], "gain": [1e-9, 1e-9], "read_noise": [1e-9, 1e-9]})
    reduced = torch.from_numpy(instrument.reduce(plane[1, 0].numpy(), (2, 2)))[None, None].expand(2, -1, -1, -1)
    low, high = instrument.expose(plane, reduced, (2, 2), np.random.default_rng(1))
    margin = instrument.margin((2, 2))[0]
    scene = plane[1, 0, margin:-margin, margin:-margin]
    # Contrast and offset of the patch may have been changed, as seen in the truth.
    slope = float((high[1, 0] - high[1, 0].mean()).std() / scene.std())
    expected = reduced[0, 0, margin // 2 : -margin // 2, margin // 2 : -margin // 2]
    found = low[1, 0]
    torch.testing.assert_close(found - found.mean(), slope * (expected - expected.mean()), atol=6e-3, rtol=0)


def test_the_loss_is_shared(data):
    from napari_superres.training.running.lightning_module import SuperResolution

    class Constant(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.value = torch.nn.Parameter(torch.zeros(()))

        def forward(self, x):
            return self.value.expand(len(x), 1, 4, 4)

    module = SuperResolution(Constant(), loss=Loss(), rate=1e-3, steps=10, minutes=None, teacher_share=0.25)
    module.log = lambda *_: None
    truth, results = torch.full((2, 1, 4, 4), 1.0), torch.full((2, 1, 4, 4), 3.0)
    loss = module.training_step((torch.zeros(2, 1, 2, 2), torch.cat([truth, results], dim=1)), 0)
    assert float(loss.detach()) == pytest.approx(0.75 * 1 + 0.25 * 3)


def test_the_card_names_the_teacher(data, tmp_path):
    card = load_model(train(PUPIL, data, tmp_path / "m.safetensors", steps=3)).card
    assert card.training.endswith("50 % of the loss against the results of Big one (Somebody 2020).")
    plain = load_model(train(replace(PUPIL, teacher=""), data, tmp_path / "n.safetensors", steps=3)).card
    assert "results" not in plain.training


def test_a_teacher_sees_grey_and_any_size(data):
    teacher = Teacher(data / "teacher.safetensors", PUPIL)
    low = np.random.default_rng(0).random((9, 11), np.float32)
    model = load_model(data / "teacher.safetensors")
    expected = model(torch.from_numpy(low).expand(1, 3, 9, 11)).mean(1)[0]
    np.testing.assert_allclose(teacher(low), expected, atol=1e-6)


def test_another_teacher_is_another_training(data, tmp_path):
    options = {**TRAIN_DEFAULTS, "steps": 1}
    first, second = (
        prepare(recipe, data, tmp_path / "m.safetensors", options).settings
        for recipe in (PUPIL, replace(PUPIL, teacher=""))
    )
    assert first != second


def test_what_cannot_teach_is_refused(data, tmp_path):
    file = write_teacher(tmp_path / "other.safetensors", intensity="percentile")
    with pytest.raises(TrainingError, match="intensity percentile instead of unit") as error:
        train(replace(PUPIL, teacher=str(file)), data, tmp_path / "m.safetensors", steps=1)
    assert "another teacher" in error.value.remedy
    with pytest.raises(UnknownModelError):
        train(replace(PUPIL, teacher="nobody"), data, tmp_path / "m.safetensors", steps=1)
    for share in (0, 1.5, "half"):
        with pytest.raises(TrainingError, match="teacher_share must be a number above 0, at most 1"):
            replace(PUPIL, teacher_share=share)


def test_conditions_begin_without_effect(data, tmp_path):
    recipe = replace(PUPIL, architecture="edsr", arguments={"blocks": 1, "features": 4}, teacher="")
    start = train(recipe, data, tmp_path / "start.safetensors", steps=2)
    told = replace(recipe, degradation=CONDITIONED, start=str(start), patch=4)
    network = prepare(told, data, tmp_path / "m.safetensors", {**TRAIN_DEFAULTS, "steps": 1}).network
    image, planes = torch.rand(1, 1, 9, 9), torch.rand(1, 3, 9, 9)
    with torch.inference_mode():
        torch.testing.assert_close(network(torch.cat([image, planes], 1)), load_model(start)(image))


def test_a_network_may_stop_being_told(data, tmp_path):
    told = replace(PUPIL, architecture="edsr", arguments={"blocks": 1, "features": 4}, teacher="", patch=4)
    start = train(replace(told, degradation=CONDITIONED), data, tmp_path / "start.safetensors", steps=2)
    # A model that training starts from passes on all arguments of its network.
    plain = replace(told, arguments=dict(load_model(start).card.arguments), start=str(start))
    prepared = prepare(plain, data, tmp_path / "m.safetensors", {**TRAIN_DEFAULTS, "steps": 1})
    image = torch.rand(1, 1, 9, 9)
    with torch.inference_mode():
        expected = load_model(start)(torch.cat([image, torch.zeros(1, 3, 9, 9)], 1))
        torch.testing.assert_close(prepared.network(image), expected)
    assert not any("weights are taken" in note for note in prepared.notes)
