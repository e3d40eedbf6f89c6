"""Turn the stored numbers of a DICOM file into what they mean: intensities in the unit of the file, or colours.

What is applied: rescale slope and intercept (of each frame, if frames have their own), the modality look-up table, the
dose grid scaling, a real-world map if the file has nothing else, and palettes. What only concerns the display, such as
windows and presentation tables, is not. Values that mean "nothing was measured here" are found before all that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.errors import SuperResError, UnreadableImageError
from napari_superres.io.dicom.dataset import KIND, first_item, items, number, quiet_pydicom, read_elements
from napari_superres.io.dicom.dataset import text as text_of
from napari_superres.io.dicom.dataset import value as value_of
from napari_superres.io.dicom.decode import check_pixels, decode_pixels
from napari_superres.io.series import damage_error, translate_errors

_DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_IDENTITY = (1.0, 0.0)
_MOST_ENTRIES = 2**16


@dataclass(frozen=True, slots=True)
class Pixels:
    """Pixels of one file.

    Attributes
    ----------
    data
        ``(frames, Y, X[, S])``: intensities or RGB(A).
    no_data
        Least and greatest of the integers that mean "not measured"; None if `data` has none. In floating-point data
        such pixels are NaN.
    """

    data: npt.NDArray[Any]
    no_data: tuple[float, float] | None


def read_pixels(path: Path) -> Pixels:
    """Read the pixels of a file as intensities or colours.

    Raises
    ------
    UnreadableImageError
        If the file is damaged, or its numbers mean something that cannot be told.
    """
    with translate_errors(path, KIND):
        elements = read_elements(path, pixels=True)
        check_pixels(path, elements)
        stored = decode_pixels(path, elements)
        model = text_of(elements.tags, "PhotometricInterpretation")
        if model == "PALETTE COLOR":
            return Pixels(_colours(path, stored, elements.tags, elements.syntax == _BIG_ENDIAN), None)
        if stored.ndim > 3:
            return Pixels(stored, None)
        _check_no_colours(path, stored, elements.tags)
        padding = _padding(elements.tags, stored)
        if items(elements.tags, "ModalityLUTSequence"):
            return Pixels(_looked_up(stored, elements.tags, padding), None)
        return _rescaled(stored, _maps(path, elements.tags, len(stored)), padding)


def _rescaled(stored: npt.NDArray[Any], maps: Sequence[tuple[float, float]], padding: tuple[int, int] | None) -> Pixels:
    """Apply a slope and an intercept per frame."""
    one = len(set(maps)) == 1
    slope, intercept = maps[0]
    whole = one and slope.is_integer() and intercept.is_integer() and stored.dtype.kind in "ui"
    if one and maps[0] == _IDENTITY:
        return Pixels(stored, padding_range(padding, *_IDENTITY))
    if whole:
        ends = [int(v) * int(slope) + int(intercept) for v in (stored.min(), stored.max())]
        dtype = next((t for t in ("int16", "int32", "int64") if all(_fits(v, t) for v in ends)), "float64")
        if dtype != "float64":
            data = stored.astype(dtype)
            if slope != 1:
                data *= np.dtype(dtype).type(slope)
            data += np.dtype(dtype).type(intercept)
            return Pixels(data, padding_range(padding, slope, intercept))
    out = np.empty(stored.shape, np.float32)
    for number_, (slope, intercept) in enumerate(maps):
        out[number_] = stored[number_] * slope + intercept
    if padding is not None:
        out[_lies_within(stored, padding)] = np.nan
    return Pixels(out, None)


def _lies_within(values: npt.NDArray[Any], ends: tuple[int, int]) -> npt.NDArray[np.bool_]:
    return np.asarray((values >= ends[0]) & (values <= ends[1]))


def padding_range(padding: tuple[int, int] | None, slope: float, intercept: float) -> tuple[float, float] | None:
    """Return the range of values "not measured" after a rescaling; None if there is none."""
    if padding is None:
        return None
    low, high = sorted(float(v) * slope + intercept for v in padding)
    return low, high


def _fits(value: int, dtype: str) -> bool:
    return np.iinfo(dtype).min <= value <= np.iinfo(dtype).max


def _padding(tags: Any, stored: npt.NDArray[Any]) -> tuple[int, int] | None:
    """Return the least and the greatest stored value that means "not measured"; None if no pixel has such a value."""
    first, dtype = number(tags, "PixelPaddingValue"), stored.dtype
    if first is None or dtype.kind not in "ui":
        return None
    last = number(tags, "PixelPaddingRangeLimit")
    # Both are often written as if all pixels had, or had no, sign.
    turn, least, most = 2 ** (8 * dtype.itemsize), np.iinfo(dtype).min, np.iinfo(dtype).max
    values = [int(v) for v in (first, first if last is None else last)]
    low, high = sorted(v + turn if v < least else v - turn if v > most else v for v in values)
    return (low, high) if _lies_within(stored, (low, high)).any() else None


def _maps(path: Path, tags: Any, frames: int) -> list[tuple[float, float]]:
    """Return slope and intercept of each frame."""
    if text_of(tags, "SOPClassUID") == _DOSE:
        scaling = number(tags, "DoseGridScaling")
        if scaling is None:
            raise _unknown_map(path, "a dose, but does not state its scaling (tag 3004,000E)")
        return [(scaling, 0.0)] * frames
    shared = first_item("SharedFunctionalGroupsSequence", tags)
    per_frame = items(tags, "PerFrameFunctionalGroupsSequence")
    if per_frame and len(per_frame) != frames:
        raise damage_error(path, KIND, f"it describes {len(per_frame)} frames, but has {frames}")
    return [_map(path, tags, frame, shared) for frame in per_frame or [None]] * (1 if per_frame else frames)


def _map(path: Path, tags: Any, frame: Any, shared: Any) -> tuple[float, float]:
    group = first_item("PixelValueTransformationSequence", frame, shared)
    source = tags if group is None else group
    slope, intercept = number(source, "RescaleSlope"), number(source, "RescaleIntercept")
    if slope is None and intercept is None:
        return _real_world_map(path, tags, frame, shared)
    if slope == 0:
        raise _unknown_map(path, "intensities, but its rescale slope (tag 0028,1053) is 0")
    return 1.0 if slope is None else slope, 0.0 if intercept is None else intercept


def _real_world_map(path: Path, tags: Any, frame: Any, shared: Any) -> tuple[float, float]:
    """Return the only map from stored to real values, if the file has no rescale slope."""
    group = next(
        (g for g in (frame, shared, tags) if g is not None and items(g, "RealWorldValueMappingSequence")), None
    )
    if group is None:
        return _IDENTITY
    found = items(group, "RealWorldValueMappingSequence")
    maps = {(number(item, "RealWorldValueSlope"), number(item, "RealWorldValueIntercept")) for item in found}
    slope, intercept = maps.pop()
    if maps or slope is None or intercept is None or slope == 0:
        raise _unknown_map(path, "real-world values, but not by one slope and intercept (tag 0040,9096)")
    return slope, intercept


def _unknown_map(path: Path, what: str) -> SuperResError:
    return UnreadableImageError(
        f"{path} must say how its numbers become intensities; it holds {what}.",
        remedy="Convert it to NIfTI with a DICOM tool that knows the device.",
    )


def _looked_up(stored: npt.NDArray[Any], tags: Any, padding: tuple[int, int] | None) -> npt.NDArray[Any]:
    with quiet_pydicom() as pydicom:
        # Differences from the first entry must not overflow.
        values = np.asarray(pydicom.pixels.apply_modality_lut(stored.astype(np.int64), tags))
    return values if padding is None else np.where(_lies_within(stored, padding), np.float32(np.nan), values)


def _check_no_colours(path: Path, stored: npt.NDArray[Any], tags: Any) -> None:
    """Check that no value is the index of a colour in a supplemental palette."""
    descriptor = value_of(tags, "RedPaletteColorLookupTableDescriptor")
    if descriptor is None:
        return
    entries, first = int(descriptor[0]) or _MOST_ENTRIES, int(descriptor[1])
    if ((stored >= first) & (stored < first + entries)).any():
        raise UnreadableImageError(
            f"{path} must hold intensities alone, but its values from {first} on are colours of a palette "
            "(tag 0028,1101).",
            remedy="Export the grey image without the colours.",
        )


def _colours(path: Path, stored: npt.NDArray[Any], tags: Any, swapped: bool) -> npt.NDArray[Any]:
    """Replace indices by the colours of the palette in the file."""
    if any(f"Segmented{c}PaletteColorLookupTableData" in tags for c in ("Red", "Green", "Blue")):
        raise UnreadableImageError(
            f"{path} must have a palette that lists its colours, but has one of segments (tag 0028,1221).",
            remedy="Convert it to RGB with a DICOM tool first.",
        )
    for colour in ("Red", "Green", "Blue", "Alpha"):
        keyword = f"{colour}PaletteColorLookupTableData"
        if swapped and keyword in tags:  # pydicom takes the bytes of words as they are
            tags[keyword].value = np.frombuffer(tags[keyword].value, ">u2").astype("<u2").tobytes()
    with quiet_pydicom() as pydicom:
        return np.asarray(pydicom.pixels.apply_color_lut(stored, tags))
