"""Pairs of layers for the Compare widget, and the layer of its curtain."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_superres.plugin.widgets.compare.widget import CompareWidget

LONG = 60_000


def pair(
    viewer: "ViewerModel", widget: "CompareWidget", left: NDArray[Any], right: NDArray[Any], **place: Any
) -> tuple["Image", "Image"]:
    """Add a result and a reference below it, and choose them as a user does: other layers do not replace them."""
    reference = viewer.add_image(right, name="reference", units=["micrometer"] * left.ndim, **place)
    result = viewer.add_image(left, name="result", units=["micrometer"] * left.ndim, **place)
    viewer.reset_view()
    widget.result.value, widget.reference.value, widget.lr.value = result, reference, None
    widget.result.changed.emit(result)
    return result, reference


def ramp(*shape: int) -> NDArray[np.float32]:
    """Return an array that counts its pixels."""
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def curtain_of(viewer: "ViewerModel") -> "Image":
    """Return the only layer of the viewer that is a curtain."""
    (layer,) = (layer for layer in viewer.layers if layer.name.startswith("curtain: "))
    return layer


def lies_on(made: "Image", layer: "Image", factor: Sequence[int] = (1, 1), start: Sequence[int] = (0, 0)) -> None:
    """Assert that pixels of a layer lie where whole blocks of pixels of another do."""
    for index in ((0, 0), (3, 2)):
        source = [s + i * f + (f - 1) / 2 for s, i, f in zip(start, index, factor, strict=True)]
        np.testing.assert_allclose(made.data_to_world(index), layer.data_to_world(source), atol=1e-9)
