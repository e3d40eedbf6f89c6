"""Conversion of plain text from the program to Markdown."""

import re

_OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]*)")
_DOI = re.compile(r"doi:(10\.[^\s,;]+[^\s,;.])")


def plain(text: str) -> str:
    """Return a text with Markdown characters escaped, options as code, and DOIs as links."""
    parts = _OPTION.split(text)
    pieces = [f"`{part}`" if i % 2 else _DOI.sub(_link, _escape(part)) for i, part in enumerate(parts)]
    return "".join(pieces)


def cell(text: str) -> str:
    """Return Markdown escaped for a cell of a table."""
    return text.replace("|", r"\|")


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(map(cell, line))} |" for line in lines] + [""]


def _escape(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>$#{}~|])", r"\\\1", text)


def _link(match: re.Match[str]) -> str:
    doi = match[1]
    return f"[doi:{doi}](<https://doi.org/{doi.replace(chr(92), '')}>)"
