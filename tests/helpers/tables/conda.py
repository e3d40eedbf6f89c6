"""The recipe for conda, made from pyproject.toml: ``python -m helpers.tables.conda`` writes it."""

import re
import tomllib
from typing import Any

from helpers.tables import ROOT

RECIPE = ROOT / "recipe" / "meta.yaml"
_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
"""Packages that have another name on conda-forge."""


def requirement(text: str) -> str:
    """Return a requirement of pip as conda writes it."""
    found = re.fullmatch(r"([\w.-]+)(?:\[[\w,]+\])?\s*([<>=!~].*)?", text)
    assert found, text
    name = found[1].lower()
    return f"{_NAMES.get(name, name)} {found[2] or ''}".strip()


def recipe() -> str:
    """Return the recipe."""
    pyproject: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = pyproject["project"]
    python = f"python {project['requires-python']}"
    listed = "".join(f"    - {requirement(text)}\n" for text in project["dependencies"])
    build = "".join(f"    - {requirement(text)}\n" for text in pyproject["build-system"]["requires"])
    return f"""\
# Made by: make tables. Build with: conda build -c conda-forge recipe
{{% set found = load_file_regex("../napari_superres/__init__.py", '__version__ = "(.+)"', from_recipe_dir=True) %}}
{{% set version = found.group(1) %}}

package:
  name: {project["name"]}
  version: {{{{ version }}}}

source:
  path: ..

build:
  noarch: python
  number: 0
  script: {{{{ PYTHON }}}} -m pip install . --no-deps --no-build-isolation -vv
  entry_points:
    - superres = {project["scripts"]["superres"]}

requirements:
  host:
    - {python}
    - pip
{build}  run:
    - {python}
{listed}
test:
  imports:
    - napari_superres
  commands:
    - superres --help
    - superres selftest

about:
  home: {project["urls"]["Homepage"]}
  summary: {project["description"]!r}
  license: {project["license"]}
  license_file: {project["license-files"][0]}
"""


if __name__ == "__main__":
    RECIPE.write_text(recipe(), encoding="utf-8")
