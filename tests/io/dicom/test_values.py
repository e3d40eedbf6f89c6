"""Stored numbers become what they mean: every decoder, byte order, rescaling, look-up table, palette and padding."""

import io
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from helpers.fuzz.dicom import dicom_file
from helpers.prepared import slice_file, slices
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import RLELossless

from napari_superres import read_image
from napari_superres.errors import UnreadableImageError

PLAIN: dict[str, Any] = dict.fromkeys(("RescaleSlope", "RescaleIntercept"))
EXPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
EXTENDED, LOSSLESS, LOSSLESS_1 = (f"1.2.840.10008.1.2.4.{end}" for end in (51, 57, 70))
JPEG_LS, JPEG_2000, HTJ2K = (f"1.2.840.10008.1.2.4.{end}" for end in (80, 90, 201))


def colours(dtype: str) -> npt.NDArray[Any]:
    high = np.iinfo(dtype).max
    return np.random.default_rng(0).integers(0, high, (12, 10, 3), dtype, endpoint=True)


def colour_file(path: Path, pixels: npt.NDArray[Any], **tags: Any) -> Path:
    bits = pixels.itemsize * 8
    values = {
        "SamplesPerPixel": 3,
        "PlanarConfiguration": 0,
        "PhotometricInterpretation": "RGB",
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelData": pixels.tobytes(),
    }
    return slice_file(path, **(PLAIN | values | tags))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
@pytest.mark.parametrize("planar", [0, 1])
def test_colour_by_pixel_and_by_plane(dtype: str, planar: int, tmp_path: Path) -> None:
    pixels = colours(dtype)
    stored = pixels if planar == 0 else pixels.transpose(2, 0, 1)
    path = colour_file(tmp_path / "a.dcm", pixels, PixelData=stored.tobytes(), PlanarConfiguration=planar)
    np.testing.assert_array_equal(read_image(path).data.reshape(pixels.shape), pixels)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_rle_colour(dtype: str, tmp_path: Path) -> None:
    pixels = colours(dtype)
    path = colour_file(tmp_path / "a.dcm", pixels)
    data = pydicom.dcmread(path)
    data.compress(RLELossless)
    data.save_as(path)
    np.testing.assert_array_equal(read_image(path).data.reshape(pixels.shape), pixels)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "uint32", "int32"])
@pytest.mark.parametrize("syntax", [EXPLICIT, BIG_ENDIAN, "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99"])
def test_byte_orders(dtype: str, syntax: str, tmp_path: Path) -> None:
    limits = np.iinfo(dtype)
    pixels = np.linspace(limits.min, limits.max, 30).astype(dtype).reshape(5, 6)
    stored = pixels.astype(pixels.dtype.newbyteorder(">")) if syntax == BIG_ENDIAN else pixels
    data = dicom_file(stored, EXPLICIT, PixelRepresentation=int(limits.min < 0))
    file = pydicom.dcmread(io.BytesIO(data))
    file.file_meta.TransferSyntaxUID = syntax
    file["PixelData"].VR = "OW" if pixels.itemsize > 1 else "OB"
    form = {"implicit_vr": syntax == "1.2.840.10008.1.2", "little_endian": syntax != BIG_ENDIAN}
    copy = Dataset()
    copy.update(file)
    copy.file_meta = file.file_meta
    copy.preamble = file.preamble
    pydicom.dcmwrite(tmp_path / "a.dcm", copy, **({} if "1.99" in syntax else form), enforce_file_format=True)
    image = read_image(tmp_path / "a.dcm")
    np.testing.assert_array_equal(image.data, pixels)
    assert image.dtype == pixels.dtype


def compressed(path: Path, frame: bytes, pixels: npt.NDArray[Any], syntax: str, bits: int, **tags: Any) -> Path:
    values = {"BitsStored": bits, "HighBit": bits - 1, "PixelData": encapsulate([frame])} | tags
    path.write_bytes(dicom_file(pixels, EXPLICIT, **values))
    data = pydicom.dcmread(path)
    data.file_meta.TransferSyntaxUID = syntax
    data["PixelData"].VR = "OB"
    data["PixelData"].is_undefined_length = True
    data.save_as(path)
    return path


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("syntax", [LOSSLESS, LOSSLESS_1, JPEG_LS, JPEG_2000, HTJ2K])
def test_lossless_codecs(bits: int, syntax: str, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 2**bits, (20, 24)).astype("uint8" if bits == 8 else "uint16")
    if syntax in (LOSSLESS, LOSSLESS_1):
        frame = imagecodecs.ljpeg_encode(pixels, bitspersample=bits)
    elif syntax == JPEG_LS:
        frame = imagecodecs.jpegls_encode(pixels)
    else:
        frame = imagecodecs.jpeg2k_encode(pixels, level=0, reversible=True, bitspersample=bits)
    np.testing.assert_array_equal(read_image(compressed(tmp_path / "a.dcm", frame, pixels, syntax, bits)).data, pixels)


def test_signed_jpeg_2000(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(-2000, 2000, (20, 24)).astype("int16")
    frame = imagecodecs.jpeg2k_encode(pixels, level=0, reversible=True)
    path = compressed(tmp_path / "a.dcm", frame, pixels, JPEG_2000, 16, PixelRepresentation=1)
    np.testing.assert_array_equal(read_image(path).data, pixels)


@pytest.mark.parametrize("length", [0, 7])
def test_a_box_without_a_length_is_damage(length: int, tmp_path: Path) -> None:
    """pydicom 3.0 looks for the next box forever."""
    pixels = np.zeros((20, 24), "uint8")
    frame = imagecodecs.jpeg2k_encode(pixels, level=0, reversible=True, codecformat="jp2")
    path = compressed(tmp_path / "a.dcm", frame, pixels, JPEG_2000, 8)
    assert read_image(path).shape == (20, 24)
    path = compressed(tmp_path / "a.dcm", frame[:12] + length.to_bytes(4, "big") + frame[16:], pixels, JPEG_2000, 8)
    with pytest.raises(UnreadableImageError, match="box without a length"):
        read_image(path)


def test_jpeg_of_12_bits(tmp_path: Path) -> None:
    y, x = np.indices((24, 32))
    pixels = (40 * y + 60 * x).astype("uint16")
    frame = imagecodecs.jpeg8_encode(pixels, level=100, bitspersample=12)
    image = read_image(compressed(tmp_path / "a.dcm", frame, pixels, EXTENDED, 12))
    assert image.dtype == np.uint16
    np.testing.assert_allclose(np.asarray(image.data, float), pixels, atol=3)


def test_a_codec_that_is_not_known_is_named(tmp_path: Path) -> None:
    path = compressed(tmp_path / "a.dcm", b"\0" * 2000, np.zeros((4, 4), "uint8"), "1.2.840.10008.1.2.4.100", 8)
    with pytest.raises(UnreadableImageError, match="is compressed as 'MPEG2"):
        read_image(path)


@pytest.mark.parametrize("model", ["CMYK", "HSV", "ARGB", "YBR_PARTIAL_420"])
def test_other_colour_models_are_refused_by_name(model: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match=f"has the colour model '{model}'"):
        read_image(colour_file(tmp_path / "a.dcm", colours("uint8"), PhotometricInterpretation=model))


@pytest.mark.parametrize("bits", [8, 16])
def test_a_palette_becomes_colour(bits: int, tmp_path: Path) -> None:
    indices = np.arange(30, dtype="uint8") % 7
    table = np.random.default_rng(0).integers(0, 2**bits, (3, 256)).astype(f"uint{bits}")
    palette: dict[str, Any] = {}
    for name, entries in zip(("Red", "Green", "Blue"), table, strict=True):
        palette[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, bits]
        palette[f"{name}PaletteColorLookupTableData"] = entries.tobytes()
    tags = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PhotometricInterpretation": "PALETTE COLOR"}
    image = read_image(slice_file(tmp_path / "a.dcm", PixelData=indices.tobytes(), **(PLAIN | tags | palette)))
    assert (image.axes[-1], image.dtype.itemsize * 8) == ("S", bits)
    np.testing.assert_array_equal(image.data.reshape(-1, 3), table[:, indices].T)


def test_colours_among_intensities_are_refused(tmp_path: Path) -> None:
    palette = {f"{c}PaletteColorLookupTableDescriptor": [256, 4000, 16] for c in ("Red", "Green", "Blue")}
    grey, mixed = np.full(30, 100, "uint16"), np.arange(3980, 4010, dtype="uint16")
    assert read_image(slice_file(tmp_path / "a.dcm", PixelData=grey.tobytes(), **palette)).axes == "YX"
    with pytest.raises(UnreadableImageError, match="values from 4000 on are colours of a palette"):
        read_image(slice_file(tmp_path / "b.dcm", PixelData=mixed.tobytes(), **palette))


def table(first: int, values: Any) -> Sequence:
    data = Dataset()
    data.LUTDescriptor, data.LUTData = [len(values), first, 16], list(values)
    data["LUTDescriptor"].VR = "SS" if first < 0 else "US"
    data["LUTData"].VR = "US"
    data.ModalityLUTType = "HU"
    return Sequence([data])


@pytest.mark.parametrize(("first", "signed"), [(0, 0), (5, 0), (-10, 1)])
def test_the_modality_table_is_applied(first: int, signed: int, tmp_path: Path) -> None:
    dtype = "int16" if signed else "uint16"
    pixels = np.arange(first - (first > 0), first + 29 + (first <= 0)).astype(dtype)
    values = np.random.default_rng(0).integers(0, 5000, 30)
    path = slice_file(
        tmp_path / "a.dcm",
        PixelData=pixels.tobytes(),
        PixelRepresentation=signed,
        BitsStored=16,
        HighBit=15,
        ModalityLUTSequence=table(first, values),
        **PLAIN,
    )
    expected = values[np.clip(pixels.astype(int) - first, 0, 29)]
    np.testing.assert_array_equal(read_image(path).data.ravel(), expected)


def real_world(*maps: tuple[float, float]) -> Sequence:
    items = []
    for slope, intercept in maps:
        item = Dataset()
        item.RealWorldValueSlope, item.RealWorldValueIntercept = slope, intercept
        items.append(item)
    return Sequence(items)


def test_a_real_world_map_is_applied_if_it_is_the_only_one(tmp_path: Path) -> None:
    pixels = np.arange(30, dtype="uint16").tobytes()
    one = slice_file(tmp_path / "a.dcm", PixelData=pixels, RealWorldValueMappingSequence=real_world((0.5, 1)), **PLAIN)
    assert read_image(one).data.ravel()[:3].tolist() == [1, 1.5, 2]
    two = real_world((0.5, 1), (2, 0))
    with pytest.raises(UnreadableImageError, match="real-world values, but not by one slope"):
        read_image(slice_file(tmp_path / "b.dcm", PixelData=pixels, RealWorldValueMappingSequence=two, **PLAIN))
    rescaled = slice_file(tmp_path / "c.dcm", PixelData=pixels, RealWorldValueMappingSequence=two)
    assert read_image(rescaled).data.ravel()[:2].tolist() == [-1024, -1023]


def test_values_of_many_bits_keep_all(tmp_path: Path) -> None:
    pixels = np.array([0, 1, 2**31, 2**32 - 1] * 7 + [5, 6], "uint32")
    tags = {"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31, "RescaleSlope": 1, "RescaleIntercept": -5}
    image = read_image(slice_file(tmp_path / "a.dcm", PixelData=pixels.tobytes(), **tags))
    assert image.data.ravel().tolist() == (pixels.astype("int64") - 5).tolist()


def test_unused_bits_are_no_part_of_values(tmp_path: Path) -> None:
    """Old files keep overlays in them."""
    pixels = np.arange(30, dtype="uint16")
    path = slice_file(tmp_path / "a.dcm", PixelData=(pixels | 0x8000).tobytes(), **PLAIN)
    np.testing.assert_array_equal(read_image(path).data.ravel(), pixels)


@pytest.mark.parametrize("big", [False, True])
def test_single_bits(big: bool, tmp_path: Path) -> None:
    bits = np.random.default_rng(0).integers(0, 2, (3, 5, 7)).astype("uint8")
    stored = np.packbits(bits.ravel(), bitorder="little")
    stored = np.concatenate([stored, np.zeros(len(stored) % 2, "uint8")])
    tags = {"Rows": 5, "Columns": 7, "BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "NumberOfFrames": 3}
    path = slice_file(tmp_path / "a.dcm", PixelData=stored.tobytes(), FrameTime=40, **(PLAIN | tags))
    if big:
        data = pydicom.dcmread(path)
        data.file_meta.TransferSyntaxUID = BIG_ENDIAN
        data["PixelData"].VR = "OB"
        pydicom.dcmwrite(path, data, implicit_vr=False, little_endian=False, force_encoding=True)
    np.testing.assert_array_equal(read_image(path).data, bits)


PADDED = np.array([[63536, 1, 2, 3, 4]] * 6, "uint16")


@pytest.mark.parametrize("stated", [63536, -2000])
@pytest.mark.parametrize(("pixels", "signed"), [(PADDED, 0), (PADDED.view("int16"), 1)])
def test_padding_is_known_and_kept(stated: int, pixels: Any, signed: int, tmp_path: Path) -> None:
    """Writers state it with a sign and without."""
    tags = {"PixelRepresentation": signed, "BitsStored": 16, "HighBit": 15}
    path = slice_file(tmp_path / "a.dcm", PixelData=pixels.tobytes(), **tags)
    data = pydicom.dcmread(path)
    data.add_new(0x00280120, "US" if stated > 0 else "SS", stated)
    data.save_as(path)
    image = read_image(path)
    value = int(pixels[0, 0]) - 1024
    assert image.no_data == (value, value)
    np.testing.assert_array_equal(image.data, pixels.astype(int) - 1024)


def test_padding_may_be_a_range(tmp_path: Path) -> None:
    pixels = np.arange(30, dtype="uint16")
    tags = {"PixelPaddingValue": 3, "PixelPaddingRangeLimit": 0, "PixelData": pixels.tobytes()}
    assert read_image(slice_file(tmp_path / "a.dcm", **tags)).no_data == (-1024, -1021)
    tags |= {"PixelPaddingValue": 40, "PixelPaddingRangeLimit": 50}
    assert read_image(slice_file(tmp_path / "b.dcm", **tags)).no_data is None


def test_padding_of_real_numbers_is_nan(tmp_path: Path) -> None:
    tags = {"BitsStored": 16, "HighBit": 15, "PixelPaddingValue": 63536, "RescaleSlope": "0.5"}
    path = slice_file(tmp_path / "a.dcm", PixelData=PADDED.tobytes(), **tags)
    image = read_image(path)
    assert image.no_data is None
    assert np.isnan(image.data[:, 0]).all()
    assert image.data[0, 1:].tolist() == [0.5 - 1024, 1 - 1024, 1.5 - 1024, 2 - 1024]


def test_slices_that_pad_differently_agree_on_nan(tmp_path: Path) -> None:
    folder = slices(tmp_path / "ct", [0, 3], PixelPaddingValue=101)
    other = np.full(30, 7, "uint16").tobytes()
    slice_file(folder / "x.dcm", ImagePositionPatient=[-10, 20, 6], PixelData=other, PixelPaddingValue=7)
    image = read_image(folder)
    assert image.no_data is None
    np.testing.assert_array_equal(np.isnan(image.data[:, 0, 0]), [False, True, True])
    assert image.data[0, 0, 0] == 100 - 1024


def test_slices_that_pad_alike_stay_whole(tmp_path: Path) -> None:
    image = read_image(slices(tmp_path / "ct", [0, 3, 6], PixelPaddingValue=101))
    assert (image.no_data, image.dtype) == ((101 - 1024, 101 - 1024), np.int16)
