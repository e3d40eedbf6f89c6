"""What the documentation tells is true: every command and every Python block of its pages runs, from top to bottom."""

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from helpers.pages import DOCS, ROOT, RUN, SHOWN, blocks, inline, name, pages, targets
from helpers.prepared import PREPARED

from napari_superres.cli.app import app

_LONGEST = 300
"""Seconds that a page may take."""

EXECUTED = [page for page in pages() if any(block.language in RUN for block in blocks(page))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder that looks like the checkout to the commands."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "sample_data").symlink_to(ROOT / "sample_data")
    return tmp_path / "work"


@pytest.mark.docs
@pytest.mark.parametrize("page", EXECUTED, ids=name)
def test_page_runs(page: Path, folder: Path) -> None:
    if make := PREPARED.get(name(page)):
        make(folder)
    before = set(folder.rglob("*"))
    home = folder.parent / "home"
    environment = {
        **os.environ,
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "MPLBACKEND": "agg",
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests"))),
        "NAPARI_SUPERRES_MODELS": str(home / "models"),
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
    }
    done = subprocess.run(
        [sys.executable, "-m", "helpers.pages", page],
        cwd=folder,
        env=environment,
        timeout=_LONGEST,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    if any(block.language == "bash" for block in blocks(page)):
        assert done.stdout or set(folder.rglob("*")) > before, "nothing was printed and nothing written"


def test_what_is_prepared_belongs_to_a_page() -> None:
    assert set(PREPARED) <= {name(page) for page in EXECUTED}


@pytest.mark.parametrize("page", pages(), ids=name)
def test_page_is_sound(page: Path) -> None:
    """Its fences are of known languages, Python that is only shown compiles, and what it links is there."""
    for block in blocks(page):
        # Directives have braces.
        assert block.language in (*RUN, *SHOWN) or block.language.startswith("{"), f"{name(page)}:{block.line}"
        if block.language in ("py", "python"):
            ast.parse(block.code)
    for target in targets(page):
        assert _exists(page.parent / target), f"{name(page)} links {target}"


@pytest.mark.parametrize("page", pages(), ids=name)
def test_options_are_known(page: Path) -> None:
    """In commands, and where the text speaks of one; what stands alone must be an option of some command."""
    commands = _commands()
    known = set().union(*commands.values())
    for words in _calls(page):
        command = next((c for c in (" ".join(words[1:3]), "".join(words[1:2])) if c in commands), "")
        # COMMAND stands for any.
        options = known if "COMMAND" in words else commands[command]
        assert command or not words[1:] or words[1].startswith("-") or "COMMAND" in words, f"no command {words[1]}"
        given = {word.split("=")[0] for word in words[1:] if re.fullmatch(r"--?[a-z][\w-]*(=.*)?", word)}
        assert given <= options, " ".join(words)
    alone = {code.split()[0].split("=")[0] for code in inline(page) if re.match(r"--[a-z]", code)}
    assert alone <= known


def _exists(target: Path) -> bool:
    """Return whether a file is there, or is one that the build makes of a page, a gallery or the reference."""
    made = (DOCS / "auto_gallery", DOCS / "reference" / "generated")
    resolved = Path(os.path.normpath(target))
    return resolved.exists() or any(resolved.is_relative_to(folder) for folder in made)


def _commands() -> dict[str, set[str]]:
    """Return the options of every command, such as of ``models add``; those of the program itself under no name."""
    found: dict[str, set[str]] = {}

    def visit(command: object, path: str) -> None:
        options = {text for p in command.params for text in (*p.opts, *p.secondary_opts)}  # type: ignore[attr-defined]
        found[path] = options | {"--help", "--debug"}
        for key, inner in getattr(command, "commands", {}).items():
            visit(inner, f"{path} {key}".strip())

    visit(typer.main.get_command(app), "")
    return found


def _calls(page: Path) -> list[list[str]]:
    """Return the words of each call of the program: in fences that show commands, and in the text."""
    shown = [block.code for block in blocks(page) if block.language in ("bash", "console", "text", "")]
    lines = "\n".join(shown).replace("\\\n", " ").splitlines()
    calls = []
    for line in (*lines, *inline(page)):
        first = re.split(r"\s(?:\|\|?|&&?|2?>)(?:\s|$)", line.strip().removeprefix("$ "))[0]
        call = re.sub(r"^(?:[A-Z_]+=\S+ |timeout (?:-\S+ )*\S+ )*", "", first.strip())
        if re.match(r"superres( |$)", call):
            calls.append(shlex.split(call, comments=True))
    return calls
