"""The tables of arrows in the page on architecture, made from the imports of the package."""

from helpers.tables import ROOT, read_table, write_table
from helpers.tables.imports import Arrows, layer_arrows, room_arrows

PAGE = ROOT / "docs" / "explanation" / "architecture.md"
ROOMS = ("io", "models", "inference", "evaluation", "training", "plugin")
"""Layers whose rooms the page shows."""


def arrows_of(name: str) -> Arrows:
    """Return the real arrows of a table: between the layers, or between the rooms of one."""
    return layer_arrows() if name == "layers" else room_arrows(name)


def documented(name: str) -> Arrows:
    """Return the arrows of a table as the page shows them."""
    rows = [line.strip("|").split("|") for line in read_table(PAGE, name).splitlines()[2:]]
    return {_words(first)[0]: set(_words(second)) for first, second in rows}


def table(name: str, arrows: Arrows) -> str:
    """Return arrows as a table: those that import nothing at the bottom, as in a diagram of layers."""
    lines = [f"| {'layer' if name == 'layers' else 'room'} | imports |", "|---|---|"]
    placed: list[str] = []
    while rest := [node for node in sorted(arrows) if node not in placed]:
        free = [node for node in rest if arrows[node] <= set(placed)]
        placed += free or [min(rest, key=lambda node: len(arrows[node] - set(placed)))]
    for node in reversed(placed):
        targets = sorted(arrows[node], key=placed.index, reverse=True)
        lines.append(f"| `{node}` | {', '.join(f'`{t}`' for t in targets)} |")
    return "\n".join(lines) + "\n"


def _words(cell: str) -> list[str]:
    return [word.strip(" `") for word in cell.split(",") if word.strip()]


if __name__ == "__main__":
    for each in ("layers", *ROOMS):
        write_table(PAGE, each, table(each, arrows_of(each)))
