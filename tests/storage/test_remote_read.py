"""OME-Zarr is read by address as from a folder, lazily, through faults; and no secret or name of a patient is shown."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr
from helpers.faults.object_server import ObjectServer

from napari_superres import Image, upscale_file
from napari_superres.errors import MissingExtraError, SettingsError, SuperResError, UnreadableImageError
from napari_superres.io import describe, find_damage, read_image, read_pyramids, read_series
from napari_superres.storage import RemotePath, as_path, client


@pytest.fixture(params=["http", "s3"])
def address(request: pytest.FixtureRequest, server: ObjectServer, held: str) -> str:
    return f"{server.address}/{held}" if request.param == "http" else f"s3://{held}"


def test_what_is_read_is_what_the_folder_holds(address: str, image: Image, tmp_path: Path) -> None:
    found, expected = read_image(address), read_image(tmp_path / "in.ome.zarr")
    assert (found.axes, found.pixel_size, found.units) == (expected.axes, expected.pixel_size, expected.units)
    assert found.channel_names == ("DNA", "actin")
    np.testing.assert_array_equal(np.asarray(found.data), image.data)
    again = pickle.loads(pickle.dumps(found.data))
    np.testing.assert_array_equal(again[1, 3:77:5, ::-1], image.data[1, 3:77:5, ::-1])
    assert [level.shape for level in read_pyramids(address)[0][1]] == [(2, 540, 600), (2, 270, 300)]
    assert describe(address)[0]["shape"] == [2, 540, 600]
    assert list(find_damage(address)) == []


def test_only_what_is_sliced_is_fetched(address: str, server: ObjectServer) -> None:
    lazy = read_image(address)
    assert not [name for _, name in server.log if "/c/" in name]
    lazy.data[1, :9, :9]
    assert {name for _, name in server.log if "/c/" in name} == {"bucket/in.ome.zarr/0/c/0/0/0"}


@pytest.mark.parametrize("fault", [503, 429, 500, "drop", "cut"])
def test_faults_that_pass(fault: int | str, address: str, server: ObjectServer, image: Image) -> None:
    server.fault = lambda _method, _name, tries: fault if tries < 2 else None
    np.testing.assert_array_equal(np.asarray(read_image(address).data), image.data)


@pytest.mark.parametrize("fault", ["drop", "cut"])
def test_faults_that_stay_are_one_clear_error(
    fault: str, address: str, server: ObjectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_RETRIES", 1)
    monkeypatch.setattr(client, "ATTEMPTS", 2)
    client._client.cache_clear()
    for skip_bad in (False, True):  # A server that does not answer is no damage that may be filled.
        lazy = read_image(address, skip_bad=skip_bad).data
        server.fault = lambda _method, name, _tries: fault if "/c/" in name else None
        with pytest.raises(UnreadableImageError, match="does not answer, or breaks off") as error:
            np.asarray(lazy)
        assert "\n" not in str(error.value)


def test_access_that_is_refused(server: ObjectServer, held: str) -> None:
    server.fault = lambda *_: 403
    with pytest.raises(UnreadableImageError, match=r"holds no zarr|refuses access"):
        read_image(f"s3://{held}")
    server.fault = lambda _method, name, _tries: 403 if "/c/" in name else None
    with pytest.raises(UnreadableImageError, match="refuses access"):
        np.asarray(read_image(f"s3://{held}").data)


@pytest.mark.filterwarnings("ignore:chunks that the address does not have")
def test_metadata_that_do_not_exist_may_be_refused_as_public_buckets_do(server: ObjectServer, image: Image) -> None:
    path = "bucket/old.zarr"
    folder = zarr.create_array(store={}, data=image.data[0], chunks=(200, 200), zarr_format=2).store._store_dict
    server.objects |= {f"{path}/{name}": content.to_bytes() for name, content in folder.items()}
    server.fault = lambda _method, name, _tries: None if name in server.objects else 403
    np.testing.assert_array_equal(np.asarray(read_image(f"s3://{path}").data), image.data[0])


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda content: content[:-40],
    "empty": lambda _: b"",
    "damaged": lambda content: content[:300] + bytes(b ^ 0xFF for b in content[300:309]) + content[309:],
}


@pytest.mark.parametrize("fault", [*DAMAGE, "missing"])
def test_damaged_chunks_are_named_or_filled(fault: str, address: str, server: ObjectServer, held: str) -> None:
    name = f"{held}/1/c/0/0/0"
    content = server.objects.pop(name)
    if fault != "missing":
        server.objects[name] = DAMAGE[fault](content)
    shown = "is" if fault == "cut off" else f"is {fault}"  # Without its end, a shard has no table of its chunks.
    with pytest.raises(UnreadableImageError, match=rf"1/c/0/0/0 \[.*\] {shown}"):
        np.asarray(read_pyramids(address)[0][1][1].data)
    assert any("1/c/0/0/0" in line for line in find_damage(address))


@pytest.mark.filterwarnings("ignore:chunks that the address does not have")
def test_an_object_larger_than_its_chunk_is_not_fetched(server: ObjectServer, image: Image) -> None:
    store = zarr.create_array(store={}, data=image.data[0], chunks=(270, 300)).store._store_dict
    server.objects |= {f"b/a.zarr/{name}": content.to_bytes() for name, content in store.items()}
    server.objects["b/a.zarr/c/1/1"] += bytes(2**21)
    with pytest.raises(UnreadableImageError, match=r"c/1/1 .* is larger than its array allows"):
        np.asarray(read_image("s3://b/a.zarr").data)


@pytest.mark.filterwarnings("ignore:chunks that the address does not have")
def test_plain_arrays_and_plates(server: ObjectServer) -> None:
    store: dict[str, object] = {}
    root = zarr.open_group(store, mode="w", zarr_format=2)
    root.attrs["plate"] = {"version": "0.4", "wells": [{"path": "A/1"}, {"path": "A/2"}]}
    root.create_group("A/1").attrs["well"] = {"images": [{"path": "0"}]}
    data = np.arange(60, dtype=np.uint8).reshape(6, 10)
    root.create_array("A/1/0/0", data=data, chunks=(3, 5))
    axes = [{"name": a, "type": "space"} for a in "yx"]
    scale = [{"type": "scale", "scale": [1, 1]}]
    datasets = [{"path": "0", "coordinateTransformations": scale}]
    root["A/1/0"].attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets}]
    server.objects |= {f"b/plate.zarr/{name}": content.to_bytes() for name, content in store.items()}  # type: ignore[attr-defined]
    ((name, image),) = read_series(f"{server.address}/b/plate.zarr")
    assert name == "plate.zarr/A/1/0"
    notes = " ".join(image.metadata["notes"])
    assert "1 are missing: A/2" in notes
    assert "chunks that the address does not have are read as the fill value 0" in notes
    np.testing.assert_array_equal(np.asarray(image.data), data)
    np.testing.assert_array_equal(np.asarray(read_image(f"{server.address}/b/plate.zarr/A/1/0/0").data), data)


@pytest.mark.parametrize(
    "address",
    [
        "https://me:geheim@example.org/a.zarr",
        "s3://geheim@bucket/a.zarr",
        "https://example.org/a.zarr?X-Amz-Signature=geheim",
        "HTTPS://example.org/a.zarr#geheim",
        Path("https://example.org/a.zarr?sig=geheim"),
    ],
)
def test_credentials_in_an_address_are_refused_and_never_shown(address: str | Path, tmp_path: Path) -> None:
    for call in (
        lambda: read_image(address),
        lambda: describe(address, redact=True),
        lambda: upscale_file(address, tmp_path / "o.ome.zarr", model="nearest-x2"),
        lambda: upscale_file(tmp_path, address, model="nearest-x2"),
    ):
        with pytest.raises(SettingsError, match="must not hold a password") as error:
            call()
        assert "geheim" not in str(error.value)


def test_names_of_medical_images_are_never_shown(server: ObjectServer) -> None:
    for name in ("Hans Meier.nii.gz", "MEIER.DCM", "Meier.mha"):
        for address in (f"{server.address}/bucket/{name}", f"s3://bucket/{name}"):
            with pytest.raises(SuperResError) as error:
                read_image(address)
            assert "meier" not in str(error.value).lower()
    with pytest.raises(SuperResError) as error:
        describe(f"{server.address}/bucket/Meier.zarr", redact=True)
    assert "Meier" not in str(error.value)


def test_what_is_no_zarr(server: ObjectServer) -> None:
    server.objects["bucket/a.tif"] = b"II*\0"
    with pytest.raises(UnreadableImageError, match="only OME-Zarr is read by address"):
        read_image(f"{server.address}/bucket/a.tif")
    with pytest.raises(SettingsError, match="must name a server"):
        read_image("https:///a.zarr")


def test_paths_of_addresses() -> None:
    path = as_path("S3://bucket/a/b.ome.zarr")
    assert isinstance(path, RemotePath)
    assert str(path) == f"{path}" == str(as_path(Path("s3://bucket/a/b.ome.zarr"))) == "s3://bucket/a/b.ome.zarr"
    assert (path.name, path.key, path.server) == ("b.ome.zarr", "a/b.ome.zarr", "s3://bucket")
    assert str(path.with_name("c.json")) == "s3://bucket/a/c.json"
    assert str(path / "0/c") == "s3://bucket/a/b.ome.zarr/0/c"
    assert str(path.parent) == "s3://bucket/a"
    assert pickle.loads(pickle.dumps(path)) == path
    assert not isinstance(as_path("c:/a.zarr"), RemotePath)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "obstore", None)
    with pytest.raises(MissingExtraError, match=r"napari-superres-torch\[remote\]"):
        read_image("https://example.org/a.zarr")
