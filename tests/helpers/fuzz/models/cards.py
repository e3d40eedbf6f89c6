"""Damage to JSON, by its structure: cards, headers of safetensors, caches, indices and descriptions of packages."""

import json
from collections.abc import Iterator
from random import Random
from typing import Any

from helpers.fuzz.values import damage_bytes
from napari_superres.models.model_file import KEY

_VALUES: tuple[Any, ...] = (
    *(0, 1, -1, 2, 3, 99, 127, 128, 256, 10**7 + 1, 2**31, 2**63, 2**64, 10**400),
    *(0.0, -0.5, 1e-300, 1e300, float("nan"), float("inf"), True, False, None),
    *("espcn", "edsr", "rcan", "dfcan", "srcnn", "vdsr", "cnn", "interpolation", "bicubic", "percentile", "Z"),
    *("", "x", "a/../b", "\x1b[2J", "\ud800", "\u202e", "y" * 30_000, "onnx", "source", "spandrel", "unet", "ZYX"),
    *([], {}, [1], [0, 0], [128, 128], [64, 64, 64], [1e300, -1e300], [None, "a"], {"a": {"b": [1]}}),
)
_DEEP = 5000


def damage_json(rng: Random, data: bytes) -> bytes:
    """Return a JSON text with one value of its tree changed, removed, added or nested; sometimes other damage."""
    how = rng.random()
    if how < 0.1:
        return damage_bytes(rng, data)
    if how < 0.13:
        return b"[" * _DEEP + b"]" * _DEEP
    try:
        return json.dumps(_damaged(rng, json.loads(data))).encode()
    except (ValueError, RecursionError):  # It was damaged before.
        return damage_bytes(rng, data)


def damage_card(rng: Random, data: bytes) -> bytes:
    """Return a model file with another card."""
    return _with_header(data, lambda header: _replace_card(rng, header))


def damage_header(rng: Random, data: bytes) -> bytes:
    """Return a model file whose header says something else about its tensors."""
    return _with_header(data, lambda header: _damaged(rng, header))


def _replace_card(rng: Random, header: dict[str, Any]) -> dict[str, Any]:
    text = header["__metadata__"][KEY].encode()
    for _ in range(rng.choice((1, 1, 2, 4))):
        text = damage_json(rng, text) if text[:1] == b"{" else text
    return {**header, "__metadata__": {KEY: text.decode("utf-8", "replace")}}


def _with_header(data: bytes, edit: Any) -> bytes:
    length = int.from_bytes(data[:8], "little")
    text = json.dumps(edit(json.loads(data[8 : 8 + length]))).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def _damaged(rng: Random, tree: Any) -> Any:
    """Return a tree with one of its nodes changed."""
    places = list(_places(tree))
    if not places:
        return rng.choice(_VALUES)
    parent, key = rng.choice(places)
    how = rng.random()
    if how < 0.4:
        parent[key] = rng.choice([v for v in _VALUES if type(v) is type(parent[key])] or _VALUES)
    elif how < 0.6:
        parent[key] = rng.choice(_VALUES)
    elif how < 0.75:
        del parent[key]
    elif how < 0.85:
        other, at = rng.choice(places)
        parent[key] = json.loads(json.dumps(other[at])) if at in other or isinstance(at, int) else None
    elif isinstance(parent, dict):
        parent["extra"] = parent[key]
    else:
        parent.extend([parent[key]] * rng.choice((1, 2, 1000)))
    return tree


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the parent and the key of every node below a tree."""
    keys = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in keys:
        yield tree, key
        yield from _places(value)
