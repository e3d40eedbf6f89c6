"""An error carries its remedy, and each interface shows the settings in it by the names that its users know."""

import ast
import pickle
import re
from pathlib import Path

import pytest

from napari_superres import errors
from napari_superres.errors import OutputExistsError, SuperResError, UnknownModelError, spelled

KINDS = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, SuperResError)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_message_and_remedy_survive_the_way_between_processes(kind):
    error = kind("a.tif exists.", remedy="Set `overwrite`.")
    for copy in (error, pickle.loads(pickle.dumps(error))):
        assert (copy.message, copy.remedy, str(copy)) == (
            "a.tif exists.",
            "Set `overwrite`.",
            "a.tif exists. Set `overwrite`.",
        )


def test_errors_survive_the_way_from_a_dask_worker():
    # Importing distributed replaces how Python pickles exceptions.
    pickling = pytest.importorskip("distributed.protocol.pickle")
    for kind in KINDS:
        error = pickling.loads(pickling.dumps(kind("a.tif exists.", remedy="Set `overwrite`.")))
        assert (type(error), str(error)) == (kind, "a.tif exists. Set `overwrite`."), kind


def test_an_error_without_remedy_is_its_message():
    assert str(UnknownModelError("no model 'x'.")) == "no model 'x'."


def test_an_interface_spells_settings_and_functions():
    error = OutputExistsError("a.tif exists.", remedy="Set `overwrite`, `precision='fp32'` or call `verify_models()`.")
    text = spelled(str(error), lambda name, value: f"<{name}|{value}>", lambda name: f"[{name}]")
    assert text == "a.tif exists. Set <overwrite|>, <precision|fp32> or call [verify_models]."


@pytest.mark.parametrize("folder", ["core", "io"])
def test_no_text_below_the_interfaces_names_a_flag_or_a_command(folder):
    for file in (Path(errors.__file__).parent / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not re.search(r"(^|[\s(`])--[a-z]|`superres ", node.value), f"{file}:{node.lineno}"
