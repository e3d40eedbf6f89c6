"""The list of models: what there is, by what it is for, behind a filter."""

from collections.abc import Iterable
from html import escape

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QLineEdit, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from napari_superres.models import ModelCard
from napari_superres.plugin.widgets.common.card_html import in_groups
from napari_superres.plugin.widgets.models.work import Listed

_INDEX = Qt.ItemDataRole.UserRole
_WIDEST_NAME, _NARROWEST_TITLE = 150, 40  # pixels
_HEIGHT = 240  # pixels; fixed, so that rows stay under the mouse whatever is shown below


class ModelList(QWidget):
    """Models in groups; one of them is chosen."""

    chosen_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._models: list[Listed] = []
        self.search = QLineEdit()
        self.search.setPlaceholderText("Filter by name, title or modality")
        self.search.setToolTip("Show the models in whose name, title or modality all these words occur.")
        self.search.setClearButtonEnabled(True)
        self.search.setAcceptDrops(False)  # files dropped here are models too
        self.search.textChanged.connect(self._filter)
        self.tree = QTreeWidget()
        self.tree.setColumnCount(2)
        self.tree.setHeaderHidden(True)
        header = self.tree.header()
        if header is not None:
            header.setMinimumSectionSize(_NARROWEST_TITLE)
        self.tree.setIndentation(12)
        self.tree.setStyleSheet("QTreeWidget::item { padding: 2px 0; }")
        self.tree.setFixedHeight(_HEIGHT)
        self.tree.setToolTip("Models by what they were trained for. Drop model files here to add them.")
        self.tree.currentItemChanged.connect(lambda *_: self.chosen_changed.emit())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.search)
        layout.addWidget(self.tree)

    @property
    def chosen(self) -> Listed | None:
        """The model that is chosen."""
        item = self.tree.currentItem()
        at = None if item is None else item.data(0, _INDEX)
        return None if at is None else self._models[at]

    def show_models(self, models: list[Listed]) -> None:
        """List these models; the one that was chosen stays so."""
        wanted = "" if self.chosen is None else self.chosen.name
        self._models = models
        self._fill(wanted)

    def choose(self, name: str) -> None:
        """Choose a model; the filter goes if it hides this one."""
        self._fill(name)
        if self.chosen is None or self.chosen.name != name:
            with QSignalBlocker(self.search):
                self.search.clear()
            self._fill(name)

    def _filter(self, _: str) -> None:
        self._fill("" if self.chosen is None else self.chosen.name)

    def _fill(self, wanted: str) -> None:
        """Show the models that the filter lets through, and choose one of them."""
        words = self.search.text().casefold().split()
        with QSignalBlocker(self.tree):
            self.tree.clear()
            items = []
            for title, group in _groups(self._models):
                shown = [model for model in group if all(word in _searched(model) for word in words)]
                if shown:
                    items += self._add_group(title, shown, opened=bool(words) or title != "interpolation")
            if items:
                chosen = next((item for item in items if item.text(0) == wanted), items[0])
                self.tree.setCurrentItem(chosen)
                self.tree.scrollToItem(chosen)
            self.tree.setColumnWidth(0, min(self.tree.sizeHintForColumn(0), _WIDEST_NAME))
        self.chosen_changed.emit()

    def _add_group(self, title: str, models: Iterable[Listed], *, opened: bool) -> list[QTreeWidgetItem]:
        top = QTreeWidgetItem([title])
        top.setFlags(Qt.ItemFlag.ItemIsEnabled)
        self.tree.addTopLevelItem(top)
        top.setFirstColumnSpanned(True)
        top.setExpanded(opened)
        items = []
        for model in models:
            words = [] if model.entry is None else ["added"]
            words += [] if model.card is None else [model.card.title]
            item = QTreeWidgetItem([model.name, " · ".join(w for w in words if w)])
            item.setData(0, _INDEX, self._models.index(model))
            for column in (0, 1):
                item.setToolTip(
                    column, f"<qt>{escape(item.text(column))}</qt>"
                )  # never what a file takes for rich text
            top.addChild(item)
            items.append(item)
        return items


def _groups(models: Iterable[Listed]) -> list[tuple[str, list[Listed]]]:
    """Return the models by what they are for: first what needs care, interpolation last."""
    damaged = [model for model in models if model.card is None]
    usable = {model.name: model for model in models if model.card is not None}
    groups = [("cannot be used", damaged)] if damaged else []
    for cards in in_groups([model.card for model in usable.values() if model.card is not None]):
        groups.append((_modality(cards[0]), [usable[card.name] for card in cards]))
    return groups


def _modality(card: ModelCard) -> str:
    return "interpolation" if card.is_interpolation else card.modality


def _searched(model: Listed) -> str:
    words = [model.name, "" if model.entry is None else "added"]
    words += [] if model.card is None else [model.card.title, _modality(model.card)]
    return " ".join(words).casefold()
