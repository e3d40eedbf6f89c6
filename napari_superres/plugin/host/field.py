"""Regions of a layer, in its pixels: the visible field, a drawn shape, the current slice."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_superres.errors import SettingsError
from napari_superres.plugin.host.orientation import file_axes

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.layers import Shapes
    from napari.viewer import Viewer

Range = tuple[int, int]


def visible_box(viewer: "Viewer", layer: "ImageLayer", axes: str) -> dict[str, Range]:
    """Return the visible field along Y and X. In 3-D, or if other axes are displayed, it is the whole layer.

    Parameters
    ----------
    viewer, layer
        napari viewer and a layer in it.
    axes
        One letter per axis of the layer.

    Raises
    ------
    SettingsError
        If the layer is out of view.
    """
    plain = axes.replace("S", "")
    before = viewer.dims.ndim - layer.ndim
    displayed = [plain[a - before] for a in viewer.dims.displayed if a >= before]
    sizes = dict(zip(axes, pixels_shape(layer), strict=True))
    if set(displayed) != {"Y", "X"}:
        return {a: (0, sizes[a]) for a in "YX"}
    finer = layer.downsample_factors[layer.data_level] if layer.multiscale else np.ones(layer.ndim)
    low, high = np.asarray(layer.corner_pixels) * finer
    box = {}
    for axis in "YX":
        i = plain.index(axis)
        start, stop = max(0, int(np.floor(low[i]))), min(sizes[axis], int(np.ceil(high[i] + finer[i])))
        # napari clips the visible field to the layer, so a layer that is out of view keeps its last pixel.
        if high[i] <= low[i] and sizes[axis] > 1:
            raise SettingsError(
                f"the layer {layer.name!r} is out of view.", remedy="Move the view, or compute the whole layer."
            )
        box[axis] = (start, stop)
    return box


def camera(viewer: "Viewer") -> Any:
    """Return the camera of a viewer, wherever this version of napari keeps it."""
    return getattr(viewer, "scene", viewer).camera


def middle(box: Mapping[str, Range], limit: int) -> dict[str, Range]:
    """Return the middle of a box, at most `limit` pixels long along each axis."""
    cropped = {}
    for axis, (start, stop) in box.items():
        excess = max(0, stop - start - limit)
        cropped[axis] = (start + excess // 2, stop - (excess - excess // 2))
    return cropped


def units_per_world(viewer: "Viewer", layer: "ImageLayer") -> npt.NDArray[np.float64]:
    """Return the length of one unit of the viewer's world in units of a layer, per axis of the layer."""
    world = viewer.layers.extent.units
    if world is None or len(world) < layer.ndim:  # If some layers are in pixels, napari ignores all units.
        return np.ones(layer.ndim)
    pairs = zip(world[len(world) - layer.ndim :], layer.units, strict=True)
    return np.array([float((1.0 * theirs).m_as(ours)) for theirs, ours in pairs])


def shape_box(viewer: "Viewer", shapes: "Shapes | None", layer: "ImageLayer", axes: str) -> dict[str, Range]:
    """Return the box around the selected shape of a Shapes layer, or around its last shape.

    Raises
    ------
    SettingsError
        If no shape is drawn, or the shape does not overlap the layer.
    """
    if shapes is None or not len(shapes.data):
        raise SettingsError(
            "no shape is drawn.", remedy="Add a Shapes layer, draw a shape around the region and choose the layer here."
        )
    selected = max(shapes.selected_data) if shapes.selected_data else len(shapes.data) - 1
    corners = np.asarray(shapes.data[selected], dtype=float)
    n = min(layer.ndim, shapes.ndim)
    units = units_per_world(viewer, layer)[-n:] / units_per_world(viewer, shapes)[-n:]
    world = np.array([shapes.data_to_world(corner)[-n:] for corner in corners]) * units
    rest = np.asarray(layer.data_to_world([0] * layer.ndim))[: layer.ndim - n]
    inside = np.array([layer.world_to_data([*rest, *point]) for point in world])
    sizes, plain = dict(zip(axes, pixels_shape(layer), strict=True)), axes.replace("S", "")
    box = {}
    for axis in "YX":
        values = inside[:, plain.index(axis)]
        if file_axes(layer) and np.ptp(values) < 1e-3:  # drawn across this axis, which is the slider of such a layer
            box[axis] = (0, sizes[axis])
            continue
        start, stop = max(0, int(np.rint(values.min()))), min(sizes[axis], int(np.rint(values.max())) + 1)
        if stop <= start:
            raise SettingsError(f"the shape does not overlap the layer {layer.name!r}.", remedy="Draw it on the layer.")
        box[axis] = (start, stop)
    return box


def slice_box(viewer: "Viewer", layer: "ImageLayer", axes: str, *, along: str = "TZ") -> dict[str, Range]:
    """Return the current index along T and Z, or other axes, as far as these axes are not displayed."""
    world = np.asarray(viewer.dims.point)[-layer.ndim :] * units_per_world(viewer, layer)
    point = np.asarray(layer.world_to_data(world))
    first = viewer.dims.ndim - layer.ndim
    box = {}
    for i, axis in enumerate(axes.replace("S", "")):
        if axis in along and i + first not in viewer.dims.displayed:
            size = pixels_shape(layer)[i]
            index = int(np.clip(np.rint(point[i]), 0, size - 1))
            box[axis] = (index, index + 1)
    return box


def focus(viewer: "Viewer", layer: "ImageLayer", axes: str) -> dict[str, float]:
    """Return the centre of the view: the current slice and the middle of the visible field."""
    try:
        visible = visible_box(viewer, layer, axes)
    except SettingsError:
        visible = {}
    box = {**slice_box(viewer, layer, axes), **visible}
    return {axis: (start + stop - 1) / 2 for axis, (start, stop) in box.items()}


def pixels_shape(layer: "ImageLayer") -> tuple[int, ...]:
    """Return the shape of a layer's array, or of the finest level of a multiscale layer."""
    return tuple((layer.data[0] if layer.multiscale else layer.data).shape)
