"""CZI, ND2 and LIF are read lazily, with pixel size, time step and channel names; damage is one clear error."""

import pickle
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_superres import upscale_file
from napari_superres.errors import MissingExtraError, SeriesError, UnreadableImageError
from napari_superres.io import describe, read_image, read_series
from napari_superres.io.lazy import LazyArray

for library in ("bioio_lif", "bioio_czi"):
    pytest.importorskip(library, reason="microscopes' formats need the extra formats")

DATA = np.random.default_rng(0).integers(0, 4000, (2, 3, 4, 20, 30)).astype(np.uint16)
NAMES = ("DAPI", "GFP", "RFP")


_IDS = {"X": 1, "Y": 2, "Z": 3, "T": 4}


def write_lif(path: Path, images: dict[str, tuple[np.ndarray[Any, Any], dict[str, float]]]) -> None:
    """Write a LIF: the XML that describes the images, then the memory of each.

    They have axes TCZYX, each with the distance of pixels, in metres or seconds, along some axes.
    """
    elements, blocks = [], []
    for number, (name, (data, steps)) in enumerate(images.items(), 1):
        size = dict(zip("TCZYX", data.shape, strict=True))
        stride = dict(zip("TCZYX", data.strides, strict=True))
        channels = "".join(
            f'<ChannelDescription DataType="0" ChannelTag="0" Resolution="{8 * data.itemsize}" '
            f'NameOfMeasuredQuantity="" Min="0" Max="1" Unit="" LUTName="Green" IsLUTInverted="0" '
            f'BytesInc="{c * stride["C"]}" BitInc="0"/>'
            for c in range(size["C"])
        )
        dimensions = "".join(
            f'<DimensionDescription DimID="{_IDS[a]}" NumberOfElements="{size[a]}" Origin="0" '
            f'Length="{steps.get(a, 0.0) * (size[a] - 1)!r}" Unit="{"s" if a == "T" else "m"}" BytesInc="{stride[a]}" '
            f'BitInc="0"/>'
            for a in "XYZT"
            if size[a] > 1
        )
        described = f"<Channels>{channels}</Channels><Dimensions>{dimensions}</Dimensions>"
        elements.append(
            f'<Element Name="{name}"><Data><Image><ImageDescription>{described}</ImageDescription></Image></Data>'
            f'<Memory Size="{data.nbytes}" MemoryBlockID="MemBlock_{number}"/></Element>'
        )
        blocks.append((f"MemBlock_{number}", data.tobytes()))
    children = f'<Element Name="all"><Data/><Memory Size="0" MemoryBlockID="none"/><Children>{"".join(elements)}'
    xml = f'<LMSDataContainerHeader Version="2">{children}</Children></Element></LMSDataContainerHeader>'
    content = xml.encode("utf-16-le")
    parts = [struct.pack("<IIBI", 0x70, len(content) + 5, 0x2A, len(xml)), content]
    for name, memory in blocks:
        encoded = name.encode("utf-16-le")
        parts += [struct.pack("<IIBQBI", 0x70, 14 + len(encoded), 0x2A, len(memory), 0x2A, len(name)), encoded, memory]
    path.write_bytes(b"".join(parts))


def write_czi(path: Path, data: np.ndarray[Any, Any] = DATA) -> None:
    from pylibCZIrw import czi

    with czi.create_czi(str(path)) as file:
        for t, c, z in np.ndindex(data.shape[:3]):
            file.write(data=data[t, c, z][..., None], plane={"T": t, "C": c, "Z": z})
        file.write_metadata("a", channel_names=dict(enumerate(NAMES)), scale_x=1e-7, scale_y=2e-7, scale_z=5e-7)


def write_leica(path: Path, data: np.ndarray[Any, Any] = DATA) -> None:
    write_lif(path, {"cells": (data, {"X": 1e-7, "Y": 2e-7, "Z": 5e-7, "T": 3.0})})


KINDS: dict[str, Callable[[Path], None]] = {".czi": write_czi, ".lif": write_leica}


@pytest.fixture(params=KINDS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    KINDS[request.param](tmp_path / f"a{request.param}")
    return tmp_path / f"a{request.param}"


def test_pixels_and_grid(path: Path) -> None:
    image = read_image(path)
    assert image.axes == "TCZYX"
    assert image.pixel_size == pytest.approx((0.5, 0.2, 0.1))
    assert image.units["X"] == "micrometer"
    assert isinstance(image.data, LazyArray)
    np.testing.assert_array_equal(np.asarray(image.data), DATA)
    again = pickle.loads(pickle.dumps(image.data))
    np.testing.assert_array_equal(again[1, 2, ::2, 3:9, ::-1], DATA[1, 2, ::2, 3:9, ::-1])
    with ThreadPoolExecutor(4) as threads:
        for t, plane in enumerate(threads.map(lambda t: read_image(path).data[t], (0, 1))):
            np.testing.assert_array_equal(plane, DATA[t])
    if path.suffix == ".czi":
        assert image.channel_names == NAMES
    else:
        assert (image.metadata["time_step"], image.units["T"]) == (pytest.approx(3.0), "second")
    assert describe(path)[0]["shape"] == list(DATA.shape)


def test_another_library_agrees(path: Path) -> None:
    """Of the libraries below the plug-ins, another one than that which the plug-in uses, where there is one."""
    if path.suffix == ".czi":
        from pylibCZIrw import czi

        with czi.open_czi(str(path)) as file:
            planes = [file.read(plane={"T": t, "C": c, "Z": z})[..., 0] for t, c, z in np.ndindex(DATA.shape[:3])]
        found = np.reshape(planes, DATA.shape)
    else:
        import liffile

        with liffile.LifFile(path) as file:
            series = file.images[0]
            found = series.asxarray().transpose("T", "C", "Z", "Y", "X").data
    np.testing.assert_array_equal(np.asarray(read_image(path).data), found)


def test_several_scenes(tmp_path: Path) -> None:
    plane = DATA[:1, :1, :1]
    write_lif(tmp_path / "a.lif", {"first": (DATA, {}), "second": (plane, {"X": 1e-7, "Y": 1e-7})})
    with pytest.raises(SeriesError, match="holds 2 images"):
        read_image(tmp_path / "a.lif")
    (_, first), (name, second) = read_series(tmp_path / "a.lif")
    assert not first.has_pixel_size
    assert (second.axes, second.pixel_size) == ("YX", pytest.approx((0.1, 0.1)))
    assert "second" in name
    np.testing.assert_array_equal(np.asarray(second.data), plane[0, 0, 0])
    np.testing.assert_array_equal(np.asarray(first.data), DATA)


def test_a_result(path: Path, tmp_path: Path) -> None:
    result = read_image(upscale_file(path, tmp_path / "out.ome.tif", model="nearest-x2"))
    np.testing.assert_array_equal(np.asarray(result.data), DATA.repeat(2, -2).repeat(2, -1))
    assert result.pixel_size == pytest.approx((0.5, 0.1, 0.05))


@pytest.mark.parametrize("suffix", [".czi", ".nd2", ".lif"])
@pytest.mark.parametrize("damage", ["empty", "garbage", "cut off"])
def test_damage_is_one_clear_error(damage: str, suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"a{suffix}"
    if damage == "cut off" and suffix in KINDS:
        KINDS[suffix](file)
        file.write_bytes(file.read_bytes()[:-5000])
    else:
        file.write_bytes({"empty": b"", "garbage": bytes(range(256)) * 9}.get(damage, b"\xda\xce\xbe\x0a" + bytes(99)))
    with pytest.raises(UnreadableImageError) as error:
        np.asarray(read_image(file).data)
    assert "\n" not in str(error.value)


def test_more_pixels_than_a_file_can_hold(tmp_path: Path) -> None:
    write_leica(tmp_path / "a.lif")
    content = (tmp_path / "a.lif").read_bytes()
    claim = [f'NumberOfElements="{n}"'.encode("utf-16-le") for n in ("30", "20", "4", "99")]
    for text in claim[:2]:
        content = content.replace(text, text[:-6] + text[-2:])
    assert content != (tmp_path / "a.lif").read_bytes()
    (tmp_path / "a.lif").write_bytes(content)
    with pytest.raises(UnreadableImageError):
        np.asarray(read_image(tmp_path / "a.lif").data)


def test_without_the_library(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, f"bioio_{path.suffix[1:]}", None)
    with pytest.raises(MissingExtraError, match=r"napari-superres-torch\[formats\]"):
        read_image(path)
