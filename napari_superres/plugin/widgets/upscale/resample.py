"""Offering the pixels that a model was trained on, where a layer has others."""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QPushButton

from napari_superres.core.image import Image
from napari_superres.degradation import resample
from napari_superres.models import ModelCard
from napari_superres.models.suitability import plane_size, trained_pixel_size
from napari_superres.plugin.host.layers import to_layer
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.session import Session
from napari_superres.plugin.worker.job import Job

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.viewer import Viewer


class ResampleButton(QPushButton):
    """Shown where a model was trained on other pixels: puts the layer on those, as a new layer.

    Parameters
    ----------
    viewer
        napari viewer to which the layer is added.
    session
        Of the panel.
    added
        Is given the new layer.
    """

    def __init__(self, viewer: "Viewer", session: Session, added: "Callable[[ImageLayer], None]") -> None:
        super().__init__()
        self.viewer, self.session, self._added = viewer, session, added
        self._offer: tuple[ImageLayer, Image, tuple[float, ...]] | None = None
        self.clicked.connect(self._begin)
        self.hide()

    def offer(self, layer: "ImageLayer | None", image: Image | None, card: ModelCard | None) -> None:
        """Show what would be done with a layer, or nothing where its pixels suit or nobody knows."""
        unit = image.units["X"] if image is not None else None
        wished = trained_pixel_size(card, plane_size(image), unit) if image is not None and card else None
        self._offer = None if image is None or wished is None else (layer, image, wished)
        self.setVisible(wished is not None)
        if wished is not None and card is not None:
            size = " x ".join(dict.fromkeys(f"{s:.4g}" for s in wished))
            self.setText(f"Resample to pixels of {size} {unit}")
            self.setToolTip(
                f"Add the layer on the nearest pixels that {card.name} was trained on, and choose it. Larger pixels "
                "are means over the smaller ones; smaller ones are interpolated, and show no more than before."
            )

    def _begin(self) -> None:
        if self._offer is None:
            return
        layer, image, wished = self._offer

        def steps() -> Generator[Image, None, None]:
            yield resample(image, wished)

        def finish(found: Image) -> None:
            from napari.layers import Layer

            if layer not in self.viewer.layers:
                return
            name = f"{layer.name} ({wished[-1]:.4g} {image.units['X']})"
            made = Layer.create(*to_layer(found, image, layer, name=name))
            self.viewer.layers.insert(self.viewer.layers.index(layer) + 1, made)
            self._added(made)

        self.setEnabled(False)
        self.session.add(
            Job(
                steps,
                stepped=finish,
                failed=forms.show_error,
                ended=lambda _: self.setEnabled(True),
                doing=f"resampling of {layer.name}",
            )
        )
