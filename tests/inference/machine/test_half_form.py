"""Networks in 16 bits on a CPU: what is converted, how precise it is, and when it is taken."""

import dataclasses
import gc
import weakref

import numpy as np
import pytest
import torch
from torch import nn

from napari_superres import Image, load_model, upscale
from napari_superres.inference.engine import half_precision
from napari_superres.inference.images import prepare
from napari_superres.inference.machine import half_form
from napari_superres.inference.machine.half_form import HalfForm, rounding_db
from napari_superres.inference.planning import resources

# Formats that the processor lacks are emulated, so the numbers hold everywhere.


def like(edge=48, planes=1):
    return torch.rand(1, planes, edge, edge, generator=torch.Generator().manual_seed(1))


def cells(edge=150):
    y, x = np.mgrid[:edge, :edge]
    smooth = 2000 + 1500 * np.sin(y / 7) * np.cos(x / 5)
    return Image.from_array(np.random.default_rng(0).poisson(smooth).astype(np.float32), "YX")


@pytest.mark.parametrize("name", ["photo-x3", "espcn-x2", "fsrcnn-x3", "vdsr-x2"])
def test_features_are_in_16_bits_and_the_sum_is_not(name):
    model = load_model(name)
    form = half_form.half_form(model, model.runner, "bf16")
    assert isinstance(form, HalfForm)
    seen = []
    for layer in form.network.modules():
        if isinstance(layer, nn.modules.conv._ConvNd | half_form._ConvolutionReLU):
            layer.register_forward_hook(lambda _layer, _inputs, output: seen.append(output.dtype))
    y = form(like())
    assert set(seen) == {torch.bfloat16}
    assert y.dtype == torch.float32
    assert (y != y.bfloat16().float()).any(), "the interpolation is not rounded"
    assert rounding_db(model.runner(like()).numpy(), y.numpy()) > 60
    assert next(model.runner.parameters()).dtype == torch.float32, "the model itself is unchanged"


def test_network_without_interpolation_keeps_its_last_layer():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 1, 3, padding=1)).eval()
    card = dataclasses.replace(load_model("espcn-x2").card, scale=(1, 1))
    x = half_form._test_input(card, 64)
    rough = HalfForm(network, torch.bfloat16, "first", x)
    assert rounding_db(network(x).detach().numpy(), rough(x).numpy()) < 60
    assert half_form._measured_form(network, torch.bfloat16, x).exact == "ends"


def test_joined_activation_gives_the_same_bits(monkeypatch):
    network = load_model("photo-x3").runner
    joined = HalfForm(network, torch.bfloat16, "first", like())
    assert any(isinstance(m, half_form._ConvolutionReLU) for m in joined.modules())
    monkeypatch.setattr(half_form, "_fuse", lambda _: None)
    torch.testing.assert_close(
        joined(like()), HalfForm(network, torch.bfloat16, "first", like())(like()), rtol=0, atol=0
    )


def test_other_networks_run_through_autocast():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.linear = nn.Conv2d(1, 4, 1), nn.Linear(4, 1)

        def forward(self, x):
            return self.linear(self.conv(x).movedim(1, -1)).movedim(-1, 1)

    model = load_model("espcn-x2")
    network = Attention().eval()
    form = half_form.half_form(dataclasses.replace(model, sha256=""), network, "bf16")
    assert not isinstance(form, HalfForm)
    with torch.inference_mode():
        assert rounding_db(network(like()).numpy(), form(like()).numpy()) > 30


def test_choice_is_kept_with_the_hash(monkeypatch):
    model = load_model("fsrcnn-x2")
    first = half_form.half_form(model, model.runner, "bf16").exact
    monkeypatch.setattr(half_form, "_measured_form", lambda *_: pytest.fail("measured again"))
    again = load_model("fsrcnn-x2")
    assert half_form.half_form(again, again.runner, "bf16").exact == first


def test_a_form_is_made_once_unless_the_weights_may_change():
    model = load_model("fsrcnn-x2")
    form = half_form.half_form(model, model.runner, "bf16")
    assert half_form.half_form(model, model.runner, "bf16") is form
    assert half_form.half_form(model, model.runner, "fp16") is not form
    trained = dataclasses.replace(model, sha256="")
    assert half_form.half_form(trained, model.runner, "bf16") is not form
    network = weakref.ref(model.runner)
    del model, trained
    gc.collect()
    assert network() is None, "forms keep no network alive"


@pytest.mark.parametrize("name", ["photo-x2", "fluo-x2", "em-x2"])
def test_tiles_equal_the_whole_to_one_unit_of_the_last_place(name):
    model, image = load_model(name), cells()
    options = {"precision": "bf16", "intensity_range": [(0, 4000)]}
    options |= {"noise": 0} if model.card.conditions else {}
    whole = upscale(image, model.for_any_image(), tile=256, **options).data
    skip = upscale(image, "bicubic-x2", intensity_range=[(0, 4000)]).data
    # bf16 keeps 8 digits: one unit of the last place of the largest residual.
    unit = 2.0 ** (np.floor(np.log2(np.abs(whole - skip).max())) - 7)
    for tile, batch in ((80, 1), (96, 3)):
        tiled = upscale(image, model.for_any_image(), tile=tile, batch=batch, **options).data
        assert np.abs(tiled - whole).max() <= unit
    again = upscale(image, model.for_any_image(), tile=96, batch=3, **options).data
    np.testing.assert_array_equal(again, tiled, err_msg="the same plan gives the same bits")


def find(model, image, **options):
    return prepare(image, model, options).plans[0]


@pytest.fixture
def native(monkeypatch):
    """A processor with bf16 that gains with every model, and runs that are all long."""
    monkeypatch.setattr(resources, "native_half", lambda: "bf16")
    monkeypatch.setattr(resources, "is_half_worthwhile", lambda *_: True)
    monkeypatch.setattr(resources, "is_worth_measuring", lambda *_: True)


def test_taken_where_a_window_shows_enough(native, monkeypatch):
    plan = find("photo-x2", cells(), device="cpu")
    assert plan.precision == "bf16"
    assert plan.precision_db > 60
    assert find("photo-x2", cells(), device="cpu", precision="fp32").precision == "fp32"
    assert find("bicubic-x2", cells(), device="cpu").precision == "fp32"
    monkeypatch.setattr(half_precision, "precision_db", lambda *_: 59.0)
    assert find("photo-x2", cells(), device="cpu").precision == "fp32"


def test_not_taken_without_gain_or_for_short_runs(monkeypatch):
    assert find("photo-x2", cells(), device="cpu").precision == "fp32", "the run is short"
    monkeypatch.setattr(resources, "native_half", lambda: "bf16")
    monkeypatch.setattr(resources, "is_worth_measuring", lambda *_: True)
    monkeypatch.setattr(resources, "is_half_worthwhile", lambda *_: False)
    assert find("photo-x2", cells(), device="cpu").precision == "fp32", "nothing is gained"


def test_gain_is_measured_once(monkeypatch):
    model, gains = load_model("espcn-x3"), [1.5]
    monkeypatch.setattr(half_form, "_gain", lambda *_: gains.pop())
    assert half_form.is_half_worthwhile(model, "bf16")
    assert half_form.is_half_worthwhile(model, "bf16")


def test_formats_of_the_processor(monkeypatch):
    for has, native in (({"avx512_bf16": True}, "bf16"), ({"amx_fp16": True}, "fp16"), ({"avx2": True}, None)):
        monkeypatch.setattr(half_form, "_capabilities", lambda has=has: has)
        assert half_form.native_half() == native
