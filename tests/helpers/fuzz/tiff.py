"""Samples and damage of TIFF: classic and BigTIFF, OME, ImageJ and plain, tiled, compressed in several ways."""

import io
import struct
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Any, NamedTuple

import numpy as np
import tifffile

from helpers.fuzz.case import Sample
from helpers.fuzz.text import damage_lines
from helpers.fuzz.values import packed

_VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_CODES = (254, 256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 317, 322, 323, 324, 325, 330, 338, 339, 347, 50838)
_DESCRIPTION = 270
_XML = (
    b'<TiffData IFD="0" PlaneCount="1000000000"/>',
    b'<TiffData IFD="0"><UUID FileName="../../etc/passwd">urn:uuid:1</UUID></TiffData>',
    b'<TiffData IFD="0"><UUID FileName="/dev/zero">urn:uuid:2</UUID></TiffData>',
    b"images=1000000000",
    b'{"shape": [1000000, 1000000, 40]}',
)


class _Entry(NamedTuple):
    """A tag in the file: where its entry begins, its type, the number of its values, and where they are."""

    at: int
    code: int
    kind: int
    number: int
    value: int


class _Form(NamedTuple):
    """Byte order, and the sizes of an entry, of a number of entries and of an offset."""

    order: str
    entry: int
    number: int
    offset: int


@cache
def tiff_samples() -> tuple[Sample, ...]:
    """Return one small file for each way of writing TIFF."""
    rng = np.random.default_rng(0)
    plane, volume = rng.integers(0, 60000, (40, 50)).astype("uint16"), rng.integers(0, 255, (3, 2, 20, 24)).astype("u1")
    colour = rng.integers(0, 255, (48, 64, 3)).astype("uint8")
    tiles: dict[str, Any] = {"tile": (16, 16), "photometric": "minisblack"}
    ome = {"axes": "ZCYX", "PhysicalSizeX": 0.1, "PhysicalSizeY": 0.1, "Channel": {"Name": ["a", "b"]}}
    ways: tuple[tuple[str, Any, dict[str, Any]], ...] = (
        ("a.tif", plane, {}),
        ("b.tif", plane, {"compression": "zlib", "predictor": True, **tiles}),
        ("c.tif", plane, {"compression": "lzw", "rowsperstrip": 7, "byteorder": ">"}),
        ("d.tif", plane, {"compression": "zstd", "bigtiff": True, **tiles}),
        ("e.tif", colour, {"compression": "jpeg", "photometric": "rgb", "tile": (32, 32)}),
        ("f.tif", colour, {"compression": "packbits", "photometric": "rgb", "planarconfig": "contig"}),
        ("g.tif", plane.astype("float32"), {"resolution": (30, 30)}),
        ("h.ome.tif", volume, {"ome": True, "metadata": ome, "photometric": "minisblack"}),
        ("i.ome.tif", volume, {"ome": True, "metadata": ome, "compression": "zlib", **tiles}),
        ("j.tif", volume, {"imagej": True, "metadata": {"axes": "ZCYX", "spacing": 0.3, "unit": "um"}}),
        ("k.tif", plane // 16, {"photometric": "minisblack", "bitspersample": 12}),
        ("l.tif", volume[:, 0], {"photometric": "minisblack", "compression": "jpeg2000", "metadata": None}),
    )
    return tuple(Sample(name, {name: _written(data, options)}) for name, data, options in ways)


def _written(data: Any, options: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    options = {k: v for k, v in options.items() if v is not None or k == "metadata"}
    tifffile.imwrite(buffer, data, software="", **options)
    return buffer.getvalue()


def damage_tags(rng: Random, data: bytes) -> bytes:
    """Return a file with one field of one tag changed, or one element of its value."""
    entries = list(_entries(data))
    if not entries:
        return data[: len(data) // 2]
    entry, form = rng.choice(entries), _form(data)
    raw = bytearray(data)
    how = rng.random()
    if how < 0.15:
        raw[entry.at : entry.at + 2] = rng.choice(_CODES).to_bytes(2, "little" if form.order == "<" else "big")
    elif how < 0.25:
        raw[entry.at + 2 : entry.at + 4] = packed(rng, 2, form.order)
    elif how < 0.4:
        raw[entry.at + 4 : entry.at + 4 + form.offset] = packed(rng, form.offset, form.order)
    else:
        size = _VALUE_BYTES.get(entry.kind, 1)
        place = entry.value + size * rng.randrange(max(1, min(entry.number, 64)))
        if place + size <= len(raw):
            raw[place : place + size] = packed(rng, min(size, 8), form.order)
    return bytes(raw)


def damage_description(rng: Random, data: bytes) -> bytes:
    """Return a file whose description, such as OME-XML, is changed and moved to the end."""
    form = _form(data)
    found = next((e for e in _entries(data) if e.code == _DESCRIPTION), None)
    if found is None:
        return damage_tags(rng, data)
    text = data[found.value : found.value + found.number].rstrip(b"\0")
    if rng.random() < 0.2:
        deep = rng.choice((500, 20_000))
        text = text.replace(b"<Image", b"<a>" * deep + b"</a>" * deep + b"<Image", 1)
    # XML is one line: damage to lines shall find its elements.
    changed = damage_lines(rng, text.replace(b"><", b">\n<"), _XML) + b"\0"
    raw = bytearray(data + changed)
    width = form.offset
    raw[found.at + 4 : found.at + 4 + width] = len(changed).to_bytes(width, "little" if form.order == "<" else "big")
    at = found.at + 4 + width
    raw[at : at + width] = len(data).to_bytes(width, "little" if form.order == "<" else "big")
    return bytes(raw)


def damage_chain(rng: Random, data: bytes) -> bytes:
    """Return a file whose first page is said to be elsewhere, or whose pages follow each other in a circle."""
    form = _form(data)
    raw = bytearray(data)
    last = max((e.at + form.entry for e in _entries(data)), default=8)
    at = rng.choice((4 if form.offset == 4 else 8, last))
    target = rng.choice((8, 16, rng.randrange(len(data)), len(data) - 1, 2**31))
    raw[at : at + form.offset] = target.to_bytes(form.offset, "little" if form.order == "<" else "big")
    return bytes(raw)


def _form(data: bytes) -> _Form:
    order = ">" if data[:2] == b"MM" else "<"
    return _Form(order, 20, 8, 8) if b"+" in data[2:4] else _Form(order, 12, 2, 4)


def _entries(data: bytes) -> Iterator[_Entry]:
    """Yield the tags of all pages, as far as they can be followed."""
    form, seen = _form(data), set[int]()
    code = {2: "H", 4: "I", 8: "Q"}

    def number(at: int, size: int) -> int:
        part = data[at : at + size]
        return int(struct.unpack(form.order + code[size], part)[0]) if len(part) == size else 0

    page = number(4 if form.offset == 4 else 8, form.offset)
    while page and page not in seen and page < len(data) and len(seen) < 50:
        seen.add(page)
        count = min(number(page, form.number), 200)
        for at in range(page + form.number, page + form.number + count * form.entry, form.entry):
            kind, values = number(at + 2, 2), number(at + 4, form.offset)
            inline = values * _VALUE_BYTES.get(kind, 1) <= form.offset
            place = at + 4 + form.offset
            yield _Entry(at, number(at, 2), kind, values, place if inline else number(place, form.offset))
        page = number(page + form.number + count * form.entry, form.offset)
