"""Model files: written completely, opened safely, and every damage gives one clear line."""

import hashlib
import json
import os
import re
import stat
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_superres.errors import ModelFileError, OutputError, OutputExistsError, SuperResError
from napari_superres.models import find_card, load_model
from napari_superres.models.model_file import KEY, digest, read_card, read_weights, write_model
from napari_superres.storage.atomic import one_writer


def with_card(path, edit):
    """Rewrite a model file's card as text."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"][KEY] = edit(header["__metadata__"][KEY])
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
    return path


def edited(**changes):
    return lambda text: json.dumps({**json.loads(text), **changes})


def test_round_trip(model_file, espcn):
    card, weights = espcn
    assert read_card(model_file) == card
    found = read_weights(model_file)
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[k], weights[k]) for k in weights)
    model = load_model(model_file)
    assert model.card == card
    assert model.sha256 == digest(model_file)
    assert not model.module.training
    assert not any(p.requires_grad for p in model.module.parameters())


def test_no_partial_file_remains_and_others_may_read_the_file(model_file):
    assert [p.name for p in model_file.parent.iterdir()] == ["tiny.safetensors"]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(model_file.stat().st_mode) == 0o666 & ~umask


def test_an_existing_file_is_kept_unless_overwriting_is_allowed(model_file, espcn):
    before = model_file.read_bytes()
    with pytest.raises(OutputExistsError, match="Set `overwrite`"):
        write_model(model_file, *espcn)
    assert model_file.read_bytes() == before
    write_model(model_file, replace(espcn[0], title="new"), espcn[1], overwrite=True)
    assert read_card(model_file).title == "new"


def test_where_it_cannot_be_written(tmp_path, espcn, monkeypatch):
    with pytest.raises(OutputError, match="does not exist"):
        write_model(tmp_path / "no" / "a.safetensors", *espcn)
    with pytest.raises(OutputError, match=r"must end in \.safetensors"):
        write_model(tmp_path / "a.pth", *espcn)

    def full(*_):
        raise OSError(28, "disk is full on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OutputError, match="disk is full"):
        write_model(tmp_path / "a.safetensors", *espcn)
    assert not list(tmp_path.iterdir())


def test_a_pickle_is_not_opened(tmp_path):
    """It would run code if it were loaded, in torch's present and former formats."""
    fired = tmp_path / "fired"

    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(fired),))

    for zipped in (True, False):
        for name in ("m.pth", "m.safetensors"):
            path = tmp_path / name
            torch.save({"w": Bomb()}, path, _use_new_zipfile_serialization=zipped)
            message = (
                "is a pickle. Opening it could run code"
                if path.suffix == ".safetensors"
                else r"Add it first, with `add_model\(\)`"
            )
            with pytest.raises(ModelFileError, match=message):
                load_model(path)
    assert not fired.exists()


@pytest.mark.parametrize("length", [0x80, 0x4B50])
def test_a_good_header_may_begin_like_a_pickle(tmp_path, espcn, length):
    """The first bytes of a safetensors file are its header's length; they may spell "PK" or 0x80."""
    path = write_model(tmp_path / "a.safetensors", *espcn)
    size = int.from_bytes(path.read_bytes()[:8], "little")
    wanted = size + (length - size) % (256 if length < 256 else 65536)
    path = with_card(path, lambda text: text[:-1] + " " * 20 + "}")
    size = int.from_bytes(path.read_bytes()[:8], "little")
    wanted = size + (length - size) % (256 if length < 256 else 65536)
    path = with_card(path, lambda text: text[:-1] + " " * (wanted - size) + "}")
    assert path.read_bytes()[:2] in (b"PK", b"\x80" + path.read_bytes()[1:2])
    assert read_card(path).name == "tiny"


def test_files_truncated_anywhere(model_file):
    content = model_file.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    for size in (0, 1, 7, 8, 9, header // 2, header - 1, header, header + 1, len(content) // 2, len(content) - 1):
        model_file.write_bytes(content[:size])
        with pytest.raises(ModelFileError) as error:
            load_model(model_file)
        assert re.search("empty or truncated|is truncated or|damaged or truncated", str(error.value)), size
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content",
    [
        b"\xff" * 64,
        (2**40).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (4).to_bytes(8, "little") + b"\xff\xfe\xfd\xfc",
        (50_000).to_bytes(8, "little") + b"[" * 50_000,
        b"GIF89a" + bytes(99),
        (2).to_bytes(8, "little") + b"{}",
        (26).to_bytes(8, "little") + b'{"__metadata__": [1, 2, 3]}'[:26],
    ],
)
def test_garbage(tmp_path, content):
    path = tmp_path / "garbage.safetensors"
    path.write_bytes(content)
    for look in (find_card, load_model):
        with pytest.raises(ModelFileError, match=r"garbage\.safetensors"):
            look(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 99}, "newer version.*pip install -U"),
        ({"architecture": "swin9000"}, "unknown architecture 'swin9000'. Known ones: srcnn, fsrcnn"),
        ({"architecture": "fsrcnn"}, "cannot be built|do not fit"),
        ({"arguments": {"scale": [2, 2], "features": [8, 8]}}, "weights do not fit"),
        ({"arguments": {"scale": [2, 2], "colour": 1}}, "cannot be built"),
        ({"arguments": {"scale": [2, 2], "activation": "gelu"}}, "cannot be built"),
        ({"arguments": {"scale": [2, 2], "features": [4]}}, "cannot be built"),
        ({"arguments": {"scale": [2, 2], "features": [-4, 4]}}, "cannot be built"),
        ({"arguments": {}}, "cannot be built"),
        ({"scale": [3, 3]}, "card promises"),
        ({"scale": [2, 2, 2], "halo": [4, 4, 4], "multiple": [1, 1, 1]}, "3-D|card promises"),
        ({"channels": 3}, "does not take 3 channels"),
    ],
)
def test_cards_that_do_not_fit_the_weights(model_file, changes, message):
    with pytest.raises(ModelFileError, match=message) as error:
        load_model(with_card(model_file, edited(**changes)))
    assert "\n" not in str(error.value)


def test_a_network_of_another_scale_with_the_same_weights_is_refused(tmp_path):
    """FSRCNN's weights have one shape for every scale: only its output tells."""
    from napari_superres.models import ModelCard
    from napari_superres.models.architectures import build

    network = build("fsrcnn", {"scale": [3, 3]})
    card = ModelCard(name="a", architecture="fsrcnn", arguments={"scale": [3, 3]}, scale=(2, 2), halo=(8, 8))
    path = write_model(tmp_path / "a.safetensors", card, network.state_dict())
    with pytest.raises(ModelFileError, match="card promises"):
        load_model(path)


def test_weights_without_a_card(tmp_path):
    from safetensors.numpy import save_file

    path = tmp_path / "bare.safetensors"
    save_file({"w": np.zeros(3)}, path)
    with pytest.raises(ModelFileError, match="without a model card"):
        find_card(path)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(model_file):
    model_file.chmod(0)
    with pytest.raises(SuperResError, match="Permission denied"):
        find_card(model_file)


def test_a_model_file_has_one_writer(model_file):
    before = model_file.read_bytes()
    with one_writer(model_file), pytest.raises(OutputExistsError, match="being written by another run"):
        write_model(model_file, read_card(model_file), {}, overwrite=True)
    assert model_file.read_bytes() == before
    assert [p.name for p in model_file.parent.iterdir()] == [model_file.name]


def test_digest_is_kept_until_the_file_changes(tmp_path, monkeypatch):
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    long_ago = 10**9
    monkeypatch.setattr("napari_superres.models.model_file._CLOCK_TICK_NS", -1)  # as if it were old
    first = digest(path)
    assert first == hashlib.sha256(b"one").hexdigest()
    read = []
    monkeypatch.setattr(hashlib, "file_digest", lambda file, _: read.append(file) or hashlib.sha256(file.read()))
    assert digest(path) == first
    assert not read
    path.write_bytes(b"two")  # of the same length
    os.utime(path, ns=(long_ago, long_ago))
    assert digest(path) == hashlib.sha256(b"two").hexdigest()
