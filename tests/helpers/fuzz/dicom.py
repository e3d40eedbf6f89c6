"""Samples and damage of DICOM: slices, frames and folders, native and compressed."""

import io
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Any

import imagecodecs
import numpy as np
import pydicom
from PIL import Image as Pillow
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence as DicomSequence

from helpers.fuzz.case import Sample
from helpers.fuzz.values import damage_bytes, packed

_CT, _MR, _SECONDARY = (f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("2", "4", "7"))
_EXPLICIT, _IMPLICIT, _BIG, _DEFLATED = (f"1.2.840.10008.1.2{end}" for end in (".1", "", ".2", ".1.99"))
_JPEG, _LOSSLESS, _JPEG_LS, _JPEG_2000 = (f"1.2.840.10008.1.2.4.{end}" for end in (50, 70, 80, 90))
_RLE = "1.2.840.10008.1.2.5"
_LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT")


@cache
def dicom_samples() -> tuple[Sample, ...]:
    """Return single files, a folder of slices, and a file of frames."""
    noise = np.random.default_rng(0).integers(0, 4000, (4, 20, 24)).astype("uint16")
    singles = {
        "a.dcm": dicom_file(noise[0], _EXPLICIT),
        "b.dcm": dicom_file(noise[0], _IMPLICIT),
        "c.dcm": dicom_file(noise[0], _DEFLATED),
        "d.dcm": dicom_file(noise, _EXPLICIT, NumberOfFrames=4, FrameTime="40"),
        "e.dcm": dicom_file((noise[0] >> 4).astype("uint8"), _JPEG),
        "f.dcm": dicom_file(noise[0], _EXPLICIT, PhotometricInterpretation="MONOCHROME1", RescaleSlope="2.5"),
        "g.dcm": dicom_file(noise[0], _EXPLICIT, sequence=True),
    }
    singles |= _compressed(noise) | {"k.dcm": _enhanced(noise), "l.dcm": _looked_up(noise[0])}
    folder = {f"ct/{i}.dcm": dicom_file(noise[i], _EXPLICIT, place=2.5 * i) for i in range(4)}
    return (*(Sample(name, {name: data}) for name, data in singles.items()), Sample("ct", folder))


def _compressed(noise: Any) -> dict[str, bytes]:
    """Return files of every other kind of compression."""
    files = {"h.dcm": (_JPEG_2000, imagecodecs.jpeg2k_encode(noise[0], level=0, reversible=True))}
    files["i.dcm"] = (_JPEG_LS, imagecodecs.jpegls_encode(noise[0]))
    files["m.dcm"] = (_LOSSLESS, imagecodecs.ljpeg_encode(noise[0], bitspersample=16))
    out = {name: dicom_file(noise[0], syntax, frame=bytes(frame)) for name, (syntax, frame) in files.items()}
    rle = pydicom.dcmread(io.BytesIO(dicom_file(noise, NumberOfFrames=4, FrameTime="40")))
    rle.compress(_RLE)
    buffer = io.BytesIO()
    rle.save_as(buffer)
    return {**out, "j.dcm": buffer.getvalue()}


def _enhanced(noise: Any) -> bytes:
    """Return two time points of two slices, with the tags of each frame."""
    shared, frames = Dataset(), []
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = (
        DicomSequence([Dataset()]),
        DicomSequence([Dataset()]),
    )
    shared.PixelMeasuresSequence[0].PixelSpacing = [0.5, 0.6]
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    for number in range(4):
        frame = Dataset()
        frame.PlanePositionSequence, frame.FrameContentSequence = DicomSequence([Dataset()]), DicomSequence([Dataset()])
        frame.PixelValueTransformationSequence = DicomSequence([Dataset()])
        frame.PlanePositionSequence[0].ImagePositionPatient = [0, 0, 2.5 * (number % 2)]
        frame.FrameContentSequence[0].TemporalPositionIndex = number // 2 + 1
        frame.PixelValueTransformationSequence[0].RescaleSlope = str(1 + number)
        frame.PixelValueTransformationSequence[0].RescaleIntercept = "0"
        frames.append(frame)
    groups: dict[str, Any] = {
        "SharedFunctionalGroupsSequence": DicomSequence([shared]),
        "PerFrameFunctionalGroupsSequence": DicomSequence(frames),
    }
    return dicom_file(noise, NumberOfFrames=4, **groups)


def _looked_up(plane: Any) -> bytes:
    """Return a file with a look-up table and padding."""
    table = Dataset()
    table.LUTDescriptor, table.LUTData, table.ModalityLUTType = [4000, 0, 16], list(range(4000)), "US"
    table["LUTDescriptor"].VR = table["LUTData"].VR = "US"
    return dicom_file(plane, ModalityLUTSequence=DicomSequence([table]), PixelPaddingValue=int(plane[0, 0]))


def dicom_file(
    pixels: Any,
    syntax: str = _EXPLICIT,
    *,
    place: float | None = None,
    sequence: bool = False,
    private: bool = False,
    frame: bytes | None = None,
    **tags: Any,
) -> bytes:
    """Return a file with pixels ``([frames,] Y, X)``.

    Parameters
    ----------
    pixels, syntax
        Pixels, and the transfer syntax in which they are stored.
    place
        Position along the normal of the slice, in millimeters.
    sequence, private
        Whether the file has a sequence with pixels of its own, and a private element.
    frame
        The compressed pixels, instead of `pixels`.
    tags
        Other elements by keyword.
    """
    meta = FileMetaDataset()
    uids = {"TransferSyntaxUID": syntax, "MediaStorageSOPClassUID": _CT, "MediaStorageSOPInstanceUID": "1.2.3"}
    for name, uid in uids.items():
        setattr(meta, name, uid)
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    bits = pixels.itemsize * 8
    content = pixels.tobytes()
    if syntax == _JPEG:
        buffer = io.BytesIO()
        Pillow.fromarray(pixels).save(buffer, "JPEG")
        frame = buffer.getvalue()
    if frame is not None:
        content = encapsulate([frame])
    values = {
        "SOPClassUID": _CT,
        "SOPInstanceUID": f"1.2.{round(10 * (place or 0))}",
        "SeriesInstanceUID": "1.2.4",
        "Modality": "CT",
        "PatientName": "Doe^Jane",
        "Rows": pixels.shape[-2],
        "Columns": pixels.shape[-1],
        "PixelSpacing": [0.5, 0.6],
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": 0,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "PixelData": content,
    } | tags
    if place is not None:
        values |= {"ImagePositionPatient": [0, 0, place], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
    for name, value in values.items():
        setattr(data, name, value)
    if sequence:
        inner = FileDataset("", {}, file_meta=meta)
        inner.CodeValue, inner.PixelData = "x", b"\0" * 8
        inner["PixelData"].VR = "OW"
        data.IconImageSequence = DicomSequence([inner])
        data.SharedFunctionalGroupsSequence = DicomSequence([Dataset()])
        data.SharedFunctionalGroupsSequence[0].CodeValue = "x"
    if private:
        data.add_new(0x00090010, "LO", "MINE")
        data.add_new(0x00091001, "OB", b"abcd" * 4)
    data["PixelData"].VR = "OB" if bits == 8 else "OW"
    if frame is not None:
        data["PixelData"].VR = "OB"
        data["PixelData"].is_undefined_length = True
    buffer = io.BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def damage_elements(rng: Random, data: bytes) -> bytes:
    """Return a file with tag, representation, length or value of one element changed."""
    elements = list(_elements(data))
    if not elements:
        return damage_bytes(rng, data)
    # Those that say how large the image is come last, and are the most interesting.
    at, kind, width, start, length = rng.choice(elements if rng.random() < 0.5 else elements[-16:])
    raw, how = bytearray(data), rng.random()
    if how < 0.1:
        raw[at + 2 : at + 4] = packed(rng, 2, "<")
    elif how < 0.15:
        raw[at + 4 : at + 6] = rng.choice((b"OB", b"SQ", b"UN", b"US", b"DS", b"\0\0"))
    elif how < 0.4:
        raw[start - width : start] = packed(rng, width, "<") if rng.random() < 0.7 else b"\xff" * width
    elif how < 0.5:
        del raw[at : start + length]
    elif kind in (b"US", b"UL", b"SS", b"FL", b"FD"):
        raw[start : start + length] = packed(rng, max(1, length), "<")[:length]
    elif kind in (b"DS", b"IS"):
        words = (b"0", b"-1", b"1e300", b"nan", b"99999999", b"1\\2\\3", b"x", b"65535", b"0.0")
        raw[start : start + length] = rng.choice(words)[:length].ljust(length)
    else:
        raw[start : start + length] = damage_bytes(rng, data[start : start + length])[:length].ljust(length, b" ")
    return bytes(raw)


def _elements(data: bytes) -> Iterator[tuple[int, bytes, int, int, int]]:
    """Yield position, representation, width of the length, start and length of elements in explicit form."""
    at = 132
    while at + 12 <= len(data):
        kind = data[at + 4 : at + 6]
        if not kind.isalpha():
            return
        width = 4 if kind in _LONG else 2
        start = at + 12 if kind in _LONG else at + 8
        length = int.from_bytes(data[start - width : start], "little")
        if start + length > len(data):
            yield at, kind, width, start, min(8, len(data) - start)
            return
        yield at, kind, width, start, length
        at = start + length
