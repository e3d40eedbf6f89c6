"""``superres models``: the models that come with the program and those in the library."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.scenes import check_refusal
from scipy.ndimage import gaussian_filter

from napari_superres import Image, write_image
from napari_superres.models import ModelCard, find_card
from napari_superres.models.architectures import build
from napari_superres.models.library.shipped import shipped_folder
from napari_superres.models.model_file import digest, read_card, read_weights, write_model


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Return the folder of an empty library."""
    monkeypatch.setenv("NAPARI_SUPERRES_MODELS", str(tmp_path / "library"))
    return tmp_path / "library"


@pytest.fixture
def mine(tmp_path):
    """Return a model file of one's own."""
    torch.manual_seed(0)
    arguments = {"scale": [2, 2], "features": [4, 4]}
    card = ModelCard(name="a", title="My model", architecture="espcn", arguments=arguments, scale=(2, 2), halo=(4, 4))
    return write_model(tmp_path / "mine.safetensors", card, build("espcn", arguments).state_dict())


def line_of(done, name):
    (line,) = [line for line in done.out.splitlines() if line.split()[0] == name]
    return line.split()


def test_add_use_verify_remove(superres, mine, cells, tmp_path):
    before = superres("models", "list", "--json").out
    done = superres("models", "add", mine)
    assert (done.code, done.out) == (0, "mine\n")
    listed = superres("models", "list")
    assert line_of(listed, "mine")[1:] == ["added", "any", "My", "model"]
    assert line_of(listed, "fsrcnn-x2")[1] == line_of(listed, "bicubic-x2")[1] == "shipped"
    cards = json.loads(superres("models", "list", "--json").out)
    assert [c for c in cards if c["name"] != "mine"] == json.loads(before)
    (card,) = [c for c in cards if c["name"] == "mine"]
    assert card == json.loads(json.dumps(find_card("mine").to_dict())), "the card, and nothing of whose file it was"
    done = superres("models", "verify")
    assert (done.code, done.out) == (0, "mine: unchanged\n")
    mine.unlink()
    done = superres("upscale", cells, "-o", tmp_path / "sr.ome.tif", "-m", "mine", "-q")
    assert done.code == 0, done.err
    record = json.loads((tmp_path / "sr.ome.tif.provenance.json").read_text())
    assert record["model"]["name"] == "mine"
    assert record["model"]["sha256"] == json.loads(superres("models", "show", "mine", "--json").out)["sha256"]
    assert superres("models", "remove", "mine").code == 0
    assert superres("models", "list", "--json").out == before
    done = superres("models", "verify")
    assert (done.code, done.out) == (0, "")


def test_show_tells_where_a_model_comes_from(superres, mine):
    superres("models", "add", mine)
    shipped = shipped_folder() / "fsrcnn-x2.safetensors"
    for name, origin, sha256 in (
        ("mine", "added", digest(mine)),
        (mine, "file", digest(mine)),
        ("fsrcnn-x2", "shipped", digest(shipped)),
        ("bicubic-x2", "shipped", ""),
    ):
        found = json.loads(superres("models", "show", name, "--json").out)
        assert (found["origin"], found["sha256"]) == (origin, sha256)
        text = superres("models", "show", name).out
        assert f"origin:              {origin}\n" in text
        assert (f"sha256:              {sha256}\n" in text) == bool(sha256)
        assert str(mine.parent) not in text


def test_show_draws_the_grid(superres, mine, tmp_path):
    assert "grid:" not in superres("models", "show", mine).out
    grid = {
        "psf_sigma": [0, 1],
        "photons": [None, 30],
        "over_bicubic": [[1.2, 2], [0.4, -0.3]],
        "over_classical": [[0.8, 0.1], [-0.1, -0.9]],
        "worst": -0.9,
        "worst_image": "cells",
        "images": 3,
    }
    card = replace(read_card(mine), grid=grid)
    text = superres("models", "show", write_model(tmp_path / "measured.safetensors", card, read_weights(mine))).out
    assert "grid:                PSF sigma        0           1\n" in text
    assert " 30 photons     - +0.40    -- -0.30\n" in text
    assert "worst of 3 images: -0.90 dB relative to bicubic (cells)\n" in text


def test_show_marks_an_image_in_the_grid(superres, mine, tmp_path):
    grid = {
        "psf_sigma": [0, 1],
        "photons": [None, 30],
        "over_bicubic": [[1.2, 2], [0.4, -0.3]],
        "over_classical": [[0.8, 0.1], [-0.1, -0.9]],
        "worst": -0.9,
        "worst_image": "cells",
        "images": 3,
    }
    model = write_model(tmp_path / "m.safetensors", replace(read_card(mine), grid=grid), read_weights(mine))
    scene = 40 + 200 * gaussian_filter(np.random.default_rng(0).random((96, 96)), 5)
    for name, values, cell, row in (
        ("clean", scene, [0, 0], "no noise     [++ +1.20]"),
        ("noisy", np.random.default_rng(0).poisson(scene / 8) * 8.0, [1, 0], "30 photons   [ - +0.40]"),
    ):
        path = write_image(Image.from_array(values.astype(np.float32), "YX"), tmp_path / f"{name}.tif")
        text = superres("models", "show", model, "--mark", path).out
        assert row in text
        assert "[your image]" in text
        assert json.loads(superres("models", "show", model, "--mark", path, "--json").out)["grid_cell"] == cell
    assert json.loads(superres("models", "show", mine, "--mark", path, "--json").out)["grid_cell"] is None


def test_added_twice(superres, mine):
    superres("models", "add", mine)
    done = superres("models", "add", mine)
    assert (done.code, done.out) == (0, "mine\n")
    said, facts = done.err.splitlines()
    assert said == "warning: mine.safetensors is in the library already, as mine; nothing was copied."
    assert facts == f"My model; licence not stated; halo 4 px; tiles are exact; sha256 {digest(mine)}"


def test_several_files_some_of_which_are_none(superres, mine, tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"PK" + bytes(100))
    other = bytearray(mine.read_bytes())
    other[-4] ^= 1
    (tmp_path / "fsrcnn-x2.safetensors").write_bytes(other)
    done = superres("models", "add", tmp_path / "bad.safetensors", mine, tmp_path / "fsrcnn-x2.safetensors")
    assert (done.code, done.out) == (3, "mine\n")
    assert "failed: bad.safetensors is a pickle" in done.err
    assert "1 added, 2 failed" in done.err
    done = superres("models", "add", tmp_path / "bad.safetensors")
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)


def test_verify_fails_where_something_is_wrong(superres, mine, folder):
    superres("models", "add", mine)
    kept = folder / "mine.safetensors"
    kept.write_bytes(kept.read_bytes()[:-1])
    done = superres("models", "verify")
    assert done.code == 1
    assert done.out.startswith("mine: mine in the model library is not the file that was added")
    listed = superres("models", "list")
    assert listed.code == 0
    assert "superres models verify" in listed.err
    assert "fsrcnn-x2" in listed.out
    assert superres("models", "show", "mine").code == 1
    assert superres("models", "remove", "mine").code == 0
    assert superres("models", "add", mine).code == 0
    assert superres("models", "verify").code == 0


def test_what_cannot_be_removed(superres):
    for name, said in (("fsrcnn-x2", "comes with the program"), ("nothing", "no model in the library is called")):
        done = superres("models", "remove", name)
        assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
        assert said in done.err


def test_the_name_of_an_export_is_checked_before_its_authors(superres, tmp_path):
    target = tmp_path / "x.foo"
    says = "the target must be a file that ends in .safetensors or .zip, got"
    check_refusal(superres("models", "export", "espcn-x2", "-o", target), says, "x.foo")
    done = superres("models", "export", "espcn-x2", "-o", target, "--format", "bioimageio")
    check_refusal(done, "must be a file that ends in .zip, got")


def test_a_search_that_finds_nothing_speaks_of_no_licence(superres):
    done = superres("models", "search", "zzzqqq")
    assert "0 found. Try one word" in str(done)
    assert "licence on its page" not in str(done)
