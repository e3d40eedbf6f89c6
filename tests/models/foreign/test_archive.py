"""Hostile and damaged archives: each gives one clear line, and nothing is written outside the folder."""

import stat
import struct
import warnings
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest

from napari_superres.errors import ModelFileError
from napari_superres.models.foreign.archive import unpack


def member(name, mode=0o100644):
    info = ZipInfo(name)
    info.external_attr = mode << 16
    return info


def patched(content, at, value):
    """Return an archive with bytes of its central directory's first entry replaced."""
    start = content.index(b"PK\x01\x02") + at
    return content[:start] + value + content[start + len(value) :]


def archive(*members):
    content = BytesIO()
    with ZipFile(content, "w", ZIP_DEFLATED) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names that are there twice
        for info, data in members:
            file.writestr(info, data, ZIP_DEFLATED)
    return content.getvalue()


def huge():
    content = archive((member("a"), b"1"), (member("b"), b"1"))
    first = content.index(b"PK\x01\x02")
    content = patched(content, 24, struct.pack("<I", 3 * 2**30))
    return content[: first + 4] + patched(content[first + 4 :], 24, struct.pack("<I", 3 * 2**30))


GOOD = archive((member("a"), b"0123456789"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (archive((member("/tmp/evil"), b"")), "'/tmp/evil' has an absolute path"),
        (archive((member("C:evil"), b"")), "a drive"),
        (archive((member("..\\evil"), b"")), "backslash"),
        (archive((member("../evil"), b"")), "'../evil' leads out of"),
        (archive((member("a"), b""), (member("b/../../evil"), b"")), "leads out of"),
        (archive((member("a", stat.S_IFLNK | 0o777), b"/etc/passwd")), "is a link"),
        (archive((member("a"), b"1"), (member("a"), b"2")), "'a' occurs twice"),
        (archive((member("a"), b"1"), (member("A"), b"2")), "'A' occurs twice"),
        (archive((member("a" * 201), b"")), "more than 200 characters"),
        (archive((member("a"), bytes(3 * 2**20))), "grows more than 200 times"),
        (archive(*((member(str(i)), b"") for i in range(1001))), "holds 1001 files"),
        (patched(GOOD, 8, struct.pack("<H", 1)), "is encrypted"),
        (patched(GOOD, 24, struct.pack("<I", 0xFFFFFFFE)), "grows more than 200 times"),
        (patched(archive(*((member(n), b"0123456789") for n in "ab")), 24, struct.pack("<I", 4)), "damaged"),
        (huge(), r"would take 6\.0 GiB when unpacked"),
        (patched(GOOD, 24, struct.pack("<I", 40)), "damaged"),
        (patched(GOOD, 10, struct.pack("<H", 77)), "damaged"),
        (archive((member("a"), b"1"), (member("a/b"), b"2")), "damaged"),
        (GOOD[:-10], "not a zip file or is damaged"),
        (b"", "not a zip file or is damaged"),
        (b"GIF89a", "not a zip file or is damaged"),
    ],
)
def test_hostile_archives(tmp_path, content, message):
    path, into = tmp_path / "evil.zip", tmp_path / "inside" / "into"
    into.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=message) as error:
        unpack(path, into)
    assert "\n" not in str(error.value)
    outside = {p for p in tmp_path.rglob("*") if not p.is_relative_to(into)}
    assert outside == {path, into.parent}


def test_a_good_archive(tmp_path):
    path = tmp_path / "good.zip"
    path.write_bytes(archive((member("folder/"), b""), (member("folder/a"), b"123"), (member("b"), bytes(1000))))
    (tmp_path / "into").mkdir()
    unpack(path, tmp_path / "into")
    assert (tmp_path / "into" / "folder" / "a").read_bytes() == b"123"
    assert (tmp_path / "into" / "b").read_bytes() == bytes(1000)
