"""Models in the groups and lines of the open list; without Qt."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from napari_superres.models import ModelCard
from napari_superres.plugin.host.labels import window_text
from napari_superres.plugin.widgets.common.card_html import in_groups

SUITED, OWN, OTHER, INTERPOLATION = "Fits this layer", "Yours", "Others", "Interpolation"
"""Titles of the groups, from top to bottom."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A model in the list.

    Attributes
    ----------
    value
        Name of the model, or path of its file.
    title
        What it is, in words that no other entry has.
    line
        Its name and what it was trained on, or why it cannot run on the layer.
    is_refused
        Whether it cannot run on the layer.
    """

    value: str
    title: str
    line: str
    is_refused: bool = False

    def matches(self, words: Sequence[str]) -> bool:
        """Return whether the title or the line contains all words, which are in lower case."""
        text = f"{self.title} {self.value} {self.line}".casefold()
        return all(word in text for word in words)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the layer and of the library.

    Attributes
    ----------
    suited
        Names of the models that fit the layer, the best first.
    refused
        Why others cannot run on it, by name.
    own
        Names of the models that the user has added.
    """

    suited: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    own: Collection[str] = ()


def titles(cards: Sequence[tuple[ModelCard, str]]) -> list[tuple[str, str]]:
    """Return title and value of each model; where several have one title, their names tell them apart.

    Parameters
    ----------
    cards
        Card and value of each model. The value of a file is its path.
    """
    plain = [card.title or card.name for card, _ in cards]
    count = Counter(plain)
    named = [
        title if count[title] == 1 else f"{title} ({card.name})" for title, (card, _) in zip(plain, cards, strict=True)
    ]
    # Two files may hold one model.
    count = Counter(named)
    return [
        (title if count[title] == 1 else f"{title} ({value})", value)
        for title, (_, value) in zip(named, cards, strict=True)
    ]


def in_order(cards: Sequence[ModelCard]) -> list[ModelCard]:
    """Return cards by modality, with interpolation last."""
    return [card for group in in_groups(cards) for card in group]


def group_models(cards: Sequence[tuple[ModelCard, str]], known: Known) -> list[tuple[str, list[Entry]]]:
    """Return the groups that are not empty, with their models.

    Parameters
    ----------
    cards
        Card and value of each model.
    known
        What is known of the layer and of the library.
    """
    groups: dict[str, list[Entry]] = {name: [] for name in (SUITED, OWN, OTHER, INTERPOLATION)}
    entries = [
        (_group(card, value, known), card, Entry(value, title, *_line(card, value, known)))
        for (card, value), (title, _) in zip(cards, titles(cards), strict=True)
    ]
    for group, _, entry in entries:
        groups[group].append(entry)
    groups[SUITED].sort(key=lambda entry: known.suited.index(entry.value))
    return [(name, sorted(group, key=lambda entry: entry.is_refused)) for name, group in groups.items() if group]


def _group(card: ModelCard, value: str, known: Known) -> str:
    if value in known.suited:
        return SUITED
    if card.is_interpolation:
        return INTERPOLATION
    return OWN if value in known.own or value != card.name else OTHER


def _line(card: ModelCard, value: str, known: Known) -> tuple[str, bool]:
    """Return the second line of an entry, and whether the model is refused."""
    if reason := known.refused.get(value, ""):
        return f"{card.name}: {window_text(reason)}", True
    words = [card.name, "any image" if card.is_interpolation else card.modality]
    words += ["yours"] if value in known.own else []
    words += ["file"] if value != card.name else []
    return " · ".join(words), False
