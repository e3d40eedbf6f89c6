"""Pictures and tiles that are not whole are errors: most decoders fill what is missing and say nothing."""

import io
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from helpers.fuzz.dicom import dicom_file
from PIL import Image as Pillow

from napari_superres.errors import UnreadableImageError
from napari_superres.io import read_image

NOISE = np.random.default_rng(0).integers(0, 255, (40, 48, 3)).astype("uint8")


def png(rows: bytes, *, height: int = 40, depth: int = 8, kind: int = 0, interlaced: int = 0) -> bytes:
    """Return a PNG of 20 columns with these rows, each after the number of its filter."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")

    head = (20).to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([depth, kind, 0, 0, interlaced])
    packed = zlib.compress(rows)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        # Decoders must not care how the data are divided.
        + chunk(b"IDAT", packed[:9])
        + chunk(b"IDAT", packed[9:])
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("depth", "kind", "row_bytes"),
    [(8, 0, 20), (16, 0, 40), (8, 2, 60), (1, 0, 3), (4, 0, 10), (8, 4, 40), (16, 6, 160)],
)
def test_a_png_has_the_rows_that_it_states(depth: int, kind: int, row_bytes: int, tmp_path: Path) -> None:
    row, path = b"\0" + bytes(row_bytes), tmp_path / "a.png"
    path.write_bytes(png(row * 40, depth=depth, kind=kind))
    assert read_image(path).shape[:2] == (40, 20)
    for count, word in ((39, "fewer"), (20, "fewer"), (0, "fewer"), (41, "more")):
        path.write_bytes(png(row * count, depth=depth, kind=kind))
        with pytest.raises(UnreadableImageError, match=f"{word} rows than it states"):
            read_image(path)


def test_an_interlaced_png_has_its_passes(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    columns, rows = [3, 2, 5, 5, 10, 10, 20], [5, 5, 5, 10, 10, 20, 20]
    whole = b"".join((b"\0" + bytes(c)) * r for c, r in zip(columns, rows, strict=True))
    path.write_bytes(png(whole, interlaced=1))
    assert read_image(path).shape == (40, 20)
    path.write_bytes(png(whole[:-21], interlaced=1))
    with pytest.raises(UnreadableImageError, match="fewer rows"):
        read_image(path)


def test_a_png_of_sixteen_bits_and_colour_keeps_all_bits(tmp_path: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 65535, (5, 7, 4)).astype("uint16")
    for samples, seen in ((2, [0, 0, 0, 1]), (3, [0, 1, 2]), (4, [0, 1, 2, 3])):
        path = tmp_path / f"{samples}.png"
        path.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(deep[..., :samples])))
        image = read_image(path)
        assert (image.axes, image.dtype) == ("YXS", np.uint16)
        np.testing.assert_array_equal(image.data, deep[..., seen])


def jpeg(mode: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(NOISE).convert(mode).save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_is_cut_off_and_ended_is_an_error(mode: str, progressive: bool, tmp_path: Path) -> None:
    whole, path = jpeg(mode, progressive=progressive), tmp_path / "a.jpg"
    path.write_bytes(whole)
    assert read_image(path).shape[:2] == (40, 48)
    for share in (0.4, 0.6, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)] + b"\xff\xd9")
        with pytest.raises(UnreadableImageError, match=r"a\.jpg must be a complete JPEG, but it is damaged or cut off"):
            read_image(path)


def test_a_jpeg_in_a_tiff_that_is_cut_off_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, NOISE, compression="jpeg", photometric="rgb", tile=(32, 32))
    np.asarray(read_image(path).data)
    with tifffile.TiffFile(path) as file:
        start, count = file.pages[0].dataoffsets[1], file.pages[0].databytecounts[1]
    raw = bytearray(path.read_bytes())
    raw[start + count - 300 : start + count - 298] = b"\xff\xd9"
    path.write_bytes(raw)
    data = read_image(path).data
    assert data[:32, :32].shape == (32, 32, 3)
    with pytest.raises(UnreadableImageError, match=r"a\.tif"):
        data[:32, 32:]


@pytest.mark.parametrize("compression", ["jpeg", "jpeg2000"])
def test_a_tile_is_no_larger_than_the_tiff_states(compression: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, NOISE[:32, :32, 0].copy(), compression=compression, tile=(32, 32))
    raw = path.read_bytes()
    mark = raw.find(b"\xff\xc0") + 5 if compression == "jpeg" else raw.find(b"\xff\x4f\xff\x51") + 8
    size = 2 if compression == "jpeg" else 4
    path.write_bytes(raw[:mark] + (60_000).to_bytes(size, "big") * 2 + raw[mark + 2 * size :])
    with pytest.raises(UnreadableImageError) as error:
        np.asarray(read_image(path).data)
    assert "a tile states more than 1024 pixels" in str(error.value.__cause__)


def test_a_jpeg_in_a_dicom_that_is_cut_off_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    raw = dicom_file(NOISE[..., 0].copy(), "1.2.840.10008.1.2.4.50")
    path.write_bytes(raw)
    assert read_image(path).shape == (40, 48)
    at = raw.find(b"\xff\xda") + 300
    path.write_bytes(raw[:at] + b"\xff\xd9" + raw[at + 2 :])
    with pytest.raises(UnreadableImageError, match="frame 0 is cut off"):
        read_image(path)


def test_a_dicom_has_the_rows_that_it_states(tmp_path: Path) -> None:
    pixels = np.arange(20 * 24, dtype="uint16").reshape(20, 24)
    (tmp_path / "a.dcm").write_bytes(dicom_file(pixels, Rows=21))
    with pytest.raises(UnreadableImageError, match="cut off: 1008 bytes are needed and 960 are present"):
        read_image(tmp_path / "a.dcm")


@pytest.mark.parametrize("ending", [".png", ".jpg", ".bmp"])
def test_large_pictures_are_no_attack(ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow refuses pictures of more than twice this many pixels, 179 million, as a decompression bomb."""
    Pillow.fromarray(NOISE).save(tmp_path / f"a{ending}")
    monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", 100)
    assert read_image(tmp_path / f"a{ending}").shape == NOISE.shape


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "EPS", "PPM"])
def test_a_picture_is_of_the_formats_that_the_suffix_allows(kind: str, tmp_path: Path) -> None:
    """Pillow tries all its formats, of which EPS starts a program."""
    Pillow.fromarray(NOISE).save(tmp_path / "a", kind)
    (tmp_path / "a").rename(tmp_path / "a.png")
    with pytest.raises(UnreadableImageError, match=r"a\.png must be a complete picture"):
        read_image(tmp_path / "a.png")
