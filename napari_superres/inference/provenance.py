"""What a result says of itself: the record of how it was made, and notes on what happened."""

import platform
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from math import prod
from typing import Any

from napari_superres.core.image import Image
from napari_superres.core.intensity import FAR_BELOW
from napari_superres.inference.engine.counts import Counts
from napari_superres.inference.planning.plan import Plan, plan_record
from napari_superres.models.card import ITSELF, ModelCard
from napari_superres.models.model import Model

WARNING = "Fine detail was estimated by a trained network; it was not measured. Not for diagnosis."
_WARNING_INTERPOLATED = "Interpolated: no detail was added. Not for diagnosis."

_POOR_DB = 40.0
_NAMED_CHUNKS = 5
_MANY_RAISED = 0.01
"""Share of a result's values below 0 from which the user hears of it."""


def make_record(image: Image, model: Model, plan: Plan, counts: Counts) -> dict[str, Any]:
    """Return the record of a finished run as plain values. It never holds patient data."""
    card = model.card
    return {
        "schema": 1,
        "software": {name: package_version(name) for name in ("napari-superres-torch", "torch", "numpy")}
        | {"python": platform.python_version()},
        "model": {
            "name": card.name,
            "version": card.version,
            "architecture": card.architecture,
            "sha256": model.sha256,
            "modality": card.modality,
            "license": card.license,
            "citation": card.citation,
            **({"learnt_from_the_image": dict(card.scores[ITSELF])} if ITSELF in card.scores else {}),
        },
        "input": {
            "shape": list(image.shape),
            "dtype": str(image.dtype),
            "axes": image.axes,
            "pixel_size": list(image.pixel_size),
            "origin": list(image.origin),
            "units": dict(image.units),
            **({} if image.no_data is None else {"no_data": list(image.no_data)}),
        },
        "affine": image.affine.tolist(),
        **plan_record(plan),
        "counts": {
            "saturated": counts.saturated,
            "raised_to_zero": counts.raised,
            "raised_far": counts.raised_far,
            "non_finite": counts.invalid,
            "recomputed_in_fp32": counts.recomputed,
        },
        **_consistency_record(counts),
        "memory_reductions": counts.reduced,
        **({"statistics": counts.statistics} if counts.statistics else {}),
        "seed": None,
        "time_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "synthetic_detail": not card.is_interpolation,
        "warning": _WARNING_INTERPOLATED if card.is_interpolation else WARNING,
    }


def join_records(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return one record for the parts of a result."""
    return records[0] if len(records) == 1 else {**records[0], "per_channel": list(records)}


def run_notes(counts: Counts, plan: Plan, card: ModelCard) -> tuple[str, ...]:
    """Return what the user should know of a finished run, in sentences."""
    notes = [*_raised_notes(counts, plan, card), *_consistency_notes(counts, card)]
    if counts.invalid and plan.no_data is None:  # padding that the file states is no surprise
        notes.append(f"{counts.invalid} pixels are NaN or infinite: they were computed around and put back.")
    if counts.reduced:
        notes.append(f"memory was short; the run went on with {counts.reduced[-1]}.")
    if plan.precision_db is not None and plan.precision_db < _POOR_DB:
        notes.append(
            f"{plan.precision} differs from 32 bits with only {plan.precision_db:.0f} dB. Use `precision='fp32'`."
        )
    if left := counts.statistics.get("left", 0.0):
        notes.append(
            f"{plan.model} looks at the whole image, and its statistics did not converge in {plan.max_passes} passes: "
            f"the last pass changed intensities by up to {left:.2g}. Increase `max_passes`."
        )
    return tuple(notes)


def _raised_notes(counts: Counts, plan: Plan, card: ModelCard) -> Iterator[str]:
    """Yield a sentence on values below 0 that were set to 0, if there were many."""
    values = prod(plan.out_shape)
    if counts.raised <= _MANY_RAISED * values:
        return
    note = (
        f"{counts.raised / values:.1%} of the values came out below 0 and were set to 0, because the image has no "
        "values below 0, or hardly any."
    )
    if counts.raised_far > _MANY_RAISED * values and not card.is_interpolation:
        note += (
            f" {counts.raised_far / values:.1%} were below 0 by more than {FAR_BELOW:.0%} of the image's contrast: "
            f"{card.name} may not suit this image. Compare the result with bicubic interpolation."
        )
    yield note


def _consistency_record(counts: Counts) -> dict[str, Any]:
    found = counts.agreement
    if not found.blocks:
        return {}
    return {
        "consistency": {
            "difference": round(found.of_contrast, 5),
            "difference_of_signal": round(found.of_signal, 5),
            "blocks": found.blocks,
        }
    }


def _consistency_notes(counts: Counts, card: ModelCard) -> Iterator[str]:
    """Yield a sentence on a result that does not agree with its input."""
    if difference := counts.agreement.describe_difference():
        yield (
            f"The result does not agree with the image: averaged over 8 x 8 pixels of the image, it differs by "
            f"{difference}, beyond noise. {card.name} does not suit this image or its `intensity_range`; use another "
            "model, or interpolation."
        )


def chunk_notes(bad_chunks: Sequence[str]) -> tuple[str, ...]:
    """Return a sentence on chunks of the input that were filled, if there were any."""
    if not bad_chunks:
        return ()
    count = "1 chunk" if len(bad_chunks) == 1 else f"{len(bad_chunks)} chunks"
    named = ", ".join(bad_chunks[:_NAMED_CHUNKS]) + (", ..." if len(bad_chunks) > _NAMED_CHUNKS else "")
    verb = "is" if len(bad_chunks) == 1 else "are"
    return (f"{count} of the input {verb} missing or damaged, and filled: {named}; the record lists all.",)


def package_version(name: str) -> str:
    """Return the version of an installed distribution."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
