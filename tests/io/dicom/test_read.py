"""DICOM is read strictly: doubtful geometry is an error that labels the file, and personal data are never read."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from helpers.prepared import CT, slice_file, slices
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from napari_superres.errors import SeriesError, UnreadableImageError
from napari_superres.io import describe, file_digest, find_images, is_anonymous, output_suffix, read_image
from napari_superres.io.series import is_sheared


def test_a_series_is_sorted_and_lies_right(tmp_path: Path) -> None:
    path = slices(tmp_path / "ct", [30, 36, 33, 27.0])
    image = read_image(path)
    assert (image.axes, image.shape, image.dtype, image.space) == ("ZYX", (4, 6, 5), np.dtype("int16"), "LPS")
    # The values are Hounsfield units, and the slices are in order of their position.
    assert image.data[:, 0, 0].tolist() == [103 - 1024, 100 - 1024, 102 - 1024, 101 - 1024]
    assert image.pixel_size == (3.0, 0.7, 0.5)
    assert image.origin == (27.0, 20.0, -10.0)
    assert set(image.units.values()) == {"millimeter"}


def test_the_thickness_of_slices_is_kept(tmp_path: Path) -> None:
    """It tells gaps and overlaps from slices that touch; a single slice has no distance to compare it with."""
    series = slices(tmp_path / "gaps", [0, 4, 8], SliceThickness=3)
    assert read_image(series).metadata["slice_thickness"] == 3.0
    assert "slice_thickness" not in read_image(slice_file(tmp_path / "one.dcm", SliceThickness=3)).metadata


def test_an_oblique_series(tmp_path: Path) -> None:
    c, s = np.cos(0.3), np.sin(0.3)
    across, down = np.array([c, s, 0]), np.array([0, 0, -1.0])
    normal = np.cross(across, down)
    positions = [(np.array([5, 6, 7]) + 2.5 * k * normal).tolist() for k in range(4)]
    image = read_image(slices(tmp_path / "mr", positions, ImageOrientationPatient=[*across, *down], Modality="MR"))
    for z, y, x in [(0, 0, 0), (3, 2, 4)]:
        world = np.array([5, 6, 7]) + 2.5 * z * normal + 0.7 * y * down + 0.5 * x * across
        np.testing.assert_allclose((image.affine @ [z, y, x, 1])[:3][::-1], world, atol=1e-6)


def test_files_without_a_suffix(tmp_path: Path) -> None:
    folder = slices(tmp_path / "ct", [0, 2, 4])
    for path in list(folder.iterdir()):
        path.rename(path.with_suffix(""))
    (folder / "notes.txt").write_text("no image")
    assert read_image(folder).shape == (3, 6, 5)
    assert find_images(folder) == [folder]
    assert read_image(folder / "000").axes == "YX"


def with_names(error: pytest.ExceptionInfo[UnreadableImageError], folder: Path) -> str:
    """Return a message that names files, instead of one that labels them by digest."""
    text = str(error.value)
    for path in folder.iterdir():
        text = text.replace(f"dicom-{file_digest(path)[:12]}", path.name)
    return text


SHIFTED = [[-10 + 0.4 * k, 20, 3.0 * k] for k in range(4)]


@pytest.mark.parametrize(
    ("positions", "tags", "message"),
    [
        (
            [0, 3, 9, 12],
            {},
            r"001\.dcm \(at x -10, y 20, z 3 mm\) must be followed.* 1 slice.* before 002\.dcm .*\(6 mm where 3 mm",
        ),
        ([0, 3, 7, 10, 13], {}, r"002\.dcm .* must follow 001\.dcm .* evenly, but the gap is 4 mm where 3 mm"),
        ([0, 3, 3, 6], {}, r"001\.dcm .* and 002\.dcm .* lie at the same place, but no tag says"),
        (SHIFTED, {}, r"000\.dcm.*shifted sideways by 7\.6 degrees \(gantry tilt\)"),
        ([0, 3, 6], {"PixelSpacing": None}, r"000\.dcm must state its pixel spacing \(tag 0028,0030\)"),
        ([0, 3, 6], {"ImageOrientationPatient": None}, r"000\.dcm.*0020,0037"),
        ([0, 3, 6], {"ImageOrientationPatient": [1, 0, 0, 0.5, 1, 0]}, r"000\.dcm.*not at right angles"),
    ],
)
def test_doubtful_geometry_is_refused(positions: list[Any], tags: dict[str, Any], message: str, tmp_path: Path) -> None:
    folder = slices(tmp_path / "ct", positions, **tags)
    with pytest.raises(UnreadableImageError) as error:
        read_image(folder)
    assert re.search(message, with_names(error, folder))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"ImageOrientationPatient": [0, 1, 0, 0, 0, 1]}, r"odd\.dcm.*mixed orientations"),
        ({"PixelSpacing": [0.9, 0.5]}, r"odd\.dcm.*pixel spacing of the other slices"),
        ({"Rows": 5, "PixelData": b"\0" * 50}, r"odd\.dcm.*5 x 6, but is 5 x 5"),
        ({"ImagePositionPatient": None}, r"odd\.dcm.*0020,0032"),
    ],
)
def test_a_slice_that_does_not_fit(tags: dict[str, Any], message: str, tmp_path: Path) -> None:
    folder = slices(tmp_path / "ct", [0, 3, 6])
    slice_file(folder / "odd.dcm", **({"ImagePositionPatient": [-10, 20, 9]} | tags))
    with pytest.raises(UnreadableImageError) as error:
        read_image(folder)
    assert re.search(message, with_names(error, folder))


def test_several_series_are_listed(tmp_path: Path) -> None:
    folder = slices(tmp_path / "study", [0, 3, 6], prefix="a")
    slices(folder, [0, 5], prefix="b", SeriesInstanceUID="1.2.3.5", Modality="MR")
    with pytest.raises(
        SeriesError, match=r"0: .*3 slice\(s\) of 5 x 6, CT.*; 1: .*2 slice\(s\) of 5 x 6, MR.*`series`"
    ):
        read_image(folder)
    assert read_image(folder, series=1).shape == (2, 6, 5)


def test_a_single_slice_is_a_plane(tmp_path: Path) -> None:
    image = read_image(slice_file(tmp_path / "a.dcm"))
    assert (image.axes, image.pixel_size, image.origin, image.space) == ("YX", (0.7, 0.5), (0.0, 0.0), None)
    assert image.dtype == np.int16


def test_absent_spacing_can_be_given(tmp_path: Path) -> None:
    path = slice_file(tmp_path / "a.dcm", PixelSpacing=None, ImagerPixelSpacing=[0.2, 0.2])
    with pytest.raises(UnreadableImageError, match=r"dicom-\w{12} .*0028,0030.*at the detector.*0\.2 mm.*`pixel_size`"):
        read_image(path)
    assert read_image(path, pixel_size=0.15, unit="mm").pixel_size == (0.15, 0.15)


def test_the_modality_is_known(tmp_path: Path) -> None:
    for tag, words in (("CT", "CT"), ("MR", "MRI"), ("US", "US (DICOM)")):
        path = slice_file(tmp_path / f"{tag}.dcm", Modality=tag)
        assert read_image(path).metadata["modality"] == words


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (1, -1024), (0.5, 3)])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_values_are_those_of_the_file(
    bits: int, slope: float, intercept: float, photometric: str, tmp_path: Path
) -> None:
    pixels = np.linspace(0, 2**bits - 1, 30).astype("uint8" if bits == 8 else "uint16")
    path = slice_file(
        tmp_path / "a.dcm",
        RescaleSlope=str(slope),
        RescaleIntercept=intercept,
        PhotometricInterpretation=photometric,
        PixelData=pixels.tobytes(),
        BitsAllocated=pixels.itemsize * 8,
        BitsStored=bits,
        HighBit=bits - 1,
    )
    image = read_image(path)
    np.testing.assert_array_equal(image.data.ravel(), pixels.astype(float) * slope + intercept)
    assert (image.dtype == np.float32) == (slope == 0.5)
    assert ("photometric" in image.metadata) == (photometric == "MONOCHROME1")


def test_slices_may_have_slopes_of_their_own(tmp_path: Path) -> None:
    folder = slices(tmp_path / "pet", [0, 3])
    slice_file(folder / "x.dcm", ImagePositionPatient=[-10, 20, 6], RescaleSlope="0.25", RescaleIntercept=0)
    assert read_image(folder).data[:, 0, 0].tolist() == [-924, -923, 25.0]


def test_colour(tmp_path: Path) -> None:
    pixels = np.arange(6 * 5 * 3, dtype="uint8")
    path = slice_file(
        tmp_path / "a.dcm",
        SamplesPerPixel=3,
        PlanarConfiguration=0,
        PhotometricInterpretation="RGB",
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        PixelData=pixels.tobytes(),
        RescaleSlope=None,
        RescaleIntercept=None,
    )
    image = read_image(path)
    assert image.axes == "YXS"
    np.testing.assert_array_equal(image.data, pixels.reshape(6, 5, 3))


def frames(path: Path, **tags: Any) -> Path:
    return slice_file(
        path, NumberOfFrames=4, PixelData=np.arange(4 * 30, dtype="uint16").tobytes(), RescaleIntercept=0, **tags
    )


def test_frames_are_slices_or_times(tmp_path: Path) -> None:
    image = read_image(frames(tmp_path / "nm.dcm", SpacingBetweenSlices=4.0))
    assert (image.axes, image.shape, image.pixel_size) == ("ZYX", (4, 6, 5), (4.0, 0.7, 0.5))
    image = read_image(frames(tmp_path / "us.dcm", FrameTime=40.0, Modality="US"))
    assert (image.axes, image.units["T"], image.metadata["time_step"]) == ("TYX", "millisecond", 40.0)
    with pytest.raises(UnreadableImageError, match=r"dicom-\w{12} must say what its 4 frames are"):
        read_image(frames(tmp_path / "x.dcm"))


def test_enhanced_frames(tmp_path: Path) -> None:
    shared, measures, plane = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [0.7, 0.5], 2.0
    plane.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = Sequence([measures]), Sequence([plane])
    per_frame = []
    for k in range(4):
        frame, position = Dataset(), Dataset()
        position.ImagePositionPatient = [1.0, 2.0, 3.0 + 2.0 * k]
        frame.PlanePositionSequence = Sequence([position])
        per_frame.append(frame)
    image = read_image(
        frames(
            tmp_path / "e.dcm",
            SOPClassUID=f"{CT}.1",
            PixelSpacing=None,
            ImageOrientationPatient=None,
            ImagePositionPatient=None,
            SharedFunctionalGroupsSequence=Sequence([shared]),
            PerFrameFunctionalGroupsSequence=Sequence(per_frame),
        )
    )
    assert (image.axes, image.pixel_size, image.origin) == ("ZYX", (2.0, 0.7, 0.5), (3.0, 2.0, 1.0))


def test_personal_data_are_not_read(tmp_path: Path) -> None:
    folder = slices(tmp_path / "ct", [0, 3, 6])
    image = read_image(folder)
    told = f"{describe(folder)} {dict(image.metadata)} {image}"
    for secret in ("Doe", "Jane", "4711", "1970"):
        assert secret not in told
    assert is_anonymous(folder)
    assert is_anonymous(folder / "000.dcm")
    assert output_suffix(folder) == ".nii.gz"


def test_digest_of_a_folder_knows_no_names(tmp_path: Path) -> None:
    folder = slices(tmp_path / "ct", [0, 3])
    before = file_digest(folder)
    (folder / "000.dcm").rename(folder / "zzz.dcm")
    assert file_digest(folder) == before
    slice_file(folder / "001.dcm")
    assert file_digest(folder) != before


@pytest.mark.parametrize("share", [0.2, 0.9])
def test_a_cut_off_file(share: float, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = Path(str(get_testdata_file("CT_small.dcm", download=False))).read_bytes()
    (tmp_path / "cut.dcm").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UnreadableImageError, match=r"dicom-\w{12} must be a complete DICOM image"):
        read_image(tmp_path / "cut.dcm")
    assert capfd.readouterr().err == ""


def test_a_real_file() -> None:
    path = Path(str(get_testdata_file("MR_small.dcm", download=False)))
    image = read_image(path)
    np.testing.assert_array_equal(image.data, pydicom.dcmread(path).pixel_array[None])
    assert image.axes == "ZYX"
    assert image.pixel_size == (0.8, 0.3125, 0.3125)
    position = [float(v) for v in pydicom.dcmread(path).ImagePositionPatient]
    assert image.origin == pytest.approx(position[::-1])


def test_other_axes(tmp_path: Path, make_image: Callable[..., Any]) -> None:
    image = read_image(slices(tmp_path / "ct", [0, 3, 6]), axes="TYX")
    assert (image.axes, image.pixel_size, image.units["X"]) == ("TYX", (0.7, 0.5), "millimeter")


def test_spacing_that_a_series_does_not_state_can_be_given(tmp_path: Path) -> None:
    folder = slices(tmp_path / "ct", [0, 3, 6])
    for file in folder.iterdir():
        slice_ = pydicom.dcmread(file)
        del slice_.PixelSpacing
        slice_.save_as(file)
    with pytest.raises(UnreadableImageError, match="0028,0030"):
        read_image(folder)
    image = read_image(folder, pixel_size=(3.0, 0.7, 0.5), unit="millimeter")
    assert (image.axes, image.pixel_size) == ("ZYX", (3.0, 0.7, 0.5))


def test_rounded_directions_are_no_shear(tmp_path: Path) -> None:
    """A result with a shear could not be written as NIfTI. Real files round to five digits."""
    c, s = np.cos(0.3), np.sin(0.3)
    across, down = np.array([c, s, 0]), np.array([-s * 0.8, c * 0.8, 0.6])
    normal = np.cross(across, down)
    positions = [np.round(np.array([5, 6, 7]) + 2.5 * k * normal, 4).tolist() for k in range(4)]
    directions = [*np.round(across, 5), *np.round(down, 5)]
    image = read_image(slices(tmp_path / "mr", positions, ImageOrientationPatient=directions, Modality="MR"))
    assert not is_sheared(image)
    assert image.pixel_size == pytest.approx((2.5, 0.7, 0.5), rel=1e-4)
    world = np.array([5, 6, 7]) + 2.5 * 3 * normal + 0.7 * 5 * down + 0.5 * 4 * across
    np.testing.assert_allclose((image.affine @ [3, 5, 4, 1])[:3][::-1], world, atol=1e-3)


def test_a_description_shows_what_is_there_without_pixel_spacing(tmp_path):
    slice_file(tmp_path / "one.dcm", PixelSpacing=None)
    slices(tmp_path / "stack", [0, 3, 6], PixelSpacing=None)
    for path, shape in ((tmp_path / "one.dcm", [6, 5]), (tmp_path / "stack", [3, 6, 5])):
        (row,) = describe(path)
        assert row["shape"] == shape
        assert row["pixel_size"] is None
