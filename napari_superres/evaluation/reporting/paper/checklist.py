"""The checklist for publishing image analysis, filled in from a record: minimal and recommended level.

Schmied et al.: Community-developed checklists for publishing images and image analyses. Nature Methods 2024,
doi:10.1038/s41592-023-01987-9. Machine-learning workflows, the settings of established workflows, and what concerns
processed images in figures. The items are in our words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from napari_superres.models.card import ModelCard

ItemState = Literal["done", "you must add", "not applicable"]
_MARKS: Mapping[ItemState, str] = {"done": "x", "you must add": " ", "not applicable": "-"}


@dataclass(frozen=True, slots=True)
class Item:
    """One item of the checklist.

    Attributes
    ----------
    level
        ``"Minimal"`` or ``"Recommended"``.
    name
        What is asked for.
    state
        Whether the text and files of superres answer it.
    text
        The answer, or what to add.
    """

    level: str
    name: str
    state: ItemState
    text: str

    @property
    def mark(self) -> str:
        """One character: x, - or a space."""
        return _MARKS[self.state]


def fill_checklist(
    parts: Sequence[Mapping[str, Any]], cards: "Sequence[ModelCard | None]", *, evaluated: bool, judged: bool
) -> tuple[Item, ...]:
    """Return the checklist for a result.

    Parameters
    ----------
    parts
        Records of the parts of the result.
    cards
        Cards of their models; None where the recorded model is not known here.
    evaluated, judged
        Whether the result was compared with a reference, and whether questions about it were answered.
    """
    facts = _Facts(
        network=any(part.get("synthetic_detail", True) for part in parts),
        shipped=all(_is_shipped(card) for card in cards),
        cited=all(part["model"].get("citation") for part in parts),
        recorded=all(part.get("software") for part in parts),
        region=any(_is_part(part) for part in parts),
        described=all(card is not None and bool(card.training) for card in cards),
        limited=all(card is not None and bool(card.limits) for card in cards),
        evaluated=evaluated,
        judged=judged,
    )
    minimal = [Item("Minimal", name, *state) for name, state in _minimal(facts).items()]
    return (*minimal, *(Item("Recommended", name, *state) for name, state in _recommended(facts).items()))


class _Facts(NamedTuple):
    """What the items depend on."""

    network: bool
    shipped: bool
    cited: bool
    recorded: bool
    region: bool
    described: bool
    limited: bool
    evaluated: bool
    judged: bool


def _minimal(facts: _Facts) -> dict[str, tuple[ItemState, str]]:
    access = _either(
        facts.shipped,
        "The model comes with the program; its sha256 is in the paragraph.",
        "Deposit the model file in a public repository, and state its sha256.",
    )
    example = (
        "the input, result and reference that were scored" if facts.evaluated else "an input, its result and its record"
    )
    return {
        "Cite the method and the program": _either(
            facts.cited or not facts.network, "See the references.", "The model names no paper: cite it."
        ),
        "Give access to the model": access if facts.network else ("not applicable", "Interpolation has no weights."),
        "Give example or validation data": ("you must add", f"Deposit {example} in a public repository."),
        "State the key settings": _either(
            facts.recorded, "Scale, intensities and what the model was told are in the paragraph.", "None are recorded."
        ),
        "State exact versions": _either(
            facts.recorded, "Program, libraries and model are in the paragraph.", "None are recorded."
        ),
        "Keep regions of interest": ("done", "The region is in the paragraph and in the record.")
        if facts.region
        else ("not applicable", "The whole image was computed."),
        "Say that the image is processed": (
            "you must add",
            "Write it in the legend. The figure of the report has scale, model and version in the picture.",
        ),
        "Scale bar; equal contrast of images that are compared": (
            "you must add",
            "The figure of the report has both; see to it in your own panels.",
        ),
        "Keep the raw images": ("you must add", "Deposit the input. The record identifies it by its sha256."),
    }


def _recommended(facts: _Facts) -> dict[str, tuple[ItemState, str]]:
    untrained: tuple[ItemState, str] = ("not applicable", "Interpolation was not trained.")
    data = "Cite the data sets that the paragraph names." if facts.described else "Deposit and describe them."
    code = _either(
        facts.shipped,
        "The program is public, with the recipes of its models.",
        "Deposit the recipe or script of the training.",
    )
    limits = _either(
        facts.judged and facts.limited,
        "Limits of the model and the checks on this image are in the paragraph; discuss what failed.",
        "Evaluate the result with `evaluate()`, and discuss where it fails.",
    )
    return {
        "Training and test data, with metadata": ("you must add", data) if facts.network else untrained,
        "Code of the training": code if facts.network else untrained,
        "Limits on your own data": limits if facts.network else ("done", "No detail was added; the paragraph says so."),
        "State all settings": ("you must add", "Publish the record (.provenance.json): it repeats the run."),
        "Public example": ("you must add", "Deposit the record with one input, so that others can repeat the run."),
        "Scale of intensities in figures": (
            "you must add",
            "State the displayed range in the legend; the figure of the report prints it.",
        ),
    }


def _either(held: bool, done: str, missing: str) -> tuple[ItemState, str]:
    return ("done", done) if held else ("you must add", missing)


def _is_part(part: Mapping[str, Any]) -> bool:
    return bool(cut_of(part))


def cut_of(part: Mapping[str, Any]) -> list[str]:
    """Return the part of the input that was computed, per axis, in words; empty if it was all."""
    given = part.get("input", {})
    full = dict(zip(given.get("axes", ""), given.get("shape", ()), strict=False))
    return [f"{a} {r[0]} to {r[1]}" for a, r in (part.get("region") or {}).items() if list(r) != [0, full.get(a)]]


def _is_shipped(card: "ModelCard | None") -> bool:
    from napari_superres.models.library.shipped import interpolation_card, shipped_cards

    if card is None:
        return False
    return interpolation_card(card.name) is not None or any(card == other for other in shipped_cards())
