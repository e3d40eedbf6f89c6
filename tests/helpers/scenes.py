"""Scenes whose resolution follows from a formula."""

import numpy as np
from scipy.ndimage import gaussian_filter


def recordings(sigma, noise, shape=(256, 256), seed=0):
    """Two recordings of a filtered random scene of unit power, each with noise of its own."""
    random = np.random.default_rng(seed)
    scene = gaussian_filter(random.normal(size=shape), sigma, mode="wrap")
    scene /= scene.std()
    # Noise of this deviation beside a white scene before it was filtered.
    level = noise / np.sqrt((gaussian_filter(np.eye(1, np.prod(shape)).reshape(shape), sigma, mode="wrap") ** 2).sum())
    return [scene + level * random.normal(size=shape) for _ in range(2)]
