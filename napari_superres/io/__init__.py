"""Reading and writing of image files: the only layer that knows file formats.

Begin with ``read.read_image`` and ``write.write_image``. This layer imports only ``core``, ``storage``, ``limits`` and
``errors``; docs/explanation/architecture.md lists all imports.

``formats``      the table of formats: the suffixes and the folder of each
``read``         `read_image` and other questions about a path
``write``        `write_image` and its refusals
``tiff``, ``omezarr``, ``volume`` (NIfTI, NRRD, MetaImage), ``dicom``, ``picture``, ``microscope`` (CZI, ND2, LIF,
    MRC)         one format family each
``identity``     digests and labels of inputs; which ones messages must not name
``series``       what readers return, what writers cannot store, and their common errors
``lazy``         arrays that read only what is sliced
``pyramid``      the coarser levels of a file, for viewers
``sidecar``      the provenance record next to a result
``samples``      the images that come with the package

To add a file format:

1. Make a folder with a module ``read``, whose ``scan(path, accept)`` returns a list of `series.Series`.
2. If the format can be written, add a module ``write`` with ``find_unsupported(image, suffix)``, which returns what
   the format cannot store, and ``write(image, path)``.
3. Add a line to the table in ``formats``.
4. Add the format to the tests in ``tests/io``: round trip, position of a blob, broken files; and to the fuzzing in
   ``tests/helpers/fuzz``. Add a column to ``tests/helpers/tables/formats``, which makes the table of what is kept.
5. To let napari open and save it, add its patterns to ``napari_superres/napari.yaml``.

``microscope.mrc`` is the smallest example that reads, and ``picture`` the smallest that also writes. Format libraries
are imported inside functions, by ``series.import_library``.
"""

from napari_superres.io.formats import READ_SUFFIXES, WRITE_SUFFIXES, ZARR_SUFFIXES, format_to_write, stem, suffix
from napari_superres.io.identity import InputPath, file_digest, is_anonymous, label, safe_name, short_label
from napari_superres.io.omezarr.layout import Layout
from napari_superres.io.omezarr.target import ZarrTarget
from napari_superres.io.pyramid import read_pyramids
from napari_superres.io.read import (
    describe,
    find_damage,
    find_images,
    read_image,
    read_record,
    read_series,
    read_with_notes,
    without_parts,
)
from napari_superres.io.samples import list_samples, sample_path
from napari_superres.io.sidecar import file_state, is_as_written, put_in_place, sidecar_path, with_state
from napari_superres.io.write import check_apart, check_target, one_result, output_suffix, write_image, write_with_notes

__all__ = [
    "READ_SUFFIXES",
    "WRITE_SUFFIXES",
    "ZARR_SUFFIXES",
    "InputPath",
    "Layout",
    "ZarrTarget",
    "check_apart",
    "check_target",
    "describe",
    "file_digest",
    "file_state",
    "find_damage",
    "find_images",
    "format_to_write",
    "is_anonymous",
    "is_as_written",
    "label",
    "list_samples",
    "one_result",
    "output_suffix",
    "put_in_place",
    "read_image",
    "read_pyramids",
    "read_record",
    "read_series",
    "read_with_notes",
    "safe_name",
    "sample_path",
    "short_label",
    "sidecar_path",
    "stem",
    "suffix",
    "with_state",
    "without_parts",
    "write_image",
    "write_with_notes",
]
