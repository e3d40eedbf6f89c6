"""What a card says about tiles and the grid is measured before the model is used, and remembered by its sha256."""

import json
import shutil
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch
from helpers.conditioned import write_conditioned_model
from helpers.library_files import with_card
from platformdirs import user_cache_path
from torch import nn

from napari_superres import Image, upscale
from napari_superres.errors import ModelFileError, SuperResWarning
from napari_superres.models import ModelCard, find_card, load_model
from napari_superres.models.architectures import build
from napari_superres.models.library import loading
from napari_superres.models.library.shipped import shipped_cards, shipped_file
from napari_superres.models.model_file import digest, write_model
from napari_superres.models.probes.cache import recall, remember
from napari_superres.models.probes.grid import measure_grid
from napari_superres.models.probes.passes import with_conditions
from napari_superres.models.probes.tiles import assume_tiles, measure_tiles


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Return the file of the measurements, which does not exist yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return user_cache_path("napari-superres") / "measured.json"


def shipped_copy(path, **changes):
    """Copy a shipped model, with another card."""
    shutil.copy(shipped_file("fsrcnn-x2"), path)
    with_card(**changes)(path)
    return path


LIES = {
    "unbounded without error": {"bounded": False, "tile_error": 0.0, "halo": [0, 0]},
    "a small halo": {"halo": [1, 1]},
    "a large halo": {"halo": [2000, 2000]},
    "statistics": {"global_statistics": True},
    "a grid elsewhere": {"grid_offset": [60.0, -60.0]},
    "a large multiple": {"multiple": [32, 32]},
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_no_card_is_believed(lie, tmp_path):
    path = shipped_copy(tmp_path / "fsrcnn-x2.safetensors", **lie)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = load_model(path)
    assert model.card == find_card("fsrcnn-x2")
    harmless = lie.keys() <= {"global_statistics"} or lie == {"halo": [2000, 2000]}
    assert [str(w.message).partition(":")[0] for w in caught] == ["The card of fsrcnn-x2 is wrong"] * (not harmless)


def test_tiles_of_a_card_that_denies_its_halo_are_exact(tmp_path):
    path = shipped_copy(tmp_path / "seams.safetensors", **LIES["unbounded without error"])
    with pytest.warns(SuperResWarning, match=r"halo \(0, 0\), measured \(8, 8\); bounded False, measured True"):
        model = load_model(path)
    image = Image.from_array(np.random.default_rng(0).random((60, 61)), "YX")
    options = {"precision": "fp64", "device": "cpu", "intensity_range": [(-1.0, 1.0)]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SuperResWarning)
        whole, tiled = (upscale(image, model, tile=tile, **options).data for tile in (100, 30))
    np.testing.assert_allclose(whole, tiled, rtol=0, atol=1e-10)


def test_the_error_of_a_network_without_a_halo_is_measured(tmp_path):
    """DFCAN takes Fourier transforms of the whole image."""
    arguments = {"scale": [2, 2], "groups": 1, "blocks": 1, "features": 4, "reduction": 2}
    torch.manual_seed(0)
    network = build("dfcan", arguments)
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    card = ModelCard(name="d", architecture="dfcan", arguments=arguments, scale=(2, 2), halo=(4, 4), tile_error=0.0)
    path = write_model(tmp_path / "d.safetensors", card, network.state_dict())
    with pytest.warns(SuperResWarning, match="bounded True, measured False"):
        found = load_model(path).card
    assert not found.bounded
    assert found.tile_error > 1e-6
    assert max(found.halo) >= 16


def test_a_network_that_shows_no_grid_has_the_usual_one(tmp_path, espcn):
    card, weights = espcn
    path = write_model(tmp_path / "a.safetensors", replace(card, grid_offset=(3.0, 3.0)), weights)
    with pytest.warns(SuperResWarning, match=r"offset \(3, 3\), measured \(0.5, 0.5\)"):
        assert load_model(path).card.grid_offset is None


class Moved(torch.nn.Module):
    """Repeat pixels, move them by whole pixels of the result, and add a faint ramp where the image is bright."""

    def __init__(self, by):
        super().__init__()
        self.by = by

    def forward(self, x):
        fine = x.repeat_interleave(2, -1).repeat_interleave(2, -2).roll(self.by, -1)
        return fine + 0.02 * x.mean() * torch.linspace(0, 1, fine.shape[-1])


@pytest.mark.parametrize("by", [0, 1, 2, 5])
def test_a_network_that_moves_the_image_has_its_own_grid(by):
    """A centroid would be drawn to the ramp."""
    card = ModelCard(name="a", architecture="espcn", scale=(2, 2), grid_offset=(9.0, 9.0))
    expected = pytest.approx((0.5, 0.5 + by), abs=0.02) if by else None
    assert measure_grid(card, Moved(by)).grid_offset == expected


@pytest.mark.parametrize("card", shipped_cards(), ids=lambda card: card.name)
def test_the_grid_of_shipped_models_is_the_usual_one(card):
    assert measure_grid(card, load_model(card.name).runner).grid_offset == card.grid_offset


def test_conditions_are_told_while_a_network_is_measured(tmp_path):
    model = load_model(write_conditioned_model(tmp_path / "told.safetensors"))
    assert model.card.inputs == 4
    assert model.card.bounded
    planes = with_conditions(model.card, torch.zeros(1, 1, 4, 5))
    assert planes.shape == (1, 4, 4, 5)
    assert planes[0, :, 0, 0].tolist() == pytest.approx([0.0, 0.5, 3 * 0.04**0.5, 5 * 0.075])
    assert (planes[0, 1:] == planes[0, 1:, :1, :1]).all()


def test_shipped_models_are_not_measured():
    """They start at once, because tests measure them before they are shipped."""
    with patch.object(loading, "_measure", side_effect=AssertionError("measured")):
        for card in shipped_cards()[:3]:
            assert load_model(card.name).card == card


DAMAGE = {
    "empty": "",
    "no JSON": "{",
    "deep": "[" * 100_000,
    "a list": "[1, 2]",
    "not UTF-8": b"\xff\xfe",
    "an older entry": {"halo": [4, 4], "is_global": False},
    "a list as entry": [4, 4],
    "nothing as entry": None,
    "a field too few": {"halo": [4, 4], "multiple": [1, 1], "global_statistics": False, "bounded": True},
    "a wrong type": {"halo": "4"},
    "another number of axes": {"halo": [4, 4, 4], "multiple": [1, 1, 1]},
    "beyond all bounds": {"halo": [10**9, 10**9]},
    "below all bounds": {"tile_error": -1.0},
    "not a number": {"grid_offset": [float("nan"), 0.0]},
}
GOOD = {
    "multiple": [1, 1],
    "halo": [4, 4],
    "global_statistics": False,
    "bounded": True,
    "tile_error": None,
    "grid_offset": None,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_cache_is_measured_again(damage, model_file, cache):
    load_model(model_file)
    (key,) = json.loads(cache.read_text())
    if isinstance(damage, str | bytes):
        cache.write_bytes(damage.encode() if isinstance(damage, str) else damage)
    else:
        is_whole = isinstance(damage, dict) and len(damage) < 3 and "is_global" not in damage
        cache.write_text(json.dumps({key: {**GOOD, **damage} if is_whole else damage}))
    assert load_model(model_file).card.halo == (4, 4)
    assert json.loads(cache.read_text())[key] == GOOD
    with patch.object(loading, "_measure", side_effect=AssertionError("measured")):
        assert load_model(model_file).card.halo == (4, 4)


def test_a_cache_of_an_older_version_blocks_nothing(model_file, cache):
    cache.parent.mkdir(parents=True)
    (cache.parent / "reach.json").write_text(json.dumps({digest(model_file): {"halo": [1, 1]}}))
    assert load_model(model_file).card.halo == (4, 4)


def test_where_nothing_can_be_remembered(model_file, cache):
    cache.parent.parent.mkdir(parents=True)
    cache.parent.write_text("a file in the way")
    assert load_model(model_file).card == load_model(model_file).card


ABSURD = {
    "frames": [10**7 + 1, 2**63 + 1],
    "multiple": [[256, 256], [10**9, 1]],
    "scale": [[11, 11], [64, 64]],
    "halo": [[10**6, 10**6]],
    "grid_offset": [[100.0, 0.0], [1e300, 0.0]],
    "tile_error": [-0.1, 10**400],
    "pixel_size": [[0.0, 1.0], [2.0, 1.0]],
    "noise": [[-0.1, 0.1], [0.2, 0.1]],
    "scores": [{"Set5": 3}, [1]],
    "title": ["half a character: \ud800"],
    "arguments": [{"scale": [2, 2], "a": [[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]}, {"a": [0] * 20_000}],
}


@pytest.mark.parametrize(("field", "value"), [(f, v) for f, values in ABSURD.items() for v in values])
def test_absurd_values_are_refused_before_anything_is_built(field, value, model_file):
    with_card(**{field: value})(model_file)
    with (
        patch("napari_superres.models.own_network.limit_network_size", side_effect=AssertionError("built")),
        pytest.raises(ModelFileError, match=f"card: .*{field}"),
    ):
        load_model(model_file)


def test_weights_that_are_not_finite_are_refused(tmp_path, espcn):
    card, weights = espcn
    for number, value in enumerate((float("nan"), float("inf"))):
        damaged = {name: weight.clone() for name, weight in weights.items()}
        next(iter(damaged.values())).flatten()[0] = value
        path = write_model(tmp_path / f"{number}.safetensors", card, damaged)
        with pytest.raises(ModelFileError, match="holds weights that are not finite, so it is damaged"):
            load_model(path)


def test_multiples_that_make_large_images_are_refused(model_file):
    with_card(scale=[8, 8], multiple=[64, 64])(model_file)
    with pytest.raises(ModelFileError, match="up to 65536 pixels of the smallest image, got 512 x 512"):
        load_model(model_file)


def test_what_is_measured_at_the_same_time_is_all_remembered(cache):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: remember("measured", str(i), i), range(40)))
    assert [recall("measured", str(i), int) for i in range(40)] == list(range(40))


class Coarse(nn.Module):
    """Weights pixels by a coarse map that is resized to the image: no multiple makes tiles exact."""

    def __init__(self):
        super().__init__()
        self.large = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        coarse = nn.functional.interpolate(nn.functional.avg_pool2d(x, 7, 3), x.shape[2:], mode="bilinear")
        return nn.functional.interpolate(x * coarse, scale_factor=2)


def test_phases_are_not_probed_in_vain():
    network = Coarse().eval()
    counted = []
    network.register_forward_hook(lambda *_: counted.append(1))
    card = measure_tiles(ModelCard(name="coarse", architecture="published", scale=(2, 2), channels=1), network)
    assert (card.bounded, card.halo) == (False, (64, 64))
    assert card.tile_error > 0
    assert len(counted) < 25, "the two axes have 16 phases each"


def test_the_error_of_tiles_of_a_large_network_is_measured():
    """Its halo costs too many pixels, and one measurement of the error does not."""
    network = Coarse().eval()
    network.large = nn.Parameter(torch.zeros(20_000_000))
    shares = []
    card = measure_tiles(
        ModelCard(name="coarse", architecture="spandrel", scale=(2, 2), channels=1, multiple=(16, 16)),
        network,
        shares.append,
    )
    assert not card.bounded
    assert card.halo == (16, 16)
    assert card.tile_error > 0
    assert shares == sorted(shares)
    assert shares[-1] <= 1


class Windowed(Coarse):
    """Takes the mean of windows of 8 pixels, as attention within windows does, and pads images to whole windows."""

    def forward(self, x):
        size = x.shape[2:]
        x = nn.functional.pad(x, (0, -size[1] % 8, 0, -size[0] % 8), "replicate")
        means = nn.functional.avg_pool2d(x, 8)
        whole = x * nn.functional.interpolate(means, scale_factor=8)
        return nn.functional.interpolate(whole[..., : size[0], : size[1]], scale_factor=2)


def test_tiles_of_a_large_network_begin_at_its_windows():
    """There are too few pixels for the halo; tiles that begin anywhere would differ by a tenth of the range."""
    network = Windowed().eval()
    network.large = nn.Parameter(torch.zeros(20_000_000))
    card = measure_tiles(ModelCard(name="net", architecture="spandrel", scale=(2, 2), channels=1), network)
    assert all(m % 8 == 0 for m in card.multiple)
    assert card.bounded or card.tile_error < 1e-6


@pytest.mark.parametrize("edge", [96, 128, 256])
def test_the_error_of_tiles_of_one_size_is_measured(edge):
    """A halo leaves room for a core."""
    card = ModelCard(
        name="net",
        architecture="source",
        arguments={"smallest": [edge, edge]},
        scale=(2, 2),
        channels=1,
        multiple=(16, 16),
        largest=(edge, edge),
    )
    found = measure_tiles(card, Coarse().eval())
    assert found.tile_error is not None
    assert 2 * max(assume_tiles(card).halo) < edge
