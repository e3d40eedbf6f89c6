"""Rows over planes, channels and images: errors are pooled, and what is constant is left out and counted."""

import numpy as np
import pytest

from napari_superres import Image, degrade, evaluate, upscale
from napari_superres.evaluation.metrics import full_reference
from napari_superres.evaluation.metrics.conventions import ComparisonRules
from napari_superres.evaluation.metrics.linearity import flux, si_psnr
from napari_superres.evaluation.metrics.score import intensity_limits, pool_decibels, score

RULES = ComparisonRules.parse("microscopy", None)
RANDOM = np.random.default_rng(0)
VOLUME = RANDOM.uniform(100, 200, (4, 32, 36))
NOISY = VOLUME + RANDOM.normal(0, 5, VOLUME.shape)


def row(reference, candidate, axes="ZYX"):
    one, other = (Image.from_array(v, axes) for v in (candidate, reference))
    return score(one, other, RULES, intensity_limits(other, RULES, None), image="", name="", scale=None)[-1]


def test_blank_planes_are_left_out_of_every_metric_and_counted():
    usual = row(VOLUME, NOISY)
    blank = np.zeros((1, 32, 36))
    stripped = row(np.concatenate([blank, VOLUME, blank]), np.concatenate([blank, NOISY, blank]))
    assert stripped["constant"] == 2
    assert usual["constant"] == 0
    limits = intensity_limits(Image.from_array(np.concatenate([blank, VOLUME, blank]), "ZYX"), RULES, None)[0]
    assert stripped["psnr"] - usual["psnr"] == pytest.approx(
        20 * np.log10((limits[1] - limits[0]) / usual["data_range"])
    )
    for metric in ("nrmse", "mae", "hfen", "pearson", "gain", "flux", "micro_ssim"):
        assert stripped[metric] == pytest.approx(usual[metric], rel=1e-9), metric
    assert [np.isnan(plane["psnr"]) for plane in stripped["planes"]] == [True, *[False] * 4, True]


def test_one_perfect_plane_does_not_make_a_stack_perfect():
    candidate = NOISY.copy()
    candidate[1] = VOLUME[1]
    found = row(VOLUME, candidate)
    assert found["planes"][1]["psnr"] == np.inf
    assert found["psnr"] == pytest.approx(full_reference.psnr(VOLUME, candidate, data_range=found["data_range"]))
    assert np.isfinite(found["si_psnr"])
    assert row(VOLUME, VOLUME)["psnr"] == np.inf


@pytest.mark.parametrize("metric", ["nrmse", "hfen"])
def test_a_dim_plane_does_not_rule_a_stack(metric):
    """Relative errors of a nearly empty frame are large; over the stack, only its share of the energy counts."""
    true, seen = VOLUME - 150, NOISY - 150
    true[0] /= 1000
    found = row(true, seen)
    assert found["planes"][0][metric] > 100 * found["planes"][1][metric]
    if metric == "nrmse":
        assert found[metric] == pytest.approx(full_reference.nrmse(true, seen))
    else:
        edges = [np.stack([full_reference.laplacian_of_gaussian(p) for p in v]) for v in (true, seen)]
        assert found[metric] == pytest.approx(np.linalg.norm(edges[0] - edges[1]) / np.linalg.norm(edges[0]))


def test_pixels_that_are_missing_weigh_nothing():
    holed = NOISY.copy()
    holed[0, :30] = np.nan
    keep = np.isfinite(holed)
    found = row(VOLUME, holed)
    expected = full_reference.psnr(VOLUME[keep], holed[keep], data_range=found["data_range"])
    assert found["psnr"] == pytest.approx(expected)
    assert found["nrmse"] == pytest.approx(full_reference.nrmse(VOLUME[keep], holed[keep]))


def test_decibels_are_pooled_by_their_errors():
    assert pool_decibels([20.0, 20.0]) == pytest.approx(20)
    assert pool_decibels([20.0, np.inf]) == pytest.approx(20 + 10 * np.log10(2))
    assert pool_decibels([20.0, np.nan]) == pytest.approx(20)
    assert pool_decibels([np.inf, np.inf]) == np.inf
    assert np.isnan(pool_decibels([np.nan]))
    assert np.isnan(pool_decibels([]))


def test_a_hot_pixel_in_the_reference_changes_no_verdict():
    hot = VOLUME.copy()
    hot[2, 10, 10] = 60_000
    seen = NOISY.copy()
    seen[2, 10, 10] = 60_000
    for metric in ("psnr", "si_psnr", "ssim"):
        assert row(hot[2:3], seen[2:3])[metric] < row(VOLUME[2:3], NOISY[2:3])[metric] + 1, metric
    assert si_psnr(hot[2], seen[2]) > si_psnr(VOLUME[2], NOISY[2]) + 20, "what is widely published is not robust"


def test_a_channel_without_contrast_does_not_refuse_the_others():
    data = np.stack([VOLUME[0], np.full((32, 36), 7.0)])
    reference = Image.from_array(data, "CYX", pixel_size=0.1)
    lr = degrade(reference, 2)
    report = evaluate(upscale(lr, "lanczos-x2"), reference, lr=lr, baselines=())
    rows = {r["channel"]: r for r in report.rows if r["candidate"] == "result"}
    assert np.isnan(rows["1"]["psnr"])
    assert rows["all"]["psnr"] == pytest.approx(rows["0"]["psnr"])
    assert rows["all"]["constant"] == 1
    assert "constant" in report.table().splitlines()[1]


def test_what_a_result_shows_in_a_blank_plane_is_said():
    data = np.concatenate([np.zeros((1, 32, 36)), VOLUME])
    reference = Image.from_array(data.astype(np.float32), "ZYX", pixel_size=0.1)
    lr = degrade(reference, (1, 2, 2))
    result = upscale(lr, "lanczos-x2")
    values = np.array(result.data)
    values[0, 5, 5] = 9
    notes = evaluate(result.replace(data=values), reference, lr=lr, baselines=()).notes
    assert any("1 of 5 planes" in note and "not constant in 1 of them" in note for note in notes)


@pytest.mark.parametrize("offset", [0.0, -40.0, -1000.0])
def test_signed_data_have_no_flux(offset):
    """Hounsfield units, phases and data scaled to a mean of 0: their sum is no amount of light."""
    values = RANDOM.normal(0, 50, (64, 64)) + offset
    assert np.isnan(flux(values, 1.2 * values))
    counts = np.abs(values) + 5 + RANDOM.normal(0, 1, values.shape)  # a few below 0, as after a background is removed
    assert flux(counts, 1.2 * counts) == pytest.approx(1.2)
