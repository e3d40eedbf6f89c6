"""Button that refines the chosen model on the chosen image, and offers the result if it is better."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from magicgui.widgets import SpinBox
from qtpy.QtWidgets import QLabel, QPushButton

from napari_superres.core.image import Image
from napari_superres.core.units import METRES
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.session import Session
from napari_superres.plugin.widgets.upscale.learning.form import LearningForm
from napari_superres.plugin.worker.learn import adapt_model

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

    from napari_superres.models import ModelCard

_LEAST_ROWS = 128
"""Rows that an image must have: some are held out."""


def can_adapt(image: Image, card: "ModelCard") -> bool:
    """Return whether a model can be refined on an image: a network for single planes, and a grey image."""
    if card.is_interpolation or len(card.scale) != 2 or card.channels != 1 or card.frames != 1:
        return False
    return "S" not in image.axes and image.size("Y") >= _LEAST_ROWS


class AdaptForm(LearningForm):
    """The minutes and the button, and below them what came of it. It is shown only where it can work."""

    def __init__(
        self, session: Session, stepped: Callable[[Any], None], ended: "Callable[[ImageLayer, str], None]"
    ) -> None:
        self.minutes = SpinBox(value=3, min=1, max=60, label="Minutes", tooltip="How long to train.")
        self.minutes.native.setAccessibleName(self.minutes.label)
        button = QPushButton("Adapt to image")
        button.setToolTip(
            "Train the chosen model further on this noisy image, without a clean one. The result is offered only if it "
            "is better on the lower quarter, which is held out."
        )
        super().__init__(session, stepped, ended, button, self.minutes.native, QLabel("minutes"))
        self._source: tuple[ImageLayer, Image, ModelCard] | None = None
        self._sigma = 0.0
        button.clicked.connect(self._begin)

    def offer(
        self, layer: "ImageLayer | None", image: Image | None, card: "ModelCard | None", sigma: float = 0.0
    ) -> None:
        """Show the button if the model can be refined on the image.

        Parameters
        ----------
        layer, image, card
            The chosen layer, its image, and the card of the chosen model.
        sigma
            Known sigma of the point-spread function in pixels of the result; 0 = unknown.
        """
        if self._source is None or layer is not self._source[0]:
            forms.say(self.verdict, "")
        self._source, self._sigma = None, sigma
        if layer is not None and image is not None and card is not None and can_adapt(image, card):
            self._source = layer, image, card
        self.setVisible(self._source is not None)

    def _begin(self) -> None:
        if self._source is None:
            return
        layer, image, card = self._source
        psf, minutes = psf_in_micrometres(self._sigma, image, card), self.minutes.value
        self.learn(
            layer,
            lambda: adapt_model(image, layer.name, card.name, minutes=minutes, psf=psf),
            f"adapting {card.name} to {layer.name}",
        )


def psf_in_micrometres(sigma: float, image: Image, card: "ModelCard") -> dict[str, float] | None:
    """Return the sigma per axis in micrometres of a width in pixels of the result; None if either is unknown."""
    unit = image.units.get("X")
    if not sigma or unit not in METRES:
        return None
    pixel = image.pixel_size[image.spatial.index("X")] * METRES[unit] / METRES["micrometer"]
    return dict.fromkeys("YX", sigma * pixel / card.scale[-1])
