"""A library changed from outside, by several processes or by killed ones, and one that cannot be written."""

import errno
import os
import shutil
import sys
import warnings
from unittest.mock import patch

import pytest
from helpers.library_files import file_names, start_python, truncate, write_zipped_pickle

from napari_superres.errors import ModelFileError, OutputError, SettingsError, SuperResWarning, UnknownModelError
from napari_superres.models import add_model, find_card, list_models, load_model, remove_model, verify_models
from napari_superres.models.library import user_models
from napari_superres.models.library.registry import model_path
from napari_superres.models.library.shipped import shipped_cards, shipped_folder
from napari_superres.models.library.user_models import library_cards
from napari_superres.models.model_file import digest, write_model

pytestmark = pytest.mark.usefixtures("folder")


def tampered(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def linked(path):
    shutil.move(path, path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (tampered, "is not the file that was added"),
        (truncate(0.9), "is not the file that was added"),
        (lambda p: p.unlink(), "has lost its file"),
        (write_zipped_pickle, "is not the file that was added"),
        (linked, "is a link"),
        (lambda p: (p.unlink(), p.mkdir()), "is a link or no file"),
        (lambda p: (p.unlink(), os.mkfifo(p)), "is a link or no file"),
    ],
    ids=["tampered", "truncated", "gone", "pickle", "link", "folder", "pipe"],
)
def test_a_file_that_is_no_longer_what_was_added(model_file, other_file, folder, harm, message):
    """It is refused by name, does not break the list, and adding it again repairs it."""
    add_model(model_file)
    add_model(other_file)
    harm(folder / "tiny.safetensors")
    for look in (find_card, load_model, model_path):
        with pytest.raises(ModelFileError, match=f"tiny in the model library {message}.*`remove_model..`"):
            look("tiny")
    with pytest.warns(SuperResWarning, match=f"tiny in the .*{message}.*`verify_models..`"):
        assert {"other", "fsrcnn-x2"} <= {c.name for c in list_models()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SuperResWarning)
        assert [c.name for c in library_cards()[0]] == ["other"]
    assert load_model("other").sha256 == digest(other_file)
    assert load_model("fsrcnn-x2").sha256
    other, tiny = verify_models()
    assert other.problem == ""
    assert message in tiny.problem
    assert not (folder / "fired").exists()
    if not (folder / "tiny.safetensors").is_dir():
        remove_model("tiny")
        add_model(model_file)
        assert not any(v.problem for v in verify_models())


def test_adding_again_repairs_without_removing(model_file, folder):
    add_model(model_file)
    for harm in (tampered, lambda p: p.unlink(), linked):
        harm(folder / "tiny.safetensors")
        renamed = shutil.copy(model_file, model_file.with_name("renamed.safetensors"))
        assert add_model(renamed).name == "tiny"
        assert not any(v.problem for v in verify_models())
        assert not (folder / "tiny.safetensors").is_symlink()


@pytest.mark.parametrize("wrapped", [False, True])
def test_removing_frees_the_space_that_the_index_needs(model_file, folder, monkeypatch, wrapped):
    add_model(model_file)
    place, write = folder / "tiny.safetensors", user_models.write_index

    def full(entries):
        if place.exists():
            error = OSError(errno.ENOSPC, "No space left on device")
            if wrapped:  # as `atomic.write_text` does
                raise OutputError("the disk is full") from error
            raise error
        write(entries)

    monkeypatch.setattr(user_models, "write_index", full)
    remove_model("tiny")
    assert not place.exists()
    assert verify_models() == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "damaged"),
        ("[]", "damaged"),
        ("{", "damaged"),
        ("[" * 100_000, "damaged"),
        ('{"format": 1}', "damaged"),
        ('{"format": 2, "models": {}}', "newer version"),
        ('{"format": 1, "models": {"a": 1}}', "damaged"),
        ('{"format": 1, "models": {"a": {"sha256": 1, "size": 1, "added": "", "file": ""}}}', "damaged"),
        (
            '{"format": 1, "models": {"../a": {"sha256": "' + "0" * 64 + '", "size": 1, "added": "", "file": ""}}}',
            "damaged",
        ),
    ],
)
def test_a_damaged_index(model_file, folder, text, message):
    """Shipped models still work, and changes that would lose a known sha256 are refused. Adding the files repairs."""
    add_model(model_file)
    (folder / "library.json").write_text(text)
    with pytest.warns(SuperResWarning, match=message):
        assert next(c.name for c in list_models()) == shipped_cards()[0].name
    assert load_model("fsrcnn-x2").sha256
    assert load_model(str(model_file)).sha256
    for change in (lambda: add_model(model_file), lambda: remove_model("tiny"), verify_models):
        with pytest.raises(ModelFileError, match=message):
            change()
    (folder / "library.json").unlink()
    assert "was not added" in verify_models()[0].problem
    add_model(folder / "tiny.safetensors")
    assert [v.problem for v in verify_models()] == [""]


def test_a_file_in_the_folder_is_not_a_model_until_it_is_added(model_file, other_file, folder):
    folder.mkdir()
    shutil.copy(other_file, folder / "tiny.safetensors")
    assert library_cards()[0] == []
    with pytest.raises(UnknownModelError):
        find_card("tiny")
    assert "was not added and is not used" in verify_models()[0].problem
    with pytest.raises(SettingsError, match=r"exists in the library.s folder, but was not added"):
        add_model(model_file)
    assert digest(folder / "tiny.safetensors") == digest(other_file)


def test_a_shipped_model_takes_precedence_over_the_library(model_file, monkeypatch):
    """A new version may ship a model of the same name, and saved records mean that one."""
    add_model(model_file)
    monkeypatch.setattr("napari_superres.models.library.user_models.shipped_file", lambda name: shipped_folder() / name)
    with pytest.warns(
        SuperResWarning, match="tiny .* is not used: a model that comes with the program has the same name"
    ):
        assert "tiny" not in {c.name for c in list_models()}
    assert "Add it under another name" in verify_models()[0].problem
    remove_model("tiny")
    assert verify_models() == []


def test_shipped_models_cannot_be_removed():
    for name in ("fsrcnn-x2", "bicubic-x2", "bicubic-x9"):
        with pytest.raises(SettingsError, match="comes with the program and cannot be removed"):
            remove_model(name)
    with pytest.raises(UnknownModelError, match="no model in the library is called 'fsrcnn'"):
        remove_model("fsrcnn")


# Several processes, and killed ones

ADD = "import sys; from napari_superres.models import add_model; [add_model(p) for p in sys.argv[1:]]"
DIE = (
    "import os, sys, shutil; from napari_superres.models import add_model\n"
    "from napari_superres.models.library import add, index\n"
    "def half(source, target): target.write_bytes(source.read_bytes()[:100]); os._exit(9)\n"
)


def test_two_processes_add_at_once(tmp_path, espcn, folder):
    card, weights = espcn
    paths = [
        write_model(tmp_path / f"m{i}.safetensors", card, {k: v + i for k, v in weights.items()}) for i in range(6)
    ]
    twins = [start_python(ADD, *paths[:4]), start_python(ADD, *paths[2:])]
    for process in twins:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    assert [c.name for c in library_cards()[0]] == [p.stem for p in paths]
    assert not any(v.problem for v in verify_models())
    assert file_names(folder) == ["library.json", *(p.name for p in paths)]


@pytest.mark.parametrize(
    ("end", "left"),
    [
        ("shutil.copyfile = half", 0),
        ("add.write_index = lambda *_: os._exit(9)", 1),
        ("from pathlib import Path; Path.replace = lambda *_: os._exit(9)", 0),
    ],
    ids=["while copying", "before it is in the index", "before it is in its place"],
)
def test_killed(model_file, other_file, folder, end, left):
    add_model(other_file)
    process = start_python(f"{DIE}{end}\nadd_model(sys.argv[1])", model_file)
    process.communicate(timeout=120)
    assert process.returncode == 9
    assert len(file_names(folder)) == 3
    assert [c.name for c in library_cards()[0]] == ["other"]
    assert len(verify_models()) == 1 + left
    add_model(model_file)
    assert file_names(folder) == ["library.json", "other.safetensors", "tiny.safetensors"]
    assert not any(v.problem for v in verify_models())


def test_where_it_cannot_be_written(model_file, folder, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with patch("shutil.copyfile", full), pytest.raises(OutputError, match=r"disk is full.*NAPARI_SUPERRES_MODELS"):
        add_model(model_file)
    assert file_names(folder) == []
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
    assert file_names(folder) == ["library.json", "tiny.safetensors"]


def test_a_file_that_changes_while_it_is_added(model_file, other_file, folder):
    with (
        patch("shutil.copyfile", lambda _, to: to.write_bytes(other_file.read_bytes())),
        pytest.raises(ModelFileError, match="changed while it was added"),
    ):
        add_model(model_file)
    assert file_names(folder) == []


def test_another_process_keeps_the_library(model_file, folder):
    from filelock import FileLock

    folder.mkdir()
    with (
        FileLock(folder / ".lock"),
        patch("napari_superres.models.library.index._PATIENCE_S", 0.1),
        pytest.raises(OutputError, match="another program is changing the model library"),
    ):
        add_model(model_file)
