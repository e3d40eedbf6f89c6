"""Multi-frame files: the tags of each frame decide what lies where, and what time and channels are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.prepared import slice_file
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from napari_superres import Image, read_image
from napari_superres.errors import UnreadableImageError
from napari_superres.inference import upscale_files
from napari_superres.io import output_suffix

MR, CT, PET, NM, DOSE = (f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("4.1", "2.1", "130", "20", "481.2"))


def item(**tags: Any) -> Items:
    """Return a sequence of one item."""
    data = Dataset()
    for keyword, value in tags.items():
        setattr(data, keyword, value)
    return Items([data])


def enhanced(
    path: Path,
    places: Sequence[Any],
    groups: Sequence[dict[str, Any]] = (),
    *,
    dimensions: Sequence[str] = (),
    spacing: Sequence[float] = (0.7, 0.5),
    orientation: Sequence[float] = (1, 0, 0, 0, 1, 0),
    **tags: Any,
) -> Path:
    """Write an enhanced file of frames whose stored values are 10, 11, 12, ... in the order of the file."""
    frames = []
    for i, place in enumerate(places):
        frame = Dataset()
        position = place if isinstance(place, (list, tuple)) else [-10, 20, place]
        frame.PlanePositionSequence = item(ImagePositionPatient=list(position))
        for keyword, value in (groups[i] if groups else {}).items():
            setattr(frame, keyword, value)
        frames.append(frame)
    pointers = []
    for keyword in dimensions:
        pointer = Dataset()
        pointer.DimensionIndexPointer = __import__("pydicom").datadict.tag_for_keyword(keyword)
        pointers.append(pointer)
    shared = Dataset()
    shared.PixelMeasuresSequence = item(PixelSpacing=list(spacing), SliceThickness=2)
    shared.PlaneOrientationSequence = item(ImageOrientationPatient=list(orientation))
    pixels = np.repeat(np.arange(10, 10 + len(places), dtype="uint16"), 30)
    return slice_file(
        path,
        **{
            "SOPClassUID": MR,
            "Modality": "MR",
            "NumberOfFrames": len(places),
            "PixelData": pixels.tobytes(),
            "SharedFunctionalGroupsSequence": Items([shared]),
            "PerFrameFunctionalGroupsSequence": Items(frames),
            **({"DimensionIndexSequence": Items(pointers)} if pointers else {}),
            **dict.fromkeys(("PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient")),
            **dict.fromkeys(("RescaleSlope", "RescaleIntercept")),
            **tags,
        },
    )


def index(*numbers: int) -> dict[str, Any]:
    return {"FrameContentSequence": item(DimensionIndexValues=list(numbers))}


def firsts(image: Image) -> Any:
    """Return the first pixel of each plane."""
    return np.asarray(image.data)[..., 0, 0].tolist()


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [0, 2, 4, 1, 3]])
def test_frames_are_sorted_by_place(order: list[int], tmp_path: Path) -> None:
    image = read_image(enhanced(tmp_path / "a.dcm", [2.0 * i for i in order]))
    assert (image.axes, image.shape, image.pixel_size, image.space) == ("ZYX", (5, 6, 5), (2.0, 0.7, 0.5), "LPS")
    assert image.origin == (0.0, 20.0, -10.0)
    assert firsts(image) == [10 + order.index(i) for i in range(5)]


def test_pixels_of_1_mm_are_stated(tmp_path: Path) -> None:
    image = read_image(enhanced(tmp_path / "a.dcm", [0, 1, 2], spacing=(1, 1)))
    assert (image.pixel_size, image.units["X"]) == ((1.0, 1.0, 1.0), "millimeter")


def test_an_oblique_stack_lies_right(tmp_path: Path) -> None:
    c, s = np.cos(0.3), np.sin(0.3)
    across, down = np.array([c, s, 0]), np.array([0, 0, -1.0])
    normal = np.cross(across, down)
    places = [(np.array([5, 6, 7]) + 2.5 * k * normal).tolist() for k in (2, 0, 1)]
    image = read_image(enhanced(tmp_path / "a.dcm", places, orientation=[*across, *down]))
    for z, y, x in [(0, 0, 0), (2, 2, 4)]:
        world = np.array([5, 6, 7]) + 2.5 * z * normal + 0.7 * y * down + 0.5 * x * across
        np.testing.assert_allclose((image.affine @ [z, y, x, 1])[:3][::-1], world, atol=1e-6)
    assert firsts(image) == [11, 12, 10]


def test_b_values_are_channels(tmp_path: Path) -> None:
    places, values = [0, 0, 2, 2, 4, 4], [0, 1000] * 3
    groups = [
        index(k // 2 + 1, k % 2 + 1) | {"MRDiffusionSequence": item(DiffusionBValue=b)} for k, b in enumerate(values)
    ]
    dimensions = ("InStackPositionNumber", "DiffusionBValue")
    image = read_image(enhanced(tmp_path / "a.dcm", places, groups, dimensions=dimensions))
    assert (image.axes, image.shape) == ("CZYX", (2, 3, 6, 5))
    assert firsts(image) == [[10, 12, 14], [11, 13, 15]]
    assert image.channel_names == ("Diffusion b-value 0", "Diffusion b-value 1000")


def test_the_groups_decide_if_no_dimensions_are_listed(tmp_path: Path) -> None:
    places = [4, 2, 0, 4, 2, 0]
    groups = [{"MREchoSequence": item(EffectiveEchoTime=t)} for t in (80.0, 80.0, 80.0, 10.0, 10.0, 10.0)]
    image = read_image(enhanced(tmp_path / "a.dcm", places, groups))
    assert (image.axes, firsts(image)) == ("CZYX", [[15, 14, 13], [12, 11, 10]])
    assert image.channel_names == ("Effective Echo Time 10", "Effective Echo Time 80")


def test_time_points_are_time(tmp_path: Path) -> None:
    places = [0, 2, 4] * 3
    groups = [
        index(k // 3 + 1, k % 3 + 1) | {"TemporalPositionSequence": item(TemporalPositionTimeOffset=1.5 * (k // 3))}
        for k in range(9)
    ]
    dimensions = ("TemporalPositionTimeOffset", "ImagePositionPatient")
    image = read_image(enhanced(tmp_path / "a.dcm", places, groups, dimensions=dimensions))
    assert (image.axes, image.shape) == ("TZYX", (3, 3, 6, 5))
    assert firsts(image) == [[10, 11, 12], [13, 14, 15], [16, 17, 18]]
    assert (image.metadata["time_step"], image.units["T"]) == (1.5, "second")


def test_time_and_channels(tmp_path: Path) -> None:
    frames = [(t, e, z) for t in (1, 2) for z in (1, 2, 3) for e in (1, 2)]
    dimensions = ("TemporalPositionIndex", "EffectiveEchoTime", "InStackPositionNumber")
    path = enhanced(
        tmp_path / "a.dcm", [3.0 * z for _, _, z in frames], [index(*f) for f in frames], dimensions=dimensions
    )
    image = read_image(path)
    assert (image.axes, image.shape) == ("TCZYX", (2, 2, 3, 6, 5))
    assert firsts(image) == [[[10 + frames.index((t, e, z)) for z in (1, 2, 3)] for e in (1, 2)] for t in (1, 2)]


def test_a_dimension_that_follows_from_another_adds_nothing(tmp_path: Path) -> None:
    frames = [(b, b, z) for b in (1, 2) for z in (1, 2, 3)]
    dimensions = ("TemporalPositionIndex", "DiffusionBValue", "InStackPositionNumber")
    path = enhanced(
        tmp_path / "a.dcm", [3.0 * z for *_, z in frames], [index(*f) for f in frames], dimensions=dimensions
    )
    assert read_image(path).axes == "CZYX"


def test_dates_stay_in_the_file(tmp_path: Path) -> None:
    groups = [{"FrameContentSequence": item(FrameReferenceDateTime=f"2018010{k // 3 + 1}")} for k in range(6)]
    image = read_image(enhanced(tmp_path / "a.dcm", [0, 2, 4] * 2, groups))
    assert (image.axes, firsts(image)) == ("TZYX", [[10, 11, 12], [13, 14, 15]])
    assert "2018" not in f"{image.channel_names} {dict(image.metadata)}"


@pytest.mark.parametrize(
    ("places", "tags", "message"),
    [
        ([0, 0, 2, 2], {}, r"frame 0 of dicom-\w+ and frame 1 of dicom-\w+ lie at the same place"),
        ([0, 2, 4, 0, 2, 4], {}, "frame 3 of .* lie at the same place, but no tag says in what they differ"),
        ([0, 2, 4, 8], {}, r"frame 2 of dicom-\w+ must be followed .* 1 slice\(s\) are missing before frame 3"),
        ([0, 2, 5, 6, 9], {}, "evenly"),
        ([0, 2, 4], {"orientation": (0, 1, 0, 0, 0, -1)}, "lies in the plane of frame 0"),
        ([[0, 0, 0], [1, 0, 2], [2, 0, 4]], {}, "gantry tilt"),
    ],
)
def test_what_is_doubtful_is_refused(places: list[Any], tags: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match=message) as error:
        read_image(enhanced(tmp_path / "a.dcm", places, **tags))
    assert "\n" not in str(error.value)


def test_volumes_with_missing_slices_are_refused(tmp_path: Path) -> None:
    frames = [(t, z) for t in (1, 2) for z in (1, 2, 3)][:-1]
    path = enhanced(
        tmp_path / "a.dcm",
        [3.0 * z for _, z in frames],
        [index(*f) for f in frames],
        dimensions=("EffectiveEchoTime", "InStackPositionNumber"),
    )
    with pytest.raises(UnreadableImageError, match="1 of 6 slices are missing"):
        read_image(path)


@pytest.mark.parametrize(("modality", "sop"), [("PT", PET), ("CT", CT), ("MR", MR)])
def test_each_frame_has_its_own_slope(modality: str, sop: str, tmp_path: Path) -> None:
    groups = [
        {"PixelValueTransformationSequence": item(RescaleSlope=str(s), RescaleIntercept=i, RescaleType="US")}
        for s, i in ((1, 0), (2.5, 1), (3, -4))
    ]
    image = read_image(enhanced(tmp_path / "a.dcm", [4, 2, 0], groups, SOPClassUID=sop, Modality=modality))
    assert firsts(image) == [12 * 3 - 4, 11 * 2.5 + 1, 10]


def test_a_single_frame_knows_its_place(tmp_path: Path) -> None:
    image = read_image(enhanced(tmp_path / "a.dcm", [7]))
    assert (image.axes, image.pixel_size, image.origin) == ("ZYX", (2.0, 0.7, 0.5), (7.0, 20.0, -10.0))


def test_enhanced_files_of_one_frame_make_a_series(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    for k in (2, 0, 1):
        enhanced(tmp_path / "s" / f"{k}.dcm", [3.0 * k])
    assert (read_image(tmp_path / "s").shape, read_image(tmp_path / "s").pixel_size) == ((3, 6, 5), (3.0, 0.7, 0.5))


def segments(path: Path, frames: Sequence[tuple[int, float]], **tags: Any) -> Path:
    groups = [{"SegmentIdentificationSequence": item(ReferencedSegmentNumber=n)} for n, _ in frames]
    bits = np.arange(30 * len(frames)) % 3 == 0
    return enhanced(
        path,
        [z for _, z in frames],
        groups,
        SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4",
        Modality="SEG",
        SegmentationType="BINARY",
        SegmentSequence=item(SegmentNumber=1),
        **{"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0},
        PixelData=np.packbits(bits, bitorder="little").tobytes(),
        **tags,
    )


def test_segments_are_channels_of_labels_and_empty_frames_are_empty(tmp_path: Path) -> None:
    image = read_image(segments(tmp_path / "a.dcm", [(1, 0.0), (1, 2.0), (2, 2.0), (2, 4.0)]))
    assert (image.axes, image.shape, image.dtype) == ("CZYX", (2, 3, 6, 5), np.uint8)
    assert image.metadata["labels"] is True
    assert np.unique(image.data).tolist() == [0, 1]
    bits = (np.arange(120) % 3 == 0).reshape(4, 6, 5)
    np.testing.assert_array_equal(image.data[0], [bits[0], bits[1], np.zeros((6, 5))])
    np.testing.assert_array_equal(image.data[1], [np.zeros((6, 5)), bits[2], bits[3]])


def dose(path: Path, offsets: list[float] | None, **tags: Any) -> Path:
    pixels = np.repeat(np.arange(10, 13, dtype="uint32"), 30)
    return slice_file(
        path,
        **{
            "SOPClassUID": DOSE,
            "Modality": "RTDOSE",
            "NumberOfFrames": 3,
            "PixelData": pixels.tobytes(),
            "BitsAllocated": 32,
            "BitsStored": 32,
            "HighBit": 31,
            "DoseGridScaling": "0.25",
            "GridFrameOffsetVector": offsets,
            **dict.fromkeys(("RescaleSlope", "RescaleIntercept")),
            **tags,
        },
    )


@pytest.mark.parametrize(
    ("offsets", "order"), [([0, 2.5, 5], [0, 1, 2]), ([0, -2.5, -5], [2, 1, 0]), ([30, 32.5, 35], [0, 1, 2])]
)
def test_a_dose_has_its_scaling_and_its_planes(offsets: list[float], order: list[int], tmp_path: Path) -> None:
    image = read_image(dose(tmp_path / "a.dcm", offsets))
    assert (image.axes, image.pixel_size, image.dtype) == ("ZYX", (2.5, 0.7, 0.5), np.float32)
    assert image.origin[0] == 30 + min(0.0, offsets[-1] - offsets[0])
    assert firsts(image) == [(10 + i) * 0.25 for i in order]


def test_a_dose_of_unknown_scaling_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match="does not state its scaling"):
        read_image(dose(tmp_path / "a.dcm", [0, 2, 4], DoseGridScaling=None))
    with pytest.raises(UnreadableImageError, match="evenly"):
        read_image(dose(tmp_path / "b.dcm", [0, 2, 5]))


def nuclear(path: Path, **tags: Any) -> Path:
    detector = item(ImagePositionPatient=[1, 2, 3], ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    return slice_file(
        path,
        SOPClassUID=NM,
        Modality="NM",
        NumberOfFrames=3,
        PixelData=np.repeat(np.arange(10, 13, dtype="uint16"), 30).tobytes(),
        DetectorInformationSequence=detector,
        **dict.fromkeys(("ImagePositionPatient", "ImageOrientationPatient", "RescaleSlope", "RescaleIntercept")),
        **tags,
    )


def test_nuclear_medicine_has_its_place_at_the_detector(tmp_path: Path) -> None:
    image = read_image(nuclear(tmp_path / "a.dcm", SpacingBetweenSlices=4))
    assert (image.axes, image.pixel_size, image.origin, firsts(image)) == (
        "ZYX",
        (4, 0.7, 0.5),
        (3, 2, 1),
        [10, 11, 12],
    )
    image = read_image(nuclear(tmp_path / "b.dcm", SpacingBetweenSlices=-4))  # against the normal
    assert (image.pixel_size, image.origin, firsts(image)) == ((4, 0.7, 0.5), (-5, 2, 1), [12, 11, 10])
    with pytest.raises(UnreadableImageError, match="also differ in their Energy Window Vector"):
        read_image(nuclear(tmp_path / "c.dcm", SpacingBetweenSlices=4, EnergyWindowVector=[1, 1, 2]))


def test_a_whole_slide_is_no_stack(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match="whole slide"):
        read_image(enhanced(tmp_path / "a.dcm", [0, 2], TotalPixelMatrixColumns=10))


def test_frames_of_unknown_meaning_need_axes(tmp_path: Path) -> None:
    pixels = np.arange(90, dtype="uint16")
    tags: dict[str, Any] = dict.fromkeys(("RescaleSlope", "RescaleIntercept"))
    path = slice_file(tmp_path / "a.dcm", NumberOfFrames=3, PixelData=pixels.tobytes(), **tags)
    with pytest.raises(UnreadableImageError, match="`axes`"):
        read_image(path)
    image = read_image(path, axes="CYX")
    assert (image.axes, image.pixel_size) == ("CYX", (0.7, 0.5))
    np.testing.assert_array_equal(image.data, pixels.reshape(3, 6, 5))


def test_results_of_channels_go_where_their_names_can(tmp_path: Path) -> None:
    groups = [
        index(k % 2 + 1, k // 2 + 1) | {"MRDiffusionSequence": item(DiffusionBValue=1000 * (k % 2))} for k in range(4)
    ]
    dimensions = ("DiffusionBValue", "ImagePositionPatient")
    several = enhanced(tmp_path / "a.dcm", [0, 0, 2, 2], groups, dimensions=dimensions)
    assert read_image(several).axes == "CZYX"
    assert output_suffix(several) == ".nrrd"
    assert output_suffix(enhanced(tmp_path / "b.dcm", [0, 2])) == ".nii.gz"
    (done,) = upscale_files([several], tmp_path / "out", model="bicubic-x2")
    assert (done.status, done.target.suffix) == ("done", ".nrrd")
    assert read_image(done.target).channel_names == read_image(several).channel_names
