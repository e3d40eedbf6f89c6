"""Scenes of this folder: an isotropic specimen, and the thick slices of it that are recorded."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_superres import Image
from napari_superres.core.binning import bin_mean
from napari_superres.training.isotropic import learn


def make_specimen(shape=(60, 64, 68), seed=0, sigma=1.4):
    """Return blobs that look alike along all axes, 0 to 1000."""
    random = np.random.default_rng(seed)
    points = np.where(random.random(shape) > 0.98, random.uniform(0.2, 1.0, shape), 0.0)
    volume = gaussian_filter(points, sigma)
    return volume / volume.max() * 1000


def make_stack(volume, factor=3, **options):
    """Return the volume recorded in touching slices."""
    thick = bin_mean(volume, (factor, 1, 1)).astype(np.float32)
    return Image.from_array(thick, "ZYX", pixel_size=(float(factor), 1.0, 1.0), **options)


@pytest.fixture
def specimen():
    return make_specimen()


@pytest.fixture
def stack(specimen):
    return make_stack(specimen)


@pytest.fixture
def few_steps(monkeypatch):
    """Train in a second: enough to see that everything runs, not that it helps."""
    real = learn.fit
    monkeypatch.setattr(learn, "fit", lambda *args, **options: real(*args, **options, steps=4))
