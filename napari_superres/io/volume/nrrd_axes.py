"""What the header of an NRRD file says about its axes: which are space, time or components, and their units."""

import re
from collections.abc import Mapping
from pathlib import Path

from napari_superres.core.units import METRES, SECONDS, unit_name
from napari_superres.errors import GridError, UnreadableImageError
from napari_superres.io.volume.header import VolumeHeader

# Spaces of a patient. The others of the format, such as "scanner-xyz", have no directions of a body.
_MEDICAL = re.compile(r"(left|right)-(posterior|anterior)-(superior|inferior)|LPS|RAS|LAS", re.IGNORECASE)
_SPACES = re.compile(
    r"(right-anterior-superior|left-anterior-superior|left-posterior-superior|RAS|LAS|LPS|scanner-xyz"
    r"|3D-right-handed|3D-left-handed)(-time)?|RAST|LAST|LPST",
    re.IGNORECASE,
)
_SPATIAL = ("domain", "space", "???", "none")
_COLOURS = ("rgb-color", "rgbcolor", "rgba-color", "rgbacolor")
_OTHER_COLOURS = ("hsv-color", "xyz-color", "3-color", "4-color")
_NO_UNIT = ("pixel", "voxel", "???", "")


def read_facts(path: Path, fields: Mapping[str, str]) -> VolumeHeader:
    """Return what the fields of a header, whose names have no spaces, say about the axes.

    Raises
    ------
    UnreadableImageError
        If the axes cannot be those of an image, or their units differ.
    ValueError, IndexError
        If a field is damaged.
    """
    if "space" in fields and not _SPACES.fullmatch(fields["space"].strip()):
        raise UnreadableImageError(
            f"{path} must name a space of NRRD, but its space is {fields['space'][:40]!r}.",
            remedy="Use left-posterior-superior or leave the field out.",
        )
    count = int(fields["dimension"])
    kinds = _kinds(fields, count)
    letters = [_letter(path, kind) for kind in kinds] if kinds else []
    others = [letter for letter in letters if letter]
    components = next((a for a in others if a in "CS?"), None)
    if len(others) > len(set(others)) or "T" in letters[:-1] or sum(a in "CS?" for a in others) > 1:
        raise UnreadableImageError(
            f"{path} must have axes of space, then at most one of time, and one of components, but has "
            f"{', '.join(kinds)}.",
            remedy="Permute or divide it.",
        )
    unit = _unit(path, fields, letters or [""] * count)
    known = "spacings" in fields or "spacedirections" in fields
    return VolumeHeader(
        unit if known else None,
        medical=bool(_MEDICAL.match(fields.get("space", ""))),
        time=_time(fields) if letters[-1:] == ["T"] else None,
        last="T" if "T" in letters else None,
        components=None if components == "?" else components,
    )


def _kinds(fields: Mapping[str, str], count: int) -> list[str]:
    """Return the kind of each axis, in lower case; none if the header does not say."""
    kinds = fields.get("kinds", "").lower().split()
    if not kinds and "spacedirections" in fields:
        directions = re.findall(r"none|\([^)]*\)", fields["spacedirections"])
        kinds = ["list" if "none" in d else "domain" for d in directions]
    if kinds and len(kinds) != count:
        raise ValueError(f"{len(kinds)} kinds for {count} axes")
    return kinds


def _letter(path: Path, kind: str) -> str:
    """Return ``"T"``, ``"S"``, ``"C"``, ``"?"`` for components of unknown meaning, or an empty text for space."""
    if kind in _OTHER_COLOURS:
        raise UnreadableImageError(
            f"{path} must hold grey values or RGB colours, but its colours are of the kind {kind}.",
            remedy="Convert it to RGB.",
        )
    if kind in _SPATIAL:
        return ""
    return "T" if kind == "time" else "S" if kind in _COLOURS else "?" if kind == "vector" else "C"


def _unit(path: Path, fields: Mapping[str, str], letters: list[str]) -> str | None:
    """Return the unit of length; millimeters if none is stated."""
    names = re.findall(r'"([^"]*)"', fields.get("spaceunits") or fields.get("units") or "")
    if "spaceunits" not in fields and len(names) == len(letters):
        names = [name for name, letter in zip(names, letters, strict=True) if not letter]
    units: set[str | None] = set()
    for name in names:
        try:
            unit = unit_name(name)
        except GridError:
            units.add(None if name in _NO_UNIT else "millimeter")
        else:
            units |= {unit} & METRES.keys()
    if len(units) > 1:
        raise UnreadableImageError(
            f"{path} must have one unit of length, but its axes have {', '.join(names)}.",
            remedy="Convert all axes to one unit.",
        )
    return units.pop() if units else "millimeter"


def _time(fields: Mapping[str, str]) -> tuple[float, str] | None:
    """Return the step and unit of the last axis, if it has both."""
    names = re.findall(r'"([^"]*)"', fields.get("units") or "")
    try:
        step, unit = float(fields.get("spacings", "nan").split()[-1]), unit_name(names[-1])
    except (GridError, IndexError):
        return None
    return (step, unit) if unit in SECONDS and 0 < step < float("inf") else None
