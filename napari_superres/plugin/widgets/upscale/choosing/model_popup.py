"""The open list of models: searchable, in groups, titles first and names small."""

from collections.abc import Callable, Sequence
from typing import Any

from qtpy.QtCore import QEvent, QObject, QPoint, QRect, Qt, Signal
from qtpy.QtWidgets import QApplication, QComboBox, QFrame, QLineEdit, QTreeWidget, QTreeWidgetItem, QVBoxLayout

from napari_superres.plugin.widgets.common.parts.two_lines import ENTRY, TwoLines
from napari_superres.plugin.widgets.upscale.choosing.model_groups import Entry

Groups = Sequence[tuple[str, Sequence[Entry]]]

_LEAST_WIDTH, _MOST_HEIGHT = 320, 460  # pixels
_OPENING_KEYS = (Qt.Key.Key_Space, Qt.Key.Key_F4, Qt.Key.Key_Return, Qt.Key.Key_Enter)
_MOVING_KEYS = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown)


class ModelPopup(QFrame):
    """The list, which opens below a box in place of the box's own list.

    Parameters
    ----------
    box
        Box that it opens below. Its tooltip and its value stay its own.
    groups
        Returns the titles of the groups and their models.
    """

    chosen = Signal(str)
    """Emits the value of the entry that the user picks, also if it is the current one."""

    def __init__(self, box: QComboBox, groups: Callable[[], Groups]) -> None:
        super().__init__(box, Qt.WindowType.Popup)
        self._box, self._groups = box, groups
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search title, name or modality")
        self.search.setToolTip("Show only models that contain all these words.")
        self.search.setAccessibleName("Search models")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(lambda _: self._fill())
        self.search.installEventFilter(self)
        self.tree = QTreeWidget()
        self.tree.setHeaderHidden(True)
        self.tree.setRootIsDecorated(False)
        self.tree.setIndentation(0)
        self.tree.setUniformRowHeights(False)
        self.tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.tree.setAccessibleName("Models")
        self.tree.setItemDelegate(TwoLines(self.tree))
        self.tree.itemClicked.connect(self._pick)
        self.tree.itemActivated.connect(self._pick)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)  # A margin would be white in every theme.
        layout.setSpacing(0)
        layout.addWidget(self.search)
        layout.addWidget(self.tree)
        box.installEventFilter(self)

    @property
    def entries(self) -> dict[str, list[QTreeWidgetItem]]:
        """The shown entries by the title of their group."""
        shown: dict[str, list[QTreeWidgetItem]] = {}
        for index in range(self.tree.topLevelItemCount()):
            item = self.tree.topLevelItem(index)
            if item is not None and item.data(0, ENTRY) is None:
                group = shown[item.text(0)] = []
            elif item is not None:
                group.append(item)
        return shown

    def open(self) -> None:
        """Show the list below the box, or above it where the screen ends."""
        self.search.clear()
        self._fill()
        screen = self._box.screen()
        area = screen.availableGeometry() if screen is not None else QRect(0, 0, 1280, 800)
        width = min(max(self._box.width(), _LEAST_WIDTH), area.width())
        height = min(_MOST_HEIGHT, area.height())
        below = self._box.mapToGlobal(QPoint(self._box.width() - width, self._box.height()))
        x = min(max(below.x(), area.left()), area.right() - width)
        y = min(below.y(), area.bottom() - height)
        self.setGeometry(x, max(y, area.top()), width, height)
        self.show()
        self.search.setFocus()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 - Qt's name
        """Open in place of the box's own list; let the arrow keys move in the list while the search has the focus."""
        if event is None:
            return False
        kind, is_box = event.type(), watched is self._box
        if is_box:
            is_press = kind == QEvent.Type.MouseButtonPress and _is_left(event)
            if self._box.isEnabled() and (is_press or (kind == QEvent.Type.KeyPress and _opens(event))):
                self.open()
                return True
        elif watched is self.search and kind == QEvent.Type.KeyPress:
            return self._take_key(event)
        return False

    def _take_key(self, event: Any) -> bool:
        if event.key() in _MOVING_KEYS:
            QApplication.sendEvent(self.tree, event)
            return True
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._pick(self.tree.currentItem())
            return True
        return False

    def _fill(self) -> None:
        """Show the entries that match the search, and select the current model or the first that can run."""
        words = self.search.text().casefold().split()
        self.tree.clear()
        able: list[tuple[Entry, QTreeWidgetItem]] = []
        for title, entries in self._groups():
            matching = [entry for entry in entries if entry.matches(words)]
            if matching:
                self.tree.addTopLevelItem(_heading(title))
            for entry in matching:
                item = _item(entry)
                self.tree.addTopLevelItem(item)
                if not entry.is_refused:
                    able.append((entry, item))
        current = next((item for entry, item in able if entry.value == self._box.currentData()), None)
        if able:
            item = able[0][1] if current is None or words else current
            self.tree.setCurrentItem(item)
            self.tree.scrollToItem(item)

    def _pick(self, item: QTreeWidgetItem | None, _: int = 0) -> None:
        entry = None if item is None else item.data(0, ENTRY)
        if entry is not None and not entry.is_refused:
            self.hide()
            self.chosen.emit(entry.value)


def _is_left(event: Any) -> bool:
    return bool(event.button() == Qt.MouseButton.LeftButton)


def _opens(event: Any) -> bool:
    is_plain = event.modifiers() in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier)
    is_alt = bool(event.modifiers() & Qt.KeyboardModifier.AltModifier)
    return (is_plain and event.key() in _OPENING_KEYS) or (is_alt and event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down))


def _heading(title: str) -> QTreeWidgetItem:
    item = QTreeWidgetItem([title])
    item.setFlags(Qt.ItemFlag.ItemIsEnabled)
    font = item.font(0)
    font.setBold(True)
    item.setFont(0, font)
    return item


def _item(entry: Entry) -> QTreeWidgetItem:
    # The text is what screen readers say; the delegate draws it as two lines.
    item = QTreeWidgetItem([f"{entry.title}, {entry.line}"])
    item.setData(0, ENTRY, entry)
    item.setToolTip(0, entry.line)
    enabled = Qt.ItemFlag.NoItemFlags if entry.is_refused else Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
    item.setFlags(enabled)
    return item
