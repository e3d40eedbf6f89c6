"""The record that every result carries: what made it, from what, and what it is not."""

import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from napari_superres.core.image import Image
from napari_superres.inference.engine.sweep import Counts
from napari_superres.inference.planning.plan import Plan, plan_record
from napari_superres.models.card import ModelCard

WARNING = "Fine detail was estimated by a trained network; it was not measured. Not for diagnosis."
_WARNING_INTERPOLATED = "Interpolated: no detail was added. Not for diagnosis."


def make_record(image: Image, card: ModelCard, plan: Plan, counts: Counts) -> dict[str, Any]:
    """Return the record of a finished run as plain values. It never holds patient data."""
    return {
        "schema": 1,
        "software": {name: package_version(name) for name in ("napari-superres-torch", "torch", "numpy")}
        | {"python": platform.python_version()},
        "model": {
            "name": card.name,
            "version": card.version,
            "architecture": card.architecture,
            "sha256": plan.sha256,
            "modality": card.modality,
            "license": card.license,
            "citation": card.citation,
        },
        "input": {
            "shape": list(image.shape),
            "dtype": str(image.dtype),
            "axes": image.axes,
            "pixel_size": list(image.pixel_size),
            "origin": list(image.origin),
            "units": dict(image.units),
        },
        "affine": image.affine.tolist(),
        **plan_record(plan),
        "counts": {
            "saturated": counts.saturated,
            "non_finite": counts.invalid,
            "recomputed_in_fp32": counts.recomputed,
        },
        "memory_reductions": counts.reduced,
        **({"statistics": counts.statistics} if counts.statistics else {}),
        "seed": None,
        "time_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "synthetic_detail": not card.is_interpolation,
        "warning": _WARNING_INTERPOLATED if card.is_interpolation else WARNING,
    }


def package_version(name: str) -> str:
    """Return the version of an installed distribution."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
