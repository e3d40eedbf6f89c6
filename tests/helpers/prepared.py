"""Small files that stand for a reader's own: ``PREPARED[page](folder)`` makes what the page's commands speak of."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from helpers.pages import ROOT
from helpers.scenes.beads import bead_positions, record_beads
from napari_superres import Image, degrade, read_image, write_image

SAMPLES = ROOT / "sample_data"
CT = "1.2.840.10008.5.1.4.1.1.2"
"""SOP class of a CT slice."""


def _planes(kind: str) -> list[Image]:
    """Return the six planes of the stack of nuclei, ``hr`` or ``lr``."""
    stack = read_image(SAMPLES / f"nuclei-stack_{kind}.ome.tif")
    return [stack.replace(data=plane, axes="YX", affine=stack.affine[1:, 1:]) for plane in np.asarray(stack.data)]


def _pairs(low: Path, high: Path) -> None:
    """Write quarters of three planes of nuclei, and what an instrument with little light makes of them."""
    low.mkdir()
    high.mkdir()
    for z, plane in enumerate(_planes("hr")[::2]):
        for number, (y, x) in enumerate(np.ndindex(2, 2)):
            quarter = plane.replace(data=np.asarray(plane.data)[126 * y : 126 * y + 126, 126 * x : 126 * x + 126])
            write_image(quarter, high / f"field{z}{number}.ome.tif")
            dim = degrade(quarter, 2, kernel="gaussian", psf_sigma=1.5, photons=60, read_noise=1, seed=10 * z + number)
            write_image(dim, low / f"field{z}{number}.ome.tif")


def evaluation(folder: Path) -> None:
    """Make a result with its input, reference and masks, folders of such pairs, and a model file."""
    from napari_superres import upscale_file
    from napari_superres.evaluation.metrics.objects.detect import Detector

    low, high = _planes("lr")[0], _planes("hr")[0]
    write_image(low, folder / "input.ome.tif")
    write_image(high, folder / "reference.ome.tif")
    upscale_file(folder / "input.ome.tif", folder / "sr.ome.tif", model="fluo-x2")
    masks = Detector("nuclei", (24.0, 24.0)).find(np.asarray(high.data))
    write_image(high.replace(data=masks.astype(np.uint16)), folder / "masks.ome.tif")
    repeated = degrade(high, 2, kernel="gaussian", psf_sigma=1.5, photons=400, read_noise=2, seed=5)
    write_image(repeated, folder / "again.ome.tif")
    _pairs(folder / "inputs", folder / "reference")
    shutil.copy(ROOT / "napari_superres" / "weights" / "fluo-x2.safetensors", folder / "mine.safetensors")


def large_images(folder: Path) -> None:
    """Make a slide that is not large."""
    data = np.tile(np.asarray(_planes("lr")[0].data), (3, 3))
    write_image(Image.from_array(data, "YX", pixel_size=0.52), folder / "slide.ome.zarr")


def models(folder: Path) -> None:
    """Make the checkpoint of another program: a small network with random weights."""
    import torch

    from helpers.checkpoints.spandrel_networks import checkpoint

    torch.save(checkpoint("SPAN"), folder / "downloaded.pth")


def training(folder: Path) -> None:
    """Make sharp images, raw ones, pairs, and an image to be enhanced."""
    for name in ("sharp", "raw", "low", "high"):
        (folder / name).mkdir()
    for z, (low, high) in enumerate(zip(_planes("lr"), _planes("hr"), strict=True)):
        for kind in ("raw", "low"):
            write_image(low, folder / kind / f"cells{z}.ome.tif")
        for kind in ("sharp", "high"):
            write_image(high, folder / kind / f"cells{z}.ome.tif")
    shutil.copy(SAMPLES / "nuclei_lr.ome.tif", folder / "blurred.ome.tif")
    # The folders that the recipe photo-x3 names; one photograph in each.
    for name in ("T91", "BSD200", "BSDS500_test"):
        (folder / "images" / name).mkdir(parents=True)
        shutil.copy(SAMPLES / "chelsea_hr.png", folder / "images" / name / "cat.png")


def dicom_series(folder: Path) -> None:
    """Write the sample brain as a series of 24 slices, with a patient who does not exist."""
    from pydicom.uid import MRImageStorage, generate_uid

    brain = read_image(SAMPLES / "brain_lr.nii.gz")
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    (folder / "series").mkdir()
    for z, plane in enumerate(np.asarray(brain.data).astype(np.uint16)):
        slice_file(
            folder / "series" / f"IM{z:04d}.dcm",
            SOPClassUID=MRImageStorage,
            Modality="MR",
            PatientName="Nobody^Sample",
            PatientID="0",
            StudyDate=None,
            StudyInstanceUID=study,
            SeriesInstanceUID=series,
            FrameOfReferenceUID=frame,
            InstanceNumber=z + 1,
            Rows=plane.shape[0],
            Columns=plane.shape[1],
            PixelSpacing=[2.0, 2.0],
            SliceThickness=1.0,
            ImageOrientationPatient=[-1, 0, 0, 0, -1, 0],
            ImagePositionPatient=(brain.affine @ (z, 0, 0, 1))[:3][::-1].tolist(),
            RescaleSlope=None,
            RescaleIntercept=None,
            PixelData=plane.tobytes(),
        )


def slice_file(path: Path, **tags: Any) -> Path:
    """Write one slice of a DICOM series. A tag with the value None is left out."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = tags.get("SOPClassUID", CT)
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    values = {
        "SOPClassUID": CT,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "Modality": "CT",
        "PatientName": "Doe^Jane",
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


def slices(folder: Path, positions: list[Any], prefix: str = "", **tags: Any) -> Path:
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


def noisy_images(folder: Path) -> None:
    """Make noisy planes of nuclei, each recorded twice."""
    for number, name in enumerate(("noisy", "again")):
        (folder / name).mkdir()
        for z, plane in enumerate(_planes("hr")):
            dim = degrade(plane, 1, kernel="gaussian", photons=30, seed=10 * z + number)
            write_image(dim, folder / name / f"cells{z}.ome.tif")


def adapt(folder: Path) -> None:
    """Make one noisy image."""
    nuclei = read_image(SAMPLES / "nuclei_hr.ome.tif")
    write_image(degrade(nuclei, 1, kernel="gaussian", photons=40), folder / "noisy.ome.tif")


def psf(folder: Path) -> None:
    """Make an image of twelve beads."""
    random = np.random.default_rng(0)
    places = bead_positions(random, 12, (1, 160, 160))
    values = record_beads(random, places, (0, 1.6, 1.6), photons=3000, shape=(1, 160, 160), background=2.0)
    write_image(Image.from_array(values[0].astype(np.uint16), "YX", pixel_size=0.1), folder / "beads.ome.tif")


PREPARED: dict[str, Callable[[Path], None]] = {
    "evaluation.md": evaluation,
    "howto/adapt.md": adapt,
    "howto/noisy-images.md": noisy_images,
    "howto/psf.md": psf,
    "large-images.md": large_images,
    "models.md": models,
    "training.md": training,
    "tutorials/dicom-series.md": dicom_series,
}
