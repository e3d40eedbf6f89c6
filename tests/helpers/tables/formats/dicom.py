"""DICOM by pydicom: slices in a folder, planes, frames in time, and enhanced files whose frames have places."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.pixels.processing import apply_modality_lut

from helpers.tables.formats.facts import CannotMakeError, Facts

_CT, _ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4.1"
_ACROSS = {"T": "TemporalPositionIndex", "C": "DiffusionBValue"}


def make(facts: Facts, path: Path) -> None:
    """Write a file, or for slices a folder of files."""
    if facts.unit is None or facts.channels or (facts.labels and "Z" in facts.axes):
        raise CannotMakeError
    sizes, matrix = facts.sizes_in("millimeter"), facts.matrix_in("millimeter")
    tags: dict[str, Any] = {"PixelSpacing": [sizes["Y"], sizes["X"]]}
    if "Z" not in facts.spatial:
        if any(facts.origin_in("millimeter").values()) or facts.axes not in ("YX", "TYX", "YXS"):
            raise CannotMakeError
        if facts.axes == "TYX":
            if facts.time_step is None:
                raise CannotMakeError
            tags |= {"NumberOfFrames": len(facts.data), "FrameTime": facts.time_step[0] * 1000.0}
        _save(facts, facts.data, path, tags)
        return
    orientation = [*(matrix[:-1, 2][::-1] / sizes["X"]), *(matrix[:-1, 1][::-1] / sizes["Y"])]
    if abs(np.dot(matrix[:-1, 0], np.cross(matrix[:-1, 1], matrix[:-1, 2]))) < 0.999 * np.prod(list(sizes.values())):
        raise CannotMakeError
    places = [(matrix[:-1, -1] + matrix[:-1, 0] * i)[::-1].tolist() for i in range(facts.data.shape[-3])]
    if facts.axes == "ZYX":
        path.mkdir()
        for i, place in enumerate(places):
            placed = {"ImageOrientationPatient": orientation, "ImagePositionPatient": place}
            _save(facts, facts.data[i], path / f"{i}.dcm", tags | placed | {"SOPInstanceUID": f"1.2.{i + 1}"})
        return
    if facts.axes not in ("TZYX", "CZYX"):
        raise CannotMakeError
    _save(facts, facts.data.reshape(-1, *facts.data.shape[-2:]), path, _groups(facts, tags, orientation, places))


def _groups(facts: Facts, tags: dict[str, Any], orientation: list[float], places: list[list[float]]) -> dict[str, Any]:
    """Return the tags of a file of frames, each with its own."""
    frames = []
    for first in range(len(facts.data)):
        for i, place in enumerate(places):
            content = {_ACROSS["T"]: first + 1} if facts.axes[0] == "T" else {}
            frame: dict[str, dict[str, Any]] = {"PlanePositionSequence": {"ImagePositionPatient": place}}
            frame["FrameContentSequence"] = content | {"InStackPositionNumber": i + 1}
            if facts.axes[0] == "C":
                frame["MRDiffusionSequence"] = {_ACROSS["C"]: 1000.0 * first}
            frames.append(_nested(frame))
    shared = {"PixelMeasuresSequence": tags, "PlaneOrientationSequence": {"ImageOrientationPatient": orientation}}
    return {
        "SOPClassUID": _ENHANCED_MR,
        "NumberOfFrames": len(frames),
        "SharedFunctionalGroupsSequence": [_nested(shared)],
        "PerFrameFunctionalGroupsSequence": frames,
    }


def _nested(groups: dict[str, dict[str, Any]]) -> Dataset:
    outer = Dataset()
    for name, values in groups.items():
        inner = Dataset()
        for key, value in values.items():
            setattr(inner, key, _short(value))
        setattr(outer, name, [inner])
    return outer


def _save(facts: Facts, pixels: Any, path: Path, tags: dict[str, Any]) -> None:
    kind, bits, colour = pixels.dtype.kind, pixels.dtype.itemsize * 8, "S" in facts.axes
    values = {
        "SOPClassUID": _CT,
        "SOPInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.4",
        "Modality": "SEG" if facts.labels else "MR",
        "Rows": pixels.shape[-3 if colour else -2],
        "Columns": pixels.shape[-2 if colour else -1],
        "BitsAllocated": bits,
        "SamplesPerPixel": pixels.shape[-1] if colour else 1,
        "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
    }
    if kind in "ui":
        values |= {"BitsStored": bits, "HighBit": bits - 1, "PixelRepresentation": int(kind == "i")}
    name = {"f4": "FloatPixelData", "f8": "DoubleFloatPixelData"}.get(f"{kind}{bits // 8}", "PixelData")
    if (bits > 32 and name == "PixelData") or pixels.dtype == np.float16 or values["SamplesPerPixel"] == 4:
        raise CannotMakeError
    if colour:
        values["PlanarConfiguration"] = 0
    if facts.no_data is not None:
        values["PixelPaddingValue"] = int(facts.no_data)
    if facts.scale is not None:
        values |= {"RescaleSlope": facts.scale[0], "RescaleIntercept": facts.scale[1]}
    meta = FileMetaDataset()
    values |= tags | {name: pixels.tobytes()}
    meta.TransferSyntaxUID, meta.MediaStorageSOPInstanceUID = (
        pydicom.uid.ExplicitVRLittleEndian,
        pydicom.uid.UID("1.2.3"),
    )
    meta.MediaStorageSOPClassUID = values["SOPClassUID"]
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    for key, value in values.items():
        setattr(data, key, _short(value))
    if name == "PixelData":
        data["PixelData"].VR = "OB" if bits == 8 else "OW"
    if facts.no_data is not None:
        data["PixelPaddingValue"].VR = "SS" if kind == "i" else "US"
    data.save_as(path, enforce_file_format=True)


def _short(value: Any) -> Any:
    """Return numbers with as many digits as a decimal string can hold."""
    if isinstance(value, list) and value and isinstance(value[0], float):
        return [f"{v:.9g}" for v in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


def read(path: Path) -> Facts:
    """Return what a file or a folder of slices states."""
    files = [pydicom.dcmread(p) for p in (sorted(path.iterdir()) if path.is_dir() else [path])]
    first = files[0]
    data = np.stack([_values(f) for f in files])
    colour = "S" if first.SamplesPerPixel > 1 else ""
    padding = first.get("PixelPaddingValue")
    facts = {"no_data": None if padding is None else float(padding), "labels": first.Modality == "SEG"}
    if "PerFrameFunctionalGroupsSequence" in first:
        return _enhanced(first, data[0])
    if len(files) > 1:
        places = [np.asarray(f.ImagePositionPatient, float) for f in files]
        affine = _affine(first.ImageOrientationPatient, first.PixelSpacing, places)
        return Facts(data, "ZYX", affine, "millimeter", **facts)
    time = (float(first.FrameTime), "millisecond") if "FrameTime" in first else None
    affine = np.diag([*map(float, first.PixelSpacing), 1.0])
    return Facts(data[0], ("T" if time else "") + "YX" + colour, affine, "millimeter", time_step=time, **facts)


def _values(file: Any) -> Any:
    return apply_modality_lut(file.pixel_array, file) if "RescaleSlope" in file else file.pixel_array


def _enhanced(file: Any, data: Any) -> Facts:
    frames = file.PerFrameFunctionalGroupsSequence
    shared = file.SharedFunctionalGroupsSequence[0]
    places = [np.asarray(f.PlanePositionSequence[0].ImagePositionPatient, float) for f in frames]
    letter = "C" if "MRDiffusionSequence" in frames[0] else "T"
    other = {
        float(f.MRDiffusionSequence[0].DiffusionBValue)
        if letter == "C"
        else float(f.FrameContentSequence[0].TemporalPositionIndex)
        for f in frames
    }
    slices = len(frames) // len(other)
    orientation = shared.PlaneOrientationSequence[0].ImageOrientationPatient
    affine = _affine(orientation, shared.PixelMeasuresSequence[0].PixelSpacing, places[:slices])
    return Facts(data.reshape(len(other), slices, *data.shape[1:]), f"{letter}ZYX", affine, "millimeter")


def _affine(orientation: Any, spacing: Any, places: list[Any]) -> Any:
    across, down = np.split(np.asarray(orientation, float), 2)
    affine = np.eye(4)
    columns = [places[1] - places[0], down * float(spacing[0]), across * float(spacing[1])]
    affine[:3, :3], affine[:3, 3] = np.stack(columns, axis=1)[::-1], places[0][::-1]
    return affine
