"""Models as bioimage.io packages: they pass the format's own test, describe the model, and run without this program."""

import re
import socket
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from skimage.io import imread

from napari_superres.errors import (
    MissingExtraError,
    ModelFileError,
    OutputError,
    OutputExistsError,
    SettingsError,
    SuperResWarning,
    UnknownModelError,
)
from napari_superres.models import ModelCard, export_bioimageio, export_safetensors, find_card, load_model
from napari_superres.models.architectures import build
from napari_superres.models.export import bioimageio, description, example, weight_files
from napari_superres.models.library.shipped import shipped_cards, shipped_file
from napari_superres.models.model_file import digest, read_card, write_model

core = pytest.importorskip("bioimageio.core", reason="bioimageio.core is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")

AUTHORS = ["Ada Lovelace; Some Institute", "Mary Somerville"]
CITE = ["Lovelace: Notes. 1843. doi:10.1234/notes.G"]
FAST = ("espcn-x2",)
SHIPPED = [pytest.param(c.name, marks=[] if c.name in FAST else pytest.mark.slow, id=c.name) for c in shipped_cards()]


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """Fail a test that uses the network, even if a library catches the error raised here."""
    calls = []

    def refuse(*arguments, **_):
        calls.append(arguments)
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    yield
    assert calls == []


@pytest.fixture
def tested(monkeypatch):
    """Return the results of bioimageio.core's tests, per format of weights."""
    found, run = {}, core.test_model

    def watch(package, weights, devices):
        found[weights] = run(package, weights, devices)
        return found[weights]

    monkeypatch.setattr(core, "test_model", watch)
    return found


def made(folder, architecture, arguments, **facts):
    """Return the file of a small network with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        weights = build(architecture, arguments).state_dict()
    facts = {"license": "MIT", "citation": CITE[0], "title": "A tiny one"} | facts
    card = ModelCard(name="tiny", architecture=architecture, arguments=arguments, **facts)
    return write_model(folder / "tiny.safetensors", card, weights)


def volumes(folder, **facts):
    arguments = {"scale": [3, 1, 1], "ndim": 3, "blocks": 1, "features": 4}
    return made(folder, "edsr", arguments, scale=(3, 1, 1), halo=(6, 6, 6), intensity="percentile", **facts)


def contents(package):
    """Return a package's description and its other files."""
    from ruyaml import YAML

    with ZipFile(package) as file:
        files = {name: file.read(name) for name in file.namelist()}
    return YAML(typ="safe", pure=True).load(files.pop("bioimageio.yaml").decode()), files


def runs(tested, weights):
    """Return the numbers of images and the sizes with which the weights passed, besides those of the test output."""
    summary = tested[weights]
    assert summary.status == "passed"
    assert f"Reproduce test outputs from test inputs ({weights})" in [d.name for d in summary.details]
    pattern = rf"Run {weights} inference for inputs with batch_size: (\d) and size parameter n: (\d)"
    found = [re.fullmatch(pattern, d.name) for d in summary.details if d.status == "passed"]
    return [(int(run[1]), int(run[2])) for run in found if run]


def array(files, name, folder):
    (folder / "array.npy").write_bytes(files[name])
    return np.load(folder / "array.npy")


def check(package, model, tested, folder):
    """Check a package: the format's own test, the card, and its ONNX against the model at a size of its own."""
    card = load_model(model).card
    description, files = contents(package)
    assert set(tested) == set(description["weights"]) == {"pytorch_state_dict", "onnx"}
    for weights in tested:
        assert runs(tested, weights) == [(batch, n) for batch in (1, 2) for n in (0, 1, 2)]
    assert ModelCard.from_json(description["config"]["napari_superres"]["card"]) == card
    random = np.random.default_rng(1)
    smallest = [a["size"]["min"] for a in description["inputs"][0]["axes"] if a["type"] == "space"]
    image = random.random((2, card.inputs, *(n + 3 * m for n, m in zip(smallest, card.multiple, strict=True))))
    session = onnxruntime.InferenceSession(files["weights.onnx"], providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"input": image.astype(np.float32)})
    np.testing.assert_allclose(found, load_model(model)(torch.from_numpy(image).float()).numpy(), atol=1e-5)
    output = array(files, "test_output.npy", folder)
    assert np.ptp(output) > 0.5
    assert not any(str(place).encode() in text for text in files.values() for place in (Path.cwd(), folder.parent))
    return description, files


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_models_pass_the_formats_own_test(name, tmp_path, tested):
    package = export_bioimageio(name, tmp_path / "a.zip", author=AUTHORS)
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]
    description, files = check(package, name, tested, tmp_path)
    card = find_card(name)
    given, result = description["inputs"][0], description["outputs"][0]
    frames = {
        1: ["intensity"],
        2: ["view+0 intensity", "view+1 intensity"],
        5: [f"frame{i} intensity" for i in ("-2", "-1", "+0", "+1", "+2")],
    }[card.frames]
    assert given["axes"][1]["channel_names"] == [*frames, *(f"plane of {c}" for c in card.conditions)]
    space = list(zip(given["axes"][2:], result["axes"][2:], card.scale, card.halo, strict=True))
    assert [a["id"] for a, *_ in space] == list("zyx"[-card.ndim :])
    for coarse, fine, scale, halo in space:
        assert coarse["scale"] / fine["scale"] == scale
        assert fine["halo"] == halo * scale
        assert coarse["size"] == {"min": 2 * halo + 1, "step": 1}
    steps = {s["id"]: s["kwargs"] for s in given["preprocessing"]}
    if card.intensity == "unit":
        assert (list(steps), given["data"]["range"]) == (["ensure_dtype"], [0, 1])
    elif card.conditions:
        assert list(steps) == ["ensure_dtype"]
        assert "constant planes follow" in files["README.md"].decode()
    else:
        assert steps["scale_range"]["axes"] == ["channel", *"zyx"[-card.ndim :]]
        assert (steps["scale_range"]["min_percentile"], steps["scale_range"]["max_percentile"]) == (0.1, 99.9)
    assert description["license"] == "BSD-3-Clause"
    assert description["authors"] == [{"name": "Ada Lovelace", "affiliation": "Some Institute"}, {"name": AUTHORS[1]}]
    assert all(entry["doi"] in card.citation and "doi" not in entry["text"] for entry in description["cite"])
    state = description["weights"]["pytorch_state_dict"]["architecture"]
    assert (state["import_from"], state["kwargs"]) == (
        f"napari_superres.models.architectures.{card.architecture.replace('rendering', 'textbook')}",
        card.arguments,
    )
    for text in (card.limits, card.training, card.degradation, str(next(iter(card.scores.values()))["psnr"])):
        assert text in files["README.md"].decode()


def test_volumes_pixel_sizes_and_own_citation_cover_and_description(tmp_path, tested):
    from PIL import Image

    (tmp_path / "in").mkdir()
    model, cover = volumes(tmp_path / "in", pixel_size=(0.1, 0.3)), tmp_path / "in" / "mine.png"
    Image.new("RGB", (20, 10)).save(cover)
    cite = [
        "Paper, https://example.org/paper.",
        "10.1175/1520(1979)018<1:L>2.0.CO;2",
        "A. https://doi.org/10.1234/a. B: b. DOI: 10.1234/b",
    ]
    package = export_bioimageio(
        model, tmp_path / "a.zip", author=["Ada"], cite=cite, cover=cover, description="Slices, thinner."
    )
    description, files = check(package, model, tested, tmp_path / "in")
    assert (description["description"], description["name"]) == ("Slices, thinner.", "A tiny one")
    assert "mine.png" in files
    assert description["cite"] == [
        {"text": "Paper", "url": "https://example.org/paper"},
        {"text": "10.1175/1520(1979)018<1:L>2.0.CO;2", "doi": "10.1175/1520(1979)018<1:L>2.0.CO;2"},
        {"text": "A", "doi": "10.1234/a"},
        {"text": "B: b", "doi": "10.1234/b"},
    ]
    given, result = description["inputs"][0]["axes"][2:], description["outputs"][0]["axes"][2:]
    assert [(a.get("unit"), a["scale"]) for a in given] == [
        (None, 3),
        ("micrometer", pytest.approx(0.2)),
        ("micrometer", pytest.approx(0.2)),
    ]
    assert [c["scale"] / f["scale"] for c, f in zip(given, result, strict=True)] == [3, 1, 1]


def test_cover_shows_input_and_result(tmp_path, monkeypatch):
    pictures = []
    monkeypatch.setattr(weight_files, "_write_onnx", lambda path, *_: path.write_bytes(b""))
    monkeypatch.setattr(bioimageio, "_pack", lambda _, folder, __: pictures.append(imread(folder / "cover.png")))
    export_bioimageio("espcn-x2", tmp_path / "a.zip", author=["Ada"])
    (picture,) = pictures
    assert picture.shape == (128, 256)
    left, right = np.split(picture, 2, axis=1)
    assert (left[::2, ::2] == left[1::2, 1::2]).all()
    assert (right[::2] != right[1::2]).mean() > 0.3
    assert np.corrcoef(left.ravel(), right.ravel())[0, 1] > 0.95


def test_sizes_are_multiples_and_exceed_the_halo():
    card = ModelCard(name="a", architecture="unet", scale=(2, 2), multiple=(4, 4), halo=(13, 0))
    assert description.sizes(card) == [(36, 4, 16), (8, 4, 0)]
    assert description.sizes(replace(card, bounded=False)) == [(8, 4, 0)] * 2
    given, result = description._space_axes(replace(card, bounded=False))
    assert not any("halo" in axis for axis in result)
    assert not any(axis["concatenable"] for axis in given)
    assert [axis.get("halo") for axis in description._space_axes(card)[1]] == [32, None]


def test_test_input_is_prepared_as_described(tmp_path):
    card = ModelCard(name="a", architecture="espcn", scale=(2, 2), intensity="standard", halo=(4, 4))
    taken = example.write_example(tmp_path, card, torch.nn.Upsample(scale_factor=2)).numpy()
    raw = np.load(tmp_path / "test_input.npy")
    assert raw.min() >= 100
    assert taken.mean() == pytest.approx(0, abs=1e-5)
    assert taken.std() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(taken * raw.std() + raw.mean(), raw, rtol=1e-4)


def test_network_without_onnx_form_is_exported_without_it(tmp_path, monkeypatch):
    packed = []
    monkeypatch.setattr(
        bioimageio, "_pack", lambda _, folder, content: packed.append((content, (folder / "README.md").read_text()))
    )
    arguments = {"scale": [2, 2], "groups": 1, "blocks": 1, "features": 8, "reduction": 2}
    model = made(tmp_path, "dfcan", arguments, scale=(2, 2), bounded=False)
    with pytest.warns(SuperResWarning, match="tiny is exported without ONNX"):
        export_bioimageio(model, tmp_path / "a.zip", author=["Ada"])
    ((content, text),) = packed
    assert list(content["weights"]) == ["pytorch_state_dict"]
    assert "do not tile" in text


def test_a_package_that_fails_the_test_is_not_left_behind(tmp_path, monkeypatch):
    target = tmp_path / "a.zip"
    target.write_bytes(b"the last one")
    write = example.write_example

    def wrong(folder, card, trained):
        image = write(folder, card, trained)
        np.save(folder / "test_output.npy", np.load(folder / "test_output.npy") + 0.1)
        return image

    monkeypatch.setattr(bioimageio, "write_example", wrong)
    monkeypatch.setattr(weight_files, "_write_onnx", lambda path, *_: path.write_bytes(b""))
    with pytest.raises(
        ModelFileError, match=r"not valid, nothing was written: .*elements disagree with expected values"
    ):
        export_bioimageio("fsrcnn-x2", target, author=["Ada"], overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]
    assert target.read_bytes() == b"the last one"


def test_onnx_with_other_results_is_refused(tmp_path):
    card, network = find_card("fsrcnn-x2"), load_model("fsrcnn-x2").runner
    other = load_model("espcn-x2").runner
    image = torch.rand(1, 1, 20, 21)
    with pytest.raises(RuntimeError, match=r"its results differ on images of \[1, 1, 20, 21\]"):
        weight_files._write_onnx(tmp_path / "a.onnx", card, other, network, image)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"author": []}, SettingsError, "at least one author. Name one in `author`"),
        ({"author": [" ; Institute"]}, SettingsError, "'Name' or 'Name; Institute'"),
        ({"author": ["Ada/Lovelace"]}, SettingsError, "without slashes"),
        ({"cite": ["Lovelace 1843"]}, SettingsError, "a DOI or an address, got 'Lovelace 1843'. Give one in `cite`"),
        ({"cover": Path("no.png")}, SettingsError, "no.png is no file"),
        ({"target": "a.tar"}, OutputError, "ends in .zip"),
        ({"target": "a.tar", "author": []}, OutputError, "ends in .zip"),
        ({"target": "there.zip"}, OutputExistsError, "there.zip exists. Set `overwrite` or choose another name"),
        ({"target": "folder.zip", "overwrite": True}, OutputError, "must be a file that ends in .zip"),
        ({"target": "none/a.zip"}, OutputError, r"none does not exist\. Create it first"),
        ({"target": "there.zip/a.zip"}, OutputError, r"there\.zip is a file, not a folder"),
        ({"model": "bicubic-x2"}, SettingsError, "bicubic-x2 is an interpolation and has no weights"),
        ({"model": "espcn-x22"}, UnknownModelError, "Did you mean"),
    ],
)
def test_exports_that_are_refused(options, error, message, tmp_path):
    (tmp_path / "there.zip").write_bytes(b"old")
    (tmp_path / "folder.zip").mkdir()
    options = {"model": "espcn-x2", "target": "a.zip", "author": ["Ada"], **options}
    model, target = options.pop("model"), tmp_path / options.pop("target")
    with pytest.raises(error, match=message):
        export_bioimageio(model, target, **options)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder.zip", "there.zip"]
    assert (tmp_path / "there.zip").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"citation": ""}, "citations with a DOI or an address, got ''"),
        ({"license": ""}, "SPDX identifier .* the model's card says ''"),
        ({"license": "for friends"}, "the model's card says 'for friends'"),
        (
            {"architecture": "onnx"},
            r"another program's \(onnx\). Export it as .safetensors with `export_safetensors..`",
        ),
    ],
)
def test_facts_that_a_card_must_state(facts, message, tmp_path, espcn):
    card, weights = espcn
    facts = {"license": "MIT", "citation": CITE[0]} | facts
    model = write_model(tmp_path / "tiny.safetensors", replace(card, **facts), weights)
    with pytest.raises(SettingsError, match=message):
        export_bioimageio(model, tmp_path / "a.zip", author=["Ada"])
    assert [p.name for p in tmp_path.iterdir()] == ["tiny.safetensors"]


@pytest.mark.parametrize("name", ["bioimageio.core", "onnxscript", "onnxruntime"])
def test_missing_library(name, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=rf"need {name}. Install .* pip install 'napari-superres-torch\[zoo\]'"):
        export_bioimageio("espcn-x2", tmp_path / "a.zip", author=["Ada"])


def test_names_of_channels():
    card = ModelCard(name="rgb", title="µ: x", architecture="espcn", scale=(2, 2), channels=3, frames=3, context="Z")
    described = description.describe_model(card, "")
    assert described["name"] == "super-resolution x"
    assert described["inputs"][0]["axes"][1]["channel_names"] == [
        f"plane{i} {c}" for i in ("-1", "+0", "+1") for c in ("red", "green", "blue")
    ]
    assert described["outputs"][0]["axes"][1]["channel_names"] == ["red", "green", "blue"]
    assert "2d" in described["tags"]
    assert "2d-t" in description.describe_model(replace(card, context="T"), "")["tags"]


def test_a_summary_without_details_gives_its_status():
    summary = SimpleNamespace(status="failed", details=[])
    with pytest.raises(ModelFileError, match="nothing was written: failed"):
        bioimageio._require("passed", summary)


def test_our_own_file(tmp_path, model_file):
    target = tmp_path / "mine.safetensors"
    assert export_safetensors("fluo-x2", target) == target
    assert digest(target) == digest(shipped_file("fluo-x2"))
    assert read_card(target) == find_card("fluo-x2")
    with pytest.raises(OutputExistsError, match=r"mine\.safetensors exists"):
        export_safetensors("espcn-x2", target)
    export_safetensors(model_file, target, overwrite=True)
    assert digest(target) == digest(model_file)
    with pytest.raises(SettingsError, match="lanczos-x3 is an interpolation"):
        export_safetensors("lanczos-x3", tmp_path / "a.safetensors")
    with pytest.raises(OutputError, match=r"ends in \.safetensors"):
        export_safetensors("espcn-x2", tmp_path / "a.zip")
    model_file.write_bytes(model_file.read_bytes()[:-4])
    with pytest.raises(ModelFileError, match="damaged or truncated"):
        export_safetensors(model_file, target, overwrite=True)
    assert read_card(target).architecture == "espcn"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.safetensors", "tiny.safetensors"]
