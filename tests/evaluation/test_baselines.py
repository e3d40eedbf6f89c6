"""What stands beside a result, whether it beats it, and conditions for pipelines."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_superres import Image, degrade, evaluate, evaluate_folder, write_image
from napari_superres.core.binning import bin_mean
from napari_superres.core.noise import Noise
from napari_superres.degradation.kspace import fill_zeros
from napari_superres.errors import EvaluationError, SettingsError, SuperResWarning
from napari_superres.evaluation.baselines import baselines
from napari_superres.evaluation.metrics.paired import compare_paired
from napari_superres.evaluation.reporting.findings import Findings
from napari_superres.evaluation.reporting.gates import check_answers, check_gate
from napari_superres.evaluation.reporting.questions import Answer


def blobs(shape=(64, 72), axes="YX", seed=0, **options):
    random = np.random.default_rng(seed)
    points = np.where(random.random(shape) > 0.97, random.uniform(1000, 30000, shape), 0)
    sigma = [1.0 if a in "YX" else 0.5 for a in axes]
    return Image.from_array((200 + gaussian_filter(points, sigma)).astype(np.uint16), axes, pixel_size=0.1, **options)


def row_of(report, name):
    return next(r for r in report.rows if r["candidate"] == name and r["channel"] == "all")


def test_restoration_beats_interpolation_of_blurred_images():
    reference = blobs()
    lr = degrade(reference, 2, kernel="gaussian", psf_sigma=1.5)
    report = evaluate(None, reference, lr=lr, models=["bicubic-x2"])
    psnr = {r["candidate"]: r["psnr"] for r in report.rows}
    assert psnr["bicubic"] == psnr["bicubic-x2"]
    assert psnr["wiener"] > psnr["bicubic"] + 1
    assert psnr["richardson-lucy"] > psnr["bicubic"] + 1
    assert any("sigma 1.5" in note for note in report.notes)
    declared = evaluate(None, reference, lr=lr, models=["bicubic-x2"], psf_sigma=0.15)  # micrometers: 1.5 fine pixels
    assert row_of(declared, "wiener")["psnr"] == pytest.approx(psnr["wiener"], abs=0.1)
    wider = evaluate(None, reference, lr=lr, models=["bicubic-x2"], psf_sigma=0.3)
    assert row_of(wider, "wiener")["psnr"] < psnr["wiener"]


def test_the_area_spline_is_a_baseline_of_slices_that_become_thinner():
    volume = blobs((12, 24, 28), "ZYX")
    thick = Image.from_array(bin_mean(np.asarray(volume.data), (3, 1, 1)), "ZYX")
    names = ["lanczos", "area-spline"]
    found = dict(baselines(thick, {"Z": 3, "Y": 1, "X": 1}, names, psf_sigma=None))
    assert list(found) == ["bicubic", *names]
    error = {k: float(np.square(np.float64(v.data) - np.asarray(volume.data)).mean()) for k, v in found.items()}
    assert error["area-spline"] < error["bicubic"]
    assert list(dict(baselines(blobs(), {"Y": 2, "X": 2}, names, psf_sigma=None))) == ["bicubic", "lanczos"]


def test_zero_filling():
    reference = blobs()
    lr = degrade(reference, 2, kernel="kspace")
    report = evaluate(None, reference, lr=lr, models=["bicubic-x2"], baselines=["zero-filling"])
    assert [r["candidate"] for r in report.rows] == ["bicubic-x2", "bicubic", "zero-filling"]
    expected = np.rint(fill_zeros(np.asarray(lr.data), (2, 2))).clip(0, 65535)
    found = dict(baselines(lr, {"Y": 2, "X": 2}, ["zero-filling"], psf_sigma=None))["zero-filling"]
    assert np.array_equal(found.data, expected)
    assert row_of(report, "zero-filling")["psnr"] > row_of(report, "bicubic")["psnr"]


@pytest.mark.parametrize("axes", ["TYX", "YXC", "ZYX"])
def test_every_plane_is_restored_alike(axes):
    plane = np.asarray(blobs().data)
    at = next(i for i, a in enumerate(axes) if a in "TZC")
    image = Image.from_array(np.stack([plane, plane], axis=at), axes)
    scale = {a: 2 if a in "YX" else 1 for a in image.spatial}
    single = dict(baselines(Image.from_array(plane, "YX"), {"Y": 2, "X": 2}, ["wiener"], psf_sigma=1.5))["wiener"].data
    found = dict(baselines(image, scale, ["wiener"], psf_sigma=1.5))["wiener"]
    for i in range(2):
        assert np.array_equal(np.take(found.data, i, axis=at), single)


def test_what_cannot_be_deconvolved_is_left_out():
    low = blobs((32, 32))
    assert list(dict(baselines(low, {"Y": 2, "X": 2}, ["wiener", "lanczos"], psf_sigma=None))) == ["bicubic", "lanczos"]
    assert list(dict(baselines(low, {"Y": 2, "X": 2}, ["wiener"], psf_sigma=0.1))) == ["bicubic"]
    holed = low.replace(data=np.where(np.arange(32) == 5, np.nan, np.asarray(low.data, np.float32)))
    with pytest.warns(SuperResWarning, match="NaN or infinite"):
        found = dict(baselines(holed, {"Y": 2, "X": 2}, ["richardson-lucy"], psf_sigma=1.0))["richardson-lucy"].data
    assert np.isnan(found).any()
    assert np.isfinite(found[:, 30:]).all()
    with pytest.raises(SettingsError, match=r"unknown baseline 'sinc'.*zero-filling"):
        evaluate(low, low, lr=low, baselines=["sinc"])


def test_denoising_is_a_rival_of_models_that_denoise():
    scene = gaussian_filter(np.asarray(blobs((192, 160)).data, np.float64), 2)
    reference = Image.from_array((30000 * scene / scene.max()).astype(np.uint16), "YX", pixel_size=0.1)
    lr = degrade(reference, 2, kernel="gaussian", psf_sigma=1.0, photons=20, read_noise=1)
    names = ["non-local-means", "nlm-richardson-lucy", "richardson-lucy"]
    report = evaluate(None, reference, lr=lr, models=["bicubic-x2"], baselines=names)
    psnr = {r["candidate"]: r["psnr"] for r in report.rows}
    assert psnr["non-local-means"] > psnr["bicubic"] + 1
    assert psnr["nlm-richardson-lucy"] > psnr["non-local-means"] + 0.1
    # On the grid of the input it is the only baseline that is not the input itself.
    same = baselines(lr, {"Y": 1, "X": 1}, ["lanczos", *names], psf_sigma=1.0, noise=[Noise(0.0, 100.0, 0.0)])
    assert list(dict(same)) == ["bicubic", "non-local-means"]


def test_channels_are_denoised_by_their_own_noise():
    clean = np.asarray(blobs().data, dtype=np.float64)
    noisy = np.random.default_rng(0).normal(clean, 0.1 * clean.max()).clip(0, 65535).astype(np.uint16)
    image = Image.from_array(np.stack([blobs().data, noisy]), "CYX")
    noise = [Noise(0.0, 0.0, 0.0), Noise(0.0, 0.1 * clean.max(), 0.0)]
    both = dict(baselines(image, {"Y": 2, "X": 2}, ["non-local-means"], psf_sigma=None, noise=noise))
    assert np.array_equal(both["non-local-means"].data[0], both["bicubic"].data[0])
    assert both["non-local-means"].data[1].astype(float).std() < 0.9 * both["bicubic"].data[1].astype(float).std()


def test_an_image_without_room_for_noise_says_so():
    reference = blobs((20, 20))
    report = evaluate(None, reference, lr=degrade(reference, 2), models=["bicubic-x2"], baselines=["non-local-means"])
    assert [r["candidate"] for r in report.rows] == ["bicubic-x2", "bicubic"]
    assert any("nothing was denoised: noise is measured in at least" in note for note in report.notes)


def test_without_a_result_models_are_needed():
    reference = blobs()
    lr = degrade(reference, 2)
    for options in ({"lr": lr}, {"models": ["bicubic-x2"]}):
        with pytest.raises(EvaluationError, match="an input and at least one model"):
            evaluate(None, reference, **options)
    with pytest.raises(EvaluationError, match=r"models of one scale.*x2x2.*x3x3"):
        evaluate(None, reference, lr=lr, models=["bicubic-x2", "bicubic-x3"])


def test_paired_differences():
    random = np.random.default_rng(0)
    base = random.normal(30, 3, 12)
    better = compare_paired(base + 1 + random.normal(0, 0.1, 12), base, names=("a", "bicubic"))
    assert (better.beats, better.better, better.worse) == ("yes", 12, 0)
    assert better.low < 1 < better.high
    assert better.high - better.low < 0.2
    assert better.p == pytest.approx(2 / 2**12)
    assert compare_paired(base - 1, base, names=("a", "b")).beats == "no"
    assert compare_paired(base + random.normal(0, 1, 12), base, names=("a", "b")).beats == "cannot tell"
    five = compare_paired(base[:5] + 1, base[:5], names=("a", "b"))
    assert (five.beats, five.p) == ("cannot tell", 2 / 2**5)
    assert "+1.00 dB in one image; too few images (1; 6 needed)" in str(
        compare_paired([31.0], [30.0], names=("a", "b"))
    )
    assert compare_paired([np.inf, np.nan], [1, 2], names=("a", "b")).images == 0
    assert compare_paired(base, base, names=("a", "b")).p == 1


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Return folders of seven references and their inputs."""
    root = tmp_path_factory.mktemp("set")
    for name in ("ref", "lr"):
        (root / name).mkdir()
    for i in range(7):
        reference = blobs(seed=i)
        write_image(reference, root / "ref" / f"{i}.tif")
        low = degrade(reference, 2, kernel="gaussian", psf_sigma=1.2, photons=200, seed=i)
        write_image(low, root / "lr" / f"{i}.tif")
    return root


def test_models_are_judged_over_a_folder(folders):
    report = evaluate_folder(
        None, folders / "ref", lr_dir=folders / "lr", models=["lanczos-x2", "nearest-x2"], baselines=["richardson-lucy"]
    )
    verdicts = {c.candidate: c for c in report.comparisons}
    assert list(verdicts) == ["lanczos-x2", "nearest-x2", "richardson-lucy"]
    assert verdicts["nearest-x2"].beats == "no"
    assert verdicts["richardson-lucy"].beats == "yes"
    assert verdicts["richardson-lucy"].images == 7
    assert "richardson-lucy against bicubic: +" in report.table()
    assert "better in 7 of 7: better (95 % interval +" in report.table()
    assert '"beats": "yes"' in report.to_json()
    with pytest.raises(EvaluationError, match="a folder of inputs"):
        evaluate_folder(None, folders / "ref", models=["lanczos-x2"])


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        ("psnr>10", True),
        ("psnr < 10", False),
        ("psnr>bicubic", False),
        ("psnr>=nearest-x2", True),
        ("richardson-lucy:psnr>bicubic+0.5", True),
        ("richardson-lucy:psnr > bicubic + 90", False),
        ("psnr>bicubic-20", True),
        ("lanczos-x2:ssim<=1", True),
        ("flux>0.9", True),
    ],
)
def test_gates(folders, text, passed):
    names = ["nearest-x2", "lanczos-x2"]
    report = evaluate_folder(None, folders / "ref", lr_dir=folders / "lr", models=names, baselines=["richardson-lucy"])
    gate = check_gate(text, report.rows)
    assert gate.passed == passed
    assert gate.text == text
    assert "limit" in gate.values


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("psnr", "METRIC>LIMIT"),
        ("fancy>3", "unknown metric 'fancy'"),
        ("image>3", "unknown metric 'image'"),
        ("psnr>magic", "neither a number nor a candidate"),
        ("psnr>nan", "neither a number nor a candidate"),
        ("psnr>bicubic*2", "neither a number"),
        ("swin:psnr>3", "unknown candidate 'swin'"),
    ],
)
def test_gates_that_cannot_be(text, said):
    reference = blobs((40, 40))
    report = evaluate(reference, reference, lr=degrade(reference, 2), baselines=())
    with pytest.raises(SettingsError, match=said):
        check_gate(text, report.rows)


def answered(*states):
    answers = tuple(Answer("?", state, "") for state in states)
    return {"a": Findings(answers=answers, linearity={}, spectra={}, unit="pixel", maps={})}


@pytest.mark.parametrize(
    ("states", "passed", "strictly"),
    [
        (("yes", "yes"), True, True),
        (("yes", "not measurable"), True, True),
        (("yes", "doubtful"), True, False),
        (("yes", "no"), False, False),
        (("not measurable",), False, False),
        ((), False, False),
    ],
)
def test_gates_on_answers(states, passed, strictly):
    assert check_answers(answered(*states)).passed is passed
    assert check_answers(answered(*states), strict=True).passed is strictly
    assert not check_answers({}).passed
    assert check_answers(answered("yes"), unjudged=["b.tif"]).values == "b.tif: not judged"
    assert not check_answers(answered("yes"), unjudged=["b.tif"]).passed


@pytest.mark.parametrize("shift", [0.0, 5.0], ids=["magnitudes", "values below 0"])
def test_every_baseline_knows_whether_values_below_0_are_possible(shift):
    """As networks do: knowledge of the range is no advantage of either."""
    spots = np.where(np.random.default_rng(0).random((40, 40)) > 0.9, 100.0, 0.0) - shift
    names = ("lanczos", "wiener", "zero-filling")
    found = dict(baselines(Image.from_array(spots, "YX"), {"Y": 2, "X": 2}, names, psf_sigma=1.0))
    for name, image in found.items():
        assert (image.data.min() >= 0) == (shift == 0), name


def test_another_model_needs_the_input():
    reference = blobs((40, 40))
    with pytest.raises(SettingsError, match="Give the input as `lr`"):
        evaluate(reference, reference, against="lanczos-x2")
