"""Read OME-Zarr 0.4 and 0.5, and bare zarr arrays (v2 and v3), lazily at full resolution; coarser levels for viewers.

The grid comes from the scales and translations of the data set and of its multiscale image. Several multiscale
images, the bioformats2raw layout and plates are several series.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_superres.core.axes import ALLOWED, guess_axes, spatial_axes, validate_axes
from napari_superres.core.image import Image
from napari_superres.core.units import METRES, SECONDS, unit_name
from napari_superres.errors import AxesError, GridError, UnreadableImageError
from napari_superres.io.lazy import reorder_axes
from napari_superres.io.omezarr.array import ZarrArray
from napari_superres.io.omezarr.attributes import NOTE
from napari_superres.io.omezarr.store import open_store
from napari_superres.io.pyramid import PyramidSeries
from napari_superres.io.series import (
    GUESSED,
    Accept,
    Series,
    damage_error,
    import_library,
    noted_no_data,
    summarize,
    translate_errors,
)
from napari_superres.storage import RemotePath

_KIND = "OME-Zarr"
_KNOWN_VERSION = re.compile(r"0\.[1-5](\D.*)?")
_FIRST_WITH_SYSTEMS = "0.6"
_NAMED = 5


class _Source(NamedTuple):
    """The folder that is read, and what is accepted in it."""

    path: Path
    accept: Accept


def scan(path: Path, accept: Accept) -> list[Series]:
    """Return the images of an OME-Zarr or zarr folder, not yet opened.

    Raises
    ------
    UnreadableImageError
        If its metadata are damaged, or it holds no image.
    """
    with translate_errors(path, _KIND):
        images = list(
            _images(import_library("zarr").open(open_store(path), mode="r"), _Source(path, accept), path.name)
        )
    if not images:
        raise UnreadableImageError(
            f"{path} must hold an image, but its zarr group has no multiscale image and no array.",
            remedy="Choose the folder of an image, or copy it again.",
        )
    return images


def _images(node: Any, source: _Source, name: str) -> Iterator[Series]:
    """Yield the series of a zarr array, or of a group and the groups that its metadata name."""
    if not hasattr(node, "members"):
        yield _series(name, node, source, {}, {}, {})
        return
    attributes = dict(node.attrs)
    ome = attributes.get("ome", attributes)
    _check_version(ome, source.path)
    if "multiscales" in ome:
        for number, multiscale in enumerate(ome["multiscales"]):
            _check_version(multiscale, source.path)
            title = name if number == 0 else f"{name} [{number}]"
            array = _dataset(node, multiscale, source)
            omero, note = ome.get("omero") or {}, dict(attributes.get(NOTE) or {})
            note["labels"] = "image-label" in ome
            one = _series(title, array, source, multiscale, omero, note)
            coarser = partial(_coarser, node, source, multiscale, omero, note)
            yield PyramidSeries(one.name, one.summary, one.open, coarser)
    elif "plate" in ome:
        _check_version(ome["plate"], source.path)
        yield from _present(node, _fields(node, ome["plate"]), source, name)
    elif "bioformats2raw.layout" in ome:
        yield from _present(node, _layout(node), source, name)
    elif isinstance(source.path, RemotePath) and not source.path.is_writable:
        raise UnreadableImageError(
            f"{source.path} names no image, and a web server does not list what it holds.",
            remedy="Give the address of an image or an array inside it.",
        )
    else:
        for inner, array in sorted(node.arrays()):
            yield _series(f"{name}/{inner}", array, source, {}, {}, {})


def _check_version(metadata: Mapping[str, Any], path: Path) -> None:
    """Refuse metadata of a version that may mean something else by the same names."""
    version = metadata.get("version", _FIRST_WITH_SYSTEMS if "coordinateSystems" in metadata else None)
    if version is not None and not _KNOWN_VERSION.fullmatch(str(version)):
        raise UnreadableImageError(
            f"{path} must be an OME-Zarr of version 0.1 to 0.5, but is of version {str(version)[:20]!r}.",
            remedy="Convert it to version 0.5, or look for a newer version of this program.",
        )


def _fields(node: Any, plate: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paths of the images of a plate; of a well without a folder, the path of the well."""
    for well in plate["wells"]:
        if well["path"] not in node:
            yield well["path"]
            continue
        attributes = dict(node[well["path"]].attrs)
        for field in attributes.get("ome", attributes).get("well", {}).get("images", ()):
            yield f"{well['path']}/{field['path']}"


def _present(node: Any, paths: Iterable[str], source: _Source, name: str) -> Iterator[Series]:
    """Yield the images at the paths that exist. Wells and fields that were not acquired have no folder."""
    listed = list(paths)
    found = [inner for inner in listed if inner in node]
    absent = [inner for inner in listed if inner not in found]
    names = ", ".join(absent[:_NAMED]) + (", ..." if len(absent) > _NAMED else "")
    note = f"{name} names {len(listed)} wells or images, of which {len(absent)} are missing: {names}."
    for inner in found:
        for series in _images(node[inner], source, f"{name}/{inner}"):
            yield _with_note(series, note) if absent else series


def _with_note(series: Series, note: str) -> Series:
    """Return a series whose image has one more note."""

    def open_image(axes: str | None) -> Image:
        image = series.open(axes)
        return image.replace(metadata={**image.metadata, "notes": (*image.metadata.get("notes", ()), note)})

    return replace(series, open=open_image)


def _layout(node: Any) -> list[str]:
    """Return the names of the series of a bioformats2raw layout."""
    if "OME" in node:
        attributes = dict(node["OME"].attrs)
        names = attributes.get("ome", attributes).get("series")
        if names:
            return list(names)
    return sorted((n for n, _ in node.groups() if n.isdigit()), key=int)


def _dataset(node: Any, multiscale: Mapping[str, Any], source: _Source) -> Any:
    inner = multiscale["datasets"][0]["path"]
    try:
        array = node[inner]
    except KeyError as error:
        raise damage_error(source.path, _KIND, f"the array {inner!r} that its metadata name is missing") from error
    if not hasattr(array, "dtype"):
        raise damage_error(source.path, _KIND, f"{inner!r} is not an array")
    return array


def _coarser(
    node: Any, source: _Source, multiscale: Mapping[str, Any], omero: Mapping[str, Any], note: Mapping[str, Any]
) -> Iterator[Image]:
    """Yield the coarser levels of a multiscale image, each as an image on its own grid."""
    with translate_errors(source.path, _KIND):
        finest, *datasets = multiscale["datasets"]
        shape = _dataset(node, multiscale, source).shape
        for dataset in datasets:
            level = {**multiscale, "datasets": [dataset]}
            array = _dataset(node, level, source)
            if "coordinateTransformations" not in {**finest, **dataset}:  # absent before version 0.4
                scale = {"type": "scale", "scale": np.divide(shape, array.shape)}
                level["datasets"] = [{**dataset, "coordinateTransformations": [scale]}]
                level["axes"] = _named_axes(multiscale, array.ndim)
            yield _image(ZarrArray(source.path, array, source.accept), level, omero, note, None)


def _series(
    name: str,
    array: Any,
    source: _Source,
    multiscale: Mapping[str, Any],
    omero: Mapping[str, Any],
    note: Mapping[str, Any],
) -> Series:
    def open_image(axes: str | None) -> Image:
        with translate_errors(source.path, _KIND):
            return _image(ZarrArray(source.path, array, source.accept), multiscale, omero, note, axes)

    try:
        summary = summarize(open_image(None))
    except (AxesError, GridError, TypeError) as error:
        summary = f"{array.shape} {array.dtype}: {error}"
    return Series(name, summary, open_image)


def _image(
    array: ZarrArray,
    multiscale: Mapping[str, Any],
    omero: Mapping[str, Any],
    note: Mapping[str, Any],
    new_axes: str | None,
) -> Image:
    named_axes = _named_axes(multiscale, array.ndim)
    axes = validate_axes(new_axes or _letters(named_axes, array.shape), tuple(array.shape))
    scale, translation = _transform(multiscale, array.ndim)
    spatial = spatial_axes(axes)
    at = [axes.index(a) for a in spatial]
    affine = np.diag([*scale[at], 1.0])
    affine[:-1, -1] = translation[at]
    units = {a: _unit(named_axes[axes.index(a)].get("unit"), METRES) for a in spatial}
    is_named = new_axes or any(axis.get("name") for axis in named_axes)
    metadata: dict[str, Any] = {} if is_named else {GUESSED: True}
    if "T" in axes:
        time_unit = _unit(named_axes[axes.index("T")].get("unit"), SECONDS)
        if time_unit and scale[axes.index("T")] > 0:
            units["T"], metadata["time_step"] = time_unit, float(scale[axes.index("T")])
    if note.get("labels"):
        metadata["labels"] = True
    if note.get("provenance") is not None:
        metadata["provenance"] = note["provenance"]
    labels = [str(c.get("label") or "") for c in omero.get("channels", [])]
    count = array.shape[axes.index("C")] if "C" in axes else 1
    samples = note.get("samples") and new_axes is None and "C" in axes
    if array.note:
        metadata["notes"] = (array.note,)
    image = Image(
        data=array,
        axes=axes.replace("C", "S") if samples else axes,
        affine=affine,
        units=units,
        space=note.get("space"),
        channel_names=tuple(labels) if any(labels) and len(labels) == count and not samples else (),
        metadata=metadata,
        no_data=noted_no_data(note),
    )
    # OME-Zarr has no samples. RGB images written by this package are stored as channels, and become RGB again here.
    return reorder_axes(image, image.axes.replace("S", "") + "S") if samples else image


def _named_axes(multiscale: Mapping[str, Any], ndim: int) -> list[dict[str, Any]]:
    """Return the axes as dictionaries. They were names before version 0.4, and always TCZYX before 0.3.

    Units are left out if no scale is stated: no pixel size and no time step is known then.
    """
    axes = multiscale.get("axes")
    if not axes:
        return [{"name": n} for n in "tczyx"[-ndim:]] if multiscale else [{} for _ in range(ndim)]
    stated = any(step.get("type") == "scale" for step in _steps(multiscale))
    named = [{"name": a} if isinstance(a, str) else dict(a) for a in axes]
    return [{key: value for key, value in a.items() if stated or key != "unit"} for a in named]


def _letters(axes: list[dict[str, Any]], shape: tuple[int, ...]) -> str:
    if len(axes) != len(shape):
        raise AxesError(
            f"the metadata must name every array axis, but name {len(axes)} for an array of shape {tuple(shape)}.",
            remedy=f"Set `axes` to {len(shape)} letters.",
        )
    names = [str(a.get("name", "")).upper() for a in axes]
    if not any(names):
        return guess_axes(tuple(shape))
    if all(n in {"T", "C", "Z", "Y", "X"} for n in names):
        return "".join(names)
    # OME-Zarr allows any names. The types then tell what the axes are.
    space = iter("ZYX"[-sum(a.get("type") == "space" for a in axes) :])
    kinds = {"time": "T", "channel": "C"}
    letters = [next(space, "") if a.get("type") == "space" else kinds.get(str(a.get("type")), "") for a in axes]
    if not all(letters):
        raise AxesError(
            f"its axes must be t, c, z, y and x, or have these types, but one is {names[letters.index('')].lower()!r}.",
            remedy=f"Set `axes` to {len(shape)} letters of {ALLOWED}, or split it along the others.",
        )
    return "".join(letters)


def _transform(multiscale: Mapping[str, Any], ndim: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return scale and translation of level 0. Those of the whole multiscale image are applied last."""
    scale, translation = np.ones(ndim), np.zeros(ndim)
    for step in _steps(multiscale):
        kind = step.get("type")
        if kind == "identity":
            continue
        if "path" in step:
            raise GridError(
                f"a coordinate transformation must hold its numbers, but those of a {kind} are in another array.",
                remedy="Write the image again with a scale and a translation.",
            )
        if kind not in ("scale", "translation") or kind not in step:
            raise GridError(
                f"a coordinate transformation must be a scale or a translation, got {kind!r}.",
                remedy="Write the image again with a scale and a translation.",
            )
        values = np.asarray(step[kind], dtype=np.float64)
        if values.shape != (ndim,):
            raise GridError(
                f"a {kind} needs one number per axis, got {len(values)} for {ndim} axes.",
                remedy="Correct the metadata of the file.",
            )
        if kind == "scale":
            scale, translation = scale * values, translation * values
        else:
            translation = translation + values
    return scale, translation


def _steps(multiscale: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the transformations of level 0, in the order in which they are applied."""
    own = multiscale["datasets"][0].get("coordinateTransformations") if multiscale else None
    return [*(own or []), *(multiscale.get("coordinateTransformations") or [])]


def _unit(name: Any, among: Mapping[str, float]) -> str | None:
    try:
        unit = unit_name(str(name))
    except GridError:
        return None
    return unit if unit in among else None
