"""Detail beyond the input: what a reference confirms follows from a formula, whatever noise and holes it has."""

import numpy as np
import pytest

from napari_superres import Image
from napari_superres.evaluation import local_agreement, ring_correlation
from napari_superres.evaluation.resolution.holes import without_holes
from napari_superres.evaluation.resolution.shared_detail import shared_detail

EDGE = 256
RADIUS = np.hypot(np.fft.fftfreq(EDGE)[:, None], np.fft.fftfreq(EDGE))


def texture(seed, low=0.0, high=1.0, slope=1.0):
    """A random scene between two radial frequencies, whose amplitude falls with frequency."""
    spectrum = np.fft.fft2(np.random.default_rng(seed).normal(size=RADIUS.shape))
    shape = np.where((low <= RADIUS) & (high > RADIUS), np.maximum(RADIUS, 0.01) ** -slope, 0)
    return np.fft.ifft2(spectrum * shape).real


COARSE, FINE, INVENTED = texture(0, high=0.25), texture(1, 0.25), texture(2, 0.25)


def shared(result, reference):
    return shared_detail(Image.from_array(result, "YX"), Image.from_array(reference, "YX"), 2)


@pytest.mark.parametrize("invented", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("kept", [1.0, 0.5])
def test_the_confirmed_share_is_that_of_the_formula(invented, kept):
    """The regression of r = k f + i t on f: k / (k^2 + i^2), for f and t of one power."""
    found = shared(COARSE + kept * FINE + invented * INVENTED, COARSE + FINE)
    assert found.confirmed == pytest.approx(kept / (kept**2 + invented**2), abs=0.06)
    assert found.correlation == pytest.approx(kept / np.hypot(kept, invented), abs=0.05)


@pytest.mark.parametrize("noise", [0.0, 1.0, 3.0])
def test_noise_of_the_reference_confirms_no_less(noise):
    seen = COARSE + FINE + noise * FINE.std() * np.random.default_rng(3).normal(size=FINE.shape)
    assert shared(COARSE + FINE, seen).confirmed == pytest.approx(1, abs=0.15)


def test_texture_that_correlates_as_well_as_an_honest_result_is_told_from_it():
    """Both correlate by 0.45: one leaves out detail of the reference, the other adds what is not there."""
    weak = COARSE + texture(1, 0.25, 0.292)
    lie = COARSE + 0.45 * FINE + np.sqrt(1 - 0.45**2) * INVENTED
    honest, invented = (shared(result, COARSE + FINE) for result in (weak, lie))
    assert honest.correlation == pytest.approx(invented.correlation, abs=0.1)
    assert honest.confirmed > 0.9
    assert invented.confirmed < 0.5


def test_a_band_of_invented_texture_is_not_outweighed_by_the_others():
    found = shared(COARSE + texture(1, 0.25, 0.44) + texture(2, 0.44), COARSE + FINE)
    assert found.correlation > 0.8
    assert found.confirmed < 0.2


def holed(values, fill=np.nan):
    values = values.copy()
    values[40:120, 60:180] = fill
    values[200:210, 20:200:9] = fill
    return values


@pytest.mark.parametrize("fill", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["result", "reference", "both"])
def test_holes_neither_confirm_nor_deny(fill, where):
    """The outline of a hole that both images share is detail that they share."""
    bright = 50 * COARSE.std() + COARSE  # a hole filled with 0, or with the mean of the whole, would have an outline
    ramp = np.linspace(0, 200, EDGE) * COARSE.std()
    for detail, expected in ((FINE, 1.0), (INVENTED, 0.0)):
        result, reference = bright + ramp + detail, bright + ramp + FINE
        result, reference = (
            holed(v, fill) if where in (name, "both") else v
            for name, v in (("result", result), ("reference", reference))
        )
        assert shared(result, reference).confirmed == pytest.approx(expected, abs=0.12)


def test_a_shared_hole_is_no_agreement():
    one, other = (holed(100 + texture(seed)) for seed in (4, 5))
    curve = ring_correlation(Image.from_array(one, "YX"), Image.from_array(other, "YX"))
    assert abs(curve.correlation[20:].mean()) < 0.05
    honest = 100 + texture(4)
    noisy = [honest + 3 * honest.std() * np.random.default_rng(s).normal(size=honest.shape) for s in (1, 2)]
    whole, with_holes = (
        ring_correlation(*(Image.from_array(v, "YX") for v in pair)).agreement().value
        for pair in (noisy, [holed(v) for v in noisy])
    )
    assert with_holes == pytest.approx(whole, rel=0.1)


def test_empty_planes_are_left_out_of_a_stack():
    stack = np.stack([COARSE + FINE, np.full_like(FINE, np.nan), COARSE + FINE])
    noise = 0.1 * np.random.default_rng(0).normal(size=stack.shape)
    pair = [Image.from_array(v, "ZYX") for v in (stack, stack + noise)]
    single = [Image.from_array(v[0], "YX") for v in (stack, stack + noise)]
    assert ring_correlation(*pair).correlation == pytest.approx(ring_correlation(*single).correlation, abs=0.1)
    assert np.isnan(local_agreement(*pair).data[1]).all()
    assert np.isfinite(local_agreement(*pair).data[0]).any()
    assert without_holes(stack[1]) is None


def test_single_pixels_are_filled_and_nothing_else_is_touched():
    values = 100 + COARSE
    broken = values.copy()
    broken[10, 10] = np.inf
    (whole,) = without_holes(broken)
    assert whole.mean() == pytest.approx(0, abs=1e-9)
    assert np.delete((whole - values).ravel(), 10 * EDGE + 10).std() < 1e-9
    assert without_holes(values)[0] is not broken
