"""Models of other programs: each architecture of spandrel, with exact tiles or a stated error, on scientific images."""

import copy
import pickle
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.checkpoints.spandrel_networks import EXTRA_LEFT_OUT, EXTRA_NAMES, LEFT_OUT, NAMES, checkpoint
from helpers.runs import plan_of
from torch import nn

from napari_superres import Image, load_model, upscale
from napari_superres.core import intensity
from napari_superres.core.tiling import smallest_tile
from napari_superres.errors import MissingExtraError, ModelFileError, SuperResWarning
from napari_superres.models import ModelCard, add_model, find_card, remove_model
from napari_superres.models.foreign.convert import convert
from napari_superres.models.foreign.loaders import spandrel_models
from napari_superres.models.foreign.measure_card import measure_card
from napari_superres.models.library.index import library_entries

pytest.importorskip("spandrel", reason="models of other programs need spandrel")
pytestmark = [
    pytest.mark.usefixtures("folder"),
    # torch says so while it copies or traces some of these networks
    pytest.mark.filterwarnings("ignore:torch.meshgrid"),
]

EXTRAS = [pytest.param(name, marks=pytest.mark.slow) for name in EXTRA_NAMES]
QUICK = ("Compact", "DnCNN", "RCAN", "SwinIR")
ALL = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]
RANDOM = "AuraSR"


def saved(name, path, **more):
    torch.save({"params_ema": checkpoint(name), **more}, path)
    return path


def image(shape=(45, 39), dtype=np.float64, axes="YX"):
    return Image.from_array(np.random.default_rng(0).random(shape).astype(dtype), axes)


def test_the_tables_name_every_architecture():
    from spandrel import MAIN_REGISTRY

    assert {str(a.architecture.id) for a in MAIN_REGISTRY} == {*NAMES, *LEFT_OUT}
    assert {str(a.architecture.id) for a in spandrel_models.known_architectures()} == {
        *NAMES,
        *LEFT_OUT,
        *EXTRA_NAMES,
        *EXTRA_LEFT_OUT,
    }


@pytest.mark.parametrize("name", [*ALL, *EXTRAS])
def test_every_architecture_is_exact_or_states_its_tile_error(name, tmp_path):
    path = saved(name, tmp_path / f"{name}.pth")
    if name == RANDOM:
        with pytest.raises(ModelFileError, match="another image each time"):
            add_model(path)
        return
    card = add_model(path)
    assert card.name == name
    assert ("a grey image is given to it three times" in card.limits) == (card.channels == 3)
    model, low = load_model(name), image()
    colour = Image.from_array(np.random.default_rng(1).random((45, 39, 3)), "YXS") if card.channels == 3 else low
    options = {"precision": "fp64", "device": "cpu", "intensity_range": [(0.0, 1.0)]}
    whole = upscale(colour, model, tile=1024, **options)
    assert whole.data.shape[:2] == (45 * card.scale[0], 39 * card.scale[1])
    span = np.ptp(whole.data)
    if card.bounded:
        edge = smallest_tile(max(card.halo), max(card.multiple)) + max(card.multiple)
        large = image((edge + 9, edge + 6))
        options["max_passes"] = 1000
        once, tiled = (upscale(large, model, tile=t, **options).data for t in (10**5, edge))
        assert np.abs(once - tiled).max() <= 1e-10 * np.ptp(once)
        assert plan_of(large, model, tile=edge).total > 1
    else:
        assert 0 < card.tile_error < 10
        large = image((3 * max(card.halo), 3 * max(card.halo) + 5), np.float32)
        plan = plan_of(large, model, tile=2 * max(card.halo) + max(card.multiple))
        assert plan.total > 1
        assert any("Tiles may show" in doubt for doubt in plan.doubts)
    assert np.isfinite(whole.data).all()
    assert span > 0


def nearest_like(bias=0.0):
    """Return the weights of a network that repeats pixels and adds a small correction, as trained ones do."""
    weights = checkpoint("Compact")
    last = [k for k in weights if k.startswith("body")][-2:]
    for key in last:
        weights[key] = torch.zeros_like(weights[key]) + (bias if key.endswith("bias") else 0.0)
    weights[last[0]] += 1e-3 * torch.randn(weights[last[0]].shape, generator=torch.Generator().manual_seed(0))
    return weights


def test_a_network_that_does_not_resemble_its_input_says_so(tmp_path):
    torch.save(nearest_like(), tmp_path / "near.pth")
    torch.save(nearest_like(bias=0.5), tmp_path / "far.pth")
    assert "does not resemble" not in add_model(tmp_path / "near.pth").limits
    assert "does not resemble" in add_model(tmp_path / "far.pth").limits


def test_twelve_bits_in_sixteen_keep_their_mean_and_do_not_wrap(tmp_path):
    random = np.random.default_rng(0)
    smooth = np.cumsum(np.cumsum(random.normal(size=(61, 47)), 0), 1)
    smooth = (smooth - smooth.min()) / np.ptp(smooth) * 4095
    low = Image.from_array(smooth.astype(np.uint16), "YX")
    plain = upscale(low, "bicubic-x2").data.mean(dtype=np.float64)
    torch.save(nearest_like(), tmp_path / "mean.pth")
    add_model(tmp_path / "mean.pth")
    found = upscale(low, "mean")
    assert found.data.dtype == np.uint16
    assert abs(found.data.mean(dtype=np.float64) / plain - 1) < 0.01
    assert found.data.max() < 4500
    scale = intensity.fit_normalisation(low, "percentile")
    span = scale.high[0] - scale.low[0]
    for bias in (-0.5, 0.5):  # far below zero, and far above the brightest
        path = tmp_path / f"bias{bias}.pth"
        torch.save(nearest_like(bias), path)
        add_model(path)
        moved = upscale(low, path.stem).data.astype(int)
        expected = np.clip(found.data.astype(int) + bias * span, 0, 65535)
        assert np.abs(moved - expected).mean() < 1
        assert moved.max() < 8000


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
def test_stacks_keep_their_axes_and_type(dtype, tmp_path):
    torch.save(nearest_like(), tmp_path / "near.pth")
    add_model(tmp_path / "near.pth")
    values = (np.random.default_rng(0).random((2, 3, 2, 18, 21)) * 100).astype(dtype)
    low = Image.from_array(values, "TCZYX")
    before = values.copy()
    found = upscale(low, "near")
    assert found.axes == "TCZYX"
    assert found.data.shape == (2, 3, 2, 36, 42)
    assert found.data.dtype == dtype
    np.testing.assert_array_equal(values, before)
    one = upscale(Image.from_array(values[1, :, 0], "CYX"), "near", intensity_range=[(0, 100)]).data
    all_ = upscale(low, "near", intensity_range=[(0, 100)]).data[1, :, 0]
    np.testing.assert_array_equal(one, all_)


def test_networks_of_scale_one_restore_on_the_same_grid(tmp_path):
    add_model(saved("DnCNN", tmp_path / "denoise.pth"))
    low = image((20, 31), np.float32)
    found = upscale(low, "denoise")
    assert found.data.shape == (20, 31)
    assert found.affine == pytest.approx(low.affine)


def test_the_input_is_not_changed(tmp_path):
    add_model(saved("RCAN", tmp_path / "rcan.pth"))  # spandrel's multiplies what it is given, in place
    low = image((20, 31), np.float32)
    before = low.data.copy()
    first, second = upscale(low, "rcan").data, upscale(low, "rcan").data
    np.testing.assert_array_equal(low.data, before)
    np.testing.assert_array_equal(first, second)


def test_card_is_filled_from_the_descriptor_and_the_file_is_ours(tmp_path, folder):
    card = add_model(saved("SwinIR", tmp_path / "My net.pth", iter=5))
    assert card.name == "My-net"
    assert (card.scale, card.channels, card.architecture) == ((2, 2), 3, "spandrel")
    assert card.arguments == {"network": "SwinIR", "batched": True}
    assert "SwinIR" in card.title
    assert card.multiple == (8, 8)  # its windows; its own padding hides them, and would let tiles show
    assert 50 < card.precision["bf16"] < 90
    assert (folder / "My-net.safetensors").is_file()
    assert find_card("My-net") == card
    with pytest.warns(SuperResWarning, match="My net.pth is in the library already"):
        add_model(tmp_path / "My net.pth")
    copy = tmp_path / "copy.pth"
    copy.write_bytes((tmp_path / "My net.pth").read_bytes())
    with pytest.warns(SuperResWarning, match="already, as My-net"):
        add_model(copy)
    assert list(library_entries()) == ["My-net"]
    remove_model("My-net")
    assert not library_entries()


def test_safetensors_without_a_card(tmp_path):
    from safetensors.torch import save_file

    save_file(checkpoint("SPAN"), tmp_path / "span.safetensors")
    assert add_model(tmp_path / "span.safetensors").arguments["network"] == "SPAN"


def test_weights_of_another_network_than_the_card_states(tmp_path, folder):
    from napari_superres.models.model_file import read_card, read_weights, write_model

    add_model(saved("SPAN", tmp_path / "span.pth"))
    path = folder / "span.safetensors"
    card = replace(read_card(path), arguments={"network": "SwinIR"})
    write_model(tmp_path / "lie.safetensors", card, read_weights(path))
    with pytest.raises(ModelFileError, match="the weights are of SPAN, which is not what the card says"):
        load_model(tmp_path / "lie.safetensors")


def test_a_missing_library_names_the_extra(tmp_path, monkeypatch):
    path = saved("SPAN", tmp_path / "span.pth")
    spandrel_models.import_spandrel.cache_clear()
    monkeypatch.setitem(sys.modules, "spandrel", None)
    try:
        with pytest.raises(MissingExtraError, match=r"pip install 'napari-superres-torch\[zoo\]'"):
            convert(path, trusted=False, measure=no_measure)
    finally:
        monkeypatch.undo()
        spandrel_models.import_spandrel.cache_clear()


def no_measure(*_):
    raise AssertionError("it was built")


def test_models_can_be_sent_to_workers(tmp_path):
    add_model(saved("RCAN", tmp_path / "sent.pth"))
    model = load_model("sent")
    again = pickle.loads(pickle.dumps(model))
    x = torch.rand(1, 3, 9, 11)
    assert torch.equal(again.runner(x), model.runner(x))
    assert copy.deepcopy(model.runner).double()(x.double()).dtype == torch.float64


class Shifted(nn.Module):
    """Repeat pixels, and shift the result by whole high-resolution pixels."""

    def __init__(self, by=0, clamp=False):
        super().__init__()
        self.by, self.clamp = by, clamp

    def forward(self, x):
        fine = x.repeat_interleave(2, -1).repeat_interleave(2, -2)
        fine = torch.nn.functional.pad(fine, (4, 4, 4, 4), mode="replicate").roll((0, self.by), (-2, -1))[
            ..., 4:-4, 4:-4
        ]
        return fine.clamp(0, 1) if self.clamp else fine


CARD = ModelCard(name="toy", architecture="spandrel", scale=(2, 2))


def test_grid_is_measured_by_a_blob():
    assert measure_card(CARD, Shifted()).grid_offset is None
    found = measure_card(CARD, Shifted(by=1))
    assert found.grid_offset == pytest.approx((0.5, 1.5), abs=0.02)


def test_networks_that_clip_see_the_whole_range():
    assert measure_card(CARD, Shifted()).percentiles == (0.1, 99.9)
    assert measure_card(CARD, Shifted(clamp=True)).percentiles == (0.0, 100.0)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (lambda x: x[..., :-1], r"the network makes \[1, 1, 40, 39\] of \[1, 1, 40, 40\], not \[1, 1, 80, 80\]"),
        (lambda x: (x,), "the network makes tuple"),
        (lambda x: x.repeat(1, 1, 2, 2) / 0.0, "not finite"),
        (lambda x: x.repeat(1, 1, 2, 2) + torch.rand(()), "another image each time"),
        (lambda x: x @ torch.zeros(3, 3), "the network fails on an image"),
    ],
    ids=["size", "tuple", "infinite", "random", "fails"],
)
def test_networks_that_cannot_be_used(network, message):
    with pytest.raises(ModelFileError, match=message):
        measure_card(CARD, network)


def test_architecture_that_is_not_recognised(tmp_path):
    torch.save({"layer.weight": torch.zeros(3, 3)}, tmp_path / "what.pth")
    with pytest.raises(ModelFileError, match="recognises no architecture"):
        add_model(tmp_path / "what.pth")


def test_documented_table_names_every_architecture():
    text = (Path(__file__).parents[3] / "docs" / "models.md").read_text(encoding="utf-8")
    for name in (*NAMES, *LEFT_OUT, *EXTRA_NAMES, *EXTRA_LEFT_OUT):
        assert f"| {name} |" in text, name
