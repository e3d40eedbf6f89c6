"""Button that resamples a layer to the pixel size that a model was trained on."""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QPushButton

from napari_superres.core.image import Image
from napari_superres.degradation import resample
from napari_superres.models import ModelCard
from napari_superres.models.choice.suitability import plane_size, trained_pixel_size
from napari_superres.plugin.host.layers import to_layer
from napari_superres.plugin.widgets.common import forms
from napari_superres.plugin.widgets.common.session import Session
from napari_superres.plugin.worker.job import Job

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.viewer import Viewer


class ResampleButton(QPushButton):
    """Button that adds the resampled layer. It is shown only if the model was trained on another pixel size.

    Parameters
    ----------
    viewer
        napari viewer to which the layer is added.
    session
        Session of the panel, for the job.
    added
        Called with the new layer.
    """

    def __init__(self, viewer: "Viewer", session: Session, added: "Callable[[ImageLayer], None]") -> None:
        super().__init__()
        self.setAccessibleName("Resample")
        self.viewer, self.session, self._added = viewer, session, added
        self._offer: tuple[ImageLayer, Image, tuple[float, ...]] | None = None
        self.clicked.connect(self._begin)
        self.hide()

    def offer(self, layer: "ImageLayer | None", image: Image | None, card: ModelCard | None) -> None:
        """Show the button with the new pixel size, or hide it if the pixels suit the model or their size is unknown.

        Parameters
        ----------
        layer, image
            The chosen layer and its image.
        card
            Card of the chosen model.
        """
        unit = image.units["X"] if image is not None else None
        target = trained_pixel_size(card, plane_size(image), unit) if image is not None and card else None
        self._offer = None if image is None or target is None else (layer, image, target)
        self.setVisible(target is not None)
        if target is not None and card is not None:
            size = " x ".join(dict.fromkeys(f"{s:.4g}" for s in target))
            self.setText(f"Resample to pixels of {size} {unit}")
            self.setToolTip(
                f"Add a copy of the layer with the nearest pixel size that {card.name} was trained on, and choose it. "
                "Larger pixels are means of smaller ones; smaller pixels are interpolated and add no detail."
            )

    def _begin(self) -> None:
        if self._offer is None:
            return
        layer, image, target = self._offer

        def steps() -> Generator[Image, None, None]:
            yield resample(image, target)

        def finish(resampled: Image) -> None:
            from napari.layers import Layer

            if layer not in self.viewer.layers:
                return
            name = f"{layer.name} ({target[-1]:.4g} {image.units['X']})"
            copy = Layer.create(*to_layer(resampled, image, layer, name=name))
            self.viewer.layers.insert(self.viewer.layers.index(layer) + 1, copy)
            self._added(copy)

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
