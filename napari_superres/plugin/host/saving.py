"""Where dialogs offer to save what was made of a layer, and in which format."""

from pathlib import Path
from typing import TYPE_CHECKING

from napari_superres.io.formats import find_format

if TYPE_CHECKING:
    from napari.layers import Layer

_FILTERS = {
    ".ome.tif": "OME-TIFF (*.ome.tif)",
    ".ome.zarr": "OME-Zarr (*.ome.zarr)",
    ".nii.gz": "NIfTI (*.nii.gz)",
    ".nrrd": "NRRD (*.nrrd)",
    ".mha": "MetaImage (*.mha)",
}
_USUAL = ".ome.tif"


def folder_of(layer: "Layer | None") -> Path:
    """Return the folder of the file that a layer was opened from; the user's folder for others.

    The folder of a series of files, such as DICOM slices, is next to the result, not filled with it.
    """
    path = _path(layer)
    return Path.home() if path is None else path.absolute().parent


def suffix_for(layer: "Layer | None", *, is_one: bool = True) -> str:
    """Return the suffix of a result: of the format of its source, if that keeps pixel sizes and can be written.

    Parameters
    ----------
    layer
        The source. A series of DICOM files becomes NIfTI.
    is_one
        Whether the result has no channels, which medical formats do not hold.
    """
    path = _path(layer)
    found = None if path is None else find_format(path)
    if found is None or found.result not in _FILTERS or (found.is_medical and not is_one):
        return _USUAL
    return found.result


def filters(suffix: str) -> str:
    """Return the file types of a dialog that saves, that of a suffix first."""
    return ";;".join([_FILTERS[suffix], *(text for one, text in _FILTERS.items() if one != suffix), "All files (*)"])


def _path(layer: "Layer | None") -> Path | None:
    """Return the file or folder of a layer, if it still exists."""
    if layer is None or layer.source.path is None:
        return None
    path = Path(layer.source.path)
    return path if path.exists() else None
