"""`evaluate_folder`: many results against their references, paired by name; one failure does not stop the others."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import isfinite
from pathlib import Path

from napari_superres.core.options import as_list, checks_names
from napari_superres.errors import EvaluationError, SettingsError, SuperResError
from napari_superres.evaluation.baselines import BICUBIC, DEFAULT_BASELINES, interpolated_input
from napari_superres.evaluation.candidates import RESULT, run_model
from napari_superres.evaluation.compare import EvaluationSettings, ImageScores, compare, compare_candidates
from napari_superres.evaluation.folder.many import files_of, report_files
from napari_superres.evaluation.images import about_now
from napari_superres.evaluation.metrics.conventions import ComparisonRules
from napari_superres.evaluation.metrics.paired import Comparison
from napari_superres.evaluation.metrics.score import IntensityLimits, Row, average_rows, intensity_limits
from napari_superres.evaluation.pairing import Trio, pair_files
from napari_superres.evaluation.registration.match import MatchedPair, match
from napari_superres.evaluation.registration.register import Registration, Transform
from napari_superres.evaluation.registration.register import register as register_images
from napari_superres.evaluation.reporting import rivals
from napari_superres.evaluation.reporting.exhibits import with_exhibits
from napari_superres.evaluation.reporting.findings import Findings, base_on_grid, examine
from napari_superres.evaluation.reporting.report import Report

_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@checks_names
def evaluate_folder(
    sr_dir: str | Path | None,
    ref_dir: str | Path | None,
    *,
    lr_dir: str | Path | None = None,
    models: str | Sequence[str] = (),
    against: str | None = None,
    convention: str = "microscopy",
    data_range: str | None = None,
    baselines: str | Sequence[str] = DEFAULT_BASELINES,
    psf_sigma: float | None = None,
    register: bool | Transform = False,
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
    )
    if sr_dir is None and (lr_dir is None or not models):
        raise EvaluationError(
            "without results, a folder of inputs and at least one model are needed.",
            remedy="Give the folder as `lr_dir`, and `models`.",
        )
    from napari_superres.io import InputPath

    results, inputs = (None if folder is None else InputPath(folder) for folder in (sr_dir, lr_dir))
    if ref_dir is None:
        if results is None or models or against is not None or register:
            raise SettingsError("`models`, `against` and `register` need a folder of references.")
        return report_files(files_of(results, inputs))
    references = InputPath(ref_dir)
    trios, unpaired = pair_files(results, references, inputs)
    failures = [{"image": u.name, "reason": f"{u.reason} in {u.folder}"} for u in unpaired]
    notes: list[str] = []
    limits = _common_limits(trios, settings.rules, failures, notes)
    failed = {failure["image"] for failure in failures}
    rows = _score_all([trio for trio in trios if trio.name not in failed], settings, limits, failures, notes)
    if not rows:
        reasons = "; ".join(f"{f['image']}: {f['reason']}" for f in failures[:3])
        raise EvaluationError(f"no image of {results or inputs} could be compared with {references}. {reasons}")
    comparisons = compare_candidates(rows, against)
    scored = {row["image"] for row in rows}
    findings = _examine_all([t for t in trios if t.name in scored], settings, comparisons, rows, failures)
    conventions = _describe(settings.rules)
    about = about_now(next((f.pictures["result"] for f in findings.values() if f.pictures), None))
    means = _means(rows, settings.rules)
    return Report(rows + means, conventions, tuple(notes), tuple(failures), comparisons, findings, about=about)


def _score_all(
    trios: Iterable[Trio],
    settings: EvaluationSettings,
    limits: IntensityLimits | None,
    failures: list[dict[str, str]],
    notes: list[str],
) -> list[Row]:
    """Return the rows of all images; add those that fail to `failures`, and each note once to `notes`."""
    rows: list[Row] = []
    images_of: dict[str, dict[str, str]] = {}
    for trio in trios:
        try:
            scores = _score(trio, settings, limits)
        except SuperResError as error:
            failures.append({"image": trio.name, "reason": str(error)})
            continue
        rows += scores.rows
        for note in scores.notes:
            # Notes that differ in their numbers only are said once.
            images_of.setdefault(_NUMBER.sub("#", note), {})[trio.name] = note
    notes += [_joined(by_image) for by_image in images_of.values()]
    return rows


def _joined(notes: Mapping[str, str]) -> str:
    """Return notes on several images that are the same but for numbers as one."""
    (name, note), *_ = notes.items()
    if len(notes) == 1:
        return f"{name}: {note}"
    numbers = f", with the numbers of {name}" if len(set(notes.values())) > 1 else ""
    return f"{len(notes)} images{numbers}: {note}"


def _score(trio: Trio, settings: EvaluationSettings, limits: IntensityLimits | None) -> ImageScores:
    from napari_superres.io import read_image

    result, lr = (None if path is None else read_image(path).with_nan() for path in (trio.result, trio.lr))
    return compare(result, read_image(trio.reference).with_nan(), lr, settings, name=trio.name, limits=limits)


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
    failures: list[dict[str, str]],
) -> dict[str, Findings]:
    """Return the findings of every image; maps and pictures only of those that gain least and most, to save memory.

    Images that cannot be examined are added to `failures`.
    """
    found, shown = {}, _extremes(rows)
    for trio in trios:
        try:
            findings = _examine(trio, settings, comparisons, rows)
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
    trio: Trio, settings: EvaluationSettings, comparisons: Sequence[Comparison], rows: Sequence[Row]
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
    return findings if verdict is None else replace(findings, answers=(verdict, *findings.answers))


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
