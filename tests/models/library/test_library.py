"""The library: models known by name and checked by sha256, changed completely or not at all, safe to list."""

import os
import pickle
import shutil
from dataclasses import replace
from unittest.mock import patch

import pytest
import torch
from helpers.library_files import (
    Bomb,
    file_names,
    rewrite,
    truncate,
    with_card,
    with_tensor,
    write_legacy_pickle,
    write_zipped_pickle,
)

from napari_superres.errors import ModelFileError, SettingsError, SuperResWarning, UnknownModelError
from napari_superres.models import add_model, find_card, list_models, load_model, remove_model, verify_models
from napari_superres.models.library.index import library_entries
from napari_superres.models.library.registry import model_origin, model_path
from napari_superres.models.library.shipped import shipped_cards, shipped_folder
from napari_superres.models.library_folder import library_folder
from napari_superres.models.model_file import KEY, digest, write_model

pytestmark = pytest.mark.usefixtures("folder")


def test_round_trip(model_file, folder):
    before = list_models()
    assert file_names(folder) == []
    card = add_model(model_file)
    assert card.name == "tiny"
    assert file_names(folder) == ["library.json", "tiny.safetensors"]
    assert model_file.is_file()
    names = [c.name for c in list_models()]
    assert names == [*(c.name for c in shipped_cards()), "tiny", *(c.name for c in before if c.is_interpolation)]
    assert find_card("tiny") == card
    model = load_model("tiny")
    assert (model.card, model.sha256) == (card, digest(model_file))
    assert model_path("tiny") == folder / "tiny.safetensors"
    assert [model_origin(n) for n in ("tiny", "fsrcnn-x2", "bicubic-x5", model_file)] == [
        "added",
        "shipped",
        "shipped",
        "file",
    ]
    assert [(v.name, v.sha256, v.problem) for v in verify_models()] == [("tiny", model.sha256, "")]
    (entry,) = library_entries().values()
    assert entry.file == "tiny.safetensors"
    assert str(model_file.parent) not in (folder / "library.json").read_text()
    remove_model("tiny")
    assert list_models() == before
    assert file_names(folder) == ["library.json"]
    with pytest.raises(UnknownModelError):
        load_model("tiny")


def test_the_user_s_own_folder_by_default(monkeypatch):
    for value in (None, ""):
        monkeypatch.delenv("NAPARI_SUPERRES_MODELS", raising=False)
        if value is not None:
            monkeypatch.setenv("NAPARI_SUPERRES_MODELS", value)
        assert library_folder().parts[-2:] == ("napari-superres", "models")


def test_the_same_file_is_stored_once(model_file, folder):
    add_model(model_file)
    copy = shutil.copy(model_file, model_file.with_name("again.safetensors"))
    for path in (model_file, copy):
        with pytest.warns(SuperResWarning, match="in the library already, as tiny; nothing was copied"):
            assert add_model(path).name == "tiny"
    assert file_names(folder) == ["library.json", "tiny.safetensors"]
    shipped = shutil.copy(shipped_folder() / "fsrcnn-x2.safetensors", model_file.with_name("mine.safetensors"))
    with pytest.warns(SuperResWarning, match="comes with the program, as fsrcnn-x2; nothing was copied"):
        assert add_model(shipped) == find_card("fsrcnn-x2")
    assert file_names(folder) == ["library.json", "tiny.safetensors"]


@pytest.mark.parametrize(
    ("stem", "message"),
    [
        ("fsrcnn-x2", "comes with the program is called fsrcnn-x2. Rename the file, for example to my-fsrcnn-x2"),
        ("FSRCNN-X2", "comes with the program is called"),
        ("bicubic-x7", "comes with the program is called"),
        ("other", r"another model called other \(added \d{4}-.*`remove_model..`"),
        ("Other", "another model called other"),
        (".hidden", "begins with a letter or digit"),
        ("-x", "begins with a letter or digit"),
        ("a.safetensors", r"does not end in \.safetensors"),
    ],
)
def test_names_are_unique(model_file, other_file, folder, stem, message):
    add_model(other_file)
    before = (folder / "library.json").read_bytes()
    clashing = model_file.rename(model_file.with_name(f"{stem}.safetensors"))
    with pytest.raises(SettingsError, match=message):
        add_model(clashing)
    assert file_names(folder) == ["library.json", "other.safetensors"]
    assert (folder / "library.json").read_bytes() == before


@pytest.mark.parametrize(
    ("stem", "name"), [("my model (1)", "my-model--1-"), ("细胞" * 40, "细胞" * 40), ("a\nb", "a-b")]
)
def test_names_keep_only_allowed_characters(model_file, folder, stem, name):
    try:
        odd = model_file.rename(model_file.with_name(f"{stem}.safetensors"))
    except OSError:
        pytest.skip("this file system has no such names")
    assert add_model(odd).name == name == find_card(name).name
    assert set(file_names(folder)) == {"library.json", f"{name}.safetensors"}


def test_a_card_cannot_choose_where_its_file_is_written(model_file, folder):
    with_card(name="photo-x9")(model_file)
    assert add_model(model_file).name == "tiny"
    for name in ("../../evil", "/etc/evil", "a\\b", "a/b"):
        with_card(name=name)(model_file)
        with pytest.raises(ModelFileError, match="name may hold letters"):
            add_model(model_file)
    assert file_names(folder.parent) == ["library", "tiny.safetensors"]


def test_a_link_is_followed_and_its_content_kept(model_file, folder, tmp_path):
    link = tmp_path / "link.safetensors"
    link.symlink_to(model_file)
    assert add_model(link).name == "link"
    model_file.unlink()
    assert not (folder / "link.safetensors").is_symlink()
    assert load_model("link").card.name == "link"
    link.unlink()
    link.symlink_to(link)
    with pytest.raises(ModelFileError, match="does not exist or is no file"):
        add_model(link)


def test_a_card_whose_halo_is_too_small_is_corrected(tmp_path, espcn):
    card, weights = espcn
    lying = write_model(tmp_path / "lying.safetensors", replace(card, halo=(1, 1)), weights)
    with pytest.warns(SuperResWarning, match=r"halo \(1, 1\), measured \(4, 4\)"):
        assert add_model(lying).halo == (4, 4)
    with pytest.warns(SuperResWarning, match="The measured values are used"):
        assert load_model("lying").card.halo == (4, 4)
    short = write_model(tmp_path / "short.safetensors", card, {k: v + 7 for k, v in weights.items()})
    with (
        patch("napari_superres.models.probes.tiles.measure_reach", side_effect=RuntimeError("no")),
        pytest.raises(ModelFileError, match="how far the network looks cannot be measured"),
    ):
        add_model(short)
    assert list(library_entries()) == ["lying"]


# Damaged and hostile files

BAD = {
    "a zipped pickle": (write_zipped_pickle, "is a pickle"),
    "an old pickle": (write_legacy_pickle, "is a pickle"),
    "a bare pickle": (lambda p: p.write_bytes(pickle.dumps(Bomb(p.with_name("fired")))), "is a pickle"),
    "a scripted network": (
        lambda p: torch.jit.save(torch.jit.trace(torch.nn.ReLU(), torch.zeros(1)), str(p)),
        "is a pickle",
    ),
    "nothing": (lambda p: p.write_bytes(b""), "empty or truncated"),
    "half a header": (truncate(0.2), "truncated"),
    "half the weights": (truncate(0.9), "damaged or truncated"),
    "a picture": (lambda p: p.write_bytes(b"GIF89a" + bytes(500)), "truncated or not a safetensors"),
    "a header of a terabyte": (lambda p: p.write_bytes((2**40).to_bytes(8, "little") + b"{}"), "truncated or not"),
    "nested too deep": (lambda p: p.write_bytes((50_000).to_bytes(8, "little") + b"[" * 50_000), "not JSON"),
    "offsets outside": (with_tensor(data_offsets=[0, 10**9]), "damaged or truncated"),
    "offsets turned": (with_tensor(data_offsets=[64, 0]), "damaged or truncated"),
    "a tensor of terabytes": (with_tensor(shape=[10**6, 10**6]), "damaged or truncated"),
    "a tensor of more than there is": (with_tensor(shape=[2**62, 2**62]), "damaged or truncated"),
    "a tensor of nothing known": (with_tensor(dtype="PICKLE"), "damaged or truncated"),
    "a card that is no text": (lambda p: rewrite(p, lambda h: {**h, "__metadata__": {KEY: 3}}), "not JSON"),
    "a card without a network": (with_card(architecture="os.system"), "unknown architecture"),
    "a header of 10 MB": (with_card(name="x" * 10_000_000), "truncated or not a safetensors file"),
    "a name of 9 MB": (with_card(name="x" * 9_000_000), "name must be a text of at most"),
    "a scale of 9 MB": (with_card(scale=[2] * 3_000_000), "scale needs 2 or 3 integers"),
    "an intensity of 9 MB": (with_card(intensity="x" * 9_000_000), "intensity must be one of"),
    "a field of 9 MB": (with_card(**{"x" * 9_000_000: 1}), "unknown fields"),
    "a multiple that asks for all memory": (with_card(multiple=[10**9, 10**9]), "multiple may be up to"),
    "layers that ask for all memory": (
        with_card(arguments={"scale": [2, 2], "features": [30_000, 30_000]}),
        "cannot be built",
    ),
    "a scale that asks for all memory": (
        with_card(arguments={"scale": [10**5, 10**5], "features": [4, 4]}),
        "cannot be built",
    ),
    "a network without an end": (
        with_card(architecture="edsr", arguments={"scale": [2, 2], "blocks": 60_000}),
        "network is larger than the weights",
    ),
    "an argument beyond all bounds": (with_card(arguments={"scale": [2, 2], "ndim": 10**9}), "numbers are too large"),
    "arguments of 9 MB": (with_card(arguments={"x" * 9_000_000: 1}), "cannot be built"),
}
WRONG_TYPES = {
    "name": 3,
    "title": ["a"],
    "scale": "2",
    "halo": [1.5, 1],
    "channels": True,
    "frames": "1",
    "multiple": [0, 1],
    "bounded": "yes",
    "arguments": [1],
    "scores": 1,
    "pixel_size": [1],
    "noise": ["a", "b"],
    "grid_offset": {"a": 1},
    "intensity": {},
    "color": None,
    "format": "1",
}
BAD |= {f"{field} of a wrong type": (with_card(**{field: v}), "card") for field, v in WRONG_TYPES.items()}


@pytest.mark.parametrize(("make", "message"), BAD.values(), ids=BAD)
@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning", "ignore:.*torch.jit:DeprecationWarning")
def test_refused_files_leave_nothing(model_file, folder, make, message):
    make(model_file)
    with pytest.raises(ModelFileError, match=message) as error:
        add_model(model_file)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1000
    assert file_names(folder.parent) == ["tiny.safetensors"], "nothing is executed, nothing is written"


def test_paths_that_are_no_file(tmp_path, folder):
    os.mkfifo(tmp_path / "pipe.safetensors")
    for path in (tmp_path / "pipe.safetensors", tmp_path / "gone.safetensors", "x" * 10_000_000, "a\0b"):
        with pytest.raises(ModelFileError, match="does not exist or is no file") as error:
            add_model(path)
        assert len(str(error.value)) < 1000
    assert file_names(folder) == []


@pytest.mark.parametrize("name", ["x" * 10_000_000, "bicubic-x" + "1" * 5000, "x" * 250, "a\0b", "../tiny", "a/../b"])
def test_names_that_cannot_be_one(model_file, name):
    add_model(model_file)
    for look in (find_card, load_model):
        with pytest.raises((UnknownModelError, ModelFileError)) as error:
            look(name)
        assert len(str(error.value)) < 3000
    with pytest.raises(UnknownModelError):
        remove_model(name)
