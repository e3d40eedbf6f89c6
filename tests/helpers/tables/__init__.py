"""Tables of the documentation that are made from the program: ``make tables`` writes them, tests compare them.

A table stands in its page between a line ``<!-- NAME -->`` and the next ``<!-- end -->``.
"""

from pathlib import Path

ROOT = Path(__file__).parents[3]
_END = "<!-- end -->"


def read_table(page: Path, name: str) -> str:
    """Return the lines of a table in a page."""
    return _parts(page, name)[1]


def write_table(page: Path, name: str, lines: str) -> None:
    """Replace the lines of a table in a page."""
    before, _, after = _parts(page, name)
    page.write_text(before + lines + after, encoding="utf-8")


def _parts(page: Path, name: str) -> tuple[str, str, str]:
    start = f"<!-- {name} -->\n"
    before, rest = page.read_text(encoding="utf-8").split(start)
    table, after = rest.split(_END, 1)
    return before + start, table, _END + after
