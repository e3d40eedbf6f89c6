import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_superres.errors import EvaluationError
from napari_superres.evaluation.metrics import full_reference
from napari_superres.evaluation.metrics.intensity_fit import fit_gain_offset


def pair(shape=(40, 33), seed=0):
    rng = np.random.default_rng(seed)
    reference = rng.gamma(2.0, 200.0, shape)
    return reference, 0.8 * reference + rng.normal(0, 30, shape) + 12


@pytest.mark.parametrize("shape", [(40, 33), (12, 20, 17)])
def test_scikit_image_agrees(shape):
    from skimage import measure
    from skimage import metrics as sk

    r, c = pair(shape)
    window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 900.0}
    close = {"rel": 1e-12, "abs": 1e-12}
    assert full_reference.psnr(r, c, data_range=900.0) == pytest.approx(
        sk.peak_signal_noise_ratio(r, c, data_range=900.0), **close
    )
    assert full_reference.ssim(r, c, data_range=900.0) == pytest.approx(
        sk.structural_similarity(r, c, **window), **close
    )
    assert full_reference.nrmse(r, c) == pytest.approx(sk.normalized_root_mse(r, c), **close)
    assert full_reference.pearson(r, c) == pytest.approx(measure.pearson_corr_coeff(r, c)[0], **close)
    full = sk.structural_similarity(r, c, full=True, **window)[1]
    assert np.abs(full_reference.ssim_map(r, c, data_range=900.0) - full).max() < 1e-12


def test_known_answers():
    a, b = np.full((20, 20), 0.5), np.full((20, 20), 0.6)
    assert full_reference.psnr(a, b, data_range=1.0) == pytest.approx(20.0, abs=1e-9)
    assert full_reference.ssim(a, b, data_range=1.0) == pytest.approx(0.983609, abs=5e-7)
    assert full_reference.mae(a, b) == pytest.approx(0.1)
    x = np.arange(1.0, 50.0)
    assert full_reference.nrmse(x, 1.1 * x) == pytest.approx(0.1)


def test_equal_images_are_infinitely_close():
    r, _ = pair()
    assert full_reference.psnr(r, r, data_range=1.0) == np.inf


def test_unsigned_integers_do_not_wrap():
    a, b = np.full((12, 12), 3, np.uint8), np.full((12, 12), 5, np.uint8)
    assert full_reference.mae(a, b) == 2.0
    assert full_reference.psnr(a, b, data_range=255) == pytest.approx(20 * np.log10(255 / 2))
    assert full_reference.pearson(np.uint8([200, 250, 240]), np.uint8([20, 25, 24])) == pytest.approx(1.0)


@given(seed=st.integers(0, 99), count=st.integers(1, 30))
def test_invalid_pixels_change_nothing_else(seed, count):
    r, c = pair(seed=seed)
    rng = np.random.default_rng(seed)
    where = rng.random(r.shape).argsort(axis=None)[:count]
    broken = c.copy()
    broken.flat[where] = np.inf if seed % 2 else np.nan
    keep = np.delete(np.arange(r.size), where)
    assert full_reference.count_invalid(r, broken) == count
    for measure in (full_reference.mae, full_reference.nrmse, full_reference.pearson):
        assert measure(r, broken) == pytest.approx(measure(r.flat[keep], c.flat[keep]), rel=1e-12)
    full, local = full_reference.ssim_map(r, c, data_range=900.0), full_reference.ssim_map(r, broken, data_range=900.0)
    seen = np.isfinite(local)
    assert np.array_equal(local[seen], full[seen])
    assert not seen.flat[where].any()


def test_one_invalid_pixel_hides_the_windows_that_see_it_and_no_more():
    r, c = pair((41, 41))
    c[20, 20] = np.nan
    hidden = np.argwhere(np.isnan(full_reference.ssim_map(r, c, data_range=900.0)))
    assert hidden.min() == 15
    assert hidden.max() == 25


def test_nothing_valid_is_not_a_number():
    nothing = np.full((12, 12), np.nan)
    assert np.isnan(
        [
            full_reference.psnr(nothing, nothing, data_range=1.0),
            full_reference.ssim(nothing, nothing, data_range=1.0),
            full_reference.nrmse(nothing, nothing),
            full_reference.mae(nothing, nothing),
            full_reference.pearson(nothing, nothing),
        ]
    ).all()
    flat = np.ones((12, 12))
    assert np.isnan(full_reference.pearson(flat, flat))
    assert np.isnan(full_reference.nrmse(0 * flat, flat))


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_a_data_range_must_be_one(bad):
    r, c = pair()
    for measure in (full_reference.psnr, full_reference.ssim, full_reference.ssim_map):
        with pytest.raises(EvaluationError, match="fixed:VALUE"):
            measure(r, c, data_range=bad)


def test_shapes_and_windows_are_checked():
    with pytest.raises(EvaluationError, match="one shape"):
        full_reference.mae(np.ones((3, 4)), np.ones((4, 3)))
    with pytest.raises(EvaluationError, match="at least 11 pixels"):
        full_reference.ssim(np.ones((10, 40)), np.ones((10, 40)), data_range=1.0)


@given(gain=st.floats(0.01, 50) | st.floats(-50, -0.01), offset=st.floats(-1e4, 1e4))
def test_the_affine_fit_recovers_any_line(gain, offset):
    _, c = pair()
    fit = fit_gain_offset(gain * c + offset, c)
    assert fit.gain == pytest.approx(gain, rel=1e-9)
    assert fit.offset == pytest.approx(offset, abs=1e-6)


def test_the_affine_fit_is_the_best_line():
    r, c = pair()
    fit = fit_gain_offset(r, c)
    best = np.square(r - fit.apply(c)).sum()
    for step in (1e-3, -1e-3):
        assert np.square(r - ((fit.gain + step) * c + fit.offset)).sum() > best
        assert np.square(r - (fit.gain * c + fit.offset + step)).sum() > best


def test_a_constant_candidate_is_fitted_by_the_mean():
    r, _ = pair()
    fit = fit_gain_offset(r, np.full(r.shape, 7))
    assert fit.gain == 0
    assert fit.offset == pytest.approx(r.mean())
