"""Damaged and hostile model files, and programs in other processes, for tests of the library."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from napari_superres.models.model_file import KEY

Header = dict[str, Any]


def rewrite(path: Path, edit: Callable[[Header], Header]) -> None:
    """Rewrite a model file's header and keep its weights."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    text = json.dumps(edit(json.loads(content[8 : 8 + length]))).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])


def with_card(**changes: object) -> Callable[[Path], None]:
    """Return a function that changes fields of a model file's card."""

    def make(path: Path) -> None:
        def edit(header: Header) -> Header:
            card = {**json.loads(header["__metadata__"][KEY]), **changes}
            return {**header, "__metadata__": {KEY: json.dumps(card)}}

        rewrite(path, edit)

    return make


def with_tensor(**changes: object) -> Callable[[Path], None]:
    """Return a function that changes the declaration of a model file's first tensor."""

    def make(path: Path) -> None:
        def edit(header: Header) -> Header:
            name = next(n for n in header if n != "__metadata__")
            return {**header, name: {**header[name], **changes}}

        rewrite(path, edit)

    return make


def file_names(folder: Path) -> list[str]:
    """Return the names in a folder, but for its lock; none if it does not exist."""
    return sorted(p.name for p in folder.iterdir() if p.name != ".lock") if folder.exists() else []


def start_python(program: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a Python program as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


class Bomb:
    """Create a folder when unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return (os.mkdir, (str(self.target),))


def write_zipped_pickle(path: Path) -> None:
    """Write a hostile checkpoint in torch's zip format."""
    torch.save({"w": Bomb(path.with_name("fired"))}, path)


def write_legacy_pickle(path: Path) -> None:
    """Write a hostile checkpoint in torch's old format."""
    torch.save({"w": Bomb(path.with_name("fired"))}, path, _use_new_zipfile_serialization=False)


def truncate(share: float) -> Callable[[Path], int]:
    """Return a function that keeps only a share of a file."""
    return lambda path: path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
