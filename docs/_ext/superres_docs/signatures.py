"""Shorten signatures: array types by their short names, default factories as ``...``."""

import re
from typing import Any

import numpy.typing as npt
from sphinx.application import Sphinx
from sphinx.util.typing import stringify_annotation

_ARRAY_LIKE = re.compile(re.escape(stringify_annotation(npt.ArrayLike, "smart")))
_ARRAY = re.compile(
    r"~?numpy\.ndarray\[tuple\[~?typing\.Any, \.\.\.\], ~?numpy\.dtype\[((?:[^\[\]]|\[[^\[\]]*\])+)\]\]"
)


def shorten(
    _app: Sphinx, _what: str, _name: str, _object: Any, _options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    return _short(signature), _short(returns)


def _short(text: str | None) -> str | None:
    if text is None:
        return None
    text = _ARRAY_LIKE.sub("~numpy.typing.ArrayLike", text).replace("<factory>", "...")
    return _ARRAY.sub(r"~numpy.typing.NDArray[\1]", text)


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-signature", shorten)
