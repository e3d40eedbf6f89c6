"""Tasks of the widgets, to be run in a thread: plan, upscale, preview, evaluate.

torch is imported inside the functions. Only one thread at a time uses the models, because a plan may measure the
network that a run is using.
"""

import threading
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from napari_superres.core.image import Image
from napari_superres.errors import EvaluationError
from napari_superres.plugin.host.fingerprint import fingerprint
from napari_superres.plugin.host.preferences import preferences
from napari_superres.plugin.worker.disk import is_too_large, upscale_onto_disk
from napari_superres.plugin.worker.loading import ModelNames, load_models

if TYPE_CHECKING:
    from napari_superres.evaluation import Report
    from napari_superres.evaluation.reporting.findings import Curve
    from napari_superres.evaluation.resolution import RingCorrelation
    from napari_superres.inference import Plan, Progress
    from napari_superres.inference.options import UpscaleOptions
    from napari_superres.inference.planning.estimate import Estimate
    from napari_superres.inference.planning.seen import Seen
    from napari_superres.inference.planning.upscale_run import UpscaleRun
    from napari_superres.inference.remote.elsewhere import OtherComputers
    from napari_superres.models import Model, ModelCard

in_use = threading.Lock()
"""Held by the thread that uses the models."""

_COMPUTE_AGAIN = "Compute the result again with `upscale()`."
_FIRST_TILE = 192  # tile of a preview that shows its first pixels at once
_measured: set[str] = set()  # models whose speed was measured once; on a busy machine that gives no number


def devices() -> Generator[list[str], None, None]:
    """Import torch and yield the devices of this machine, the fastest first."""
    from napari_superres.inference.machine.device import list_devices

    yield list_devices()


def describe_cluster(scheduler: str) -> Generator[str, None, None]:
    """Yield what the cluster at an address has, in a line.

    Raises
    ------
    SuperResError
        If it does not answer, or its workers lack something.
    """
    from napari_superres.inference.remote.elsewhere import describe_cluster

    yield describe_cluster(scheduler)


def plan(
    image: Image, model: ModelNames, options: Mapping[str, Any], seen: "Seen | None" = None
) -> "Generator[tuple[list[Plan], Estimate], None, None]":
    """Yield the plans and the estimate of a run, and again with its duration if a model had to be measured first.

    Parameters
    ----------
    image, model, options
        As for `upscale`.
    seen
        What plans and previews have seen in the same pixels, which they do not read again.

    Raises
    ------
    SuperResError
        If the run is impossible.
    """
    from napari_superres.inference.machine.speed import measure_one_pass
    from napari_superres.inference.planning.estimate import estimate

    with in_use:
        run = _prepare(image, model, options, measure=False, seen=seen)
        expected = estimate(run)
        yield run.plans, expected
        if expected.seconds is None and not {part.model.sha256 for part in run.parts} <= _measured:
            _measured.update(part.model.sha256 for part in run.parts)
            seconds = [measure_one_pass(m, p.device, p.precision) for m, p, _ in run.parts]
            if any(seconds):
                run = _prepare(image, model, options, measure=False, seen=seen)
                yield run.plans, estimate(run)


def model_name(model: str) -> str:
    """Return the name of a model, or of a model file, for the name of a layer."""
    return Path(model).name.removesuffix(".safetensors")


def upscale(
    image: Image,
    model: ModelNames,
    options: Mapping[str, Any],
    focus: Mapping[str, float] | None = None,
    finished_parts: list[Any] | None = None,
) -> "Generator[Progress, None, None]":
    """Yield the steps of a run. The array shows the input's pixels where nothing is computed yet.

    Parameters
    ----------
    image
        Low-resolution image.
    model
        Name or file of a model, or one per channel.
    options, focus
        As for `napari_superres.iter_upscale`. With the option ``scheduler``, a cluster computes.
    finished_parts
        List to which each computed part of the array is appended, as a tuple of slices.

    Yields
    ------
    Progress
        The record in its image's metadata says ``"complete": False`` until the last step. If the result is too large
        for the memory, the last image has the path of its file as `disk.FILE`.

    Raises
    ------
    SuperResError
        As `napari_superres.iter_upscale`.
    """
    from napari_superres.inference.engine.counts import Counts
    from napari_superres.inference.images import run_in_memory
    from napari_superres.inference.provenance import join_records, make_record
    from napari_superres.inference.remote.elsewhere import open_elsewhere

    settings = preferences()
    with in_use, open_elsewhere(options.get("scheduler"), options.get("device", "auto")) as elsewhere:
        run = _prepare(image, model, options, elsewhere=elsewhere)
        if is_too_large(run.result_bytes, settings):
            steps: Any = upscale_onto_disk(image, run, focus, settings, elsewhere)
        else:
            steps = run_in_memory(image, run, _enlarge(image, run), focus, elsewhere)
        record = join_records([{**make_record(image, m, p, Counts()), "complete": False} for m, p, _ in run.parts])
        with closing(steps):
            for step in steps:
                if finished_parts is not None and step.region is not None:
                    finished_parts.append(step.region)
                # The part that is kept of a stopped run needs a record, too.
                metadata = {"provenance": record, **step.image.metadata}
                yield replace(step, image=step.image.replace(metadata=metadata))


def preview(
    image: Image,
    model: ModelNames,
    options: Mapping[str, Any],
    focus: Mapping[str, float],
    before: Any = None,
    *,
    in_parts: bool = True,
    seen: "Seen | None" = None,
) -> "Generator[Progress, None, None]":
    """Yield the steps of a run on a region. The array shows older pixels where nothing is computed yet.

    Parameters
    ----------
    image, model, options
        As for `upscale`.
    focus
        Position at which the computation begins.
    before
        Array of an earlier preview of the region, which is filled again if it has the right shape; the input's pixels
        are shown first otherwise.
    in_parts
        Whether to show the first pixels at once, although all of them take slightly longer.
    seen
        As for `plan`.

    Raises
    ------
    SuperResError
        As `napari_superres.iter_upscale`.
    """
    from napari_superres.inference.images import run_in_memory

    with in_use:
        loaded = load_models(model)
        models = loaded.values() if isinstance(loaded, Mapping) else [loaded]
        if in_parts and options["tile"] == "auto" and all(_is_quick_in_parts(each.card) for each in models):
            options = {**options, "tile": _FIRST_TILE}
        run = _prepare(image, model, options, seen=seen)
        fits = before is not None and (before.shape, before.dtype) == (run.shape, run.dtype)
        yield from run_in_memory(image, run, before if fits else _enlarge(image, run), focus)


def _prepare(
    image: Image,
    model: ModelNames,
    options: Mapping[str, Any],
    *,
    measure: bool = True,
    elsewhere: "OtherComputers | None" = None,
    seen: "Seen | None" = None,
) -> "UpscaleRun":
    from napari_superres.inference.images import prepare

    if seen is not None and seen.get("pixels") != (pixels := fingerprint(image.data)):
        seen.clear()  # The pixels were edited in place.
        seen["pixels"] = pixels
    own = cast("UpscaleOptions", {name: value for name, value in options.items() if name != "scheduler"})
    return prepare(image, load_models(model), own, measure=measure, elsewhere=elsewhere, seen=seen)


def _is_quick_in_parts(card: "ModelCard") -> bool:
    """Return whether tiles below the best size take only slightly longer in all."""
    return card.ndim == 2 and card.bounded and not card.global_statistics and 4 * max(card.halo) <= _FIRST_TILE


def _enlarge(image: Image, run: "UpscaleRun") -> Any:
    """Return the pixels of a run's region, repeated onto the grid of the result."""
    plan = run.plans[0]
    key = tuple(slice(*plan.region[a]) if a in plan.region else slice(None) for a in image.axes)
    values = np.asarray(image.data[key])
    for i, axis in enumerate(image.axes):
        factor = plan.scale.get(axis, 1)
        values = values.take(run.channels, axis=i) if axis == "C" else values.repeat(factor, axis=i)
    return values


def evaluate(result: Image, reference: Image | None, **options: Any) -> "Report":
    """Return the report on a result. The parameters are those of `napari_superres.evaluate`.

    Raises
    ------
    SuperResError
        As `napari_superres.evaluate`.
    """
    from napari_superres import evaluation

    with in_use:
        return evaluation.evaluate(result, reference, **options)


def map_of(
    kind: str, result: Image, reference: Image, *, register: bool = False, data_range: str | None = None
) -> Image:
    """Return a map of the differences between a result and its reference, per channel.

    Parameters
    ----------
    kind
        ``"difference"``, ``"SSIM"`` or ``"agreement"``.
    result, reference
        As for `napari_superres.evaluate`.
    register
        Whether to align the reference to the result first.
    data_range
        Range of intensities, for the structural similarity.

    Raises
    ------
    SuperResError
        If the two have different grids, cannot be registered or are too small.
    """
    from napari_superres import evaluation

    if kind == "SSIM":
        return evaluation.ssim_map(result, reference, register=register, data_range=data_range)
    make = evaluation.difference_map if kind == "difference" else evaluation.agreement_map
    return make(result, reference, register=register)


def residual_map(result: Image, lr: Image) -> Image:
    """Return the difference between a result, blurred and binned to the input's grid, and the input, per channel.

    Raises
    ------
    SuperResError
        If the two do not fit, or the input's noise, in whose standard deviations the map is given, cannot be measured.
    """
    from napari_superres import evaluation

    return evaluation.residual_map(result, lr)


def trust_map(
    record: Mapping[str, Any], lr: Image, calibration: Path | None = None
) -> "Generator[Image | None, None, None]":
    """Yield None after every tile, then a map of the disagreement between results for a turned input.

    The metadata of the map hold what the user should know of it under ``"notes"``.

    Parameters
    ----------
    record
        Record of the result, which names the model.
    lr
        Input of the result.
    calibration
        Calibration file. With one, the map has error bars instead of the disagreement.

    Raises
    ------
    SuperResError
        If the model is not available or has changed, or the calibration is for another one.
    """
    from napari_superres import evaluation
    from napari_superres.evaluation.uncertainty.calibration import Binding, Calibration, intervals

    bars = None if calibration is None else Calibration.from_json(calibration)
    with in_use:
        model = _model_of(record)
        spread = None
        for spread in evaluation.iter_spread(lr, model):  # noqa: B007 - the last is used
            yield None
    assert spread is not None
    values = spread.deviation if bars is None else intervals(spread, bars, Binding.of(spread))
    trust = evaluation.average_samples(values)
    yield trust.replace(metadata={**trust.metadata, "notes": spread.notes})


def _model_of(record: Mapping[str, Any]) -> "Model":
    """Return the model that a record names."""
    recorded = record.get("model", {})
    several = {part["model"]["sha256"] for part in record.get("per_channel", ())}
    if not recorded.get("name") or len(several) > 1:
        raise EvaluationError("the result's record does not name a single model.", remedy=_COMPUTE_AGAIN)
    if not recorded.get("sha256"):
        raise EvaluationError(f"{recorded['name']} is an interpolation, and all its results agree.")
    model: Model = load_models(recorded["name"])
    if model.sha256 != recorded["sha256"]:
        raise EvaluationError(f"{recorded['name']} is not the model that computed the result.", remedy=_COMPUTE_AGAIN)
    return model


def interpolated(result: Image, lr: Image) -> Image:
    """Return the bicubic interpolation of an input on the grid of its result.

    Raises
    ------
    SuperResError
        If the scale between input and result is not a whole number, or memory is short.
    """
    from napari_superres.evaluation.baselines import BICUBIC, interpolate
    from napari_superres.evaluation.registration.scale import scale_of

    with in_use:
        return interpolate(lr, BICUBIC, scale_of(result, lr) or {"Y": 1, "X": 1})


def ring_correlations(
    result: Image, reference: Image, base: Image | None = None, *, register: bool = False
) -> "dict[str, RingCorrelation]":
    """Return the ring correlation of a result, and of the interpolation of its input, with the reference.

    They are measured in some planes of the first channel; colours are averaged.

    Raises
    ------
    SuperResError
        If one does not have the reference's grid, cannot be registered or is too small.
    """
    from napari_superres import evaluation
    from napari_superres.evaluation.registration.match import match
    from napari_superres.evaluation.reporting import findings

    if register:
        moved = evaluation.register(result, reference)
        result, reference = moved.result, moved.reference
    correlations = {}
    for name, image in {"result": result, "interpolation": base}.items():
        if image is not None:
            pair = match(image, reference, names=(name, "reference"))
            one, other = (findings.first_channel(findings.few_planes(i)) for i in (pair.result, pair.reference))
            correlations[name] = evaluation.ring_correlation(one, other)
    return correlations


def radial_powers(images: Mapping[str, Image]) -> "dict[str, tuple[str, Curve]]":
    """Return the unit of length and the radial power spectrum of each image.

    They are measured in some planes of the first channel; colours are averaged.
    """
    from napari_superres.evaluation.registration.lengths import length_unit
    from napari_superres.evaluation.reporting import findings

    return {name: (length_unit(image), findings.radial_power(image)) for name, image in images.items()}
