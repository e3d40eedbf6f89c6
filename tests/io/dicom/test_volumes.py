"""Series of one file per slice with several volumes at one place: the tags of the files tell times and echoes apart."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.prepared import slice_file

from napari_superres import Image, read_image, upscale, write_image
from napari_superres.errors import UnreadableImageError
from napari_superres.io import output_suffix

ZS = (0.0, 3.0, 6.0)


def series(folder: Path, volumes: list[Any], **tags: Any) -> Path:
    """Write a slice at each of three places for each volume, with its tags, in files whose names tell nothing.

    The stored value is ten times the number of the volume plus that of the place. Tags may be made of the place.
    """
    folder.mkdir()
    names = list(range(len(volumes) * len(ZS)))
    random.Random(3).shuffle(names)
    for v, own in enumerate(volumes):
        for z, height in enumerate(ZS):
            slice_file(
                folder / f"{names.pop():03d}.dcm",
                **{
                    "ImagePositionPatient": [-10, 20, height],
                    "PixelData": np.full((6, 5), 10 * v + z, "uint16").tobytes(),
                    "Modality": "MR",
                    "RescaleSlope": None,
                    "RescaleIntercept": None,
                    **tags,
                    **(own(z) if callable(own) else own),
                },
            )
    return folder


def firsts(image: Image) -> Any:
    """Return the first pixel of each plane."""
    return np.asarray(image.data)[..., 0, 0].tolist()


def volume(v: int) -> list[int]:
    return [10 * v + z for z in range(len(ZS))]


def test_echoes_are_channels_at_their_place(tmp_path: Path) -> None:
    image = read_image(series(tmp_path / "a", [{"EchoTime": t, "EchoNumbers": n} for n, t in enumerate((10, 4.5))]))
    assert (image.axes, image.pixel_size, image.origin, image.space) == ("CZYX", (3, 0.7, 0.5), (0, 20, -10), "LPS")
    assert firsts(image) == [volume(1), volume(0)]
    assert image.channel_names == ("Echo Time 4.5", "Echo Time 10")


def test_results_of_channels_go_where_their_names_can(tmp_path: Path) -> None:
    assert output_suffix(series(tmp_path / "a", [{"EchoTime": t} for t in (1, 2)])) == ".nrrd"
    assert output_suffix(series(tmp_path / "b", [{"TriggerTime": t} for t in (1, 2)])) == ".nii.gz"
    assert output_suffix(series(tmp_path / "c", [{}])) == ".nii.gz"


def test_time_points_are_time_with_their_step(tmp_path: Path) -> None:
    image = read_image(series(tmp_path / "a", [{"TriggerTime": t} for t in (50, 0, 25)]))
    assert (image.axes, image.units["T"], image.metadata["time_step"]) == ("TZYX", "millisecond", 25)
    assert firsts(image) == [volume(1), volume(2), volume(0)]


def test_slices_of_a_time_point_may_have_times_of_their_own(tmp_path: Path) -> None:
    volumes = [lambda z, t=t: {"AcquisitionTime": f"1159{t + (z * 7) % 5:06.3f}"} for t in (10, 30, 50)]
    image = read_image(series(tmp_path / "a", volumes))
    assert (image.axes, image.units["T"]) == ("TZYX", "second")
    assert image.metadata["time_step"] == pytest.approx(20)
    assert firsts(image) == [volume(v) for v in range(3)]


def test_echoes_of_time_points(tmp_path: Path) -> None:
    """Each echo of each time point has a time of its own, but there are only two time points."""
    volumes = [
        {"TemporalPositionIdentifier": t, "EchoTime": e, "AcquisitionTime": f"1200{10 * t + e:02d}"}
        for t in (1, 2)
        for e in (3, 6)
    ]
    image = read_image(series(tmp_path / "a", volumes))
    assert (image.axes, image.metadata["time_step"]) == ("TCZYX", 10)
    assert firsts(image) == [[volume(0), volume(1)], [volume(2), volume(3)]]
    assert image.channel_names == ("Echo Time 3", "Echo Time 6")


@pytest.mark.parametrize("where", ["standard", "SIEMENS MR HEADER", "GEMS_PARM_01"])
def test_b_values_are_channels_wherever_they_stand(where: str, tmp_path: Path) -> None:
    import pydicom

    folder = series(tmp_path / "a", [{"AcquisitionNumber": n} for n in (1, 2)])
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        b = 800 if data.AcquisitionNumber == 1 else 0
        if where == "standard":
            data.DiffusionBValue = b
        elif where.startswith("SIEMENS"):
            data.private_block(0x0019, where, create=True).add_new(0x0C, "IS", b)
        else:
            data.private_block(0x0043, where, create=True).add_new(0x39, "IS", [10**9 + b, 6, 0, 0])
        data.save_as(path)
    image = read_image(folder)
    assert (image.axes, image.channel_names) == ("CZYX", ("Diffusion b-value 0", "Diffusion b-value 800"))
    assert firsts(image) == [volume(1), volume(0)]


def test_kinds_of_images_are_channels_each_with_its_own_slope(tmp_path: Path) -> None:
    kinds = [
        {"ImageType": ["ORIGINAL", "PRIMARY", "M"], "RescaleSlope": 1, "RescaleIntercept": 0},
        {"ImageType": ["ORIGINAL", "PRIMARY", "P"], "RescaleSlope": 0.5, "RescaleIntercept": -3},
    ]
    image = read_image(series(tmp_path / "a", kinds))
    np.testing.assert_allclose(firsts(image), [volume(0), [0.5 * v - 3 for v in volume(1)]])
    assert image.channel_names == ("Image Type ORIGINAL PRIMARY M", "Image Type ORIGINAL PRIMARY P")


def test_frames_of_a_dynamic_scan_of_one_slice(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    for t in range(4):
        slice_file(
            folder / f"{t}.dcm",
            FrameReferenceTime=1000.0 * t,
            SliceThickness=5,
            PixelData=np.full((6, 5), t, "uint16").tobytes(),
        )
    image = read_image(folder)
    assert (image.axes, image.shape, image.pixel_size[0]) == ("TZYX", (4, 1, 6, 5), 5)
    assert (image.metadata["time_step"], image.units["T"]) == (1000, "millisecond")


@pytest.mark.parametrize(
    ("volumes", "message"),
    [
        ([{}, {}], r"lie at the same place, but no tag says in what they differ\. Remove copies, or move each"),
        ([{"EchoTime": 1}, {"EchoTime": 1}, {"EchoTime": 2}], r"no tag other than Echo Time says in what they differ"),
        ([{"EchoTime": 1}, lambda z: {"EchoTime": 2 + (z == 1)}], r"slices are missing"),
        ([{"EchoTime": 1}, {"EchoTime": 2, "PixelSpacing": [0.7, 0.6]}], r"must have the pixel spacing of the other"),
    ],
)
def test_what_is_doubtful_is_refused_with_its_reason(volumes: list[Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match=message):
        read_image(series(tmp_path / "a", volumes))


def test_a_missing_slice_of_one_echo_is_refused(tmp_path: Path) -> None:
    folder = series(tmp_path / "a", [{"EchoTime": 1}, {"EchoTime": 2}])
    next(folder.iterdir()).unlink()
    with pytest.raises(UnreadableImageError, match=r"come with all slices of each of its 2 volumes, but 1 of 6 slices"):
        read_image(folder)


def test_results_lie_on_each_time_point(tmp_path: Path) -> None:
    image = read_image(series(tmp_path / "a", [{"TriggerTime": t} for t in (0, 25)]))
    write_image(upscale(image, "nearest-x2"), tmp_path / "result.nii.gz")
    again = read_image(tmp_path / "result.nii.gz")
    np.testing.assert_array_equal(np.asarray(again.data)[..., 0, 0], firsts(image))
    np.testing.assert_allclose(np.asarray(again.pixel_size) * [1, 2, 2], image.pixel_size, rtol=1e-6)
