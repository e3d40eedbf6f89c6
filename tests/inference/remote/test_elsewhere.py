"""Other computers: the same pixels as here, whatever happens to them."""

import asyncio
import time
from contextlib import closing
from types import SimpleNamespace

import distributed
import numpy as np
import pytest
from distributed.scheduler import KilledWorker
from helpers.networks import least_tile, make

from napari_superres import Image, iter_upscale, read_image, upscale, upscale_file, write_image
from napari_superres.errors import DeviceError, SuperResWarning
from napari_superres.inference.remote import connection, elsewhere, worker
from napari_superres.inference.remote.elsewhere import OtherComputers, describe_cluster

pytestmark = pytest.mark.filterwarnings("ignore::napari_superres.errors.SuperResWarning")  # noise fits no model
HERE = {"device": "cpu", "precision": "fp32"}
MODEL = "fsrcnn-x2"


def noise(shape, dtype=np.uint16):
    return np.random.default_rng(0).integers(0, 250, shape).astype(dtype)


def run(image, address, **events):
    """Return the last step of a run during which something happens after a step."""
    steps = []
    for step in iter_upscale(image, MODEL, tile=64, scheduler=address):
        steps.append(step)
        events.get(f"after_{len(steps)}", lambda: None)()
    return steps[-1]


@pytest.fixture(scope="module")
def image():
    """Return an image of a dozen tiles."""
    return Image.from_array(noise((210, 270)), "YX", pixel_size=0.5)


@pytest.fixture(scope="module")
def whole(image):
    return upscale(image, MODEL, tile=80, **HERE)


@pytest.mark.parametrize(
    ("axes", "shape", "dtype", "model", "tile"),
    [
        ("YX", (150, 131), np.uint16, "fluo-x2", 96),
        ("YXS", (90, 120, 3), np.uint8, "photo-x2", 96),
        ("YXS", (90, 120, 4), np.uint8, MODEL, 64),
        ("TCZYX", (1, 2, 2, 70, 80), np.float32, MODEL, 64),
        ("CYX", (2, 70, 80), np.int16, {0: MODEL, 1: "bicubic-x2"}, 64),
    ],
)
def test_the_pixels_are_those_of_this_computer(axes, shape, dtype, model, tile, cluster):
    image = Image.from_array(noise(shape, dtype), axes, pixel_size=0.4)
    expected = upscale(image, model, tile=tile, **HERE)
    found = upscale(image, model, tile=tile, scheduler=cluster.scheduler_address)
    np.testing.assert_array_equal(found.data, expected.data)
    record, there = (each.metadata["provenance"] for each in (expected, found))
    assert there["cluster"] == {"workers": 2, "batches_computed_here": 0}
    assert there["device"] == "cpu"
    assert (there["normalisation"], there["told"]) == (record["normalisation"], record["told"])
    assert there["counts"] == record["counts"]
    assert "127.0.0.1" not in str(there), "an address is nobody else's business"


def test_statistics_of_the_whole_image_are_gathered_there(cluster):
    model = make("rcan")
    image = Image.from_array(noise((90, 110), np.float32), "YX")
    expected = upscale(image, model, tile=least_tile(model), **HERE)
    found = upscale(image, model, tile=least_tile(model), scheduler=cluster.scheduler_address)
    assert found.metadata["provenance"]["statistics"] == expected.metadata["provenance"]["statistics"]
    np.testing.assert_array_equal(found.data, expected.data)


def test_pixels_without_a_measurement(cluster):
    data = noise((90, 110), np.float32)
    data[40:44, 50:61] = np.nan
    expected = upscale(data, MODEL, tile=64, **HERE)
    found = upscale(data, MODEL, tile=64, scheduler=cluster.scheduler_address)
    np.testing.assert_array_equal(found.data, expected.data)
    assert np.isnan(found.data).any()


def test_a_model_travels_once(image, whole, cluster, monkeypatch):
    upscale(image, MODEL, tile=80, scheduler=cluster.scheduler_address)
    monkeypatch.setattr(elsewhere, "pickle", None)  # it would be needed to send the model again
    again = upscale(image, MODEL, tile=80, scheduler=cluster.scheduler_address)
    np.testing.assert_array_equal(again.data, whole.data)


def test_a_file_of_any_format_needs_no_common_disk(image, whole, cluster, tmp_path):
    source = write_image(image, tmp_path / "in.ome.tif")
    target = upscale_file(source, tmp_path / "out.ome.tif", model=MODEL, tile=80, scheduler=cluster.scheduler_address)
    np.testing.assert_array_equal(read_image(target).data, whole.data)


def test_cancelling_leaves_nothing_behind(image, cluster):
    with closing(iter_upscale(image, MODEL, tile=64, scheduler=cluster.scheduler_address)) as steps:
        assert [next(steps).done for _ in range(3)] == [0, 1, 2]
    with distributed.Client(cluster) as client:
        while client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)):
            time.sleep(0.05)


def test_what_the_cluster_has(cluster):
    assert describe_cluster(cluster.scheduler_address).startswith("2 workers on 1 computer, none with a GPU, version ")


def test_a_device_that_no_worker_has(image, cluster):
    with pytest.raises(DeviceError, match="has no device cuda:7"):
        upscale(image, MODEL, device="cuda:7", scheduler=cluster.scheduler_address)


@pytest.fixture
def own():
    """Return a cluster of threads of its own, which may be lost."""
    worker = {"cls": distributed.Worker, "options": {"nthreads": 1, "dashboard": False}}
    scheduler = {
        "cls": distributed.Scheduler,
        "options": {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "dashboard": False},
    }
    with distributed.SpecCluster(workers={0: worker, 1: worker}, scheduler=scheduler) as found:
        yield found


def test_a_scheduler_that_is_lost(image, whole, own):
    """This computer goes on."""
    last = run(image, own.scheduler_address, after_3=own.close)
    np.testing.assert_array_equal(last.image.data, whole.data)
    assert any("the cluster was lost" in note for note in last.notes)
    assert last.image.metadata["provenance"]["cluster"]["batches_computed_here"] > 0


def test_a_worker_that_joins_or_leaves(image, whole, own):
    last = run(image, own.scheduler_address, after_3=lambda: own.scale(1), after_5=lambda: own.scale(3))
    np.testing.assert_array_equal(last.image.data, whole.data)
    assert last.image.metadata["provenance"]["cluster"]["batches_computed_here"] == 0


def test_without_any_worker_this_computer_takes_over(image, whole, own, monkeypatch):
    monkeypatch.setattr(elsewhere, "_LOOK_EVERY", 0.05)
    monkeypatch.setattr(elsewhere, "_LONELY", 0.1)
    last = run(image, own.scheduler_address, after_2=lambda: own.scale(0))
    np.testing.assert_array_equal(last.image.data, whole.data)
    assert any("no worker is left" in note for note in last.notes)


async def for_ever(*_, **__):
    await asyncio.Event().wait()


def test_a_tunnel_whose_other_end_is_gone(image, whole, own, monkeypatch):
    """Nothing answers any more, but the connection stays open."""
    monkeypatch.setattr(elsewhere, "_LOOK_EVERY", 0.05)
    monkeypatch.setattr(elsewhere, "PATIENCE", 0.05)

    def goes():
        for request in ("gather", "ncores"):
            monkeypatch.setitem(own.scheduler.handlers, request, for_ever)

    last = run(image, own.scheduler_address, after_2=goes)
    np.testing.assert_array_equal(last.image.data, whole.data)
    assert any("the cluster was lost" in note for note in last.notes)


def test_a_slow_line(image, whole, own, monkeypatch):
    """A result that takes longer than the time between two looks arrives nevertheless, and is fetched once."""
    monkeypatch.setattr(elsewhere, "_LOOK_EVERY", 0.01)
    gather, fetched = own.scheduler.handlers["gather"], []

    async def late(keys, **given):
        fetched.extend(keys)
        await asyncio.sleep(0.1)
        return await gather(keys=keys, **given)

    monkeypatch.setitem(own.scheduler.handlers, "gather", late)
    last = run(image, own.scheduler_address)
    np.testing.assert_array_equal(last.image.data, whole.data)
    assert len(fetched) == len(set(fetched)) > 1
    assert last.image.metadata["provenance"]["cluster"]["batches_computed_here"] == 0


@pytest.mark.parametrize("error", [TimeoutError, OSError, ModuleNotFoundError])
def test_a_worker_that_fails(error, image, whole, own, monkeypatch):
    def fails(*_):
        raise error("no such driver")

    monkeypatch.setattr(elsewhere, "compute", fails)
    last = run(image, own.scheduler_address)
    np.testing.assert_array_equal(last.image.data, whole.data)
    assert f"a worker failed ({error.__name__}: no such driver); this computer computed what it was sent." in last.notes


def test_a_worker_that_joins_with_another_version(image, whole, own, monkeypatch):
    def joins():
        monkeypatch.setattr(worker, "_models", type(worker._models)())
        monkeypatch.setattr(connection, "package_version", lambda _: "99.0")

    last = run(image, own.scheduler_address, after_2=joins)
    np.testing.assert_array_equal(last.image.data, whole.data)
    assert any("the cluster was lost (worker" in note and "and this process 99.0" in note for note in last.notes)


def test_a_window_that_workers_die_of_is_computed_here(image, whole, own, monkeypatch):
    def dies(*_):
        raise KilledWorker("compute", SimpleNamespace(address="a"), 3)

    monkeypatch.setattr(elsewhere, "compute", dies)
    with pytest.warns(SuperResWarning, match="workers died repeatedly"):
        found = upscale(image, MODEL, tile=80, scheduler=own.scheduler_address)
    np.testing.assert_array_equal(found.data, whole.data)


def test_memory_that_is_short_there(image, whole, cluster, monkeypatch):
    wait, first = OtherComputers._wait, [True]

    def is_short_once(*args):
        if first.pop() if first else False:
            raise MemoryError
        return wait(*args)

    monkeypatch.setattr(OtherComputers, "_wait", is_short_once)
    with pytest.warns(SuperResWarning, match="memory was short; the run went on with"):
        found = upscale(image, MODEL, tile=80, scheduler=cluster.scheduler_address)
    np.testing.assert_array_equal(found.data, whole.data)


def test_what_nobody_asked_for_is_refused(image, cluster, monkeypatch):
    monkeypatch.setattr(OtherComputers, "_wait", lambda *_: [("code", None, 0)])
    with pytest.raises(DeviceError, match="returned something else"):
        upscale(image, MODEL, tile=80, scheduler=cluster.scheduler_address)


def test_the_users_own_dask_stays_here(image, cluster):
    with closing(iter_upscale(image, MODEL, tile=64, scheduler=cluster.scheduler_address)) as steps:
        next(steps)
        with pytest.raises(ValueError, match="No clients found"):
            distributed.default_client()
