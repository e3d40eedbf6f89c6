"""The page that lists the Python API names only what exists, and everything that the package promises."""

import re
from importlib import import_module

import pytest
from helpers.pages import DOCS

import napari_superres
from napari_superres import errors

NAMES = re.findall(r"^   ~(napari_superres\.[\w.]+)$", (DOCS / "reference" / "api.md").read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("name", NAMES)
def test_each_name_of_the_page_exists(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    assert getattr(import_module(module), attribute).__doc__


def test_no_name_is_listed_twice() -> None:
    assert len(NAMES) == len(set(NAMES))


def test_the_page_lists_all_stable_names() -> None:
    stable = {f"napari_superres.{name}" for name in napari_superres.__all__ if name != "__version__"}
    assert stable <= set(NAMES)


def test_the_page_lists_all_errors() -> None:
    listed = {name.rpartition(".")[2] for name in NAMES}
    raised = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert raised <= listed | {"SuperResWarning"}
