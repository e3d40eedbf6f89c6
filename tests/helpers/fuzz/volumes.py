"""Samples and damage of NIfTI, NRRD, MetaImage and MRC, attached and detached, packed and plain."""

import gzip
import tempfile
import zlib
from functools import cache
from pathlib import Path
from random import Random

import mrcfile
import numpy as np
import SimpleITK as sitk  # noqa: N813

from helpers.fuzz.case import Sample, read_files
from helpers.fuzz.text import damage_lines
from helpers.fuzz.values import damage_bytes, packed, packed_zeros

# Place and length of the numbers in a header of NIfTI-1: dimensions, type, bits, spacings, offset, scale and pose.
_NIFTI_FIELDS = (
    *((40 + 2 * i, 2) for i in range(8)),
    (0, 4),
    (70, 2),
    (72, 2),
    *((76 + 4 * i, 4) for i in range(8)),
    (108, 4),
    (112, 4),
    (116, 4),
    (123, 1),
    (252, 2),
    (254, 2),
    *((256 + 4 * i, 4) for i in range(18)),
    (344, 4),
    (348, 4),
)
_NRRD_LINES = (
    b"data file: /etc/passwd",
    b"data file: ../b.raw",
    b"data file: LIST",
    b"data file: slice%03d.raw 0 1000000000 1",
    b"byte skip: -1",
    b"byte skip: 100000000000",
    b"line skip: 1000000000",
    b"encoding: ascii",
    b"encoding: gzip",
    b"encoding: hex",
    b"sizes: 60000 60000 60000",
    b"type: block",
    b"type: double",
    b"",
)
_META_LINES = (
    b"ElementDataFile = /etc/passwd",
    b"ElementDataFile = LIST",
    b"ElementDataFile = slice%d.raw 0 1000000000 1",
    b"CompressedData = True",
    b"BinaryData = False",
    b"HeaderSize = -1",
    b"CompressedDataSize = 1000000000000",
    b"ElementNumberOfChannels = 100000",
    b"DimSize = 60000 60000",
    b"ElementType = MET_DOUBLE",
    b"DimSize : 60000 60000",
)


@cache
def volume_samples() -> tuple[Sample, ...]:
    """Return small volumes in every form."""
    noise = np.random.default_rng(0).integers(0, 2000, (5, 12, 13)).astype("int16")
    vector = np.random.default_rng(0).random((6, 7, 2)).astype("float32")
    samples = []
    for number, (data, ending, packs) in enumerate(
        (d, e, p)
        for d in (noise, vector)
        for e in ("nii", "nii.gz", "nrrd", "nhdr", "mha", "mhd")
        for p in (False, True)
    ):
        with tempfile.TemporaryDirectory() as folder:
            name = f"v{number}.{ending}"
            volume = sitk.GetImageFromArray(data, isVector=data is vector)
            sitk.WriteImage(volume, Path(folder) / name, useCompression=packs)
            samples.append(Sample(name, read_files(Path(folder))))
    return tuple(samples)


def damage_nifti(rng: Random, data: bytes) -> bytes:
    """Return a NIfTI with one number of its header changed; what is zipped is zipped again, and may grow or lie."""
    if not data.startswith(b"\x1f\x8b"):
        place, size = rng.choice(_NIFTI_FIELDS)
        raw = bytearray(data)
        raw[place : place + size] = packed(rng, size, "<")
        return bytes(raw)
    try:
        plain = gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return damage_bytes(rng, data)
    how = rng.random()
    if how < 0.7:
        plain = damage_nifti(rng, plain)
    elif how < 0.8:
        plain = plain[: rng.randrange(len(plain))]
    elif how < 0.9:
        plain += bytes(2 * 10**7)
    zipped = gzip.compress(plain, 1, mtime=0)
    return zipped[:-4] + packed(rng, 4, "<") if how > 0.95 else zipped


def damage_nrrd(rng: Random, data: bytes) -> bytes:
    """Return an NRRD with a line of its header changed, or its data packed anew."""
    head, mark, pixels = data.partition(b"\n\n")
    if rng.random() < 0.2 and b"gzip" in head and mark:
        pixels = packed_zeros(rng.choice((0, 100, 2 * 10**7, 3 * 10**8)), gzip=True)
    return damage_lines(rng, head, _NRRD_LINES) + mark + pixels


def damage_meta(rng: Random, data: bytes) -> bytes:
    """Return a MetaImage with a line of its header changed, or its data packed anew."""
    end = data.find(b"\n", data.find(b"ElementDataFile")) + 1
    head, pixels = data[:end], data[end:]
    if rng.random() < 0.2 and b"CompressedData = True" in head and pixels:
        pixels = packed_zeros(rng.choice((0, 100, 2 * 10**7, 3 * 10**8)))
    return damage_lines(rng, head, _META_LINES) + pixels


@cache
def mrc_samples() -> tuple[Sample, ...]:
    """Return a volume, a stack and a plane."""
    noise = np.random.default_rng(0).random((4, 9, 10)).astype("float32")
    samples = []
    for name, data, is_stack in (("a.mrc", noise, False), ("b.mrcs", noise, True), ("c.rec", noise[0], False)):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x.mrc"
            with mrcfile.new(path) as file:
                file.set_data(data)
                file.voxel_size = 1.5
                if is_stack:
                    file.set_image_stack()
            # Two of the labels hold the date of writing.
            content = bytearray(path.read_bytes())
            content[224:1024] = bytes(800)
            samples.append(Sample(name, {name: bytes(content)}))
    return tuple(samples)


def damage_mrc(rng: Random, data: bytes) -> bytes:
    """Return a file with one number of its header changed."""
    raw = bytearray(data)
    at = 4 * rng.randrange(56)
    raw[at : at + 4] = packed(rng, 4, "<")
    return bytes(raw)
