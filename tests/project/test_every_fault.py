"""Whatever a disk does while a file is written, the file is as before or complete, and never something between."""

import errno
import itertools
import json
import os
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers.faults.disk import Disk, watching
from safetensors.torch import load_file

from napari_superres import Image, read_image, write_image
from napari_superres.errors import OutputError
from napari_superres.evaluation.reporting.report import Report
from napari_superres.models import ModelCard
from napari_superres.models.model_file import write_model
from napari_superres.training.running.checkpoint import CheckpointWriter

lightning = pytest.importorskip("lightning.fabric.utilities.cloud_io", reason="training needs Lightning")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc and limits the size of files")

ENDINGS = [".ome.tif", ".tif", ".ome.zarr", ".nii.gz", ".nrrd", ".mha", ".png"]
OLD, NEW = 1, 2


def write_format(path: Path, value: int) -> None:
    grid = {} if path.suffix == ".png" else {"pixel_size": 0.5, "unit": "millimeter"}
    data = np.random.default_rng(value).integers(0, 9000, (60, 70)).astype(np.uint16)
    write_image(Image.from_array(data, "YX", metadata={"provenance": {"value": value}}, **grid), path, overwrite=True)


def read_format(path: Path) -> int:
    (value,) = [v for v in (OLD, NEW) if np.random.default_rng(v).integers(0, 9000, (60, 70))[0, 0] == pixel(path)]
    record = json.loads(path.with_name(f"{path.name}.provenance.json").read_text())
    assert record["value"] == value
    return value


def pixel(path: Path) -> int:
    return int(np.asarray(read_image(path).data)[0, 0])


def write_card(path: Path, value: int) -> None:
    card = ModelCard(name="m", architecture="cnn", arguments={}, scale=(2, 2), halo=(1, 1))
    write_model(path, card, {"w": torch.full((5000,), float(value))}, overwrite=True)


def write_checkpoint(path: Path, value: int) -> None:
    def save(file: Path, *, weights_only: bool) -> None:
        lightning._atomic_save({"w": torch.full((5000,), float(value))}, file)  # as Lightning's trainer saves

    writer = CheckpointWriter(SimpleNamespace(save_checkpoint=save), path)
    writer.write()
    if writer.notes:
        raise OutputError(writer.notes[0])


def write_report(path: Path, value: int) -> None:
    Report([{"image": "a", "psnr": float(value)}] * 200, {}, {}).to_json(path)


WRITERS: dict[str, tuple[str, Callable[[Path, int], None], Callable[[Path], int]]] = {
    **{ending: (f"x{ending}", write_format, read_format) for ending in ENDINGS},
    "model": ("x.safetensors", write_card, lambda p: int(load_file(p)["w"][-1])),
    "checkpoint": (".x.unfinished.ckpt", write_checkpoint, lambda p: int(torch.load(p)["w"][-1])),
    "report": ("x.json", write_report, lambda p: int(json.loads(p.read_text())["rows"][-1]["psnr"])),
}


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def visible(found: dict[str, bytes]) -> dict[str, bytes]:
    """Return the files without what an error left that hit the removal of unfinished files."""
    return {name: content for name, content in found.items() if not name.endswith(".lock") and ".partial." not in name}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "results").mkdir()
    return tmp_path / "results"


@pytest.fixture(params=[(name, there) for name in WRITERS for there in (True, False)], ids=str)
def case(request: pytest.FixtureRequest, folder: Path) -> Iterator["Case"]:
    name, there = request.param
    return Case(folder, *WRITERS[name], there=there)


class Case:
    """A file that is written for the first time, or over an older one."""

    def __init__(
        self, folder: Path, name: str, write: Callable[[Path, int], None], read: Callable[[Path], int], *, there: bool
    ) -> None:
        self.folder, self.path, self._write, self._read = folder, folder / name, write, read
        if there:
            write(self.path, OLD)
        self.before = files(folder)
        self.done = False

    def attempt(self) -> None:
        """Write the new file; check that it is complete, or all is as before."""
        try:
            self._write(self.path, NEW)
        except OutputError:
            self.done = False
            assert visible(files(self.folder)) == self.before
        else:
            self.done = True
            assert self._read(self.path) == NEW

    def restore(self) -> None:
        for path in sorted(self.folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        for name, content in self.before.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_bytes(content)


def test_an_error_at_any_change(case: Case) -> None:
    """At each open, mkdir, fsync, link, rename and removal, one after the other."""
    failed: list[str] = []
    number = errno.ENOSPC if case.before else errno.EIO
    for moment in itertools.count():
        seen: list[str] = []

        def fail(event: str, moment: int = moment, seen: list[str] = seen) -> None:
            seen.append(event)
            if len(seen) == moment + 1:
                raise OSError(number, os.strerror(number))

        with watching(case.folder, fail):
            case.attempt()
        if len(seen) <= moment:
            break
        failed += [] if case.done else [seen[moment]]
        case.restore()
    assert case.done, "no error at all"
    assert {"open", "fsync", "os.rename"} <= set(failed)


def test_an_error_at_any_byte(case: Case) -> None:
    """The system itself refuses to let a file grow, also one that a library in C writes."""
    case.attempt()
    sizes = {len(content) for name, content in files(case.folder).items() if name not in case.before or case.before}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for size in sorted({0, 1, *(s // 2 for s in sizes), max(sizes) - 1}):
        case.restore()
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        try:
            case.attempt()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert not case.done


def test_a_crash_at_any_moment(case: Case) -> None:
    """Power fails just before each change: what was not flushed is lost, with or without the names of files."""
    disk, images = Disk(case.folder), []
    with disk.recording(), watching(case.folder, lambda _: images.extend((disk.flushed(), disk.renamed()))):
        case.attempt()
    images += [disk.flushed(), disk.renamed()]
    disk.close()
    old, new, name = case.before, files(case.folder), case.path.name
    assert len(images) > 8
    for image in images:
        main = {k: v for k, v in image.items() if k.partition("/")[0] == name}
        record = {k: v for k, v in image.items() if k == f"{name}.provenance.json"}
        was, became = ({k: v for k, v in state.items() if k.partition("/")[0] == name} for state in (old, new))
        assert main in ((was, became, {}) if case.path.suffix == ".zarr" else (was, became))
        described = [
            s for s, state in ((old, was), (new, became)) if main in (state, {}) and record.items() <= s.items()
        ]
        assert not record or described, "a record lies next to another result"
    assert all(image.items() >= new.items() for image in images[-2:]), "the new file is safe"


def test_a_folder_that_vanishes(case: Case, tmp_path: Path) -> None:
    """At any change before the new file gets its name."""
    for moment in itertools.count():
        seen: list[str] = []

        def vanish(event: str, moment: int = moment, seen: list[str] = seen) -> None:
            seen.append(event)
            if len(seen) == moment + 1 and not {"os.rename", "os.link"} & set(seen):
                case.folder.rename(tmp_path / "elsewhere")

        with watching(case.folder, vanish), suppress(OutputError):
            case._write(case.path, NEW)
        if not (tmp_path / "elsewhere").exists():
            break
        assert visible(files(tmp_path / "elsewhere")) == case.before
        for path in sorted(case.folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        case.folder.rmdir() if case.folder.exists() else None
        (tmp_path / "elsewhere").rename(case.folder)
        case.restore()
    assert moment > 1
