"""Options of public functions: a `TypedDict` describes them, and a mapping holds their defaults.

Type checkers and editors read the options from ``**options: Unpack[...]``. The decorator `takes_options` also shows
them to ``help``, notebooks and the API page. A misspelt name raises an error that suggests the right one.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, get_type_hints

from napari_superres.errors import SettingsError

_P = ParamSpec("_P")
_R = TypeVar("_R")
_T = TypeVar("_T")


def takes_options(
    kind: type | Sequence[type], defaults: Mapping[str, Any]
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Return a decorator for a public function whose ``**options`` are a `TypedDict`.

    The signature of the decorated function lists every option with its default, and its docstring describes every
    option in place of the entry ``**options``. The function receives only the keywords of the call, without defaults.

    Parameters
    ----------
    kind
        The `TypedDict`, or several. Their docstrings describe each option under ``Attributes``.
    defaults
        Default value of each option.
    """
    kinds = [kind] if isinstance(kind, type) else list(kind)
    hints = {name: hint for one in kinds for name, hint in get_type_hints(one).items()}

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        signature = inspect.signature(function)
        parameters = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        parameters += [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hints[name])
            for name, default in defaults.items()
        ]
        names = [p.name for p in parameters]

        @wraps(function)
        def checked(*args: _P.args, **options: _P.kwargs) -> _R:
            check_names(options, names)
            return function(*args, **options)

        checked.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        checked.__doc__ = _insert_options(function.__doc__ or "", [one.__doc__ or "" for one in kinds])
        return checked

    return decorate


def checks_names(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Decorate a public function with plain keywords, so that a misspelt keyword raises an error that suggests one."""
    names = list(inspect.signature(function).parameters)

    @wraps(function)
    def checked(*args: _P.args, **options: _P.kwargs) -> _R:
        check_names(options, names)
        return function(*args, **options)

    return checked


def as_list(one_or_several: _T | Iterable[_T]) -> list[_T]:
    """Return a list of one or several names or paths: a text or a path is one, not the series of its letters."""
    if isinstance(one_or_several, str | Path) or not isinstance(one_or_several, Iterable):
        return [one_or_several]
    return list(one_or_several)


def check_names(given: Iterable[str], known: Iterable[str]) -> None:
    """Raise an error if a given name is not among the known ones.

    Raises
    ------
    SettingsError
        If a name is unknown. The remedy suggests the most similar known name, or lists all of them.
    """
    known = list(known)
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.5)
            remedy = f"Did you mean {near[0]!r}?" if near else f"Valid options: {', '.join(known)}."
            raise SettingsError(f"unknown option {name!r}.", remedy=remedy)


def _insert_options(docstring: str, options: Sequence[str]) -> str:
    """Replace the entry ``**options`` of a docstring by the attributes of the docstrings `options`."""
    docstring = inspect.cleandoc(docstring)
    attributes = [inspect.cleandoc(each).partition("Attributes\n----------\n")[2].rstrip() for each in options]
    before, entry, after = docstring.partition("**options\n")
    if not entry:
        return docstring
    lines = after.split("\n")
    while lines and lines[0].startswith(" "):
        del lines[0]
    return "\n".join([before + "\n".join(attributes), *lines])
