"""Every file that pydicom's wheel carries for its own tests is read as pydicom reads it, or refused with a true reason.

pydicom's decoders are not those of this package: here JPEG 2000 is decoded by pylibjpeg and JPEG-LS by pyjpegls. For
lossless and 12-bit JPEG it has none under a permissive licence, so that GDCM in SimpleITK is asked.
"""

import re
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pydicom.data
import pytest
import SimpleITK
from pydicom.pixels import apply_color_lut, apply_modality_lut

from napari_superres import Image, read_image
from napari_superres.errors import UnreadableImageError

FOLDER = Path(str(pydicom.data.__file__)).parent / "test_files"
FILES = sorted(p for p in FOLDER.rglob("*") if p.is_file())
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
GDCM = {"JPEG-lossy.dcm", "JPGExtended.dcm", "SC_rgb_jpeg_gdcm.dcm"}

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def fails(path: Path, _data: Any) -> bool:
    """Return whether pydicom cannot decode the pixels either."""
    try:
        _ = pydicom.dcmread(path, force=True).pixel_array
    except Exception:  # noqa: BLE001 - of any kind
        return True
    return False


def has_no(*keywords: str) -> Callable[[Path, Any], bool]:
    return lambda _path, data: not any(k in data for k in keywords)


def describes_others(_path: Path, data: Any) -> bool:
    return len(data.PerFrameFunctionalGroupsSequence) != int(data.get("NumberOfFrames") or 1)


# What a refusal says, and whether pydicom's reading agrees.
REASONS: dict[str, Callable[[Path, Any], bool]] = {
    "which cannot be read. Convert": lambda path, _data: path.suffix in {".txt", ".json", ".dump", ".icc", ".gz", ""},
    "is a DICOM object without an image": has_no(*PIXELS, "Rows"),
    r"is a DICOM directory \(DICOMDIR\)": lambda _path, data: (
        "MediaStorageDirectory" in data.file_meta[0x00020002].repval
        or data.file_meta.MediaStorageSOPClassUID.keyword == "MediaStorageDirectoryStorage"
    ),
    "holds DICOM elements, but no image": has_no(*PIXELS, "SOPClassUID"),
    "its pixels are missing": has_no(*PIXELS),
    "does not begin like a DICOM file": has_no(*PIXELS, "SOPClassUID"),
    "it does not state its Rows and Columns": has_no("Rows", "Columns"),
    "it is cut off: ": fails,
    "states more than": fails,
    "number of frames": fails,
    r"describes \d+ frames, but has": describes_others,
}


def open_image(path: Path) -> tuple[Image, str]:
    """Read a file; give what it does not state: its pixel size, or the meaning of its frames."""
    data = pydicom.dcmread(path, force=True)
    options: dict[str, Any] = {}
    how = "read"
    while True:
        try:
            return read_image(path, **options), how
        except UnreadableImageError as error:
            if "must state its pixel spacing" in str(error) and not options.get("pixel_size"):
                assert not data.get("PixelSpacing")
                options |= {"pixel_size": 1.0, "unit": "millimeter"}
            elif "must say what its" in str(error) and not options.get("axes"):
                assert int(data.NumberOfFrames) > 1
                assert not any(data.get(k) for k in ("FrameTime", "FrameTimeVector", "SpacingBetweenSlices"))
                options["axes"] = "TYXS"
            else:
                raise
            how = "read, given what the file does not state"


def intensities(path: Path, data: Any) -> npt.NDArray[Any]:
    """Return the pixels as pydicom reads them, ``(frames, Y, X[, S])``."""
    values = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))) if path.name in GDCM else data.pixel_array
    if data.PhotometricInterpretation == "PALETTE COLOR":
        values = apply_color_lut(values, data)
    elif "DoseGridScaling" in data:
        values = values * float(data.DoseGridScaling)
    elif path.name not in GDCM:
        values = apply_modality_lut(values, data)
    return values.reshape(-1, data.Rows, data.Columns, *([values.shape[-1]] if values.shape[-1] in (3, 4) else []))


def check_place(image: Image, data: Any) -> None:
    """Check pixel size and position by the tags of a classic file."""
    if "PixelSpacing" in data:
        assert image.pixel_size[-2:] == pytest.approx([float(v) for v in data.PixelSpacing], rel=1e-4)
    if "Z" not in image.axes:
        return
    across, down = np.split(np.array(data.ImageOrientationPatient, float), 2)
    position = np.array(data.ImagePositionPatient, float)
    for y, x in ((0, 0), (data.Rows - 1, 0), (0, data.Columns - 1)):
        world = position + float(data.PixelSpacing[0]) * y * down + float(data.PixelSpacing[1]) * x * across
        # Directions are stated with few digits.
        np.testing.assert_allclose((image.affine @ [0, y, x, 1])[:3][::-1], world, atol=0.02 * min(data.PixelSpacing))
    if image.size("Z") == 1:
        step = float(data.get("SpacingBetweenSlices") or data.SliceThickness)
        assert image.pixel_size[0] == pytest.approx(abs(step))
    else:
        assert image.pixel_size[0] == pytest.approx(np.diff(np.array(data.GridFrameOffsetVector, float))[0])


def true_reason(path: Path, data: Any, message: str) -> str:
    """Return the reason that a refusal states, after a check that it is true."""
    reason = next((r for r in REASONS if re.search(r, message)), None)
    assert reason is not None, message
    assert REASONS[reason](path, data), message
    return reason


def judge(path: Path) -> str:
    """Compare one file and return what became of it."""
    data = pydicom.dcmread(path, force=True)
    try:
        image, how = open_image(path)
    except UnreadableImageError as error:
        return f"refused: {true_reason(path, data, str(error))}"
    expected = intensities(path, data)
    values = np.asarray(image.data)
    if image.no_data is None and values.dtype.kind == "f":
        np.testing.assert_allclose(values.reshape(expected.shape), expected, rtol=1e-6)
    else:
        np.testing.assert_array_equal(values.reshape(expected.shape), expected)
    check_place(image, data)
    return how


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(FOLDER)))
def test_a_file_is_read_as_pydicom_reads_it_or_refused_truly(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        judge(path)


def test_the_counts() -> None:
    """The corpus must not shrink unseen: a change of pydicom changes these numbers."""
    counts = Counter(judge(path) for path in FILES)
    print(len(FILES), dict(counts))
    assert len(FILES) >= 176
    assert counts["read"] + counts["read, given what the file does not state"] >= 88
