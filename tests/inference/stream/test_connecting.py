"""Connecting to workers: who computes, with what, and clear errors where nobody does."""

import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from types import SimpleNamespace

import distributed
import numpy as np
import pytest

from napari_superres import Image, upscale_file, write_image
from napari_superres.errors import DeviceError, SettingsError
from napari_superres.inference.provenance import package_version
from napari_superres.inference.remote import connection
from napari_superres.inference.stream import local_cluster, stream_file
from napari_superres.inference.stream import workers as module
from napari_superres.inference.stream.workers import ThisProcess, open_executor

MODEL = "fsrcnn-x2"
SCHEDULER = {
    "cls": distributed.Scheduler,
    "options": {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "dashboard": False},
}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    image = Image.from_array(np.random.default_rng(0).integers(0, 99, (40, 40)).astype(np.uint16), "YX")
    return write_image(image, tmp_path_factory.mktemp("connecting") / "in.ome.zarr")


@pytest.mark.parametrize("listening", [False, True])
def test_no_scheduler(listening, source, tmp_path, monkeypatch):
    """Nobody is there, or somebody who is no scheduler."""
    monkeypatch.setattr(connection, "PATIENCE", 2.0)
    with closing(socket.socket()) as somebody:
        somebody.bind(("127.0.0.1", 0))
        if listening:
            somebody.listen()
        address = f"tcp://127.0.0.1:{somebody.getsockname()[1]}"
        start = time.monotonic()
        with pytest.raises(DeviceError, match=rf"{address} does not answer.*dask scheduler"):
            upscale_file(source, tmp_path / "out.ome.zarr", model=MODEL, scheduler=address)
    assert time.monotonic() - start < 10
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("address", ["nonsense", "http://127.0.0.1:1", "tcp://", "tcp://127.0.0.1"])
def test_no_address(address, source, tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "PATIENCE", 1.0)
    with pytest.raises(DeviceError, match="does not answer"):
        upscale_file(source, tmp_path / "out.ome.zarr", model=MODEL, scheduler=address)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"workers": 0}, "at least 1, got 0"),
        ({"workers": True}, "at least 1, got True"),
        ({"workers": 1.5}, "at least 1, got 1.5"),
        ({"workers": 2, "scheduler": "tcp://127.0.0.1:1"}, "Give `workers` or `scheduler`"),
    ],
)
def test_wrong_wishes(options, said, source, tmp_path):
    with pytest.raises(SettingsError, match=said):
        upscale_file(source, tmp_path / "out.ome.zarr", model=MODEL, **options)


def test_a_scheduler_without_workers(source, tmp_path):
    with (
        distributed.SpecCluster(workers={}, scheduler=SCHEDULER) as empty,
        pytest.raises(DeviceError, match="no worker answers"),
    ):
        upscale_file(source, tmp_path / "out.ome.zarr", model=MODEL, scheduler=empty.scheduler_address)
    assert list(tmp_path.iterdir()) == []


def test_a_scheduler_without_tls_is_named():
    class Client:
        """Its workers are sound, and nothing is left to compute."""

        status = "running"

        def run(self, *_, **__):
            return {"tcp://1": SimpleNamespace(version=package_version("napari-superres-torch"), problem="")}

        def submit(self, *_, **__):
            return None

        cancel = submit

    class Job:
        source = target = "somewhere"
        run = SimpleNamespace(plans=())

        def __reduce__(self):
            return str, ()

    workers = module.Cluster(Client, "whoever reaches it can run code")
    assert [step.note for step in workers.run(Job(), "compute", [])] == ["whoever reaches it can run code"]
    assert list(workers.run(Job(), "compute", [])) == []


@pytest.mark.parametrize("workers", [{}, {"tcp://1": {}}])
def test_a_run_whose_workers_are_gone_says_so(workers, monkeypatch):
    monkeypatch.setattr(module, "_LOOK_EVERY", 0.01)

    class Future:
        """Finishes when the scheduler was asked for its workers a few times."""

        def add_done_callback(self, function):
            self.finish = lambda: function(self)

    class Client:
        status = "running"
        looks = 0

        def scheduler_info(self, **_):
            self.looks += 1
            if self.looks == 3 or not workers:
                future.finish()
            return {"workers": workers}

    future = Future()
    finished = list(module.Cluster(Client)._finished([future]))
    assert finished == ([future] if workers else [None, future])


def test_processes_that_cannot_be_started(source, tmp_path, monkeypatch):
    def fails(*_):
        raise RuntimeError("Nanny failed to start.")

    monkeypatch.setattr(module, "start_cluster", fails)
    with pytest.raises(
        DeviceError,
        match=r"2 processes could not be started on this computer \(Nanny failed to start.\). Use fewer `workers`",
    ):
        upscale_file(source, tmp_path / "out.ome.zarr", model=MODEL, workers=2)
    assert list(tmp_path.iterdir()) == []


def test_workers_start_while_the_plan_is_made(source, tmp_path, monkeypatch):
    planned, prepare = threading.Event(), stream_file.prepare

    def plans(*args, **given):
        planned.set()
        return prepare(*args, **given)

    def waits(*_):
        raise RuntimeError(f"planned: {planned.wait(5)}")

    monkeypatch.setattr(stream_file, "prepare", plans)
    monkeypatch.setattr(module, "start_cluster", waits)
    with pytest.raises(DeviceError, match="planned: True"):
        upscale_file(source, tmp_path / "out.ome.zarr", model=MODEL, workers=2)


BARE = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "napari_superres"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hidden())
from distributed.cli.dask_worker import main
main(sys.argv[1:])
"""


def test_a_worker_without_the_package(source, tmp_path):
    with distributed.SpecCluster(workers={}, scheduler=SCHEDULER) as empty:
        words = [empty.scheduler_address, "--no-nanny", "--no-dashboard", "--host", "127.0.0.1", "--nthreads", "1"]
        worker = subprocess.Popen(
            [sys.executable, "-c", BARE, *words, "--local-directory", str(tmp_path / "scratch")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=tmp_path,
        )
        try:
            with distributed.Client(empty.scheduler_address) as client:
                client.wait_for_workers(1, timeout=60)
            with pytest.raises(DeviceError, match=r"cannot import torch; install napari-superres-torch\[distributed\]"):
                upscale_file(source, tmp_path / "out.ome.zarr", model=MODEL, scheduler=empty.scheduler_address)
        finally:
            worker.kill()
            worker.wait()
    assert not (tmp_path / "out.ome.zarr").exists()


@pytest.mark.parametrize(
    ("visible", "given"),
    [(None, ["0", "1", "0"]), ("4,7", ["4", "7", "4"]), (" GPU-a , GPU-b ", ["GPU-a", "GPU-b", "GPU-a"])],
)
def test_each_worker_has_a_gpu_of_its_own(visible, given, monkeypatch):
    monkeypatch.setattr(local_cluster, "list_devices", lambda: ["cuda:0", "cuda:1", "cpu"])
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [e["CUDA_VISIBLE_DEVICES"] for e in local_cluster.environments(3)] == given
    monkeypatch.setattr(local_cluster, "list_devices", lambda: ["cpu"])
    assert all("CUDA_VISIBLE_DEVICES" not in e for e in local_cluster.environments(3))


def test_cores_are_shared(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(7), raising=False)
    assert [local_cluster.environments(n)[0]["OMP_NUM_THREADS"] for n in (1, 2, 3, 9)] == ["7", "3", "2", "1"]


def test_nobody_asked_for_others():
    before = set(threading.enumerate())
    with open_executor() as executor:
        assert isinstance(executor, ThisProcess)
        assert set(threading.enumerate()) <= before
