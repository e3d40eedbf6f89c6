"""The rooms of models/ import each other without a circle, as the text of its `__init__` says."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import napari_superres.models

FOLDER = Path(napari_superres.models.__file__).parent
PREFIX = "napari_superres.models."
ARROWS = {
    "card_checks": set(),
    "card": {"card_checks"},
    "model_file": {"card"},
    "library_folder": set(),
    "size_guard": set(),
    "interpolate": set(),
    "architectures": {"interpolate"},
    "probes": {"architectures", "card"},
    "model": {"card", "interpolate", "probes"},
    "foreign": {"architectures", "card", "interpolate", "library_folder", "model_file", "probes", "size_guard"},
    "library": {
        "architectures",
        "card",
        "card_checks",
        "foreign",
        "library_folder",
        "model",
        "model_file",
        "probes",
        "size_guard",
    },
    "export": {"architectures", "card", "foreign", "library", "model_file"},
    "suitability": {"card", "library"},
}


def room(path):
    return path.relative_to(FOLDER).parts[0].removesuffix(".py")


def arrows(path):
    """Return the rooms that a file imports at run time, at its top or later."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = [n for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    skipped = {id(inner) for node in for_types for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and id(node) not in skipped:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                if name.startswith(PREFIX):
                    yield name.removeprefix(PREFIX).split(".")[0]


def test_every_arrow_is_documented_and_drawn():
    found = {}
    for path in FOLDER.rglob("*.py"):
        if path.parent == FOLDER and path.name == "__init__.py":
            continue  # passes names on from any room
        found.setdefault(room(path), set()).update(arrows(path))
    assert {name: targets - {name} for name, targets in found.items()} == ARROWS


def test_the_rooms_form_no_circle():
    assert set(TopologicalSorter(ARROWS).static_order()) == set(ARROWS)


def test_every_file_is_in_the_text_of_its_folder():
    for folder in (FOLDER, *(p for p in FOLDER.iterdir() if (p / "__init__.py").exists())):
        text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
        names = {p.stem for p in folder.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()} - {"__init__"}
        missing = [name for name in sorted(names) if f"``{name}``" not in text]
        assert not missing, f"{folder.name}: {missing}"
