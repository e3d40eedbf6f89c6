"""Variance of the noise of an input over its brightness."""

from dataclasses import replace

import numpy as np

from napari_superres.core.noise import Noise, measure_noise
from napari_superres.errors import SettingsError
from napari_superres.evaluation.consistency.field_pair import FieldPair, read_field
from napari_superres.evaluation.consistency.fit import SAMPLED_PIXELS

_LEAST_SHARE = 1e-3
"""Standard deviation of noise over that of the input, below which it is a remainder of the structure."""

MIN_RELATIVE_VARIANCE = 0.05
"""Smallest variance, as a share of that at the mean brightness: the fit is no more accurate."""


def fit_input_noise(pair: FieldPair) -> tuple[Noise | None, str]:
    """Return the noise of the input, None where it cannot be measured, and a note for the report."""
    count = SAMPLED_PIXELS // (pair.lr.size("Y") * pair.lr.size("X"))
    planes = [read_field(pair.lr, index, {}) for index in pair.indices("YX", count)]
    finite = np.concatenate([plane[np.isfinite(plane)] for plane in planes])
    try:
        noise = measure_noise(planes)
    except SettingsError as error:
        return None, f"sigmas are not measurable: {error.message}"
    at_mean = float(noise.sigma(finite.mean()))
    if not at_mean > _LEAST_SHARE * finite.std():
        return None, "sigmas are not measurable: the input shows structure, but no noise"
    least = float(np.sqrt(MIN_RELATIVE_VARIANCE)) * at_mean
    note = "noise: measured on the input; structure as fine as its pixels may count as noise"
    return replace(noise, read_noise=max(noise.read_noise, least)), note
