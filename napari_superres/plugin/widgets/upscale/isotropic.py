"""Button that learns from a stack of thick slices how to make them thin."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_superres.core.image import Image
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.session import Session
from napari_superres.plugin.worker.job import Job
from napari_superres.plugin.worker.learn import LearntModel, learn_isotropic

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

    from napari_superres.training.isotropic import LearningStep

_FACTORS = (1.5, 10.5)
"""Distance of slices over pixel size that are rounded to factors that can be learnt."""


def is_anisotropic(image: Image | None) -> bool:
    """Return whether an image is a stack whose Z is coarser than Y and X by a factor that can be learnt."""
    if image is None or not image.has_pixel_size or image.size("Z") < 2:
        return False
    sizes = dict(zip(image.spatial, image.pixel_size, strict=True))
    return bool(_FACTORS[0] <= sizes["Z"] / np.mean([sizes["Y"], sizes["X"]]) < _FACTORS[1])


class IsotropicForm(QWidget):
    """The button, and below it the gain that was predicted. It is shown only for stacks of thick slices.

    Parameters
    ----------
    session
        Session of the panel, for the job.
    stepped
        Called with None at the start, then with each step of learning.
    ended
        Called at the end with the layer, and with the name of the model; empty if nothing was learnt.
    """

    def __init__(
        self,
        session: Session,
        stepped: "Callable[[LearningStep | None], None]",
        ended: "Callable[[ImageLayer, str], None]",
    ) -> None:
        super().__init__()
        self._session, self._stepped, self._ended = session, stepped, ended
        self._source: tuple[ImageLayer, Image] | None = None
        self._job: Job | None = None
        self._learnt = ""
        self.button = QPushButton("Make isotropic")
        self.button.setToolTip(
            "Learn from this stack's own planes how to make its slices as thin as its pixels are wide, then compute "
            "it. Takes a minute or more; the model is added to the library."
        )
        self.button.clicked.connect(self._begin)
        self.verdict = forms.text()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.button)
        layout.addWidget(self.verdict)
        self.hide()

    @property
    def is_running(self) -> bool:
        """Whether something is being learnt."""
        return self._job is not None

    def offer(self, layer: "ImageLayer | None", image: Image | None) -> None:
        """Show the button if a layer is a stack of thick slices.

        Parameters
        ----------
        layer, image
            The chosen layer and its image.
        """
        if self._source is None or layer is not self._source[0]:
            forms.say(self.verdict, "")
        self._source = None if layer is None or image is None else (layer, image)
        self.setVisible(is_anisotropic(image))

    def cancel(self) -> None:
        """Stop after the current step."""
        if self._job is not None:
            self._job.cancel()

    def _begin(self) -> None:
        if self._source is None or self._job is not None:
            return
        layer, image = self._source
        self._learnt = ""
        forms.say(self.verdict, "")
        self._job = Job(
            lambda: learn_isotropic(image, layer.name),
            stepped=self._show,
            failed=forms.show_error,
            ended=lambda complete: self._finish(layer, complete),
            doing=f"learning from {layer.name}",
        )
        self._stepped(None)
        self._session.add(self._job)

    def _show(self, step: Any) -> None:
        if not isinstance(step, LearntModel):
            self._stepped(step)
            return
        self._learnt = step.name
        forms.say(self.verdict, step.verdict)
        for note in step.notes:
            forms.show_warning(note)

    def _finish(self, layer: "ImageLayer", complete: bool) -> None:
        self._job = None
        self._ended(layer, self._learnt if complete else "")
