"""The list of models, grouped by modality, with a filter."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QLineEdit, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from napari_superres.models import ModelCard
from napari_superres.models.choice.choose import Choice
from napari_superres.plugin.widgets.common.card_html import factor_text, in_groups
from napari_superres.plugin.widgets.common.parts.two_lines import ENTRY, TwoLines
from napari_superres.plugin.widgets.models.work import ListedModel

_INDEX = Qt.ItemDataRole.UserRole
_HEIGHT = 240
"""Pixels; fixed, so that rows stay under the mouse when the texts below change."""


@dataclass(frozen=True, slots=True)
class ListEntry:
    """Two lines of the list.

    Attributes
    ----------
    title
        Title of the model.
    line
        Name, scale, modality, and how well it fits the layer.
    is_refused
        Whether it cannot run on the layer.
    """

    title: str
    line: str
    is_refused: bool


class ModelList(QWidget):
    """Models in groups, of which one is selected.

    Attributes
    ----------
    selection_changed
        Emits when another model is selected, or none.
    """

    selection_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._models: list[ListedModel] = []
        self._choice: Choice | None = None
        self._layer = ""
        self.search = QLineEdit()
        self.search.setPlaceholderText("Filter by name, title or modality")
        self.search.setToolTip("Show only models whose name, title or modality contains all these words.")
        self.search.setClearButtonEnabled(True)
        self.search.setAcceptDrops(False)  # Files that are dropped here are models to add.
        self.search.textChanged.connect(self._filter)
        self.tree = QTreeWidget()
        self.tree.setColumnCount(2)
        self.tree.setHeaderHidden(True)
        self.tree.setColumnHidden(1, True)  # The two lines of the first column show the title.
        self.tree.setItemDelegateForColumn(0, TwoLines(self.tree))
        self.tree.setIndentation(10)
        self.tree.setMinimumHeight(_HEIGHT)
        self.tree.setAccessibleName("Models")
        self.search.setAccessibleName("Filter of the models")
        self.tree.setToolTip("Models grouped by modality. Drop model files here to add them.")
        self.tree.currentItemChanged.connect(lambda *_: self.selection_changed.emit())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.search)
        layout.addWidget(self.tree)

    @property
    def selected(self) -> ListedModel | None:
        """The selected model."""
        item = self.tree.currentItem()
        index = None if item is None else item.data(0, _INDEX)
        return None if index is None else self._models[index]

    def show_models(self, models: list[ListedModel]) -> None:
        """List models, and keep the selected one."""
        name = self._selected_name
        self._models = models
        self._fill(name)

    def show_fit(self, choice: Choice | None, layer: str) -> None:
        """Show how well the models fit a layer.

        Parameters
        ----------
        choice
            The models for it; None without a layer.
        layer
            Its name.
        """
        self._choice, self._layer = choice, layer
        self._fill(self._selected_name)

    def _entry(self, model: ListedModel) -> ListEntry:
        card, choice = model.card, self._choice
        words = [model.name]
        if card is not None:
            words += [factor_text(card), _modality(card)]
        words += [] if model.entry is None else ["added"]
        is_refused = choice is not None and model.name in choice.refused
        if choice is not None:
            words += [f"fits {self._layer}"] if model.name in choice.suited else []
            words += [f"cannot run on {self._layer}"] if is_refused else []
        title = model.name if card is None or not card.title else card.title
        return ListEntry(title, " · ".join(words), is_refused)

    def select(self, name: str) -> None:
        """Select a model; clear the filter if it hides the model."""
        self._fill(name)
        if self._selected_name != name:
            with QSignalBlocker(self.search):
                self.search.clear()
            self._fill(name)

    @property
    def _selected_name(self) -> str:
        return "" if self.selected is None else self.selected.name

    def _filter(self, _: str) -> None:
        self._fill(self._selected_name)

    def _fill(self, name: str) -> None:
        """Show the models that match the filter, and select the one of this name, or the first."""
        words = self.search.text().casefold().split()
        with QSignalBlocker(self.tree):
            self.tree.clear()
            items = []
            for title, group in _groups(self._models):
                matching = [model for model in group if all(word in _searched_text(model) for word in words)]
                if matching:
                    items += self._add_group(title, matching, expanded=bool(words) or title != "interpolation")
            if items:
                item = next((item for item in items if item.text(0) == name), items[0])
                self.tree.setCurrentItem(item)
                self.tree.scrollToItem(item)
        self.selection_changed.emit()

    def _add_group(self, title: str, models: Iterable[ListedModel], *, expanded: bool) -> list[QTreeWidgetItem]:
        top = QTreeWidgetItem([title])
        top.setFlags(Qt.ItemFlag.ItemIsEnabled)
        self.tree.addTopLevelItem(top)
        top.setFirstColumnSpanned(True)
        top.setExpanded(expanded)
        items = []
        for model in models:
            entry = self._entry(model)
            item = QTreeWidgetItem([model.name, entry.title])
            item.setData(0, _INDEX, self._models.index(model))
            item.setData(0, ENTRY, entry)
            item.setData(0, Qt.ItemDataRole.AccessibleTextRole, f"{entry.title}, {entry.line}")
            # Escaped, because Qt would render HTML in a title.
            item.setToolTip(0, f"<qt>{escape(entry.title)}<br>{escape(entry.line)}</qt>")
            top.addChild(item)
            items.append(item)
        return items


def _groups(models: Iterable[ListedModel]) -> list[tuple[str, list[ListedModel]]]:
    """Return the models by modality: damaged ones first, interpolation last."""
    damaged = [model for model in models if model.card is None]
    usable = {model.name: model for model in models if model.card is not None}
    groups = [("cannot be used", damaged)] if damaged else []
    for cards in in_groups([model.card for model in usable.values() if model.card is not None]):
        groups.append((_modality(cards[0]), [usable[card.name] for card in cards]))
    return groups


def _modality(card: ModelCard) -> str:
    return "interpolation" if card.is_interpolation else card.modality


def _searched_text(model: ListedModel) -> str:
    words = [model.name, "" if model.entry is None else "added"]
    words += [] if model.card is None else [model.card.title, _modality(model.card)]
    return " ".join(words).casefold()
