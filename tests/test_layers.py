"""An arrow means "may import". Nothing else may."""

import ast
from pathlib import Path

import pytest

import napari_superres

PACKAGE = Path(napari_superres.__file__).parent
ARROWS = {
    "errors": set(),
    "atomic": {"errors"},
    "core": {"errors"},
    "io": {"core", "atomic", "errors"},
    "degradation": {"core", "errors"},
    "models": {"core", "atomic", "errors"},
    "inference": {"models", "core", "atomic", "errors"},
    "evaluation": {"inference", "models", "core", "degradation", "atomic", "errors"},
    "training": {"evaluation", "inference", "models", "core", "degradation", "atomic", "errors"},
}
# Files whose work is to read and write images; all else of these folders works in memory.
READERS = {
    "inference/files.py",
    "inference/planning/estimate.py",
    "inference/stream/boxes.py",
    "inference/stream/stream_file.py",
    "evaluation/folder.py",
    "evaluation/pairing.py",
    "evaluation/uncertainty/fit_calibration.py",
    "training/fields_of_view.py",
    "training/recorded_pairs.py",
    "training/recipes/own_data.py",
}
APPLICATIONS = {"cli", "plugin"}
HOST = {"napari", "qtpy", "superqt", "magicgui", "PyQt5", "PyQt6", "PySide6", "npe2"}
TORCH_AT_TOP = {"models", "inference", "degradation", "training"}
# What the in-memory interface must do without: imported where it is used, inside functions.
LATE = {
    "zarr",
    "yaozarrs",
    "dask",
    "distributed",
    "tifffile",
    "SimpleITK",
    "lightning",
    "spandrel",
    "bioimageio",
    "matplotlib",
    "imageio",
    "skimage",
    "scipy",
    "mrcfile",
    "imagecodecs",
}
# Of the libraries that ruff bans at the top of a file, the plugin's files may import those of the host alone.
LATE_IN_PLUGIN = LATE | {"torch", "safetensors", "psutil", "platformdirs", "filelock"}
FILES = sorted(p for p in PACKAGE.rglob("*.py") if "weights" not in p.parts)


def imports(path: Path) -> list[tuple[str, bool]]:
    """Modules a file imports at run time, and whether at its top."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    late = {id(inner) for node in ast.walk(tree) if isinstance(node, functions) for inner in ast.walk(node)}
    found = []
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) not in late) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [(name, id(node) not in late) for name in names]
    return found


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_arrows(path):
    layer, relative = layer_of(path), path.relative_to(PACKAGE).as_posix()
    for module, at_top in imports(path):
        top, *rest = module.split(".")
        if top == "napari_superres" and rest:
            target = rest[0]
            # `from napari_superres import upscale` goes by the lazy package to any layer.
            known = target in ARROWS or target in APPLICATIONS
            assert known or layer in APPLICATIONS or relative == "__init__.py", f"{relative} imports {module}"
            if layer in APPLICATIONS:
                assert target not in APPLICATIONS - {layer}, f"{relative} imports {module}"
            elif layer in ARROWS:
                allowed = ARROWS[layer] | {layer} | ({"io"} if relative in READERS else set())
                assert target in allowed, f"{relative} imports {module}"
        if layer != "plugin":
            assert top not in HOST, f"{relative} imports {module}: only plugin/ knows the host"
        if at_top:
            assert top != "torch" or layer in TORCH_AT_TOP, f"{relative} imports torch at its top"
            assert top not in LATE_IN_PLUGIN or layer != "plugin", f"{relative} imports {module} at its top"
            allowed_late = {"lightning"} if relative in ("training/lightning_module.py", "training/loop.py") else set()
            assert top not in LATE - allowed_late, f"{relative} imports {module} at its top"


def test_the_list_of_readers_is_true():
    for relative in READERS:
        assert any(m.startswith("napari_superres.io") for m, _ in imports(PACKAGE / relative)), relative


def test_every_folder_has_its_place():
    assert {layer_of(p) for p in FILES} <= {*ARROWS, *APPLICATIONS, "__init__"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_files_are_small(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 400
