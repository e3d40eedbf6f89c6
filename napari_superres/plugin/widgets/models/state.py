"""What is selected in the Models widget, what follows from it, and the texts to show; without Qt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from napari_superres.plugin.widgets.models import card_text
from napari_superres.plugin.widgets.models.work import ListedModel

TRUST_QUESTION = (
    "{name} is a program. Once it runs, it can do anything that you can do on this computer: read, change, delete and "
    "send files. Add it only if you know and trust its author.\n\nsha256 {sha256}\n\nAdd it and let it run?"
)
REMOVE_QUESTION = "Remove {name} from the library? The file that it was added from is kept."


@dataclass(frozen=True, slots=True)
class ModelsState:
    """State of the Models widget at one moment.

    Attributes
    ----------
    selected
        The model whose card is shown; None where none is selected.
    is_listed
        Whether the models have been listed once.
    is_busy
        Whether a model is being added, removed, measured or exported, or the list is being made.
    status
        Line on what is being done, or on what was done last.
    added
        Names of the models added since the last other action.
    problems
        Errors since then, one line each.
    measurements
        Results of Check in lines, by name and sha256 of the model.
    """

    selected: ListedModel | None = None
    is_listed: bool = False
    is_busy: bool = False
    status: str = ""
    added: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    measurements: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @property
    def is_ready(self) -> bool:
        """Whether the models are listed and nothing is being done."""
        return self.is_listed and not self.is_busy

    @property
    def can_use(self) -> bool:
        """Whether the selected model can be chosen in Super-resolve: damaged models cannot."""
        return self.selected is not None and self.selected.card is not None

    @property
    def can_remove(self) -> bool:
        """Whether the selected model can be removed: those that come with the program cannot."""
        return not self.is_busy and self.selected is not None and self.selected.entry is not None

    @property
    def can_export(self) -> bool:
        """Whether the selected model can be exported: interpolation and damaged models cannot."""
        card = None if self.selected is None else self.selected.card
        return not self.is_busy and card is not None and not card.is_interpolation

    @property
    def can_check(self) -> bool:
        """Whether the library can be checked."""
        return not self.is_busy

    @property
    def problem_text(self) -> str:
        """All problems, one per line."""
        return "\n".join(self.problems)

    @property
    def card_html(self) -> str:
        """Card of the selected model as rich text."""
        return "" if self.selected is None else card_text.whole_card_html(self.selected)

    @property
    def properties_html(self) -> str:
        """Properties of the selected model that were measured when it was added, as rich text."""
        card = None if self.selected is None else self.selected.card
        return "" if card is None else card_text.properties_html(card)

    @property
    def origin(self) -> str:
        """Where the selected model comes from."""
        return "" if self.selected is None else card_text.origin(self.selected)

    @property
    def origin_tooltip(self) -> str:
        """Whole sha256 of the selected model."""
        sha256 = "" if self.selected is None else self.selected.sha256
        return f"sha256 {sha256}" if sha256 else ""

    @property
    def measurement(self) -> str:
        """What Check measured of the selected model, in lines."""
        return "" if self.selected is None else self.measurements.get((self.selected.name, self.selected.sha256), "")

    @property
    def added_text(self) -> str:
        """Line on the models that were added."""
        return f"Added: {', '.join(self.added)}." if self.added else ""

    def cleared(self) -> "ModelsState":
        """Return the state without the texts of earlier actions."""
        return replace(self, status="", added=(), problems=())

    def with_problem(self, problem: str) -> "ModelsState":
        """Return the state with one more problem, unless it is listed already."""
        return self if problem in self.problems else replace(self, problems=(*self.problems, problem))

    def with_measurement(self, model: ListedModel, measured: Mapping[str, Any]) -> "ModelsState":
        """Return the state with what `check_model` measured of a model."""
        text = card_text.measurement_text(measured)
        return replace(self, measurements={**self.measurements, (model.name, model.sha256): text})


def adding_text(name: str, waiting: int) -> str:
    """Return the status line while a file is added and others wait."""
    more = f" {waiting} more to add." if waiting else ""
    return f"Adding {name}: measuring it may take a minute…{more}"


def checked_text(names: Sequence[str], problems: Sequence[str]) -> str:
    """Return the status line after the files of the library were checked."""
    return f"{len(names)} in the library, {len(problems) or 'none'} with a problem."


def measuring_text(name: str, ndim: int) -> str:
    """Return the status line while a model is measured."""
    return f"Measuring {name}{': volumes take minutes' if ndim == 3 else ''}…"
