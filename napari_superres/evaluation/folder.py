"""`evaluate_folder`: many results against their references, paired by name, one failure never stopping the rest."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite, nan
from pathlib import Path

from napari_superres.errors import EvaluationError, SuperResError
from napari_superres.evaluation.baselines import BICUBIC, DEFAULT_BASELINES
from napari_superres.evaluation.compare import RESULT, UNREGISTERED, Compared, Task, compare
from napari_superres.evaluation.metrics.conventions import ComparisonRules
from napari_superres.evaluation.metrics.paired import Comparison, compare_paired
from napari_superres.evaluation.metrics.score import IntensityLimits, Row, average_rows, intensity_limits
from napari_superres.evaluation.registration.match import match
from napari_superres.evaluation.registration.register import Transform
from napari_superres.evaluation.registration.register import register as register_images
from napari_superres.evaluation.reporting import questions
from napari_superres.evaluation.reporting.findings import Findings, examine
from napari_superres.evaluation.reporting.report import Report


@dataclass(frozen=True, slots=True)
class Trio:
    """Files of one image.

    Attributes
    ----------
    name
        The result's stem; of a DICOM file, whose name may be a patient's, a digest.
    result
        None where models are judged.
    reference
        Always there.
    lr
        The input, or None where none is used.
    """

    name: str
    result: Path | None
    reference: Path
    lr: Path | None


def evaluate_folder(
    sr_dir: str | Path | None,
    ref_dir: str | Path,
    *,
    lr_dir: str | Path | None = None,
    models: Sequence[str] = (),
    convention: str = "microscopy",
    data_range: str | None = None,
    baselines: Sequence[str] = DEFAULT_BASELINES,
    psf_sigma: float | None = None,
    register: bool | Transform = False,
) -> Report:
    """Measure every result of a folder, or what models make of every input, against its reference.

    Parameters
    ----------
    sr_dir, ref_dir, lr_dir
        Folders of results, references and inputs. A result ``cells.tif`` or ``cells_MODEL.tif``
        belongs to the reference and the input ``cells`` of any format. Without results, models are judged.
    models, convention, data_range, baselines, psf_sigma, register
        As in `evaluate`. One data range per channel is used for all images, so that they can be averaged:
        from the smallest to the largest intensity that the policy finds in any reference.

    Returns
    -------
    Report
        Rows per image, then the mean over images per candidate; ``comparisons`` of each candidate with bicubic
        interpolation over all images. ``failures`` lists missing partners and
        images that could not be compared.

    Raises
    ------
    EvaluationError
        If no image could be compared.
    """
    task = Task.of(models, convention, data_range, baselines=baselines, psf_sigma=psf_sigma, registered=register)
    if sr_dir is None and (lr_dir is None or not models):
        raise EvaluationError("without results, a folder of inputs (lr) and at least one model are needed.")
    judged = Path(sr_dir if sr_dir is not None else lr_dir or "")
    low = None if lr_dir is None else Path(lr_dir)
    trios, failures = _pairs(judged, Path(ref_dir), low, judged_is_input=sr_dir is None)
    rows: list[Row] = []
    notes: list[str] = []
    said: dict[str, list[str]] = {}
    limits = _common_limits(trios, task.rules, failures, notes)
    for trio in trios:
        if any(f["image"] == trio.name for f in failures):
            continue
        try:
            found = _compare(trio, task, limits)
        except SuperResError as error:
            failures.append({"image": trio.name, "reason": str(error)})
            continue
        rows += found.rows
        for note in found.notes:
            said.setdefault(note, []).append(trio.name)
    if not rows:
        reasons = "; ".join(f"{f['image']}: {f['reason']}" for f in failures[:3])
        raise EvaluationError(f"no image of {judged} could be compared with {ref_dir}. {reasons}")
    comparisons = compare_all(rows)
    notes += [f"{names[0] if len(names) == 1 else f'{len(names)} images'}: {note}" for note, names in said.items()]
    notes.append("of the folder, those images are looked at closely where the result gains least and most")
    findings = {trio.name: _looked(trio, task, comparisons) for trio in _extremes(trios, rows)}
    return Report(rows + _means(rows), _rules_of_set(task.rules), tuple(notes), tuple(failures), comparisons, findings)


def _rules_of_set(rules: ComparisonRules) -> dict[str, str]:
    """Return the rules in words: a range taken from the references is one for all of them."""
    words = rules.describe()
    if rules.data_range.startswith("reference"):
        words["data_range"] += (
            ", from the darkest to the brightest of all references: one for every image of the folder"
        )
    return words


def _extremes(trios: Sequence[Trio], rows: Sequence[Row]) -> list[Trio]:
    """Return the images where what is judged gains least and most over interpolation."""
    overall = [r for r in rows if r["channel"] == "all"]
    base = {r["image"]: r["psnr"] for r in overall if r["role"] == "baseline" and r["candidate"].startswith(BICUBIC)}
    first = next(r["candidate"] for r in overall if r["role"] == "judged")
    gains = {
        r["image"]: r["psnr"] - base[r["image"]] for r in overall if r["candidate"] == first and r["image"] in base
    }
    finite = {name: gain for name, gain in gains.items() if isfinite(gain)} or dict.fromkeys(gains, 0.0)
    chosen = {min(finite, key=finite.__getitem__), max(finite, key=finite.__getitem__)} if finite else set()
    return [trio for trio in trios if trio.name in chosen]


def _looked(trio: Trio, task: Task, comparisons: Sequence[Comparison]) -> Findings:
    from napari_superres.inference import upscale
    from napari_superres.io import read_image

    lr = None if trio.lr is None else read_image(trio.lr)
    result = read_image(trio.result) if trio.result is not None else upscale(lr, task.models[0]) if lr else None
    reference = read_image(trio.reference)
    assert result is not None
    if task.registered is not None:
        moved = register_images(result, reference, transform=task.registered)
        found = examine(moved.result, moved.reference, lr, whole=result, registration=moved)
    else:
        pair = match(result, reference)
        found = examine(pair.result, pair.reference, lr, whole=result)
    verdict = questions.beats(comparisons, RESULT if trio.result is not None else task.models[0])
    return found if verdict is None else replace(found, lights=(verdict, *found.lights))


def compare_all(rows: Sequence[Row]) -> tuple[Comparison, ...]:
    """Return how every candidate stands beside bicubic interpolation, over all images."""
    overall = [r for r in rows if r["channel"] == "all"]
    bicubic = [r["candidate"] for r in overall if r["candidate"].startswith(BICUBIC) and r["role"] == "baseline"]
    base = bicubic[0] if bicubic else None
    of_image = {(r["candidate"], r["image"]): r["psnr"] for r in overall}
    names = [n for n in dict.fromkeys(r["candidate"] for r in overall) if n not in (base, UNREGISTERED)]
    images = list(dict.fromkeys(r["image"] for r in overall))
    if base is None:
        return ()

    def values(name: str) -> list[float]:
        return [of_image.get((name, image), nan) for image in images]

    return tuple(compare_paired(values(name), values(base), names=(name, base)) for name in names)


def pair_by_stem(results: Sequence[str], partners: Sequence[str]) -> dict[str, str | None]:
    """Return for each result's stem the partner of the same stem, or the longest that it continues with ``_``."""
    paired: dict[str, str | None] = {}
    for stem in results:
        fitting = [p for p in partners if stem == p or stem.startswith(f"{p}_")]
        paired[stem] = max(fitting, key=len, default=None)
    return paired


def _pairs(
    sr_dir: Path, ref_dir: Path, lr_dir: Path | None, *, judged_is_input: bool
) -> tuple[list[Trio], list[dict[str, str]]]:
    from napari_superres.io import find_images, safe_name, stem

    results = {stem(p): Path(p) for p in find_images(sr_dir)}
    references = {stem(p): Path(p) for p in find_images(ref_dir)}
    inputs = None if lr_dir is None else {stem(p): Path(p) for p in find_images(lr_dir)}
    reference_of = pair_by_stem(list(results), list(references))
    input_of = {} if inputs is None else pair_by_stem(list(results), list(inputs))
    trios, failures = [], []
    for name, path in results.items():
        reference, low = reference_of[name], input_of.get(name)
        shown = safe_name(path)
        if reference is None:
            failures.append({"image": shown, "reason": f"no reference of this name in {ref_dir}"})
        elif inputs is not None and low is None:
            failures.append({"image": shown, "reason": f"no input of this name in {lr_dir}"})
        else:
            given = None if judged_is_input else path
            trios.append(Trio(shown, given, references[reference], inputs[low] if inputs and low else None))
    used = set(reference_of.values())
    unused = [safe_name(p) for n, p in references.items() if n not in used]
    failures += [
        {"image": n, "reason": f"no {'input' if judged_is_input else 'result'} of this name in {sr_dir}"}
        for n in unused
    ]
    return trios, failures


def _common_limits(
    trios: Sequence[Trio], rules: ComparisonRules, failures: list[dict[str, str]], notes: list[str]
) -> IntensityLimits | None:
    """Return the data range that holds for all references, or None where it needs no look at them."""
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
            "narrower type look better than they are. Evaluate them apart."
        )
    counts = {len(limits) for limits in per_image}
    if len(counts) > 1:
        raise EvaluationError(
            f"references of one folder must have as many channels, got {sorted(counts)}. Evaluate them apart."
        )
    return [(min(low for low, _ in c), max(high for _, high in c)) for c in zip(*per_image, strict=True)]


def _compare(trio: Trio, task: Task, limits: IntensityLimits | None) -> Compared:
    from napari_superres.io import read_image

    result, lr = (None if path is None else read_image(path) for path in (trio.result, trio.lr))
    return compare(result, read_image(trio.reference), lr, task, name=trio.name, limits=limits)


def _means(rows: Sequence[Row]) -> list[Row]:
    overall = [r for r in rows if r["channel"] == "all"]
    if len({r["image"] for r in overall}) < 2:
        return []
    names = dict.fromkeys(r["candidate"] for r in overall)
    return [
        average_rows([r for r in overall if r["candidate"] == name], image="mean", candidate=name) for name in names
    ]
