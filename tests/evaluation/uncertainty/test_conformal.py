"""Conformal intervals: known answers, coverage on fresh images, and what a calibration refuses."""

import json
from dataclasses import replace

import numpy as np
import pytest

from napari_superres import Image, upscale, write_image
from napari_superres.degradation import degrade
from napari_superres.errors import EvaluationError, SettingsError, SuperResWarning
from napari_superres.evaluation.uncertainty.calibration import Binding, Calibration, half_widths, intervals
from napari_superres.evaluation.uncertainty.conformal import (
    conformal_quantile,
    hoeffding_bentkus,
    image_score,
    least_images,
    normalised_scores,
    risk_controlling_factor,
)
from napari_superres.evaluation.uncertainty.fit_calibration import calibrate, calibrate_folder
from napari_superres.evaluation.uncertainty.spread import spread

BOUND = Binding(
    model="toy",
    sha256="ab" * 32,
    scale=(2, 2),
    modality="fluorescence",
    pixel_size=(0.1, 0.2),
    intensity_range=(0.0, 100.0),
    members=8,
)


def pairs(count, random, pixels=400, *, bias=0.0, tail=0.0):
    """Images whose noise varies from pixel to pixel, and whose level of it, and bias, from image to image."""
    for _ in range(count):
        u = random.uniform(1, 5, pixels)
        f = random.uniform(0, 1000, pixels)
        own = np.exp(tail * random.normal())
        yield f, u, f + u * (own * random.normal(size=pixels) + bias * random.normal())


def coverage(found, factor, epsilon):
    return np.array([(normalised_scores(*pair, epsilon) <= factor).mean() for pair in found])


@pytest.fixture(scope="module")
def calibration():
    return calibrate(pairs(30, np.random.default_rng(0), tail=0.3), binding=BOUND)


def test_exchangeable_pixels_with_an_exact_spread():
    """The 0.9 quantile of the absolute value of a normal number."""
    random, found = np.random.default_rng(0), []
    for _ in range(100):
        f, u = random.normal(size=2000), random.uniform(0.1, 3, 2000)
        found.append(conformal_quantile(normalised_scores(f, u, f + u * random.normal(size=2000), 0), 0.1))
    assert np.mean(found) == pytest.approx(1.645, abs=0.01)
    assert np.abs(np.array(found) - 1.645).max() < 0.15


def test_the_quantile_is_an_order_statistic():
    scores = np.random.default_rng(0).permutation(np.arange(1.0, 20))
    assert conformal_quantile(scores, 0.1) == 18  # ceil(20 * 0.9)
    assert conformal_quantile(scores, 0.05) == 19
    assert conformal_quantile(scores, 0.04) == np.inf
    assert conformal_quantile(np.arange(1.0, 10), 0.7) == 3  # 10 * (1 - 0.7) is a little more than 3 in floats
    assert conformal_quantile(np.arange(8), 0.1) == np.inf
    assert conformal_quantile(np.arange(9), 0.1) == 8
    with pytest.raises(EvaluationError, match="NaN"):
        conformal_quantile([1, np.nan], 0.1)
    with pytest.raises(SettingsError, match="between 0 and 1, got 10"):
        conformal_quantile([1], 10)
    assert image_score(np.arange(1.0, 11), 0.1) == 9


@pytest.mark.parametrize(("n", "expected"), [(10, 0.2057), (21, 0.1038), (22, 0.0994), (50, 0.0450), (100, 0.0228)])
def test_the_bound_without_any_loss(n, expected):
    assert hoeffding_bentkus(0, n, 0.1) == pytest.approx(expected, abs=2e-4)
    assert hoeffding_bentkus(0, n, 0.1) == pytest.approx(1 - 0.1 ** (1 / n), abs=1e-9)


def test_the_bound_with_losses():
    assert hoeffding_bentkus(0.05, 100, 0.1) == pytest.approx(0.107, abs=2e-3)
    assert hoeffding_bentkus(0.05, 1000, 0.1) == pytest.approx(0.064, abs=2e-3)
    bounds = [hoeffding_bentkus(r, 40, 0.1) for r in np.linspace(0, 1, 41)]
    assert np.all(np.diff(bounds) >= 0)
    assert bounds[-1] == 1
    assert hoeffding_bentkus(0.5, 5, 0.99) > 0.5
    assert least_images(0.1, 0.1) == 22
    assert hoeffding_bentkus(0, least_images(0.05, 0.1), 0.1) <= 0.05
    assert hoeffding_bentkus(0, least_images(0.05, 0.1) - 1, 0.1) > 0.05
    with pytest.raises(SettingsError, match="n >= 1"):
        hoeffding_bentkus(0.1, 0, 0.1)


def test_the_factor_is_the_last_before_the_bound_is_passed():
    """By steps over all scores."""
    random = np.random.default_rng(0)
    scores = [np.abs(random.normal(size=30 + i)) for i in range(25)]
    found = risk_controlling_factor(scores, 0.1, 0.1)
    passing = []
    for factor in sorted(np.concatenate(scores), reverse=True):
        risk = np.mean([(s > factor).mean() for s in scores])
        if hoeffding_bentkus(risk, 25, 0.1) > 0.1:
            break
        passing.append(factor)
    assert found == passing[-1]
    with pytest.raises(SettingsError, match="at least 22 images, got 21"):
        risk_controlling_factor(scores[:21], 0.1, 0.1)


def test_images_are_covered_as_promised_and_pooled_pixels_are_not():
    """Guarantee A over many calibrations: a fresh image has its share of pixels with probability 0.9."""
    random = np.random.default_rng(1)
    held, pooled = [], []
    for _ in range(25):
        made = calibrate(pairs(29, random, bias=2.0, tail=0.3), binding=BOUND)
        held.append((coverage(pairs(60, random, bias=2.0, tail=0.3), made.q, made.epsilon) >= 0.9).mean())
        five = [normalised_scores(*pair, 0) for pair in pairs(5, random, bias=2.0, tail=0.3)]
        q = conformal_quantile(np.concatenate(five), 0.1)
        pooled.append(coverage(pairs(60, random, bias=2.0, tail=0.3), q, 0))
    assert np.mean(held) == pytest.approx(0.9, abs=0.03)
    assert np.mean(pooled) < 0.885, "five images are not thousands of pixels"
    assert np.percentile(pooled, 10) < 0.75
    assert np.mean(np.array(pooled) >= 0.9) < 0.8


def test_the_share_outside_is_bounded_as_promised():
    """Guarantee B: at most one calibration in ten may let more than a tenth outside."""
    random, outside = np.random.default_rng(2), []
    for _ in range(25):
        made = calibrate(pairs(50, random, bias=0.3, tail=0.3), binding=BOUND)
        outside.append(1 - coverage(pairs(120, random, bias=0.3, tail=0.3), made.lam, made.epsilon).mean())
    assert np.mean(np.array(outside) <= 0.1) >= 0.9
    assert np.mean(outside) > 0.015, "a bound, not a surrender"


def test_what_a_calibration_says(calibration):
    assert calibration.images == 30
    assert calibration.epsilon == pytest.approx(10, rel=0.03)
    assert calibration.factor == calibration.lam
    nominal, found = np.array(calibration.curve).T
    np.testing.assert_allclose(nominal, np.arange(1, 10) / 10)
    np.testing.assert_allclose(found, nominal, atol=0.02)
    assert 0.2 < calibration.rank_correlation < 0.6
    for quarters in (calibration.by_intensity, calibration.by_spread):
        assert np.mean(quarters) > 0.9
    assert np.ptp(calibration.by_intensity) < 0.03
    # Epsilon is large beside these spreads: it makes the intervals of small ones too wide.
    assert calibration.by_spread[0] > calibration.by_spread[3] + 0.01
    assert calibration.mean_width == pytest.approx(2 * calibration.lam * (3 + calibration.epsilon), rel=0.02)


def test_large_images_are_sampled_alike_each_time():
    whole = list(pairs(3, np.random.default_rng(0), pixels=150_000))
    found = calibrate(whole, alpha=0.5, binding=BOUND)
    assert found == calibrate(whole, alpha=0.5, binding=BOUND)
    exact = sorted(image_score(normalised_scores(*pair, found.epsilon), 0.5) for pair in whole)[1]
    assert found.q != exact
    assert found.q == pytest.approx(exact, rel=0.01)


def test_few_images():
    random = np.random.default_rng(0)
    made = calibrate(pairs(21, random), binding=BOUND)
    assert made.lam is None
    assert "at least 22 images, got 21" in made.reason
    assert made.factor == made.q < np.inf
    few = calibrate(pairs(8, random), binding=BOUND)
    assert few.q == few.factor == few.mean_width == np.inf
    assert calibrate(pairs(22, random), binding=BOUND).reason == ""
    with pytest.raises(EvaluationError, match="at least 2 pairs, got 1"):
        calibrate(pairs(1, random), binding=BOUND)
    with pytest.raises(SettingsError, match="alpha and delta"):
        calibrate(pairs(2, random), alpha=0, binding=BOUND)


def test_pixels_that_are_not_finite_are_left_out_and_bad_pairs_refused():
    random = np.random.default_rng(0)
    good = list(pairs(12, random))
    holed = [(np.where(np.arange(400) < 9, np.nan, f), u, y) for f, u, y in good]
    cut = [tuple(a[9:] for a in pair) for pair in good]
    assert calibrate(holed, binding=BOUND) == calibrate(cut, binding=BOUND)
    f, u, y = good[0]
    with pytest.raises(EvaluationError, match="one shape"):
        calibrate([*good, (f, u[1:], y)], binding=BOUND)
    with pytest.raises(EvaluationError, match="at least 0, got -"):
        calibrate([*good, (f, -u, y)], binding=BOUND)
    with pytest.raises(EvaluationError, match="4 finite pixels, got 0"):
        calibrate([*good, (f * np.nan, u, y)], binding=BOUND)
    with pytest.raises(EvaluationError, match="one constant"):
        calibrate([(f, u, np.ones(400))] * 3, binding=BOUND)
    flat = calibrate([(f, np.zeros(400), y) for f, _, y in good], binding=BOUND)
    assert flat.rank_correlation is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sha256": "cd" * 32}, "the model toy, got other weights of toy"),
        ({"sha256": "", "model": "bicubic-x2"}, "got bicubic-x2"),
        ({"scale": (3, 3)}, r"scale \(2, 2\), got \(3, 3\)"),
        ({"modality": "CT"}, "modality fluorescence, got CT"),
        ({"members": 4}, "number of results in a spread 8, got 4"),
        ({"pixel_size": (0.1, 0.22)}, "0.1 to 0.2 µm, got 0.1 to 0.22 µm"),
        ({"pixel_size": (0.09, 0.09)}, "got 0.09 µm"),
        ({"pixel_size": None}, "pixel size of this image is not known"),
    ],
)
def test_it_holds_for_nothing_else(calibration, changes, said):
    with pytest.raises(EvaluationError, match=said):
        calibration.check(replace(BOUND, **changes))


def test_it_holds_for_the_same(calibration):
    assert calibration.check(BOUND) == ()
    near = replace(BOUND, model="renamed", pixel_size=(0.096, 0.209), intensity_range=(-4, 104))
    assert calibration.check(near) == ()
    assert calibration.check(replace(BOUND, intensity_range=None)) == ()
    unknown = replace(calibration, binding=replace(BOUND, pixel_size=None))
    assert unknown.check(replace(BOUND, pixel_size=None)) == ()
    with pytest.raises(EvaluationError, match="calibration images is not known"):
        unknown.check(BOUND)
    for outside in ((0, 106), (-6, 50)):
        (note,) = calibration.check(replace(BOUND, intensity_range=outside))
        assert "leave the range of the calibration images (0 to 100)" in note


def test_files_round_trip(calibration, tmp_path):
    path = calibration.to_json(tmp_path / "toy.json")
    assert Calibration.from_json(path) == calibration
    few = replace(calibrate(pairs(8, np.random.default_rng(0)), binding=BOUND), notes=("é: left out",))
    assert Calibration.from_json(few.to_json(path)) == few
    json.loads(path.read_text("utf-8"), parse_constant=pytest.fail)
    assert [p.name for p in tmp_path.iterdir()] == ["toy.json"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda v: {**v, "q": "much"},
        lambda v: {**v, "q": -1},
        lambda v: {**v, "q": "nan"},
        lambda v: {**v, "alpha": 2},
        lambda v: {**v, "binding": {}},
        lambda v: {**v, "binding": None},
        lambda v: {**v, "curve": [[1]]},
        lambda v: {**v, "lam": -0.1},
        lambda v: {**v, "more": 1},
        lambda v: {**v, "by_spread": [1, 1]},
        lambda v: {k: x for k, x in v.items() if k != "epsilon"},
        lambda v: {**v, "format": None},
        lambda v: [v],
        lambda v: {k: x for k, x in v.items() if k != "format"},
        lambda v: {**v, "binding": {**v["binding"], "scale": 2}},
        lambda v: {**v, "binding": {**v["binding"], "pixel_size": [2, 1]}},
    ],
)
def test_damaged_files_are_refused(calibration, tmp_path, damage):
    path = calibration.to_json(tmp_path / "toy.json")
    path.write_text(json.dumps(damage(json.loads(path.read_text("utf-8")))), "utf-8")
    with pytest.raises(EvaluationError, match=r"toy.json is no calibration or is damaged"):
        Calibration.from_json(path)


def test_other_bad_files_are_refused(calibration, tmp_path):
    path = calibration.to_json(tmp_path / "toy.json")
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"\xff\xfe\x00", b"[" * 100_000):
        path.write_bytes(content)
        with pytest.raises(EvaluationError, match="damaged"):
            Calibration.from_json(path)
    path.write_bytes(whole.replace(b'"format": 2', b'"format": 3'))
    with pytest.raises(EvaluationError, match="newer version"):
        Calibration.from_json(path)
    with pytest.raises(EvaluationError, match="cannot be read"):
        Calibration.from_json(tmp_path / "none.json")


def scene(seed, size=32, pixel_size=0.1):
    y, x = np.mgrid[:size, :size]
    phase = np.random.default_rng(seed).uniform(0, 6, 3)
    data = 500 + 300 * np.sin(x / 2 + phase[0]) * np.cos(y / 1.5 + phase[1]) + 100 * np.sin(x * y / 40 + phase[2])
    return Image.from_array(data.astype(np.uint16), "YX", pixel_size=pixel_size)


@pytest.fixture
def folders(tmp_path):
    lr, ref = tmp_path / "lr", tmp_path / "ref"
    for folder in (lr, ref):
        folder.mkdir()
    for seed in range(10):
        write_image(scene(seed), ref / f"s{seed}.tif")
        write_image(degrade(scene(seed), 2), lr / f"s{seed}.tif")
    return lr, ref


def test_a_folder(folders):
    lr, ref = folders
    (lr / "s8.tif").write_bytes(b"garbage")
    (ref / "s9.tif").unlink()
    write_image(scene(99), ref / "lonely.tif")
    two = ["bicubic-x2", "lanczos-x2"]
    made = calibrate_folder(lr, ref, two, tta=False, alpha=0.2, modality="waves")
    assert made.images == 8
    assert made.lam is None
    assert made.binding.members == 2
    assert made.binding.model == "bicubic-x2 + lanczos-x2"
    assert made.binding.modality == "waves"
    assert made.binding.pixel_size == pytest.approx((0.2, 0.2))
    notes = "\n".join(made.notes)
    assert "s8: " in notes
    assert "s9: no reference of this name" in notes
    assert "lonely: no input of this name" in notes
    assert 0 < made.q < np.inf

    image, truth = degrade(scene(50), 2), scene(50).data
    found = spread(image, two, tta=False)
    bound = Binding.of(found, modality="waves")
    half = half_widths(found, made, bound)
    np.testing.assert_allclose(half.data, made.q * (found.deviation.data + made.epsilon), rtol=1e-5)
    np.testing.assert_array_equal(half.affine, upscale(image, "bicubic-x2").affine)
    assert half.metadata["interval"]["guarantee"] == "image"
    assert (np.abs(truth - found.mean.data) <= half.data).mean() > 0.7
    with pytest.raises(EvaluationError, match=r"got bicubic-x2\. Calibrate again"):
        intervals(found, made, Binding.of(spread(image, "bicubic-x2"), modality="waves"))
    with pytest.raises(EvaluationError, match=r"µm, got 0\.4 µm"):
        intervals(found, made, Binding.of(spread(image.with_pixel_size(0.4), two, tta=False), modality="waves"))
    with pytest.raises(EvaluationError, match=r"alpha 0\.1 needs at least 9 calibration images, this one has 8"):
        intervals(found, replace(made, alpha=0.1, q=np.inf), replace(bound, intensity_range=None))


def test_intervals_warn_of_what_half_widths_note(folders):
    made = calibrate_folder(*folders, "bicubic-x2", alpha=0.2)
    brighter = degrade(scene(50), 2)
    brighter = brighter.replace(data=np.asarray(brighter.data) * np.uint16(3))
    found = spread(brighter, "bicubic-x2")
    quiet = half_widths(found, made, Binding.of(found))
    (note,) = quiet.metadata["interval"]["notes"]
    with pytest.warns(SuperResWarning, match="leave the range of the calibration images") as told:
        loud = intervals(found, made, Binding.of(found))
    assert [str(w.message) for w in told] == [note]
    np.testing.assert_array_equal(loud.data, quiet.data)


def test_folders_with_too_few_pairs(folders):
    lr, ref = folders
    for path in list(lr.iterdir())[1:]:
        path.unlink()
    with pytest.raises(EvaluationError, match=r"at least 2 pairs \(22 for the bound\), got 1"):
        calibrate_folder(lr, ref, "bicubic-x2")


def test_images_whose_spread_is_made_otherwise_are_left_out(folders):
    lr, ref = folders
    for folder, image in ((ref, scene(3, pixel_size=(0.1, 0.3))), (lr, degrade(scene(3, pixel_size=(0.1, 0.3)), 2))):
        write_image(image, folder / "s3.tif", overwrite=True)
    made = calibrate_folder(lr, ref, "bicubic-x2")
    assert made.images == 9
    assert made.binding.members == 8
    assert "s3: spread of 4 results, others of 8" in made.notes
