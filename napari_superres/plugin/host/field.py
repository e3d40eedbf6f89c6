"""Which part of a layer is meant: what is visible, a drawn shape, the current slice; in pixels of the layer."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_superres.errors import SettingsError

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.layers import Shapes
    from napari.viewer import Viewer

Range = tuple[int, int]


def visible_box(viewer: "Viewer", layer: "ImageLayer", axes: str) -> dict[str, Range]:
    """Return the visible part along Y and X; in 3-D, or turned so that others are shown, all of the layer.

    Parameters
    ----------
    viewer, layer
        The layer and the viewer it is in.
    axes
        Of the layer, one letter per axis.

    Raises
    ------
    SettingsError
        If nothing of the layer is in view.
    """
    plain = axes.replace("S", "")
    before = viewer.dims.ndim - layer.ndim
    shown = [plain[a - before] for a in viewer.dims.displayed if a >= before]
    sizes = dict(zip(axes, pixels_shape(layer), strict=True))
    if set(shown) != {"Y", "X"}:
        return {a: (0, sizes[a]) for a in "YX"}
    finer = layer.downsample_factors[layer.data_level] if layer.multiscale else np.ones(layer.ndim)
    low, high = np.asarray(layer.corner_pixels) * finer
    box = {}
    for axis in "YX":
        i = plain.index(axis)
        start, stop = max(0, int(np.floor(low[i]))), min(sizes[axis], int(np.ceil(high[i] + finer[i])))
        # napari clips what is visible to the layer: beside it, that is its last pixel.
        if high[i] <= low[i] and sizes[axis] > 1:
            raise SettingsError(f"nothing of the layer {layer.name!r} is in view. Move it there, or take all of it.")
        box[axis] = (start, stop)
    return box


def camera(viewer: "Viewer") -> Any:
    """Return the camera, which napari 0.9 moved."""
    return getattr(viewer, "scene", viewer).camera


def middle(box: Mapping[str, Range], most: int) -> dict[str, Range]:
    """Return the middle of a box, at most so many pixels along each axis."""
    found = {}
    for axis, (start, stop) in box.items():
        excess = max(0, stop - start - most)
        found[axis] = (start + excess // 2, stop - (excess - excess // 2))
    return found


def units_per_world(viewer: "Viewer", layer: "ImageLayer") -> npt.NDArray[np.float64]:
    """Return, per axis of a layer, how many of its units one unit of the viewer's world is."""
    world = viewer.layers.extent.units
    if world is None or len(world) < layer.ndim:  # mixed with pixels: napari ignores all units
        return np.ones(layer.ndim)
    pairs = zip(world[len(world) - layer.ndim :], layer.units, strict=True)
    return np.array([float((1.0 * theirs).m_as(ours)) for theirs, ours in pairs])


def shape_box(viewer: "Viewer", shapes: "Shapes | None", layer: "ImageLayer", axes: str) -> dict[str, Range]:
    """Return the box around the selected shape of a Shapes layer, or around its last one.

    Raises
    ------
    SettingsError
        If there is no shape, or it lies beside the layer.
    """
    if shapes is None or not len(shapes.data):
        raise SettingsError("draw a shape around the part that is meant: add a Shapes layer and choose it here.")
    chosen = max(shapes.selected_data) if shapes.selected_data else len(shapes.data) - 1
    corners = np.asarray(shapes.data[chosen], dtype=float)
    n = min(layer.ndim, shapes.ndim)
    units = units_per_world(viewer, layer)[-n:] / units_per_world(viewer, shapes)[-n:]
    world = np.array([shapes.data_to_world(corner)[-n:] for corner in corners]) * units
    rest = np.asarray(layer.data_to_world([0] * layer.ndim))[: layer.ndim - n]
    inside = np.array([layer.world_to_data([*rest, *point]) for point in world])
    sizes, plain = dict(zip(axes, pixels_shape(layer), strict=True)), axes.replace("S", "")
    box = {}
    for axis in "YX":
        values = inside[:, plain.index(axis)]
        start, stop = max(0, int(np.rint(values.min()))), min(sizes[axis], int(np.rint(values.max())) + 1)
        if stop <= start:
            raise SettingsError(f"the shape lies beside the layer {layer.name!r}. Draw it on the layer.")
        box[axis] = (start, stop)
    return box


def slice_box(viewer: "Viewer", layer: "ImageLayer", axes: str) -> dict[str, Range]:
    """Return the current frame and plane along T and Z, where these are not shown."""
    world = np.asarray(viewer.dims.point)[-layer.ndim :] * units_per_world(viewer, layer)
    point = np.asarray(layer.world_to_data(world))
    first = viewer.dims.ndim - layer.ndim
    found = {}
    for i, axis in enumerate(axes.replace("S", "")):
        if axis in "TZ" and i + first not in viewer.dims.displayed:
            size = pixels_shape(layer)[i]
            at = int(np.clip(np.rint(point[i]), 0, size - 1))
            found[axis] = (at, at + 1)
    return found


def focus(viewer: "Viewer", layer: "ImageLayer", axes: str) -> dict[str, float]:
    """Return where somebody looks: the current slice and the middle of what is visible."""
    try:
        seen = visible_box(viewer, layer, axes)
    except SettingsError:
        seen = {}
    box = {**slice_box(viewer, layer, axes), **seen}
    return {axis: (start + stop - 1) / 2 for axis, (start, stop) in box.items()}


def pixels_shape(layer: "ImageLayer") -> tuple[int, ...]:
    """Return the shape of a layer's array, of a multiscale one's finest level."""
    return tuple((layer.data[0] if layer.multiscale else layer.data).shape)
