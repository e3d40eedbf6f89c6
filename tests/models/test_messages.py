"""Messages are values below the public functions; texts name settings and functions, never flags or commands."""

import ast
import re
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import napari_superres.models
from napari_superres import iter_upscale
from napari_superres.errors import SettingsError, SuperResWarning
from napari_superres.models import add_model, export_bioimageio, export_safetensors, list_models, load_model
from napari_superres.models.library.add import import_model
from napari_superres.models.library.registry import all_cards, open_model
from napari_superres.models.model_file import write_model

FILES = sorted(Path(napari_superres.models.__file__).parent.rglob("*.py"))
PUBLIC = {"add_model", "export_bioimageio", "list_models", "load_model"}


def test_a_model_carries_its_notes(espcn, tmp_path, folder):
    card, weights = espcn
    lying = write_model(tmp_path / "lying.safetensors", replace(card, halo=(1, 1)), weights)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (note,) = open_model(lying).notes
        _, notes = import_model(lying)
        _, again = import_model(lying)
        assert open_model("bicubic-x2").notes == open_model("fsrcnn-x2").notes == ()
    assert "is wrong: halo" in note
    assert notes == (note,)
    assert again == (note, "lying.safetensors is in the library already, as lying; nothing was copied.")


def test_the_notes_travel_with_the_progress_of_a_run(espcn, tmp_path):
    card, weights = espcn
    lying = write_model(tmp_path / "lying.safetensors", replace(card, halo=(1, 1)), weights)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        *_, last = iter_upscale(np.zeros((8, 9), np.float32), lying, axes="YX")
        assert open_model(lying).notes[0] in last.notes


def test_damaged_models_are_notes(model_file, folder):
    add_model(model_file)
    (folder / "tiny.safetensors").write_bytes(b"")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cards, notes = all_cards()
    assert "tiny" not in {card.name for card in cards}
    with pytest.warns(SuperResWarning) as shown:
        assert list_models() == cards
    assert tuple(str(warning.message) for warning in shown) == notes
    assert shown[0].filename == __file__


def test_a_warning_points_to_the_call(espcn, tmp_path, folder):
    card, weights = espcn
    lying = write_model(tmp_path / "lying.safetensors", replace(card, halo=(1, 1)), weights)
    for public in (load_model, add_model):
        with pytest.warns(SuperResWarning) as shown:
            public(lying)
        assert [warning.filename for warning in shown] == [__file__]


@pytest.mark.parametrize(
    ("call", "wrong", "right"),
    [
        (lambda **options: add_model("a", **options), "trusted", "trust"),
        (load_model, "names", "name"),
        (lambda **options: export_safetensors("a", Path("b"), **options), "overwite", "overwrite"),
        (lambda **options: export_bioimageio("a", Path("b"), **options), "authors", "author"),
    ],
)
def test_a_misspelt_option_is_answered_with_the_right_one(call, wrong, right):
    with pytest.raises(SettingsError, match=f"unknown option '{wrong}'. Did you mean '{right}'"):
        call(**{wrong: True})


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_only_public_functions_warn_and_no_text_has_a_flag(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert not re.search(r"(^|\s)--[a-z]|\bsuperres [a-z]", node.value), f"line {node.lineno}: {node.value}"
        if isinstance(node, ast.FunctionDef) and node.name not in PUBLIC:
            assert "warnings.warn(" not in ast.unparse(node), f"{node.name} warns"
