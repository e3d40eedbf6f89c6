"""Damage to text: to JSON, as a tree and as text, and to what consists of lines, such as headers, XML and TOML."""

import json
import re
from collections.abc import Callable
from random import Random
from typing import Any

from helpers.fuzz.values import FLOATS, NAMES, damage_bytes, integer

_NUMBER = re.compile(rb"-?\d+(\.\d+)?([eE][-+]?\d+)?")


def any_value(rng: Random) -> Any:
    """Return a value of any type that JSON knows, often one that is not expected."""
    choices: tuple[Callable[[], Any], ...] = (
        lambda: None,
        lambda: rng.random() < 0.5,
        lambda: integer(rng),
        lambda: rng.choice(FLOATS),
        lambda: rng.choice(NAMES),
        lambda: [],
        lambda: {},
        lambda: [integer(rng) for _ in range(rng.randrange(6))],
        lambda: {"a": any_value(rng)},
        lambda: str(integer(rng)),
    )
    return rng.choice(choices)()


def damage_tree(rng: Random, tree: Any) -> Any:
    """Return a tree of lists and dictionaries with one node replaced, removed, repeated, or added."""
    places = list(_places(tree))
    if not places:
        return any_value(rng)
    parent, key = rng.choice(places)
    how = rng.random()
    value = parent[key]
    if how < 0.5:
        number = isinstance(value, int | float) and rng.random() < 0.6
        parent[key] = (integer(rng) if rng.random() < 0.7 else rng.choice(FLOATS)) if number else any_value(rng)
    elif how < 0.7:
        del parent[key]
    elif how < 0.8 and isinstance(parent, dict):
        parent[rng.choice((*parent, "extra"))] = value
    elif how < 0.9 and isinstance(parent, list):
        parent.extend([value] * rng.choice((1, 2, 100)))
    elif isinstance(value, str):
        parent[key] = value + rng.choice(("é\u202e\x1b[31m", "/../x", "0", " " * 500))
    else:
        parent[key] = [value]
    return tree


def damage_json(rng: Random, data: bytes) -> bytes:
    """Return a JSON text with its tree damaged, nested without end, or its bytes damaged."""
    how = rng.random()
    if how < 0.1:
        return damage_bytes(rng, data)
    if how < 0.13:
        deep = rng.choice((90, 500, 990, 5000, 200_000))
        return b'{"a":' * deep + b"1" + b"}" * deep if rng.random() < 0.5 else b"[" * deep + b"]" * deep
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return damage_bytes(rng, data)
    return json.dumps(damage_tree(rng, tree), ensure_ascii=rng.random() < 0.5).encode("utf-8", "replace")


def damage_json_lines(rng: Random, data: bytes) -> bytes:
    """Return lines of JSON with one damaged, removed, repeated or moved."""
    lines = data.splitlines()
    if not lines:
        return damage_bytes(rng, data)
    at = rng.randrange(len(lines))
    how = rng.randrange(5)
    if how <= 1:
        lines[at] = damage_json(rng, lines[at]).replace(b"\n", b" ")
    elif how == 2:
        del lines[at]
    elif how == 3:
        lines.insert(rng.randrange(len(lines)), lines[at])
    else:
        rng.shuffle(lines)
    end = b"\n" if rng.random() < 0.8 else b""
    return b"\n".join(lines) + end


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Return the container and the key or index of every node of a tree."""
    found: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else []
        for key in keys:
            found.append((node, key))
            waiting.append(node[key])
    return found


def damage_numbers(rng: Random, text: bytes) -> bytes:
    """Return a text with one of its numbers replaced by another; without numbers, with its bytes damaged."""
    numbers = list(_NUMBER.finditer(text))
    if not numbers:
        return damage_bytes(rng, text)
    found = rng.choice(numbers)
    value = str(integer(rng) if rng.random() < 0.8 else rng.choice(FLOATS)).encode()
    if rng.random() < 0.1:
        value = b"9" * rng.choice((20, 400, 5000))
    return text[: found.start()] + value + text[found.end() :]


def damage_lines(rng: Random, text: bytes, added: tuple[bytes, ...] = ()) -> bytes:
    """Return a text with a number, a line or a value changed, or one of the lines `added` put in."""
    lines = text.split(b"\n")
    at = rng.randrange(len(lines))
    how = rng.random()
    if how < 0.4:
        return damage_numbers(rng, text)
    if how < 0.5:
        del lines[at]
    elif how < 0.6:
        lines.insert(rng.randrange(len(lines)), lines[at])
    elif how < 0.8 and added:
        lines.insert(rng.randrange(len(lines)), rng.choice(added))
    elif how < 0.9:
        mark = re.search(rb"[:=]", lines[at])
        if mark:
            lines[at] = lines[at][: mark.end()] + b" " + rng.choice(NAMES).encode()
    else:
        return damage_bytes(rng, text)
    return b"\n".join(lines)
