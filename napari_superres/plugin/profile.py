"""Values along a line in the world, of the planes that a viewer shows. Knows no Qt."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.core.units import METRES, convert
from napari_superres.errors import AxesError, SettingsError
from napari_superres.plugin.layers import to_image

Floats = npt.NDArray[np.float64]

_PER_PIXEL, _MOST = 2, 2000
"""Samples per pixel of the finest image, and of a line."""
_ROUNDING = 1e-6
"""Pixels by which a sample may miss an outermost pixel's centre."""


def sample_line(image: Image, world_points: npt.ArrayLike, samples: int) -> Floats:
    """Return the values of an image along a line, by linear interpolation between the centres of pixels.

    Parameters
    ----------
    image
        Spatial axes only; of colour samples (S) the mean of red, green and blue is taken.
    world_points
        ``(K, n)`` corners of the line in world coordinates, one column per spatial axis, in the image's unit.
    samples
        How many, evenly spaced from the first corner to the last.

    Returns
    -------
    ndarray
        ``(samples,)``; nan where the line is outside the centres of the outermost pixels.

    Raises
    ------
    AxesError
        If the image has frames or channels.
    SettingsError
        If there are fewer than two corners or samples, or corners have another number of axes.
    """
    from scipy.ndimage import map_coordinates

    if image.axes.replace("S", "") != image.spatial:
        raise AxesError(f"a line is sampled in one frame of one channel, got the axes {image.axes}. Choose one.")
    corners = np.asarray(world_points, dtype=np.float64)
    n = len(image.spatial)
    if corners.ndim != 2 or len(corners) < 2 or corners.shape[1] != n or samples < 2:
        raise SettingsError(
            f"a line needs two corners or more with {n} coordinates each and two samples or more, "
            f"got corners of shape {corners.shape} and {samples} samples."
        )
    inverse = np.linalg.inv(image.affine)
    index = _along(corners, samples) @ inverse[:n, :n].T + inverse[:n, n]
    last = np.array([image.size(a) for a in image.spatial]) - 1
    inside = np.all((index >= -_ROUNDING) & (index <= last + _ROUNDING), axis=1)
    values = np.full(samples, np.nan)
    if inside.any():
        at = index[inside].clip(0, last)
        start, stop = np.floor(at.min(axis=0)).astype(int), np.ceil(at.max(axis=0)).astype(int) + 1
        box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
        part = np.asarray(image.data[box])
        # scipy reads neither half precision nor colours.
        part = part.astype(np.float32) if part.dtype == np.float16 else part
        layers = [part[..., s] for s in range(min(3, part.shape[-1]))] if "S" in image.axes else [part]
        found = [map_coordinates(v, (at - start).T, output=np.float64, order=1, mode="nearest") for v in layers]
        values[inside] = np.mean(found, axis=0)
    return values


def profiles(planes: Mapping[str, Image], corners: Floats, unit: str) -> tuple[Floats, dict[str, Floats]]:
    """Return distances along a line, and the values of every plane there.

    Parameters
    ----------
    planes
        At least one, two-dimensional.
    corners
        As for `sample_line`, in `unit`.
    unit
        Of length; ``"pixel"`` where lengths are unknown.
    """
    factors = {name: _in_unit_of(plane, unit) for name, plane in planes.items()}
    length = float(np.linalg.norm(np.diff(corners, axis=0), axis=1).sum())
    finest = min(min(plane.pixel_size) / factors[name] for name, plane in planes.items())
    samples = int(np.clip(np.ceil(_PER_PIXEL * length / finest) + 1, 2, _MOST))
    values = {name: sample_line(plane, corners * factors[name], samples) for name, plane in planes.items()}
    return np.linspace(0.0, length, samples), values


def normalised(values: Floats) -> Floats:
    """Return values between 0 and 1, their smallest and largest; 0 where they do not differ."""
    known = values[np.isfinite(values)]
    if not known.size:
        return values
    low, high = known.min(), known.max()
    return np.asarray((values - low) / ((high - low) or 1.0))


def shown_plane(viewer: Any, layer: Any) -> Callable[[], Image]:
    """Return what reads the plane of an image layer that a viewer shows, to be called in any thread.

    It is placed as napari draws it: what a tilted volume does across the plane is left out.

    Raises
    ------
    AxesError, DataTypeError, GridError
        If it is not the plane of Y and X that is shown, or the layer is no image of ours.
    """
    image = to_image(layer)
    axes = image.axes.replace("S", "")
    shown = [axes.index(a) for a in "YX"]
    dims = viewer.dims
    if dims.ndisplay != 2 or tuple(dims.displayed) != (dims.ndim - 2, dims.ndim - 1) or axes[-2:] != "YX":
        raise AxesError("a line is sampled in the plane of Y and X. Show that one, in 2-D.")
    hidden = [i for i in range(layer.ndim) if i not in shown]
    point = np.asarray(dims.point)[dims.ndim - layer.ndim :] * units_per_world(viewer, layer)
    matrix, offset = restricted(layer.world_to_data, layer.ndim, hidden)
    at = np.rint(matrix @ point[hidden] + offset).astype(int)
    key: list[Any] = [slice(None)] * len(image.axes)
    for i, index in zip(hidden, at, strict=True):
        key[i] = int(np.clip(index, 0, image.shape[i] - 1))
    affine = np.eye(3)
    affine[:2, :2], affine[:2, 2] = restricted(layer.data_to_world, layer.ndim, shown)
    units = {a: image.units[a] for a in "YX"}
    return lambda: Image(data=image.data[tuple(key)], axes=image.axes[-2 - image.axes.count("S") :], affine=affine,
                         units=units)  # fmt: skip


def units_per_world(viewer: Any, layer: Any) -> Floats:
    """Return, per axis of a layer, how many of its units one unit of the viewer's world is."""
    world = viewer.layers.extent.units
    if world is None or len(world) < layer.ndim:  # mixed with pixels: napari ignores all units
        return np.ones(layer.ndim)
    pairs = zip(world[len(world) - layer.ndim :], layer.units, strict=True)
    return np.array([float((1.0 * theirs).m_as(ours)) for theirs, ours in pairs])


def restricted(transform: Callable[[Any], Any], ndim: int, axes: Sequence[int]) -> tuple[Floats, Floats]:
    """Return matrix and offset of a layer's affine transform over some of its axes, as napari slices it."""
    at = list(axes)
    offset = np.asarray(transform(np.zeros(ndim)), dtype=np.float64)
    columns = [np.asarray(transform(np.eye(ndim)[i])) - offset for i in at]
    return np.reshape([[column[j] for column in columns] for j in at], (len(at), len(at))), offset[at]


def _along(corners: Floats, samples: int) -> Floats:
    """Return points evenly spaced along a line of several corners."""
    reached = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    wanted = np.linspace(0.0, reached[-1], samples)
    return np.stack([np.interp(wanted, reached, column) for column in corners.T], axis=1)


def _in_unit_of(image: Image, unit: str) -> float:
    own = image.units.get("X")
    return convert(1.0, unit, own) if own in METRES and unit in METRES else 1.0
