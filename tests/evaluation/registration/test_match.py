import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_superres.core.grid import crop_affine, upscale_affine
from napari_superres.core.image import Image
from napari_superres.errors import EvaluationError
from napari_superres.evaluation.registration.match import match
from napari_superres.evaluation.registration.register import register

FIELD = np.arange(40 * 50, dtype=float).reshape(40, 50)


def part(start, shape, affine, unit="micrometer"):
    """A window of one field, where it lies in the world."""
    data = FIELD[start[0] : start[0] + shape[0], start[1] : start[1] + shape[1]]
    return Image.from_array(data, "YX", affine=crop_affine(affine, start), unit=unit)


@given(
    a=st.tuples(st.integers(0, 15), st.integers(0, 20)),
    b=st.tuples(st.integers(0, 15), st.integers(0, 20)),
    angle=st.floats(-3, 3),
)
@settings(deadline=None)
def test_any_two_windows_of_a_field_agree_where_they_overlap(a, b, angle):
    c, s = np.cos(angle), np.sin(angle)
    affine = np.array([[0.2 * c, -0.3 * s, 5], [0.2 * s, 0.3 * c, -80.125], [0, 0, 1]])
    one, two = part(a, (22, 24), affine), part(b, (20, 25), affine)
    pair = match(one, two)
    assert np.array_equal(pair.result.data, pair.reference.data)
    low, high = np.maximum(a, b), np.minimum(np.add(a, (22, 24)), np.add(b, (20, 25)))
    assert pair.result.shape == tuple(high - low)
    assert np.allclose(pair.result.affine, crop_affine(affine, low))
    assert np.array_equal(pair.result.affine, pair.reference.affine)
    assert pair.start == tuple(np.maximum(np.subtract(b, a), 0))


def test_units_are_converted():
    one = Image.from_array(FIELD, "YX", pixel_size=0.25, origin=(1, 2), unit="micrometer")
    two = Image.from_array(FIELD, "YX", pixel_size=250.0, origin=(1000, 2000), unit="nanometer")
    pair = match(one, two)
    assert pair.result.shape == FIELD.shape
    assert pair.notes == ()


def test_axes_of_one_element_come_and_go_and_order_does_not_matter():
    data = np.random.default_rng(0).random((2, 3, 12, 13))
    result = Image.from_array(data, "CZYX", pixel_size=(2, 1, 1), origin=(0, 3, 4))
    turned = Image.from_array(
        np.moveaxis(data, (0, 1), (3, 2))[None], "TYXZC", affine=result.affine[np.ix_([1, 2, 0, 3], [1, 2, 0, 3])]
    )
    pair = match(result, turned)
    assert pair.reference.axes == "CZYX"
    assert np.array_equal(pair.reference.data, data)
    flat = Image.from_array(data[:, 1], "CYX", pixel_size=1, origin=(3, 4))
    assert np.array_equal(match(flat, result.replace(data=data[:, 1:2])).reference.data, data[:, 1])
    assert np.array_equal(match(result.replace(data=data[:, 1:2]), flat).reference.data, data[:, 1:2])


def test_an_odd_row_that_a_reduction_left_out_is_cut_off():
    pair = match(part((0, 0), (20, 24), np.diag([0.1, 0.1, 1])), part((0, 0), (21, 25), np.diag([0.1, 0.1, 1])))
    assert pair.reference.shape == (20, 24)
    assert "1 along Y, 1 along X" in pair.notes[0]


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_files_without_origins_begin_at_the_same_corner(scale):
    pixel = 0.1
    result = Image.from_array(FIELD, "YX", affine=upscale_affine(np.diag([pixel * scale] * 2 + [1]), [scale] * 2))
    pair = match(result, Image.from_array(FIELD, "YX", pixel_size=pixel))
    assert np.array_equal(pair.result.data, pair.reference.data)
    assert pair.result.shape == FIELD.shape
    assert "no recorded origin" in pair.notes[0]


def test_unknown_pixel_size_is_said():
    result = Image.from_array(FIELD, "YX")
    pair = match(result, Image.from_array(np.pad(FIELD, ((0, 1), (0, 3))), "YX", pixel_size=0.5, origin=(9, 9)))
    assert np.array_equal(pair.reference.data, FIELD)
    assert "unknown (result)" in pair.notes[0]


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        (Image.from_array(FIELD, "YX", pixel_size=0.2), "Upscale by the factor"),
        (Image.from_array(FIELD, "YX", pixel_size=0.101), "correct `pixel_size`"),
        (Image.from_array(FIELD, "YX", pixel_size=0.1, origin=(0.05, 1)), r"begins 0.5, 10 pixels .*`register`"),
        (Image.from_array(FIELD, "YX", pixel_size=0.1, origin=(400, 0)), "do not overlap"),
        (Image.from_array(FIELD[:20, :20], "YX"), "must have one size"),
        (Image.from_array(np.stack([FIELD] * 3, -1), "YXS", pixel_size=0.1), r"only the reference has S \(3\)"),
    ],
)
def test_grids_that_do_not_fit_are_refused_with_advice(reference, says):
    with pytest.raises(EvaluationError, match=says):
        match(Image.from_array(FIELD, "YX", pixel_size=0.1), reference)


C, S = np.cos(0.1), np.sin(0.1)
TURNED = {
    "mirrored along Y": [[-0.1, 0, 3.9], [0, 0.1, 0], [0, 0, 1]],
    "mirrored along Y and X": [[-0.1, 0, 3.9], [0, -0.1, 4.9], [0, 0, 1]],
    "rotated": [[0.1 * C, -0.1 * S, 0.2], [0.1 * S, 0.1 * C, -0.2], [0, 0, 1]],
    "begins": [[0.1, 0, 0.05], [0, 0.1, 0.05], [0, 0, 1]],
}


@pytest.mark.parametrize("words", TURNED)
def test_a_turned_reference_is_refused_with_the_advice_that_works(words):
    """The advice is `register`; with it, a smooth field is compared where it lies."""
    y, x = np.indices((60, 70))

    def image(affine):
        world = np.tensordot(np.array(affine)[:2], np.stack([y, x, np.ones_like(y)]), 1)
        return Image.from_array(np.sin(2 * world[0]) + np.cos(3 * world[1]), "YX", affine=affine)

    result, reference = image(np.diag([0.1, 0.1, 1])), image(TURNED[words])
    with pytest.raises(EvaluationError, match=rf"{words}.*Set `register`"):
        match(result, reference)
    pair = register(result, reference)
    inside = np.isfinite(pair.reference.data)
    assert inside.mean() > 0.7
    assert np.corrcoef(pair.reference.data[inside], pair.result.data[inside])[0, 1] > 0.999


def test_channels_and_frames_must_be_as_many():
    with pytest.raises(EvaluationError, match="along C, got 2 and 3"):
        match(Image.from_array(np.ones((2, 9, 9)), "CYX"), Image.from_array(np.ones((3, 9, 9)), "CYX"))
