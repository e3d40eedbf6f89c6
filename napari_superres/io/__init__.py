"""Files in and out: the only layer that knows file formats.

Begin with ``read.read_image`` and ``write.write_image``. A folder (or, for small formats, a file) is one family of
formats; `formats.FORMATS` is the table of them. ``inference.files``, ``inference.stream`` and the readers of evaluation
and training import this layer; it imports only ``core``.

``formats``   which suffix belongs to which family
``read``      `read_image` and other looks at files; ``write`` `write_image` and its refusals
``tiff``, ``omezarr``, ``volume`` (NIfTI, NRRD, MetaImage), ``dicom``, ``picture``, ``mrc``   one family each
``series``    what a file holds before its pixels are read
``pyramid``   the coarser levels that a file has, for viewers
``lazy``      arrays that read what is sliced
``lossy``     what a format would lose
``sidecar``   the record next to a result
``samples``   the images that come with the package

To add a format, write a module with ``scan(path, strict)``, which returns `series.Series`, and, if the format can be
written, ``losses(image, suffix)`` and ``write(image, path)``; give it a line in ``formats``. Format libraries are
imported when a file of theirs is met.
"""

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
from napari_superres.io.sidecar import put_in_place, sidecar_path
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
    "label",
    "list_samples",
    "output_suffix",
    "put_in_place",
    "read_image",
    "read_pyramids",
    "read_series",
    "sample_path",
    "sidecar_path",
    "stem",
    "suffix",
    "write_image",
]
