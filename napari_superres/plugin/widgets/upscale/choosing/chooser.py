"""Chooses the model for a layer, says why, and asks what the image shows where nothing tells it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_superres.core.image import Image
from napari_superres.models.choice.choose import Choice, choose_model
from napari_superres.models.library.folders import remember_kind, remembered_kind
from napari_superres.plugin.host.labels import window_text
from napari_superres.plugin.host.layers import channel_names_of
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.session import Session
from napari_superres.plugin.widgets.upscale.choosing.model_choice import ModelChoice
from napari_superres.plugin.worker.job import Job

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari.layers import Image as ImageLayer

AT_ONCE = 1 << 22
"""Pixels in memory up to which an image is looked at without a thread."""


class ModelChooser(QWidget):
    """The reason for the model, and below it the question with a button for each answer.

    Parameters
    ----------
    session
        Session of the panel, for the job that looks at large images.
    models
        Choice among the models, which follows.
    changed
        Called after the model or the question changed.

    Attributes
    ----------
    choice
        For the current layer; None until it is known.
    """

    def __init__(self, session: Session, models: ModelChoice, changed: Callable[[], None]) -> None:
        super().__init__()
        self._session, self._models, self._changed = session, models, changed
        self._by_hand: WeakKeyDictionary[ImageLayer, str] = WeakKeyDictionary()
        self._said: WeakKeyDictionary[ImageLayer, str] = WeakKeyDictionary()
        self._for_next = ""  # chosen by hand before there was a layer
        self._layer: ImageLayer | None = None
        self._image: Image | None = None
        self._job: Job | None = None
        self.choice: Choice | None = None
        self.reason = forms.text()
        self.reason.setToolTip("Why this model was chosen.")
        self.answers: list[QPushButton] = []
        models.popup.chosen.connect(self.take)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(4)
        self._column.addWidget(self.reason)
        self.hide()

    @property
    def is_asking(self) -> bool:
        """Whether it is not known yet what the image shows, and the user has neither said it nor chosen a model."""
        is_open = self._job is not None if self.choice is None else self.choice.model is None
        return is_open and self._layer is not None and self._layer not in self._by_hand

    def by_hand(self, layer: "ImageLayer") -> str:
        """Return the model that the user chose for a layer; empty if there is none."""
        return self._by_hand.get(layer, "")

    def keep(self, layer: "ImageLayer", model: str) -> None:
        """Keep a model that the user has chosen for a layer."""
        self._by_hand[layer] = model

    def follow(self, layer: "ImageLayer | None", image: Image | None) -> None:
        """Choose the model for a layer: the one that the user chose for it, or the one that suits its image.

        Parameters
        ----------
        layer, image
            The chosen layer and its image; None if it cannot be an image.
        """
        self._session.forget(self._job)
        self._job = None
        self._layer, self._image, self.choice = layer, image, None
        if layer is None or image is None:
            self._show()
            return
        if self._for_next:
            self._by_hand[layer], self._for_next = self._for_next, ""
        if layer in self._by_hand:
            self._models.suggest(self._by_hand[layer])  # A large image is looked at for a while.
        kind, said, names = self._said.get(layer), "as you said", channel_names_of(layer)
        if kind is None and (folder := _folder(layer)) is not None:
            kind, said = remembered_kind(folder), "as you said for this folder"

        def look() -> "Generator[Choice, None, None]":
            choice = choose_model(image, names=names)
            # What was said for a folder holds for images that do not tell themselves.
            yield choose_model(image, kind=kind, said=said) if choice.model is None and kind else choice

        if isinstance(image.data, np.ndarray) and image.data.size <= AT_ONCE:
            self._take(next(look()))
        else:
            self._job = Job(look, stepped=self._take_late, failed=forms.show_error, ended=self._end)
            self._show()
            self._session.add(self._job)

    def choose_by_hand(self) -> None:
        """Keep the model that the user has chosen for this layer, or for the first one."""
        if self._layer is None:
            self._for_next = self._models.box.value or ""
        elif self._models.box.value:
            self._by_hand[self._layer] = self._models.box.value
            self._show()

    def take(self, model: str) -> None:
        """Take a model that the user picked, also the one that is shown already: that answers the open question."""
        self._models.suggest(model)
        self.choose_by_hand()
        self._changed()

    def say(self, kind: str) -> None:
        """Take the user's answer for this layer, and for others of its folder that do not tell themselves."""
        layer = self._layer
        if layer is None:
            return
        self._said[layer] = kind
        self._by_hand.pop(layer, None)
        if (folder := _folder(layer)) is not None:
            remember_kind(folder, kind)
        self.follow(layer, self._image)
        self._changed()

    def _end(self, _: bool) -> None:
        self._job = None
        self._changed()

    def _take_late(self, choice: Choice) -> None:
        self._take(choice)
        self._changed()

    def _take(self, choice: Choice) -> None:
        self.choice = choice
        model = self._by_hand.get(self._layer, choice.model) if self._layer is not None else choice.model
        # While the question is open, the model for its likeliest answer is shown, and cannot be run.
        model = model or next(iter(choice.questions.values()))
        self._models.suggest(model)
        self._models.show_fit(choice)
        self._show()

    def _show(self) -> None:
        for button in self.answers:
            self._column.removeWidget(button)
            button.deleteLater()
        self.answers = []
        text = "Looking at the image…" if self._job is not None and self.choice is None else ""
        if self.is_asking and self.choice is not None:
            text = f"What does the image show? {window_text(self.choice.reason)}. Or choose a model."
            for kind, model in self.choice.questions.items():
                button = QPushButton(f"{kind[:1].upper()}{kind[1:]}")
                button.setToolTip(f"Use {model} for this image, and for others in its folder that do not tell.")
                button.clicked.connect(lambda _=False, kind=kind: self.say(kind))
                self._column.addWidget(button)
                self.answers.append(button)
        elif self.choice is not None and self._layer is not None and self._layer not in self._by_hand:
            text = window_text(self.choice.reason)
        forms.say(self.reason, text)
        self.setVisible(bool(text))


def _folder(layer: "ImageLayer") -> Path | None:
    path = layer.source.path or layer.metadata.get("path")
    return Path(path).parent if path else None
