"""Facts that are easily lost: that values are labels, that an axis is time, and names of channels."""

from collections.abc import Callable
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pytest

from napari_superres.core.image import Image
from napari_superres.errors import LossyWriteError
from napari_superres.io import read_image, write_image


@pytest.mark.parametrize("ending", [".ome.tif", ".tif", ".ome.zarr", ".nii.gz", ".nrrd", ".mha"])
def test_labels_stay_labels(ending: str, make_image: Callable[..., Image], tmp_path: Path) -> None:
    for labels in (True, False):
        image = make_image("ZYX", "uint8", unit="millimeter", metadata={"labels": True} if labels else {})
        found = read_image(write_image(image, tmp_path / f"{labels}{ending}"))
        assert bool(found.metadata.get("labels")) is labels


def test_labels_of_other_programs_are_known(tmp_path: Path) -> None:
    data = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    image = nibabel.Nifti1Image(data, np.eye(4))
    image.header.set_intent("label")
    nibabel.save(image, tmp_path / "a.nii")
    nrrd.write(str(tmp_path / "a.seg.nrrd"), data, {"Segment0_ID": "Segment_1", "Segment0_LabelValue": "1"})
    for name in ("a.nii", "a.seg.nrrd"):
        assert read_image(tmp_path / name).metadata["labels"] is True


def test_planes_over_time_of_an_nrrd_are_no_volume(tmp_path: Path) -> None:
    data = np.arange(60, dtype=np.uint8).reshape(5, 4, 3)
    header = {"kinds": ["domain", "domain", "time"], "spacings": [0.5, 0.25, 2.0], "units": ["mm", "mm", "s"]}
    nrrd.write(str(tmp_path / "a.nrrd"), data, header)
    image = read_image(tmp_path / "a.nrrd")
    assert (image.axes, image.pixel_size) == ("TYX", (0.25, 0.5))
    assert (image.metadata["time_step"], image.units["T"]) == (2.0, "second")
    np.testing.assert_array_equal(image.data, data.T)


def test_a_png_has_no_channel_names(tmp_path: Path) -> None:
    image = Image.from_array(np.zeros((1, 4, 5), np.uint8), "CYX", channel_names=["GFP"])
    with pytest.raises(LossyWriteError, match="channel names"):
        write_image(image, tmp_path / "a.png")
