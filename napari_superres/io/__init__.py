"""Files in and out: the only place that knows formats.

``read``      `read_image` and what else looks at files; ``write`` `write_image` and its refusals
``formats``   the table: which suffix belongs to which family of files
``tiff``, ``omezarr``, ``volume``, ``dicom``, ``picture``, ``mrc``   one family each
``omezarr_*`` its layout, what it says, the target written box by box, the array that names bad chunks
``pyramid``   the coarser levels that a file has, for viewers
``lazy``      arrays that read what is sliced; ``atomic`` all or nothing; ``losses`` what would be lost
``samples``   the images that come with the package

A family's module has ``scan(path, strict)``, which gives `reading.Series`, and, if it writes,
``losses(image, suffix)`` and ``write(image, path)``. To add a format, write such a module and
give it a line in ``formats``. Format libraries are imported when a file of theirs is met.
"""

from napari_superres.io.atomic import is_disk_error, put_in_place
from napari_superres.io.formats import READ_SUFFIXES, WRITE_SUFFIXES, ZARR_SUFFIXES, stem, suffix
from napari_superres.io.omezarr.layout import Layout
from napari_superres.io.omezarr.target import ZarrTarget
from napari_superres.io.pyramid import read_pyramids
from napari_superres.io.read import (
    describe,
    file_digest,
    file_state,
    find_images,
    is_anonymous,
    label,
    output_suffix,
    read_image,
    read_series,
)
from napari_superres.io.samples import list_samples, sample_path
from napari_superres.io.write import check_target, write_image

__all__ = [
    "READ_SUFFIXES",
    "WRITE_SUFFIXES",
    "ZARR_SUFFIXES",
    "Layout",
    "ZarrTarget",
    "check_target",
    "describe",
    "file_digest",
    "file_state",
    "find_images",
    "is_anonymous",
    "is_disk_error",
    "label",
    "list_samples",
    "output_suffix",
    "put_in_place",
    "read_image",
    "read_pyramids",
    "read_series",
    "sample_path",
    "stem",
    "suffix",
    "write_image",
]
