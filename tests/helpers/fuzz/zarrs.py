"""Samples and damage of zarr: versions 2 and 3, plain and OME, sharded, with several codecs."""

import tempfile
import warnings
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numcodecs
import numpy as np
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec

from helpers.fuzz.case import Sample, read_files
from helpers.fuzz.values import damage_bytes, packed, packed_zeros
from napari_superres.core.image import Image
from napari_superres.io import write_image

_DATA = np.random.default_rng(0).integers(0, 1000, (2, 20, 24)).astype("uint16")


@cache
def zarr_samples() -> tuple[Sample, ...]:
    """Return small arrays and images in every form."""
    v3: dict[str, Any] = {"zarr_format": 3, "chunks": (1, 10, 12)}
    ways: tuple[dict[str, Any], ...] = (
        {**v3, "compressors": None},
        {**v3, "compressors": [BloscCodec(), Crc32cCodec()]},
        {**v3, "compressors": [GzipCodec()]},
        {**v3, "compressors": [ZstdCodec()], "chunks": (1, 5, 6), "shards": (1, 10, 12)},
        {"zarr_format": 2, "chunks": (1, 10, 12), "compressors": numcodecs.Blosc()},
        {"zarr_format": 2, "chunks": (2, 20, 24), "compressors": numcodecs.Zlib()},
        {"zarr_format": 2, "chunks": (1, 10, 12), "compressors": numcodecs.LZ4()},
    )
    samples = []
    for number, way in enumerate(ways):
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            name = f"z{number}.zarr"
            zarr.create_array(str(Path(folder, name)), shape=_DATA.shape, dtype=_DATA.dtype, **way)[...] = _DATA
            samples.append(Sample(name, read_files(Path(folder))))
    for name, data, axes in (
        ("i.ome.zarr", _DATA, "CYX"),
        ("s.ome.zarr", _DATA.astype("uint8").T[..., [0, 0, 1]], "YXS"),
    ):
        with tempfile.TemporaryDirectory() as folder:
            write_image(Image.from_array(data, axes, pixel_size=0.1), Path(folder) / name)
            samples.append(Sample(name, {k: v for k, v in read_files(Path(folder)).items() if "provenance" not in k}))
    return tuple(samples)


def packed_array(codec: str) -> dict[str, bytes]:
    """Return the files of ``a.zarr``: one chunk of 20 x 24 pixels, packed by the codec."""
    codecs: dict[str, Any] = {"blosc": BloscCodec(), "zstd": ZstdCodec(), "gzip": GzipCodec()}
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "a.zarr"))
        zarr.create_array(path, data=_DATA[0], chunks=(20, 24), compressors=[codecs[codec]])
        return read_files(Path(folder))


def damage_chunk(rng: Random, data: bytes) -> bytes:
    """Return a chunk with a number of its header changed, cut off, or packed anew as something larger."""
    how = rng.random()
    if how < 0.5:
        raw, at = bytearray(data), rng.choice((0, 1, 2, 3, 4, 8, 12, 16, 20))
        size = rng.choice((1, 4, 8))
        raw[at : at + size] = packed(rng, size, "<")
        return bytes(raw)
    if how < 0.6:
        # The index of a shard is at its end.
        raw, back = bytearray(data), rng.choice((4, 12, 20, 28, 36))
        raw[-back : len(raw) - back + 8] = packed(rng, 8, "<")
        return bytes(raw)
    if how < 0.75:
        return packed_zeros(rng.choice((10**5, 2 * 10**7, 3 * 10**8)), gzip=data[:2] == b"\x1f\x8b")
    return damage_bytes(rng, data)
