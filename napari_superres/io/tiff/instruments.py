"""The grid in TIFF files of instruments: LSM (Zeiss) and SVS (Aperio)."""

import math
import re
from collections.abc import Mapping
from typing import Any

from napari_superres.io.tiff.metadata import TiffFacts

_METRE = 1e6
_MPP = re.compile(r"\|\s*MPP\s*=\s*([0-9.]+)")


def is_image(file: Any, series: Any) -> bool:
    """Return whether a series is an image: no thumbnail, and no label or overview of a slide; labels name patients."""
    if file.is_lsm:
        return not series.keyframe.is_reduced
    return series.name == "Baseline" if file.is_svs or file.is_ndpi else True


def instrument_facts(file: Any, series: Any) -> TiffFacts | None:
    """Return the facts of a series in such a file; None for other files."""
    if file.is_lsm and series.kind == "lsm":
        return _lsm(file.lsm_metadata or {})
    if file.is_svs and series.kind == "svs":
        return _svs(file.pages[0].description)
    return None


def _lsm(found: Mapping[str, Any]) -> TiffFacts:
    sizes = {a: float(found.get(f"VoxelSize{a}") or 0.0) * _METRE for a in "XYZ"}
    sizes = {a: size for a, size in sizes.items() if size > 0 and math.isfinite(size)}
    if not {"X", "Y"} <= sizes.keys():
        sizes = {}
    origin = {a: float(found.get(f"Origin{a}") or 0.0) * _METRE for a in sizes}
    names = tuple(str(name) for name in (found.get("ChannelColors") or {}).get("ColorNames", ()))
    step = float(found.get("TimeIntervall") or 0.0)
    return TiffFacts(
        unit="micrometer" if sizes else None,
        sizes=sizes,
        origin={a: value for a, value in origin.items() if math.isfinite(value)},
        time_step=(step, "second") if step > 0 and math.isfinite(step) else None,
        channel_names=names,
    )


def _svs(description: str) -> TiffFacts:
    match = _MPP.search(description)
    size = float(match[1]) if match and match[1].count(".") <= 1 and match[1] != "." else 0.0
    return TiffFacts("micrometer", {"X": size, "Y": size}) if size > 0 else TiffFacts()
