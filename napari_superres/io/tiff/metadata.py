"""Read the grid of a TIFF series from OME-XML, ImageJ's description, or the resolution tags."""

import math
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any
from xml.etree import ElementTree

import numpy as np

from napari_superres.core.units import METRES, SECONDS, convert, unit_name
from napari_superres.errors import GridError
from napari_superres.io.series import noted_no_data
from napari_superres.io.tiff.every_axis import axes_of, shape_of
from napari_superres.io.tiff.ome_set import find_all, find_image
from napari_superres.limits import parse_json

NAMESPACE = "napari-superres"
"""Name of this package's annotation in OME-XML, and of its note in ImageJ's description."""

PIXEL = "pixel"
"""OME's unit for numbers without a physical meaning, used for the grid of an image with an unknown pixel size."""

GDAL_NO_DATA = 42113
"""Tag with the value that means "not measured"."""

# Resolutions, in dots per inch, that programs write if they know none.
_PLACEHOLDER_DPI = (72.0, 96.0)
# Resolutions of printers and scanners. Those of scanners are true, those for printing say nothing of the object.
_PRINTED_DPI = (150.0, 200.0, 240.0, 300.0, 350.0, 360.0, 400.0, 600.0, 720.0, 1200.0, 2400.0)
_EXACT = 1e-6
_ROUNDED = 1.0
"""Dots per inch by which a placeholder may be off: 28 and 38 pixels per centimetre are 71.1 and 96.5."""


@dataclass(frozen=True, slots=True)
class TiffFacts:
    """Grid, times and names of one series.

    Attributes
    ----------
    unit
        Unit of `sizes` and `origin`; None if the pixel size is unknown.
    sizes, origin
        Pixel size and origin of each spatial axis, by its letter.
    time_step
        Frame interval and its unit.
    channel_names
        Names in order, or empty.
    metadata
        Facts for ``Image.metadata``.
    space
        As in ``Image.space``. Only files of this package state it.
    no_data
        As in ``Image.no_data``: from files of this package, or GDAL's tag.
    """

    unit: str | None = None
    sizes: Mapping[str, float] = field(default_factory=dict)
    origin: Mapping[str, float] = field(default_factory=dict)
    time_step: tuple[float, str] | None = None
    channel_names: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    space: str | None = None
    no_data: tuple[float, float] | None = None


def read_facts(file: Any, series: Any) -> TiffFacts:
    """Return the facts of a series."""
    tags = series.keyframe.tags
    if series.kind == "ome" and file.ome_metadata:
        root = ElementTree.fromstring(file.ome_metadata)
        image = find_image(root, file, series)
        facts = TiffFacts() if image is None else _ome(root, image)
    elif file.is_imagej and file.imagej_metadata:
        facts = _imagej(file.imagej_metadata, series)
    else:
        facts = _plain(tags)
    note = read_note(series)
    no_data = noted_no_data(note) or _gdal_no_data(tags.valueof(GDAL_NO_DATA), np.dtype(series.dtype))
    return replace(
        facts, no_data=no_data, metadata={**facts.metadata, "labels": True} if note.get("labels") else facts.metadata
    )


def _gdal_no_data(text: Any, dtype: np.dtype[Any]) -> tuple[float, float] | None:
    """Return the value of GDAL's tag; None if no pixel of this type can have it, as -9999 in uint16."""
    value = _number(text)
    if value is None or (dtype.kind != "f" and not np.iinfo(dtype).min <= value <= np.iinfo(dtype).max):
        return None
    return value, value


def read_note(series: Any) -> dict[str, Any]:
    """Return the note of this package in the file, with axes, space and provenance; empty for other files."""
    page = series.keyframe
    if series.kind == "ome" and NAMESPACE in (page.description or ""):
        with suppress(ElementTree.ParseError):
            return _annotation(ElementTree.fromstring(page.description))
    if series.kind == "imagej":
        return _info((page.parent.imagej_metadata or {}).get("Info"))
    return {}


def _ome(root: ElementTree.Element, image: ElementTree.Element) -> TiffFacts:
    pixels = find_all(image, "Pixels")[0]
    sizes: dict[str, float] = {}
    units: dict[str, str | None] = {}
    for axis in "XYZ":
        text = pixels.get(f"PhysicalSize{axis}Unit", "µm")
        size = _number(pixels.get(f"PhysicalSize{axis}"))
        if size is not None and size > 0 and (_length(text) or text == PIXEL):
            sizes[axis], units[axis] = size, _length(text)
    channels = [c.get("Name") or "" for c in find_all(pixels, "Channel")]
    own, optics = _annotation(root), _optics(root, image)
    unit = units.get("X")
    if "X" not in sizes or "Y" not in sizes or (unit is None) != (units["Y"] is None):
        sizes = {}
    if unit is not None:
        sizes = {a: convert(s, own_unit, unit) for a, s in sizes.items() if (own_unit := units[a])}
    if "Z" in sizes and _descends(pixels, sizes["Z"], unit):
        sizes["Z"] = -sizes["Z"]
    return TiffFacts(
        unit=unit if sizes else None,
        sizes=sizes,
        origin=_plane_origin(pixels, unit) if sizes else {},
        time_step=_time_step(pixels),
        channel_names=tuple(channels) if any(channels) else (),
        metadata={
            **({"provenance": own["provenance"]} if "provenance" in own else {}),
            **({"optics": optics} if any(optics) else {}),
        },
        space=own.get("space"),
    )


def _optics(root: ElementTree.Element, image: ElementTree.Element) -> tuple[dict[str, Any], ...]:
    """Return aperture, emission wavelength and acquisition mode of each channel, as `Image.metadata` holds them."""
    used = {settings.get("ID") for settings in find_all(image, "ObjectiveSettings")}
    objectives = [o for o in find_all(root, "Objective") if o.get("ID") in used]
    aperture = _number(objectives[0].get("LensNA")) if len(objectives) == 1 else None
    optics = []
    for channel in find_all(image, "Channel"):
        facts: dict[str, Any] = {} if aperture is None else {"numerical_aperture": aperture}
        wavelength = _number(channel.get("EmissionWavelength"))
        unit = _length(channel.get("EmissionWavelengthUnit", "nm"))
        if wavelength is not None and unit is not None:
            facts["wavelength"] = convert(wavelength, unit, "micrometer")
        if facts and channel.get("AcquisitionMode"):
            facts["mode"] = channel.get("AcquisitionMode")
        optics.append(facts)
    return tuple(optics)


def _plane_origin(pixels: ElementTree.Element, unit: str | None) -> dict[str, float]:
    """Return the position of the first plane by axis. Without a unit its reference is unknown: it is left out."""
    planes = find_all(pixels, "Plane")
    origin: dict[str, float] = {}
    first = next((p for p in planes if all(p.get(f"The{a}", "0") == "0" for a in "ZCT")), None)
    if first is not None:
        for axis in "XYZ":
            value, text = _number(first.get(f"Position{axis}")), first.get(f"Position{axis}Unit", "")
            own = _length(text)
            if value is not None and own is not None and unit is not None:
                origin[axis] = convert(value, own, unit)
            elif value is not None and unit is None and text == PIXEL:
                origin[axis] = value
    return origin


def _descends(pixels: ElementTree.Element, size: float, unit: str | None) -> bool:
    """Return whether the planes were recorded from the top down: their positions fall by about a pixel size each."""
    heights: dict[int, float] = {}
    for plane in find_all(pixels, "Plane"):
        value, text = _number(plane.get("PositionZ")), plane.get("PositionZUnit", "")
        if value is not None and plane.get("TheC", "0") == "0" == plane.get("TheT", "0"):
            length = _length(text)
            if length is not None and unit is not None:
                heights[int(plane.get("TheZ", 0))] = convert(value, length, unit)
            elif unit is None and text == PIXEL:
                heights[int(plane.get("TheZ", 0))] = value
    if len(heights) < 2:
        return False
    first, last = min(heights), max(heights)
    step = (heights[last] - heights[first]) / (last - first)
    return -2.0 * size < step < -0.5 * size


def _time_step(pixels: ElementTree.Element) -> tuple[float, str] | None:
    step = _number(pixels.get("TimeIncrement"))
    with suppress(GridError):
        unit = unit_name(pixels.get("TimeIncrementUnit", "s"))
        if step is not None and step > 0:
            return step, unit
    return None


def _annotation(root: ElementTree.Element) -> dict[str, Any]:
    for annotation in find_all(root, "MapAnnotation"):
        if annotation.get("Namespace") == NAMESPACE:
            note: dict[str, Any] = {m.get("K", ""): m.text or "" for m in find_all(annotation, "M")}
            with suppress(ValueError, KeyError):
                note["provenance"] = parse_json(note.pop("provenance"))
            return note
    return {}


def _info(text: Any) -> dict[str, Any]:
    """Return this package's note in ImageJ's free text about the image."""
    with suppress(ValueError, TypeError, AttributeError):
        note = parse_json(text).get(NAMESPACE)
        return note if isinstance(note, dict) else {}
    return {}


def _imagej(description: Mapping[str, Any], series: Any) -> TiffFacts:
    note = _info(description.get("Info"))
    unit = _imagej_unit(description, "unit")
    units = {"X": unit, **{a: _imagej_unit(description, f"{a.lower()}unit", unit) for a in "YZ"}}
    tags = series.keyframe.tags
    sizes = {axis: s for axis in "XY" if (s := _size(tags, f"{axis}Resolution")) is not None}
    spacing = _number(description.get("spacing"))
    if spacing:
        sizes["Z"] = abs(spacing)
    if unit is not None:  # an axis may have a unit of its own
        sizes = {a: convert(size, own, unit) for a, size in sizes.items() if (own := units[a]) is not None}
    if unit is not None and _is_placeholder([sizes[a] for a in "XY" if a in sizes], unit):
        sizes = {}
    # Numbers without a unit count only if this package wrote them.
    if "X" not in sizes or "Y" not in sizes or (unit is None and not note):
        sizes, unit = {}, None
    return TiffFacts(
        unit=unit,
        sizes=sizes,
        # ImageJ: position = (index - origin) * size.
        origin={a: -(_number(description.get(f"{a.lower()}origin")) or 0.0) * size for a, size in sizes.items()},
        time_step=_frame_interval(description),
        channel_names=_labels(description.get("Labels"), series),
        metadata={"provenance": note["provenance"]} if "provenance" in note else {},
        space=note.get("space"),
    )


def _imagej_unit(description: Mapping[str, Any], key: str, default: str | None = None) -> str | None:
    """Return a unit of length that ImageJ states; None if it is none."""
    if key not in description:
        return default
    text = str(description[key])
    if "\\u" in text:  # ImageJ writes the micro sign as an escape
        with suppress(UnicodeDecodeError):
            text = text.encode("ascii", "backslashreplace").decode("unicode_escape")
    return _length(text)


def _frame_interval(description: Mapping[str, Any]) -> tuple[float, str] | None:
    """Return ImageJ's interval of frames, in seconds unless it says otherwise."""
    step = _number(description.get("finterval"))
    with suppress(GridError):
        unit = unit_name(str(description.get("tunit", "second")))
        return (step, unit) if step is not None and step > 0 and unit in SECONDS else None
    return None


def _labels(labels: Any, series: Any) -> tuple[str, ...]:
    """Return the channel names if ImageJ's slice labels are the same for all slices of each channel."""
    axes, shape = axes_of(series), shape_of(series)
    labels = [labels] if isinstance(labels, str) else labels
    if not isinstance(labels, (list, tuple)) or "C" not in axes:
        return ()
    channels = shape[axes.index("C")]
    inner = math.prod(n for a, n in zip(axes, shape, strict=True) if a == "Z" and axes.index("Z") > axes.index("C"))
    names: dict[int, str] = {}
    for plane, label in enumerate(labels):
        if names.setdefault(plane // inner % channels, str(label)) != str(label):
            return ()
    return tuple(names[i] for i in range(channels)) if len(names) == channels and all(names.values()) else ()


def _plain(tags: Any) -> TiffFacts:
    code = tags["ResolutionUnit"].value if "ResolutionUnit" in tags else 2
    unit = {2: "inch", 3: "centimeter"}.get(int(code))
    sizes = {axis: _size(tags, f"{axis}Resolution") for axis in "XY"}
    known = {a: s for a, s in sizes.items() if s is not None}
    if unit is None or len(known) < 2:
        return TiffFacts()
    if _is_placeholder(known.values(), unit):
        return TiffFacts()
    factor = METRES[unit] / METRES["micrometer"]
    metadata, dots = {}, 1.0 / convert(known["X"], unit, "inch")
    if any(abs(dots - dpi) < _ROUNDED / 2 for dpi in _PRINTED_DPI):
        metadata["notes"] = (
            f"its pixel size of {known['X'] * factor:.4g} micrometer is stated as {dots:.0f} dots per inch, which many "
            "programs write for printing: set `pixel_size` if the object has another",
        )
    origin = {}
    for axis in "XY":
        position = _rational(tags, f"{axis}Position")
        if position is not None:
            origin[axis] = position * factor
    return TiffFacts("micrometer", {a: s * factor for a, s in known.items()}, origin, metadata=metadata)


def _is_placeholder(sizes: Collection[float], unit: str) -> bool:
    """Return whether a pixel size is a resolution that programs write if they know none, also in pixels per cm."""
    if unit not in ("inch", "centimeter"):
        return False
    if any(abs(1.0 / size - 1.0) < _EXACT for size in sizes):
        return True
    dots = [1.0 / convert(size, unit, "inch") for size in sizes]
    return any(abs(n - dpi) < _ROUNDED for n in dots for dpi in _PLACEHOLDER_DPI)


def _size(tags: Any, name: str) -> float | None:
    per_unit = _rational(tags, name)
    return 1.0 / per_unit if per_unit else None


def _rational(tags: Any, name: str) -> float | None:
    tag = tags.get(name)
    with suppress(TypeError, ValueError, ZeroDivisionError, IndexError):
        if tag is not None:
            value = tag.value
            return float(value[0]) / float(value[1]) if isinstance(value, tuple) else float(value)
    return None


def _number(value: Any) -> float | None:
    with suppress(TypeError, ValueError):
        number = float(value)
        return number if math.isfinite(number) else None
    return None


def _length(text: str) -> str | None:
    with suppress(GridError):
        unit = unit_name(text)
        return unit if unit in METRES else None
    return None
