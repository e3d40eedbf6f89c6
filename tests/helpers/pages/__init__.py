"""The pages of the documentation and what they show in fences."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"

RUN = ("bash", "python")
"""Executed, in order, from top to bottom of a page."""

SHOWN = ("console", "text", "py", "toml", "json", "")
"""Only shown: commands that cannot run here, output, Python of other machines (which must compile), files, diagrams."""

_FENCE = re.compile(r"^(?P<ticks>`{3,})(?P<language>[^\n`]*)\n(?P<code>.*?)^(?P=ticks)[ ]*$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block; `line` is that of its first line of code."""

    language: str
    line: int
    code: str


def pages() -> list[Path]:
    """Return every page that a person wrote, without what builds make."""
    made = ("_build", "auto_gallery", "generated")
    return sorted(p for p in DOCS.rglob("*.md") if not set(made) & set(p.relative_to(DOCS).parts))


def name(page: Path) -> str:
    """Return a page as the table of prepared files and messages call it, such as ``tutorials/train.md``."""
    return page.relative_to(DOCS).as_posix()


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page from top to bottom; of directives too, whose language is ``{name}``."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(found["language"].strip(), text.count("\n", 0, found.start("code")) + 1, found["code"])
        for found in _FENCE.finditer(text)
    ]


def inline(page: Path) -> list[str]:
    """Return the pieces of code within a page's text."""
    prose = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", prose)]


def targets(page: Path) -> list[str]:
    """Return the relative targets of a page's links and images, outside of fences."""
    prose = _FENCE.sub("", page.read_text(encoding="utf-8"))
    found = re.findall(r"\]\(<?([^)\s>#]+)", prose)
    return [target for target in found if not re.match(r"[a-z]+:", target)]
