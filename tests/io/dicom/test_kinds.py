"""Valid objects of another kind are called what they are; only damage is called damage."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from helpers.prepared import slice_file, slices
from pydicom.dataset import FileDataset, FileMetaDataset

from napari_superres import read_image
from napari_superres.errors import SeriesError, SuperResWarning, UnreadableImageError
from napari_superres.io import find_images

RT = "1.2.840.10008.5.1.4.1.1.481"
_KEYWORDS = ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel")
NO_PIXELS = dict.fromkeys((*_KEYWORDS, "PhotometricInterpretation", "PixelData"))


@pytest.mark.parametrize(
    ("uid", "kind", "reader"),
    [
        (f"{RT}.5", "RT Plan", "SlicerRT"),
        (f"{RT}.3", "RT Structure Set", "SlicerRT"),
        ("1.2.840.10008.5.1.4.1.1.88.11", "Basic Text SR", "dsrdump"),
        ("1.2.840.10008.5.1.4.1.1.104.1", "Encapsulated PDF", "dcm2pdf"),
        ("1.2.840.10008.5.1.4.1.1.9.1.1", "12-lead ECG Waveform", "waveforms"),
        ("1.2.840.10008.5.1.4.1.1.11.1", "Grayscale Softcopy Presentation State", "viewer"),
        ("1.2.840.10008.5.1.4.1.1.4.2", "MR Spectroscopy", "spectra"),
        ("1.2.840.10008.5.1.4.1.1.66.5", "Surface Segmentation", "3D Slicer"),
        ("1.2.3.4", "an object of a private kind", "pydicom"),
    ],
)
def test_an_object_without_an_image_is_called_what_it_is(uid: str, kind: str, reader: str, tmp_path: Path) -> None:
    path = slice_file(tmp_path / "a.dcm", SOPClassUID=uid, **NO_PIXELS)
    with pytest.raises(UnreadableImageError) as error:
        read_image(path)
    assert f"is a DICOM object without an image: {kind}." in str(error.value)
    assert reader in str(error.value)
    assert "Copy" not in str(error.value)
    assert "Doe" not in str(error.value)


def test_an_image_without_its_pixels_is_damaged(tmp_path: Path) -> None:
    path = slice_file(tmp_path / "a.dcm", PixelData=None)
    with pytest.raises(UnreadableImageError, match="its pixels are missing: they were left out, or it is cut off"):
        read_image(path)


def test_a_directory_of_files(tmp_path: Path) -> None:
    path = slice_file(tmp_path / "a.dcm", **NO_PIXELS)
    data = pydicom.dcmread(path)
    data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    data.save_as(path)
    with pytest.raises(UnreadableImageError, match=r"DICOMDIR.*Choose the folder with the images"):
        read_image(path)


def bare(path: Path, *, implicit: bool, little: bool) -> bytes:
    """Return a file without preamble and meta information, as parts of messages are stored."""
    data = pydicom.dcmread(slice_file(path))
    del data.file_meta
    inner = FileDataset("", data, file_meta=FileMetaDataset())
    inner["PixelData"].VR = "OW"
    if not little:
        inner.PixelData = np.frombuffer(inner.PixelData, "<u2").astype(">u2").tobytes()
    buffer = io.BytesIO()
    form: dict[str, Any] = {"implicit_vr": implicit, "little_endian": little}
    pydicom.dcmwrite(buffer, inner, enforce_file_format=False, force_encoding=True, **form)
    raw = buffer.getvalue()
    return raw[132:] if raw[128:132] == b"DICM" else raw


@pytest.mark.parametrize(("implicit", "little"), [(True, True), (False, True), (False, False)])
@pytest.mark.parametrize("name", ["a.dcm", "a", "1.2.840.113"])
def test_files_without_a_preamble_are_read(implicit: bool, little: bool, name: str, tmp_path: Path) -> None:
    raw = bare(tmp_path / "whole.dcm", implicit=implicit, little=little)
    (tmp_path / "whole.dcm").unlink()
    assert raw[128:132] != b"DICM"
    (tmp_path / name).write_bytes(raw)
    image = read_image(tmp_path / name)
    assert (image.axes, image.pixel_size) == ("YX", (0.7, 0.5))
    assert np.unique(image.data).tolist() == [100 - 1024]
    assert find_images(tmp_path) == [tmp_path]


@pytest.mark.parametrize("content", [b"no image at all, but some text " * 9, b"\x08\x00" + b"\xff" * 300])
def test_other_files_are_no_dicom(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(content)
    with pytest.raises(UnreadableImageError, match="does not begin like a DICOM file"):
        read_image(tmp_path / "a.dcm")
    (tmp_path / "a.dcm").rename(tmp_path / "notes")
    with pytest.raises(UnreadableImageError, match="which cannot be read"):
        read_image(tmp_path / "notes")


def test_an_object_without_an_image_among_slices_is_left_out_with_a_note(tmp_path: Path) -> None:
    """Planning systems store contours next to the slices, and discs have a directory of their files."""
    folder = slices(tmp_path / "series", [0, 3, 6])
    other = {"SeriesInstanceUID": "1.2.9", "Rows": None, "Columns": None, "PixelData": None}
    slice_file(folder / "contours.dcm", SOPClassUID="1.2.840.10008.5.1.4.1.1.481.3", **other)
    slice_file(folder / "DICOMDIR", SOPClassUID="1.2.840.10008.1.3.10", **other)
    assert find_images(folder) == [folder]
    with pytest.warns(SuperResWarning, match="left out: RT Structure Set") as noted:
        image = read_image(folder)
    assert len(noted) == 1
    assert image.shape == (3, 6, 5)


def test_series_are_told_apart_by_numbers_and_not_by_texts(tmp_path: Path) -> None:
    texts = {"SeriesDescription": "Doe Jane T1", "ProtocolName": "Doe"}
    slices(tmp_path / "both", [0, 3], SeriesNumber=4, EchoTime=12.5, RepetitionTime=500, **texts)
    texts |= {"ContrastBolusAgent": "Doe 5 ml"}
    slices(tmp_path / "both", [0, 3], "b", SeriesInstanceUID="1.2.9", SeriesNumber=7, **texts)
    with pytest.raises(SeriesError) as refused:
        read_image(tmp_path / "both")
    first, second = refused.value.message.split("1: ")
    assert "pixel 0.7 x 0.5 mm, axial, TR 500 ms, TE 12.5 ms, SeriesNumber 4" in first
    assert "axial, with contrast agent, SeriesNumber 7" in second
    assert "Doe" not in refused.value.message


def test_the_place_of_a_missing_slice_is_named(tmp_path: Path) -> None:
    slices(tmp_path / "gap", [0, 3, 9, 12], InstanceNumber=8)
    with pytest.raises(UnreadableImageError, match=r"\(instance 8, at x -10, y 20, z 3 mm\) must be followed"):
        read_image(tmp_path / "gap")
