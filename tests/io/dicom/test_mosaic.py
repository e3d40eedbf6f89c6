"""Siemens mosaics are volumes: tiles become slices, at the place that the private header says."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from helpers.prepared import slice_file

from napari_superres import read_image
from napari_superres.errors import UnreadableImageError


def csa_header(**values: Any) -> bytes:
    """Return Siemens's private header, in its second form: each element has four values, most of them empty."""
    out = b"SV10\4\3\2\1" + struct.pack("<II", len(values), 77)
    for name, value in values.items():
        texts = [f"{v}".encode() + b"\0" for v in (value if isinstance(value, list) else [value])]
        head = struct.pack("<64si4siii", name.encode(), len(texts), b"FD\0\0", 0, len(texts), 77)
        out += head
        for text in texts:
            out += struct.pack("<4i", len(text), len(text), 77, len(text)) + text + b"\0" * (-len(text) % 4)
    return out


def mosaic(path: Path, count: int = 5, add: int = 0, *, csa: bool = True, **tags: Any) -> Path:
    """Write a mosaic of 3 x 3 tiles of 4 rows and 6 columns, whose pixels are those of `volume`."""
    tiles = np.zeros((9, 4, 6), "uint16")
    tiles[:count] = volume(count) + add
    plane = tiles.reshape(3, 3, 4, 6).swapaxes(1, 2).reshape(12, 18)
    values: dict[str, Any] = {
        "Modality": "MR",
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4",
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"],
        "Rows": 12,
        "Columns": 18,
        "PixelSpacing": [2.0, 1.5],
        "ImagePositionPatient": [-100.0, -50.0, 7.0],
        "SpacingBetweenSlices": 3.0,
        "RepetitionTime": 2000,
        "PixelData": plane.tobytes(),
        **dict.fromkeys(("RescaleSlope", "RescaleIntercept")),
    }
    slice_file(path, **(values | tags))
    if csa:
        data = pydicom.dcmread(path)
        block = data.private_block(0x29, "SIEMENS CSA HEADER", create=True)
        block.add_new(0x10, "OB", csa_header(NumberOfImagesInMosaic=count, SliceNormalVector=[0.0, 0.0, 1.0]))
        data.save_as(path)
    return path


def volume(count: int) -> Any:
    return np.arange(count * 24, dtype="uint16").reshape(count, 4, 6)


def test_tiles_become_slices(tmp_path: Path) -> None:
    image = read_image(mosaic(tmp_path / "a.dcm"))
    assert (image.axes, image.pixel_size, image.space) == ("ZYX", (3.0, 2.0, 1.5), "LPS")
    np.testing.assert_array_equal(image.data, volume(5))
    # The position is that of a plane of 12 x 18 pixels around the same centre as the tile of 4 x 6.
    assert image.origin == pytest.approx((7.0, -50.0 + 2.0 * (12 - 4) / 2, -100.0 + 1.5 * (18 - 6) / 2))


def test_mosaics_of_a_series_are_time_points(tmp_path: Path) -> None:
    for name, number in (("c", 1), ("a", 3), ("b", 2)):
        mosaic(tmp_path / f"{name}.dcm", add=1000 * number, InstanceNumber=number)
    image = read_image(tmp_path)
    assert (image.axes, image.shape, image.units["T"]) == ("TZYX", (3, 5, 4, 6), "millisecond")
    assert image.metadata["time_step"] == 2000
    assert image.data[:, 0, 0, 0].tolist() == [1000, 2000, 3000]


def test_what_is_doubtful_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match=r"is a mosaic of slices, but does not say where they lie"):
        read_image(mosaic(tmp_path / "a.dcm", csa=False))
    folder = tmp_path / "copies"
    folder.mkdir()
    for name in "ab":
        mosaic(folder / f"{name}.dcm", InstanceNumber=1)
    with pytest.raises(UnreadableImageError, match="must have a number of its own"):
        read_image(folder)
    mosaic(folder / "b.dcm", InstanceNumber=2, ImagePositionPatient=[0, 0, 0])
    with pytest.raises(UnreadableImageError, match="lies elsewhere"):
        read_image(folder)
    with pytest.raises(UnreadableImageError, match="must be a plane of 3 x 3 tiles"):
        read_image(mosaic(tmp_path / "d.dcm", Rows=11))
