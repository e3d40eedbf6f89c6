"""The list of models, grouped by modality, with a filter."""

from collections.abc import Iterable
from html import escape

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QLineEdit, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from napari_superres.models import ModelCard
from napari_superres.plugin.widgets.common.card_html import in_groups
from napari_superres.plugin.widgets.models.work import ListedModel

_INDEX = Qt.ItemDataRole.UserRole
_WIDEST_NAME, _NARROWEST_TITLE = 150, 40  # pixels
_HEIGHT = 240
"""Pixels; fixed, so that rows stay under the mouse when the texts below change."""


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
        self.search = QLineEdit()
        self.search.setPlaceholderText("Filter by name, title or modality")
        self.search.setToolTip("Show only models whose name, title or modality contains all these words.")
        self.search.setClearButtonEnabled(True)
        self.search.setAcceptDrops(False)  # Files that are dropped here are models to add.
        self.search.textChanged.connect(self._filter)
        self.tree = QTreeWidget()
        self.tree.setColumnCount(2)
        self.tree.setHeaderHidden(True)
        header = self.tree.header()
        if header is not None:
            header.setMinimumSectionSize(_NARROWEST_TITLE)
        self.tree.setIndentation(12)
        self.tree.setStyleSheet("QTreeWidget::item { padding: 2px 0; }")
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
            self.tree.setColumnWidth(0, min(self.tree.sizeHintForColumn(0), _WIDEST_NAME))
        self.selection_changed.emit()

    def _add_group(self, title: str, models: Iterable[ListedModel], *, expanded: bool) -> list[QTreeWidgetItem]:
        top = QTreeWidgetItem([title])
        top.setFlags(Qt.ItemFlag.ItemIsEnabled)
        self.tree.addTopLevelItem(top)
        top.setFirstColumnSpanned(True)
        top.setExpanded(expanded)
        items = []
        for model in models:
            words = [] if model.entry is None else ["added"]
            words += [] if model.card is None else [model.card.title]
            item = QTreeWidgetItem([model.name, " · ".join(w for w in words if w)])
            item.setData(0, _INDEX, self._models.index(model))
            for column in (0, 1):
                # Escaped, because Qt would render HTML in a title.
                item.setToolTip(column, f"<qt>{escape(item.text(column))}</qt>")
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
