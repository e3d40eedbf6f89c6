"""Choice among the models of the library and model files that are used once."""

from collections.abc import Mapping
from pathlib import Path

from magicgui.widgets import ComboBox
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QFileDialog, QWidget

from napari_superres.errors import ModelFileError, SuperResError
from napari_superres.models import ModelCard, find_card, list_models
from napari_superres.plugin.host.labels import window_text
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.card_html import in_groups, model_label


class ModelChoice:
    """A list of models.

    Attributes
    ----------
    box
        The control. Its value is the name of a model or the path of a file.
    """

    def __init__(self) -> None:
        self._files: tuple[tuple[ModelCard, str], ...] = ()
        self._refused: Mapping[str, str] = {}
        self.box = forms.narrow(
            ComboBox(
                choices=lambda _: self._entries(),
                label="Model",
                tooltip="Networks by modality, then interpolation. Until you choose one, it follows what is known of "
                "the layer; grey ones cannot run on it.",
            )
        )

    def _entries(self) -> list[tuple[str, str]]:
        known = [(model_label(card), card.name) for group in in_groups(list_models()) for card in group]
        return [(f"{model_label(card)} (file)", path) for card, path in self._files] + known

    @property
    def card(self) -> ModelCard | None:
        """Card of the chosen model, or None if its file was altered."""
        for card, path in self._files:
            if path == self.box.value:
                return card
        try:
            return find_card(self.box.value) if self.box.value else None
        except ModelFileError:
            return None

    def suggest(self, model: str) -> None:
        """Choose a model that the user did not ask for."""
        with self.box.changed.blocked():
            self.box.value = model

    def refuse(self, refused: Mapping[str, str]) -> None:
        """Show models that cannot run in grey, with the reason as their tooltip.

        Parameters
        ----------
        refused
            Names of the models and reasons.
        """
        self._refused = refused
        native: QComboBox = self.box.native
        for index, name in enumerate(self.box.choices):
            reason = refused.get(name, "")
            native.model().item(index).setEnabled(not reason)
            native.setItemData(index, window_text(reason), Qt.ItemDataRole.ToolTipRole)

    def add_file(self, path: str | Path) -> None:
        """Add a model file to the list and choose it.

        Parameters
        ----------
        path
            A ``.safetensors`` file of this package.

        Raises
        ------
        ModelFileError
            If the file cannot be used.
        """
        card = find_card(Path(path))
        self._files = (*((c, p) for c, p in self._files if p != str(path)), (card, str(path)))
        self.box.reset_choices()
        self.refuse(self._refused)
        self.box.value = str(path)

    def ask_for_file(self, parent: QWidget) -> None:
        """Let the user choose a model file, add it to the list and choose it."""
        path, _ = QFileDialog.getOpenFileName(parent, "Model file", "", "Model (*.safetensors)")
        if path:
            self.try_file(path)

    def try_file(self, path: str | Path) -> None:
        """Add a model file to the list and choose it, or show why it cannot be used."""
        try:
            self.add_file(path)
        except SuperResError as error:
            forms.show_error(str(error))

    def refresh(self) -> bool:
        """Read the library again, keep the chosen model, and return whether the choice had to change."""
        chosen = self.box.value
        with self.box.changed.blocked():
            self.box.reset_choices()
            if chosen in self.box.choices:
                self.box.value = chosen
            self.refuse(self._refused)
        return bool(self.box.value != chosen)
