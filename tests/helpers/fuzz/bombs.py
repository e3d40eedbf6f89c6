"""Small files that claim much: each was read, or took gigabytes before it was refused."""

import gzip
import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import tifffile

from helpers.fuzz.case import Sample
from helpers.fuzz.dicom import dicom_file
from helpers.fuzz.values import packed_zeros
from helpers.fuzz.zarrs import packed_array

_PLANE = np.random.default_rng(0).integers(0, 4000, (20, 24)).astype("uint16")


def bomb(name: str) -> Sample:
    """Return one of `BOMBS`."""
    main, content = BOMBS[name]()
    return Sample(main, content if isinstance(content, dict) else {main: content})


def _dicom_with_length(tag: int, length: int) -> bytes:
    """Return a file with an element, at the top or in a sequence, whose length is a lie."""
    data = bytearray(dicom_file(_PLANE, private=True, sequence=True))
    at = data.rfind(struct.pack("<HH", tag >> 16, tag & 0xFFFF))
    data[at + 4 : at + 12] = b"OB\0\0" + length.to_bytes(4, "little")
    return bytes(data)


def _nrrd(sizes: str, encoding: str, data: bytes) -> bytes:
    return f"NRRD0004\ntype: uint8\ndimension: 2\nsizes: {sizes}\nencoding: {encoding}\n\n".encode() + data


def _meta(shape: str, data: bytes, more: bytes = b"") -> bytes:
    head = f"ObjectType = Image\nNDims = 2\nBinaryData = True\nCompressedData = True\nDimSize = {shape}\n".encode()
    return head + more + b"ElementType = MET_UCHAR\nElementDataFile = LOCAL\n" + data


def _nifti_gz() -> bytes:
    """Return a zipped header that claims as many bytes as the end of the file does, and no pixels."""
    head = bytearray(352)
    struct.pack_into("<i8h", head, 0, 348, *(0,) * 8)
    struct.pack_into("<8h", head, 40, 3, 30_000, 30_000, 1, 1, 1, 1, 1)
    struct.pack_into("<2h", head, 70, 2, 8)
    struct.pack_into("<8f", head, 76, 1, 1, 1, 1, 1, 1, 1, 1)
    struct.pack_into("<f", head, 108, 352)
    head[344:348] = b"n+1\0"
    noise = np.random.default_rng(0).bytes(2_000_000)
    zipped = gzip.compress(bytes(head) + noise, 1, mtime=0)
    return zipped[:-4] + struct.pack("<I", 352 + 30_000 * 30_000)


def _mrc(nsymbt: int) -> bytes:
    head = bytearray(1024)
    struct.pack_into("<4i", head, 0, 10, 9, 4, 2)
    struct.pack_into("<i", head, 92, nsymbt)
    head[208:214] = b"MAP DD"
    return bytes(head) + bytes(1440)


def _png(width: int, height: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")

    head = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _bmp(edge: int) -> bytes:
    return struct.pack("<2s3I I2i2H6I", b"BM", 54 + 100, 0, 54, 40, edge, edge, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(100)


def _tiff(tags: dict[int, int], **options: Any) -> bytes:
    """Return a TIFF with the values of some tags replaced."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, _PLANE, photometric="minisblack", **options)
    data = bytearray(buffer.getvalue())
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        found = {tag.code: tag.offset for tag in file.pages[0].tags}
    for code, value in tags.items():
        struct.pack_into("<HII", data, found[code] + 2, 4, 1, value)
    return bytes(data)


def _ome(text: str, replacement: str) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, _PLANE, ome=True, metadata={"axes": "YX"})
    data = buffer.getvalue()
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        tag = file.pages[0].tags[270]
        changed = tag.value.encode().replace(text.encode(), replacement.encode()) + b"\0"
        at = tag.offset
    head = bytearray(data + changed)
    struct.pack_into("<II", head, at + 4, len(changed), len(data))
    return bytes(head)


def _zarr(codec: str, *, shape: bytes = b"", edge: int = 1, chunk: Callable[[bytes], bytes] | None = None) -> Any:
    """Return a folder with one chunk, whose metadata or chunk are replaced."""
    files = packed_array(codec)
    metadata, place = files["a.zarr/zarr.json"], "a.zarr/c/0/0"
    if shape:
        metadata = metadata.replace(b'"shape": [\n    20,\n    24\n  ]', b'"shape": ' + shape)
    metadata = metadata.replace(b"20", b"%d" % (20 * edge)).replace(b"24", b"%d" % (24 * edge))
    return "a.zarr", {"a.zarr/zarr.json": metadata, place: chunk(files[place]) if chunk else files[place]}


BOMBS: dict[str, Callable[[], tuple[str, Any]]] = {
    "DICOM of 65535 rows": lambda: ("a.dcm", dicom_file(_PLANE, Rows=65535, Columns=65535)),
    "DICOM with an element of 2 GB": lambda: ("a.dcm", _dicom_with_length(0x00091001, 0x7FFFFFF0)),
    "DICOM with 2 GB in a sequence": lambda: ("a.dcm", _dicom_with_length(0x00080100, 0x7FFFFFF0)),
    "NRRD of 60000 rows": lambda: ("a.nrrd", _nrrd("60000 60000", "raw", b"x" * 900)),
    "NRRD with fewer zeros than stated": lambda: ("a.nrrd", _nrrd("20000 20000", "gzip", gzip.compress(bytes(100)))),
    "MetaImage that unpacks to 300 MB": lambda: ("a.mha", _meta("16 16", packed_zeros(3 * 10**8))),
    "MetaImage of 60000 rows": lambda: ("a.mha", _meta("60000 60000", packed_zeros(1000))),
    "MetaImage with a packed terabyte": lambda: (
        "a.mha",
        _meta("16 16", packed_zeros(256), b"CompressedDataSize = 1000000000000\n"),
    ),
    "NIfTI whose length is a lie": lambda: ("a.nii.gz", _nifti_gz()),
    "MRC with a header of 2 GB": lambda: ("a.mrc", _mrc(nsymbt=2**31 - 1)),
    "PNG of 65535 rows": lambda: ("a.png", _png(65535, 65535, zlib.compress(bytes(1000)))),
    "BMP of 60000 rows": lambda: ("a.bmp", _bmp(60000)),
    "TIFF with one tile of 8 GB": lambda: ("a.tif", _tiff({322: 65520, 323: 65520}, tile=(16, 16), compression="zlib")),
    "TIFF of 2**31 rows": lambda: ("a.tif", _tiff({256: 2**31 - 1, 257: 2**31 - 1})),
    "OME-TIFF of 10**9 planes": lambda: ("a.ome.tif", _ome('SizeZ="1"', 'SizeZ="1000000000"')),
    "OME-TIFF with a list of 10**9": lambda: ("a.ome.tif", _ome('PlaneCount="1"', 'PlaneCount="1000000000"')),
    "zarr of 2**64 pixels": lambda: _zarr("blosc", shape=b"[4294967296, 4294967296]"),
    "zarr with a chunk of 96 GB": lambda: _zarr("blosc", edge=10_000),
    "zarr with Blosc of 2 GB": lambda: _zarr("blosc", chunk=lambda c: c[:4] + b"\xff\xff\xff\x7f" + c[8:]),
    "zarr with zstd of 2**60 bytes": lambda: _zarr(
        "zstd", chunk=lambda _: b"\x28\xb5\x2f\xfd\xc0\x40" + (2**60).to_bytes(8, "little") + bytes(20)
    ),
    "zarr that unpacks to 300 MB": lambda: _zarr("gzip", chunk=lambda _: packed_zeros(3 * 10**8, gzip=True)),
}
"""What makes each file, as its name and content, or as the name of its folder and the contents of the files in it."""
