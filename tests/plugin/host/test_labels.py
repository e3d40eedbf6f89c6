"""Windows never show a flag, a command or a backtick: settings become labels, functions become buttons."""

import ast
import re
from pathlib import Path

import pytest

import napari_superres
from napari_superres.plugin.host.labels import BUTTONS, LABELS, WORDS, as_labels, window_text

PACKAGE = Path(napari_superres.__file__).parent
FILES = sorted(p for p in PACKAGE.rglob("*.py") if "cli" not in p.relative_to(PACKAGE).parts)
SETTING = re.compile(r"`([A-Za-z_]+)(=[^`]*)?`")
TYPED = re.compile(r"(?<![\w-])--[a-z]|\bsuperres [a-z]+\b|`")

# Lightning's own words, and the description inside an exported package.
NOT_SHOWN = ("`training_step` returned", "`pip install napari-superres-torch`", "(`superres evaluate`)")


def literal(node):
    """Return the text of a literal, with x for what is filled in; None for another node."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def literals(node):
    """Yield the texts of the literals in a node, and of those that are filled in to them."""
    text = literal(node)
    if text is not None:
        yield text
    parts = [p for p in node.values if not isinstance(p, ast.Constant)] if isinstance(node, ast.JoinedStr) else None
    for child in parts if parts is not None else ast.iter_child_nodes(node):
        yield from literals(child)


def without_docstrings(tree):
    """Return a module without its docstrings."""
    for node in ast.walk(tree):
        if isinstance(body := getattr(node, "body", None), list):
            node.body = [n for n in body if not (isinstance(n, ast.Expr) and literal(n.value) is not None)]
    return tree


def messages(path):
    """Return all texts of a file that may be shown: literals of several words, but no docstrings."""
    texts = [t for t in literals(without_docstrings(ast.parse(path.read_text(encoding="utf-8")))) if " " in t]
    return [t for t in texts if not any(part in t for part in NOT_SHOWN)]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Set `overwrite` or choose another name.", "Set “Overwrite” or choose another name."),
        ("Use `precision='fp32'`.", "Use “Precision: fp32”."),
        ("Use `overwrite=True`.", "Use “Overwrite”."),
        ("choose a smaller `roi`.", "Choose a smaller “Region”."),
        ("`tile` must be larger than twice the halo.", "“Tile size” must be larger than twice the halo."),
        ("See `verify_models()`.", "See “Check” in Models."),
        ("give `psf_sigma` or `max_passes=16`.", "Give PSF width or the number of passes 16."),
        ("use `tta=False`.", "Use “Averaging” off."),
        ("Calibrate again: `calibrate_folder()`.", "Calibrate again: calibrate_folder() in Python."),
        ("use `pip install x`", "Use pip install x"),
        ("a.tif is empty.", "a.tif is empty."),
    ],
)
def test_messages_are_spelled_for_windows(text, shown):
    assert window_text(text) == shown


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_no_window_shows_flags_commands_or_backticks(path):
    for text in messages(path):
        assert not TYPED.search(as_labels(text)), text
        for name, _ in SETTING.findall(text):
            # A name of one word says what it means; others have a label or words of their own.
            assert name in LABELS or name in WORDS or name.isalpha(), f"{name} in {text!r} has no label"


def test_a_window_may_have_labels_of_its_own():
    text = "Set `register`."
    assert window_text(text) == "Set “Register reference”."
    assert window_text(text, register="Register pairs") == "Set “Register pairs”."


def test_labels_and_buttons_are_those_of_the_widgets():
    trees = [ast.parse(p.read_text(encoding="utf-8")) for p in PACKAGE.glob("plugin/widgets/**/*.py")]
    shown = {text for tree in trees for text in literals(without_docstrings(tree))}
    for label in [*LABELS.values(), *(button for button, _ in BUTTONS.values())]:
        assert any(text == label or text.startswith(f"{label} ") for text in shown), label
    names = (PACKAGE / "napari.yaml").read_text(encoding="utf-8")
    for _, widget in BUTTONS.values():
        assert f"display_name: {widget}\n" in names
