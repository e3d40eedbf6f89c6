"""Results are written to a store box by box, through faults, resumed, by several processes; never over anything."""

from pathlib import Path

import numpy as np
import pytest
from helpers.faults.object_server import ObjectServer

from napari_superres import Image, read_image, upscale_file, write_image
from napari_superres.errors import OutputError, OutputExistsError, SettingsError
from napari_superres.storage import client

MODEL = "nearest-x2"
TARGET = "s3://bucket/results/out.ome.zarr"


def expected(image: Image) -> np.ndarray:
    return np.asarray(image.data).repeat(2, -2).repeat(2, -1)


def shards(server: ObjectServer) -> dict[str, bytes]:
    return {k: v for k, v in server.objects.items() if k.startswith("bucket/results/out.ome.zarr/") and "/c/" in k}


@pytest.mark.parametrize("source", ["folder", "http", "s3"])
def test_a_result_in_a_store_is_that_on_a_disk(
    source: str, server: ObjectServer, held: str, image: Image, tmp_path: Path
) -> None:
    here = {"folder": str(tmp_path / "in.ome.zarr"), "http": f"{server.address}/{held}", "s3": f"s3://{held}"}[source]
    assert str(upscale_file(here, TARGET, model=MODEL)) == TARGET
    upscale_file(here, tmp_path / "out.ome.zarr", model=MODEL)
    found, local = read_image(TARGET), read_image(tmp_path / "out.ome.zarr")
    np.testing.assert_array_equal(np.asarray(found.data), expected(image))
    assert (found.affine == local.affine).all()
    assert (found.units, found.channel_names) == (local.units, local.channel_names)
    for name, content in shards(server).items():
        assert content == (tmp_path / name.removeprefix("bucket/results/")).read_bytes()
    assert found.metadata["provenance"].keys() == local.metadata["provenance"].keys()
    assert not [name for name in server.objects if "unfinished" in name]
    assert f"{TARGET[5:]}.provenance.json" in server.objects
    assert b"geheim" not in b"".join(server.objects.values())


def test_a_written_image(server: ObjectServer, image: Image) -> None:
    write_image(image, TARGET)
    np.testing.assert_array_equal(np.asarray(read_image(TARGET).data), image.data)


@pytest.mark.parametrize("fault", [503, "drop", "cut"])
def test_faults_that_pass(fault: int | str, server: ObjectServer, held: str, image: Image) -> None:
    server.fault = lambda _method, _name, tries: fault if tries < 2 else None
    upscale_file(f"s3://{held}", TARGET, model=MODEL)
    server.fault = lambda *_: None
    np.testing.assert_array_equal(np.asarray(read_image(TARGET).data), expected(image))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make few attempts."""
    monkeypatch.setattr(client, "_RETRIES", 0)
    monkeypatch.setattr(client, "ATTEMPTS", 1)
    client._client.cache_clear()


@pytest.fixture
def small_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a box hold few pixels, so that a small result has several."""
    from napari_superres.io.omezarr import layout

    monkeypatch.setattr(layout, "_LEAST_BOX_PIXELS", 2**10)
    monkeypatch.setattr(layout, "_BOX_PIXELS", 2**16)
    monkeypatch.setattr(layout, "_BOX", 512)


@pytest.mark.usefixtures("impatient", "small_boxes")
def test_an_interrupted_run_is_resumed(server: ObjectServer, held: str, image: Image) -> None:
    last = "bucket/results/out.ome.zarr/0/c/1/1/1"
    server.fault = lambda method, name, _tries: "drop" if (method, name) == ("PUT", last) else None
    with pytest.raises(OutputError, match="does not answer"):
        upscale_file(f"s3://{held}", TARGET, model=MODEL)
    server.fault = lambda *_: None
    before = shards(server)
    assert before
    assert "ome" not in server.objects["bucket/results/out.ome.zarr/zarr.json"].decode()
    for options in ({}, {"overwrite": False}):
        with pytest.raises(OutputExistsError, match=r"an unfinished run of out\.ome\.zarr exists"):
            upscale_file(f"s3://{held}", TARGET, model=MODEL, **options)
    with pytest.raises(OutputExistsError, match="another model"):
        upscale_file(f"s3://{held}", TARGET, model="bicubic-x2", resume=True)
    lost = next(name for name in before if "/0/c/0/" in name)
    server.objects[lost] = before[lost][:-1]
    server.log.clear()
    with pytest.warns(UserWarning, match="1 finished part was lost or damaged"):
        upscale_file(f"s3://{held}", TARGET, model=MODEL, resume=True)
    written = {name for method, name in server.log if method == "PUT" and "/0/c/" in name}
    assert written == {lost, *(set(shards(server)) - set(before)) & {n for n in shards(server) if "/0/c/" in n}}
    np.testing.assert_array_equal(np.asarray(read_image(TARGET).data), expected(image))
    server.log.clear()
    upscale_file(f"s3://{held}", TARGET, model=MODEL, resume=True)
    assert not [name for method, name in server.log if method == "PUT"]


@pytest.mark.usefixtures("impatient")
def test_a_run_that_stored_nothing_leaves_nothing(server: ObjectServer, held: str) -> None:
    before = set(server.objects)
    server.fault = lambda method, name, _tries: 403 if method == "PUT" and "/c/" in name else None
    with pytest.raises(OutputError, match="refuses access"):
        upscale_file(f"s3://{held}", TARGET, model=MODEL)
    assert set(server.objects) == before


def test_nothing_is_replaced(server: ObjectServer, held: str, image: Image) -> None:
    server.objects["bucket/results/out.ome.zarr/letter.txt"] = b"mine"
    before = dict(server.objects)
    for options in ({}, {"overwrite": True}):
        with pytest.raises(OutputExistsError, match="exists already"):
            upscale_file(f"s3://{held}", TARGET, model=MODEL, **options)
        with pytest.raises(OutputExistsError, match="exists already"):
            write_image(image, TARGET, **options)
        with pytest.raises(OutputExistsError, match="the input itself"):
            upscale_file(f"s3://{held}", f"s3://{held}", model=MODEL, **options)
    with pytest.raises(SettingsError, match="a web server is only read"):
        upscale_file(f"s3://{held}", f"{server.address}/bucket/x.ome.zarr", model=MODEL)
    with pytest.raises(SettingsError, match=r"Name it \.ome\.zarr"):
        upscale_file(f"s3://{held}", "s3://bucket/x.tif", model=MODEL)
    assert server.objects == before


@pytest.mark.slow
@pytest.mark.usefixtures("small_boxes")
def test_processes_share_a_run_without_a_shared_disk(server: ObjectServer, held: str, image: Image) -> None:
    pytest.importorskip("distributed")
    upscale_file(f"s3://{held}", TARGET, model=MODEL, workers=2)
    np.testing.assert_array_equal(np.asarray(read_image(TARGET).data), expected(image))
