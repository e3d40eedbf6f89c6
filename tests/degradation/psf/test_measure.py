"""A point-spread function is found again on simulated beads, wherever they lie, and bad beads are thrown out."""

import numpy as np
import pytest
from helpers.scenes.beads import bead_positions, record_beads
from scipy import special

from napari_superres import Image, measure_psf
from napari_superres.degradation.psf import psf_kernel, psf_sigma, resample_psf
from napari_superres.errors import SettingsError

FWHM = 2.3548200


def plane(values, pixel=0.1):
    return Image.from_array(values.astype(np.uint16), "YX", pixel_size=pixel)


def bright_beads(seed=0, sigma=(0, 1.6, 1.6), shape=(1, 150, 150), **changes):
    """Return 20 beads of 100 photons in the brightest pixel."""
    rng = np.random.default_rng(seed)
    places = bead_positions(rng, 20, shape)
    light = 100 * 2 * np.pi * sigma[1] * sigma[2] * (np.sqrt(2 * np.pi) * sigma[0] if shape[0] > 1 else 1)
    return (
        rng,
        places,
        record_beads(rng, places, sigma, **{"photons": light, "shape": shape, "background": 1.0, **changes}),
    )


@pytest.mark.parametrize("seed", range(2))
def test_the_width_of_beads_in_a_plane_is_found_again(seed):
    _, _, values = bright_beads(seed)
    found = measure_psf(plane(values[0]))
    assert found.good >= 18
    for axis in "YX":
        assert found.fwhm[axis] == pytest.approx(FWHM * 0.16, rel=0.02)
        assert abs(found.fwhm[axis] / (FWHM * 0.16) - 1) < 4 * found.fwhm_error[axis] / found.fwhm[axis] + 0.002
    assert found.ellipticity == pytest.approx(1, abs=0.03)


def test_a_hundred_photons_in_all_are_enough():
    """Photons alone scatter the width along one axis by 1.6 %: the mean over recordings shows what is beyond."""
    widths = []
    for seed in range(5):
        _, _, values = bright_beads(seed, photons=100, background=0.0)
        found = measure_psf(plane(values[0]))
        widths += [found.gaussian_fwhm["Y"], found.gaussian_fwhm["X"]]
        assert found.fwhm_error["X"] / found.fwhm["X"] == pytest.approx(0.017, rel=0.4)
    assert np.mean(widths) == pytest.approx(FWHM * 0.16, rel=0.02)
    assert np.std(widths) / np.mean(widths) < 0.03


def test_a_stack_gives_axial_width_and_asymmetry_of_the_light():
    sigma = (2.2, 1.4, 1.9)
    _, _, values = bright_beads(1, sigma, (25, 150, 150))
    image = Image.from_array(values.astype(np.uint16), "ZYX", pixel_size=(0.3, 0.1, 0.1))
    found = measure_psf(image)
    for axis, width, pixel in zip("ZYX", sigma, (0.3, 0.1, 0.1), strict=True):
        assert found.gaussian_fwhm[axis] == pytest.approx(FWHM * width * pixel, rel=0.02)
    assert found.ellipticity == pytest.approx(1.9 / 1.4, rel=0.05)
    assert found.ellipticity_angle % 180 == pytest.approx(0, abs=5) or found.ellipticity_angle == pytest.approx(
        180, abs=5
    )
    assert abs(found.axial_asymmetry) < 0.03
    assert found.image.axes == "ZYX"
    assert found.image.pixel_size == pytest.approx((0.3, 0.1, 0.1))
    for axis, sigma_um in psf_sigma(found.image).items():
        assert sigma_um == pytest.approx(found.gaussian_fwhm[axis] / FWHM, rel=0.03)


def test_the_pattern_of_a_lens_is_told_from_a_gaussian():
    """An Airy pattern by its closed form, whose width at half maximum is 0.5145 wavelengths over NA."""
    rng, aperture, wavelength, pixel, over = np.random.default_rng(3), 1.2, 0.52, 0.08, 9
    k, values = 2 * np.pi * aperture / wavelength * pixel, np.full((150, 150), 0.5)
    grid = (np.arange(150 * over) + 0.5) / over - 0.5
    for _, y, x in bead_positions(rng, 20, (1, 150, 150)):
        r = np.hypot(grid[:, None] - y, grid - x) * k + 1e-9
        values += 2000 * k * k / (4 * np.pi) * ((2 * special.j1(r) / r) ** 2).reshape(150, over, 150, over).mean((1, 3))
    found = measure_psf(plane(rng.poisson(values), pixel))
    assert found.shape == "diffraction"
    assert found.fwhm["X"] == pytest.approx(0.5145 * wavelength / aperture, rel=0.01)
    assert found.effective_aperture(wavelength) == pytest.approx(aperture, rel=0.01)


def test_bad_beads_are_thrown_out_by_name():
    rng, places, values = bright_beads(5, photons=3000)
    more = record_beads(rng, [(0, *np.add(places[0][1:], (0, 5.5)))], (0, 1.6, 1.6), photons=3000, shape=(1, 150, 150))
    more += record_beads(rng, [places[7]], (0, 1.6, 1.6), photons=9000, shape=(1, 150, 150))
    more += record_beads(rng, [(0, 2.0, 60.0)], (0, 1.6, 1.6), photons=3000, shape=(1, 150, 150))
    values = (values + more)[0]
    y, x = (round(v) for v in places[12][1:])
    values[y - 1 : y + 2, x - 1 : x + 2] = 65535
    found = measure_psf(plane(values))
    assert found.left_out == {"touching": 2, "brightness": 1, "border": 1, "saturated": 1}
    assert found.good == 20 - 3
    assert found.fwhm["X"] == pytest.approx(FWHM * 0.16, rel=0.02)


@pytest.mark.parametrize("count", [10, 40])
@pytest.mark.parametrize("height", [300, 4000])
def test_hot_pixels_are_no_beads(count, height):
    rng, _, values = bright_beads(7, background=20.0)
    image = np.array(values[0])
    image[rng.integers(3, 147, count), rng.integers(3, 147, count)] += height
    found = measure_psf(plane(image))
    assert found.left_out["hot"] >= 0.6 * count
    assert found.fwhm["X"] == pytest.approx(FWHM * 0.16, rel=0.03)
    assert found.ellipticity < 1.1
    alone = np.array(rng.poisson(20.0, (150, 150)))
    alone[rng.integers(3, 147, count), rng.integers(3, 147, count)] += height
    with pytest.raises(SettingsError, match="of a single hot pixel"):
        measure_psf(plane(alone))


def test_a_bead_as_narrow_as_a_pixel_is_no_hot_pixel():
    _, _, values = bright_beads(8, sigma=(0, 0.5, 0.5), photons=3000)
    found = measure_psf(plane(values[0]))
    assert "hot" not in found.left_out
    assert found.gaussian_fwhm["X"] == pytest.approx(FWHM * 0.05, rel=0.15)


def test_a_moving_bead_is_seen_in_a_movie():
    rng, places, _ = bright_beads(6)
    frames = []
    for t in range(6):
        moved = [(z, y + (0.5 * t if n == 4 else 0), x) for n, (z, y, x) in enumerate(places)]
        frames.append(record_beads(rng, moved, (0, 1.6, 1.6), photons=1500, shape=(1, 150, 150), background=1.0)[0])
    found = measure_psf(Image.from_array(np.stack(frames).astype(np.uint16), "TYX", pixel_size=0.1))
    assert found.left_out == {"moving": 1}


def test_fewer_than_five_good_beads_are_refused():
    rng = np.random.default_rng(0)
    places = bead_positions(rng, 4, (1, 150, 150))
    values = record_beads(rng, places, (0, 1.6, 1.6), photons=2000, shape=(1, 150, 150), background=1.0)
    with pytest.raises(SettingsError, match=r"at least 5 good beads, got 4 \(4 were found"):
        measure_psf(plane(values[0]))


@pytest.mark.parametrize(
    ("image", "options", "words"),
    [
        (Image.from_array(np.ones((40, 40)), "YX"), {}, "pixel size of the beads is unknown"),
        (Image.from_array(np.ones((40, 40)), "YX", pixel_size=0.1), {}, "one intensity everywhere"),
        (Image.from_array(np.full((40, 40), np.nan), "YX", pixel_size=0.1), {}, "NaN or infinite"),
        (Image.from_array(np.eye(40), "YX", pixel_size=0.1), {"bead_channel": 2}, "`bead_channel` must be 0 to 0"),
        (Image.from_array(np.eye(40), "YX", pixel_size=0.1), {"bead_size": -1}, "diameter in micrometres"),
        (
            Image.from_array(np.random.default_rng(0).random((90, 90)), "YX", pixel_size=0.1),
            {},
            "at least 5 good beads",
        ),
        (Image.from_array(np.eye(5), "YX", pixel_size=0.1), {}, "at least 5 good beads, got 0"),
    ],
)
def test_what_is_no_image_of_beads_is_refused(image, options, words):
    with pytest.raises(SettingsError, match=words):
        measure_psf(image, **options)


def test_the_size_of_beads_is_taken_off():
    _, _, values = bright_beads(2)
    points, balls = (measure_psf(plane(values[0]), bead_size=size) for size in (0.0, 0.2))
    assert balls.fwhm["X"] == pytest.approx(np.sqrt(points.fwhm["X"] ** 2 - FWHM**2 * 0.2**2 / 20))
    with pytest.raises(SettingsError, match="too large"):
        measure_psf(plane(values[0]), bead_size=2.0)


def test_a_psf_is_resampled_to_any_pixel_size():
    x = np.arange(-40, 41) * 0.05
    point = np.exp(-0.5 * (x[:, None] ** 2 + x**2) / 0.3**2)
    psf = Image.from_array(point.astype(np.float32), "YX", pixel_size=0.05)
    for pixel in (0.02, 0.05, 0.08, 0.11, 0.2):
        kernel = psf_kernel(psf, (pixel, pixel))
        assert kernel.sum() == pytest.approx(1)
        at = (np.arange(len(kernel)) - len(kernel) // 2) * pixel
        assert kernel.sum(axis=0) @ at == pytest.approx(0, abs=1e-4)
        area = pixel**2 / 12 if pixel > 0.05 else 0.0
        assert kernel.sum(axis=0) @ at**2 == pytest.approx(0.3**2 + area, rel=0.03)
        assert resample_psf(psf, pixel).pixel_size == pytest.approx((pixel, pixel))
    with pytest.raises(SettingsError, match=r"^the new pixel size must be above 0"):
        resample_psf(psf, 0.0)
    with pytest.raises(SettingsError, match="is too small"):
        resample_psf(psf, 1e-5)
