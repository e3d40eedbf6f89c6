"""Check volumes before SimpleITK reads them.

SimpleITK allocates whatever a header claims, follows names to any file, and returns a spacing of 1 if none is stated.
"""

from pathlib import Path

from napari_superres.io.formats import METAIMAGE, suffix
from napari_superres.io.series import Accept, translate_errors
from napari_superres.io.volume import metaimage, nrrd
from napari_superres.io.volume.header import VolumeHeader


def check_header(path: Path, accept: Accept) -> VolumeHeader:
    """Read the header of a volume and check that the file holds as many bytes as the header says.

    Raises
    ------
    UnreadableImageError
        If the file is cut off or of another format, or names data that may not be read.
    """
    with translate_errors(path, f"{suffix(path).lstrip('.')} file"):
        return metaimage.check(path, accept) if suffix(path) in METAIMAGE.read else nrrd.check(path, accept)
