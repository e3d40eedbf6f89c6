"""The package is built as docs/explanation/architecture.md says, and its files stay small."""

import ast
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from helpers.tables.architecture import ROOMS, arrows_of, documented
from helpers.tables.imports import FILES, LAYERS, PACKAGE, cycles, imports, relative, strings

ROOT = Path(__file__).parents[2]
MADE = {"_build", "auto_gallery", "generated", "__pycache__"}
CODE = [
    p for top in (PACKAGE, ROOT / "tests", ROOT / "docs") for p in sorted(top.rglob("*.py")) if not MADE & {*p.parts}
]

# Files whose work is to read and write images; all else of these layers works in memory.
READERS = {
    "inference/batch_files.py",
    "inference/files.py",
    "inference/images.py",
    "inference/planning/estimate.py",
    "inference/stream/boxes.py",
    "inference/stream/resume.py",
    "inference/stream/source.py",
    "inference/stream/stream_file.py",
    "inference/verify/records.py",
    "inference/verify/steps.py",
    "inference/verify/verify.py",
    "evaluation/folder/many.py",
    "evaluation/folder/references.py",
    "evaluation/pairing.py",
    "evaluation/uncertainty/fit_calibration.py",
    "training/images/fields_of_view.py",
    "training/images/recorded_pairs.py",
    "training/adapt.py",
    "training/campaign/pack.py",
    "training/isotropic/run.py",
    "training/recipes/own_data.py",
}
HOST = {"napari", "qtpy", "superqt", "magicgui", "PyQt5", "PyQt6", "PySide6", "npe2"}
TORCH_AT_TOP = {"models", "inference", "degradation", "training"}
# The in-memory interface must do without these: they are imported inside the functions that use them.
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
    "simplejpeg",
}
# The files of the plugin may import the libraries of their host at the top, and no other that ruff bans there.
LATE_IN_PLUGIN = {"torch", "safetensors", "psutil", "platformdirs", "filelock"}
LIGHTNING_AT_TOP = {"training/running/lightning_module.py", "training/running/loop.py"}

# Thin public functions turn the notes of a result into Python warnings. All else returns or yields notes.
WARNING_FUNCTIONS = {
    "io/read.py": {"read_image"},
    "io/write.py": {"write_image"},
    "models/library/add.py": {"add_model"},
    "models/library/registry.py": {"list_models", "load_model"},
    "models/export/bioimageio.py": {"export_bioimageio"},
    "inference/images.py": {"warn_of_notes"},  # for `upscale` and `upscale_file`
    "evaluation/uncertainty/calibration.py": {"intervals"},
    "evaluation/uncertainty/spread.py": {"spread"},
    "training/isotropic/run.py": {"isotropic", "isotropic_file"},
    "training/adapt.py": {"adapt"},
    "training/trainer.py": {"train"},
}
# Files whose work is to write a command, or to read one.
WRITERS_OF_COMMANDS = {
    "plugin/demo.py",
    "plugin/widgets/batch/state.py",
    "plugin/widgets/upscale/snippets.py",
    "training/campaign/__main__.py",
}
# One file per model: a folder that nobody browses.
DATA = {"napari_superres/weights", "napari_superres/weights/thumbnails"}
MAX_ENTRIES, MAX_LINES, LONGEST_FUNCTION = 16, 400, 60

each_file = pytest.mark.parametrize("path", FILES, ids=relative)


def layer_of(path: Path) -> str:
    return relative(path).split("/")[0].removesuffix(".py")


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


@pytest.mark.parametrize("name", ["layers", *ROOMS])
def test_every_documented_arrow_exists_and_every_arrow_is_documented(name):
    real, shown = arrows_of(name), documented(name)
    hint = "If that is right, run: make tables"
    assert set(real) == set(shown), hint
    for node in real:
        assert real[node] - shown[node] == set(), f"{node} imports what the page does not show. {hint}"
        assert shown[node] - real[node] == set(), f"the page shows imports of {node} that do not exist. {hint}"


@pytest.mark.parametrize("name", ["layers", *ROOMS])
def test_no_arrow_leads_back(name):
    assert cycles(arrows_of(name)) == set()


def test_nothing_imports_an_application():
    for layer, targets in arrows_of("layers").items():
        assert not targets & {"cli", "plugin"}, layer


@each_file
def test_only_readers_read_images(path):
    """Whether the layers that work in memory read and write images is decided by the list above, both ways."""
    if layer_of(path) in ("inference", "evaluation", "training"):
        reads = any(i.module.startswith("napari_superres.io") for i in imports(path))
        assert reads == (relative(path) in READERS)


@each_file
def test_libraries_are_imported_where_they_may_be(path):
    layer, name = layer_of(path), relative(path)
    for found in imports(path):
        top = found.module.split(".")[0]
        assert layer == "plugin" or top not in HOST, f"{name} imports {found.module}: only plugin/ knows the host"
        if found.at_top and not found.for_types:
            assert top != "torch" or layer in TORCH_AT_TOP, f"{name} imports torch at its top"
            late = LATE - ({"lightning"} if name in LIGHTNING_AT_TOP else set())
            late |= LATE_IN_PLUGIN if layer == "plugin" else set()
            assert top not in late, f"{name} imports {found.module} at its top"


@each_file
def test_only_applications_use_the_lazy_names_of_the_package(path):
    if layer_of(path) not in ("cli", "plugin", "__init__"):
        for found in imports(path):
            parts = found.module.split(".")
            if parts[0] == "napari_superres":
                assert parts[1] in LAYERS, f"{relative(path)} imports {found.module}"


def test_folders_are_small():
    """Counted are the files and folders that are committed, or would be."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("this is no git checkout, so what belongs to it is not known")
    paths = [Path(line) for line in listed.stdout.splitlines() if (ROOT / line).exists()]
    entries = {(folder, child) for p in paths for child, folder in zip([p, *p.parents], p.parents, strict=False)}
    counts = Counter(folder.as_posix() for folder, _ in entries)
    too_large = {
        f: n for f, n in counts.items() if n > MAX_ENTRIES and f not in DATA and f.startswith(("nap", "tests"))
    }
    assert too_large == {}


@pytest.mark.parametrize("path", [p for p in FILES if p.name == "__init__.py"], ids=relative)
def test_every_folder_lists_its_files(path):
    """Readers find their way by these lists."""
    listed = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    entries = [p for p in path.parent.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()]
    assert {p.stem for p in entries if p != path and f"`{p.stem}" not in listed} == set()


@pytest.mark.parametrize("path", CODE, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_files_and_functions_are_small(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_LINES
    for function in functions(path):
        # Signatures and docstrings of public functions list their options: only the code counts.
        code = function.body[1:] if ast.get_docstring(function) and len(function.body) > 1 else function.body
        lines = (code[-1].end_lineno or 0) - code[0].lineno + 1
        assert lines <= LONGEST_FUNCTION, f"{function.name} has {lines} lines"


@pytest.mark.parametrize("path", CODE, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_the_formatter_decides(path):
    assert "fmt: " + "skip" not in path.read_text(encoding="utf-8")
    assert "fmt: " + "off" not in path.read_text(encoding="utf-8")


@each_file
def test_only_thin_public_functions_warn(path):
    warning = {
        function.name
        for function in functions(path)
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "warnings.warn"
    }
    assert warning == WARNING_FUNCTIONS.get(relative(path), set())


@each_file
def test_only_the_command_line_names_flags_and_commands(path):
    if layer_of(path) != "cli" and relative(path) not in WRITERS_OF_COMMANDS:
        for line, text in strings(path):
            assert not re.search(r"(?<![\w-])--[a-z]", text), f"line {line}: {text!r}"
            assert not re.search(r"\bsuperres [a-z]", text), f"line {line}: {text!r}"


def test_the_lists_of_exceptions_are_true():
    assert {*READERS, *LIGHTNING_AT_TOP, *WRITERS_OF_COMMANDS, *WARNING_FUNCTIONS} <= {relative(p) for p in FILES}
    for folder in DATA:
        assert (ROOT / folder).is_dir()
