"""OME-TIFF of several files: metadata in a companion, the files of one image, positions with a file each."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from napari_superres.errors import SuperResError
from napari_superres.io.series import Accept, damage_error, find_reference, import_library, translate_errors
from napari_superres.io.tiff.every_axis import series_of
from napari_superres.io.tiff.quiet import quiet_tifffile

_COMPANION = ".companion.ome"
_KIND = "OME-TIFF"


def open_tiff(path: Path, accept: Accept) -> Any:
    """Open a TIFF with the OME-XML of its companion, if it has one; or the first or main TIFF of a set.

    Raises
    ------
    UnreadableImageError
        If a file that it names is missing, or lies outside the folder and this is not accepted.
    """
    open_file = import_library("tifffile").TiffFile
    if path.name.lower().endswith(_COMPANION):
        xml = path.read_text(encoding="utf-8")
        names = [uuid.get("FileName") for uuid in find_all(ElementTree.fromstring(xml), "UUID")]
        if not names or not names[0]:
            raise damage_error(path, _KIND, "it names no file with pixels")
        return open_file(find_reference(path, names[0], accept), omexml=xml)
    file = open_file(path)
    try:
        if not file.is_ome or "BinaryOnly" not in (file.ome_metadata or ""):
            return file
        binary = find_all(ElementTree.fromstring(file.ome_metadata), "BinaryOnly")
        if not binary:
            return file
        companion = find_reference(path, binary[0].get("MetadataFile", ""), accept)
        file.close()
        if companion.suffix.lower() != ".ome":  # the main file of a set, which holds the metadata of all
            return open_file(companion)
        return open_file(path, omexml=companion.read_text(encoding="utf-8"))
    except BaseException:
        file.close()
        raise


def find_image(root: ElementTree.Element, file: Any, series: Any) -> ElementTree.Element | None:
    """Return the element ``Image`` that a series was made from: tifffile skips those whose files are missing.

    Parameters
    ----------
    root
        OME-XML of `file`.
    file, series
        Of tifffile.
    """
    page = next(p for p in series.pages if p is not None)
    is_own, name, index = page.parent is file, page.parent.filehandle.name.lower(), page.index
    for image in find_all(root, "Image"):
        for data in find_all(image, "TiffData"):
            first = int(data.get("IFD", 0))
            count = int(data.get("PlaneCount", data.get("NumPlanes", 1 if "IFD" in data.attrib else len(series.pages))))
            if first <= index < first + count and (
                _is_own(root, data, file) if is_own else _file_name(data).lower() == name
            ):
                return image
    return None


def own_series(path: Path, file: Any) -> list[int]:
    """Return the indices of the series to show: without those of other positions, whose files show them themselves."""
    numbers = range(len(series_of(file)))
    pages = [[p for p in series.pages if p is not None] for series in series_of(file)]
    own = [i for i in numbers if any(p.parent.filename == path.name for p in pages[i])]
    return [i for i in numbers if not own or i in own or not pages[i][0].parent.pages.first.is_ome]


def find_parts(path: Path) -> set[Path]:
    """Return the files whose pixels a file shows as its own, and its companion; empty if it is no OME-TIFF."""
    with suppress(SuperResError), translate_errors(path, _KIND), quiet_tifffile():
        with open_tiff(path, Accept()) as file:
            if not file.is_ome or not file.ome_metadata:
                return set()
            root = ElementTree.fromstring(file.ome_metadata)
            names = set(_names_of_own(root, file))
            binary = "BinaryOnly" in (file.pages.first.description or "")
        parts = {path.parent / name for name in names}
        return parts | (set(path.parent.glob(f"*{_COMPANION}")) if binary or _is_companion(path) else set())
    return set()


def find_all(element: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    """Return all elements with a name inside an element, in any year's namespace of OME-XML."""
    return [e for e in element.iter() if e.tag.rpartition("}")[2] == name]


def _names_of_own(root: ElementTree.Element, file: Any) -> Iterator[str]:
    for image in find_all(root, "Image"):
        data = find_all(image, "TiffData")
        if any(_is_own(root, d, file) for d in data):
            yield from filter(None, map(_file_name, data))


def _is_own(root: ElementTree.Element, data: ElementTree.Element, file: Any) -> bool:
    """Return whether an element ``TiffData`` is about the file itself, which may have been renamed."""
    uuid = next(iter(find_all(data, "UUID")), None)
    if uuid is None or uuid.get("FileName", "").lower() == file.filename.lower():
        return True
    return root.get("UUID") is not None and uuid.text == root.get("UUID")


def _file_name(data: ElementTree.Element) -> str:
    uuid = next(iter(find_all(data, "UUID")), None)
    return "" if uuid is None else uuid.get("FileName", "")


def _is_companion(path: Path) -> bool:
    return path.name.lower().endswith(_COMPANION)
