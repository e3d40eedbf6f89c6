"""`evaluate_folder`: many results against their references, paired by name; one failure does not stop the others."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import NamedTuple

from napari_superres.core.options import as_list, checks_names
from napari_superres.errors import EvaluationError, SettingsError, SuperResError
from napari_superres.evaluation.baselines import BICUBIC, DEFAULT_BASELINES, interpolated_input
from napari_superres.evaluation.candidates import RESULT, compare_candidates, run_model
from napari_superres.evaluation.compare import EvaluationSettings, compare
from napari_superres.evaluation.folder.many import files_of, report_files
from napari_superres.evaluation.images import about_now
from napari_superres.evaluation.metrics.conventions import ComparisonRules
from napari_superres.evaluation.metrics.objects.table import ObjectRow, Support
from napari_superres.evaluation.metrics.paired import Comparison
from napari_superres.evaluation.metrics.score import IntensityLimits, Row, average_rows, intensity_limits
from napari_superres.evaluation.pairing import Trio, pair_files, pair_masks
from napari_superres.evaluation.registration.match import MatchedPair, match
from napari_superres.evaluation.registration.register import Registration, Transform
from napari_superres.evaluation.registration.register import register as register_images
from napari_superres.evaluation.reporting import rivals
from napari_superres.evaluation.reporting.exhibits import with_exhibits
from napari_superres.evaluation.reporting.findings import Findings, base_on_grid, examine
from napari_superres.evaluation.reporting.objects import summarise
from napari_superres.evaluation.reporting.questions import Answer
from napari_superres.evaluation.reporting.report import Report

_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@checks_names
def evaluate_folder(
    sr_dir: str | Path | None,
    ref_dir: str | Path | None,
    *,
    lr_dir: str | Path | None = None,
    labels_dir: str | Path | None = None,
    models: str | Sequence[str] = (),
    against: str | None = None,
    convention: str = "microscopy",
    data_range: str | None = None,
    baselines: str | Sequence[str] = DEFAULT_BASELINES,
    psf_sigma: float | None = None,
    register: bool | Transform = False,
    detect: str | None = None,
    object_size: float | None = None,
) -> Report:
    """Measure every result of a folder, or what models make of every input, against its reference.

    Parameters
    ----------
    sr_dir
        Folder of results. None judges the models instead.
    ref_dir
        Folder of references. A result ``cells.tif`` or ``cells_MODEL.tif`` belongs to the reference and the input
        ``cells`` of any format. None compares each result with its input only.
    lr_dir
        Folder of inputs. Without it, each input is simulated, as in `evaluate`.
    labels_dir
        Folder of masks of the objects in the references, named as these or continued by ``_``, as ``cells_mask``.
    models
        Names of models to run on every input.
    against
        As in `evaluate`.
    convention
        As in `evaluate`.
    data_range
        As in `evaluate`. All images share one data range per channel, so that they can be averaged: from the
        smallest to the largest intensity that the policy finds in any reference.
    baselines
        As in `evaluate`.
    psf_sigma
        As in `evaluate`: one width for all inputs, or each fitted.
    register
        As in `evaluate`, for each image.
    detect, object_size
        As in `evaluate`.

    Returns
    -------
    Report
        Rows per image, then the mean over images per candidate; ``comparisons`` of each candidate with bicubic
        interpolation over all images. ``failures`` lists missing partners and images that could not be compared.
        Without references, ``files`` holds a line per file and there are no rows.

    Raises
    ------
    EvaluationError
        If no image could be compared.
    SettingsError
        If an option or one of its values is unknown.
    """
    models = as_list(models)
    settings = EvaluationSettings.of(
        models,
        convention,
        data_range,
        baselines=as_list(baselines),
        psf_sigma=psf_sigma,
        register=register,
        against=against,
        detect=detect,
        object_size=object_size,
        labelled=labels_dir is not None,
    )
    if sr_dir is None and (lr_dir is None or not models):
        raise EvaluationError(
            "without results, a folder of inputs and at least one model are needed.",
            remedy="Give the folder as `lr_dir`, and `models`.",
        )
    from napari_superres.io import InputPath

    results, inputs = (None if folder is None else InputPath(folder) for folder in (sr_dir, lr_dir))
    if ref_dir is None:
        if results is None or models or against is not None or register or settings.objects is not None:
            raise SettingsError(
                "`models`, `against`, `register`, `labels_dir` and `detect` need a folder of references."
            )
        return report_files(files_of(results, inputs))
    references = InputPath(ref_dir)
    trios, unpaired = pair_files(results, references, inputs)
    failures = [{"image": u.name, "reason": f"{u.reason} in {u.folder}"} for u in unpaired]
    masks: dict[str, Path | None] = {} if labels_dir is None else pair_masks(InputPath(labels_dir), trios)
    missing = f"no masks of this name in {None if labels_dir is None else InputPath(labels_dir)}"
    failures += [{"image": name, "reason": missing} for name, mask in masks.items() if mask is None]
    notes: list[str] = []
    limits = _common_limits(trios, settings.rules, failures, notes)
    failed = {failure["image"] for failure in failures}
    usable = [trio for trio in trios if trio.name not in failed]
    scored = _score_all(usable, masks, settings, limits, failures, notes)
    rows = [row for scores in scored for row in scores.rows]
    if not rows:
        reasons = "; ".join(f"{f['image']}: {f['reason']}" for f in failures[:3])
        raise EvaluationError(f"no image of {results or inputs} could be compared with {references}. {reasons}")
    comparisons = compare_candidates(rows, against)
    found = [row for scores in scored for row in scores.objects]
    objects = summarise(settings.objects, labels_dir is not None, found, [scores.support for scores in scored])
    verdicts = () if objects is None else (objects.answer(),)
    names = {row["image"] for row in rows}
    examined = [trio for trio in trios if trio.name in names]
    findings = _examine_all(examined, settings, comparisons, rows, verdicts, failures)
    conventions = _describe(settings.rules)
    about = about_now(next((f.pictures["result"] for f in findings.values() if f.pictures), None))
    rows += _means(rows, settings.rules)
    lines = (tuple(notes), tuple(failures))
    return Report(rows, conventions, *lines, comparisons, findings, about=about, objects=objects)


def _score_all(
    trios: Iterable[Trio],
    masks: Mapping[str, Path | None],
    settings: EvaluationSettings,
    limits: IntensityLimits | None,
    failures: list[dict[str, str]],
    notes: list[str],
) -> list["_Scores"]:
    """Return the scores of all images; add those that fail to `failures`, and each note once to `notes`."""
    scored: list[_Scores] = []
    images_of: dict[str, dict[str, str]] = {}
    for trio in trios:
        try:
            scores = _score(trio, masks.get(trio.name), settings, limits)
        except SuperResError as error:
            failures.append({"image": trio.name, "reason": str(error)})
            continue
        scored.append(scores)
        for note in scores.notes:
            # Notes that differ in their numbers only are said once.
            images_of.setdefault(_NUMBER.sub("#", note), {})[trio.name] = note
    notes += [_joined(by_image) for by_image in images_of.values()]
    return scored


def _joined(notes: Mapping[str, str]) -> str:
    """Return notes on several images that are the same but for numbers as one."""
    (name, note), *_ = notes.items()
    if len(notes) == 1:
        return f"{name}: {note}"
    numbers = f", with the numbers of {name}" if len(set(notes.values())) > 1 else ""
    return f"{len(notes)} images{numbers}: {note}"


def _score(trio: Trio, masks: Path | None, settings: EvaluationSettings, limits: IntensityLimits | None) -> "_Scores":
    from napari_superres.io import read_image

    result, lr = (None if path is None else read_image(path).with_nan() for path in (trio.result, trio.lr))
    labels = None if masks is None else read_image(masks)
    reference = read_image(trio.reference).with_nan()
    scores = compare(result, reference, lr, settings, name=trio.name, limits=limits, labels=labels)
    return _Scores(scores.rows, scores.notes, scores.objects, scores.support)


class _Scores(NamedTuple):
    """What is kept of the scores of an image, without its pixels."""

    rows: list[Row]
    notes: list[str]
    objects: list[ObjectRow]
    support: Support | None


def _describe(rules: ComparisonRules) -> dict[str, str]:
    """Return the rules in words, with what differs for a set of images."""
    words = rules.describe()
    if rules.data_range.startswith("reference"):
        words["data_range"] += ", from the lowest to the highest of all references: one for every image of the folder"
    return words


def _examine_all(
    trios: Iterable[Trio],
    settings: EvaluationSettings,
    comparisons: Sequence[Comparison],
    rows: Sequence[Row],
    verdicts: Sequence[Answer],
    failures: list[dict[str, str]],
) -> dict[str, Findings]:
    """Return the findings of every image; maps and pictures only of those that gain least and most, to save memory.

    Images that cannot be examined are added to `failures`.
    """
    found, shown = {}, _extremes(rows)
    for trio in trios:
        try:
            findings = _examine(trio, settings, comparisons, rows, verdicts)
        except SuperResError as error:
            failures.append({"image": trio.name, "reason": f"it was scored, but not examined: {error}"})
            continue
        found[trio.name] = findings if trio.name in shown else replace(findings, maps={}, pictures={}, consistency=None)
    return found


def _extremes(rows: Sequence[Row]) -> set[str]:
    """Return the images where the judged candidate gains least and most over interpolation."""
    overall = [r for r in rows if r["channel"] == "all"]
    base = {r["image"]: r["psnr"] for r in overall if r["role"] == "baseline" and r["candidate"].startswith(BICUBIC)}
    judged = next(r["candidate"] for r in overall if r["role"] == "judged")
    gains = {
        r["image"]: r["psnr"] - base[r["image"]] for r in overall if r["candidate"] == judged and r["image"] in base
    }
    finite: Mapping[str, float] = {name: gain for name, gain in gains.items() if isfinite(gain)}
    finite = finite or dict.fromkeys(gains, 0.0)
    return {min(finite, key=finite.__getitem__), max(finite, key=finite.__getitem__)} if finite else set()


def _examine(
    trio: Trio,
    settings: EvaluationSettings,
    comparisons: Sequence[Comparison],
    rows: Sequence[Row],
    verdicts: Sequence[Answer],
) -> Findings:
    from napari_superres.io import read_image

    lr = None if trio.lr is None else read_image(trio.lr).with_nan()
    if trio.result is not None:
        result = read_image(trio.result).with_nan()
    else:
        assert lr is not None
        result, _ = run_model(lr, settings.models[0])
    reference = read_image(trio.reference).with_nan()
    candidate = RESULT if trio.result is not None else settings.models[0]
    rows = [row for row in rows if row["image"] == trio.name]
    unknown = [n for n, i in (("result", result), ("reference", reference)) if not i.has_pixel_size]
    if settings.transform is not None:
        pair: Registration | MatchedPair = register_images(result, reference, transform=settings.transform)
    else:
        pair = match(result, reference)
    findings = examine(
        pair.result,
        pair.reference,
        lr,
        whole=result,
        registration=pair if isinstance(pair, Registration) else None,
        unknown=unknown,
        rows=rows,
        candidate=candidate,
    )
    base = None if lr is None else base_on_grid(pair.result, interpolated_input(result, lr))
    findings = with_exhibits(findings, pair.result, pair.reference, lr, base)
    verdict = rivals.beats(comparisons, candidate)
    verdicts = verdicts if verdict is None else (verdict, *verdicts)
    return replace(findings, answers=(*verdicts, *findings.answers))


def _common_limits(
    trios: Sequence[Trio], rules: ComparisonRules, failures: list[dict[str, str]], notes: list[str]
) -> IntensityLimits | None:
    """Return the data range that all references share, or None where the rules fix it without looking at them."""
    if rules.fixed is not None or rules.data_range == "dtype":
        return None
    from napari_superres.io import read_image

    per_image, types = [], set()
    for trio in trios:
        try:
            image = read_image(trio.reference).with_nan()
            per_image.append(intensity_limits(image, rules, None))
            types.add(str(image.dtype))
        except SuperResError as error:
            failures.append({"image": trio.name, "reason": str(error)})
    if len(types) > 1:
        notes.append(
            f"references hold different data types ({', '.join(sorted(types))}): over one data range, images of the "
            "narrower type look better than they are. Evaluate them separately"
        )
    counts = {len(limits) for limits in per_image}
    if len(counts) > 1:
        raise EvaluationError(
            f"all references of a folder must have the same number of channels, got {sorted(counts)}.",
            remedy="Evaluate them separately.",
        )
    return [(min(low for low, _ in c), max(high for _, high in c)) for c in zip(*per_image, strict=True)]


def _means(rows: Sequence[Row], rules: ComparisonRules) -> list[Row]:
    """Return one row per candidate: its mean over images; none if there is one image.

    Squared errors are pooled. The papers of ``sr-paper`` average decibels instead.
    """
    pooled = rules.convention != "sr-paper"
    overall = [r for r in rows if r["channel"] == "all"]
    if len({r["image"] for r in overall}) < 2:
        return []
    names = dict.fromkeys(r["candidate"] for r in overall)
    return [
        average_rows([r for r in overall if r["candidate"] == name], pooled=pooled, image="mean", candidate=name)
        for name in names
    ]
