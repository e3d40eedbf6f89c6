"""bioimage.io packages that are refused: models that cannot run here, damaged ones, untrusted ones."""

import socket
import sys
from io import BytesIO

import numpy as np
import pytest
import torch
from helpers.checkpoints import bioimageio_packages as packages
from helpers.checkpoints.bioimageio_packages import load_package
from helpers.library_files import Bomb

from napari_superres.errors import MissingExtraError, ModelFileError, UntrustedModelError
from napari_superres.models.foreign.archive import check_folder
from napari_superres.models.foreign.packages.package import read_package
from napari_superres.models.foreign.programs import build_program
from napari_superres.models.foreign.trust import fingerprint, grant_trust

STANDARD = {"id": "zero_mean_unit_variance", "kwargs": {"axes": ["channel", "y", "x"]}}
CLIP = {"id": "clip", "kwargs": {"min": 0.1, "max": 1.5}}
MATCHED = {"id": "scale_mean_variance", "kwargs": {"reference_tensor": "input"}}


def tensor(which, **changes):
    return lambda description: description[which][0].update(changes)


def axis(which, index, **changes):
    def edit(description):
        found = description[which][0]["axes"][index]
        found.update(changes)

    return edit


def valid(description):
    for made in description["outputs"][0]["axes"][2:]:
        made["size"]["offset"] = -4


def square(description):
    for which in ("inputs", "outputs"):
        description[which][0]["axes"][3]["size"] = {"tensor_id": "input", "axis_id": "y"}


def index(description):
    description["inputs"][0]["axes"][1] = {"type": "index", "id": "index", "size": 1}


def two(description):
    description["inputs"].append({**description["inputs"][0], "id": "second"})


def channels(count):
    def edit(description):
        for which in ("inputs", "outputs"):
            description[which][0]["axes"][1]["channel_names"] = [f"channel{i}" for i in range(count)]

    return edit


def url(description):
    description["weights"]["onnx"]["source"] = "https://example.com/weights.onnx"


def sha256(description):
    description["weights"]["onnx"]["sha256"] = "0" * 64


def source(name):
    return lambda description: description["weights"]["onnx"].update(source=name)


ROWS = {"id": "scale_range", "kwargs": {"axes": ["channel", "x"]}}
PERCENTILE_CLIP = {"id": "clip", "kwargs": {"min_percentile": 1.0, "max": 3.0}}
AFTER_MATCHING = [MATCHED, CLIP]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (valid, "images of another size by valid convolutions .offset -4 along y"),
        (two, "2 inputs and 1 outputs: models of one image in and one image out"),
        (channels(2), "takes 2 channels or frames at once; 1, or 3"),
        (axis("outputs", 1, channel_names=["a", "b", "c"]), "makes 3 channels of 1"),
        (axis("inputs", 2, size={"min": 10, "step": 4}), "10 pixels along y and steps of 4 more, which are no mult"),
        (axis("outputs", 2, scale=0.4), "2.5 pixels of one along y"),
        (axis("outputs", 3, scale=2.0), "0.5 pixels of one along x"),
        (axis("outputs", 3, size={"tensor_id": "input", "axis_id": "y"}), "must refer to the input's along x"),
        (square, "depends on another axis"),
        (index, "input has axes b, index, y, x; understood are y and x"),
        (tensor("inputs", preprocessing=[ROWS]), "scale_range along channel, x only.*must be fitted along x, y"),
        (tensor("inputs", preprocessing=[CLIP, STANDARD]), "zero_mean_unit_variance after clip"),
        (tensor("inputs", preprocessing=[PERCENTILE_CLIP]), "clip of the whole image"),
        (tensor("inputs", preprocessing=[{"id": "softmax"}]), "softmax of the whole image"),
        (tensor("outputs", postprocessing=[{"id": "softmax"}]), "post-processing softmax is not understood"),
        (tensor("outputs", postprocessing=[STANDARD]), "post-processing zero_mean_unit_variance"),
        (tensor("outputs", postprocessing=AFTER_MATCHING), "clip after scale_mean_variance"),
        (tensor("inputs", output_of="affable-shark"), "needs the output of another one"),
        (url, r"weights are not in the package, but at https://example.com/weights.onnx"),
        (sha256, "weights.onnx. have another sha256"),
        (source("other.onnx"), "weights .other.onnx. are missing"),
        (source("../a.zip"), "lie outside of the package"),
        (source("/etc/passwd"), "lie outside of the package"),
        (lambda d: d.pop("inputs"), "the description is not valid: inputs"),
        (lambda d: d.update(type="dataset"), "does not describe a model"),
        (lambda d: d.update(format_version="0.6.1"), "follows specification 0.6; 0.5 is the newest"),
    ],
)
def test_models_that_cannot_be_run(tmp_path, edit, message):
    path = packages.write_package(tmp_path / "a.zip", edit=edit)
    with pytest.raises(ModelFileError, match=message) as error:
        read_package(path, trusted=True)
    assert str(error.value).startswith("a.zip: ")
    assert "\n" not in str(error.value)


def test_other_weights_and_wrong_files(tmp_path):
    for name, changes, message in (
        ("keras", {"weights": "keras_hdf5"}, "weights are in keras_hdf5; understood are onnx, torchscript and pytorch"),
        ("onnx", {"edit": lambda d: d["weights"]["onnx"].pop("sha256"), "files": {"weights.onnx": b"junk"}}, None),
        ("array", {"files": {"input.npy": b"junk"}}, "input.npy is no array"),
        ("object", {"files": {"input.npy": objects()}}, "input.npy is no array"),
        ("size", {"test_output": np.zeros((1, 1, 40, 40))}, r"it makes \[1, 1, 20, 24\]"),
        ("value", {"test_output": packages.apply_network(packages.example_image()) + 1}, "largest difference 1"),
        ("yaml", {"files": {"rdf.yaml": b"a: [1"}}, "rdf.yaml is not YAML"),
        ("aliases", {"files": {"rdf.yaml": aliases()}}, "more than 200000 values"),
    ):
        path = packages.write_package(tmp_path / f"{name}.zip", **changes)
        with pytest.raises(ModelFileError, match=message or "the program is no ONNX, or is damaged"):
            load_package(path)


def objects():
    content = BytesIO()
    np.save(content, np.array([{}], dtype=object), allow_pickle=True)
    return content.getvalue()


def aliases():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 20)]
    return "\n".join(lines).encode()


def test_missing_libraries(tmp_path, monkeypatch):
    path = packages.write_package(tmp_path / "a.zip")
    for name in ("onnxruntime", "bioimageio.spec"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, name, None)
            with pytest.raises(MissingExtraError, match=r"pip install 'napari-superres-torch\[zoo\]'"):
                read_package(path, trusted=False)


def test_nothing_is_fetched(tmp_path, monkeypatch):
    used = []

    def refuse(*arguments, **_):
        used.append(arguments)
        raise OSError("no network")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    away = "https://example.com/"

    def edit(description):
        description |= {
            "documentation": f"{away}README.md",
            "covers": [f"{away}cover.png"],
            "git_repo": f"{away}repository",
            "parent": {"id": "affable-shark"},
            "training_data": {"id": "uplifting-ice-cream"},
            "cite": [{"text": "Lovelace", "url": f"{away}notes"}],
            "attachments": [{"source": f"{away}more.zip"}],
        }

    found, _ = load_package(packages.write_package(tmp_path / "a.zip", edit=edit))
    assert found.card.citation == f"Lovelace, {away}notes"

    def elsewhere(description):
        edit(description)
        for which in ("inputs", "outputs"):
            description[which][0]["test_tensor"]["source"] = f"{away}test.npy"

    assert read_package(packages.write_package(tmp_path / "b.zip", edit=elsewhere), trusted=False).check is None
    assert not used  # whoever tried may have gone on without


def test_programs_run_only_when_trusted(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_SUPERRES_MODELS", str(tmp_path / "library"))
    fired = tmp_path / "fired"
    code = f"open({str(fired)!r}, 'w').close()\n{packages.SOURCE}"
    for weights, kind in (("torchscript", "TorchScript"), ("pytorch_state_dict", "Python source")):
        for name in (f"{weights}.zip", weights):
            path = packages.write_package(tmp_path / name, weights=weights, source=code)
            with pytest.raises(UntrustedModelError, match=f"{name} is a program .{kind}, sha256 {fingerprint(path)}"):
                read_package(path, trusted=False)
            assert not fired.exists()
    grant_trust(fingerprint(tmp_path / "pytorch_state_dict.zip"))
    found = read_package(tmp_path / "pytorch_state_dict.zip", trusted=False)
    assert not fired.exists()
    build_program(found.card, found.weights)
    assert fired.exists()
    # Its description alone does not pin a program: that of the folder counts.
    grant_trust(fingerprint(tmp_path / "pytorch_state_dict" / "rdf.yaml"))
    with pytest.raises(UntrustedModelError):
        read_package(tmp_path / "pytorch_state_dict" / "rdf.yaml", trusted=False)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise OSError('no')", "architecture fails: no"),
        ("Tiny = dict", "is no torch.nn.Module but a dict"),
        ("x = 1", "Tiny cannot be built"),
        ("import no_such_package", "needs a Python package: No module named"),
        ("from torch import nn\ndef Tiny(channels): return nn.Conv2d(1, 1, 1)", "cannot be built as source"),
    ],
)
def test_sources_that_fail(tmp_path, code, message):
    path = packages.write_package(tmp_path / "a.zip", weights="pytorch_state_dict", source=code)
    with pytest.raises((ModelFileError, MissingExtraError), match=message) as error:
        load_package(path, trusted=True)
    assert "\n" not in str(error.value)


def test_weights_that_would_run_code_are_not_opened(tmp_path):
    content = BytesIO()
    torch.save({"w": Bomb(tmp_path / "fired")}, content)
    path = packages.write_package(
        tmp_path / "a.zip",
        weights="pytorch_state_dict",
        files={"weights.pt": content.getvalue()},
        edit=lambda d: d["weights"]["pytorch_state_dict"].pop("sha256"),
    )
    with pytest.raises(ModelFileError, match="is no state dict, or holds more than tensors"):
        read_package(path, trusted=True)
    assert not (tmp_path / "fired").exists()


def test_links_out_of_a_folder(tmp_path):
    folder = packages.write_package(tmp_path / "model")
    (folder / "again").symlink_to("rdf.yaml")
    check_folder(folder)
    (folder / "deep").mkdir()
    (folder / "deep" / "out").symlink_to(tmp_path)
    with pytest.raises(ModelFileError, match="deep/out is a link that leads out of the folder"):
        read_package(folder, trusted=False)
