"""Published networks: recognised in every form in which people keep them, and equal to independent code."""

import argparse
import collections
import pathlib
import re

import numpy as np
import pytest
import torch
from helpers.checkpoints.published_networks import LAYOUTS, carn, checkpoint, weights
from helpers.library_files import Bomb
from torch import nn

from napari_superres import Image, upscale
from napari_superres.cli.models import _added
from napari_superres.errors import ModelFileError
from napari_superres.models import load_model
from napari_superres.models.architectures import published
from napari_superres.models.foreign.checkpoint import read_checkpoint
from napari_superres.models.foreign.convert import build_foreign
from napari_superres.models.foreign.loaders.detect import detect_model
from napari_superres.models.foreign.loaders.likeness import doubt, gain, gain_limit, likeness, natural_image
from napari_superres.models.model import Model
from napari_superres.models.model_file import write_model


def detected(path):
    return detect_model(path, read_checkpoint(path))


def saved(content, path):
    torch.save(content, path)
    return path


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_is_recognised_and_computes_its_scale(name, tmp_path):
    network, scale, _ = LAYOUTS[name]
    found = detected(saved(checkpoint(name), tmp_path / f"{name}.pth"))
    assert (found.card.architecture, found.card.arguments["network"]) == ("published", network)
    assert (found.card.scale, found.card.channels) == ((scale, scale), 3)
    assert "doi:" in found.card.citation or "arXiv:" in found.card.citation
    runner = build_foreign("file", found.card, found.weights)
    for size in ((3, 5), (40, 33)):
        assert runner(torch.rand(2, 3, *size)).shape == (2, 3, scale * size[0], scale * size[1])


def test_every_network_has_a_layout_here():
    assert {network for network, _, _ in LAYOUTS.values()} == set(published.NETWORKS)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_tensor_more_or_less_is_another_network(name):
    full = checkpoint(name)
    last = [key for key in full if key.endswith(".weight")][-1]
    for changed in (
        {**full, "unknown.weight": torch.zeros(3)},
        {key: value for key, value in full.items() if key != last},
    ):
        assert LAYOUTS[name][0] not in list(published.recognised(changed))


@pytest.mark.parametrize(
    ("name", "bias"),
    [("rlfn", "conv_1.bias"), ("imdn", "fea_conv.bias"), ("bsrn", "B1.c1_d.bias"), ("safmn", "to_feat.bias")],
)
def test_a_missing_bias_is_refused_by_its_name(name, bias, tmp_path):
    lacking = {key: value for key, value in checkpoint(name).items() if key != bias}
    with pytest.raises(ModelFileError, match=rf"incomplete: .* has {re.escape(bias)}, which it lacks"):
        detected(saved(lacking, tmp_path / "net.pth"))


def test_the_line_of_an_added_network_says_that_it_restores_less(tmp_path):
    zero = {key: torch.zeros_like(value) for key, value in checkpoint("rlfn").items()}
    line = _added(detected(saved(zero, tmp_path / "net.pth")).card)
    assert "dB better than bicubic interpolation, where published networks reach at least 3.2 dB" in line
    assert doubt("Made by others." + gain_limit(1.0, 2)) == (
        "It restores a test image 1.0 dB better than bicubic interpolation, where published networks reach at least "
        "3.2 dB."
    )
    assert doubt("Made by others.") == ""


WRAPPERS = {
    "plain": lambda w: w,
    "params": lambda w: {"params": w},
    "params_ema": lambda w: {"params": {k: 0 * v for k, v in w.items()}, "params_ema": w},
    "state_dict": lambda w: {"epoch": 3, "state_dict": w, "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}}},
    "module": lambda w: {f"module.{k}": v for k, v in w.items()},
    "compiled": lambda w: {f"_orig_mod.module.{k}": v for k, v in w.items()},
    "lightning": lambda w: {
        "pytorch-lightning_version": "2.0.0",
        "hyper_parameters": {"options": argparse.Namespace(scale=2, root=pathlib.Path("/data"))},
        "state_dict": {f"model.{k}": v for k, v in w.items()} | {"loss.vgg.0.weight": torch.zeros(4, 3, 3, 3)},
    },
    "gan": lambda w: {f"generator.{k}": v for k, v in w.items()} | {"discriminator.0.weight": torch.zeros(4, 3, 3, 3)},
    "two networks": lambda w: {"net_d": {"0.weight": torch.zeros(4, 3, 3, 3)}, "net_g": w},
    "net": lambda w: {"args": argparse.Namespace(model="RLFN"), "net": {f"net.{k}": v for k, v in w.items()}},
    "deep": lambda w: {"checkpoint": {"weights": {"generator": w}}},
    "deeper": lambda w: {"a": {"b": {"run 3": {"c": {"e": w}}}}},
    "in a list": lambda w: {"models": [{"epoch": 3}, w], "step": 1},
    "in a tuple": lambda w: (w, {"lr": 1e-4}),
    "an unknown prefix next to a loss": lambda w: (
        {f"restorer.body.{k}": v for k, v in w.items()} | {"lpips.lin0.weight": torch.zeros(1, 4, 1, 1)}
    ),
    "counters": lambda w: {"loops": collections.defaultdict(int), "state_dict": w},
}


@pytest.mark.parametrize("form", WRAPPERS)
def test_weights_are_found_under_every_wrapper_and_prefix(form, tmp_path):
    plain = checkpoint("rlfn")
    found = detected(saved(WRAPPERS[form](plain), tmp_path / "net.ckpt"))
    assert found.card.arguments["network"] == "RLFN"
    assert all(torch.equal(found.weights[key], value) for key, value in plain.items())


def test_mappings_that_hold_themselves_many_times_are_read_once(tmp_path):
    content = dict(checkpoint("rlfn"))
    content |= {f"again {i}": content for i in range(300)}
    assert detected(saved(content, tmp_path / "net.pth")).card.arguments["network"] == "RLFN"


def test_half_precision_weights_are_widened(tmp_path):
    half = {key: value.half() for key, value in checkpoint("rfdn").items()}
    found = detected(saved(half, tmp_path / "net.pth"))
    assert build_foreign("file", found.card, found.weights)(torch.rand(1, 3, 20, 20)).dtype == torch.float32


class Fires(argparse.Namespace):
    """Would write a file if it were built."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return (argparse.Namespace, (), {"bomb": Bomb(self.place)})


def test_settings_next_to_the_weights_run_nothing(tmp_path):
    path = saved({"opt": Fires(tmp_path / "fired"), "params": checkpoint("rlfn")}, tmp_path / "net.pth")
    with pytest.raises(ModelFileError, match="holds more than weights"):
        read_checkpoint(path)
    assert not (tmp_path / "fired").exists()


class Whole(nn.Module):
    """A network that is saved with its code's name instead of its weights."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)


def test_a_whole_module_is_refused_with_a_recipe(tmp_path):
    path = saved(Whole(), tmp_path / "whole.pth")
    with pytest.raises(ModelFileError, match=r"test_published\.Whole") as caught:
        read_checkpoint(path)
    assert "a whole network" in caught.value.message
    assert ".state_dict()" in caught.value.remedy
    path = saved({"model": Whole()}, tmp_path / "$(reboot)'.pth")
    with pytest.raises(ModelFileError, match="whole network") as caught:
        read_checkpoint(path)
    assert "reboot" not in caught.value.remedy, "it is pasted into a shell"


def test_the_range_of_values_is_measured(tmp_path):
    """A network that adds a number of grey levels resembles its input only in its own range."""
    plain = {key: torch.zeros_like(value) for key, value in checkpoint("pan").items()}
    plain["conv_last.bias"] += 10.0
    assert detected(saved(plain, tmp_path / "net.pth")).card.arguments["range"] == 255.0
    plain["conv_last.bias"] *= 0
    assert detected(saved(plain, tmp_path / "net.pth")).card.arguments["range"] == 1.0


def test_a_network_that_does_not_resemble_its_input_says_so(tmp_path):
    assert "does not resemble its input" in detected(saved(checkpoint("rfdn"), tmp_path / "a.pth")).card.limits
    plain = {key: torch.zeros_like(value) for key, value in checkpoint("pan").items()}
    assert "does not resemble" not in detected(saved(plain, tmp_path / "b.pth")).card.limits


def test_the_image_for_likeness_is_natural():
    image = natural_image(3)
    assert 0 <= image.min() < image.max() <= 1
    power = torch.fft.rfft2(image[0, 0] - image[0, 0].mean()).abs().square()
    assert power[1:5, 1:5].mean() > 30 * power[15:30, 15:30].mean()
    assert likeness(nn.Upsample(scale_factor=2), 3, 2, 1.0) > 60
    assert likeness(nn.Conv2d(3, 3, 9), 3, 1, 1.0) == float("-inf")


class Bicubic(nn.Module):
    """Bicubic interpolation, and what sharpening adds."""

    def __init__(self, sharpening):
        super().__init__()
        self.sharpening = sharpening

    def forward(self, x):
        fine = nn.functional.interpolate(x, scale_factor=2, mode="bicubic", antialias=True)
        return fine + self.sharpening * (fine - nn.functional.avg_pool2d(fine, 3, 1, 1))


def test_what_a_network_restores_is_measured():
    assert abs(gain(Bicubic(0), 3, 2, 1.0)) < 1e-4
    assert gain(Bicubic(0.3), 3, 2, 255.0) > 0.1
    assert gain(nn.Upsample(scale_factor=2), 3, 2, 1.0) < -0.3
    assert gain(nn.Conv2d(3, 3, 9), 3, 2, 1.0) == float("-inf")


def test_a_network_that_restores_too_little_says_so(tmp_path):
    """All weights are zero, so that the interpolation is left which the network adds to."""
    plain = {key: torch.zeros_like(value) for key, value in checkpoint("pan").items()}
    limits = detected(saved(plain, tmp_path / "net.pth")).card.limits
    assert "better than bicubic interpolation, where published networks reach" in limits


def test_spread_kernels_are_a_variant_of_rfdn():
    plain, spread = (published.load("RFDN", checkpoint("rfdn"), dilated=dilated) for dilated in (False, True))
    assert [spread.get_submodule(f"B1.c{step}_r").dilation[0] for step in (1, 2, 3)] == [1, 2, 5]
    x = torch.rand(1, 3, 24, 20)
    with torch.inference_mode():
        assert plain(x).shape == spread(x).shape
        assert not torch.allclose(plain(x), spread(x))
    assert {"residual": True, "dilated": True} in type(spread).variants


@pytest.mark.parametrize(
    ("file", "scale"), [("carn.pth", 2), ("carn_x3.pth", 3), ("4x_carn.pth", 4), ("x2x3x4.pth", 2)]
)
def test_the_files_name_chooses_among_several_factors(file, scale, tmp_path):
    card = detected(saved(weights(carn()), tmp_path / file)).card
    assert card.scale == (scale, scale)
    assert "The weights also fit" in card.limits


def test_weights_of_another_network_than_the_card_states(tmp_path):
    found = detected(saved(checkpoint("span"), tmp_path / "net.pth"))
    for name in ("rfdn", "span"):
        wrong = {**checkpoint(name), "more.weight": torch.zeros(3)}
        with pytest.raises(ModelFileError, match="not those of the network that its card states"):
            build_foreign("file", found.card, wrong)


def test_colour_stays_colour_and_grey_is_given_three_times(tmp_path):
    """Colours go through the network together: the blue of the result answers to the red of the image."""
    path = saved(checkpoint("edsr"), tmp_path / "net.pth")
    found = detected(path)
    model = Model(found.card, build_foreign("file", found.card, found.weights))
    colours = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)
    with torch.inference_mode():
        direct = model.runner(torch.from_numpy(colours / np.float32(255)).permute(2, 0, 1)[None])
        grey = model.runner(
            torch.from_numpy(colours[..., :1] / np.float32(255)).permute(2, 0, 1)[None].expand(1, 3, -1, -1)
        )
    options = {"device": "cpu", "intensity_range": [(0, 255)]}
    floats = Image.from_array(colours.astype(np.float32), "YXS")
    np.testing.assert_allclose(
        upscale(floats, model, **options).data,
        np.maximum(255 * direct[0].permute(1, 2, 0).numpy(), 0),
        atol=0.05,
        rtol=1e-4,
    )
    single = Image.from_array(colours[..., 0].astype(np.float32), "YX")
    np.testing.assert_allclose(
        upscale(single, model, **options).data, np.maximum(255 * grey[0].mean(0).numpy(), 0), atol=0.05, rtol=1e-4
    )
    assert "a grey image is given to it three times" in found.card.limits


def test_the_fused_span_equals_spandrels(tmp_path):
    """An independent implementation, whose fused convolutions are stored under the names that challenges use."""
    architecture = pytest.importorskip("spandrel.architectures.SPAN").SPAN
    reference = architecture(
        num_in_ch=3, num_out_ch=3, feature_channels=8, upscale=2, img_range=255.0, norm=True
    ).eval()
    x = torch.rand(1, 3, 13, 17)
    with torch.inference_mode():
        expected = reference(x)  # fuses its convolutions
    fused = {
        k: v for k, v in reference.state_dict().items() if ".sk." not in k and ".conv." not in k and "no_norm" not in k
    }
    with torch.inference_mode():
        found = published.load("SPAN-fused", fused, gain=255.0)(x)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_edsr_and_rcan_equal_this_programs_own(tmp_path):
    """The training form of this program, with its layers under BasicSR's names."""
    from napari_superres.models.architectures import build

    own = build("edsr", {"scale": [3, 3], "channels": 3, "blocks": 2, "features": 8, "skip": False}).eval()
    names = {"head": "conv_first", "body.2": "conv_after_body", "tail.0": "upsample.0", "tail.2": "conv_last"}
    renamed = {}
    for key, value in own.state_dict().items():
        layer, _, kind = key.rpartition(".")
        layer = layer.replace(".body.0", ".conv1").replace(".body.2", ".conv2")
        renamed[f"{names.get(layer, layer)}.{kind}"] = value
    x = torch.rand(1, 3, 9, 11)
    with torch.inference_mode():
        torch.testing.assert_close(published.load("EDSR", renamed)(x), own(x))


def test_a_converted_file_loads_again(tmp_path):
    found = detected(saved(checkpoint("carn"), tmp_path / "carn.pth"))
    card = found.card
    path = write_model(tmp_path / "carn.safetensors", card, dict(found.weights))
    from napari_superres.models.model_file import read_card, read_weights

    again = build_foreign("file", read_card(path), read_weights(path))
    x = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(again(x), build_foreign("file", card, found.weights)(x))


@pytest.mark.slow
def test_add_measure_and_tile(tmp_path, monkeypatch):
    from napari_superres.models import add_model

    monkeypatch.setenv("NAPARI_SUPERRES_MODELS", str(tmp_path / "library"))
    card = add_model(saved(checkpoint("carn_m_x4"), tmp_path / "carn_m_x4.pth"))
    assert card.bounded
    low = Image.from_array(np.random.default_rng(0).random((90, 70)).astype(np.float32), "YX")
    options = {"precision": "fp64", "device": "cpu"}
    whole, tiled = (
        upscale(low, load_model("carn_m_x4"), tile=t, **options).data for t in (1000, 2 * card.halo[0] + 16)
    )
    assert np.abs(whole - tiled).max() < 1e-10 * np.ptp(whole)
