"""What the files of the package import: the arrows between its layers, and between the rooms of a layer.

A *room* is a folder of a layer, or a file that stands in the layer's own folder. Imports inside functions and imports
for types count as well, because a reader follows them too. A layer's ``__init__`` only lists names for other layers.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import napari_superres

PACKAGE = Path(napari_superres.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
LAYERS = sorted({p.relative_to(PACKAGE).parts[0].removesuffix(".py") for p in FILES} - {"__init__"})

Arrows = dict[str, set[str]]


@dataclass(frozen=True)
class Import:
    """One imported name."""

    module: str
    """The module, with the name in it, such as ``napari_superres.core.image.Image``."""
    at_top: bool
    """Whether it is imported when the file is, rather than inside a function."""
    for_types: bool
    """Whether only type checkers import it."""


def relative(path: Path) -> str:
    """Return a file as messages call it, such as ``core/image.py``."""
    return path.relative_to(PACKAGE).as_posix()


@cache
def imports(path: Path) -> list[Import]:
    """Return every import of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    blocks = [n for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    for_types = {id(inner) for block in blocks for inner in ast.walk(block)}
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    late = {id(inner) for n in ast.walk(tree) if isinstance(n, functions) for inner in ast.walk(n)}
    return [
        Import(name, id(node) not in late, id(node) in for_types)
        for node in ast.walk(tree)
        for name in _names(node, path)
    ]


def _names(node: ast.AST, path: Path) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"{relative(path)} imports relatively"
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield each string of a file that is no docstring, with its line."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    # A string that is a statement of its own is a docstring, of whatever.
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def layer_arrows() -> Arrows:
    """Return for each layer the layers that its files import."""
    arrows: Arrows = {layer: set() for layer in LAYERS}
    for source, target in _arrows():
        if source and target and source[0] != target[0]:
            arrows[source[0]].add(target[0])
    return arrows


def room_arrows(layer: str) -> Arrows:
    """Return for each room of a layer the rooms of that layer that its files import."""
    folder = PACKAGE / layer
    rooms = {p.name for p in folder.iterdir() if (p / "__init__.py").exists() or p.suffix == ".py"} - {"__init__.py"}
    arrows: Arrows = {room: set() for room in rooms}
    for source, target in _arrows():
        if source[:1] == target[:1] == (layer,) and len(source) > 1:
            assert len(target) > 1, f"{'/'.join(source)} imports the whole layer that it belongs to"
            if source[1] != target[1]:
                arrows[source[1]].add(target[1])
    return arrows


def cycles(arrows: Arrows) -> set[frozenset[str]]:
    """Return the sets of nodes that reach each other."""
    reached = {node: _reached(node, arrows) for node in arrows}
    return {
        frozenset(other for other in reached[node] if node in reached[other])
        for node in arrows
        if node in reached[node]
    }


def _reached(start: str, arrows: Arrows) -> set[str]:
    reached: set[str] = set()
    pending = [start]
    while pending:
        new = arrows[pending.pop()] - reached
        reached |= new
        pending += new
    return reached


def _arrows() -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield the places of importing and imported file: its layer and room, as far as they go."""
    for path in FILES:
        parts = path.relative_to(PACKAGE).parts
        source = parts[:2] if len(parts) > 1 else (parts[0].removesuffix(".py"),)
        if source in (("__init__",),) or source[1:] == ("__init__.py",):
            source = source[:1] if len(source) > 1 else ()
        for found in imports(path):
            if found.module.startswith("napari_superres."):
                yield source, _place(found.module)


def _place(module: str) -> tuple[str, ...]:
    """Return layer and room of a module or a name in it; only the layer for a name of its ``__init__``."""
    layer, *rest = module.split(".")[1:]
    if not (PACKAGE / layer).is_dir():
        # A file at the top is a layer; any other name is one that the package loads when it is used.
        return (layer,) if layer in LAYERS else ()
    if not rest:
        return (layer,)
    room = PACKAGE / layer / rest[0]
    if room.is_dir():
        return layer, rest[0]
    return (layer, f"{rest[0]}.py") if room.with_suffix(".py").exists() else (layer,)
