"""Failure masks: the promise on fresh images, known answers, and what they refuse; how many images bounds need."""

from dataclasses import replace
from math import ceil, inf

import numpy as np
import pytest

from napari_superres import Image
from napari_superres.errors import EvaluationError, SettingsError
from napari_superres.evaluation.uncertainty.calibration import Binding, Calibration
from napari_superres.evaluation.uncertainty.conformal import (
    hoeffding_bentkus,
    least_images_in_the_mean,
    risk_controlling_factor,
    risk_threshold,
    useful_images,
)
from napari_superres.evaluation.uncertainty.failure import failure_mask, fit_failure
from napari_superres.evaluation.uncertainty.fit_calibration import calibrate
from napari_superres.evaluation.uncertainty.spread import Spread

BOUND = Binding(model="m", sha256="a", scale=(2, 2), modality="x", pixel_size=None, intensity_range=None)


def images(count, random, pixels=400):
    """Return errors and spreads of images, each of a quality of its own."""
    quality = random.uniform(0.5, 2, (count, 1))
    spread = quality * random.gamma(2.0, 1.0, (count, pixels))
    return np.abs(random.normal(0, spread)), spread


def test_the_threshold_is_the_least_that_keeps_the_bound():
    """Against the definition: n / (n + 1) of the mean loss, and 1 / (n + 1), at every score and between them."""
    random = np.random.default_rng(3)
    for alpha in (0.1, 0.2, 0.5):
        scores = [np.round(random.normal(size=random.integers(0, 9)), 1) for _ in range(25)]
        totals = [len(s) + int(random.integers(0, 5)) for s in scores]

        def bound(t, scores=scores, totals=totals):
            losses = [(s > t).sum() / max(n, 1) for s, n in zip(scores, totals, strict=True)]
            return (sum(losses) + 1) / (len(scores) + 1)

        found = risk_threshold(scores, totals, alpha)
        assert bound(found) <= alpha + 1e-12
        assert bound(found - 1e-6) > alpha or found == -inf
    assert risk_threshold([[1.0]] * 8, [1] * 8, 0.1) == inf
    assert risk_threshold([[]] * 9, [0] * 9, 0.1) == -inf
    assert risk_threshold([[1.0, 2.0]] * 9, [2] * 9, 0.1) == 2.0  # nine images may not lose anything
    with pytest.raises(SettingsError, match="alpha"):
        risk_threshold([[1.0]], [1], 0)


def test_on_fresh_images_few_failing_pixels_are_missed():
    random = np.random.default_rng(0)
    missed = []
    for _ in range(600):
        errors, spreads = images(20, random)
        mask = fit_failure(list(errors[:-1]), list(spreads[:-1]), 3.0, 0.1)
        fails = errors[-1] > 3
        missed.append((spreads[-1][fails] < mask.threshold).mean() if fails.any() else 0.0)
    assert 0.05 < np.mean(missed) <= 0.1 + 3 * np.std(missed) / np.sqrt(len(missed))


def test_a_spread_that_knows_the_error_marks_hardly_more_than_what_fails():
    random = np.random.default_rng(1)
    errors = np.abs(random.normal(0, 1, (60, 2000)))
    known = fit_failure(list(errors), list(errors), 1.5, 0.1)
    blind = fit_failure(list(errors), list(random.random(errors.shape)), 1.5, 0.1)
    assert known.failing == pytest.approx(0.1336, abs=0.005)  # P(|N(0, 1)| > 1.5)
    assert 0.9 * known.failing < known.marked <= known.failing
    assert blind.marked > 0.85
    assert known.missed <= 0.1


def test_too_few_images_mark_everything_and_no_failure_marks_nothing():
    errors = [np.ones(50)] * 8
    assert fit_failure(errors, errors, 0.5, 0.1).marked == 1
    assert "8 images bound nothing: 9 are needed" in str(fit_failure(errors, errors, 0.5, 0.1))
    none = fit_failure([np.zeros(50)] * 9, [np.ones(50)] * 9, 0.5, 0.1)
    assert (none.threshold, none.marked, none.missed) == (inf, 0, 0)
    with pytest.raises(SettingsError, match="tolerance"):
        fit_failure(errors, errors, 0.0, 0.1)


def test_how_many_images_bounds_need():
    """Least: no error at all is allowed. Useful: half of what is promised is."""
    assert least_images_in_the_mean(0.1) == 9
    wanted, masks = useful_images(0.1, 0.1)
    assert hoeffding_bentkus(0.05, wanted, 0.1) <= 0.1 < hoeffding_bentkus(0.05, wanted - 1, 0.1)
    assert masks == 18
    assert 18 * 0.05 + 1 <= 0.1 * 19 + 1e-12
    assert 17 * 0.05 + 1 > 0.1 * 18
    assert ceil(2 * 0.9 / 0.1) == masks


def pairs(count, random):
    errors, spreads = images(count, random, 1000)
    truth = random.uniform(0, 1000, errors.shape)
    return [(y + e, u, y) for y, e, u in zip(truth, errors, spreads, strict=True)]


def test_a_calibration_says_how_many_images_would_help():
    """At 22 images the bound covers nearly everything; the foreseen width is that of more images which err alike."""
    random = np.random.default_rng(2)
    made = calibrate(pairs(22, random), binding=BOUND)
    (note,) = made.notes
    wanted = useful_images(0.1, 0.1)[0]
    assert "hold 100 % of the pixels where 90 % were asked for" in note
    assert f"with about {wanted} images" in note
    foreseen = float(note.rsplit(", ", 1)[1].split()[0])
    actual = calibrate(pairs(wanted, random), binding=BOUND)
    assert actual.notes == ()
    assert foreseen == pytest.approx(actual.mean_width, rel=0.25)
    assert foreseen < 0.7 * made.mean_width
    scores = [np.arange(10.0)] * 22
    assert risk_controlling_factor(scores, 0.15, 0.1) == 9
    assert risk_controlling_factor(scores, 0.15, 0.1, images=10_000) == 8


def test_the_file_keeps_the_mask_and_older_files_have_none(tmp_path):
    made = calibrate(pairs(12, np.random.default_rng(4)), binding=BOUND, tolerance=4.0)
    assert made.failure.tolerance == 4
    file = made.to_json(tmp_path / "c.json")
    assert Calibration.from_json(file) == made
    unbounded = replace(made, failure=replace(made.failure, threshold=-inf))
    assert Calibration.from_json(unbounded.to_json(file)) == unbounded
    file.write_text(file.read_text("utf-8").replace('"format": 2', '"format": 1'), "utf-8")
    old = replace(made, failure=None)
    text = old.to_json(file).read_text("utf-8").replace('"format": 2', '"format": 1')
    file.write_text(text.replace('"failure": null', '"notes": []'), "utf-8")
    assert Calibration.from_json(file).failure is None


def test_the_mask_lies_on_the_result(tmp_path):
    made = calibrate(pairs(12, np.random.default_rng(4)), binding=BOUND, tolerance=4.0)
    deviation = np.full((6, 8), 0.0, np.float32)
    deviation[2, 3], deviation[4, 5] = made.failure.threshold + 1, np.nan
    image = Image.from_array(deviation, "YX", pixel_size=0.1)
    spread = Spread(mean=image, deviation=image, members=1, models=("m",), sha256=("a",), scale=(2, 2), modality="x")
    mask = failure_mask(spread, made, BOUND)
    assert mask.pixel_size == image.pixel_size
    assert np.argwhere(np.asarray(mask.data)).tolist() == [[2, 3], [4, 5]]
    assert mask.metadata["failure"]["tolerance"] == 4
    with pytest.raises(EvaluationError, match="without failure masks"):
        failure_mask(spread, replace(made, failure=None), BOUND)
    with pytest.raises(EvaluationError, match="holds for the model"):
        failure_mask(spread, made, replace(BOUND, sha256="b", model="other"))
