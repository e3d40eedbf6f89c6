"""Button that learns from a stack of thick slices how to make them thin."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QPushButton

from napari_superres.core.image import Image
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.session import Session
from napari_superres.plugin.widgets.upscale.learning.form import LearningForm
from napari_superres.plugin.worker.learn import learn_isotropic

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

_FACTORS = (1.5, 10.5)
"""Distance of slices over pixel size that are rounded to factors that can be learnt."""


def is_anisotropic(image: Image | None) -> bool:
    """Return whether an image is a stack whose Z is coarser than Y and X by a factor that can be learnt."""
    if image is None or not image.has_pixel_size or image.size("Z") < 2:
        return False
    sizes = dict(zip(image.spatial, image.pixel_size, strict=True))
    return bool(_FACTORS[0] <= sizes["Z"] / np.mean([sizes["Y"], sizes["X"]]) < _FACTORS[1])


class IsotropicForm(LearningForm):
    """The button, and below it the gain that was predicted. It is shown only for stacks of thick slices."""

    def __init__(
        self, session: Session, stepped: Callable[[Any], None], ended: "Callable[[ImageLayer, str], None]"
    ) -> None:
        button = QPushButton("Make isotropic")
        button.setToolTip(
            "Learn from this stack's own planes how to make its slices as thin as its pixels are wide, then compute "
            "it. Takes a minute or more; the model is added to the library."
        )
        super().__init__(session, stepped, ended, button)
        self._source: tuple[ImageLayer, Image] | None = None
        button.clicked.connect(self._begin)

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

    def _begin(self) -> None:
        if self._source is not None:
            layer, image = self._source
            self.learn(layer, lambda: learn_isotropic(image, layer.name), f"learning from {layer.name}")
