"""Names and paths of medical images, which are often a patient's, stay out of every message and description."""

import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.prepared import slice_file, slices

from napari_superres import Image, read_image, write_image
from napari_superres.errors import SuperResError
from napari_superres.io import (
    InputPath,
    describe,
    file_digest,
    find_images,
    is_anonymous,
    label,
    output_suffix,
    read_pyramids,
    read_series,
    safe_name,
    short_label,
)
from napari_superres.io.formats import FORMATS

SECRET = "DOE_JANE"
MEDICAL = {".nii": "nifti", ".nii.gz": "nifti", ".nrrd": "nrrd", ".mha": "metaimage", ".dcm": "dicom"}
OPENERS = [read_image, read_series, read_pyramids, describe, find_images, file_digest, safe_name, output_suffix]


def volume(path):
    """Write an image of a medical format under a patient's name."""
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".dcm":
        return slice_file(path)
    image = Image.from_array(np.ones((3, 8, 9), np.int16), "ZYX", pixel_size=0.5, unit="millimeter")
    return write_image(image, path)


@pytest.fixture(params=MEDICAL)
def patient(request, tmp_path):
    return volume(tmp_path / SECRET / f"{SECRET}{request.param}")


def faults(path):
    """Yield damaged forms of a file, each under the same name."""
    whole = path.read_bytes()
    yield "cut", lambda: path.write_bytes(whole[: len(whole) // 2])
    yield "empty", lambda: path.write_bytes(b"")
    yield "garbage", lambda: path.write_bytes(os.urandom(999))
    yield "gone", path.unlink
    yield "folder", path.mkdir


def messages(path):
    """Return what each function that opens an image says about a damaged one."""
    said = []
    for opener in OPENERS:
        try:
            opener(path)
        except SuperResError as error:
            said.append(str(error))
    return said


def test_messages_never_name_a_patient(patient):
    for fault, make in faults(patient):
        make()
        for text in messages(patient):
            assert SECRET not in text, (fault, text)


def test_the_label_is_found_again_among_the_files(patient):
    found = label(patient)
    assert found == short_label(patient) == safe_name(patient)
    kind, _, digits = found.rpartition("-")
    assert kind == MEDICAL["".join(patient.suffixes)]
    assert file_digest(patient).startswith(digits)


def test_descriptions_never_name_a_patient(patient):
    assert SECRET not in json.dumps(describe(patient))
    assert describe(patient)[0]["format"].lower() == label(patient).partition("-")[0]


def test_a_name_that_a_header_refers_to_is_secret(tmp_path):
    """The pixels of an .mhd lie in a file of the same name."""
    header = tmp_path / f"{SECRET}.mhd"
    header.write_text(
        f"NDims = 3\nDimSize = 4 4 4\nElementType = MET_UCHAR\nElementDataFile = {SECRET}.raw\n", encoding="utf-8"
    )
    for size in (None, 3):
        if size is not None:
            (tmp_path / f"{SECRET}.raw").write_bytes(b"\0" * size)
        for text in messages(header):
            assert SECRET not in text, text


def test_folders_of_a_patient(tmp_path):
    folder = slices(tmp_path / SECRET, [0, 3, 9, 12])
    with pytest.raises(SuperResError) as error:
        read_image(folder)
    assert SECRET not in str(error.value)
    assert label(folder) == safe_name(folder)
    assert safe_name(folder).startswith("dicom-")


@pytest.mark.parametrize("name", ["IM0001", "notes.txt", "gone"])
def test_other_files_among_medical_ones(name, tmp_path):
    """A slice that has lost its beginning is not known as DICOM any more."""
    folder = slices(tmp_path / SECRET, [0, 3])
    if name == "IM0001":
        shutil.copy(folder / "000.dcm", folder / name)
        (folder / name).write_bytes(b"")
    for text in messages(folder / name):
        assert SECRET not in text, text
    for pattern in ("*.tif", "*.nii.gz", "IM*"):
        if name == "gone":
            with pytest.raises(SuperResError, match=r"no image matches the pattern \(0"):
                find_images(folder / pattern)


def test_a_folder_of_volumes_or_of_series_is_secret(tmp_path):
    volume(tmp_path / SECRET / "t1.nii.gz")
    (tmp_path / "study").mkdir()
    slices(tmp_path / "study" / SECRET, [0, 3])
    assert label(tmp_path / SECRET) == "the folder"
    assert label(tmp_path / "study") == "the folder"


@pytest.mark.parametrize("name", ["cells.ome.tif", "cells.ome.zarr", "cells.png", "cells.mrc"])
def test_other_images_keep_their_names(name, tmp_path):
    path = tmp_path / name
    assert not is_anonymous(path)
    assert (label(path), short_label(path), safe_name(path)) == (str(path), name, "cells")
    with pytest.raises(SuperResError, match=name):
        read_image(path)


def test_every_format_of_medicine_is_listed():
    assert {f.name for f in FORMATS if f.is_medical} == {"DICOM", "NIfTI", "NRRD", "MetaImage", "slide"}


def test_the_path_of_an_input_is_a_path(tmp_path):
    """It opens, compares, travels to workers, and what is derived from it is as discreet as itself."""
    path = InputPath(volume(tmp_path / SECRET / "t1.nii.gz"))
    assert path == Path(path)
    assert hash(path) == hash(Path(path))
    assert str(path) == os.fspath(path) == str(Path(path))
    assert path.read_bytes() == Path(path).read_bytes()
    derived = [pickle.loads(pickle.dumps(path)), path.resolve(), next(path.parent.iterdir()), path.parent / "t1.nii.gz"]
    assert {f"{other}" for other in derived} == {label(path)}


def test_what_is_redacted_has_no_names_at_all(tmp_path):
    image = Image.from_array(np.ones((2, 8, 9), np.int16), "CYX", pixel_size=0.5, channel_names=("Jane", "Doe"))
    path = write_image(image, tmp_path / f"{SECRET}.ome.tif")
    assert SECRET in json.dumps(describe(path))
    (row,) = describe(path, redact=True)
    assert row.keys() == describe(path)[0].keys() - {"name", "channel_names"}
    for secret in (SECRET, "Jane", "Doe"):
        assert secret not in json.dumps(row)
    path.write_bytes(b"")
    with pytest.raises(SuperResError, match="the TIFF file is empty") as error:
        describe(path, redact=True)
    assert SECRET not in str(error.value)
