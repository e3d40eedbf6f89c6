"""The metadata of an OME-Zarr 0.5: axes, grid of every level, channels, and a note of this package."""

from typing import Any

import numpy as np

from napari_superres.core.grid import Matrix, downscale_affine
from napari_superres.core.image import Image
from napari_superres.io.series import import_library, note_no_data

NOTE = "napari_superres"
"""Key of this package's own attributes, next to ``"ome"``: ``samples``, ``space``, ``no_data`` and ``provenance``."""
_SAMPLE_NAMES: tuple[str, ...] = ("red", "green", "blue", "alpha")
_COLORS: tuple[str, ...] = ("FFFFFF", "00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000", "0000FF")
_SAMPLE_COLORS: tuple[str, ...] = ("FF0000", "00FF00", "0000FF", "FFFFFF")


def make_attributes(stored: Image, image: Image, levels: int) -> dict[str, Any]:
    """Return the attributes of the zarr group of an image.

    Parameters
    ----------
    stored
        The image with its axes in the order on the disk, and without rotation.
    image
        The image as the caller passed it.
    levels
        Number of pyramid levels.
    """
    v05 = import_library("yaozarrs.v05", "yaozarrs")
    multiscale = v05.Multiscale(
        name="image",
        axes=[_axis(v05, a, stored) for a in stored.axes],
        datasets=[_dataset(v05, stored, level) for level in range(levels)],
        type="nearest" if image.metadata.get("labels") else "mean",
    )
    model = v05.Image(multiscales=[multiscale], omero=_omero(v05, stored))
    note: dict[str, Any] = {"samples": True} if "S" in image.axes else {}
    if image.space:
        note["space"] = image.space
    note |= note_no_data(image)
    if image.metadata.get("provenance") is not None:
        note["provenance"] = image.metadata["provenance"]
    ome = model.model_dump(mode="json", exclude_none=True)
    if image.metadata.get("labels"):
        ome["image-label"] = {}
    return {"ome": ome, NOTE: note} if note else {"ome": ome}


def _axis(v05: Any, axis: str, image: Image) -> Any:
    if axis in "CS":
        return v05.ChannelAxis(name="c")
    kind = v05.TimeAxis if axis == "T" else v05.SpaceAxis
    unit = image.units.get(axis)
    return kind(name=axis.lower(), unit=unit) if unit else kind(name=axis.lower())


def _dataset(v05: Any, image: Image, level: int) -> Any:
    factor = [1 if a == "Z" else 2**level for a in image.spatial]
    affine: Matrix = downscale_affine(image.affine, factor)
    scale, translation = [], []
    for axis in image.axes:
        at = image.spatial.find(axis)
        step = image.metadata.get("time_step", 1.0) if axis == "T" and image.units.get("T") else 1.0
        scale.append(float(affine[at, at]) if at >= 0 else float(step))
        translation.append(float(affine[at, -1]) if at >= 0 else 0.0)
    return v05.Dataset(
        path=str(level),
        coordinateTransformations=[
            v05.ScaleTransformation(scale=scale),
            v05.TranslationTransformation(translation=translation),
        ],
    )


def _omero(v05: Any, image: Image) -> Any:
    """Return names, colours and display ranges of the channels; None if the channels have no names."""
    if "S" in image.axes:
        names, colors = _SAMPLE_NAMES[: image.size("S")], _SAMPLE_COLORS
    elif image.channel_names:
        names, colors = image.channel_names, _COLORS
    else:
        return None
    low, high = (0.0, 1.0)
    if image.dtype.kind in "ui":
        low, high = float(np.iinfo(image.dtype).min), float(np.iinfo(image.dtype).max)
    window = v05.OmeroWindow(start=low, min=low, end=high, max=high)
    channels = [
        v05.OmeroChannel(window=window, label=name, color=colors[i % len(colors)], active=True)
        for i, name in enumerate(names)
    ]
    return v05.Omero(channels=channels)
