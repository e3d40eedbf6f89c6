"""Training on movies and volumes: patches are aligned, and the models run."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_superres import Image, load_model, upscale, write_image
from napari_superres.degradation.instruments import lenses, make_instrument
from napari_superres.errors import TrainingError
from napari_superres.inference.measure import check
from napari_superres.training import Recipe, make_recipe, train
from napari_superres.training.images.fields_of_view import Field, read_fields
from napari_superres.training.patches import PatchSampler

pytest.importorskip("lightning", reason="training needs Lightning")
# Lightning's own: it asks torch in a way that is going out.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning"),
    pytest.mark.filterwarnings("ignore:the model is no better than bicubic"),  # after seconds
]

CARD = {"license": "BSD-3-Clause", "intensity": "unit", "color": "per-channel"}
MOVIE = Recipe(
    name="tiny-movie-x2",
    architecture="edsr",
    arguments={"blocks": 1, "features": 4, "frames": 5},
    scale=(2, 2),
    data=("planes",),
    patch=8,
    batch=2,
    channel="each",
    card=CARD,
    degradation={"kind": "movie", "psf_sigma": [0.5, 0.8], "photons": [20, 99], "frames": 5, "speed": [0, 1]},
)
VOLUME = Recipe(
    name="tiny-z3",
    architecture="span",
    arguments={"blocks": 1, "features": 4},
    scale=(3, 1, 1),
    data=("volumes",),
    patch=(4, 8, 8),
    batch=2,
    channel="each",
    degradation={"kind": "slices", "noise": [0.0, 0.05]},
    card=CARD,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return a folder with a folder of planes and one of volumes."""
    folder = tmp_path_factory.mktemp("data")
    z, y, x = np.mgrid[:30, :48, :50]
    for i in range(3):
        volume = (2000 + 900 * np.sin(y / (3 + i)) * np.cos(x / (2 + i)) * np.sin(z / 4 + i)).astype(np.uint16)
        for name, axes, values in (("planes", "YX", volume[15]), ("volumes", "ZYX", volume)):
            (folder / name).mkdir(exist_ok=True)
            write_image(Image.from_array(values, axes), folder / name / f"{i}.ome.tif")
    return folder


def centre(image):
    """Return the centroid of a blob."""
    at = torch.stack(torch.meshgrid(*(torch.arange(float(n)) for n in image.shape), indexing="ij"))
    return (at * image).flatten(1).sum(1) / image.sum()


def blob(shape, sigma):
    at = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in shape), indexing="ij")
    return np.exp(-sum(a**2 for a in at) / (2 * sigma**2)).astype(np.float32)


def test_the_middle_frame_shows_the_patch_and_the_others_where_it_was(monkeypatch):
    monkeypatch.setattr(lenses, "_JITTER", 0.0)
    monkeypatch.setattr(lenses, "_END_CHANCE", 0.0)
    settings = {"kind": "movie", "psf_sigma": [1.0, 1.0], "read_noise": [0.0, 0.0], "frames": 5, "speed": [2.0, 2.0]}
    instrument = make_instrument(settings)
    margin = instrument.margin((2, 2))
    high = torch.from_numpy(np.pad(blob((64, 64), 3.0), [(m, m) for m in margin]))[None, None].repeat(6, 1, 1, 1)
    low, kept = instrument.expose(high, None, (2, 2), np.random.default_rng(0))
    assert low.shape == (6, 5, 32, 32)
    assert kept.shape == (6, 1, 64, 64)
    directions = set()
    for movie in low:
        seen = torch.stack([centre(frame) for frame in movie])
        assert torch.allclose(seen[2], centre(torch.nn.functional.avg_pool2d(kept[0], 2)[0]), atol=0.02)
        steps = seen.diff(dim=0)
        assert torch.allclose(steps.norm(dim=1), torch.ones(4), atol=0.55), "two fine pixels per frame, in whole ones"
        assert torch.allclose(steps.sum(0).norm(), torch.tensor(4.0), atol=0.5)
        assert steps[0] @ steps[-1] > 0, "it goes on in its direction"
        directions.add(tuple(np.sign(np.rint(steps.sum(0).numpy()))))
    assert len(directions) > 2


def test_frames_beyond_the_ends_are_those_that_the_engine_takes(monkeypatch):
    monkeypatch.setattr(lenses, "_END_CHANCE", 1.0)
    random = np.random.default_rng(0)
    seen = {tuple(int(i) for i in lenses._frame_order(2, random)) for _ in range(99)}
    # Frame 2 is the one wanted; one or none is there before and after it; the others are mirrored.
    assert seen == {(2, 2, 2, 2, 2), (2, 3, 2, 3, 2), (2, 1, 2, 1, 2), (2, 1, 2, 3, 2)}


@pytest.mark.parametrize("settings", [{}, {"psf_sigma": [1.0, 1.5], "photons": [1e9, 1e9]}], ids=str)
def test_slices_lie_on_what_they_are_made_of(settings):
    volume = np.pad(blob((24, 20, 20), 2.5), ((20, 20), (10, 10), (10, 10)))
    source = PatchSampler(
        [Field(volume)], scale=(3, 1, 1), patch=(10, 24, 24), instrument=make_instrument({"kind": "slices", **settings})
    )
    low, high = source.batch(8, 0)
    assert low.shape == (8, 1, 10, 24, 24)
    assert high.shape == (8, 1, 30, 24, 24)
    compared = 0
    for one, other in zip(low[:, 0], high[:, 0], strict=True):
        edges = [other.select(a, i).sum() for a in range(3) for i in (0, 1, -2, -1)]
        if other.sum() > 50 and sum(edges) < 0.01 * other.sum():
            compared += 1
            at = centre(other)
            assert torch.allclose(centre(one), torch.stack([(at[0] - 1) / 3, *at[1:]]), atol=0.02)
    assert compared


def test_a_movie_model_runs_on_a_movie(data, tmp_path):
    model = load_model(train(MOVIE, data, tmp_path / "m.safetensors", steps=4))
    assert (model.card.frames, model.card.context) == (5, "T")
    assert "5 frames, moving 0-1 fine pixels each" in model.card.degradation
    movie = np.add.outer(np.arange(4), np.add.outer(np.arange(20), np.arange(22))).astype(np.uint16)
    assert upscale(movie, model, axes="TYX").shape == (4, 40, 44)
    assert check.check_model(model)["exact"]


def test_a_model_of_two_views_runs_on_two_views(data, tmp_path):
    arguments = {"blocks": 1, "features": 4, "frames": 2, "parallax": 2}
    degradation = {"kind": "views", "psf_sigma": [0.5, 0.5], "parallax": [0, 4]}
    recipe = replace(MOVIE, name="tiny-views-x2", arguments=arguments, degradation=degradation)
    model = load_model(train(recipe, data, tmp_path / "m.safetensors", steps=4))
    assert (model.card.frames, model.card.context) == (2, "C")
    views = np.add.outer(np.arange(2), np.add.outer(np.arange(30), np.arange(42))).astype(np.uint16)
    assert upscale(views, model, axes="CYX").shape == (2, 60, 84)
    assert check.check_model(model)["exact"]


def test_a_volume_model_runs_on_a_volume(data, tmp_path):
    model = load_model(train(VOLUME, data, tmp_path / "v.safetensors", steps=4))
    assert model.card.scale == (3, 1, 1)
    assert "slices" in model.card.degradation
    assert model.card.scores["validation"]["bicubic_psnr"] > 20
    volume = np.add.outer(np.arange(7), np.add.outer(np.arange(20), np.arange(22))).astype(np.uint16)
    assert upscale(volume, model, axes="ZYX").shape == (21, 20, 22)
    assert check.check_model(model)["exact"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"arguments": {"frames": 3}}, "takes 3 frames and the instrument records 5"),
        ({"degradation": {**MOVIE.degradation, "frames": 4}}, "frames must be an odd number, got 4"),
        ({"scale": (2, 2, 2), "patch": 8}, "volumes are degraded by slices, kspace, bicubic, .* got 'movie'"),
        ({"degradation": {"kind": "slices"}, "arguments": {}}, "only volumes have slices; got 'slices' and the scale"),
        ({"patch": (8, 9)}, "patch must be one edge, or one per axis"),
    ],
    ids=str,
)
def test_recipes_that_cannot_be(changes, said):
    with pytest.raises(TrainingError, match=said):
        replace(MOVIE, **changes)


def test_only_some_networks_take_frames(data):
    with pytest.raises(TrainingError, match=r"fsrcnn takes single images, .* Use edsr \(or photo\) as `architecture`"):
        make_recipe("m", [data], architecture="fsrcnn", scale=2, degradation=MOVIE.degradation)


def test_a_volume_needs_depth(data):
    with pytest.raises(TrainingError, match=r"no volume \(Z, Y, X\) in .*planes could be read"):
        read_fields([data / "planes"], channel="each", ndim=3)
    volumes = read_fields([data / "volumes"], channel="each", ndim=3).images
    assert [[f.hr.shape for f in fields] for fields in volumes] == [[(30, 48, 50)]] * 3
