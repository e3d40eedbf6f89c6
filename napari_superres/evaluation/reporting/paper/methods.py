"""The paragraph on a result for the methods of a paper, from its record, the card of its model and its scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_superres.core.units import precision_text
from napari_superres.evaluation.reporting.paper.checklist import Item, cut_of, fill_checklist
from napari_superres.evaluation.reporting.spots import short_unit

if TYPE_CHECKING:
    from napari_superres.evaluation.metrics.score import Row
    from napari_superres.evaluation.reporting.questions import Answer
    from napari_superres.models.card import ModelCard

_PROGRAM = "napari-superres-torch"


@dataclass(frozen=True, slots=True)
class Methods:
    """What a paper says of a result.

    Attributes
    ----------
    paragraph
        Sentences for the methods.
    citations
        What to cite.
    checklist
        Items of the checklist, each done, to be added, or not applicable.
    notes
        What the record does not say, so that the paragraph cannot.
    """

    paragraph: str
    citations: tuple[str, ...]
    checklist: tuple[Item, ...]
    notes: tuple[str, ...] = ()

    def to_text(self) -> str:
        """Return everything as plain text."""
        lines = [self.paragraph, "", "References", *(f"- {c}" for c in self.citations)]
        lines += [f"note: {note}" for note in self.notes]
        lines += ["", "Checklist (Schmied et al. 2024, doi:10.1038/s41592-023-01987-9)"]
        for level in dict.fromkeys(item.level for item in self.checklist):
            lines.append(f"{level}:")
            lines += [f"  [{i.mark}] {i.name}: {i.state}. {i.text}" for i in self.checklist if i.level == level]
        return "\n".join(lines)


def write_methods(
    record: Mapping[str, Any], *, rows: "Sequence[Row]" = (), answers: "Sequence[Answer]" = ()
) -> Methods:
    """Return the methods of a result.

    Parameters
    ----------
    record
        Provenance record of the result, as ``metadata["provenance"]`` holds it.
    rows, answers
        Scores and answers of an evaluation of this result, if there was one.

    Raises
    ------
    EvaluationError
        If the record is not one of a result.
    """
    from napari_superres.errors import EvaluationError

    parts = [p for p in record.get("per_channel") or [record] if isinstance(p, Mapping)]
    problem = EvaluationError(
        "the record does not say how the result was made.", remedy="Give a result of this program, or its record."
    )
    if not parts or not all(isinstance(p.get("model"), Mapping) and "name" in p["model"] for p in parts):
        raise problem
    try:
        return _write(parts, record, rows, answers)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        # A record may be of another program, or edited.
        raise problem from error


def _write(
    parts: Sequence[Mapping[str, Any]], record: Mapping[str, Any], rows: "Sequence[Row]", answers: "Sequence[Answer]"
) -> Methods:
    cards, notes = [], []
    for part in parts:
        card, note = _card_of(part["model"])
        cards.append(card)
        notes += [note] if note else []
    sentences = [_software(parts[0])]
    for part, card in zip(parts, cards, strict=True):
        sentences += [_model(part, card, several=len(parts) > 1), *_training(card)]
    if (members := record.get("members", 1)) != 1:
        sentences.append(f"The image is the mean of {members} results of {', '.join(record['models'])}.")
    sentences += [_input(parts[0]), *_parameters(parts[0]), *_scores(rows, answers)]
    sentences += dict.fromkeys(limit for part, card in zip(parts, cards, strict=True) for limit in _limits(part, card))
    sentences += [str(parts[0].get("warning", ""))]
    citations = dict.fromkeys(str(p["model"]["citation"]) for p in parts if p["model"].get("citation"))
    software = parts[0].get("software", {}).get(_PROGRAM, "unknown version")
    return Methods(
        " ".join(s for s in sentences if s),
        (*citations, f"{_PROGRAM} {software}. https://pypi.org/project/{_PROGRAM}/"),
        fill_checklist(parts, cards, evaluated=bool(rows), judged=bool(answers)),
        tuple(dict.fromkeys(notes)),
    )


def _card_of(model: Mapping[str, Any]) -> tuple["ModelCard | None", str]:
    """Return the card of a recorded model, if the model of that name here is the same; else a note."""
    from napari_superres.errors import SuperResError
    from napari_superres.models import load_model

    name = str(model["name"])
    try:
        found = load_model(name)
    except SuperResError:
        return None, f"the model {name} is not on this computer: its training and limits are missing here"
    if found.sha256 != (model.get("sha256") or ""):
        return (
            None,
            f"the model {name} on this computer is another one: training and limits of the recorded one are missing",
        )
    return found.card, ""


def _software(part: Mapping[str, Any]) -> str:
    software = dict(part.get("software", {}))
    version = software.pop(_PROGRAM, "of unknown version")
    rest = ", ".join(
        f"{'PyTorch' if n == 'torch' else n.capitalize() if n == 'python' else n} {v}" for n, v in software.items()
    )
    return f"Images were computed with superres ({_PROGRAM} {version}{f'; {rest}' if rest else ''})."


def _model(part: Mapping[str, Any], card: "ModelCard | None", *, several: bool) -> str:
    model = part["model"]
    recorded = dict(part.get("scale") or {})
    factors = [recorded[a] for a in "ZYX" if a in recorded]
    scale = " x ".join(map(str, factors)) + f" along {', '.join(a for a in 'ZYX' if a in recorded)}"
    if len(set(factors)) < 2:
        scale = f"x{factors[0]}" if factors else "by a factor that is not recorded"
    which = f"Channel {', '.join(map(str, part.get('channels', [])))} was" if several else "The pixel grid was"
    if not part.get("synthetic_detail", True):
        return f"{which} made finer ({scale}) by interpolation ({model['name']}); no detail was added."
    kind = f", a network for {model['modality']} images" if model.get("modality") else ""
    title = f" ({card.title})" if card is not None and card.title else ""
    digest = f"sha256 {model['sha256']}" if model.get("sha256") else "no digest"
    facts = f"version {model.get('version', '?')}, architecture {model.get('architecture', '?')}, {digest}"
    licence = f", licence {model['license']}" if model.get("license") else ""
    cite = f" [{model['citation']}]" if model.get("citation") else ""
    return f"{which} made finer ({scale}) by the model {model['name']}{title}{kind} ({facts}{licence}){cite}."


def _training(card: "ModelCard | None") -> list[str]:
    if card is None or card.is_interpolation:
        return []
    sentences = []
    if card.training:
        sentences.append(f"It was trained on: {card.training.rstrip('.')}.")
    if card.degradation:
        sentences.append(f"The inputs of the training were simulated by: {card.degradation.rstrip('.')}.")
    for name, score in card.scores.items():
        if name == "validation" or "psnr" not in score or "bicubic_psnr" not in score:
            continue
        count = f"{score['images']} " if "images" in score else ""
        sentences.append(
            f"On {count}{name} it reached {score['psnr']:.2f} dB (bicubic {score['bicubic_psnr']:.2f} dB; "
            f"{score.get('protocol', 'protocol not stated')})."
        )
    return sentences


def _input(part: Mapping[str, Any]) -> str:
    given = part.get("input", {})
    shape = " x ".join(map(str, given.get("shape", ())))
    sizes, units = given.get("pixel_size", ()), given.get("units", {})
    spatial = [a for a in given.get("axes", "") if a in "ZYX"]
    unit = units.get("X")
    size = (
        " x ".join(f"{v:.4g}" for v in sizes) + f" {short_unit(unit)} ({''.join(spatial)})"
        if unit
        else "of unknown size"
    )
    digest = f", sha256 {given['sha256']}" if given.get("sha256") else ""
    facts = f"{given.get('axes', '?')}, {given.get('dtype', '?')}, pixels {size}{digest}"
    cut = cut_of(part)
    return f"The input had {shape} pixels ({facts})." + (f" Of it, {', '.join(cut)} were computed." if cut else "")


def _parameters(part: Mapping[str, Any]) -> list[str]:
    sentences = []
    norm = part.get("normalisation")
    if isinstance(norm, Mapping) and part.get("synthetic_detail", True):
        pairs = zip(norm.get("low", ()), norm.get("high", ()), strict=False)
        ranges = "; ".join(f"{low:.6g} to {high:.6g}" for low, high in pairs)
        sentences.append(f"Intensities of {ranges} were mapped to 0 to 1 for the model and back.")
    told = part.get("told")
    if isinstance(told, Mapping):
        sigmas = told.get("psf_sigma") or [0]
        computed = [sigmas[c] for c in part.get("channels", range(len(sigmas)))]
        widths = " and ".join(dict.fromkeys(f"{sigma:.3g}" for sigma in computed))
        blur = f"a point-spread function of sigma {widths} pixels of the result" if any(computed) else "no blur"
        how = "measured in the image" if told.get("noise_measured") else "given"
        sentences.append(f"The model was told {blur} and the noise {how}, at strength {told.get('strength', 1):g}.")
    extra = ["the results of eight flips and turns were averaged"] if part.get("tta") else []
    precision = precision_text(str(part.get("precision", "?")), part.get("precision_db"))
    extra.append(f"it was computed in {precision} on {part.get('device', '?')}")
    sentences.append(_sentence(" and ".join(extra)))
    return sentences


def _scores(rows: "Sequence[Row]", answers: "Sequence[Answer]") -> list[str]:
    overall = [r for r in rows if r["channel"] == "all"]
    means = [r for r in overall if r["image"] == "mean"]
    images = len({r["image"] for r in overall} - {"mean"})
    shown = means or overall if images == 1 or means else []
    sentences = []
    judged = [r for r in shown if r.get("role") == "judged"]
    base = next((r for r in shown if r.get("role") == "baseline" and r["candidate"].startswith("bicubic")), None)
    for row in judged:
        text = f"against reference scans ({images} {'image' if images == 1 else 'images'}), {row['candidate']} reached "
        text += f"a PSNR of {row['psnr']:.2f} dB and an SSIM of {row['ssim']:.4f}"
        if base is not None:
            text += f" (bicubic interpolation of the same input: {base['psnr']:.2f} dB, {base['ssim']:.4f})"
        sentences.append(_sentence(text))
    if answers:
        words = {"yes": "passed", "no": "failed", "doubtful": "doubtful", "not measurable": "could not be made"}
        listed = "; ".join(f"{a.question.rstrip('?')}: {words[a.state]}" for a in answers)
        sentences.append(f"Checks of the result: {listed}.")
    return sentences


def _limits(part: Mapping[str, Any], card: "ModelCard | None") -> list[str]:
    limits = []
    if card is not None and card.limits:
        limits.append(f"Limits of the model: {card.limits.rstrip('.')}.")
    doubts = part.get("doubts") or ()
    if doubts:
        limits.append(f"Warnings of the run: {' '.join(str(d) for d in doubts)}")
    return limits


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
