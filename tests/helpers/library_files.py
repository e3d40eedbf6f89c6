"""Damaged and hostile model files, and programs in other processes, for tests of the library."""

import json
import os
import subprocess
import sys

import torch

from napari_superres.models.model_file import KEY


def rewrite(path, edit):
    """Rewrite a model file's header and keep its weights."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    text = json.dumps(edit(json.loads(content[8 : 8 + length]))).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])


def with_card(**changes):
    """Return a function that changes fields of a model file's card."""

    def make(path):
        def edit(header):
            card = {**json.loads(header["__metadata__"][KEY]), **changes}
            return {**header, "__metadata__": {KEY: json.dumps(card)}}

        rewrite(path, edit)

    return make


def with_tensor(**changes):
    """Return a function that changes the declaration of a model file's first tensor."""

    def make(path):
        def edit(header):
            name = next(n for n in header if n != "__metadata__")
            return {**header, name: {**header[name], **changes}}

        rewrite(path, edit)

    return make


def file_names(folder):
    return sorted(p.name for p in folder.iterdir() if p.name != ".lock") if folder.exists() else []


def start_python(program, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


class Bomb:
    """Create a folder when unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (os.mkdir, (str(self.target),))


def write_zipped_pickle(path):
    torch.save({"w": Bomb(path.with_name("fired"))}, path)


def write_legacy_pickle(path):
    torch.save({"w": Bomb(path.with_name("fired"))}, path, _use_new_zipfile_serialization=False)


def truncate(share):
    return lambda path: path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
