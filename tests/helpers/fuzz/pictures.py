"""Samples and damage of PNG, JPEG and BMP."""

import io
import zlib
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Any

import numpy as np
from PIL import Image as Pillow

from helpers.fuzz.case import Sample
from helpers.fuzz.values import damage_bytes, packed

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@cache
def picture_samples() -> tuple[Sample, ...]:
    """Return pictures in every mode that is read."""
    rng = np.random.default_rng(0)
    colour = Pillow.fromarray(rng.integers(0, 255, (24, 32, 3)).astype("uint8"))
    deep = Pillow.fromarray(rng.integers(0, 65535, (24, 32)).astype("uint16"))
    pictures: dict[str, tuple[Any, dict[str, Any]]] = {
        "a.png": (colour, {}),
        "b.png": (colour.convert("P"), {"transparency": 3}),
        "c.png": (colour.convert("LA"), {}),
        "d.png": (deep, {}),
        "e.png": (colour.convert("1"), {}),
        "f.jpg": (colour, {"quality": 80}),
        "g.jpg": (colour, {"quality": 80, "progressive": True, "subsampling": 2}),
        "h.jpg": (colour.convert("CMYK"), {}),
        "i.jpeg": (colour.convert("L"), {"restart_marker_blocks": 1}),
        "j.bmp": (colour, {}),
        "k.bmp": (colour.convert("P"), {}),
        "l.bmp": (colour.convert("1"), {}),
    }
    samples = []
    for name, (picture, options) in pictures.items():
        buffer = io.BytesIO()
        picture.save(buffer, {"png": "PNG", "bmp": "BMP"}.get(name[-3:], "JPEG"), **options)
        samples.append(Sample(name, {name: buffer.getvalue()}))
    return tuple(samples)


def damage_png(rng: Random, data: bytes) -> bytes:
    """Return a PNG with a chunk changed, removed, repeated or packed anew, and correct checksums."""
    chunks = list(_chunks(data))
    if len(chunks) < 2:
        return damage_bytes(rng, data)
    at = rng.randrange(len(chunks))
    kind, content = chunks[at]
    how = rng.random()
    if how < 0.35:
        header = bytearray(chunks[0][1])
        place = rng.choice((0, 4, 8, 9, 10, 11, 12))
        size = 4 if place < 8 else 1
        header[place : place + size] = packed(rng, size, ">")
        chunks[0] = (chunks[0][0], bytes(header))
    elif how < 0.45:
        del chunks[at]
    elif how < 0.55:
        chunks.insert(rng.randrange(len(chunks)), chunks[at])
    elif how < 0.75:
        chunks[at] = (kind, damage_bytes(rng, content))
    elif how < 0.95:
        rows = b"".join(c for k, c in chunks if k == b"IDAT")
        rest = [c for c in chunks if c[0] != b"IDAT"]
        chunks = [*rest[:-1], (b"IDAT", _packed_again(rng, rows)), rest[-1] if rest else (b"IEND", b"")]
    else:
        bomb = b"a\0\0" + zlib.compress(bytes(2 * 10**7), 1)
        chunks.insert(1, (rng.choice((b"zTXt", b"iCCP")), bomb))
    return _SIGNATURE + b"".join(_chunk(*c) for c in chunks)


def damage_jpeg(rng: Random, data: bytes) -> bytes:
    """Return a JPEG with other numbers in its frame, a segment removed or repeated, or its scan cut off."""
    starts = [
        i for i in range(2, len(data) - 4) if data[i] == 0xFF and data[i + 1] not in (0, 0xFF, *range(0xD0, 0xDA))
    ]
    raw, how = bytearray(data), rng.random()
    if how < 0.4 or not starts:
        frames = [i for i in starts if data[i + 1] in (0xC0, 0xC1, 0xC2)]
        if frames:
            place, size = rng.choice(((4, 1), (5, 2), (7, 2), (9, 1), (11, 1)))
            raw[frames[0] + place : frames[0] + place + size] = packed(rng, size, ">")
    elif how < 0.7:
        at = rng.choice(starts)
        length = 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        raw[at : at + length] = b"" if rng.random() < 0.5 else data[at : at + length] * rng.choice((2, 20))
    elif how < 0.9:
        raw = raw[: rng.randrange(len(raw) // 3, len(raw))] + b"\xff\xd9"
    else:
        at = rng.choice(starts)
        raw[at + 2 : at + 4] = packed(rng, 2, ">")
    return bytes(raw)


def damage_bmp(rng: Random, data: bytes) -> bytes:
    """Return a BMP with one number of its header changed."""
    place, size = rng.choice(((10, 4), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2), (30, 4), (46, 4)))
    raw = bytearray(data)
    raw[place : place + size] = packed(rng, size, "<")
    return bytes(raw)


def _packed_again(rng: Random, rows: bytes) -> bytes:
    try:
        plain = zlib.decompress(rows)
    except zlib.error:
        return rows
    how = rng.randrange(4)
    if how == 0:
        plain = plain[: rng.randrange(len(plain) + 1)]
    elif how == 1:
        plain += bytes(rng.choice((1, 1000, 2 * 10**7)))
    elif how == 2:
        plain = damage_bytes(rng, plain)
    whole = zlib.compress(plain, 1)
    return whole[: rng.randrange(len(whole))] if how == 3 else whole


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length


def _chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")
