"""What makes a table fair: the same pixels, the same place, the same channels for every row."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from napari_superres import Image, degrade, evaluate, upscale
from napari_superres.errors import EvaluationError


def scene(seed=0, edge=96):
    values = gaussian_filter(np.random.default_rng(seed).random((edge, edge)), 1.5)
    return (1000 + 40000 * (values - values.min())).astype(np.float32)


def image(values, axes="YX", **options):
    return Image.from_array(values, axes, pixel_size=0.2, **options)


REFERENCE = image(scene())
LOW = degrade(REFERENCE, 2)


def psnr(report, candidate, channel="all"):
    return next(r["psnr"] for r in report.rows if r["candidate"] == candidate and r["channel"] == channel)


def test_registration_does_not_put_the_baselines_on_the_wrong_place():
    result = np.asarray(upscale(LOW, "bicubic-x2").data, np.float64)
    moved = image(shift(result, (1.5, -0.8), order=5, mode="mirror").astype(np.float32))
    report = evaluate(moved, REFERENCE, lr=LOW, register=True, baselines=())
    still = evaluate(image(result), REFERENCE, lr=LOW, baselines=())
    assert psnr(report, "bicubic") == pytest.approx(psnr(still, "bicubic"), abs=0.2)
    assert psnr(report, "result") == pytest.approx(psnr(report, "bicubic"), abs=0.7)
    assert psnr(report, "result, not registered") < psnr(report, "result") - 3


def test_no_row_is_measured_where_the_result_has_no_pixels():
    bad = np.array(upscale(LOW, "nearest-x2").data)
    error = np.abs(bad - np.asarray(REFERENCE.data))
    bad[error > np.quantile(error, 0.5)] = np.nan
    report = evaluate(image(bad), REFERENCE, lr=LOW, baselines=())
    assert {r["invalid"] for r in report.rows} == {int(np.isnan(bad).sum())}
    assert any("50.0 % of the result is not finite" in note for note in report.notes)
    kept = np.isfinite(bad)
    bicubic = np.asarray(upscale(LOW, "bicubic-x2").data)
    error = np.mean((bicubic - np.asarray(REFERENCE.data, np.float64))[kept] ** 2)
    assert psnr(report, "bicubic") == pytest.approx(10 * np.log10(report.rows[0]["data_range"] ** 2 / error), abs=1e-3)


def test_channels_are_matched_by_their_names():
    first, second = scene(0), scene(1)
    reference = image(np.stack([first, second]), "CYX", channel_names=("DAPI", "GFP"))
    low = degrade(reference, 2)
    result = image(np.stack([second, first]), "CYX", channel_names=("GFP", "DAPI"))
    report = evaluate(result, reference, lr=low, baselines=())
    assert psnr(report, "result") == np.inf
    assert psnr(report, "bicubic", "GFP") > 25
    states = {answer.question: answer.state for answer in report.findings["image"].answers}
    assert states["Are the channels in order?"] == "yes"
    assert any("the reference's channels were reordered to GFP, DAPI" in note for note in report.notes)


def test_one_slice_of_a_stack_and_a_plane():
    slice_ = image(np.asarray(REFERENCE.data)[None], "ZYX")
    report = evaluate(slice_, slice_, lr=LOW, baselines=())
    assert psnr(report, "result") == np.inf
    assert report.findings["image"].answers


def test_pixel_sizes_that_are_not_known_are_not_right():
    bare = Image.from_array(np.asarray(REFERENCE.data), "YX")
    answers = evaluate(REFERENCE, bare, lr=LOW, baselines=()).findings["image"].answers
    assert (answers[0].state, "unknown of the reference" in answers[0].reason) == ("not measurable", True)


def test_fields_far_apart_do_not_overlap():
    far = Image.from_array(np.asarray(REFERENCE.data), "YX", pixel_size=0.2, origin=(1000.05, 0.0))
    with pytest.raises(EvaluationError, match="do not overlap"):
        evaluate(REFERENCE, far, lr=LOW)


def test_noise_lies_nowhere():
    noise = image(np.random.default_rng(5).random((96, 96)).astype(np.float32))
    answers = {
        answer.question: answer for answer in evaluate(noise, REFERENCE, lr=LOW, baselines=()).findings["image"].answers
    }
    assert answers["Does it lie on the reference?"].state == "no"
    assert answers["Is the added fine detail real?"].state == "no"
    assert answers["Is it consistent with its input?"].state == "no"
