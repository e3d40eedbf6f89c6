"""Bare graphs: what no file says of them is measured, asked for, or refused in one line."""

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from helpers.checkpoints.bare_graphs import graph
from onnx import helper

from napari_superres.core.image import Image
from napari_superres.errors import ModelFileError, SettingsError, UntrustedModelError
from napari_superres.inference import upscale
from napari_superres.models import add_model
from napari_superres.models.foreign.convert import convert, prefer_torch
from napari_superres.models.foreign.graph.bare import describe_bare
from napari_superres.models.foreign.graph.wishes import Wishes
from napari_superres.models.foreign.measure_card import complete_card, measure_smallest
from napari_superres.models.model import Model


def added(path, *, trusted=False, **wishes):
    """Return the model that adding a file makes, without the child process."""
    networks = []

    def measure(card, network, check):
        assert check is None
        card, network = prefer_torch(measure_smallest(card, network), network)
        networks.append(network)
        return complete_card(card, network)

    card, _ = convert(path, trusted=trusted, measure=measure, wishes=Wishes(**wishes))
    return Model(card, networks[0])


def saved(folder, **settings):
    path = folder / "net.onnx"
    onnx.save(graph(**settings), path)
    return path


def expected(pixels):
    """Return the repeated pixels after the graphs' blur, away from the edges, for pixels between 0 and 1."""
    x = torch.from_numpy(pixels.astype(np.float32)).repeat_interleave(2, 0).repeat_interleave(2, 1)
    kernel = torch.tensor([[0, 1, 0], [1, 12, 1], [0, 1, 0]]) / 16
    planes = torch.nn.functional.conv2d(x.movedim(-1, 0)[:, None], kernel[None, None], padding=1)
    return planes[:, 0].movedim(0, -1).numpy()


@pytest.fixture
def photo():
    """RGB of 8 bits that changes slowly."""
    y, x = np.mgrid[:70, :53] / 10
    planes = [np.sin(x + i) * np.cos(y - i) * 90 + 128 for i in range(3)]
    return np.stack(planes, axis=-1).round().astype(np.uint8)


CASES = {
    "values 0 to 1": ({}, {}, "0..1"),
    "values 0 to 255": ({"top": 255.0}, {}, "0..255"),
    "values of 16 bits": ({"top": 65535.0}, {}, "16bit"),
    "one size": ({"size": 48}, {}, "0..1"),
    "whole numbers": ({"top": 255.0, "whole": True}, {}, "0..255"),
    "channels last": ({"order": "byxc"}, {}, "0..1"),
    "newest operators": ({"opset": 20}, {}, "0..1"),
}


@pytest.mark.parametrize("name", CASES)
def test_each_kind_works(name, tmp_path, photo):
    settings, wishes, range_ = CASES[name]
    model = added(saved(tmp_path, **settings), **wishes)
    assert (model.card.scale, model.card.channels, model.card.color) == ((2, 2), 3, "per-channel")
    assert model.card.title.endswith(f"for values {range_}")
    assert model.card.arguments["runs_in"] == "torch"
    assert model.card.bounded
    assert model.card.halo == (1, 1)
    result = np.asarray(upscale(Image.from_array(photo, "YXS"), model, tile=24).data)
    wanted = expected(photo / 255) * 255
    inside = np.abs(result[1:-1, 1:-1] - wanted[1:-1, 1:-1])
    assert inside.max() <= 1.01


def test_a_grey_image_of_16_bits_keeps_its_mean(tmp_path):
    values = (np.random.default_rng(0).random((60, 60)) * 9000 + 500).astype(np.uint16)
    model = added(saved(tmp_path, channels=1, top=255.0), channels="luma")
    assert model.card.color == "luma"
    result = np.asarray(upscale(Image.from_array(values, "YX"), model).data)
    assert result[2:-2, 2:-2].mean() == pytest.approx(values[1:-1, 1:-1].mean(), rel=0.005)


def test_a_range_that_does_not_show_is_asked_for(tmp_path):
    """A linear network does the same in every range."""
    linear = saved(tmp_path, limit=False)
    with pytest.raises(ModelFileError, match="cannot be measured") as caught:
        added(linear)
    assert "`range`" in caught.value.remedy
    assert added(linear, range="0..255").card.title.endswith("0..255")


class Sharpening(torch.nn.Module):
    """Sharpens differences of more than half a grey level of 8 bits, and blurs smaller ones."""

    def forward(self, x):
        smooth = F.interpolate(x, scale_factor=2, mode="bicubic")
        sharp = 2 * smooth - F.avg_pool2d(smooth, 3, 1, 1)
        blurred = F.avg_pool2d(F.interpolate(x, scale_factor=2), 3, 1, 1, count_include_pad=False)
        return (blurred + F.softshrink(sharp - blurred, 0.5)).clamp(max=255)


def test_ranges_that_are_alike_are_told_apart_by_what_is_restored():
    card, _ = describe_bare("net", Sharpening(), (1, 3, None, None), Wishes(), whole="")
    assert card.title.endswith("0..255")


@pytest.mark.parametrize("kind", [onnx.TensorProto.UINT16, onnx.TensorProto.INT32])
def test_whole_numbers_of_more_bits_are_rounded(kind, tmp_path):
    model = added(saved(tmp_path, top=65535.0, whole=True, kind=kind))
    assert model.card.title.endswith("16bit")
    values = np.linspace(1000, 60_000, 48 * 48).reshape(48, 48).astype(np.uint16)
    result = np.asarray(upscale(Image.from_array(values, "YX"), model).data, dtype=float)
    assert abs(result[2:-2, 2:-2].mean() - values[1:-1, 1:-1].mean()) < 0.6, "cutting off would lose half a level"


def test_an_example_shows_the_range(tmp_path):
    given = torch.rand(1, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    path = saved(tmp_path, top=255.0)
    made = torch.from_numpy(expected(given[0].movedim(0, -1).numpy())).movedim(-1, 0)[None]
    assert added(path, example=(given, made)).card.title.endswith("0..255")
    with pytest.raises(ModelFileError, match="does not make the example's result"):
        added(path, example=(given, 1 - made))


def test_wishes_are_checked():
    for wishes in ({"range": "0..2"}, {"channels": "cmyk"}):
        with pytest.raises(SettingsError, match="must be"):
            Wishes(**wishes)


def cut_off(folder):
    path = saved(folder)
    path.write_bytes(path.read_bytes()[:-200])
    return path


def random_bytes(folder):
    (folder / "a.onnx").write_bytes(bytes(range(256)) * 20)
    return folder / "a.onnx"


def empty(folder):
    (folder / "a.onnx").write_bytes(b"")
    return folder / "a.onnx"


def without_its_data(folder):
    path = folder / "net.onnx"
    onnx.save(graph(), path, save_as_external_data=True, location="net.data", size_threshold=0)
    (folder / "net.data").unlink()
    return path


def for_eight_images(folder):
    program = graph(size=48)
    program.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 8
    onnx.save(program, folder / "net.onnx")
    return folder / "net.onnx"


def of_a_newer_version(folder):
    return saved(folder, opset=99)


def a_classifier(folder):
    return saved(folder, extra=[helper.make_node("ReduceMean", ["z"], ["y"], axes=[2, 3], keepdims=0)])


def four_channels(folder):
    return saved(folder, channels=4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (cut_off, "no ONNX, or is damaged"),
        (random_bytes, "no ONNX, or is damaged"),
        (empty, "no ONNX, or is damaged"),
        (without_its_data, "not next to it"),
        (a_classifier, "makes no image of an image"),
        (for_eight_images, "takes 8 images at once"),
        (lambda folder: saved(folder, size=8), "takes images of one size, and this cannot be tiled: 3 x 8 x 8"),
        (of_a_newer_version, r"^net\.onnx: onnxruntime cannot load the program: [A-Z]\w+ .*opset"),
        (four_channels, "images of 1 or 3 channels"),
    ],
)
def test_what_is_refused(make, message, tmp_path):
    with pytest.raises(ModelFileError, match=message) as caught:
        added(make(tmp_path))
    assert "\n" not in str(caught.value)


def test_sizes_that_are_not_stated_are_free(tmp_path):
    program = graph()
    for value in (program.graph.input[0], program.graph.output[0]):
        value.type.tensor_type.ClearField("shape")
    onnx.save(program, tmp_path / "net.onnx")
    assert added(tmp_path / "net.onnx").card.largest is None


def test_one_large_size_may_take_the_memory_that_it_needs(tmp_path, monkeypatch):
    """Graphs are run to find out what they take, in the process whose memory is limited."""
    monkeypatch.setenv("NAPARI_SUPERRES_MODELS", str(tmp_path / "library"))
    card = add_model(saved(tmp_path, size=1024), quick=True)
    assert card.scale == (2, 2)


def test_weights_in_a_file_next_to_it(tmp_path):
    onnx.save(graph(), tmp_path / "net.onnx", save_as_external_data=True, location="net.onnx.data", size_threshold=0)
    assert added(tmp_path / "net.onnx").card.bounded


class Doubling(torch.nn.Module):
    def forward(self, x):
        return torch.nn.functional.interpolate(x, scale_factor=2.0).clamp(0, 1)


def test_torch_export(tmp_path):
    sizes = {2: torch.export.Dim("h", min=2, max=512), 3: torch.export.Dim("w", min=2, max=512)}
    program = torch.export.export(Doubling(), (torch.rand(1, 3, 32, 40),), dynamic_shapes={"x": sizes})
    torch.export.save(program, tmp_path / "net.pt2")
    with pytest.raises(UntrustedModelError, match=r"torch\.export"):
        added(tmp_path / "net.pt2")
    card = added(tmp_path / "net.pt2", trusted=True).card
    assert (card.architecture, card.scale, card.channels) == ("exported", (2, 2), 3)
    (tmp_path / "a.pt2").write_bytes(b"PK" + bytes(100))
    with pytest.raises(ModelFileError, match="cannot load it"):
        added(tmp_path / "a.pt2", trusted=True)
