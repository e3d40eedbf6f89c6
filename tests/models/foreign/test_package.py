"""bioimage.io packages: each form is read, reproduces its author's test output, and runs."""

import copy
import json
import pickle
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
import torch
from helpers.checkpoints import bioimageio_packages as packages
from helpers.checkpoints.bioimageio_packages import load_package, noise
from onnx import TensorProto, helper, numpy_helper

from napari_superres.errors import MissingExtraError, ModelFileError
from napari_superres.models.architectures import build
from napari_superres.models.foreign.packages.package import is_package, read_package
from napari_superres.models.foreign.programs import NEEDS_TRUST, apply_steps, build_program

FORMATS = ("onnx", "torchscript", "pytorch_state_dict")


@pytest.mark.parametrize("spec", ["0.4", "0.5"])
@pytest.mark.parametrize("weights", FORMATS)
def test_each_form_runs(tmp_path, spec, weights):
    path = packages.write_package(tmp_path / "a.zip", spec=spec, weights=weights)
    assert is_package(path)
    found, network = load_package(path, trusted=weights != "onnx")
    card = found.card
    assert (card.name, card.title) == ("Tiny-doubling-of-Y-and-X", "Tiny doubling of Y and X")
    assert (card.scale, card.multiple, card.channels, card.intensity) == ((2, 2), (2, 2), 1, "none")
    assert (card.license, card.version) == ("BSD-3-Clause", "2.1")
    assert card.citation == "Lovelace: Notes, doi:10.1000/182"
    assert "Ada Lovelace" in card.training
    assert json.loads(json.dumps(card.arguments)) == card.arguments
    x = noise()
    before = x.clone()
    y = network(x)
    assert torch.equal(x, before)
    torch.testing.assert_close(y, packages.network()(x))
    for changed in (copy.deepcopy(network).double().cpu(), network):
        for dtype in (torch.float32, torch.float64):
            if (
                weights == "pytorch_state_dict"
                or dtype == next(changed.parameters(), torch.zeros((), dtype=dtype)).dtype
            ):
                assert changed(x.to(dtype)).dtype == dtype
    assert (card.architecture in NEEDS_TRUST) == (weights != "onnx")


def test_onnx_survives_pickling(tmp_path):
    network = load_package(packages.write_package(tmp_path / "a.zip"))[1]
    assert torch.equal(pickle.loads(pickle.dumps(network))(noise()), network(noise()))


@pytest.mark.parametrize("order", ["bcyx", "byxc", "bxyc", "cyx", "yx", "byx"])
def test_orders_of_axes(tmp_path, order):
    channels = 3 if "c" in order else 1
    found, network = load_package(packages.write_package(tmp_path / "a.zip", order=order, channels=channels))
    assert found.card.arguments["inputs"] == found.card.arguments["outputs"] == order
    x = noise(channels)
    torch.testing.assert_close(network(x), packages.network(channels)(x))


@pytest.mark.parametrize("message", [1, None])
def test_a_volume_and_a_batch_of_one(tmp_path, message):
    """Z is kept, Y and X are doubled by repetition; images go one by one if description or program ask for it."""
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[1, 2, 2])
    one = [1, 1, None, None, None]
    graph = helper.make_graph(
        [node],
        "volume",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, one)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, one)],
        [numpy_helper.from_array(np.ones((1, 1, 1, 2, 2), np.float32), "w")],
    )
    program = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    given = np.random.default_rng(0).random((1, 1, 3, 4, 4)).astype(np.float32)

    def edit(description):
        for tensor, output in (("inputs", False), ("outputs", True)):
            axes = packages.axes("bczyx", 1, output)
            axes[0]["size"] = message
            axes[2].pop("scale", None)
            description[tensor][0]["axes"] = axes
        del description["weights"]["onnx"]["sha256"]

    files = {
        "weights.onnx": program.SerializeToString(),
        "input.npy": packages.npy_bytes(given),
        "output.npy": packages.npy_bytes(given.repeat(2, 3).repeat(2, 4)),
    }
    found, network = load_package(packages.write_package(tmp_path / "a.zip", edit=edit, files=files))
    assert found.card.scale == (1, 2, 2)
    x = torch.rand(3, 1, 2, 4, 4)
    assert torch.equal(network(x), x.repeat_interleave(2, 3).repeat_interleave(2, 4))


def test_networks_of_integers_get_integers(tmp_path):
    found, network = load_package(packages.write_package(tmp_path / "a.zip", dtype="uint8", kind=TensorProto.UINT8))
    x = torch.tensor([3.0, 200.7, -4.0, 300.0]).repeat(16).reshape(1, 1, 8, 8)
    whole = torch.tensor([3.0, 200.0, 0.0, 255.0]).repeat(16).reshape(1, 1, 8, 8)
    torch.testing.assert_close(network(x), packages.network()(whole))
    assert found.card.intensity == "none"


def test_external_data_of_onnx(tmp_path):
    program, data = packages.with_external_data(packages.onnx_program(packages.network()), "weights.onnx.data")

    def edit(description):
        description["weights"]["onnx"] |= {"external_data": {"source": "weights.onnx.data"}}
        del description["weights"]["onnx"]["sha256"]

    files = {"weights.onnx": program, "weights.onnx.data": data}
    path = packages.write_package(tmp_path / "a.zip", edit=edit, files=files)
    torch.testing.assert_close(load_package(path)[1](noise()), packages.network()(noise()))


def test_a_folder_and_its_description(tmp_path):
    folder = packages.write_package(tmp_path / "model")
    for path in (folder, folder / "rdf.yaml"):
        assert is_package(path)
        load_package(path)
    assert not is_package(tmp_path)
    assert not is_package(folder / "README.md")
    (tmp_path / "rdf.yaml.zip").write_bytes(b"PK")
    assert not is_package(tmp_path / "rdf.yaml.zip")


def test_a_callable_of_a_library(tmp_path):
    def edit(module):
        def change(description):
            description["weights"]["pytorch_state_dict"]["architecture"] = {
                "import_from": module,
                "callable": "Tiny",
                "kwargs": {"channels": 1},
            }

        return change

    path = packages.write_package(
        tmp_path / "a.zip", weights="pytorch_state_dict", edit=edit("helpers.checkpoints.bioimageio_packages")
    )
    torch.testing.assert_close(load_package(path, trusted=True)[1](noise()), packages.network()(noise()))
    path = packages.write_package(tmp_path / "b.zip", weights="pytorch_state_dict", edit=edit("no_such_package"))
    with pytest.raises(MissingExtraError, match="no_such_package, which cannot be imported"):
        load_package(path, trusted=True)


def test_our_own_packages_need_no_trust(tmp_path, espcn):
    card, weights = espcn
    content = BytesIO()
    torch.save(weights, content)

    def edit(description):
        description["config"] = {"napari_superres": {"card": card.to_json()}}
        entry = description["weights"]["pytorch_state_dict"]
        entry["architecture"] = {"import_from": "os", "callable": "abort"}
        del entry["sha256"]

    network = build(card.architecture, dict(card.arguments)).eval()
    network.load_state_dict(weights)
    x = packages.example_image()
    with torch.inference_mode():
        made = network(torch.from_numpy(x)).numpy()
    files = {"weights.pt": content.getvalue()}
    path = packages.write_package(
        tmp_path / "a.zip", weights="pytorch_state_dict", edit=edit, files=files, test_output=made
    )
    found = read_package(path, trusted=False)
    assert found.card == card
    assert all(torch.equal(found.weights[k], weights[k]) for k in weights)
    found.check(network)
    with pytest.raises(ModelFileError, match="does not reproduce"):
        found.check(torch.nn.Sequential(network, torch.nn.ReLU(), torch.nn.Sigmoid()))


def zero_mean(x, eps=1e-6):
    return (x - x.mean()) / (x.std() + eps)


def percentiles(x, low, high, eps=1e-6):
    a, b = np.percentile(x, (low, high))
    return (x - a) / (b - a + eps)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


LINEAR = {"id": "scale_linear", "kwargs": {"gain": 0.01, "offset": 0.5}}
FIXED = {"id": "fixed_zero_mean_unit_variance", "kwargs": {"mean": 40.0, "std": 20.0}}
RANGE = {"id": "scale_range", "kwargs": {"axes": ["channel", "y", "x"], "min_percentile": 2.0, "max_percentile": 98.5}}
STANDARD = {"id": "zero_mean_unit_variance", "kwargs": {"axes": ["channel", "y", "x"]}}
CLIP = {"id": "clip", "kwargs": {"min": 0.1, "max": 1.5}}
MATCHED = {"id": "scale_mean_variance", "kwargs": {"reference_tensor": "input"}}


@pytest.mark.parametrize(
    ("before", "on", "after", "off", "intensity"),
    [
        ([LINEAR], lambda x: x * 0.01 + 0.5, [], lambda y, _: y, "none"),
        ([FIXED], lambda x: (x - 40) / 20, [FIXED], lambda y, _: (y - 40) / 20, "none"),
        ([FIXED, CLIP], lambda x: np.clip((x - 40) / 20, 0.1, 1.5), [], lambda y, _: y, "none"),
        ([RANGE, CLIP], lambda x: np.clip(percentiles(x, 2, 98.5), 0.1, 1.5), [], lambda y, _: y, "percentile"),
        ([STANDARD], zero_mean, [CLIP], lambda y, _: np.clip(y, 0.1, 1.5), "standard"),
        ([LINEAR, STANDARD, LINEAR], lambda x: zero_mean(x) * 0.01 + 0.5, [], lambda y, _: y, "standard"),
        (
            [RANGE, {"id": "sigmoid"}],
            lambda x: sigmoid(percentiles(x, 2, 98.5)),
            [{"id": "sigmoid"}],
            lambda y, _: sigmoid(y),
            "percentile",
        ),
        ([{"id": "binarize", "kwargs": {"threshold": 30.0}}], lambda x: (x > 30) * 1.0, [], lambda y, _: y, "none"),
        (
            [RANGE],
            lambda x: percentiles(x, 2, 98.5),
            [LINEAR, MATCHED],
            lambda y, x: zero_mean(y) * (x.std() + 1e-6) + x.mean(),
            "percentile",
        ),
        (
            [],
            lambda x: x,
            [{"id": "scale_range", "kwargs": {"reference_tensor": "input"}}],
            lambda y, x: (y - x.min()) / (x.max() - x.min() + 1e-6),
            "none",
        ),
        ([], lambda x: x, [{"id": "ensure_dtype", "kwargs": {"dtype": "int16"}}], lambda y, _: np.trunc(y), "none"),
    ],
)
def test_processing_as_the_specification_says(tmp_path, before, on, after, off, intensity):
    x = packages.example_image()
    made = off(packages.apply_network(on(x)), x).astype(np.float32)
    found, _ = load_package(
        packages.write_package(tmp_path / "a.zip", before=before, after=after, test_input=x, test_output=made)
    )
    assert found.card.intensity == intensity
    assert intensity != "percentile" or found.card.percentiles == (2.0, 98.5)
    wrong = replace(found.card, arguments={**found.card.arguments, "after": [{"id": "clip", "min": 0.2, "max": 0.3}]})
    with pytest.raises(ModelFileError, match="does not reproduce its author's test output: largest difference"):
        found.check(build_program(wrong, found.weights))


def test_processing_of_specification_04(tmp_path):
    x = packages.example_image()
    before = [
        {
            "name": "scale_range",
            "kwargs": {"mode": "per_sample", "axes": "yx", "min_percentile": 1, "max_percentile": 99},
        }
    ]
    after = [{"name": "scale_linear", "kwargs": {"axes": "yx", "gain": [2.0], "offset": [1.0]}}]
    made = packages.apply_network(percentiles(x, 1, 99)) * 2 + 1
    path = packages.write_package(
        tmp_path / "a.zip", spec="0.4", before=before, after=after, test_input=x, test_output=made
    )
    assert load_package(path)[0].card.percentiles == (1.0, 99.0)


def test_linear_steps_alone_are_inverted_so_that_the_input_s_scale_stays(tmp_path):
    """The network's output is on the scale of its input, as it is after the engine's own normalisation."""
    x = 100 * noise() + 50
    for step, on, back in (
        (LINEAR, lambda x: x * 0.01 + 0.5, lambda y: (y - 0.5) / 0.01),
        (FIXED, lambda x: (x - 40) / 20, lambda y: y * 20 + 40),
    ):
        made = packages.apply_network(on(packages.example_image()))
        path = packages.write_package(tmp_path / f"{step['id']}.zip", before=[step], test_output=made)
        torch.testing.assert_close(load_package(path)[1](x), back(packages.network()(on(x))))
    after = {"id": "scale_linear", "kwargs": {"gain": 7.0}}
    path = packages.write_package(
        tmp_path / "own.zip",
        before=[LINEAR],
        after=[after],
        test_output=packages.apply_network(packages.example_image() * 0.01 + 0.5) * 7,
    )
    torch.testing.assert_close(load_package(path)[1](x), 7 * packages.network()(x * 0.01 + 0.5))


def test_the_program_omits_steps_that_the_engine_does(tmp_path):
    """The input's type, steps fitted to the image, and steps that match the output with the input."""
    before = [LINEAR, {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}}]
    made = packages.apply_network(packages.example_image(dtype=np.uint8) * 0.01 + 0.5)
    found, network = load_package(
        packages.write_package(tmp_path / "a.zip", dtype="uint8", before=before, test_output=made)
    )
    assert [step["id"] for step in found.card.arguments["before"]] == ["scale_linear"]
    torch.testing.assert_close(network(noise()), (packages.network()(noise() * 0.01 + 0.5) - 0.5) / 0.01)
    path = packages.write_package(tmp_path / "b.zip", before=[LINEAR, RANGE], after=[LINEAR, MATCHED])
    found = read_package(path, trusted=False)
    torch.testing.assert_close(build_program(found.card, found.weights)(noise()), packages.network()(noise()))


@pytest.mark.parametrize(
    ("step", "formula"),
    [
        (
            {"id": "scale_linear", "gain": [1.0, 2.0, 3.0], "offset": [0.0, 0.5, 1.0]},
            lambda x: x * np.float32([1, 2, 3])[:, None, None] + np.float32([0, 0.5, 1])[:, None, None],
        ),
        (
            {"id": "fixed_zero_mean_unit_variance", "mean": [1.0, 2.0, 3.0], "std": [1.0, 4.0, 8.0]},
            lambda x: (x - np.float32([1, 2, 3])[:, None, None]) / np.float32([1, 4, 8])[:, None, None],
        ),
        ({"id": "clip", "min": None, "max": 0.2}, lambda x: np.minimum(x, 0.2)),
        ({"id": "clip", "min": 0.2, "max": None}, lambda x: np.maximum(x, 0.2)),
        ({"id": "binarize", "threshold": [0.0, 0.2, 0.4]}, lambda x: x > np.float32([0, 0.2, 0.4])[:, None, None]),
        ({"id": "sigmoid"}, sigmoid),
        ({"id": "ensure_dtype", "dtype": "bool"}, lambda x: x.astype(bool)),
        ({"id": "ensure_dtype", "dtype": "int8"}, lambda x: x.astype(np.int8)),
    ],
)
def test_steps_on_each_value(step, formula):
    x = 4 * noise(3)
    torch.testing.assert_close(apply_steps(x, [step]), torch.from_numpy(formula(x.numpy()).astype(np.float32)))
    x[0, 0, 0, 0] = torch.nan
    assert apply_steps(x, [step]).isnan().sum() == 1


def test_a_package_of_one_size_pads_smaller_images(tmp_path):
    def edit(description):
        for given in description["inputs"][0]["axes"][2:]:
            given["size"] = 64

    image = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    files = {
        "input.npy": packages.npy_bytes(image.numpy()),
        "output.npy": packages.npy_bytes(packages.network()(image).numpy(force=True)),
    }
    found, network = load_package(packages.write_package(tmp_path / "a.zip", edit=edit, files=files))
    assert (found.card.largest, found.card.multiple) == ((64, 64), (16, 16))
    sizes = []
    network.network.register_forward_pre_hook(lambda _, inputs: sizes.append(tuple(inputs[0].shape[2:])))
    x = noise()
    assert network(x).shape[2:] == (2 * x.shape[2], 2 * x.shape[3])
    assert sizes == [(64, 64)]


def test_a_package_of_one_size_with_a_halo_is_read(tmp_path):
    """Version 0.4 allows both, and the conversion to 0.5 does not."""

    def edit(description):
        description["inputs"][0]["shape"] = [1, 1, 10, 12]
        description["outputs"][0] |= {"shape": [1, 1, 20, 24], "halo": [0, 0, 2, 2]}

    card = load_package(packages.write_package(tmp_path / "a.zip", spec="0.4", edit=edit))[0].card
    assert (card.largest, card.scale) == ((10, 12), (2, 2))
