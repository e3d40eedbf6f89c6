"""Lengths keep their unit: the same scene in nanometres, in micrometres or without a pixel size gives one answer."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_superres import Image, degrade, evaluate, upscale
from napari_superres.errors import EvaluationError
from napari_superres.evaluation import local_agreement, ring_correlation, single_image_correlation
from napari_superres.evaluation.registration.lengths import on_grid_of, pixel_sizes
from napari_superres.evaluation.registration.scale import scale_of
from napari_superres.evaluation.reporting.findings import examine

EDGE = 192
REAL = "Is the added fine detail real?"
UNITS = {"micrometer": 0.1, "nanometer": 100.0, "millimeter": 1e-4, None: None}


def scene():
    random = np.random.default_rng(0)
    values = gaussian_filter(random.normal(size=(EDGE, EDGE)), 1.5)
    return 500 + 100 * values / values.std()


REFERENCE = scene()
LOW = np.asarray(degrade(Image.from_array(REFERENCE, "YX"), 2, psf_sigma=1, kernel="gaussian", read_noise=2).data)
INVENTED = np.random.default_rng(5).normal(size=(EDGE, EDGE))
LIE = REFERENCE + 60 * (INVENTED - gaussian_filter(INVENTED, 0.8))


def image(values, unit, *, factor=1, axes="YX"):
    size = UNITS[unit]
    return Image.from_array(values, axes, pixel_size=None if size is None else factor * size, unit=unit)


@pytest.mark.parametrize("reference_unit", UNITS)
@pytest.mark.parametrize("input_unit", UNITS)
def test_invented_detail_is_denied_whatever_the_units(input_unit, reference_unit):
    lr = image(LOW, input_unit, factor=2)
    for values, state in ((LIE, "no"), (REFERENCE, "yes")):
        result = image(values, "micrometer")
        report = evaluate(result, image(REFERENCE, reference_unit), lr=lr, baselines=())
        found = report.findings["image"]
        answers = {answer.question: answer for answer in found.answers}
        assert answers[REAL].state == state, answers[REAL].reason
        assert found.unit == "micrometer"
        assert found.agreement.unit == found.interpolated.unit == "micrometer"
        # All curves of a figure share an axis: the input reaches half as far as its result.
        ends = {name: frequency[-1] for name, (frequency, _) in found.spectra.items()}
        assert ends["result"] == pytest.approx(5, rel=0.02)
        assert ends["input"] == pytest.approx(2.5, rel=0.02)


def test_recordings_in_two_units_are_compared():
    a, b = (REFERENCE + np.random.default_rng(s).normal(size=REFERENCE.shape) for s in (1, 2))
    plain = ring_correlation(image(a, "micrometer"), image(b, "micrometer")).resolution()
    mixed = ring_correlation(image(a, "micrometer"), image(b, "nanometer")).resolution()
    assert mixed.value == pytest.approx(plain.value)
    assert mixed.unit == plain.unit == "micrometer"
    assert ring_correlation(image(a, None), image(b, "nanometer")).resolution().value == pytest.approx(
        1000 * plain.value
    )
    with pytest.raises(EvaluationError, match="same grid"):  # the same numbers are not the same lengths
        ring_correlation(image(a, "micrometer"), Image.from_array(b, "YX", pixel_size=0.1, unit="nanometer"))


def test_axes_in_units_of_their_own():
    values = REFERENCE + np.random.default_rng(1).normal(size=REFERENCE.shape)
    one = image(values, "micrometer")
    mixed = Image(one.data, "YX", np.diag([100.0, 0.1, 1.0]), {"Y": "nanometer", "X": "micrometer"})
    assert pixel_sizes(mixed, "YX") == pytest.approx([0.1, 0.1])
    expected = single_image_correlation(one).resolution()
    found = single_image_correlation(mixed).resolution()
    assert (found.value, found.unit) == (pytest.approx(expected.value), "micrometer")
    assert np.nanmax(local_agreement(mixed, mixed).data) == pytest.approx(np.nanmax(local_agreement(one, one).data))


def test_numbers_without_a_unit_are_pixels():
    bare = Image.from_array(REFERENCE, "YX", pixel_size=0.25, unit=None)
    assert pixel_sizes(bare, "YX") == [1.0, 1.0]
    flat = Image.from_array(REFERENCE, "YX", pixel_size=(0.5, 0.25), unit=None)
    assert pixel_sizes(flat, "YX") == [2.0, 1.0]


def test_the_scale_of_a_part_follows_from_lengths():
    lr = image(LOW, "nanometer", factor=2)
    part = image(REFERENCE[:101, :103], "micrometer")
    assert scale_of(part, lr) == {"Y": 2, "X": 2}
    grid = on_grid_of(lr, image(REFERENCE, "micrometer"), {"Y": 2, "X": 2})
    assert (grid.pixel_size, grid.units["X"]) == (pytest.approx((0.2, 0.2)), "micrometer")


def test_a_declared_width_is_in_the_unit_of_the_input():
    result = image(REFERENCE, "micrometer")
    found = [
        examine(result, None, image(LOW, unit, factor=2), psf_sigma=size).consistency.psf_sigma
        for unit, size in (("micrometer", 0.2), ("nanometer", 200.0), (None, 1.0))
    ]
    assert found == pytest.approx([1.0, 1.0, 1.0])


def test_a_result_made_here_keeps_its_answer_without_a_pixel_size():
    states = set()
    for unit in ("micrometer", None):
        lr = image(LOW, unit, factor=2)
        found = examine(upscale(lr, "lanczos-x2"), image(REFERENCE, unit), lr)
        states.add(tuple(answer.state for answer in found.answers if answer.question == REAL))
    assert len(states) == 1


@pytest.mark.parametrize("pixels", [0.1, 0.3, 0.01])
@pytest.mark.parametrize("with_reference", [False, True])
def test_pixel_sizes_that_contradict_the_shapes_are_named(pixels, with_reference):
    rng = np.random.default_rng(0)
    fine, coarse = (rng.random((n, n), np.float32) for n in (64, 32))
    result = Image.from_array(fine, "YX", pixel_size=(0.1, 0.1), unit="um")
    lr = Image.from_array(coarse, "YX", pixel_size=(pixels, pixels), unit="um")
    with pytest.raises(EvaluationError, match=rf"along Y: 32 pixels of {pixels:g} micrometer and 64 of 0.1 micrometer"):
        evaluate(result, result if with_reference else None, lr=lr)


@pytest.mark.parametrize("factor", [1e200, 1e-200])
def test_intensities_that_cannot_be_squared_are_refused(factor):
    values = np.random.default_rng(0).random((32, 32)) * factor
    with pytest.raises(EvaluationError, match="cannot be squared"):
        evaluate(Image.from_array(values, "YX"), None, lr=Image.from_array(values[::2, ::2], "YX"))
