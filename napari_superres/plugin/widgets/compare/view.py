"""Which pixels of a layer the viewer shows, and where on the screen; without Qt.

Positions in a layer are counted in pixels from the outer edge of its first pixel, so that pixel 0 spans 0 to 1.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.errors import AxesError
from napari_superres.plugin.host import field
from napari_superres.plugin.host.layers import to_image

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.viewer import Viewer

Floats = npt.NDArray[np.float64]

_LARGE = 2048
"""Pixels per side up to which planes are taken whole. With 8192, every move of a curtain would take 115 ms."""
_MARGIN = 0.25
"""Margin around the visible part of larger planes, as a fraction of it. Small moves of the view need no new data."""


class VisiblePart(NamedTuple):
    """A part of a layer.

    Attributes
    ----------
    level
        Index of the level; 0 unless the layer is multiscale.
    box
        Slices of the level's array.
    origin
        Position of the part's outer edge, one number per axis.
    step
        Distance between its elements in pixels of the layer, one number per axis.
    """

    level: int
    box: tuple[slice, ...]
    origin: Floats
    step: Floats

    @property
    def size(self) -> npt.NDArray[np.intp]:
        """Number of elements per axis."""
        return np.array([len(range(s.start, s.stop, s.step)) for s in self.box])


def displayed_axes(viewer: "Viewer", layer: "ImageLayer") -> list[int]:
    """Return the axes of a layer that are displayed, in the layer's order."""
    first = viewer.dims.ndim - layer.ndim
    return sorted(a - first for a in viewer.dims.displayed if a >= first)


def affine_over(transform: Callable[[Any], Any], ndim: int, axes: Sequence[int]) -> tuple[Floats, Floats]:
    """Return matrix and offset of a layer's affine transform over some of its axes, as napari slices it."""
    rows = list(axes)
    offset = np.asarray(transform(np.zeros(ndim)), dtype=np.float64)
    columns = [np.asarray(transform(np.eye(ndim)[i])) - offset for i in rows]
    return np.reshape([[column[j] for column in columns] for j in rows], (len(rows), len(rows))), offset[rows]


def world_to_pixels(viewer: "Viewer", layer: "ImageLayer", world: Floats) -> Floats:
    """Return the positions in a layer of points in the displayed world.

    Both are ``(N, n)``, one column per displayed axis, in the order of the axes and not of display.
    """
    displayed = displayed_axes(viewer, layer)
    matrix, offset = affine_over(layer.data_to_world, layer.ndim, displayed)
    return (world * field.units_per_world(viewer, layer)[displayed] - offset) @ np.linalg.inv(matrix).T + 0.5


def pixel_size_on_screen(viewer: "Viewer", layer: "ImageLayer") -> Floats:
    """Return the size of a layer's pixels in screen pixels, per displayed axis."""
    displayed = displayed_axes(viewer, layer)
    matrix, _ = affine_over(layer.data_to_world, layer.ndim, displayed)
    world = matrix / field.units_per_world(viewer, layer)[displayed, None]
    return np.asarray(np.linalg.norm(world, axis=0) * field.camera(viewer).zoom)


def plane_reader(viewer: "Viewer", layer: "ImageLayer") -> Callable[[], Image]:
    """Return a function that reads the plane of an image layer that the viewer shows, in any thread.

    The plane lies where napari draws it: a tilt of the volume out of the plane is left out.

    Raises
    ------
    AxesError, DataTypeError, GridError
        If the viewer does not show a plane of Y and X, or the layer is not an image that can be super-resolved.
    """
    image = to_image(layer)
    axes = image.axes.replace("S", "")
    displayed = [axes.index(a) for a in "YX"]
    dims = viewer.dims
    if dims.ndisplay != 2 or tuple(dims.displayed) != (dims.ndim - 2, dims.ndim - 1) or axes[-2:] != "YX":
        raise AxesError("a line is sampled in a plane of Y and X.", remedy="Show that plane in 2-D.")
    hidden = [i for i in range(layer.ndim) if i not in displayed]
    point = np.asarray(dims.point)[dims.ndim - layer.ndim :] * field.units_per_world(viewer, layer)
    matrix, offset = affine_over(layer.world_to_data, layer.ndim, hidden)
    indices = np.rint(matrix @ point[hidden] + offset).astype(int)
    key: list[Any] = [slice(None)] * len(image.axes)
    for i, index in zip(hidden, indices, strict=True):
        key[i] = int(np.clip(index, 0, image.shape[i] - 1))
    affine = np.eye(3)
    affine[:2, :2], affine[:2, 2] = affine_over(layer.data_to_world, layer.ndim, displayed)
    units = {a: image.units[a] for a in "YX"}

    def read() -> Image:
        return Image(data=image.data[tuple(key)], axes="YXS" if layer.rgb else "YX", affine=affine, units=units)

    return read


def visible_range(viewer: "Viewer", layer: "ImageLayer") -> Floats:
    """Return the first and last visible position of a layer per axis, as an array of two rows."""
    displayed, shape = displayed_axes(viewer, layer), np.array(level_shape(layer, 0), dtype=np.float64)
    camera, box = field.camera(viewer), np.stack([np.zeros_like(shape), shape])
    # Before napari 0.9 the viewer had the size of its canvas.
    size = viewer.canvas.size if hasattr(viewer, "canvas") else viewer._canvas_size
    corners = np.array(list(product((-0.5, 0.5), repeat=2))) * size / camera.zoom + np.asarray(camera.center)[-2:]
    positions = world_to_pixels(viewer, layer, corners[:, np.argsort(viewer.dims.displayed)])
    box[:, displayed] = np.stack([positions.min(axis=0), positions.max(axis=0)])
    return np.asarray(box.clip(0, shape))


def visible_part(viewer: "Viewer", layer: "ImageLayer") -> VisiblePart:
    """Return the part of a layer to draw: the whole plane, or the visible part of a large one.

    Planes with more than 2048 pixels per side are cut to what is visible, with a margin, and not finer than the
    screen. For a multiscale layer it is a part of the level that fits the screen. The viewer must show two axes.
    """
    displayed, shape = displayed_axes(viewer, layer), np.array(level_shape(layer, 0))
    level, factor = 0, np.ones(len(shape))
    stride, edges = np.ones(len(shape), dtype=int), np.stack([np.zeros(len(shape)), shape])
    if layer.multiscale or shape[displayed].max() > _LARGE:
        wanted = np.maximum(1.0, np.floor(1.0 / pixel_size_on_screen(viewer, layer)))
        if layer.multiscale:
            factors = np.asarray(layer.downsample_factors)
            level = int(np.flatnonzero(np.all(factors[:, displayed] <= wanted, axis=1)).max(initial=0))
            factor = factors[level]
        stride[displayed] = np.maximum(1, wanted // factor[displayed])
        low, high = visible_range(viewer, layer)
        margin = _MARGIN * (high - low)
        edges[:, displayed] = np.stack([low - margin, high + margin])[:, displayed]
    first = (np.floor(edges[0] / (factor * stride)) * stride).astype(int).clip(0)
    last = np.ceil(edges[1] / factor).astype(int).clip(first + 1, level_shape(layer, level))
    box = tuple(slice(*map(int, ends)) for ends in zip(first, last, stride, strict=True))
    return VisiblePart(level, box, first * factor, factor * stride)


def level_shape(layer: "ImageLayer", level: int) -> tuple[int, ...]:
    """Return the shape of a level, without the axis of colour samples."""
    return tuple((layer.data[level] if layer.multiscale else layer.data).shape[: layer.ndim])
