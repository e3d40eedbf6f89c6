"""Read the elements of a DICOM file that describe its pixels, with pydicom; never those that say who was imaged.

pydicom believes every length that a file states. Here no more is read than the file holds.
"""

import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from io import BufferedReader, FileIO
from pathlib import Path
from tempfile import SpooledTemporaryFile
from threading import RLock
from typing import Any
from zlib import MAX_WBITS, decompressobj

from napari_superres.io.formats import begins_like_dicom
from napari_superres.io.series import damage_error, import_library
from napari_superres.limits import SPARE_BYTES, inflate

KIND = "DICOM image"
"""Name of the format in messages."""

_GEOMETRY = """
    SOPClassUID Modality BodyPartExamined SeriesInstanceUID SeriesNumber InstanceNumber ImageType SliceThickness
    SpacingBetweenSlices ContrastBolusAgent
    RepetitionTime FrameTime FrameTimeVector ImagerPixelSpacing ImagePositionPatient ImageOrientationPatient
    PixelSpacing GridFrameOffsetVector DetectorInformationSequence FrameIncrementPointer TotalPixelMatrixColumns
    DimensionIndexSequence SegmentSequence SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence
    EnergyWindowVector DetectorVector PhaseVector RotationVector RRIntervalVector TimeSlotVector AngularViewVector
    TimeSliceVector SegmentationType TemporalPositionIdentifier TriggerTime AcquisitionNumber AcquisitionTime
    FrameReferenceTime EchoTime EchoNumbers InversionTime FlipAngle DiffusionBValue DiffusionGradientOrientation
"""
# Where scanners wrote b-values before the standard had a tag for them: creator of the block, its name, and the value.
_PRIVATE_B_VALUES = ((0x00190010, "SIEMENS MR HEADER", 0x0019100C), (0x00430010, "GEMS_PARM_01", 0x00431039))
_GE_OFFSET = 10**9  # added by GE to b-values
_PIXELS = """
    SamplesPerPixel PhotometricInterpretation PlanarConfiguration NumberOfFrames Rows Columns BitsAllocated BitsStored
    HighBit PixelRepresentation PixelPaddingValue PixelPaddingRangeLimit RescaleIntercept RescaleSlope RescaleType
    ModalityLUTSequence RealWorldValueMappingSequence DoseGridScaling ExtendedOffsetTable ExtendedOffsetTableLengths
    RedPaletteColorLookupTableDescriptor GreenPaletteColorLookupTableDescriptor BluePaletteColorLookupTableDescriptor
    RedPaletteColorLookupTableData GreenPaletteColorLookupTableData BluePaletteColorLookupTableData
    SegmentedRedPaletteColorLookupTableData SegmentedGreenPaletteColorLookupTableData
    SegmentedBluePaletteColorLookupTableData AlphaPaletteColorLookupTableDescriptor AlphaPaletteColorLookupTableData
"""
_PIXEL_TAGS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
UNDEFINED = 0xFFFFFFFF

_lock = RLock()


@dataclass(frozen=True, slots=True)
class Elements:
    """What was read of a file.

    Attributes
    ----------
    tags
        pydicom's data set, with the elements that describe the pixels.
    syntax
        UID of the transfer syntax: how elements and pixels are stored.
    stored
        Length of the stored pixels in bytes, those of compressed ones up to the end of the file; None without pixels.
    kind
        SOP class UID in the meta information at the start of the file; empty if it has none.
    """

    tags: Any
    syntax: str
    stored: int | None
    kind: str


@contextmanager
def quiet_pydicom() -> Iterator[Any]:
    """Yield pydicom, which warns of nothing in this block, on stderr or otherwise.

    It warns of each value that the standard does not allow. This package raises errors where it matters. Python's
    switch for warnings is one for the whole process, so one thread at a time may be here.
    """
    logger, handler = logging.getLogger("pydicom"), logging.NullHandler()
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pydicom = import_library("pydicom")
        logger.addHandler(handler)
        try:
            yield pydicom
        finally:
            logger.removeHandler(handler)


class _WholeFile(BufferedReader):
    """A file of which no more is read, and so allocated, than is left of it."""

    def __init__(self, path: Path) -> None:
        super().__init__(FileIO(path))
        self.size = path.stat().st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """Return at most so many bytes."""
        left = max(0, self.size - self.tell())
        return super().read(left if size is None or size < 0 else min(size, left))


def read_elements(path: Path, *, pixels: bool = False, others: tuple[int, ...] = ()) -> Elements:
    """Read the elements of a file that describe its pixels.

    Parameters
    ----------
    path
        The file.
    pixels
        Whether the pixels are read, too.
    others
        Tags of other elements to read.

    Raises
    ------
    UnreadableImageError
        If the file is no DICOM file.
    """
    with quiet_pydicom() as pydicom, ExitStack() as stack:
        file = stack.enter_context(_WholeFile(path))
        if not begins_like_dicom(file.read(140)):
            raise damage_error(path, KIND, "it does not begin like a DICOM file")
        file.seek(0)
        reader = pydicom.filereader
        reader.read_preamble(file, force=True)
        meta = reader.read_dataset(file, False, True, stop_when=lambda tag, _vr, _length: tag >> 16 != 2)
        syntax = str(value(meta, "TransferSyntaxUID") or "")
        stored: list[int] = []
        size = file.size

        def stop(tag: int, _vr: str | None, length: int) -> bool:
            if int(tag) in _PIXEL_TAGS:
                left = max(0, size - source.tell())
                stored.append(left if length == UNDEFINED else min(length, left))
                return not pixels
            return False

        tags = [pydicom.tag.Tag(tag) for tag in (*_wanted(), *others, *(_PIXEL_TAGS if pixels else ()))]
        source: Any = file
        if syntax == pydicom.uid.DeflatedExplicitVRLittleEndian:
            source = stack.enter_context(SpooledTemporaryFile(SPARE_BYTES))
            for piece in inflate(file, decompressobj(-MAX_WBITS)):
                source.write(piece)
            size = source.tell()
            source.seek(0)
            found = reader.read_dataset(source, False, True, stop_when=stop, specific_tags=tags)
        else:
            file.seek(0)
            found = reader.read_partial(file, stop_when=stop, force=True, specific_tags=tags)
            syntax = syntax or _syntax_without_meta(pydicom, found)
        return Elements(found, syntax, stored[0] if stored else None, text(meta, "MediaStorageSOPClassUID"))


@cache
def _wanted() -> tuple[int, ...]:
    tag_for_keyword = import_library("pydicom").datadict.tag_for_keyword
    private = (tag for creator, _, stored in _PRIVATE_B_VALUES for tag in (creator, stored))
    return (*(tag_for_keyword(keyword) for keyword in (_GEOMETRY + _PIXELS).split()), *private)


def _syntax_without_meta(pydicom: Any, found: Any) -> str:
    """Return the transfer syntax of a file that does not state it, by the form of its elements."""
    implicit, little = found.original_encoding
    if implicit:
        return str(pydicom.uid.ImplicitVRLittleEndian)
    return str(pydicom.uid.ExplicitVRLittleEndian if little else pydicom.uid.ExplicitVRBigEndian)


def value(tags: Any, keyword: str) -> Any:
    """Return the value of an element; None if it is absent, empty, or not of the kind that the standard says.

    `tags` may be None, which has no elements.
    """
    try:
        found = None if tags is None else tags.get(keyword)
    except Exception:  # noqa: BLE001 - pydicom's conversions raise errors of many kinds
        return None
    return None if found is None or found == "" else found


def numbers(tags: Any, keyword: str, count: int | None = None) -> tuple[float, ...] | None:
    """Return the finite numbers of an element; None if it is absent, or has another count of them."""
    found = value(tags, keyword)
    try:
        values = tuple(float(v) for v in ([found] if isinstance(found, str | int | float) else found or ()))
    except (TypeError, ValueError, OverflowError):
        return None
    return values if values and count in (None, len(values)) and all(map(math.isfinite, values)) else None


def number(tags: Any, keyword: str) -> float | None:
    """Return the number of an element; None if it is absent."""
    found = numbers(tags, keyword, 1)
    return None if found is None else found[0]


def integer(tags: Any, keyword: str, default: int) -> int:
    """Return the whole number of an element, or a default if it is absent."""
    found = number(tags, keyword)
    return default if found is None else int(found)


def text(tags: Any, keyword: str) -> str:
    """Return the text of an element; empty if it is absent."""
    found = value(tags, keyword)
    return "" if found is None else str(found).strip(" \0")


def items(tags: Any, keyword: str) -> list[Any]:
    """Return the items of a sequence; none if it is absent."""
    found = value(tags, keyword)
    return [] if found is None or isinstance(found, str | bytes) else list(found)


def private_b_value(tags: Any) -> tuple[float, ...]:
    """Return the b-value that a scanner of Siemens or GE wrote into a private element; empty if it wrote none."""
    for creator, name, stored in _PRIVATE_B_VALUES:
        if creator in tags and stored in tags and str(tags[creator].value).strip() == name:
            given = tags[stored].value
            if isinstance(given, bytes):  # of a private element whose kind the file does not state
                given = given.decode("ascii", "replace").strip(" \0").split("\\")
            first = given[0] if isinstance(given, Sequence) and not isinstance(given, str) and given else given
            try:
                return (float(first) % _GE_OFFSET,)
            except (TypeError, ValueError):
                return ()
    return ()


def groups_of(tags: Any) -> list[Any]:
    """Return the items of all sequences of a data set. What cannot be read is left out."""
    found: list[Any] = []
    for tag in list(tags.keys()):
        try:
            element = tags[tag]
        except Exception:  # noqa: BLE001 - as in `value`
            continue
        if element.VR == "SQ" and element.value:
            found.extend(element.value)
    return found


def first_item(keyword: str, *groups: Any) -> Any:
    """Return the first item of a sequence in the first group that has it; None if none has it."""
    return next((found[0] for group in groups if group is not None and (found := items(group, keyword))), None)
