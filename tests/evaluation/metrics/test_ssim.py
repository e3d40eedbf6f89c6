"""The family of SSIM: scikit-image to 1e-12, answers that follow from formulas, what is left out."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from skimage.metrics import normalized_mutual_information, structural_similarity

from napari_superres.errors import EvaluationError
from napari_superres.evaluation.metrics import full_reference
from napari_superres.evaluation.metrics.ssim import (
    MS_SSIM_MIN_SIZE,
    SCALE_WEIGHTS,
    LocalMoments,
    combine_scales,
    fit_micro_ssim,
    moments_pyramid,
)

RANDOM = np.random.default_rng(0)
CLEAN = RANDOM.normal(100, 20, (61, 83))
NOISY = CLEAN + RANDOM.normal(0, 10, CLEAN.shape)


def scene(edge: int = 192) -> np.ndarray:
    y, x = np.mgrid[:edge, :edge]
    return 200 + 90 * np.sin(y / 7) * np.cos(x / 11) + RANDOM.normal(0, 5, (edge, edge))


@pytest.mark.parametrize("shape", [(61, 83), (13, 20, 24)])
def test_ssim_is_that_of_scikit_image(shape):
    a = RANDOM.random(shape)
    b = a + RANDOM.normal(0, 0.1, shape)
    expected, full = structural_similarity(
        a, b, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    assert full_reference.ssim(a, b, data_range=1.0) == pytest.approx(expected, abs=1e-12)
    assert np.allclose(full_reference.ssim_map(a, b, data_range=1.0), full, atol=1e-12, rtol=0)


def test_a_line_needs_no_second_filtering():
    mapped = LocalMoments.between(CLEAN, NOISY).with_gain_offset((0.3, 7.0), (2.0, -5.0))
    again = LocalMoments.between(2 * CLEAN - 5, 0.3 * NOISY + 7)
    assert mapped.mean_ssim(200.0) == pytest.approx(again.mean_ssim(200.0), abs=1e-12)


def test_ms_ssim_of_constants_is_the_luminance_of_the_coarsest_scale():
    a, b = (
        np.full((MS_SSIM_MIN_SIZE, MS_SSIM_MIN_SIZE + 3), 0.5),
        np.full((MS_SSIM_MIN_SIZE, MS_SSIM_MIN_SIZE + 3), 0.6),
    )
    luminance = (2 * 0.5 * 0.6 + 1e-4) / (0.25 + 0.36 + 1e-4)
    assert full_reference.ms_ssim(a, b, data_range=1.0) == pytest.approx(luminance ** SCALE_WEIGHTS[-1], abs=1e-9)


def test_ms_ssim():
    a = scene()
    assert full_reference.ms_ssim(a, a, data_range=200.0) == pytest.approx(1.0, abs=1e-12)
    noisy = a + RANDOM.normal(0, 20, a.shape)
    single, several = (f(a, noisy, data_range=200.0) for f in (full_reference.ssim, full_reference.ms_ssim))
    assert single < several < 1  # coarse scales hold less noise
    assert full_reference.ms_ssim(a, 400 - a, data_range=200.0) == 0.0
    assert np.isnan(full_reference.ms_ssim(a[:, : MS_SSIM_MIN_SIZE - 1], a[:, : MS_SSIM_MIN_SIZE - 1], data_range=1.0))
    by_hand = 1.0
    for i, moments in enumerate(moments_pyramid(a, noisy, LocalMoments.between(a, noisy))):
        luminance, structure = (v[5:-5, 5:-5] for v in moments.ssim_terms(200.0))
        by_hand *= (luminance * structure if i == 4 else structure).mean() ** SCALE_WEIGHTS[i]
    assert several == pytest.approx(by_hand, abs=1e-12)
    assert combine_scales([], data_range=1.0) != combine_scales([], data_range=1.0)


@pytest.mark.parametrize("factor", [0.02, 0.5, 1.0, 30.0])
def test_micro_ssim_finds_the_factor(factor):
    true = np.abs(scene(64))[None] - 100
    true -= np.percentile(true, 3)
    fit = fit_micro_ssim(true, factor * true)
    assert fit.alpha == pytest.approx(1 / factor, rel=1e-3)
    assert fit.score(LocalMoments.between(true[0], factor * true[0]), true[0]) == pytest.approx(1.0, abs=1e-6)


def test_micro_ssim_does_not_mind_background_and_gain():
    true = scene(96)
    seen = true + RANDOM.normal(0, 15, true.shape)
    plain, moved = (fit_micro_ssim(true[None], v[None]) for v in (seen, 40 + 0.1 * seen))
    scores = (
        plain.score(LocalMoments.between(true, seen), true),
        moved.score(LocalMoments.between(true, 40 + 0.1 * seen), true),
    )
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)
    assert scores[0] < 0.99
    assert full_reference.ssim(true, 40 + 0.1 * seen, data_range=float(np.ptp(true))) < 0.5
    assert fit_micro_ssim(np.ones((1, 20, 20)), np.ones((1, 20, 20))) is None
    assert fit_micro_ssim(true[None, :8], true[None, :8]) is None


def stack():
    """A stack whose planes differ in brightness, and a noisy copy with background and gain of its own."""
    random = np.random.default_rng(3)
    y, x = np.mgrid[:64, :80]
    base = 1 + np.sin(y / 5) * np.cos(x / 7) + 0.3 * np.sin(x / 2)
    true = np.stack([level * base for level in (5.0, 20.0, 100.0, 300.0)])
    return true, 40 + 0.2 * (true + random.normal(0, 8, true.shape))


def micro_ssim_by_definition(reference, candidate):
    """Ashesh 2024, from scikit-image: one background, maximum and factor; ranges as in the authors' program."""
    background, other = (np.percentile(v, 3) for v in (reference, candidate))
    top = (reference - background).max()
    pairs = [((r - background) / top, (c - other) / top) for r, c in zip(reference, candidate, strict=True)]

    def scores(factor, ranges):
        wang = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": True}
        return [
            structural_similarity(r, factor * c, data_range=span, **wang)
            for (r, c), span in zip(pairs, ranges, strict=True)
        ]

    own = [np.ptp(r) for r, _ in pairs]
    best = minimize_scalar(lambda factor: -np.mean(scores(factor, own[-1:] * 4)), bounds=(0.1, 50), method="bounded")
    return best.x, scores(best.x, own)


def test_micro_ssim_of_a_stack_is_that_of_its_definition():
    true, seen = stack()
    factor, expected = micro_ssim_by_definition(true, seen)
    fit = fit_micro_ssim(true, seen)
    found = [fit.score(LocalMoments.between(r, c), r) for r, c in zip(true, seen, strict=True)]
    assert fit.alpha == pytest.approx(factor, rel=1e-2)
    assert found == pytest.approx(expected, abs=2e-3)
    assert max(expected) - min(expected) > 0.3  # of a range of the whole stack, dim planes would look better
    # What microssim 0.0.5 gives for these planes, although it fits the factor with another window.
    assert fit.alpha == pytest.approx(3.8373, rel=0.02)
    assert found == pytest.approx([0.0354, 0.3993, 0.8752, 0.9320], abs=0.007)


def test_micro_ssim_leaves_out_what_is_not_finite_and_what_is_constant():
    true, seen = stack()
    plain = fit_micro_ssim(true, seen)
    holed, other = true.copy(), seen.copy()
    holed[1, 10:20, 10:20] = np.inf
    other[2, 30:34, 30:34] = -np.inf
    fit = fit_micro_ssim(holed, other)
    assert fit.alpha == pytest.approx(plain.alpha, rel=0.05)
    assert np.isnan(fit.score(LocalMoments.between(0 * true[0], seen[0]), 0 * true[0]))
    usual = plain.score(LocalMoments.between(true[3], seen[3]), true[3])
    assert fit.score(LocalMoments.between(true[3], seen[3]), true[3]) == pytest.approx(usual, abs=0.02)


def test_pixels_that_are_not_finite_are_left_out():
    holed = NOISY.copy()
    holed[20, 30] = np.nan
    local = full_reference.ssim_map(CLEAN, holed, data_range=200.0)
    assert np.isnan(local[15:26, 25:36]).all()
    assert np.isnan(local).sum() == 121
    far = np.isfinite(local)
    assert np.allclose(local[far], full_reference.ssim_map(CLEAN, NOISY, data_range=200.0)[far], atol=1e-12)
    with pytest.raises(EvaluationError, match="at least 11 pixels"):
        LocalMoments.between(CLEAN[:10], CLEAN[:10])
    with pytest.raises(EvaluationError, match="one shape"):
        LocalMoments.between(CLEAN, CLEAN[1:])


def test_hfen():
    assert full_reference.hfen(CLEAN, 1.1 * CLEAN) == pytest.approx(0.1, abs=1e-12)
    assert full_reference.hfen(CLEAN, np.zeros_like(CLEAN)) == pytest.approx(1.0, abs=1e-12)
    assert full_reference.hfen(CLEAN, CLEAN + 1e4) == pytest.approx(0.0, abs=1e-9)
    assert np.isnan(full_reference.hfen(np.ones((20, 20)), np.ones((20, 20))))
    holed = CLEAN * 1.1
    holed[3, 4] = np.nan
    assert full_reference.hfen(CLEAN, holed) == pytest.approx(0.1, abs=2e-3)


def test_mutual_information_is_that_of_scikit_image():
    assert full_reference.nmi(CLEAN, NOISY) == pytest.approx(normalized_mutual_information(CLEAN, NOISY), abs=1e-12)
    assert full_reference.nmi(CLEAN, CLEAN) == pytest.approx(2.0, abs=1e-12)
    assert full_reference.nmi(CLEAN, -3 * CLEAN) == pytest.approx(2.0, abs=1e-9)
    assert np.isnan(full_reference.nmi(np.ones((4, 4)), np.ones((4, 4))))
    assert full_reference.nmi(CLEAN, np.ones_like(CLEAN)) == 1.0
    big = np.random.default_rng(1).random((2, 512, 512))
    assert full_reference.nmi(*big) == pytest.approx(1.002, abs=1e-3)  # bias of finite counts
