"""Files are put in place all together or not at all, by one writer; what cannot be written is known before."""

import errno
import os
import shutil
import socket
from pathlib import Path

import pytest

from napari_superres.errors import OutputError, OutputExistsError
from napari_superres.storage import atomic
from napari_superres.storage.atomic import check_writable, one_writer, put_in_place, replacing, write_text


def texts(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def write(folder: Path, main: str | None, record: str | None, *, as_folder: bool = False) -> None:
    """Write a file (or a folder of one file) and its record."""
    with replacing(folder / "x", folder / "x.json") as (temporary, temporary_record):
        if record is not None:
            temporary_record.write_text(record)
        if main is not None and as_folder:
            temporary.mkdir()
            (temporary / "inner").write_text(main)
        elif main is not None:
            temporary.write_text(main)


@pytest.mark.parametrize("as_folder", [False, True])
def test_a_file_and_its_record_are_replaced_together(as_folder: bool, tmp_path: Path) -> None:
    name = "x/inner" if as_folder else "x"
    write(tmp_path, "old", "of old", as_folder=as_folder)
    write(tmp_path, "new", "of new", as_folder=as_folder)
    assert texts(tmp_path) == {name: "new", "x.json": "of new"}
    write(tmp_path, "newer", None, as_folder=as_folder)
    assert texts(tmp_path) == {name: "newer"}, "a record of what was replaced would lie"
    write(tmp_path, None, "of nothing", as_folder=as_folder)
    assert texts(tmp_path) == {name: "newer"}


@pytest.mark.parametrize("as_folder", [False, True])
@pytest.mark.parametrize("record", [None, "of new"])
@pytest.mark.parametrize("there", [False, True])
def test_a_rename_that_fails_changes_nothing(
    there: bool, record: str | None, as_folder: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The n-th rename fails, for every n."""
    if there:
        write(tmp_path, "old", "of old", as_folder=as_folder)
    before, calls, rename = texts(tmp_path), 0, Path.replace

    for failing in range(10):

        def fail(self: Path, target: Path, failing: int = failing) -> Path:
            nonlocal calls
            calls += 1
            if calls == failing + 1:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return rename(self, target)

        calls = 0
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", fail)
            try:
                write(tmp_path, "new", record, as_folder=as_folder)
            except OutputError:
                assert texts(tmp_path) == before
            else:
                break
    assert failing >= 1 + (record is not None)
    assert texts(tmp_path) == {"x/inner" if as_folder else "x": "new", **({"x.json": record} if record else {})}


def test_a_disk_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    for text in ("old", "new"):
        write(tmp_path, text, f"of {text}")
    assert texts(tmp_path) == {"x": "new", "x.json": "of new"}


def test_files_are_on_the_disk_before_they_get_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a power failure, a name whose file was not flushed would belong to an empty file."""
    flushed, fsync, rename = set(), os.fsync, Path.replace

    def watch(handle: int) -> None:
        flushed.add(os.fstat(handle).st_ino)
        fsync(handle)

    def check(self: Path, target: Path) -> Path:
        assert self.stat().st_ino in flushed
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", watch)
    monkeypatch.setattr(Path, "replace", check)
    write(tmp_path, "new", "of new")
    assert tmp_path.stat().st_ino in flushed


@pytest.mark.parametrize("name", ["x", "x.json"])
def test_a_folder_is_not_replaced_by_a_file(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "thesis").write_text("years")
    with pytest.raises(OutputError, match="is a directory"):
        write(tmp_path, "new", "of new")
    assert texts(tmp_path) == {f"{name}/thesis": "years"}


def test_devices_and_pipes_are_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(tmp_path)  # the address of a socket must be short
        listening.bind("socket")
        for path in (tmp_path / "pipe", tmp_path / "socket", Path(os.devnull)):
            for refuse in (lambda p: write_text(p, "x"), check_writable):
                with pytest.raises(OutputError, match="device or a pipe, which is never replaced"):
                    refuse(path)
            assert not path.is_file()


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with one_writer(tmp_path / "x.tif"), one_writer(tmp_path / "x.png"):
        for _ in range(2):
            with pytest.raises(OutputExistsError, match="being written by another run"), one_writer(tmp_path / "x.tif"):
                pass
    with one_writer(tmp_path / "x.tif"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_disk_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with one_writer(tmp_path / "x.tif"):
        pass


def test_what_cannot_be_written_is_known_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    check_writable(tmp_path / ("x" * 255))
    refused = {
        tmp_path / "gone" / "x": r"does not exist. Create it first",
        tmp_path / "file" / "x": "is a file, not a folder",
        tmp_path / ("x" * 256): "is too long",
        tmp_path / ("ü" * 128): "256 bytes, and the disk allows 255",
        tmp_path / ("d" * 300) / "x": "name is too long",
        Path("/proc/x"): "stores no files",
    }
    for path, message in refused.items():
        with pytest.raises(OutputError, match=message):
            check_writable(path)
    with pytest.raises(OutputError, match=r"x\.provenance\.json is too long: it has 256 bytes"):
        check_writable(tmp_path / ("x" * 240), longest=".provenance.json")
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=0))
        with pytest.raises(OutputError, match="is full"):
            check_writable(tmp_path / "x")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match="may not be written"):
        check_writable(tmp_path / "x")


def test_names_that_are_no_text(tmp_path: Path) -> None:
    """Libraries that write see plain names; texts hold the bytes as escapes."""
    target = tmp_path / os.fsdecode(b"caf\xe9 \xf0\x9f\x94\xac.json")
    with replacing(target) as (temporary,):
        assert temporary.name.isascii()
        assert temporary.suffix == ".json"
        temporary.write_text("x")
    write_text(target, f'"{target.name}"')
    assert target.read_text() == r'"caf\udce9 🔬.json"'


def test_what_is_set_aside_is_gone_in_the_end(tmp_path: Path) -> None:
    for name in ("made", "target"):
        (tmp_path / name).write_text(name)
    put_in_place([(tmp_path / "made", tmp_path / "target", tmp_path / "aside")])
    assert texts(tmp_path) == {"target": "made"}
    assert atomic.PARTIAL not in str(list(tmp_path.iterdir()))
