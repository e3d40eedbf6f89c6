"""Pairs of layers for the Compare widget, and the layer of its curtain."""

import numpy as np

LONG = 60_000


def pair(viewer, widget, left, right, **place):
    """Add a result and a reference below it, and choose them."""
    reference = viewer.add_image(right, name="reference", units=["micrometer"] * left.ndim, **place)
    result = viewer.add_image(left, name="result", units=["micrometer"] * left.ndim, **place)
    viewer.reset_view()
    widget.result.value, widget.reference.value, widget.lr.value = result, reference, None
    return result, reference


def ramp(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def curtain_of(viewer):
    (layer,) = (layer for layer in viewer.layers if layer.name.startswith("curtain: "))
    return layer


def lies_on(made, layer, factor=(1, 1), start=(0, 0)):
    """Check that pixels of a layer lie in the middle of blocks of pixels of another layer."""
    for index in ((0, 0), (3, 2)):
        source = [s + i * f + (f - 1) / 2 for s, i, f in zip(start, index, factor, strict=True)]
        np.testing.assert_allclose(made.data_to_world(index), layer.data_to_world(source), atol=1e-9)
