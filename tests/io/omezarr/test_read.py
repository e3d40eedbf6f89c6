"""OME-Zarr of other programs and versions is read, and ours passes the validator of the standard."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaozarrs
import zarr

from napari_superres.core.image import Image
from napari_superres.errors import SeriesError, SuperResWarning, UnreadableImageError
from napari_superres.io import read_image, read_pyramids, read_series, write_image
from napari_superres.io.lazy import LazyArray

DATA = np.arange(2 * 3 * 8 * 10, dtype="uint16").reshape(2, 3, 8, 10)


def multiscale(**more: Any) -> dict[str, Any]:
    return {
        "version": "0.4",
        "axes": [
            {"name": "c", "type": "channel"},
            *({"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"),
        ],
        "datasets": [
            {
                "path": "0",
                "coordinateTransformations": [
                    {"type": "scale", "scale": [1, 2.0, 0.5, 0.25]},
                    {"type": "translation", "translation": [0, 10.0, 1.0, -3.0]},
                ],
            }
        ],
        **more,
    }


def store(path: Path, attributes: dict[str, Any], version: int = 2, data: np.ndarray = DATA) -> None:
    group = zarr.open_group(str(path), mode="w", zarr_format=version)
    group.create_array("0", data=data, chunks=(1,) * (data.ndim - 2) + (4, 5))
    group.attrs.update(attributes)


@pytest.mark.parametrize("version", [2, 3])
def test_of_another_program(version: int, tmp_path: Path) -> None:
    around = [{"type": "scale", "scale": [1, 1, 2.0, 2.0]}, {"type": "translation", "translation": [0, 0, 0, 100.0]}]
    ome: dict[str, Any] = {
        "multiscales": [multiscale(coordinateTransformations=around)],
        "omero": {"channels": [{"label": "DAPI"}, {"label": "GFP"}]},
    }
    store(tmp_path / "a.zarr", ome if version == 2 else {"ome": {"version": "0.5", **ome}}, version)
    image = read_image(tmp_path / "a.zarr")
    assert image.axes == "CZYX"
    assert image.pixel_size == (2.0, 1.0, 0.5)
    assert image.origin == (10.0, 2.0, 94.0)
    assert image.channel_names == ("DAPI", "GFP")
    assert isinstance(image.data, LazyArray)
    np.testing.assert_array_equal(image.data[1, 2], DATA[1, 2])


@pytest.mark.parametrize("version", [2, 3])
def test_bare_arrays(version: int, tmp_path: Path) -> None:
    array = zarr.create_array(str(tmp_path / "a.zarr"), data=DATA[0].astype(">u2"), zarr_format=version)
    assert array.shape == (3, 8, 10)
    image = read_image(tmp_path / "a.zarr")
    assert image.axes == "ZYX"
    assert not image.has_pixel_size
    assert np.asarray(image.data[0]).dtype.isnative
    assert read_image(tmp_path / "a.zarr", axes="CYX").axes == "CYX"


def test_several_images(tmp_path: Path) -> None:
    root = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    for name in ("0", "1"):
        store(tmp_path / "a.zarr" / name, {"multiscales": [multiscale()]})
    with pytest.raises(SeriesError, match=r"holds 2 images.*CZYX 2 x 3 x 8 x 10"):
        read_image(tmp_path / "a.zarr")
    assert len(read_series(tmp_path / "a.zarr")) == 2
    assert read_image(tmp_path / "a.zarr", series=1).axes == "CZYX"


def test_a_plate_is_its_fields(tmp_path: Path) -> None:
    root = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    root.attrs["plate"] = {"wells": [{"path": "A/1"}]}
    root.create_group("A/1").attrs["well"] = {"images": [{"path": "0"}]}
    store(tmp_path / "a.zarr" / "A" / "1" / "0", {"multiscales": [multiscale()]})
    assert [name for name, _ in read_series(tmp_path / "a.zarr")] == ["a.zarr/A/1/0"]


def test_a_plate_without_some_of_its_wells_and_fields(tmp_path: Path) -> None:
    root = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    root.attrs["plate"] = {"version": "0.4", "wells": [{"path": f"A/{n}"} for n in range(3)]}
    for well in ("A/0", "A/2"):
        root.create_group(well).attrs["well"] = {"images": [{"path": "0"}, {"path": "1"}]}
    for field in ("A/0/0", "A/0/1", "A/2/1"):
        store(tmp_path / "a.zarr" / field, {"multiscales": [multiscale()]})
    found = read_series(tmp_path / "a.zarr")
    assert [name for name, _ in found] == ["a.zarr/A/0/0", "a.zarr/A/0/1", "a.zarr/A/2/1"]
    for _, image in found:
        assert image.metadata["notes"] == ("a.zarr names 5 wells or images, of which 2 are missing: A/1, A/2/0.",)
        np.testing.assert_array_equal(np.asarray(image.data), DATA)


def test_a_series_that_the_layout_names_may_be_missing(tmp_path: Path) -> None:
    root = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    root.create_group("OME").attrs["series"] = ["0", "1"]
    store(tmp_path / "a.zarr" / "1", {"multiscales": [multiscale()]})
    with pytest.warns(SuperResWarning, match=r"1 are missing: 0\.$"):
        read_image(tmp_path / "a.zarr")


@pytest.mark.parametrize("place", ["multiscale", "group", "plate", "none"])
@pytest.mark.parametrize("version", ["0.6", "0.6.dev3", "1.0", "0.10"])
def test_versions_that_are_not_known_are_refused_by_number(version: str, place: str, tmp_path: Path) -> None:
    systems = {"coordinateSystems": [{"name": "physical", "axes": multiscale()["axes"]}]}
    image = {k: v for k, v in multiscale().items() if k not in {"axes", "version"}} | systems
    attributes = {
        "multiscale": {"multiscales": [{**image, "version": version}]},
        "group": {"ome": {"version": version, "multiscales": [image]}},
        "plate": {"plate": {"version": version, "wells": []}},
        "none": {"multiscales": [image]},
    }[place]
    store(tmp_path / "a.zarr", attributes)
    shown = "0.6" if place == "none" else version
    with pytest.raises(UnreadableImageError, match=rf"version 0\.1 to 0\.5, but is of version '{shown}'"):
        read_image(tmp_path / "a.zarr")


def test_ours_is_valid_and_every_level_lies_right(tmp_path: Path, make_image: Callable[..., Image]) -> None:
    image = make_image("CZYX", sizes={"Y": 1301, "X": 1100}, channel_names=("DAPI", "GFP"))
    image = image.replace(metadata={"provenance": {"model": "x"}})
    path = write_image(image, tmp_path / "a.ome.zarr")
    yaozarrs.validate_zarr_store(str(path))
    group = zarr.open_group(str(path), mode="r")
    attributes = dict(group.attrs)
    assert attributes["napari_superres"]["provenance"] == {"model": "x"}
    assert [a.get("unit") for a in attributes["ome"]["multiscales"][0]["axes"]] == [None, *["micrometer"] * 3]
    assert group["0"].chunks == (1, 1, 512, 512)
    assert group["0"].shards == (1, 3, 1536, 1536)
    shapes = []
    for level, dataset in enumerate(attributes["ome"]["multiscales"][0]["datasets"]):
        scale, translation = (
            t[k] for t, k in zip(dataset["coordinateTransformations"], ("scale", "translation"), strict=True)
        )
        shapes.append(group[dataset["path"]].shape[-2:])
        factor = 2**level
        assert scale[-1] == pytest.approx(image.pixel_size[-1] * factor)
        # The outer edge of the first pixel has the same position at every level.
        assert translation[-1] - scale[-1] / 2 == pytest.approx(image.origin[-1] - image.pixel_size[-1] / 2)
        assert scale[1] == pytest.approx(image.pixel_size[0])
        assert translation[1] == pytest.approx(image.origin[0])
    assert shapes == [(1301, 1100), (650, 550), (325, 275)]
    mean = image.data[1, 2, :1300, :1100].reshape(650, 2, 550, 2).mean((1, 3))
    np.testing.assert_array_equal(group["1"][1, 2], np.rint(mean))


def test_an_unknown_pixel_size_writes_no_unit(tmp_path: Path, make_image: Callable[..., Image]) -> None:
    path = write_image(make_image("YX", unit=None), tmp_path / "a.zarr")
    axes = json.loads((path / "zarr.json").read_text())["attributes"]["ome"]["multiscales"][0]["axes"]
    assert axes == [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]


def test_colour_is_channels_to_others(tmp_path: Path, make_image: Callable[..., Image]) -> None:
    path = write_image(make_image("YXS", "uint8"), tmp_path / "a.ome.zarr")
    ome = json.loads((path / "zarr.json").read_text())["attributes"]["ome"]
    assert [c["label"] for c in ome["omero"]["channels"]] == ["red", "green", "blue"]
    assert zarr.open_group(str(path), mode="r")["0"].shape == (3, 7, 9)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(axes=[{"name": "y"}]),
        lambda m: m.update(datasets=[]),
        lambda m: m["datasets"][0].update(path="7"),
        lambda m: m["datasets"][0].update(coordinateTransformations=[{"type": "affine"}]),
        lambda m: m["datasets"][0].update(coordinateTransformations=[{"type": "scale", "scale": [1, 2]}]),
        lambda m: m["datasets"][0].update(coordinateTransformations=[{"type": "scale", "scale": "much"}]),
        lambda m: m["datasets"][0].update(coordinateTransformations=[{"type": "scale", "scale": [1, 1, 0, 1]}]),
        lambda m: m.update(datasets=7),
    ],
)
def test_damaged_metadata(change: Callable[[dict[str, Any]], None], tmp_path: Path) -> None:
    damaged = multiscale()
    change(damaged)
    store(tmp_path / "a.zarr", {"multiscales": [damaged]})
    with pytest.raises((UnreadableImageError, ValueError)) as error:
        read_image(tmp_path / "a.zarr")
    assert type(error.value).__module__ == "napari_superres.errors"
    assert "\n" not in str(error.value)


def test_garbage_and_empty_groups(tmp_path: Path) -> None:
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "zarr.json").write_text("{not json")
    with pytest.raises(UnreadableImageError, match=r"a\.zarr"):
        read_image(tmp_path / "a.zarr")
    zarr.open_group(str(tmp_path / "b.zarr"), mode="w")
    with pytest.raises(UnreadableImageError, match="no multiscale image and no array"):
        read_image(tmp_path / "b.zarr")


def test_labels_are_marked(tmp_path: Path) -> None:
    path = write_image(Image.from_array(np.arange(12, dtype="u2").reshape(3, 4), "YX"), tmp_path / "a.ome.zarr")
    assert "labels" not in read_image(path).metadata
    described = json.loads((path / "zarr.json").read_text())
    described["attributes"]["ome"]["image-label"] = {"version": "0.5"}
    (path / "zarr.json").write_text(json.dumps(described))
    assert read_image(path).metadata["labels"] is True


@pytest.mark.parametrize("given", [None, [], [{"type": "identity"}]])
def test_units_without_a_scale_are_no_pixel_size(given: Any, tmp_path: Path) -> None:
    axes = [{"name": "t", "type": "time", "unit": "second"}, *multiscale()["axes"][1:]]
    levels = [{"path": path} | ({} if given is None else {"coordinateTransformations": given}) for path in "01"]
    store(tmp_path / "a.zarr", {"multiscales": [{"version": "0.4", "axes": axes, "datasets": levels}]})
    half = DATA[..., ::2, ::2]
    zarr.open_group(str(tmp_path / "a.zarr")).create_array("1", data=half, chunks=half.shape)
    ((_, images),) = read_pyramids(tmp_path / "a.zarr")
    for image in images:
        assert not image.has_pixel_size
        assert "time_step" not in image.metadata
