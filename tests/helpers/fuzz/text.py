"""Damage to text that consists of lines, such as the headers of NRRD and MetaImage, OME-XML and TOML."""

import re
from random import Random

from helpers.fuzz.values import FLOATS, NAMES, damage_bytes, integer

_NUMBER = re.compile(rb"-?\d+(\.\d+)?([eE][-+]?\d+)?")


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
