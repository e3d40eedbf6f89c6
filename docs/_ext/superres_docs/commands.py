"""Section per command of ``superres``, generated from the Typer application."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

import typer

from superres_docs.text import plain

_KINDS = {"str": "TEXT", "int": "N", "float": "NUMBER", "Path": "PATH"}
_TYPE = re.compile(r"\s*<(?:list\[)?(.+?)\]?>$")


def write() -> str:
    """Return Markdown with a section per command; commands of a group follow it."""
    from napari_superres.cli.app import app

    root = typer.main.get_command(app)
    return "\n".join(_command(root, None, "superres", 2))


def _command(command: Any, parent: Any, path: str, level: int) -> Iterator[str]:
    context = typer.Context(command, parent=parent, info_name=path.rsplit(" ", 1)[-1])
    children = getattr(command, "commands", {})
    yield from [f"{'#' * level} {path}", ""]
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        yield from [plain(" ".join(paragraph.split())), ""]
    yield from ["```text", _synopsis(command, context, f"{path} COMMAND" if children else path), "```", ""]
    visible = [p for p in command.params if not p.hidden]
    for panel in dict.fromkeys(p.rich_help_panel for p in visible):
        if panel:
            yield from [f"**{plain(panel)}**", ""]
        for parameter in (p for p in visible if p.rich_help_panel == panel):
            yield from _parameter(parameter, context)
    for name, child in children.items():
        # Commands have the same heading level as the program; commands of a group are one level below it.
        yield from _command(child, context, f"{path} {name}", level + (parent is not None))


def _synopsis(command: Any, context: Any, path: str) -> str:
    words = [path]
    for parameter in command.params:
        value = _value(parameter, context)
        if not _is_option(parameter):
            words.append(value if parameter.required or value.startswith("[") else f"[{value}]")
        elif parameter.required:
            words.append(f"{min(parameter.opts, key=len)} {value}")
    return " ".join([*words, "[OPTIONS]"])


def _parameter(parameter: Any, context: Any) -> list[str]:
    value = _value(parameter, context)
    names = [*sorted(parameter.opts, key=len), *parameter.secondary_opts]
    name = f"{', '.join(names)} {value}".strip() if _is_option(parameter) else value
    sentences = [plain(" ".join((parameter.help or "").split()))]
    if parameter.min is not None:
        sentences.append(f"At least {parameter.min}{'' if parameter.max is None else f', at most {parameter.max}'}.")
    if parameter.required:
        sentences.append("*Required.*")
    elif parameter.multiple and "may" not in sentences[0]:
        sentences.append("*May be repeated.*")
    default = parameter.default
    if not parameter.required and default is not None and default is not False and default != "":
        sentences.append(f"*Default:* `{parameter.opts[-1] if default is True else default}`.")
    return [f"`{name}`", f": {' '.join(s for s in sentences if s) or 'Takes a value of this form.'}", ""]


def _value(parameter: Any, context: Any) -> str:
    """Return the placeholder of a value, such as PATH; empty for a flag."""
    if parameter.metavar:
        return str(parameter.metavar)
    if not _is_option(parameter):
        return str(parameter.name).upper()
    kind = None if parameter.is_flag else _TYPE.search(parameter.get_help_record(context)[0])
    return _KINDS.get(kind[1], kind[1]) if kind else ""


def _is_option(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "option")
