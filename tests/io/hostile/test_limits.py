"""What any file may make the program do: the layer `limits`."""

import bz2
import gzip
import io
import json
import lzma
import os
import zlib
from pathlib import Path

import numpy as np
import pytest

from napari_superres.core.image import Image
from napari_superres.errors import AxesError
from napari_superres.io.lazy import LazyArray
from napari_superres.limits import SPARE_BYTES, most_bytes, parse_json, parse_toml, read_json, unpacked_length

PACKERS = {"zlib": zlib.compress, "gzip": gzip.compress, "bz2": bz2.compress, "lzma": lzma.compress}


@pytest.mark.parametrize("codec", PACKERS)
@pytest.mark.parametrize("data", [b"", b"abc" * 1000, bytes(10**7), np.random.default_rng(0).bytes(10**5)])
def test_the_length_of_packed_data_is_counted(codec, data):
    packed = PACKERS[codec](data)
    for limit in (len(data), len(data) + 10, 10**9):
        assert unpacked_length(io.BytesIO(packed), codec, limit) == len(data)
    assert unpacked_length(io.BytesIO(packed), codec, len(data) - 1) == len(data)
    with pytest.raises(EOFError):
        unpacked_length(io.BytesIO(packed[:-1]), codec, 10**9)


def test_no_packer_exceeds_its_bound():
    zeros = bytes(5 * 10**7)
    assert most_bytes(len(zlib.compress(zeros, 9)), "deflate") >= len(zeros)
    assert most_bytes(1000) == 1000
    assert most_bytes(0, "deflate") == SPARE_BYTES


@pytest.mark.parametrize(
    "deep", ["[" * 200_000, '{"a":' * 200_000, "[" * 900 + "]" * 900, '{"a":' * 500 + "1" + "}" * 500]
)
def test_deep_json_is_an_ordinary_error(deep):
    with pytest.raises(ValueError, match=r"nested|Expecting"):
        parse_json(deep)


def test_json_that_is_written_here_is_read():
    value = {"a": [[[1, 2.5, None, True, "é"]]], "b": {"c": {}}, "large": 2**63 - 1, "small": -(2**63)}
    assert parse_json(json.dumps(value)) == value
    for wrong in (b"\xff", "{", "1" * 100, "[" + "9" * 5000 + "]", f"[{2**64}]"):
        with pytest.raises(ValueError, match=r"."):
            parse_json(wrong)


def test_deep_toml_is_an_ordinary_error():
    assert parse_toml("a = [1, 2]\n[b]\nc = 1.5") == {"a": [1, 2], "b": {"c": 1.5}}
    for wrong in ("x = " + "[" * 5000, "x = " + "[" * 300 + "]" * 300, "x = " + "9" * 100, "x ="):
        with pytest.raises(ValueError, match=r"."):
            parse_toml(wrong)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_json_is_read_from_files_alone(tmp_path: Path):
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(OSError, match="pipe"):
        read_json(tmp_path / "a.json")


class Endless(LazyArray):
    """An array that is never read."""

    def read_box(self, box):
        raise AssertionError(f"nothing reads {box}")


def test_sizes_do_not_overflow():
    assert Endless((2**32, 2**32), "uint8").nbytes == 2**64
    with pytest.raises(AxesError, match=r"fewer than 2\*\*63 bytes, got the shape \(4294967296, 4294967296\)"):
        Image.from_array(Endless((2**32, 2**32), "uint8"), "YX")
    assert Image.from_array(Endless((2**31, 2**31), "uint8"), "YX").shape == (2**31, 2**31)
