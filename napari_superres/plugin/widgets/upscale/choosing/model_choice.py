"""Choice among the models of the library and model files that are used once."""

from contextlib import suppress
from pathlib import Path

from magicgui.widgets import ComboBox
from qtpy.QtWidgets import QComboBox, QFileDialog, QWidget

from napari_superres.errors import ModelFileError, SuperResError
from napari_superres.models import ModelCard, find_card, list_models
from napari_superres.models.choice.choose import Choice
from napari_superres.models.library.index import library_entries
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.upscale.choosing.model_groups import Entry, Known, group_models, in_order, titles
from napari_superres.plugin.widgets.upscale.choosing.model_popup import ModelPopup


class ModelChoice:
    """A list of models.

    Parameters
    ----------
    main
        Another list, whose single files this one offers, too.

    Attributes
    ----------
    box
        The control. Its value is the name of a model or the path of a file.
    popup
        The open list of the box.
    """

    def __init__(self, main: "ModelChoice | None" = None) -> None:
        self._files: list[tuple[ModelCard, str]] = [] if main is None else main._files
        self._choice: Choice | None = None
        self.box = forms.narrow(
            ComboBox(
                choices=lambda _: titles(self._cards()),
                label="Model",
                tooltip="Models that fit the layer come first, then yours and others, and interpolation as a baseline. "
                "Until you choose one, it follows what is known of the layer.",
            )
        )
        self.popup = ModelPopup(self.box.native, self._groups)

    def _cards(self) -> list[tuple[ModelCard, str]]:
        return [*self._files, *((card, card.name) for card in in_order(list_models()))]

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
        """Choose a model that the user did not ask for, if it is offered."""
        if model not in self.box.choices:
            self.refresh()
        with self.box.changed.blocked(), suppress(ValueError):
            self.box.value = model

    def show_fit(self, choice: Choice) -> None:
        """Group the models by whether they fit a layer. Those that cannot run on it are grey, with the reason.

        Parameters
        ----------
        choice
            The models for the layer.
        """
        self._choice = choice
        self._disable()

    def _disable(self) -> None:
        """Let the arrow keys pass over models that cannot run, in the closed box as in the open list."""
        native: QComboBox = self.box.native
        for index, name in enumerate(self.box.choices):
            native.model().item(index).setEnabled(self._choice is None or name not in self._choice.refused)

    def _groups(self) -> list[tuple[str, list[Entry]]]:
        own = frozenset(_own_names())
        known = Known(own=own) if self._choice is None else Known(self._choice.suited, self._choice.refused, own)
        return group_models(self._cards(), known)

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
        self._files[:] = [*((c, p) for c, p in self._files if p != str(path)), (card, str(path))]
        self.box.reset_choices()
        self._disable()
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
        self._disable()
        return bool(self.box.value != chosen)


def _own_names() -> list[str]:
    with suppress(ModelFileError):  # The Models widget says what is wrong with the library.
        return list(library_entries())
    return []
