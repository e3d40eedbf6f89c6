"""The table of what is fuzzed."""

from pathlib import Path

import numpy as np

from helpers.fuzz.case import Kind
from helpers.fuzz.dicom import damage_elements, dicom_samples
from helpers.fuzz.pictures import damage_bmp, damage_jpeg, damage_png, picture_samples
from helpers.fuzz.state import (
    calibration_samples,
    damage_toml,
    journal_samples,
    recipe_samples,
    record_samples,
    use_calibration,
    use_journal,
    use_recipe,
    use_record,
)
from helpers.fuzz.text import damage_json, damage_json_lines
from helpers.fuzz.tiff import damage_chain, damage_description, damage_tags, tiff_samples
from helpers.fuzz.volumes import damage_meta, damage_mrc, damage_nifti, damage_nrrd, mrc_samples, volume_samples
from helpers.fuzz.zarrs import damage_chunk, zarr_samples
from napari_superres.io import describe, find_images
from napari_superres.io.pyramid import read_pyramids


def use_image(path: Path) -> None:
    """Find an image in its folder, describe it, and read all pixels of all its levels."""
    find_images(path.parent)
    describe(path)
    for _, levels in read_pyramids(path):
        for image in levels:
            np.asarray(image.data[...])


_JSON = (damage_json,)
_ZARR = {"*.json": _JSON, "*.zarray": _JSON, "*.zattrs": _JSON, "*.zgroup": _JSON, "*": (damage_chunk,)}

KINDS = (
    Kind(
        "TIFF",
        tiff_samples,
        use_image,
        {"*": (damage_tags, damage_tags, damage_tags, damage_description, damage_chain)},
    ),
    Kind("picture", picture_samples, use_image, {"*.png": (damage_png,), "*.bmp": (damage_bmp,), "*": (damage_jpeg,)}),
    Kind(
        "volume",
        volume_samples,
        use_image,
        {"*.nii*": (damage_nifti,), "*.nrrd": (damage_nrrd,), "*.nhdr": (damage_nrrd,), "*.m??": (damage_meta,)},
    ),
    Kind("DICOM", dicom_samples, use_image, {"*": (damage_elements,)}),
    Kind("MRC", mrc_samples, use_image, {"*": (damage_mrc,)}),
    Kind("zarr", zarr_samples, use_image, _ZARR),
    Kind("recipe", recipe_samples, use_recipe, {"*": (damage_toml,)}),
    Kind("journal", journal_samples, use_journal, {"*.jsonl": (damage_json_lines,), **_ZARR}, quick=False),
    Kind("record", record_samples, use_record, {"*.json": _JSON}),
    Kind("calibration", calibration_samples, use_calibration, {"*": _JSON}),
)
