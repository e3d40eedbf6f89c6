"""Several processes: the same bytes as one, whatever happens to them."""

import json
import os
import signal
import subprocess
import sys
import time
from types import ModuleType

import distributed
import numpy as np
import psutil
import pytest
from torch import nn

from napari_superres import Image, load_model, read_image, upscale, upscale_file, write_image
from napari_superres.errors import DeviceError, SettingsError, SuperResWarning, UnreadableImageError
from napari_superres.inference import upscale_files
from napari_superres.inference.files import check_paths
from napari_superres.inference.remote import connection
from napari_superres.inference.stream import fork_server
from napari_superres.inference.stream.fork_server import START_METHOD
from napari_superres.inference.stream.workers import Cluster, open_executor
from napari_superres.io.omezarr import layout as omezarr_layout
from napari_superres.models import Model, ModelCard
from napari_superres.models.architectures import build
from napari_superres.models.model_file import write_model

MODEL = "fsrcnn-x2"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("workers")


@pytest.fixture(scope="module", autouse=True)
def _small_boxes():
    """Channels have boxes of their own, as those of large images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(omezarr_layout, "_LEAST_BOX_PIXELS", 1)
        yield


@pytest.fixture(scope="module")
def source(folder):
    """Return an image whose result has twelve boxes as large images are cut."""
    data = np.random.default_rng(0).integers(0, 5000, (12, 260, 270)).astype(np.uint16)
    return write_image(Image.from_array(data, "CYX", pixel_size=0.5), folder / "in.ome.zarr")


@pytest.fixture(scope="module")
def whole(source, folder, pixels):
    """Return the files that one process makes with the threads that each worker has."""
    return pixels(upscale_file(source, folder / "one.ome.zarr", model=MODEL, tile=100))


def processes():
    """Return the workers that this process has started."""
    mark = f"multiprocessing.{START_METHOD}"
    servers = {p for p in psutil.Process().children() if START_METHOD == "forkserver" and mark in " ".join(p.cmdline())}
    return {p for p in psutil.Process().children(recursive=True) if mark in " ".join(p.cmdline())} - servers


def pids(cluster):
    with distributed.Client(cluster.scheduler_address) as client:
        return list(client.run(os.getpid).values())


def test_same_bytes_by_workers_here(source, whole, pixels, tmp_path, monkeypatch):
    monkeypatch.setattr(fork_server, "threads_per_worker", lambda _: 1)
    steps, before = [], processes()
    target = upscale_file(source, tmp_path / "out.ome.zarr", model=MODEL, tile=100, workers=2, progress=steps.append)
    assert pixels(target) == whole
    assert [p.name for p in tmp_path.glob(".*")] == []
    assert [s.done for s in steps] == sorted(s.done for s in steps)
    assert steps[-1].done == steps[-1].total
    assert processes() <= before


def test_two_writers_never_touch_one_shard(source, whole, pixels, cluster, tmp_path, monkeypatch):
    """Each file of the result is as it was when its box was recorded: nobody wrote to it again."""
    target = tmp_path / "out.ome.zarr"
    hidden = tmp_path / ".out.ome.zarr.unfinished"
    seen = {}

    def watch(_):
        for file in (p for p in hidden.rglob("c/*/*/*") if p.is_file()):
            facts = file.stat()
            journal = (hidden / "journal.jsonl").read_text().splitlines()[1:]
            if json.loads(journal[0])["box"] >= 0 and {json.loads(x)["box"] for x in journal} >= {int(file.parts[-3])}:
                seen.setdefault("/".join(file.relative_to(hidden).parts[1:]), set()).add(
                    (facts.st_ino, facts.st_mtime_ns)
                )

    upscale_file(source, target, model=MODEL, tile=100, scheduler=cluster.scheduler_address, progress=watch)
    assert pixels(target) == whole
    assert len(seen) >= 11
    for name, states in seen.items():
        facts = (target / name).stat()
        assert states == {(facts.st_ino, facts.st_mtime_ns)}, name


def test_a_worker_is_killed(source, whole, pixels, cluster, tmp_path):
    victims, boxes = pids(cluster), []

    def kill(step):
        boxes.append(step.done)
        if len(boxes) in (2, 5):
            os.kill(victims.pop(), signal.SIGKILL)

    target = tmp_path / "out.ome.zarr"
    upscale_file(source, target, model=MODEL, tile=100, scheduler=cluster.scheduler_address, progress=kill)
    assert not victims
    assert len(boxes) > 5
    assert pixels(target) == whole


def test_cancelled_and_gone_on_with_by_one_process(source, whole, pixels, cluster, tmp_path):
    target = tmp_path / "out.ome.zarr"
    steps = []

    def stop(step):
        steps.append(step)
        if step.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upscale_file(source, target, model=MODEL, tile=100, scheduler=cluster.scheduler_address, progress=stop)
    assert len((tmp_path / ".out.ome.zarr.unfinished" / "journal.jsonl").read_text().splitlines()) == 2
    upscale_file(source, target, model=MODEL, resume=True)
    assert pixels(target) == whole


@pytest.mark.slow
def test_cancelling_stops_the_workers_here(source, tmp_path):
    def stop(step):
        if step.done:
            raise KeyboardInterrupt

    start, before = time.monotonic(), processes()
    with pytest.raises(KeyboardInterrupt):
        upscale_file(source, tmp_path / "out.ome.zarr", model=MODEL, tile=100, workers=2, progress=stop)
    assert time.monotonic() - start < 60
    assert processes() <= before
    assert (tmp_path / ".out.ome.zarr.unfinished" / "journal.jsonl").exists()


def test_statistics_of_the_whole_image_by_workers(cluster, tmp_path):
    arguments = {"scale": [2, 2], "ndim": 2, "channels": 1, "groups": 1, "blocks": 2, "features": 4, "reduction": 2}
    card = ModelCard(
        name="tiny", architecture="rcan", arguments=arguments, scale=(2, 2), halo=(14, 14), global_statistics=True
    )
    path = write_model(tmp_path / "tiny.safetensors", card, build("rcan", arguments).state_dict())
    data = np.random.default_rng(0).random((3, 90, 60)).astype(np.float32)
    source = write_image(Image.from_array(data, "TYX"), tmp_path / "in.ome.zarr")
    target = tmp_path / "out.ome.zarr"
    options = {"model": path, "tile": 50, "precision": "fp64"}
    upscale_file(source, target, scheduler=cluster.scheduler_address, **options)
    found = read_image(target)
    assert found.metadata["provenance"]["statistics"]["passes"] >= 2
    expected = upscale(read_image(source), load_model(path), tile=50, precision="fp64")
    assert np.abs(np.asarray(found.data) - expected.data).max() <= 1e-6


def test_bad_chunks_are_listed_by_workers(cluster, tmp_path):
    data = np.random.default_rng(0).integers(0, 99, (3, 40, 40)).astype(np.uint16)
    source = write_image(Image.from_array(data, "CYX"), tmp_path / "in.ome.zarr")
    (source / "0" / "c" / "1" / "0" / "0").unlink()
    options = {"model": "bicubic-x2", "scheduler": cluster.scheduler_address, "intensity_range": [(0, 99)]}
    with pytest.raises(UnreadableImageError, match=r"0/c/1/0/0 .*missing"):
        upscale_file(source, tmp_path / "out.ome.zarr", **options)
    with pytest.warns(SuperResWarning, match="1 chunk of the input is missing or damaged"):
        upscale_file(source, tmp_path / "out.ome.zarr", skip_bad=True, overwrite=True, **options)
    listed = json.loads((tmp_path / "out.ome.zarr.provenance.json").read_text())["input"]["bad_chunks"]
    assert [name.split(" ")[0] for name in listed] == ["0/c/1/0/0"]
    found = np.asarray(read_image(tmp_path / "out.ome.zarr").data)
    data[1] = 0
    assert np.array_equal(found, upscale(data, "bicubic-x2", axes="CYX", intensity_range=[(0, 99)]).data)


def test_a_batch_shares_its_workers(source, whole, pixels, cluster, tmp_path):
    (tmp_path / "copy.ome.zarr").symlink_to(source)
    outcomes = upscale_files(
        [source, tmp_path / "gone.zarr", tmp_path / "copy.ome.zarr"],
        tmp_path / "out",
        model=MODEL,
        tile=100,
        suffix=".ome.zarr",
        scheduler=cluster.scheduler_address,
    )
    assert [o.status for o in outcomes] == ["done", "failed", "done"]
    assert pixels(outcomes[0].target) == pixels(outcomes[2].target) == whole


def test_only_a_zarr_is_made_by_several(source, tmp_path):
    with pytest.raises(SettingsError, match=r"got out.tif. Name the result .ome.zarr"):
        check_paths(source, tmp_path / "out.tif", by_workers=True)


def test_a_model_that_workers_cannot_load(source, cluster, espcn, tmp_path, monkeypatch):
    """Its class is in a module that is only here."""

    class OnlyHere(nn.Sequential):
        __qualname__, __module__ = "OnlyHere", "only_here"

    only_here = ModuleType("only_here")
    only_here.OnlyHere = OnlyHere
    monkeypatch.setitem(sys.modules, "only_here", only_here)
    model = Model(espcn.card, OnlyHere(espcn.module))
    with pytest.raises(DeviceError, match="cannot import only_here, which the model needs"):
        upscale_file(source, tmp_path / "out.ome.zarr", model=model, scheduler=cluster.scheduler_address)
    assert list(tmp_path.iterdir()) == []


def test_workers_of_another_version_or_disk(source, cluster, tmp_path, monkeypatch):
    def refused(said):
        with pytest.raises(DeviceError, match=said):
            upscale_file(source, tmp_path / "out.ome.zarr", model=MODEL, scheduler=cluster.scheduler_address)
        assert list(tmp_path.iterdir()) == []

    there, inspection = connection.package_version, connection.inspection
    with monkeypatch.context() as patch:
        patch.setattr(connection, "package_version", lambda _: "99.0")
        refused(rf"has version {there('napari-superres-torch')} of napari-superres-torch, and this process 99.0")
    with monkeypatch.context() as patch:
        patch.setattr(connection, "inspection", lambda _, devices: inspection({"/not/shared": "/not/shared"}, devices))
        refused("does not see /not/shared; source and target must lie on a disk or in a store that all can reach")
    with monkeypatch.context() as patch:
        patch.setattr(connection, "inspection", lambda paths, _: inspection(paths, ["cuda:7"]))
        refused("has no device cuda:7")


@pytest.mark.slow
def test_a_scheduler_that_is_lost(source, whole, pixels, tmp_path):
    """The scheduler is killed in the middle: one clear error, and what is done is kept."""
    script = (
        "import distributed, asyncio, sys\n"
        "async def main():\n"
        "    async with distributed.Scheduler(host='127.0.0.1', dashboard_address='127.0.0.1:0') as s:\n"
        "        print(s.address, flush=True)\n"
        "        await s.finished()\n"
        "asyncio.run(main())\n"
    )
    scheduler = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    address = scheduler.stdout.readline().strip()
    worker = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "distributed.cli.dask_worker",
            address,
            "--no-nanny",
            "--no-dashboard",
            "--nthreads",
            "1",
            "--host",
            "127.0.0.1",
            "--local-directory",
            str(tmp_path / "scratch"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    target = tmp_path / "out.ome.zarr"

    def lose(step):
        if step.done:
            scheduler.kill()

    try:
        with distributed.Client(address) as client:
            client.wait_for_workers(1, timeout=60)
        with pytest.raises(DeviceError, match=r"scheduler was lost.*`resume`"):
            upscale_file(source, target, model=MODEL, tile=100, scheduler=address, progress=lose)
    finally:
        for process in (worker, scheduler):
            process.kill()
            process.wait()
        scheduler.stdout.close()
    upscale_file(source, target, model=MODEL, resume=True)
    assert pixels(target) == whole


def test_workers_and_their_threads(cluster):
    with open_executor(scheduler=cluster.scheduler_address) as computing:
        assert isinstance(computing, Cluster)
        assert (computing.count, computing.threads) == (2, fork_server.threads_per_worker(2))
