"""Files of DICOM, with a patient's name inside."""

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CT = "1.2.840.10008.5.1.4.1.1.2"
PATIENT = "Doe^Jane"


def slice_file(path: Path, **tags: Any) -> Path:
    """Write one slice. A tag with the value None is left out."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = tags.get("SOPClassUID", CT)
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    values = {
        "SOPClassUID": CT,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "Modality": "CT",
        "PatientName": PATIENT,
        "PatientID": "4711",
        "StudyDate": "19700102",
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.4",
        "Rows": 6,
        "Columns": 5,
        "PixelSpacing": [0.7, 0.5],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "ImagePositionPatient": [-10, 20, 30],
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "PixelData": np.full((6, 5), 100, "uint16").tobytes(),
    } | tags
    for name, value in values.items():
        if value is not None:
            setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)
    return path


def series(folder: Path, positions: list[Any], prefix: str = "", **tags: Any) -> Path:
    """Write slices at positions along Z, or at whole positions, into a folder."""
    folder.mkdir(exist_ok=True)
    for number, position in enumerate(positions):
        full = position if isinstance(position, (list, tuple)) else [-10, 20, position]
        slice_file(
            folder / f"{prefix}{number:03d}.dcm",
            ImagePositionPatient=list(full),
            PixelData=np.full((6, 5), 100 + number, "uint16").tobytes(),
            **tags,
        )
    return folder
