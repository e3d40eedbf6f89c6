"""Samples and damage of MRC."""

import tempfile
from functools import cache
from pathlib import Path
from random import Random

import mrcfile
import numpy as np
from helpers.fuzz.case import Sample
from helpers.fuzz.values import packed


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
