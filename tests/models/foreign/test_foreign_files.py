"""Damaged and hostile files of other programs: refused in one line, without running or writing anything."""

import io
import os
import pickle
import tarfile
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from helpers.checkpoints.bare_graphs import graph
from helpers.checkpoints.spandrel_networks import checkpoint
from helpers.library_files import Bomb, file_names, truncate, write_legacy_pickle, write_zipped_pickle
from safetensors.torch import save_file

from napari_superres.errors import ModelFileError
from napari_superres.models import add_model

pytestmark = pytest.mark.usefixtures("folder")


def compressed(path):
    """Write a sound checkpoint with compressed members, as a zip bomb has."""
    torch.save({"w": torch.zeros(1000, 1000)}, path)
    with zipfile.ZipFile(path) as old:
        members = [(m.filename, old.read(m)) for m in old.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in members:
            new.writestr(name, content)


def nested(path):
    inner = io.BytesIO()
    torch.save({"w": Bomb(path.with_name("fired"))}, inner)
    with zipfile.ZipFile(path, "w") as outer:
        outer.writestr("model/inner.pth", inner.getvalue())


def bare(path):
    path.write_bytes(pickle.dumps({"w": Bomb(path.with_name("fired"))}, protocol=2))


def script(path):
    class Doubled(torch.nn.Module):
        def forward(self, x):
            return 2 * x

    with pytest.warns(FutureWarning, match=r"torch.jit.script"):
        torch.jit.script(Doubled()).save(path)


def endless(path):
    """Declare a tensor of four terabytes that stores one number."""
    torch.save({"body.weight": torch.zeros(1).expand(1 << 20, 1 << 20)}, path)


def sparse(path):
    torch.save({"w": torch.eye(3).to_sparse()}, path)


def tarred(path):
    with tarfile.open(path, "w") as archive:
        entry = tarfile.TarInfo("pickle")
        entry.size = 3
        archive.addfile(entry, io.BytesIO(b"abc"))


def lying(path):
    """Declare a tensor far beyond the end of a safetensors file without a card."""
    header = b'{"w":{"dtype":"F32","shape":[1000000,1000000],"data_offsets":[0,4000000000000]}}'
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 16)


def whole(path):
    torch.save(checkpoint("SPAN"), path)


def sound_but_cut(path):
    whole(path)
    truncate(0.5)(path)


def numbered(path):
    torch.save({0: torch.zeros(3), b"w": torch.zeros(3), (1, 2): torch.zeros(3)}, path)


def swollen(path):
    """Name a block with so high a number that a network with that many blocks would fill the memory."""
    torch.save({**checkpoint("NAFNet"), "middle_blks.99999999.beta": torch.zeros(1, 8, 1, 1)}, path)


def changed(path):
    """Change bytes of the pickle in a checkpoint, as a bad disk does, so that it asks for another class."""
    torch.save({"state": OrderedDict(w=torch.zeros(3))}, path)
    path.write_bytes(path.read_bytes().replace(b"OrderedDict", b"OrderedDisk", 1))


def safetensors(path):
    save_file(checkpoint("SPAN"), path)


FILES = {
    "not a number.pth": (lambda p: torch.save({"w": torch.tensor([0.0, torch.nan])}, p), "weights that are not finite"),
    "changed.pth": (changed, "is damaged: its checksums are wrong"),
    "control.pth": (lambda p: torch.save({"a\n\x1b[2Jb": torch.zeros(3)}, p), r"begin with a\[2Jb\."),
    "torch.safetensors": (whole, "is a pickle.*rename it to end in .pth"),
    "torch.zip": (whole, "is a checkpoint of torch by its content.*ends in .pth"),
    "torch.onnx": (whole, "is a checkpoint of torch by its content.*ends in .pth"),
    "torch": (whole, "is a checkpoint of torch by its content.*ends in .pth"),
    "ours.ckpt": (safetensors, "is a safetensors file by its content.*ends in .safetensors"),
    "graph.pth": (lambda p: p.write_bytes(graph().SerializeToString()), "is an ONNX graph by its content"),
    "numbered.pth": (numbered, "holds no floating-point weights by name"),
    "swollen.pth": (swollen, "the weights fit no network that spandrel can build"),
    "complex.pth": (
        lambda p: torch.save({"w": torch.zeros(3, dtype=torch.complex64)}, p),
        "holds no floating-point weights by name",
    ),
    "integers.pth": (
        lambda p: torch.save({"w": torch.zeros(3, dtype=torch.int8)}, p),
        "holds no floating-point weights by name",
    ),
    "pickle in a zip.pth": (
        write_zipped_pickle,
        r"holds more than weights.*mkdir.*Opening it could run code, so it was not opened",
    ),
    "old pickle.pth": (write_legacy_pickle, r"holds more than weights.*could run code"),
    "bare pickle.ckpt": (bare, "holds more than weights|damaged or no checkpoint"),
    "nested.pth": (nested, "is a zip file and no checkpoint of torch"),
    "script.pth": (script, "is TorchScript: a program, not weights"),
    "script.pt": (script, "is TorchScript: a program, not weights"),
    "packed.pth": (compressed, "was not written by torch: it is compressed"),
    "endless.pth": (endless, r"declares tensors of 4398.0 GB in a file of 0.0 MB"),
    "sparse.pth": (sparse, "w is no plain tensor"),
    "tar.pth": (tarred, "damaged or no checkpoint|holds more than weights"),
    "cut.pth": (sound_but_cut, "damaged or no checkpoint"),
    "empty.pth": (lambda p: p.write_bytes(b""), "empty.pth is empty"),
    "garbage.pth": (lambda p: p.write_bytes(bytes(range(256)) * 50), "its content is no model that is known"),
    "garbage.bin": (lambda p: p.write_bytes(bytes(range(256)) * 50), "its content is no model that is known"),
    "garbage.h5": (lambda p: p.write_bytes(bytes(range(256)) * 50), "its content is no model that is known"),
    "pointer.pth": (lambda p: p.write_bytes(b"version https://git-lfs.github.com/spec/v1\n"), "Git LFS.*git lfs pull"),
    "page.pth": (lambda p: p.write_bytes(b"<!DOCTYPE html><html></html>"), "is a web page"),
    "keras.pth": (
        lambda p: p.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99)),
        "is an HDF5 file, probably weights of Keras",
    ),
    "net.param": (lambda p: p.write_text("7767517\n"), "the layers of an ncnn model.*cannot be converted back"),
    "net.pb": (lambda p: p.write_bytes(b"\n\x10"), "is a TensorFlow graph.*tf2onnx"),
    "net.keras": (lambda p: p.write_bytes(b"PK\3\4"), "is a model of Keras.*add the .onnx file"),
    "zip magic.pth": (lambda p: p.write_bytes(b"PK\3\4" + b"\0" * 60), "damaged or no checkpoint"),
    "numbers.pth": (lambda p: torch.save({"epoch": 3, "best": 0.5}, p), "holds no floating-point weights by name"),
    "one tensor.pth": (lambda p: torch.save(torch.zeros(3), p), "holds no floating-point weights by name"),
    "list.pth": (lambda p: torch.save([torch.zeros(3)], p), "holds no floating-point weights by name"),
    "numpy.pth": (lambda p: torch.save({"w": np.zeros(3)}, p), "holds no floating-point weights by name"),
    "lying.safetensors": (lying, "is damaged or truncated"),
    "picture.png": (lambda p: p.write_bytes(b"\x89PNG"), "no model file: these end in .safetensors, .pth"),
    "weights.h5": (lambda p: p.write_bytes(b"\x89HDF"), "is weights of Keras, which cannot be run here"),
    "folder": (lambda p: p.mkdir(), "bioimage.io"),
    "plain.zip": (lambda p: zipfile.ZipFile(p, "w").writestr("a.txt", "a"), "bioimage.io.*unpack it and add that file"),
}


@pytest.mark.parametrize("name", FILES)
def test_refused_in_one_line(name, tmp_path, folder):
    make, message = FILES[name]
    place = tmp_path / "files"
    place.mkdir()
    make(place / name)
    before = file_names(place)
    with pytest.raises(ModelFileError, match=message) as found:
        add_model(place / name)
    assert "\n" not in str(found.value)
    assert len(str(found.value)) < 500
    assert file_names(folder) == []
    assert file_names(place) == before, "something was run or written"


def test_pipes_are_not_opened(tmp_path, folder):
    """Opening one would wait forever."""
    package = tmp_path / "model"
    package.mkdir()
    for path in (package / "rdf.yaml", tmp_path / "a.pth", tmp_path / "a.zip"):
        os.mkfifo(path)
    for path in (package, package / "rdf.yaml", tmp_path / "a.pth", tmp_path / "a.zip"):
        with pytest.raises(ModelFileError, match=r"is no file|no package of bioimage\.io"):
            add_model(path)
    assert file_names(folder) == []


def test_a_folder_without_a_description_is_not_read(tmp_path, monkeypatch):
    """It may be a whole disk."""
    (tmp_path / "data").write_bytes(b"0" * 100)
    monkeypatch.setattr("napari_superres.models.library.add.fingerprint", lambda path: pytest.fail(f"read {path}"))
    with pytest.raises(ModelFileError, match=r"is a folder, and no package of bioimage\.io"):
        add_model(tmp_path)


def test_training_checkpoint_gives_the_networks_weights_only(tmp_path):
    state = {"state_dict": {f"module.{k}": v for k, v in checkpoint("SPAN").items()}, "epoch": 7, "lr": 1e-4}
    torch.save(state, tmp_path / "span.pth")
    assert add_model(tmp_path / "span.pth").arguments["network"] == "SPAN"


def test_old_files_of_torch_are_read(tmp_path):
    torch.save(checkpoint("SPAN"), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert add_model(tmp_path / "old.pth").arguments["network"] == "SPAN"
