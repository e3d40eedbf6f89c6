"""A specimen that looks alike along all axes, and the stack of thick slices that is recorded of it."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_superres import Image
from napari_superres.core.binning import bin_mean


def make_specimen(shape: tuple[int, ...] = (45, 56, 54), seed: int = 0, sigma: float = 1.4) -> NDArray[np.float64]:
    """Return blobs that look alike along all axes, 0 to 1000."""
    random = np.random.default_rng(seed)
    points = np.where(random.random(shape) > 0.98, random.uniform(0.2, 1.0, shape), 0.0)
    volume = gaussian_filter(points, sigma)
    return np.asarray(volume / volume.max() * 1000)


def make_stack(volume: NDArray[np.float64], factor: int = 3) -> Image:
    """Return the volume recorded in touching slices."""
    thick = bin_mean(volume, (factor, 1, 1)).astype(np.float32)
    return Image.from_array(thick, "ZYX", pixel_size=(float(factor), 1.0, 1.0))
