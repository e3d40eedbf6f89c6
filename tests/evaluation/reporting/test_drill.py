"""Planted errors: each is found by the question that should, a sound result by none, and what cannot be seen is not."""

import json
import re

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from napari_superres import Image, degrade, evaluate, evaluate_folder, write_image
from napari_superres.evaluation.reporting.findings import examine

PLACE, LINEAR, CONSISTENT, CHANNELS, BEYOND = (
    "Does it lie on the reference?",
    "Are its intensities linear?",
    "Is it consistent with its input?",
    "Are the channels in order?",
    "Is the added fine detail real?",
)
EDGE = 384


def cells(seed=0):
    """Bright structures of many sizes on a background, as sharp as a good lens shows them."""
    random = np.random.default_rng(seed)
    values = np.zeros((EDGE, EDGE))
    for sigma, count, light in ((1.2, 900, 60), (3, 180, 900), (8, 34, 9000)):
        points = np.zeros_like(values)
        points[tuple(random.integers(0, EDGE, (2, count)))] = random.uniform(0.5, 1, count) * light
        values += gaussian_filter(points, sigma)
    return 100 + 40 * values


def image(values, axes="YX"):
    return Image.from_array(values.astype(np.float32), axes, pixel_size=0.1)


def recorded(reference, seed=0):
    return degrade(reference, 2, kernel="gaussian", psf_sigma=1.5, photons=2000, read_noise=2, seed=seed)


TRUTH = image(cells())
REFERENCE = degrade(TRUTH, 1, kernel="gaussian", psf_sigma=0, photons=20000, seed=7)
"""A recording of its own: no honest result has its noise."""

LOW = recorded(TRUTH)


def answers(result, reference=REFERENCE, lr=LOW):
    return {answer.question: answer for answer in examine(result, reference, lr).answers}


def bad(found):
    return {q for q, answer in found.items() if answer.state in ("no", "doubtful")}


def changed(change):
    values = np.array(TRUTH.data, dtype=np.float64)
    return image(change(values))


def with_blob(values):
    y, x = np.mgrid[:EDGE, :EDGE]
    return values + 700 * np.exp(-((y - 150) ** 2 + (x - 80) ** 2) / (2 * 3**2))


def bent(values, gamma):
    top = values.max() - 100
    return 100 + top * ((values - 100).clip(min=0) / top) ** gamma


def without_structure(values):
    found = values.copy()
    found[100:130, 60:90] = np.median(values)
    return found


def test_a_sound_result_is_flagged_by_nothing():
    assert not bad(answers(TRUTH))


@pytest.mark.parametrize(
    ("change", "flagged", "said"),
    [
        (with_blob, CONSISTENT, r"at y 1[45](\.\d+)?, x [89](\.\d+)? µm: more there"),
        (without_structure, CONSISTENT, r"at y 1[0-3](\.\d+)?, x [6-9](\.\d+)? µm: less there"),
        (lambda v: 100 + 1.5 * (v - 100), LINEAR, r"slope 1\.5"),
        (lambda v: bent(v, 2), LINEAR, r"gamma (1\.[89]|2)"),
        (lambda v: bent(v, 0.6), LINEAR, r"gamma 0\.(5|6)"),
        (lambda v: v + 0.5 * v.mean(), LINEAR, r"flux 1\.5"),
        (lambda v: np.roll(v, 1, axis=1), PLACE, r"1\.00 pixels off \(.*1\.00; limit 0\.5\).*`register`"),
        (lambda v: shift(v, (0.0, 0.7), order=3, mode="mirror"), PLACE, r"0\.70 pixels off"),
    ],
    ids=["added", "deleted", "gain", "gamma", "square root", "offset", "shift", "half a pixel"],
)
def test_each_error_is_found_by_the_question_that_should(change, flagged, said):
    found = answers(changed(change))
    assert flagged in bad(found)
    assert re.search(said, found[flagged].reason), found[flagged].reason


def test_swapped_channels():
    first, second = np.asarray(TRUTH.data), cells(1).astype(np.float32)
    reference = image(np.stack([first, second]), "CYX")
    swapped = image(np.stack([second, first]), "CYX")
    low = recorded(reference)
    assert CHANNELS not in bad(answers(reference, reference, low))
    found = answers(swapped, reference, low)
    assert CHANNELS in bad(found)
    assert "channel 0 looks like 1" in found[CHANNELS].reason


def test_detail_that_the_reference_does_not_have():
    """Texture finer than the input's pixels: the input cannot deny it, the reference does."""
    random = np.random.default_rng(3)
    noise = random.normal(0, 1, (EDGE, EDGE))
    fine = noise - gaussian_filter(noise, 0.8)
    result = changed(lambda v: gaussian_filter(v, 1.0) + 200 * fine)
    found = answers(result)
    assert BEYOND in bad(found)
    assert re.search(
        r"\d\d % of its spectrum lies beyond the input's pixels and correlates with the reference's by -?0\.0",
        found[BEYOND].reason,
    )


def test_a_doublet_finer_than_the_lens_cannot_be_seen_by_the_input():
    """Documented blindness: one line drawn as two, nearer to each other than the PSF is wide."""
    line, doublet = (np.full((EDGE, EDGE), 100.0) for _ in range(2))
    line[:, 128] += 3000
    doublet[:, 127] += 1500
    doublet[:, 129] += 1500
    reference = image(gaussian_filter(line, 0.7))
    found = answers(image(gaussian_filter(doublet, 0.7)), reference, recorded(reference))
    assert CONSISTENT not in bad(found)
    assert "finer than the PSF cannot be checked" in found[CONSISTENT].reason


def test_the_report_says_which(tmp_path):
    report = evaluate(changed(with_blob), REFERENCE, lr=LOW, name="cells <1>")
    assert "Is it consistent with its input? no" in report.table()
    document = json.loads(report.to_json())
    states = {q["question"]: q["state"] for q in document["findings"]["cells <1>"]["questions"]}
    assert states[CONSISTENT] == "no"
    assert states["Are its error bars calibrated?"] == "not measurable"
    page = report.to_html(tmp_path / "r.html")
    assert "cells &lt;1&gt;" in page
    assert "http" not in re.sub(r"data:[^\"]+", "", page)
    assert page.count("data:image/svg+xml") == 4
    assert page.count("data:image/png") == 3, "the maps, and the places that input and reference deny"
    assert page == report.to_html()


def test_every_image_of_a_folder_is_examined_and_the_extremes_are_shown(tmp_path):
    for name in ("sr", "ref", "lr"):
        (tmp_path / name).mkdir()
    for i in range(3):
        reference = image(cells(i)[:128, :128])
        low = recorded(reference, i)
        values = np.asarray(reference.data) + (500 if i == 1 else 5) * np.random.default_rng(i).normal(size=(128, 128))
        for name, what in (("sr", image(values)), ("ref", reference), ("lr", low)):
            write_image(what, tmp_path / name / f"{i}.tif")
    report = evaluate_folder(tmp_path / "sr", tmp_path / "ref", lr_dir=tmp_path / "lr", baselines=())
    assert set(report.findings) == {"0", "1", "2"}
    assert report.findings["1"].maps, "it gains least"
    assert sum(bool(findings.maps) for findings in report.findings.values()) == 2
    assert report.findings["1"].answers[0].question == "Does it beat interpolation?"
    assert "Gain over interpolation" in report.to_html()


def test_a_declared_lens_is_held_against_the_input():
    found = {}
    for width in (None, 0.15, 0.5):
        found[width] = evaluate(REFERENCE, None, lr=LOW, psf_sigma=width).findings["image"].consistency
    assert found[0.15].psf_sigma == pytest.approx(0.75)  # micrometers of 0.2 micrometer pixels
    assert found[None].psf_sigma == pytest.approx(0.75, abs=0.02)
    assert found[0.5].rse_in_sigmas > 2 * found[0.15].rse_in_sigmas


def test_a_result_and_its_input_only():
    report = evaluate(changed(without_structure), None, lr=LOW, repeat=recorded(REFERENCE, 1))
    states = {answer.question: answer.state for answer in report.findings["image"].answers}
    assert states == {
        "Does it lie on its input?": "yes",
        LINEAR: "yes",
        CONSISTENT: "no",
        "Is it free of grids and seams?": "yes",
        BEYOND: "not measurable",
    }
    assert report.rows == []
    assert "the input, of two recordings: 0." in report.table()
    assert report.findings["image"].repeat.resolution().value is not None
    assert "<table>" not in report.to_html()


def test_a_registered_part_is_still_held_against_the_whole_input():
    moved = image(shift(np.asarray(REFERENCE.data, np.float64), (1.4, -3.0), order=3, mode="mirror"))
    report = evaluate(REFERENCE, moved, lr=LOW, register="rigid", baselines=())
    states = {answer.question: answer.state for answer in report.findings["image"].answers}
    assert states[CONSISTENT] == "yes"
    assert states[PLACE] == "doubtful"
    assert "result, not registered" in {r["candidate"] for r in report.rows}
