"""Pictures: every mode becomes grey or colour, and the picture is turned as the camera says."""

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image as Pillow

from napari_superres.core.image import Image
from napari_superres.errors import UnreadableImageError
from napari_superres.io import read_image, write_image

GREY = np.arange(12, dtype="uint8").reshape(3, 4) * 20


@pytest.mark.parametrize(
    ("mode", "axes", "samples"),
    [("L", "YX", 0), ("1", "YX", 0), ("P", "YXS", 3), ("RGB", "YXS", 3), ("RGBA", "YXS", 4), ("LA", "YXS", 4)],
)
def test_modes(mode: str, axes: str, samples: int, tmp_path: Path) -> None:
    Pillow.fromarray(GREY).convert(mode).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert (image.axes, image.dtype) == (axes, np.dtype("uint8"))
    assert image.shape == ((3, 4, samples) if samples else (3, 4))
    assert not image.has_pixel_size
    if mode in ("LA", "RGBA", "RGB"):
        np.testing.assert_array_equal(image.data[..., 1], GREY)


def test_sixteen_bits(tmp_path: Path) -> None:
    deep = GREY.astype("uint16") * 200
    Pillow.fromarray(deep).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image.data, deep)


def test_the_camera_was_turned(tmp_path: Path) -> None:
    picture = Pillow.fromarray(GREY)
    exif = picture.getexif()
    exif[0x0112] = 6  # viewers turn it by 90 degrees clockwise
    picture.save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").data, np.rot90(GREY, -1))


def test_animations_are_refused(tmp_path: Path) -> None:
    picture = Pillow.fromarray(GREY)
    picture.save(tmp_path / "a.png", save_all=True, append_images=[Pillow.fromarray(GREY[::-1])])
    with pytest.raises(UnreadableImageError, match="animation"):
        read_image(tmp_path / "a.png")


DEEP = np.random.default_rng(0).integers(0, 65536, (9, 11, 4), dtype="uint16")


@pytest.mark.parametrize("samples", [1, 2, 3, 4])
def test_sixteen_bits_of_every_kind(samples: int, tmp_path: Path) -> None:
    data = DEEP[..., 0] if samples == 1 else DEEP[..., :samples]
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(np.ascontiguousarray(data)))
    image = read_image(tmp_path / "a.png")
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image.data, DEEP[..., [0, 0, 0, 1]] if samples == 2 else data)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("samples", [1, 3, 4])
def test_what_is_written_is_read_by_libpng(samples: int, dtype: str, tmp_path: Path) -> None:
    data = (DEEP[..., 0] if samples == 1 else DEEP[..., :samples]).astype(dtype)
    path = write_image(Image.from_array(data, "YX" if samples == 1 else "YXS"), tmp_path / "a.png")
    np.testing.assert_array_equal(imagecodecs.png_decode(path.read_bytes()), data)
    np.testing.assert_array_equal(read_image(path).data, data)
    if dtype == "uint8":
        np.testing.assert_array_equal(np.asarray(Pillow.open(path)), data)


@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_a_transparent_colour_becomes_alpha(mode: str, tmp_path: Path) -> None:
    picture = Pillow.fromarray(GREY).convert(mode)
    picture.save(tmp_path / "a.png", transparency=picture.getpixel((2, 0)))
    with Pillow.open(tmp_path / "a.png") as file:
        expected = np.asarray(file.convert("RGBA"))
    image = read_image(tmp_path / "a.png")
    assert image.axes == "YXS"
    assert 0 < np.count_nonzero(expected[..., 3] == 0) < GREY.size
    np.testing.assert_array_equal(image.data, expected)


def test_a_deep_picture_is_turned(tmp_path: Path) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    Pillow.fromarray(DEEP[..., 0]).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").data, np.rot90(DEEP[..., 0], -1))
