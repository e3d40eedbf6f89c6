"""Interruptions, numbers that are not finite and full disks: the same result, one clear error, no loss of work."""

import csv
import errno
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.recipes import TINY

from napari_superres import Image, write_image
from napari_superres.errors import OutputExistsError, SuperResWarning, TrainingError
from napari_superres.models import find_card
from napari_superres.models.model_file import read_weights
from napari_superres.training import train
from napari_superres.training.running import checkpoint
from napari_superres.training.running.checkpoint import checkpoint_path

pytest.importorskip("lightning", reason="training needs Lightning")
# Lightning's own: it asks torch in a way that is going out.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning"),
    pytest.mark.filterwarnings("ignore:the model is no better than bicubic"),  # after seconds
]

STEPS = 40


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "photos"
    folder.mkdir()
    y, x = np.mgrid[:40, :44]
    for i in range(6):
        picture = 128 + 90 * np.sin(y / (3 + i)) * np.cos(x / (2 + i))
        write_image(Image.from_array(picture.astype(np.uint8), "YX"), folder / f"{i}.png")
    return folder.parent


def curve(folder):
    """Return the logged values by step; a resumed training may log a step twice, and the last entry counts."""
    found = {}
    for file in sorted(folder.rglob("metrics*.csv"), key=lambda p: p.stat().st_mtime):
        for row in csv.DictReader(file.read_text().splitlines()):
            found.setdefault(int(row["step"]), {}).update({k: v for k, v in row.items() if v and k != "epoch"})
    return found


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """Return the weights of an undisturbed training."""
    return read_weights(train(TINY, data, tmp_path_factory.mktemp("w") / "m.safetensors", steps=STEPS))


def same(one, other):
    return all(torch.equal(one[k], other[k]) for k in one)


class Interruption(BaseException):
    """An exception that no handler for errors catches."""


def interrupted(data, output, at, monkeypatch, **options):
    """Train for `at` steps, write a checkpoint and interrupt the training."""
    with monkeypatch.context() as patch:

        def keep(keeper):
            if keeper._trainer.lightning_module.batches == at:
                keeper.write()
                raise Interruption

        patch.setattr(checkpoint.CheckpointWriter, "__call__", keep)
        with pytest.raises(Interruption):
            train(TINY, data, output, steps=STEPS, **options)
    assert not output.exists()
    assert checkpoint_path(output).exists()


@pytest.mark.parametrize("at", [1, 17, 33, STEPS - 1])
def test_a_resumed_training_equals_an_undisturbed_one(at, data, whole, tmp_path, monkeypatch):
    output = tmp_path / "m.safetensors"
    interrupted(data, output, at, monkeypatch)
    train(TINY, data, output, steps=STEPS, resume=True)
    assert same(read_weights(output), whole)
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


def test_the_words_of_a_card_may_be_mended_meanwhile(data, whole, tmp_path, monkeypatch):
    output = tmp_path / "m.safetensors"
    interrupted(data, output, 17, monkeypatch)
    mended = replace(TINY, card={**TINY.card, "title": "Another"})
    train(mended, data, output, steps=STEPS, resume=True)
    assert same(read_weights(output), whole)
    assert find_card(output).title == "Another"


def test_an_unfinished_training_is_neither_continued_nor_lost_unasked(data, whole, tmp_path, monkeypatch):
    output = tmp_path / "m.safetensors"
    interrupted(data, output, 9, monkeypatch)
    with pytest.raises(OutputExistsError, match=r"unfinished training of m.safetensors.*`resume`.*`overwrite`"):
        train(TINY, data, output, steps=STEPS)
    for changed, said in (
        ({"recipe": replace(TINY, rate=1e-4)}, "recipe"),
        ({"steps": 41}, "steps"),
        ({"recipe": replace(TINY, architecture="fsrcnn", arguments={})}, "recipe"),
        ({"seed": 1}, "seed"),
    ):
        options = {"recipe": TINY, "steps": STEPS, **changed}
        with pytest.raises(TrainingError, match=rf"started with other settings \({said}\).*`overwrite`"):
            train(data=data, output=output, resume=True, **options)
    train(TINY, data, output, steps=STEPS, overwrite=True)
    assert same(read_weights(output), whole)


def test_a_damaged_checkpoint_is_one_clear_error(data, tmp_path):
    output = tmp_path / "m.safetensors"
    for content in (b"", b"PK nothing", b"x" * 999):
        checkpoint_path(output).write_bytes(content)
        with pytest.raises(TrainingError, match=r"is damaged. Set `overwrite`"):
            train(TINY, data, output, steps=2, resume=True)


def test_a_checkpoint_that_lacks_something_or_holds_other_things_is_one_clear_error(data, tmp_path, monkeypatch):
    output = tmp_path / "m.safetensors"
    interrupted(data, output, 1, monkeypatch)
    whole = torch.load(checkpoint_path(output), weights_only=True)
    first = next(iter(whole["state_dict"]))
    alterations = [
        {"progress": None},
        {"progress": {**whole["progress"], "batches": "one"}},
        {"progress": {**whole["progress"], "batches": -1}},
        {"progress": {**whole["progress"], "best": {first: 7}}},
        {"progress": {**whole["progress"], "scores": [None]}},
        {"state_dict": {}},
        {"state_dict": {**whole["state_dict"], first: torch.zeros(3)}},
        {"optimizer_states": [{}]},
        {"loops": {}},
    ]
    for altered in alterations:
        torch.save({**whole, **altered}, checkpoint_path(output))
        with pytest.raises(TrainingError, match=r"is damaged. Set `overwrite`"):
            train(TINY, data, output, steps=STEPS, resume=True)
    torch.save(whole, checkpoint_path(output))
    train(TINY, data, output, steps=STEPS, resume=True)


def test_a_full_disk_keeps_the_last_good_checkpoint(data, whole, tmp_path, monkeypatch):
    output = tmp_path / "m.safetensors"
    interrupted(data, output, 9, monkeypatch)
    before = checkpoint_path(output).read_bytes()
    monkeypatch.setattr(checkpoint, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(
        "lightning.Trainer.save_checkpoint",
        lambda *_, **__: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left")),
    )
    seen = []
    unlink = type(output).unlink
    monkeypatch.setattr(
        type(output),
        "unlink",
        lambda p, **k: (seen.append(p.read_bytes()) if p.suffix == ".ckpt" else None, unlink(p, **k)),
    )
    with pytest.warns(SuperResWarning, match=r"could not be written: the disk is full; .* Training goes on"):
        train(TINY, data, output, steps=STEPS, resume=True)
    assert same(read_weights(output), whole)
    assert seen == [before]


def test_ctrl_c_ends_after_the_step_and_nothing_is_lost(data, whole, tmp_path, monkeypatch):
    """Even after a few steps, the resumed training equals an undisturbed one."""
    from napari_superres.training import losses

    output, calls, l1 = tmp_path / "m.safetensors", [], losses._PIXELS["l1"]

    def interrupted(found, high):
        calls.append(1)
        if len(calls) == 7:
            os.kill(os.getpid(), signal.SIGINT)
        return l1(found, high)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it may be ignored
    try:
        with monkeypatch.context() as patch:
            patch.setitem(losses._PIXELS, "l1", interrupted)
            with pytest.raises(KeyboardInterrupt):
                train(TINY, data, output, steps=STEPS)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(calls) == 7
    train(TINY, data, output, steps=STEPS, resume=True)
    assert same(read_weights(output), whole)


def test_numbers_that_are_not_finite(data, tmp_path, monkeypatch):
    """A few are skipped; after ten in a row the error names the likely cause."""
    from napari_superres.training import losses

    calls = []

    def loss(found, high, bad):
        calls.append(1)
        return (found - high).abs().mean() * (float("nan") if bad(len(calls)) else 1.0)

    with monkeypatch.context() as patch:
        patch.setitem(losses._PIXELS, "l1", lambda a, b: loss(a, b, lambda n: n % 3 == 0))
        path = train(TINY, data, tmp_path / "m.safetensors", steps=12)
    assert all(torch.isfinite(v).all() for v in read_weights(path).values())
    calls.clear()
    monkeypatch.setitem(losses._PIXELS, "l1", lambda a, b: loss(a, b, lambda n: n > 3))
    with pytest.raises(TrainingError, match=r"loss was not finite in 10 steps in a row.*rate \(0.001\) is too high"):
        train(TINY, data, tmp_path / "n.safetensors", steps=300)
    assert len(calls) == 13


def test_a_training_that_brings_nothing_stops_early(data, tmp_path, monkeypatch):
    from napari_superres.training import trainer
    from napari_superres.training.running import lightning_module as module

    def score(fall: float) -> None:
        scores = iter(20.0 - fall * i for i in range(100))
        monkeypatch.setattr(
            trainer, "score_fields", lambda *_, **__: {"psnr": next(scores), "bicubic_psnr": 21.0, "images": 1}
        )

    monkeypatch.setattr(module, "_PATIENCE", 3)
    score(0.1)
    path = train(TINY, data, tmp_path / "m.safetensors", steps=200)
    assert "40 steps" in find_card(path).training, "the first look and three more, at a twentieth each"
    score(0.0)
    path = train(TINY, data, tmp_path / "still.safetensors", steps=200)
    assert "200 steps" in find_card(path).training, "a score that stands still may rise when the rate falls"


def test_curves_are_written(data, tmp_path):
    train(TINY, data, tmp_path / "m.safetensors", steps=60, log=tmp_path / "log")
    rows = curve(tmp_path / "log")
    assert any("loss" in row for row in rows.values())
    assert any("validation_psnr" in row for row in rows.values())


@pytest.mark.slow
def test_the_program_is_killed_and_resumed(data, whole, tmp_path):
    """Send SIGKILL at random moments."""
    output = tmp_path / "m.safetensors"
    program = (
        "import sys\n"
        "from napari_superres.training import Recipe, train\n"
        "from napari_superres.training.running import checkpoint, lightning_module as module\n"
        "checkpoint.EVERY_SECONDS, module._PATIENCE = 0.0, 1000\n"
        f"train({TINY!r}, {str(data)!r}, {str(output)!r}, steps={STEPS}, resume=True)\n"
    )
    random = np.random.default_rng(0)
    killed = 0
    while not output.exists():
        process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        last = checkpoint_path(output).stat().st_mtime_ns if checkpoint_path(output).exists() else 0
        wanted = int(random.integers(1, 6))
        while process.poll() is None and time.monotonic() < deadline and wanted and killed < 5:
            now = checkpoint_path(output).stat().st_mtime_ns if checkpoint_path(output).exists() else 0
            wanted -= now != last
            last = now
        if killed < 5 and process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
    assert killed >= 3
    assert same(read_weights(output), whole)
