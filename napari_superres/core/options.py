"""Options of public functions: one `TypedDict` says what they are, one mapping what they are by default.

Type checkers and editors read them from ``**options: Unpack[...]``; `takes_options` shows them to `help`, notebooks and
the API page as well, and answers a name that does not exist with the one that was meant.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import wraps
from typing import Any, ParamSpec, TypeVar, get_type_hints

from napari_superres.errors import SettingsError

_P = ParamSpec("_P")
_R = TypeVar("_R")


def takes_options(
    kind: type | Sequence[type], defaults: Mapping[str, Any]
) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Decorate a public function whose ``**options`` are a `TypedDict`.

    The function gets the keywords it was called with. Its signature lists every option with its default, and the entry
    ``**options`` of its docstring is replaced by the attributes of the `TypedDict`.

    Parameters
    ----------
    kind
        The `TypedDict`, or several, whose docstrings describe each option under ``Attributes``.
    defaults
        The default of each option.
    """
    kinds = [kind] if isinstance(kind, type) else list(kind)
    hints = {name: hint for one in kinds for name, hint in get_type_hints(one).items()}

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        own = inspect.signature(function)
        parameters = [p for p in own.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        parameters += [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hints[name])
            for name, default in defaults.items()
        ]
        names = [p.name for p in parameters]

        @wraps(function)
        def checked(*args: _P.args, **options: _P.kwargs) -> _R:
            check_names(options, names)
            return function(*args, **options)

        checked.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        checked.__doc__ = _documented(function.__doc__ or "", [one.__doc__ or "" for one in kinds])
        return checked

    return decorate


def checks_names(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Decorate a public function with plain keywords: a misspelt one is answered with the one that was meant."""
    names = list(inspect.signature(function).parameters)

    @wraps(function)
    def checked(*args: _P.args, **options: _P.kwargs) -> _R:
        check_names(options, names)
        return function(*args, **options)

    return checked


def check_names(given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse a name that is not known.

    Raises
    ------
    SettingsError
        With the known name that is nearest, or all of them.
    """
    known = list(known)
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.5)
            remedy = f"Did you mean {near[0]!r}?" if near else f"Valid options: {', '.join(known)}."
            raise SettingsError(f"unknown option {name!r}.", remedy=remedy)


def _documented(text: str, options: Sequence[str]) -> str:
    """Return a docstring with the attributes of others in place of its entry ``**options``."""
    text = inspect.cleandoc(text)
    described = "\n".join(inspect.cleandoc(each).partition("Attributes\n----------\n")[2].rstrip() for each in options)
    before, entry, after = text.partition("**options\n")
    if not entry:
        return text
    rest = after.split("\n")
    while rest and rest[0].startswith(" "):
        del rest[0]
    return "\n".join([before + described, *rest])
