"""A disk that fails or loses its power: errors at chosen changes of a folder, and what a crash would leave of it."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

Image = dict[str, bytes]
"""What is in a folder after a crash: the content of each file, by its path in the folder."""

_CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "os.link", "os.symlink"}
_watch: Callable[[str, str], None] | None = None


def _hook(event: str, given: tuple[object, ...]) -> None:
    if _watch is None:
        return
    if event == "open":
        flags = given[2]
        if isinstance(flags, int) and flags & os.O_ACCMODE:
            _watch(event, str(given[0]))
    elif event in _CHANGES:
        _watch(event, os.fsdecode(given[0]) if isinstance(given[0], bytes | str | os.PathLike) else "")


@contextmanager
def watching(folder: Path, watch: Callable[[str], None]) -> Iterator[None]:
    """Call a function just before each change in a folder and before each flush, with the name of the event.

    An error that the function raises is the error of the change.
    """
    global _watch  # noqa: PLW0603 - Python never removes an audit hook, so there is one that can be switched
    if not getattr(sys, "_disk_hook", False):
        sys.addaudithook(_hook)
        sys._disk_hook = True  # type: ignore[attr-defined]
    fsync = os.fsync

    def flush(handle: int) -> None:
        watch("fsync")
        fsync(handle)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", flush)
        _watch = lambda event, path: watch(event) if path.startswith(str(folder)) else None  # noqa: E731
        try:
            yield
        finally:
            _watch = None


class Disk:
    """What of a folder is safe on the disk: everything at first, later what was flushed.

    Parameters
    ----------
    folder
        The folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._contents: dict[int, bytes] = {}
        self._lists: dict[int, dict[str, int]] = {}
        # Files that are open keep their number, by which they are known here.
        self._handles: list[int] = []
        for path in (folder, *folder.rglob("*")):
            self._flush_path(path)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Take note of what is flushed, instead of flushing it."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", self._flush)
            yield

    def close(self) -> None:
        """Close the files."""
        for handle in self._handles:
            os.close(handle)

    def flushed(self) -> Image:
        """Return what is there after a crash that loses every change which was not flushed."""
        found: Image = {}
        self._collect(self._folder.stat().st_ino, "", found)
        return found

    def renamed(self) -> Image:
        """Return what is there after a crash that keeps every name, but only the contents that were flushed."""
        files = {p: p.stat().st_ino for p in self._folder.rglob("*") if p.is_file()}
        return {p.relative_to(self._folder).as_posix(): self._contents.get(n, b"") for p, n in files.items()}

    def _collect(self, number: int, prefix: str, found: Image) -> None:
        for name, inner in self._lists[number].items():
            if inner in self._lists:
                self._collect(inner, f"{prefix}{name}/", found)
            else:
                found[f"{prefix}{name}"] = self._contents.get(inner, b"")

    def _flush_path(self, path: Path) -> None:
        handle = os.open(path, os.O_RDONLY)
        self._flush(handle)
        os.close(handle)

    def _flush(self, handle: int) -> None:
        number = os.fstat(handle).st_ino
        if number not in self._contents and number not in self._lists:
            self._handles.append(os.dup(handle))
        path = Path(f"/proc/self/fd/{handle}").resolve()
        if path.is_dir():
            self._lists[number] = {p.name: p.stat().st_ino for p in path.iterdir()}
        else:
            self._contents[number] = path.read_bytes()


def write(image: Image, folder: Path) -> None:
    """Write what a crash left into an empty folder."""
    for name, content in image.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
