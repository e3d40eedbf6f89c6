"""Both matrices of a NIfTI file and the names of their spaces survive, and the right one is used."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from napari_superres import upscale
from napari_superres.errors import SuperResWarning
from napari_superres.io import describe, read_image, write_image
from napari_superres.io.volume.nifti.forms import to_file_order

DATA = np.random.default_rng(0).integers(0, 999, (6, 7, 8)).astype(np.int16)
TURN = nibabel.affines.from_matvec(
    nibabel.eulerangles.euler2mat(0.2, 0.1, -0.3) @ np.diag([2.0, 2.5, 3.0]), [-30, 20, 5]
)
MOVED = nibabel.affines.from_matvec(np.diag([2.0, 2.5, 3.0]), [-80, -60, 9])
SHEARED = TURN @ np.array([[1, 0.02, 0, 0], [0, 1, 0.01, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
CODES = ["scanner", "aligned", "talairach", "mni", "template"]


def save(
    path: Path, sform: tuple[Any, str] | None, qform: tuple[Any, str] | None, kind: Any = nibabel.Nifti1Image
) -> Path:
    image = kind(DATA, None)
    image.header.set_xyzt_units("mm")
    image.header.set_qform(*(qform or (None, 0)))
    image.header.set_sform(*(sform or (None, 0)))
    if not sform and not qform:
        image.header.set_zooms((2, 2.5, 3))
    nibabel.save(image, path)
    return path


def forms(path: Path) -> tuple[Any, ...]:
    header = nibabel.load(path).header
    return *header.get_sform(coded=True), *header.get_qform(coded=True)


CASES = [
    ((TURN, "mni"), (TURN, "scanner")),
    ((TURN, "template"), None),
    (None, (TURN, "aligned")),
    ((SHEARED, "talairach"), (TURN, "scanner")),
    ((SHEARED, "scanner"), None),
    *(((TURN, code), (TURN, "scanner")) for code in CODES),
]


@pytest.mark.parametrize(("sform", "qform"), CASES)
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_both_matrices_survive_reading_and_writing(sform: Any, qform: Any, kind: Any, tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", sform, qform, kind)
    image = read_image(path)
    np.testing.assert_allclose(to_file_order(image.affine), nibabel.load(path).affine, atol=1e-5)
    again = write_image(image, tmp_path / "b.nii.gz")
    assert type(nibabel.load(again)) is kind
    for before, after in zip(forms(path), forms(again), strict=True):
        assert (before is None) == (after is None)
        if before is not None:
            np.testing.assert_allclose(after, before, atol=2e-4)
    assert describe(path)[0]["frame"] == (sform or qform)[1]


def test_where_they_differ_by_more_than_a_voxel_a_warning_says_which_was_used(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", (MOVED, "mni"), (TURN, "scanner"))
    with pytest.warns(
        SuperResWarning, match=r"sform \(mni\) and the qform \(scanner\) .* mm apart: the sform was used"
    ):
        image = read_image(path)
    np.testing.assert_allclose(to_file_order(image.affine), MOVED, atol=1e-5)
    with pytest.warns(SuperResWarning, match="the sform was used"):
        result = upscale(image, "bicubic-x2")
    written = write_image(result, tmp_path / "b.nii")
    sform, scode, qform, qcode = forms(written)
    # The centre of the first coarse pixel lies between those of the first two fine ones, in both spaces.
    for fine, coarse, code, expected in ((sform, MOVED, scode, 4), (qform, TURN, qcode, 1)):
        np.testing.assert_allclose(fine @ [0.5, 0.5, 0, 1], coarse[:, 3], atol=1e-4)
        np.testing.assert_allclose(fine @ [2.5, 4.5, 5, 1], coarse @ [1, 2, 5, 1], atol=1e-4)
        assert code == expected


def test_a_file_without_orientation_says_so_and_its_result_lies_on_it(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", None, None)
    with pytest.warns(SuperResWarning, match="no orientation .* a guess"):
        image = read_image(path)
    np.testing.assert_allclose(to_file_order(image.affine), nibabel.load(path).affine, atol=1e-5)
    with pytest.warns(SuperResWarning, match="a guess"):
        result = upscale(image, "bicubic-x2")
    found = nibabel.load(write_image(result, tmp_path / "b.nii"))
    assert (int(found.header["sform_code"]), int(found.header["qform_code"])) == (0, 0)
    np.testing.assert_allclose(found.affine @ [2.5, 4.5, 5, 1], nibabel.load(path).affine @ [1, 2, 5, 1], atol=1e-4)


def test_a_matrix_that_cannot_be_inverted_is_not_used(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", (np.diag([1.0, 1.0, 0.0, 1.0]), "mni"), (TURN, "scanner"))
    with pytest.warns(SuperResWarning, match="the sform of this file is not used"):
        image = read_image(path)
    np.testing.assert_allclose(to_file_order(image.affine), TURN, atol=1e-5)


def test_other_formats_keep_no_shear_but_nearly_straight_axes(tmp_path: Path) -> None:
    straight = TURN.astype(np.float32)
    image = read_image(save(tmp_path / "a.nii", (straight, "scanner"), None))
    found = read_image(write_image(image, tmp_path / "a.nrrd"))
    np.testing.assert_allclose(found.affine, image.affine, atol=1e-5)
