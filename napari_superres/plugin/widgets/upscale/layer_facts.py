"""Facts of a napari layer that the state of the widget needs."""

from typing import TYPE_CHECKING

from napari_superres.core.image import Image
from napari_superres.inference.planning.lens import narrowest_lens
from napari_superres.models.choice.suitability import plane_size
from napari_superres.plugin.host.layers import is_guess
from napari_superres.plugin.widgets.upscale.state import LayerFacts

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer


def facts_of(layer: "ImageLayer", image: Image | None, axes: str) -> LayerFacts:
    """Return the facts of a layer.

    Parameters
    ----------
    layer, image
        The layer and its image; None if it cannot be one.
    axes
        Axes in the widget's field.
    """
    return LayerFacts(
        axes=axes,
        unit=str(layer.units[-1]),
        is_rgb=layer.rgb,
        pixel_size=None if image is None else plane_size(image),
        pixel_unit=image.units["X"] if image is not None and image.has_pixel_size else None,
        axes_guessed=is_guess(layer, axes),
        lens=None if image is None else narrowest_lens(image),
    )
