"""Examine results without references: each is compared with its own input."""

from collections.abc import Mapping
from datetime import UTC, datetime

from napari_superres.core.image import Image
from napari_superres.evaluation.baselines import BICUBIC, interpolate
from napari_superres.evaluation.registration.match import match
from napari_superres.evaluation.registration.scale import scale_of
from napari_superres.evaluation.reporting.about import About, computed_problem
from napari_superres.evaluation.reporting.exhibits import with_exhibits
from napari_superres.evaluation.reporting.findings import Findings, examine

NO_REFERENCE = "no reference was given, so nothing can be said about detail that the input does not show"


def examine_alone(
    result: Image, lr: Image, *, repeat: Image | None = None, psf_sigma: float | None = None
) -> tuple[Findings, tuple[str, ...]]:
    """Return the findings on a result and its input, and notes.

    Raises
    ------
    EvaluationError
        If the input is not that of the result.
    """
    scale = scale_of(result, lr)
    findings = examine(result, None, lr, repeat=repeat, psf_sigma=psf_sigma)
    base = None
    if scale is not None and max(scale.values()) > 1:
        whole = interpolate(lr, BICUBIC, scale)
        base = match(whole, result).result if whole.shape != result.shape else whole
    notes = [NO_REFERENCE, *computed_inputs({"input": lr, "second input": repeat})]
    return with_exhibits(findings, result, None, lr, base), tuple(notes)


def computed_inputs(images: Mapping[str, Image | None]) -> list[str]:
    """Return a warning for each image that should be a recording but was computed by a model."""
    records = {who: image.metadata.get("provenance") for who, image in images.items() if image is not None}
    return [problem for who, record in records.items() if (problem := computed_problem(record, who))]


def about_now(result: Image | None) -> About:
    """Return what a report made now is about: the record of a result, the program and the time."""
    from napari_superres import __version__

    record = None if result is None else result.metadata.get("provenance")
    time = datetime.now(UTC).isoformat(timespec="seconds")
    known = record if isinstance(record, Mapping) else None
    return About(software=f"napari-superres-torch {__version__}", time_utc=time, record=known)
