"""`evaluate_folder`: many results against their references, paired by name; one failure does not stop the others."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import NamedTuple

from napari_superres.core.options import as_list, checks_names
from napari_superres.errors import EvaluationError, SuperResError
from napari_superres.evaluation.baselines import BICUBIC, DEFAULT_BASELINES
from napari_superres.evaluation.candidates import RESULT, run_model
from napari_superres.evaluation.compare import EvaluationSettings, compare, compare_with_bicubic
from napari_superres.evaluation.metrics.conventions import ComparisonRules
from napari_superres.evaluation.metrics.objects.table import ObjectRow, Support
from napari_superres.evaluation.metrics.paired import Comparison
from napari_superres.evaluation.metrics.score import IntensityLimits, Row, average_rows, intensity_limits
from napari_superres.evaluation.pairing import Trio, pair_files, pair_masks
from napari_superres.evaluation.registration.match import match
from napari_superres.evaluation.registration.register import Transform
from napari_superres.evaluation.registration.register import register as register_images
from napari_superres.evaluation.reporting import questions
from napari_superres.evaluation.reporting.findings import Findings, examine
from napari_superres.evaluation.reporting.objects import summarise
from napari_superres.evaluation.reporting.questions import Answer
from napari_superres.evaluation.reporting.report import Report


@checks_names
def evaluate_folder(
    sr_dir: str | Path | None,
    ref_dir: str | Path,
    *,
    lr_dir: str | Path | None = None,
    labels_dir: str | Path | None = None,
    models: str | Sequence[str] = (),
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
        ``cells`` of any format.
    lr_dir
        Folder of inputs. Without it, each input is simulated, as in `evaluate`.
    labels_dir
        Folder of masks of the objects in the references, named as these or continued by ``_``, as ``cells_mask``.
    models
        Names of models to run on every input.
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
    comparisons = compare_with_bicubic(rows)
    notes.append("only the images where the result gains least and most are examined beyond metrics")
    found = [row for scores in scored for row in scores.objects]
    objects = summarise(settings.objects, labels_dir is not None, found, [scores.support for scores in scored])
    verdicts = () if objects is None else (objects.answer(),)
    findings = {trio.name: _examine(trio, settings, comparisons, verdicts) for trio in _extremes(trios, rows)}
    conventions = _describe(settings.rules)
    lines = (tuple(notes), tuple(failures))
    return Report(rows + _means(rows), conventions, *lines, comparisons, findings, objects=objects)


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
    images_of: dict[str, list[str]] = {}
    for trio in trios:
        try:
            scores = _score(trio, masks.get(trio.name), settings, limits)
        except SuperResError as error:
            failures.append({"image": trio.name, "reason": str(error)})
            continue
        scored.append(scores)
        for note in scores.notes:
            images_of.setdefault(note, []).append(trio.name)
    notes += [f"{names[0] if len(names) == 1 else f'{len(names)} images'}: {note}" for note, names in images_of.items()]
    return scored


def _score(trio: Trio, masks: Path | None, settings: EvaluationSettings, limits: IntensityLimits | None) -> "_Scores":
    from napari_superres.io import read_image

    result, lr = (None if path is None else read_image(path) for path in (trio.result, trio.lr))
    labels = None if masks is None else read_image(masks)
    reference = read_image(trio.reference)
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


def _extremes(trios: Sequence[Trio], rows: Sequence[Row]) -> list[Trio]:
    """Return the images where the judged candidate gains least and most over interpolation."""
    overall = [r for r in rows if r["channel"] == "all"]
    base = {r["image"]: r["psnr"] for r in overall if r["role"] == "baseline" and r["candidate"].startswith(BICUBIC)}
    judged = next(r["candidate"] for r in overall if r["role"] == "judged")
    gains = {
        r["image"]: r["psnr"] - base[r["image"]] for r in overall if r["candidate"] == judged and r["image"] in base
    }
    finite: Mapping[str, float] = {name: gain for name, gain in gains.items() if isfinite(gain)}
    finite = finite or dict.fromkeys(gains, 0.0)
    chosen = {min(finite, key=finite.__getitem__), max(finite, key=finite.__getitem__)} if finite else set()
    return [trio for trio in trios if trio.name in chosen]


def _examine(
    trio: Trio, settings: EvaluationSettings, comparisons: Sequence[Comparison], verdicts: Sequence[Answer]
) -> Findings:
    from napari_superres.io import read_image

    lr = None if trio.lr is None else read_image(trio.lr)
    if trio.result is not None:
        result = read_image(trio.result)
    else:
        assert lr is not None
        result, _ = run_model(lr, settings.models[0])
    reference = read_image(trio.reference)
    if settings.transform is not None:
        moved = register_images(result, reference, transform=settings.transform)
        findings = examine(moved.result, moved.reference, lr, whole=result, registration=moved)
    else:
        pair = match(result, reference)
        findings = examine(pair.result, pair.reference, lr, whole=result)
    verdict = questions.beats(comparisons, RESULT if trio.result is not None else settings.models[0])
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
            image = read_image(trio.reference)
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


def _means(rows: Sequence[Row]) -> list[Row]:
    """Return one row per candidate: its mean over images; none if there is one image."""
    overall = [r for r in rows if r["channel"] == "all"]
    if len({r["image"] for r in overall}) < 2:
        return []
    names = dict.fromkeys(r["candidate"] for r in overall)
    return [
        average_rows([r for r in overall if r["candidate"] == name], image="mean", candidate=name) for name in names
    ]
