"""Pictures: every mode becomes grey or colour, and the picture is turned as the camera says."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from napari_superres.errors import UnreadableImageError
from napari_superres.io import read_image

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
