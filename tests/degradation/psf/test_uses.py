"""A measured point-spread function does what the width it has would do, wherever a width is taken."""

import json

import numpy as np
import pytest
import torch
from helpers.scenes.beads import bead_positions, record_beads
from scipy.ndimage import gaussian_filter

from napari_superres import Image, degrade, evaluate, read_image, upscale, write_image
from napari_superres.cli.app import app
from napari_superres.degradation.instruments import make_instrument
from napari_superres.degradation.psf.kernel import from_record, psf_kernel, psf_sigma, to_record
from napari_superres.errors import SettingsError
from napari_superres.evaluation import check_consistency
from napari_superres.inference import degrade_file
from napari_superres.inference.verify.steps import repeat_step
from napari_superres.training.recipes import measured_sigma

SIGMA_UM = 0.15


@pytest.fixture(scope="module")
def psf():
    x = np.arange(-30, 31) * 0.04
    point = np.exp(-0.5 * (x[:, None] ** 2 + x**2) / SIGMA_UM**2)
    return Image.from_array((point / point.sum()).astype(np.float32), "YX", pixel_size=0.04)


@pytest.fixture(scope="module")
def scene():
    values = np.random.default_rng(0).random((96, 80)) * 1000
    return Image.from_array(values.astype(np.float32), "YX", pixel_size=0.1)


def test_degrade_blurs_by_what_was_measured(psf, scene):
    measured = degrade(scene, 2, kernel="measured", psf=psf)
    gaussian = degrade(scene, 2, kernel="gaussian", psf_sigma=SIGMA_UM / 0.1)
    # The larger pixels of the scene average over the point, as its own camera would have.
    difference = np.asarray(measured.data) - np.asarray(gaussian.data)
    assert np.abs(difference).max() < 0.12 * np.asarray(gaussian.data).std()
    assert measured.pixel_size == gaussian.pixel_size
    assert np.asarray(measured.data).mean() == pytest.approx(np.asarray(scene.data).mean(), rel=2e-3)


def test_a_stack_blurs_along_z():
    z, x = np.arange(-8, 9) * 0.3, np.arange(-9, 10) * 0.1
    point = np.exp(-0.5 * (z[:, None, None] / 0.5) ** 2) * np.exp(-0.5 * (x[:, None] ** 2 + x**2) / 0.15**2)
    psf = Image.from_array(point.astype(np.float32), "ZYX", pixel_size=(0.3, 0.1, 0.1))
    scene = Image.from_array(np.random.default_rng(1).random((20, 40, 40)), "ZYX", pixel_size=(0.3, 0.1, 0.1))
    measured = np.asarray(degrade(scene, (1, 2, 2), kernel="measured", psf=psf).data)
    gaussian = np.asarray(degrade(scene, (1, 2, 2), kernel="gaussian", psf_sigma=(0.5 / 0.3, 1.5, 1.5)).data)
    assert np.abs(measured - gaussian).max() < 0.05 * gaussian.std()


def test_what_a_record_holds_repeats_the_blur(psf, scene, tmp_path):
    assert np.array_equal(from_record(to_record(psf)).data, psf.data)
    write_image(scene, tmp_path / "scene.ome.tif")
    made = degrade_file(tmp_path / "scene.ome.tif", tmp_path / "low.ome.tif", scale=2, kernel="measured", psf=psf)
    record = json.loads((tmp_path / "low.ome.tif.provenance.json").read_text())
    assert np.array_equal(repeat_step(scene, record).data, made.data)
    with pytest.raises(SettingsError, match="damaged"):
        from_record({**to_record(psf), "float32": "AAAA"})


@pytest.mark.filterwarnings("ignore:The image does not fit")  # a scene of noise
def test_upscale_is_told_the_width(psf, scene):
    """The record says what the network was told: the width in pixels of the result."""
    small = scene.replace(data=np.asarray(scene.data)[:32, :32]).with_pixel_size(0.2)
    told = upscale(small, "fluo-x2", psf=psf).metadata["provenance"]["told"]
    assert told["psf_sigma"] == pytest.approx([SIGMA_UM / 0.1], rel=0.02)
    with pytest.raises(SettingsError, match="state the same"):
        upscale(small, "fluo-x2", psf=psf, psf_sigma=1.0)
    with pytest.raises(SettingsError, match="not told blur"):
        upscale(small, "espcn-x2", psf=psf)


def test_evaluate_takes_the_width(psf, scene):
    low = degrade(scene, 2, kernel="measured", psf=psf)
    baselines = {"baselines": ["richardson-lucy"], "models": "bicubic-x2"}
    measured, given = (
        evaluate(None, scene, lr=low, **baselines, **options) for options in ({"psf": psf}, {"psf_sigma": SIGMA_UM})
    )
    for a, b in zip(measured.rows, given.rows, strict=True):
        assert a["psnr"] == pytest.approx(b["psnr"], abs=0.05)
    with pytest.raises(SettingsError, match="state the same"):
        evaluate(None, scene, lr=low, psf=psf, psf_sigma=0.1, **baselines)


@pytest.fixture
def comet():
    """A function with a tail along X, as of coma; it lies 0.05 micrometres per pixel."""
    y, x = np.mgrid[-30:31, -30:31].astype(float)
    sharp = np.exp(-(y**2 + x**2) / (2 * 3.0**2))
    tail = 0.5 * np.exp(-(y**2 / (2 * 3.0**2) + (x - 7) ** 2 / (2 * 6.0**2)))
    return Image.from_array((sharp + tail).astype(np.float32), "YX", pixel_size=0.05)


def test_deconvolution_gets_the_measured_function_and_not_its_width(comet):
    points = np.random.default_rng(0).random((96, 80)) > 0.98
    scene = Image.from_array(gaussian_filter(1000.0 * points, 1).astype(np.float32), "YX", pixel_size=0.1)
    low = degrade(scene, 2, kernel="measured", psf=comet)
    sigma = psf_sigma(comet)
    width = (sigma["Y"] + sigma["X"]) / 2
    for name in ("richardson-lucy", "wiener"):
        known, fitted = (
            next(
                row
                for row in evaluate(None, scene, lr=low, models="bicubic-x2", baselines=name, **told).rows
                if row["candidate"] == name
            )["psnr"]
            for told in ({"psf": comet}, {"psf_sigma": width})
        )
        assert known > fitted + 0.5, (name, known, fitted)


def test_training_blurs_by_the_measured_function(comet):
    settings = {"kind": "optics", "psf": to_record(comet), "psf_sigma": [2.0, 2.0]}
    instrument = make_instrument(settings)
    margin = instrument.margin((1, 1))[0]
    point = np.zeros((1, 1, 61, 61), np.float32)
    point[0, 0, 30, 30] = 1
    seen, _ = instrument.expose(torch.from_numpy(point), None, (1, 1), np.random.default_rng(0))
    sigma = psf_sigma(comet)
    pixel = (sigma["Y"] + sigma["X"]) / 2 / 2.0
    kernel = psf_kernel(comet, (pixel, pixel))
    rows, columns = (n // 2 for n in kernel.shape)
    middle = 30 - margin
    inner = seen[0, 0, middle - rows : middle + rows + 1, middle - columns : middle + columns + 1]
    np.testing.assert_allclose(inner, kernel, atol=0.02 * kernel.max())
    assert "Measured PSF" in instrument.describe()


def test_training_takes_the_width(psf, scene, tmp_path):
    write_image(scene, tmp_path / "scene.ome.tif")
    low, high = measured_sigma(psf, [tmp_path])
    assert (low, high) == pytest.approx((0.9 * SIGMA_UM / 0.1, 1.1 * SIGMA_UM / 0.1), rel=0.02)


def test_the_command_line_from_beads_to_a_blurred_image(tmp_path, capsys):
    rng = np.random.default_rng(0)
    places = bead_positions(rng, 9, (1, 110, 110))
    values = record_beads(rng, places, (0, 1.6, 1.6), photons=3000, shape=(1, 110, 110), background=2.0)
    write_image(Image.from_array(values[0].astype(np.uint16), "YX", pixel_size=0.1), tmp_path / "beads.ome.tif")
    names = {name: str(tmp_path / name) for name in ("beads.ome.tif", "psf.ome.tif", "low.ome.tif")}
    app(["psf", names["beads.ome.tif"], "-o", names["psf.ome.tif"], "--json"], standalone_mode=False)
    facts = json.loads(capsys.readouterr().out)
    assert facts["good"] == 9
    assert facts["fwhm"]["X"] == pytest.approx(2.3548 * 0.16, rel=0.02)
    record = json.loads((tmp_path / "psf.ome.tif.provenance.json").read_text())
    assert record["measured"]["fwhm"] == facts["fwhm"]
    assert read_image(names["psf.ome.tif"]).pixel_size == pytest.approx((0.1, 0.1))
    arguments = [names["beads.ome.tif"], "-o", names["low.ome.tif"], "--scale", "2", "--psf", names["psf.ome.tif"]]
    app(["degrade", *arguments], standalone_mode=False)
    assert read_image(names["low.ome.tif"]).shape == (55, 55)


@pytest.fixture(scope="module")
def ring():
    """Return a ring with a core, which no Gaussian is like."""
    radius = np.hypot(*np.mgrid[-40:41, -40:41]) * 0.02
    point = np.exp(-0.5 * (radius / 0.08) ** 2) + 0.5 * np.exp(-0.5 * ((radius - 0.4) / 0.06) ** 2)
    return Image.from_array((point / point.sum()).astype(np.float32), "YX", pixel_size=0.02)


def test_the_consistency_degrades_with_the_measured_function_itself(ring):
    values = gaussian_filter(np.random.default_rng(0).random((96, 80)), 1.0) * 1000
    truth = Image.from_array(values.astype(np.float32), "YX", pixel_size=0.1)
    lr = degrade(truth, 2, kernel="measured", psf=ring)
    measured = check_consistency(truth, lr, psf=ring)
    fitted = check_consistency(truth, lr)
    assert measured.rse < 0.02 * np.std(np.asarray(lr.data))
    assert measured.rse < 0.1 * fitted.rse
    assert measured.psf_sigma == pytest.approx(psf_sigma(ring)["Y"] / 0.2)
    report = evaluate(truth, None, lr=lr, psf=ring)
    (found,) = report.findings.values()
    assert found.consistency.rse == pytest.approx(measured.rse)


def test_a_gaussian_that_was_measured_is_as_consistent_as_its_width(psf):
    values = gaussian_filter(np.random.default_rng(0).random((64, 48)), 1.0) * 1000
    truth = Image.from_array(values.astype(np.float32), "YX", pixel_size=0.1)
    lr = degrade(truth, 2, kernel="gaussian", psf_sigma=SIGMA_UM / 0.1)
    measured, known = check_consistency(truth, lr, psf=psf), check_consistency(truth, lr, psf_sigma=SIGMA_UM / 0.2)
    assert measured.rsp == pytest.approx(known.rsp, abs=1e-4)
    assert measured.psf_sigma == pytest.approx(known.psf_sigma, rel=0.02)


def test_along_z_alone_the_rest_of_the_function_blurs_nothing():
    z, y, x = np.mgrid[-20:21, -12:13, -12:13] * 0.1
    point = np.exp(-0.5 * (z**2 / 0.36 + (y**2 + x**2) / 0.04)).astype(np.float32)
    measured = Image.from_array(point, "ZYX", pixel_size=0.1)
    values = gaussian_filter(np.random.default_rng(0).random((48, 24, 20)), 0.7) * 100
    lr = gaussian_filter(values, (3.0, 0, 0)).reshape(24, 2, 24, 20).mean(1)
    fine, coarse = (
        Image.from_array(v.astype(np.float32), "ZYX", pixel_size=(s, 0.2, 0.2)) for v, s in ((values, 0.2), (lr, 0.4))
    )
    assert check_consistency(fine, coarse, psf=measured).rsp > 0.999


def test_a_width_and_a_measurement_state_the_same(psf, scene):
    lr = degrade(scene, 2)
    with pytest.raises(SettingsError, match="state the same"):
        check_consistency(scene, lr, psf=psf, psf_sigma=1.0)
    unknown = Image.from_array(np.asarray(lr.data), "YX")
    with pytest.raises(SettingsError, match="known pixel size"):
        check_consistency(Image.from_array(np.asarray(scene.data), "YX"), unknown, psf=psf)
