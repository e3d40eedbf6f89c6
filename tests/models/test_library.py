"""The library: models kept by name, held to their sha256, changed whole or not at all, safe to look at."""

import json
import os
import pickle
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from unittest.mock import patch

import pytest
import torch

from napari_superres.errors import (
    ModelFileError,
    OutputError,
    SettingsError,
    SuperResWarning,
    UnknownModelError,
)  # fmt: skip
from napari_superres.models import add_model, find_card, list_models, load_model, remove_model, verify_models
from napari_superres.models.builtin import shipped_cards, shipped_folder
from napari_superres.models.files import KEY, digest, write_model
from napari_superres.models.index import library_entries, library_folder
from napari_superres.models.library import library_cards
from napari_superres.models.registry import model_origin, model_path


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Return the folder of an empty library, which does not exist yet."""
    monkeypatch.setenv("NAPARI_SUPERRES_MODELS", str(tmp_path / "library"))
    assert library_folder() == tmp_path / "library"
    return tmp_path / "library"


@pytest.fixture
def other_file(tmp_path, espcn):
    """Return another model file."""
    card, weights = espcn
    return write_model(tmp_path / "other.safetensors", card, {k: v + 1 for k, v in weights.items()})


def rewrite(path, edit):
    """Rewrite a model file's header, and keep its weights."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    text = json.dumps(edit(json.loads(content[8 : 8 + length]))).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])


def with_card(**changes):
    """Return what writes a damaged copy: one whose card says otherwise."""

    def make(path):
        def edit(header):
            card = {**json.loads(header["__metadata__"][KEY]), **changes}
            return {**header, "__metadata__": {KEY: json.dumps(card)}}

        rewrite(path, edit)

    return make


def with_tensor(**changes):
    """Return what writes a damaged copy: one whose first tensor is declared otherwise."""

    def make(path):
        def edit(header):
            name = next(n for n in header if n != "__metadata__")
            return {**header, name: {**header[name], **changes}}

        rewrite(path, edit)

    return make


def inside(folder):
    return sorted(p.name for p in folder.iterdir() if p.name != ".lock") if folder.exists() else []


def python(program, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_round_trip(model_file, folder):
    before = list_models()
    assert inside(folder) == []
    card = add_model(model_file)
    assert card.name == "tiny"
    assert inside(folder) == ["library.json", "tiny.safetensors"]
    assert model_file.is_file()
    names = [c.name for c in list_models()]
    assert names == [*(c.name for c in shipped_cards()), "tiny", *(c.name for c in before if c.is_interpolation)]
    assert find_card("tiny") == card
    model = load_model("tiny")
    assert (model.card, model.sha256) == (card, digest(model_file))
    assert model_path("tiny") == folder / "tiny.safetensors"
    assert [model_origin(n) for n in ("tiny", "fsrcnn-x2", "bicubic-x5", model_file)] == [
        "added", "shipped", "shipped", "file",
    ]  # fmt: skip
    assert [(v.name, v.sha256, v.problem) for v in verify_models()] == [("tiny", model.sha256, "")]
    (entry,) = library_entries().values()
    assert entry.file == "tiny.safetensors"
    assert str(model_file.parent) not in (folder / "library.json").read_text()
    remove_model("tiny")
    assert list_models() == before
    assert inside(folder) == ["library.json"]
    with pytest.raises(UnknownModelError):
        load_model("tiny")


def test_the_users_own_folder_by_default(monkeypatch):
    for value in (None, ""):
        monkeypatch.delenv("NAPARI_SUPERRES_MODELS", raising=False)
        if value is not None:
            monkeypatch.setenv("NAPARI_SUPERRES_MODELS", value)
        assert library_folder().parts[-2:] == ("napari-superres", "models")


def test_the_same_file_is_there_once(model_file, folder):
    add_model(model_file)
    copy = shutil.copy(model_file, model_file.with_name("again.safetensors"))
    for path in (model_file, copy):
        with pytest.warns(SuperResWarning, match="in the library already, as tiny; nothing was copied"):
            assert add_model(path).name == "tiny"
    assert inside(folder) == ["library.json", "tiny.safetensors"]
    shipped = shutil.copy(shipped_folder() / "fsrcnn-x2.safetensors", model_file.with_name("mine.safetensors"))
    with pytest.warns(SuperResWarning, match="comes with the program, as fsrcnn-x2; nothing was copied"):
        assert add_model(shipped) == find_card("fsrcnn-x2")
    assert inside(folder) == ["library.json", "tiny.safetensors"]


@pytest.mark.parametrize(
    ("stem", "said"),
    [
        ("fsrcnn-x2", "comes with the program is called fsrcnn-x2. Rename the file, such as my-fsrcnn-x2"),
        ("FSRCNN-X2", "comes with the program is called"), ("bicubic-x7", "comes with the program is called"),
        ("other", r"another model called other \(added \d{4}-.*superres models remove other"),
        ("Other", "another model called other"), (".hidden", "begins with a letter or digit"),
        ("-x", "begins with a letter or digit"), ("a.safetensors", r"does not end in \.safetensors"),
    ],
)  # fmt: skip
def test_names_are_unique(model_file, other_file, folder, stem, said):
    add_model(other_file)
    before = (folder / "library.json").read_bytes()
    clashing = model_file.rename(model_file.with_name(f"{stem}.safetensors"))
    with pytest.raises(SettingsError, match=said):
        add_model(clashing)
    assert inside(folder) == ["library.json", "other.safetensors"]
    assert (folder / "library.json").read_bytes() == before


@pytest.mark.parametrize(
    ("stem", "name"), [("my model (1)", "my-model--1-"), ("细胞" * 40, "细胞" * 40), ("a\nb", "a-b")]
)
def test_names_hold_what_may_stand_in_one(model_file, folder, stem, name):
    try:
        odd = model_file.rename(model_file.with_name(f"{stem}.safetensors"))
    except OSError:
        pytest.skip("this file system has no such names")
    assert add_model(odd).name == name == find_card(name).name
    assert set(inside(folder)) == {"library.json", f"{name}.safetensors"}


def test_a_card_cannot_choose_where_its_file_is_written(model_file, folder):
    with_card(name="photo-x9")(model_file)
    assert add_model(model_file).name == "tiny"
    for name in ("../../evil", "/etc/evil", "a\\b", "a/b"):
        with_card(name=name)(model_file)
        with pytest.raises(ModelFileError, match="name may hold letters"):
            add_model(model_file)
    assert inside(folder.parent) == ["library", "tiny.safetensors"]


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


def test_a_card_that_says_too_little_is_corrected(tmp_path, espcn):
    card, weights = espcn
    lying = write_model(tmp_path / "lying.safetensors", replace(card, halo=(1, 1)), weights)
    with pytest.warns(SuperResWarning, match=r"halo \(1, 1\), measured \(4, 4\)"):
        assert add_model(lying).halo == (4, 4)
    with pytest.warns(SuperResWarning, match="what was measured is used"):
        assert load_model("lying").card.halo == (4, 4)
    short = write_model(tmp_path / "short.safetensors", card, {k: v + 7 for k, v in weights.items()})
    with (
        patch("napari_superres.models.halo.measure_reach", side_effect=RuntimeError("no")),
        pytest.raises(ModelFileError, match="how far the network looks cannot be measured"),
    ):
        add_model(short)
    assert list(library_entries()) == ["lying"]


# Files that are not what they say


class Bomb:
    """Makes a folder if it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (os.mkdir, (str(self.target),))


def zipped(path):
    torch.save({"w": Bomb(path.with_name("fired"))}, path)


def legacy(path):
    torch.save({"w": Bomb(path.with_name("fired"))}, path, _use_new_zipfile_serialization=False)


def cut(share):
    return lambda path: path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


BAD = {
    "a zipped pickle": (zipped, "is a pickle"),
    "an old pickle": (legacy, "is a pickle"),
    "a bare pickle": (lambda p: p.write_bytes(pickle.dumps(Bomb(p.with_name("fired")))), "is a pickle"),
    "a scripted network": (lambda p: torch.jit.save(torch.jit.trace(torch.nn.ReLU(), torch.zeros(1)), str(p)),
                           "is a pickle"),
    "nothing": (lambda p: p.write_bytes(b""), "empty or truncated"),
    "half a header": (cut(0.2), "truncated"),
    "half the weights": (cut(0.9), "damaged or truncated"),
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
    "a name of 10 MB": (with_card(name="x" * 10_000_000), "name must be a text of at most"),
    "a scale of 10 MB": (with_card(scale=[2] * 3_000_000), "scale needs 2 or 3 integers"),
    "an intensity of 10 MB": (with_card(intensity="x" * 10_000_000), "intensity must be one of"),
    "a field of 10 MB": (with_card(**{"x" * 10_000_000: 1}), "unknown fields"),
    "a multiple that asks for all memory": (with_card(multiple=[10**9, 10**9]), "multiple may be up to"),
    "layers that ask for all memory": (with_card(arguments={"scale": [2, 2], "features": [30_000, 30_000]}),
                                       "cannot be built"),
    "a scale that asks for all memory": (with_card(arguments={"scale": [10**5, 10**5], "features": [4, 4]}),
                                         "cannot be built"),
    "a network without an end": (with_card(architecture="edsr", arguments={"scale": [2, 2], "blocks": 60_000}),
                                 "network is larger than the weights"),
    "an argument beyond all bounds": (with_card(arguments={"scale": [2, 2], "ndim": 10**9}), "numbers are too large"),
    "arguments of 10 MB": (with_card(arguments={"x" * 10_000_000: 1}), "cannot be built"),
}  # fmt: skip
WRONG_TYPES = {
    "name": 3, "title": ["a"], "scale": "2", "halo": [1.5, 1], "channels": True, "frames": "1", "multiple": [0, 1],
    "bounded": "yes", "arguments": [1], "scores": 1, "pixel_size": [1], "noise": ["a", "b"], "grid_offset": {"a": 1},
    "intensity": {}, "color": None, "format": "1",
}  # fmt: skip
BAD |= {f"{field} of a wrong type": (with_card(**{field: v}), "card") for field, v in WRONG_TYPES.items()}


@pytest.mark.parametrize(("make", "said"), BAD.values(), ids=BAD)
@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning", "ignore:.*torch.jit:DeprecationWarning")
def test_what_is_refused_leaves_nothing(model_file, folder, make, said):
    make(model_file)
    with pytest.raises(ModelFileError, match=said) as error:
        add_model(model_file)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1000
    assert inside(folder.parent) == ["tiny.safetensors"], "nothing is executed, nothing is written"


def test_what_is_no_file(tmp_path, folder):
    os.mkfifo(tmp_path / "pipe.safetensors")
    for path in (tmp_path, tmp_path / "pipe.safetensors", tmp_path / "gone.safetensors", "x" * 10_000_000, "a\0b"):
        with pytest.raises(ModelFileError, match="does not exist or is no file") as error:
            add_model(path)
        assert len(str(error.value)) < 1000
    assert inside(folder) == []


@pytest.mark.parametrize("name", ["x" * 10_000_000, "bicubic-x" + "1" * 5000, "x" * 250, "a\0b", "../tiny", "a/../b"])
def test_names_that_cannot_be_one(model_file, name):
    add_model(model_file)
    for look in (find_card, load_model):
        with pytest.raises((UnknownModelError, ModelFileError)) as error:
            look(name)
        assert len(str(error.value)) < 3000
    with pytest.raises(UnknownModelError):
        remove_model(name)


# A library that was changed from outside


def tampered(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def linked(path):
    shutil.move(path, path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


@pytest.mark.parametrize(
    ("harm", "said", "is_listed"),
    [
        (tampered, "is not the file that was added", True), (cut(0.9), "is not the file that was added", False),
        (lambda p: p.unlink(), "has lost its file", False), (zipped, "is not the file that was added", False),
        (linked, "is a link", False), (lambda p: (p.unlink(), p.mkdir()), "is a link or no file", False),
        (lambda p: (p.unlink(), os.mkfifo(p)), "is a link or no file", False),
    ],
    ids=["tampered", "truncated", "gone", "pickle", "link", "folder", "pipe"],
)  # fmt: skip
def test_a_file_that_is_no_longer_what_was_added(model_file, other_file, folder, harm, said, is_listed):
    """It is refused by name, never harms the list, and is mended by adding it again."""
    add_model(model_file)
    add_model(other_file)
    harm(folder / "tiny.safetensors")
    for look in (find_card, load_model, model_path):
        with pytest.raises(ModelFileError, match=f"tiny in the model library {said}.*superres models remove tiny"):
            look("tiny")
    if is_listed:  # only the header is read
        assert [c.name for c in library_cards()] == ["other", "tiny"]
    else:
        with pytest.warns(SuperResWarning, match=f"tiny in the .*{said}.*superres models verify"):
            assert {"other", "fsrcnn-x2"} <= {c.name for c in list_models()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SuperResWarning)
            assert [c.name for c in library_cards()] == ["other"]
    assert load_model("other").sha256 == digest(other_file)
    assert load_model("fsrcnn-x2").sha256
    other, tiny = verify_models()
    assert other.problem == ""
    assert said in tiny.problem
    assert not (folder / "fired").exists()
    if not (folder / "tiny.safetensors").is_dir():
        remove_model("tiny")
        add_model(model_file)
        assert not any(v.problem for v in verify_models())


def test_adding_again_mends_without_removing(model_file, folder):
    add_model(model_file)
    for harm in (tampered, lambda p: p.unlink(), linked):
        harm(folder / "tiny.safetensors")
        renamed = shutil.copy(model_file, model_file.with_name("renamed.safetensors"))
        assert add_model(renamed).name == "tiny"
        assert not any(v.problem for v in verify_models())
        assert not (folder / "tiny.safetensors").is_symlink()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "damaged"), ("[]", "damaged"), ("{", "damaged"), ("[" * 100_000, "damaged"), ('{"format": 1}', "damaged"),
        ('{"format": 2, "models": {}}', "newer version"), ('{"format": 1, "models": {"a": 1}}', "damaged"),
        ('{"format": 1, "models": {"a": {"sha256": 1, "size": 1, "added": "", "file": ""}}}', "damaged"),
        ('{"format": 1, "models": {"../a": {"sha256": "' + "0" * 64 + '", "size": 1, "added": "", "file": ""}}}',
         "damaged"),
    ],
)  # fmt: skip
def test_a_damaged_index(model_file, folder, text, said):
    """Shipped models go on; what would lose the pinned sha256 is refused; adding the files again is a way back."""
    add_model(model_file)
    (folder / "library.json").write_text(text)
    with pytest.warns(SuperResWarning, match=said):
        assert next(c.name for c in list_models()) == shipped_cards()[0].name
    assert load_model("fsrcnn-x2").sha256
    assert load_model(str(model_file)).sha256
    for change in (lambda: add_model(model_file), lambda: remove_model("tiny"), verify_models):
        with pytest.raises(ModelFileError, match=said):
            change()
    (folder / "library.json").unlink()
    assert "was not added" in verify_models()[0].problem
    add_model(folder / "tiny.safetensors")
    assert [v.problem for v in verify_models()] == [""]


def test_a_file_that_was_put_there_is_not_a_model_until_it_is_added(model_file, other_file, folder):
    folder.mkdir()
    shutil.copy(other_file, folder / "tiny.safetensors")
    assert library_cards() == []
    with pytest.raises(UnknownModelError):
        find_card("tiny")
    assert "was not added, so it is not used" in verify_models()[0].problem
    with pytest.raises(SettingsError, match="is there and was not added"):
        add_model(model_file)
    assert digest(folder / "tiny.safetensors") == digest(other_file)


def test_a_shipped_name_goes_before_one_in_the_library(model_file, monkeypatch):
    """A new version may bring a model of the same name; saved records mean that one."""
    add_model(model_file)
    monkeypatch.setattr("napari_superres.models.library.shipped_file", lambda name: shipped_folder() / name)
    with pytest.warns(SuperResWarning, match="tiny .* is not used: a model that comes with the program is called so"):
        assert "tiny" not in {c.name for c in list_models()}
    assert "Add it under another name" in verify_models()[0].problem
    remove_model("tiny")
    assert verify_models() == []


def test_what_comes_with_the_program_stays():
    for name in ("fsrcnn-x2", "bicubic-x2", "bicubic-x9"):
        with pytest.raises(SettingsError, match="comes with the program and cannot be removed"):
            remove_model(name)
    with pytest.raises(UnknownModelError, match="no model in the library is called 'fsrcnn'"):
        remove_model("fsrcnn")


# Several processes, and killed ones

ADD = "import sys; from napari_superres.models import add_model; [add_model(p) for p in sys.argv[1:]]"
DIE = (
    "import os, sys, shutil; from napari_superres.models import add_model, index, library\n"
    "def half(source, target): target.write_bytes(source.read_bytes()[:100]); os._exit(9)\n"
)


def test_two_processes_add_at_once(tmp_path, espcn, folder):
    card, weights = espcn
    paths = [
        write_model(tmp_path / f"m{i}.safetensors", card, {k: v + i for k, v in weights.items()}) for i in range(6)
    ]
    twins = [python(ADD, *paths[:4]), python(ADD, *paths[2:])]
    for process in twins:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    assert [c.name for c in library_cards()] == [p.stem for p in paths]
    assert not any(v.problem for v in verify_models())
    assert inside(folder) == ["library.json", *(p.name for p in paths)]


@pytest.mark.parametrize(
    ("end", "left"),
    [
        ("shutil.copyfile = half", 0), ("library.write_index = lambda *_: os._exit(9)", 1),
        ("from pathlib import Path; Path.replace = lambda *_: os._exit(9)", 0),
    ],
    ids=["while copying", "before it is in the index", "before it is in its place"],
)  # fmt: skip
def test_killed(model_file, other_file, folder, end, left):
    add_model(other_file)
    process = python(f"{DIE}{end}\nadd_model(sys.argv[1])", model_file)
    process.communicate(timeout=120)
    assert process.returncode == 9
    assert len(inside(folder)) == 3
    assert [c.name for c in library_cards()] == ["other"]
    assert len(verify_models()) == 1 + left
    add_model(model_file)
    assert inside(folder) == ["library.json", "other.safetensors", "tiny.safetensors"]
    assert not any(v.problem for v in verify_models())


def test_where_it_cannot_be_written(model_file, folder, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with patch("shutil.copyfile", full), pytest.raises(OutputError, match=r"no space left.*NAPARI_SUPERRES_MODELS"):
        add_model(model_file)
    assert inside(folder) == []
    monkeypatch.setenv("NAPARI_SUPERRES_MODELS", str(model_file))
    with pytest.raises(OutputError, match="cannot be changed"):
        add_model(model_file)
    assert "fsrcnn-x2" in {c.name for c in list_models()}
    assert verify_models() == []


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everything")
def test_a_folder_that_may_only_be_read(model_file, other_file, folder):
    add_model(model_file)
    folder.chmod(0o500)
    try:
        assert load_model("tiny").sha256
        assert not any(v.problem for v in verify_models())
        for change in (lambda: add_model(other_file), lambda: remove_model("tiny")):
            with pytest.raises(OutputError, match="cannot be changed: permission denied"):
                change()
    finally:
        folder.chmod(0o700)
    assert inside(folder) == ["library.json", "tiny.safetensors"]


def test_a_file_that_changes_while_it_is_added(model_file, other_file, folder):
    with (
        patch("shutil.copyfile", lambda _, to: to.write_bytes(other_file.read_bytes())),
        pytest.raises(ModelFileError, match="changed while it was added"),
    ):
        add_model(model_file)
    assert inside(folder) == []


def test_another_process_keeps_the_library(model_file, folder):
    from filelock import FileLock

    folder.mkdir()
    with (
        FileLock(folder / ".lock"), patch("napari_superres.models.index._PATIENCE_S", 0.1),
        pytest.raises(OutputError, match="another program is changing the model library"),
    ):  # fmt: skip
        add_model(model_file)
