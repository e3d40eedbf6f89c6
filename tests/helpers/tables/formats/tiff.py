"""TIFF by tifffile, and OME-XML by ome-types."""

from pathlib import Path
from typing import Any

import numpy as np
import ome_types
import tifffile

from helpers.tables.formats.facts import CannotMakeError, Facts
from napari_superres.core.units import unit_name

_NO_DATA = 42113  # GDAL's tag
_RATIONAL = 5


def make_ome(facts: Facts, path: Path) -> None:
    """Write an OME-TIFF."""
    metadata: dict[str, Any] = {"axes": facts.axes}
    _need_straight(facts)
    if facts.unit is not None:
        planes = int(np.prod([n for a, n in zip(facts.axes, facts.data.shape, strict=True) if a in "TCZ"]))
        metadata["Plane"] = {}
        for axis, size in facts.sizes_in(facts.unit).items():
            metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": _SYMBOLS[facts.unit]}
            start = facts.origin_in(facts.unit)[axis]
            step = facts.matrix[0, 0] if axis == "Z" else 0.0
            metadata["Plane"][f"Position{axis}"] = [start + step * i for i in range(planes)]
            metadata["Plane"][f"Position{axis}Unit"] = [_SYMBOLS[facts.unit]] * planes
    if facts.channels:
        metadata["Channel"] = {"Name": list(facts.channels)}
    if facts.time_step is not None:
        metadata |= {"TimeIncrement": facts.time_step[0], "TimeIncrementUnit": "s"}
    _write(facts, path, ome=True, metadata=metadata)


_SYMBOLS = {"micrometer": "µm", "millimeter": "mm"}


def read_ome(path: Path) -> Facts:
    """Return what an OME-TIFF states."""
    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        data, axes, no_data = series.asarray(), series.axes, _no_data(file)
        pixels = ome_types.from_xml(file.ome_metadata).images[0].pixels
    spatial = [a for a in axes if a in "ZYX"]
    affine, unit = np.eye(len(spatial) + 1), None
    if pixels.physical_size_x is not None and pixels.physical_size_x_unit.name != "PIXEL":
        unit = unit_name(pixels.physical_size_x_unit.name.lower())
        for i, axis in enumerate(spatial):
            affine[i, i] = getattr(pixels, f"physical_size_{axis.lower()}") or 1.0
            positions = [getattr(p, f"position_{axis.lower()}") for p in pixels.planes]
            affine[i, -1] = positions[0] if positions and positions[0] is not None else 0.0
            if axis == "Z" and len(positions) > 1 and None not in positions:
                affine[i, i] = positions[1] - positions[0]
    step = pixels.time_increment
    time = None if step is None else (float(step), unit_name(pixels.time_increment_unit.name.lower()))
    names = tuple(c.name or "" for c in pixels.channels)
    return Facts(data, axes, affine, unit, names if any(names) else (), time, no_data)


def make_imagej(facts: Facts, path: Path) -> None:
    """Write a TIFF of ImageJ."""
    _need_straight(facts)
    order = "".join(a for a in "TZCYXS" if a in facts.axes)
    facts = facts.aligned(order) or facts
    metadata: dict[str, Any] = {"axes": order}
    options: dict[str, Any] = {}
    if facts.unit is not None:
        sizes, origin = facts.sizes_in(facts.unit), facts.origin_in(facts.unit)
        metadata["unit"] = {"micrometer": "um", "millimeter": "mm"}[facts.unit]
        metadata |= {f"{a.lower()}origin": -origin[a] / sizes[a] for a in facts.spatial}
        metadata |= {"spacing": sizes["Z"]} if "Z" in sizes else {}
        options["resolution"] = (1.0 / sizes["X"], 1.0 / sizes["Y"])
    if facts.time_step is not None:
        metadata["finterval"] = facts.time_step[0]
    if facts.channels:
        metadata["Labels"] = list(facts.channels)
    if facts.scale is not None:
        # ImageJ adds 32768 to signed numbers first.
        metadata |= {"cf": 0, "c0": facts.scale[1] - 32768 * facts.scale[0], "c1": facts.scale[0]}
    _write(facts, path, imagej=True, metadata=metadata, **options)


def read_imagej(path: Path) -> Facts:
    """Return what a TIFF of ImageJ states."""
    with tifffile.TiffFile(path) as file:
        found, stated, tags = file.series[0], dict(file.imagej_metadata or {}), file.pages[0].tags
        data, axes, no_data = found.asarray(), found.axes, _no_data(file)
        x, y = (_ratio(tags, f"{a}Resolution") for a in "XY")
    sizes = {"X": 1 / x if x else 1.0, "Y": 1 / y if y else 1.0, "Z": float(stated.get("spacing", 1.0))}
    spatial = [a for a in axes if a in "ZYX"]
    affine = np.diag([*(sizes[a] for a in spatial), 1.0])
    affine[:-1, -1] = [-float(stated.get(f"{a.lower()}origin", 0.0)) * sizes[a] for a in spatial]
    unit = stated.get("unit", "pixel")
    labels = stated.get("Labels", ())
    step = stated.get("finterval")
    scale = (float(stated["c1"]), float(stated["c0"]) + 32768 * float(stated["c1"])) if "c1" in stated else None
    return Facts(
        data,
        axes,
        affine,
        None if unit == "pixel" else unit_name(str(unit).replace("\\u00B5", "u")),
        tuple([labels] if isinstance(labels, str) else labels) if "C" in axes else (),
        None if step is None else (float(step), "second"),
        no_data,
        scale=scale,
    )


def make_plain(facts: Facts, path: Path) -> None:
    """Write a TIFF whose grid stands in the resolution tags."""
    _need_straight(facts)
    options: dict[str, Any] = {}
    tags: list[tuple[int, int, int, Any, bool]] = []
    if facts.unit is not None:
        sizes, origin = facts.sizes_in("centimeter"), facts.origin_in("centimeter")
        options = {"resolution": (1 / sizes["X"], 1 / sizes["Y"]), "resolutionunit": "CENTIMETER"}
        if any(origin.values()):
            tags = [(286 + i, _RATIONAL, 1, (round(origin[a] * 10**6), 10**6), True) for i, a in enumerate("XY")]
    _write(facts, path, tags=tags, metadata={"axes": facts.axes}, **options)


def read_plain(path: Path) -> Facts:
    """Return what the tags of a TIFF state."""
    with tifffile.TiffFile(path) as file:
        found, tags = file.series[0], file.pages[0].tags
        data, axes, no_data = found.asarray(), found.axes, _no_data(file)
        resolution = {a: _ratio(tags, f"{a}Resolution") for a in "XY"}
        origin = {a: _ratio(tags, f"{a}Position") or 0.0 for a in "XY"}
        code = int(tags["ResolutionUnit"].value) if "ResolutionUnit" in tags else 1
    spatial = [a for a in axes if a in "ZYX"]
    affine = np.diag([*(1 / (resolution.get(a) or 1.0) for a in spatial), 1.0])
    affine[:-1, -1] = [origin.get(a, 0.0) for a in spatial]
    # No tag states a size along Z: the whole size of a volume is unknown.
    known = code == 3 and "Z" not in spatial
    return Facts(data, axes, affine, "centimeter" if known else None, no_data=no_data)


def _write(facts: Facts, path: Path, tags: Any = (), **options: Any) -> None:
    extra = [*tags]
    if facts.no_data is not None:
        extra.append((_NO_DATA, 2, 0, f"{facts.no_data:g}", True))
    if facts.data.shape[-1] == 4 and "S" in facts.axes:
        options["extrasamples"] = ["unassalpha"]
    photometric = "rgb" if "S" in facts.axes else "minisblack"
    tifffile.imwrite(path, facts.data, photometric=photometric, extratags=extra, **options)


def _need_straight(facts: Facts) -> None:
    if not facts.is_straight and not np.allclose(facts.matrix, np.diag(np.diag(facts.matrix))):
        raise CannotMakeError


def _no_data(file: tifffile.TiffFile) -> float | None:
    text = file.pages[0].tags.valueof(_NO_DATA)
    return None if text is None else float(text)


def _ratio(tags: Any, name: str) -> float | None:
    if name not in tags:
        return None
    first, second = tags[name].value
    return float(first / second)
