"""Every image among nibabel's own test files is read as nibabel reads it, or refused with a true reason."""

import re
from pathlib import Path

import nibabel
import numpy as np
import pytest

from napari_superres.errors import UnreadableImageError
from napari_superres.io import read_image
from napari_superres.io.volume.nifti.forms import to_file_order

FILES = sorted(
    path
    for path in Path(nibabel.__file__).parent.rglob("*")
    if path.is_file() and "data" in path.parts and not path.name.startswith(".") and path.suffix not in (".py", ".pyc")
)
# By the end of the name: the words with which a file is refused.
REFUSED = {
    r"\.dconn\.nii": "CIFTI-2 file",
    r"\.(hdr|img)": r"pair of files \(ANALYZE or NIfTI\)",
    r"\.mgz": "volume of FreeSurfer",
    r"\.mnc": "MINC volume",
    r"\.(PAR|REC)": "Philips scanner",
    r"\.(HEAD|BRIK|BRIK\.gz)": "volume of AFNI",
    r"\.v": "ECAT volume",
    r"\.gii(\.gz|\.bz2)?": "GIFTI surface",
    r"\.(trk|tck)": "streamlines",
    r"csa_slice_norm\.dcm": "its pixels are missing",
    r"[01]\.dcm": "a plane of 7 x 7 tiles",  # mosaics that were made smaller for these tests
    r"\.(nc|dat|txt|bin|bin\.gz|dcm\.gz|rst|m)": "suffix .* cannot be read",
}


def kind_of(path: Path) -> str:
    """Return the reason for which a file must be refused, or an empty text if it must be read."""
    return next((reason for end, reason in REFUSED.items() if re.search(f"{end}$", path.name)), "")


def test_the_corpus_is_large() -> None:
    assert len(FILES) > 90
    assert sum(not kind_of(path) and ".nii" in path.name for path in FILES) >= 7


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_is_read_as_nibabel_reads_it_or_refused_with_a_true_reason(path: Path) -> None:
    if reason := kind_of(path):
        with pytest.raises(UnreadableImageError, match=reason) as error:
            read_image(path)
        assert "Copy or export" not in str(error.value) or path.suffix == ".dcm"
        return
    image = read_image(path)
    if path.suffix == ".dcm":
        import pydicom

        stored = pydicom.dcmread(path)
        scaled = stored.pixel_array * float(stored.get("RescaleSlope", 1)) + float(stored.get("RescaleIntercept", 0))
        np.testing.assert_allclose(np.squeeze(image.data), scaled, rtol=1e-6)
        return
    found = nibabel.load(path)
    np.testing.assert_allclose(image.data.T, np.asarray(found.dataobj), rtol=1e-6)
    np.testing.assert_allclose(to_file_order(image.affine), found.affine, atol=1e-5)
    is_scaled = (found.dataobj.slope, found.dataobj.inter) != (1.0, 0.0)
    assert is_scaled or image.dtype == found.get_data_dtype().newbyteorder("=")
    zooms = found.header.get_zooms()
    np.testing.assert_allclose(image.pixel_size, zooms[:3][::-1], rtol=1e-5)
    if image.units.get("T") == "second":
        np.testing.assert_allclose(image.metadata["time_step"], zooms[3])
