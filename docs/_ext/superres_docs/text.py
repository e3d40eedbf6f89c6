"""Texts of the program as Markdown."""

import re

_OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]*)")
_DOI = re.compile(r"doi:(10\.[^\s,;]+[^\s,;.])")


def plain(text: str) -> str:
    """Return a text that Markdown shows as it is, options in code, DOIs as links."""
    parts = _OPTION.split(text)
    shown = [f"`{part}`" if i % 2 else _DOI.sub(_link, _escaped(part)) for i, part in enumerate(parts)]
    return "".join(shown)


def cell(text: str) -> str:
    """Return Markdown that fits into a cell of a table."""
    return text.replace("|", r"\|")


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Return the lines of a table."""
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(map(cell, line))} |" for line in lines] + [""]


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>$#{}~|])", r"\\\1", text)


def _link(found: re.Match[str]) -> str:
    doi = found[1]
    return f"[doi:{doi}](<https://doi.org/{doi.replace(chr(92), '')}>)"
