"""Known answers: every number of this package, measured on inputs for which a formula gives the right value.

They show a user that this installation measures what it claims. `run_selftest` is the only public function.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import log, log10, pi, sqrt

import numpy as np
import numpy.typing as npt

from napari_superres.core.binning import bin_mean
from napari_superres.core.color import luma
from napari_superres.core.grid import upscale_affine
from napari_superres.core.image import Image
from napari_superres.degradation import degrade
from napari_superres.degradation.resample import resize_bicubic
from napari_superres.evaluation.consistency import check_consistency
from napari_superres.evaluation.maps import difference_map
from napari_superres.evaluation.metrics import full_reference
from napari_superres.evaluation.metrics.conventions import ComparisonRules
from napari_superres.evaluation.metrics.intensity_fit import fit_gain_offset
from napari_superres.evaluation.metrics.linearity import flux, linearity, si_psnr
from napari_superres.evaluation.metrics.score import score
from napari_superres.evaluation.metrics.ssim import fit_micro_ssim
from napari_superres.evaluation.registration.register import register
from napari_superres.evaluation.resolution import decorrelation, ring_correlation, single_image_correlation
from napari_superres.evaluation.uncertainty.conformal import conformal_quantile, hoeffding_bentkus, least_images


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """A measured number and the value that a formula gives for it.

    Attributes
    ----------
    name
        Measured quantity and its input, with the unit.
    measured
        Value that this installation measured.
    expected
        Value that follows from the formula.
    tolerance
        Largest difference between the two that counts as right.
    """

    name: str
    measured: float
    expected: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the measured value is right."""
        return bool(abs(self.measured - self.expected) <= self.tolerance)


def run_selftest() -> list[KnownAnswer]:
    """Measure every known answer, which takes a few seconds.

    Returns
    -------
    list of KnownAnswer
        Also those that this installation got wrong: check `KnownAnswer.passed`.
    """
    groups = (
        _pixel_metrics(),
        _other_metrics(),
        _gain_offset_fit(),
        _sr_paper_convention(),
        _grid(),
        _degradation(),
        _resolution(),
        _registration(),
        _consistency(),
        _calibration(),
    )
    return [KnownAnswer(*row) for group in groups for row in group]


_Row = tuple[str, float, float, float]


def _pixel_metrics() -> Iterator[_Row]:
    a, b = np.full((32, 32), 0.5), np.full((32, 32), 0.6)
    ramp = np.arange(1.0, 1025.0).reshape(32, 32)
    shuffled = np.array([1, 3, 2, 4])
    c1 = 0.01**2
    yield "PSNR, 0.5 against 0.6, range 1 (dB)", full_reference.psnr(a, b, data_range=1.0), 20.0, 1e-9
    expected = (2 * 0.5 * 0.6 + c1) / (0.5**2 + 0.6**2 + c1)
    yield "SSIM, 0.5 against 0.6, range 1", full_reference.ssim(a, b, data_range=1.0), expected, 1e-9
    yield "SSIM of an image with itself", full_reference.ssim(ramp, ramp, data_range=1023.0), 1.0, 1e-12
    yield "NRMSE, x against 1.1 x", full_reference.nrmse(ramp, 1.1 * ramp), 0.1, 1e-12
    yield "MAE, 0.5 against 0.6", full_reference.mae(a, b), 0.1, 1e-12
    yield "Pearson, 1 2 3 4 against 1 3 2 4", full_reference.pearson(np.arange(1, 5), shuffled), 0.8, 1e-12
    yield "Pearson, x against 7 - 2 x", full_reference.pearson(ramp, 7 - 2 * ramp), -1.0, 1e-12
    holed = np.where(np.eye(32) > 0, np.nan, b)
    yield "PSNR with invalid pixels left out (dB)", full_reference.psnr(a, holed, data_range=1.0), 20.0, 1e-9
    low, high = ComparisonRules.parse("microscopy", "reference-range").intensity_limits(ramp, ramp.dtype)
    yield "data range of 1..1024", high - low, 1023.0, 0.0


def _other_metrics() -> Iterator[_Row]:
    random = np.random.default_rng(0)
    scene = np.abs(random.normal(0, 50, (192, 192))).cumsum(axis=0)
    scene -= np.percentile(scene, 3)
    noisy = scene + random.normal(0, 30, scene.shape)
    r = full_reference.pearson(scene, noisy)
    expected = 20 * log10(np.ptp(scene) / scene.std()) - 10 * log10(1 - r * r)
    yield "SI-PSNR, by Pearson's r (dB)", si_psnr(scene, 3 * noisy + 100), expected, 1e-9
    fit = fit_micro_ssim(scene[None], 4 * scene[None])
    yield "MicroSSIM, factor of 4 x", fit.alpha if fit else 0.0, 0.25, 1e-3
    planes = np.stack([scene, 0.1 * scene, 0.01 * scene])
    fit = fit_micro_ssim(planes, 4 * planes)
    yield "MicroSSIM of a stack, factor of 4 x", fit.alpha if fit else 0.0, 0.25, 1e-3
    yield "MS-SSIM of an image with itself", full_reference.ms_ssim(scene, scene, data_range=1.0), 1.0, 1e-9
    yield "HFEN, x against 1.1 x", full_reference.hfen(scene, 1.1 * scene), 0.1, 1e-9
    yield "HFEN, x against x + 5", full_reference.hfen(scene, scene + 5), 0.0, 1e-9
    yield "NMI of an image with itself", full_reference.nmi(scene, scene), 2.0, 1e-9
    ramp = random.random((128, 128))
    yield "gamma of x^2 against x", linearity(ramp, ramp**2).gamma, 2.0, 0.1
    yield "gamma of 3 x + 100 against x", linearity(ramp, 3 * ramp + 100).gamma, 1.0, 0.02
    yield "flux of 1.25 x against x", flux(ramp, 1.25 * ramp), 1.25, 1e-9


def _gain_offset_fit() -> Iterator[_Row]:
    candidate = np.random.default_rng(0).normal(100.0, 20.0, (64, 64))
    fit = fit_gain_offset(2.5 * candidate + 40.0, candidate)
    yield "gain and offset fit, gain", fit.gain, 2.5, 1e-9
    yield "gain and offset fit, offset", fit.offset, 40.0, 1e-7
    yield "gain and offset fit, gain of inverted contrast", fit_gain_offset(-candidate, candidate).gain, -1.0, 1e-9


def _sr_paper_convention() -> Iterator[_Row]:
    rgb = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)
    black, white = luma(rgb)
    yield "BT.601 luma of black", float(black), 16.0, 1e-9
    yield "BT.601 luma of white", float(white), 235.0, 1e-9
    # One grey level is 219/255 of luma. The convention crops the errors in the border.
    reference = np.tile(np.arange(100, 132, dtype=np.uint8)[:, None], (32, 1, 3))
    candidate = reference + np.uint8(1)
    candidate[:2] = 255
    one, other = (Image.from_array(v, "YXS") for v in (candidate, reference))
    row = score(one, other, ComparisonRules.parse("sr-paper", None), [(0.0, 255.0)], image="", name="", scale=(2, 2))[0]
    yield "sr-paper PSNR, one grey level, x2 (dB)", row["psnr"], 20 * log10(255 * 255 / 219), 1e-9


def _grid() -> Iterator[_Row]:
    for scale, origin in ((2, -0.25), (4, -0.375)):
        measured = float(upscale_affine(np.eye(3), [scale, scale])[0, -1])
        yield f"first centre after x{scale} (input pixels)", measured, origin, 1e-12
    hr = np.zeros((48, 48))
    hr[20, 27] = 1.0
    lr = degrade(Image.from_array(hr, "YX", pixel_size=0.5), 2, kernel="gaussian", psf_sigma=3.0)
    values = np.asarray(lr.data)
    y, x = (float((i * values).sum() / values.sum()) for i in np.indices(values.shape))
    world = lr.affine @ [y, x, 1.0]
    yield "a point after blur and x2 binning, Y (world)", float(world[0]), 10.0, 0.025
    yield "a point after blur and x2 binning, X (world)", float(world[1]), 13.5, 0.025
    same = Image.from_array(hr, "YX", pixel_size=0.5)
    yield "largest difference of an image from itself", float(np.abs(difference_map(same, same).data).max()), 0.0, 0.0


def _degradation() -> Iterator[_Row]:
    point = np.zeros((1, 32))
    point[0, 16] = 1.0
    small = resize_bicubic(point, [1, 2])
    # The weights are Keys' kernel at 0.25, 0.75, 1.25 and 1.75 pixels, halved because the kernel is stretched by 2.
    for index, weight in ((8, 0.8671875), (7, 0.2265625), (9, -0.0703125), (6, -0.0234375)):
        yield f"antialiased bicubic x2, weight {index - 8:+d}", float(small[0, index]), weight / 2, 1e-12
    ramp = resize_bicubic(np.arange(64.0)[None], [1, 4])
    yield "antialiased bicubic x4 of a ramp, pixel 8", float(ramp[0, 8]), 33.5, 1e-9
    noisy = np.asarray(degrade(np.full((256, 256), 100.0), 1, photons=100.0).data)
    yield "Poisson noise, variance over mean", float(noisy.var() / noisy.mean()), 1.0, 0.03


def _resolution() -> Iterator[_Row]:
    # The correlation of white noise behind a Gaussian, plus white noise, falls to 1/7 at a known frequency.
    for size, offset in ((256, 0.0), (257, 0.0), (256, 1000.0)):
        first, second = _recordings(size, 2.0, 0.01)
        measured = ring_correlation(_image(first + offset), _image(second)).resolution().value
        expected = 2 * pi * 2 / sqrt(log(6 / 0.01**2))
        more = f", offset {offset:g}" if offset else ""
        yield f"FRC of filtered noise, {size} pixels{more} (pixels)", measured or 0.0, expected, 0.03 * expected
    # Noise of 0.02 to 4 times the structure. Four planes make one curve, which scatters by a percent or two.
    for relative in (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0):
        noise = relative / (2 * 2 * sqrt(pi))  # white noise behind a Gaussian of 2 pixels has this deviation
        first, second = (
            np.stack(v) for v in zip(*(_recordings(256, 2.0, noise, seed) for seed in range(4)), strict=True)
        )
        measured = ring_correlation(*(Image.from_array(v, "ZYX") for v in (first, second))).resolution().value
        expected = 2 * pi * 2 / sqrt(log(6 / noise**2))
        yield f"FRC at noise over structure {relative:g} (pixels)", measured or 0.0, expected, 0.06 * expected
    for sigma, noise in ((2.0, 0.01), (3.0, 0.01), (4.0, 0.01)):
        curve = single_image_correlation(_image(_recordings(512, sigma, noise)[0]))
        expected = 2 * pi * sigma / sqrt(log(6 / (4 * noise**2)))
        measured = curve.resolution().value or 0.0
        yield f"single-image FRC, {expected:.3g} pixels", measured, expected, 0.03 * expected
    random = np.random.default_rng(0)
    frequency = 2 * np.hypot(np.fft.fftfreq(513)[:, None], np.fft.fftfreq(513))
    white = np.fft.fft2(random.normal(size=(513, 513)))
    for edge in (0.2, 0.3, 0.5, 0.7):
        scene = np.fft.ifft2(white * (frequency <= edge)).real
        recording = scene / scene.std() + 0.01 * random.normal(size=scene.shape)
        yield f"decorrelation, cut at {edge:g} of Nyquist", decorrelation(_image(recording)).cutoff, edge, 0.025
    noise_only = random.normal(size=(513, 513))
    yield "decorrelation of white noise (none)", decorrelation(_image(noise_only)).cutoff, 0.0, 0.0
    smooth = _recordings(256, 1.5, 0.0)
    numbers = single_image_correlation(_image(smooth[0])).resolution().value, decorrelation(_image(smooth[0])).value
    yield "resolutions given for smoothed noise (none)", sum(value is not None for value in numbers), 0, 0


def _recordings(edge: int, sigma: float, noise: float, seed: int = 0) -> list[npt.NDArray[np.float64]]:
    """Return two recordings of white noise behind a Gaussian, with independent noise."""
    random = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(edge)[:, None], np.fft.fftfreq(edge))
    passed = np.exp(-2 * (pi * sigma * frequency) ** 2)
    scene = np.fft.ifft2(np.fft.fft2(random.normal(size=(edge, edge))) * passed).real
    return [scene + noise * random.normal(size=scene.shape) for _ in range(2)]


def _image(values: npt.NDArray[np.float64]) -> Image:
    return Image.from_array(values, "YX")


def _registration() -> Iterator[_Row]:
    from scipy.ndimage import gaussian_filter, shift

    random = np.random.default_rng(0)
    scene = gaussian_filter(random.normal(size=(256, 256)), 4)
    scene /= scene.std()
    moved = shift(scene, (-3.3, 2.7), order=5, mode="mirror")
    for noise in (0.0, 0.2):
        first, second = (_image(v + noise * random.normal(size=v.shape)) for v in (moved, scene))
        y, x = register(first, second).pixels
        yield f"registration, Y, noise {noise:g} (pixels)", y, -3.3, 0.1
        yield f"registration, X, noise {noise:g} (pixels)", x, 2.7, 0.1


def _consistency() -> Iterator[_Row]:
    from scipy.ndimage import gaussian_filter

    random = np.random.default_rng(0)
    points = np.zeros((256, 256))
    points[tuple(random.integers(20, 236, (2, 150)))] = random.uniform(200, 2000, 150)
    fine = gaussian_filter(points, 1.0)
    recording = bin_mean(gaussian_filter(fine, 1.8 * 4, mode="mirror"), (4, 4)) * 5 + 100
    lr = Image.from_array(recording, "YX", pixel_size=4.0)
    measured = check_consistency(Image.from_array(fine, "YX", pixel_size=1.0, origin=(-1.5, -1.5)), lr)
    yield "consistency, PSF of the input (input pixels)", measured.psf_sigma, 1.8, 0.018
    yield "consistency, gain", measured.gain, 5.0, 0.05
    yield "consistency, offset", measured.offset, 100.0, 1.0
    yield "consistency, RSP", measured.rsp, 1.0, 1e-6


def _calibration() -> Iterator[_Row]:
    scores = np.abs(np.random.default_rng(0).normal(size=(300, 2000)))
    measured = float(np.mean([conformal_quantile(each, 0.1) for each in scores]))
    yield "conformal factor of Gaussian errors, 90 %", measured, 1.645, 0.03
    yield "images needed for the bound at 0.1 and 0.1", least_images(0.1, 0.1), 22, 0
    for images, bound in ((10, 0.2057), (22, 0.0994), (100, 0.0228)):
        yield f"bound without a loss in {images} images", hoeffding_bentkus(0.0, images, 0.1), bound, 1e-4
