"""OME-Zarr 0.5: JSON and arrays of zarr; read by tensorstore and by the models of ome-zarr-models."""

from pathlib import Path
from typing import Any

import numpy as np
import ome_zarr_models.v05
import tensorstore
import zarr

from helpers.tables.formats.facts import CannotMakeError, Facts
from napari_superres.core.units import METRES

_KINDS = {"T": "time", "C": "channel"}


def make(facts: Facts, path: Path) -> None:
    """Write a group with one array."""
    if "S" in facts.axes or not facts.is_straight:
        raise CannotMakeError
    sizes, origin = (f(facts.unit or "millimeter") for f in (facts.sizes_in, facts.origin_in))
    axes: list[dict[str, Any]] = [{"name": a.lower(), "type": _KINDS.get(a, "space")} for a in facts.axes]
    scale = [sizes.get(a, 1.0) for a in facts.axes]
    for i, letter in enumerate(facts.axes):
        if letter in sizes and facts.unit:
            axes[i]["unit"] = facts.unit
        if letter == "T" and facts.time_step:
            scale[i], axes[i]["unit"] = facts.time_step
    transforms: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
    transforms.append({"type": "translation", "translation": [origin.get(a, 0.0) for a in facts.axes]})
    datasets = [{"path": "0", "coordinateTransformations": transforms}]
    ome: dict[str, Any] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    if facts.channels:
        window = {"start": 0, "min": 0, "end": 255, "max": 255}
        ome["omero"] = {"channels": [{"label": n, "color": "FFFFFF", "window": window} for n in facts.channels]}
    if facts.labels:
        ome["image-label"] = {}
    group = zarr.create_group(path, zarr_format=3, attributes={"ome": ome})
    names = [a.lower() for a in facts.axes]
    group.create_array("0", data=np.ascontiguousarray(facts.data), dimension_names=names)


def read(path: Path) -> Facts:
    """Return what the metadata and the first array state."""
    group = zarr.open_group(path, mode="r")
    multiscale = ome_zarr_models.v05.Image.from_zarr(group).ome_attributes.multiscales[0]
    store = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(path / multiscale.datasets[0].path)}}
    data = np.asarray(tensorstore.open(store).result().read().result())
    axes = "".join(str(a.name).upper() for a in multiscale.axes)
    scale: list[float] = [1.0] * len(axes)
    translation: list[float] = [0.0] * len(axes)
    for transform in multiscale.datasets[0].coordinateTransformations:
        scale = list(getattr(transform, "scale", scale))
        translation = list(getattr(transform, "translation", translation))
    at = [i for i, a in enumerate(axes) if a in "ZYX"]
    affine = np.diag([*(scale[i] for i in at), 1.0])
    affine[:-1, -1] = [translation[i] for i in at]
    units = {str(a.name).upper(): a.unit for a in multiscale.axes}
    time: Any = (scale[axes.index("T")], units["T"]) if units.get("T") else None
    attributes: Any = group.attrs["ome"]
    names = tuple(str(c.get("label") or "") for c in attributes.get("omero", {}).get("channels", []))
    labels = "image-label" in attributes
    return Facts(data, axes, affine, units["X"] if units["X"] in METRES else None, names, time, labels=labels)
