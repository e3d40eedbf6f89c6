"""Intensities of images along a line; without Qt."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.core.units import METRES, convert
from napari_superres.errors import AxesError, SettingsError

Floats = npt.NDArray[np.float64]

_SAMPLES_PER_PIXEL = 2
"""Samples per pixel of the finest image."""
_MAX_SAMPLES = 2000
_TOLERANCE = 1e-6
"""Pixels by which a sample may lie outside the centre of an outermost pixel, for rounding errors."""


def sample_line(image: Image, world_points: npt.ArrayLike, samples: int) -> Floats:
    """Return the intensities of an image along a line, linearly interpolated between pixel centres.

    Parameters
    ----------
    image
        Image with spatial axes only. Of colour samples (S, the last axis), red, green and blue are averaged.
    world_points
        ``(K, n)`` corners of the line in world coordinates, one column per spatial axis, in the image's unit.
    samples
        Number of samples, evenly spaced from the first corner to the last.

    Returns
    -------
    ndarray
        ``(samples,)``; nan outside the centres of the outermost pixels.

    Raises
    ------
    AxesError
        If the image has frames or channels.
    SettingsError
        If there are fewer than two corners or samples, or the corners have another number of axes.
    """
    from scipy.ndimage import map_coordinates

    if image.axes.removesuffix("S") != image.spatial:
        raise AxesError(
            f"a line is sampled in one frame of one channel, got the axes {image.axes}.",
            remedy="Choose a frame and a channel.",
        )
    corners = np.asarray(world_points, dtype=np.float64)
    n = len(image.spatial)
    if corners.ndim != 2 or len(corners) < 2 or corners.shape[1] != n or samples < 2:
        raise SettingsError(
            f"a line needs at least two corners with {n} coordinates each and at least two samples, "
            f"got corners of shape {corners.shape} and {samples} samples."
        )
    inverse = np.linalg.inv(image.affine)
    index = _points_along(corners, samples) @ inverse[:n, :n].T + inverse[:n, n]
    last = np.array([image.size(a) for a in image.spatial]) - 1
    inside = np.all((index >= -_TOLERANCE) & (index <= last + _TOLERANCE), axis=1)
    values = np.full(samples, np.nan)
    if inside.any():
        index = index[inside].clip(0, last)
        start, stop = np.floor(index.min(axis=0)).astype(int), np.ceil(index.max(axis=0)).astype(int) + 1
        box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
        part = np.asarray(image.data[box])
        # scipy reads neither half precision nor colours.
        part = part.astype(np.float32) if part.dtype == np.float16 else part
        colours = [part[..., s] for s in range(min(3, part.shape[-1]))] if "S" in image.axes else [part]
        sampled = [map_coordinates(c, (index - start).T, output=np.float64, order=1, mode="nearest") for c in colours]
        values[inside] = np.mean(sampled, axis=0)
    return values


def profiles(planes: Mapping[str, Image], corners: Floats, unit: str) -> tuple[Floats, dict[str, Floats]]:
    """Return the distances along a line, and the intensities of every plane there.

    Parameters
    ----------
    planes
        Two-dimensional images by name, at least one.
    corners
        As for `sample_line`, in `unit`.
    unit
        Unit of length; ``"pixel"`` where lengths are unknown.
    """
    factors = {name: own_units_per(unit, plane.units.get("X")) for name, plane in planes.items()}
    length = float(np.linalg.norm(np.diff(corners, axis=0), axis=1).sum())
    finest = min(min(plane.pixel_size) / factors[name] for name, plane in planes.items())
    samples = int(np.clip(np.ceil(_SAMPLES_PER_PIXEL * length / finest - _TOLERANCE) + 1, 2, _MAX_SAMPLES))
    values = {name: sample_line(plane, corners * factors[name], samples) for name, plane in planes.items()}
    return np.linspace(0.0, length, samples), values


def normalise(values: Floats) -> Floats:
    """Return values scaled from their smallest and largest to 0 and 1; constant values become 0."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return values
    low, high = finite.min(), finite.max()
    return np.asarray((values - low) / ((high - low) or 1.0))


def _points_along(corners: Floats, samples: int) -> Floats:
    """Return points evenly spaced along a line with several corners."""
    distances = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    wanted = np.linspace(0.0, distances[-1], samples)
    return np.stack([np.interp(wanted, distances, column) for column in corners.T], axis=1)


def own_units_per(unit: str, own: str | None) -> float:
    """Return how many of an image's own units of length one `unit` is; 1 where either is not a length."""
    return convert(1.0, unit, own) if own in METRES and unit in METRES else 1.0
