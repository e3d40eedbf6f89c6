"""Gain, offset, gamma, flux: what metrics that do not see them hide."""

import numpy as np
import pytest

from napari_superres.evaluation.metrics.full_reference import pearson
from napari_superres.evaluation.metrics.linearity import flux, linearity, si_psnr

RANDOM = np.random.default_rng(0)
RAMP = RANDOM.random((128, 128))


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 3.0])
def test_gamma_is_found_behind_gain_offset_and_noise(gamma):
    seen = 40 + 7 * RAMP**gamma + RANDOM.normal(0, 0.2, RAMP.shape)
    found = linearity(RAMP, seen)
    assert found.gamma == pytest.approx(gamma, rel=0.08)
    assert (found.r_squared > 0.999) == (gamma == 1.0)
    assert (found.deviation < 0.02) == (gamma == 1.0)
    assert len(found.reference) == 20


def test_a_camera_offset_of_the_reference_does_not_make_a_gamma():
    assert linearity(100 + RAMP, 3 * RAMP).gamma == pytest.approx(1.0, abs=0.02)
    assert linearity(100 + RAMP, RAMP**2).gamma == pytest.approx(2.0, abs=0.1)


def test_what_has_no_linearity():
    assert np.isnan(linearity(np.ones((9, 9)), RAMP[:9, :9]).gamma)
    assert np.isnan(linearity(RAMP, np.ones_like(RAMP)).gamma)
    assert np.isnan(linearity(np.full((9, 9), np.nan), RAMP[:9, :9]).gamma)
    holed = np.where(RAMP > 0.9, np.nan, RAMP)
    assert linearity(holed, RAMP).gamma == pytest.approx(1.0, abs=0.01)


def test_flux():
    assert flux(RAMP, 1.25 * RAMP) == pytest.approx(1.25)
    assert flux(RAMP, np.where(RAMP > 0.5, np.nan, RAMP)) == pytest.approx(1.0)
    assert np.isnan(flux(np.zeros((3, 3)), RAMP[:3, :3]))


def test_si_psnr_is_a_range_and_a_correlation():
    seen = RAMP + RANDOM.normal(0, 0.1, RAMP.shape)
    true, centred = (RAMP - RAMP.mean()) / RAMP.std(), seen - seen.mean()
    scaled = centred * (true * centred).sum() / (centred**2).sum()
    reach = np.ptp(RAMP) / RAMP.std()
    expected = 10 * np.log10(reach**2 / np.mean((true - scaled) ** 2))  # by its definition
    assert si_psnr(RAMP, seen) == pytest.approx(expected, abs=1e-9)
    for other in (3 * seen + 100, -seen):
        assert si_psnr(RAMP, other) == pytest.approx(expected, abs=1e-9)
    assert si_psnr(RAMP, 2 * RAMP) == np.inf
    assert np.isnan(si_psnr(RAMP, np.ones_like(RAMP)))
    assert pearson(RAMP, seen) < 1
