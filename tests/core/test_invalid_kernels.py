"""The fill of non-finite pixels does not depend on the division into tiles; interpolation reproduces polynomials."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import CubicSpline

from napari_superres.core import invalid
from napari_superres.core.kernels import AREA_SPLINE, KERNELS, REACH, phase_weights


@given(seed=st.integers(0, 50), y=st.integers(0, 20), x=st.integers(0, 20), ndim=st.sampled_from([2, 3]))
def test_fill_does_not_depend_on_the_tiles(seed, y, x, ndim):
    rng = np.random.default_rng(seed)
    values = rng.random((9, 40, 42)[3 - ndim :]) * 1e3
    values[rng.random(values.shape) < 0.3] = np.nan
    values[..., 10:22, 12:25] = np.inf  # this hole is wider than the reach
    whole = invalid.fill(values, -1.0)
    r = invalid.REACH
    box = (..., slice(y, y + 12 + 2 * r), slice(x, x + 10 + 2 * r))
    inside = (..., slice(r, -r), slice(r, -r))
    assert np.array_equal(invalid.fill(values[box], -1.0)[inside], whole[box][inside])


def test_fill_takes_near_valid_pixels_and_leaves_those_alone():
    values = np.full((15, 15), np.nan)
    values[7, 7] = 5.0
    found = invalid.fill(values, -1.0)
    assert np.array_equal(found[4:11, 4:11], np.full((7, 7), 5.0))
    assert found[3, 7] == found[7, 11] == -1.0
    clean = np.random.default_rng(0).random((6, 7)).astype(np.float32)
    assert np.array_equal(invalid.fill(clean, 0.0), clean)
    assert invalid.fill(clean, 0.0).dtype == np.float32


def test_repeat_pixels_repeats_each_axis():
    assert np.array_equal(invalid.repeat_pixels(np.array([[1, 2]]), (2, 3)), [[1, 1, 1, 2, 2, 2]] * 2)


@pytest.mark.parametrize("name", REACH)
@pytest.mark.parametrize("scale", [1, 2, 3, 4, 5, 8])
def test_weights_sum_to_one_and_mirror(name, scale):
    weights = phase_weights(name, scale)
    assert weights.shape == (scale, 2 * REACH[name] + 1)
    assert np.allclose(weights.sum(axis=1), 1.0, rtol=0, atol=1e-15)
    assert np.allclose(weights, weights[::-1, ::-1], atol=1e-14)


@pytest.mark.parametrize(("name", "degree"), [("nearest", 0), ("bicubic", 2), ("lanczos", 0)])
@pytest.mark.parametrize("scale", [2, 3, 4, 7])
def test_polynomials_are_reproduced_on_the_right_grid(name, degree, scale):
    """Keys' kernel is exact for parabolas, so a wrong offset or phase would fail."""
    reach = KERNELS[name][1]
    position = (np.arange(scale) + 0.5) / scale - 0.5
    for power in range(degree + 1):
        found = phase_weights(name, scale) @ (np.arange(-reach, reach + 1.0) ** power)
        assert np.allclose(found, position**power, atol=1e-14)


@pytest.mark.parametrize("scale", [2, 3, 5, 8])
def test_the_area_spline_is_the_derivative_of_a_spline_through_the_cumulative_sum(scale):
    """Against scipy's spline, far from its ends; and the mean of the new pixels within each old one is the old one."""
    line = np.random.default_rng(0).random(80)
    total = CubicSpline(np.arange(81), np.concatenate([[0.0], np.cumsum(line)]))
    expected = np.diff(total(np.arange(80 * scale + 1) / scale)) * scale
    weights, reach = phase_weights(AREA_SPLINE, scale), REACH[AREA_SPLINE]
    found = np.stack([weights @ line[q - reach : q + reach + 1] for q in range(20, 60)])
    assert np.abs(found.ravel() - expected[20 * scale : 60 * scale]).max() <= 2e-6
    assert np.abs(found.mean(axis=1) - line[20:60]).max() <= 1e-14


def test_the_area_spline_keeps_averages_of_parabolas():
    """A histogram of a parabola becomes the averages of the parabola over the new pixels, exactly."""
    for scale in (2, 3, 7):
        borders = np.arange(scale + 1) / scale
        q = np.arange(-REACH[AREA_SPLINE], REACH[AREA_SPLINE] + 1.0)
        old = ((q + 1) ** 3 - q**3) / 3
        assert np.allclose(phase_weights(AREA_SPLINE, scale) @ old, np.diff(borders**3) / 3 * scale, atol=1e-4)


def test_known_weights():
    assert np.allclose(phase_weights("bicubic", 2)[0] * 128, [-3, 29, 111, -9, 0])
    assert np.allclose(phase_weights("nearest", 3), 1.0)
