"""Axes strings and unit names: valid ones are kept, and all others raise an error that says why."""

import itertools

import pytest

from napari_superres.core.axes import ALLOWED, guess_axes, spatial_axes, validate_axes
from napari_superres.core.units import METRES, SECONDS, convert, unit_name
from napari_superres.errors import AxesError, GridError, SuperResError


def test_every_order_and_subset_with_y_and_x_is_allowed():
    count = 0
    for n in range(2, 7):
        for letters in itertools.permutations(ALLOWED, n):
            axes = "".join(letters)
            if "Y" in axes and "X" in axes:
                assert validate_axes(axes.lower(), (3,) * n) == axes
                count += 1
    # Each subset of the four other axes, in every order together with Y and X.
    assert count == 2 + 4 * 6 + 6 * 24 + 4 * 120 + 720


@pytest.mark.parametrize(
    ("axes", "shape", "message"),
    [
        ("QYX", (2, 2, 2), "'Q'"),
        ("YYX", (2, 2, 2), "once"),
        ("X", (5,), "One-dimensional"),
        ("ZY", (5, 5), "needs the axes Y and X"),
        ("YX", (2, 2, 2), "`axes`"),
        ("ZYX", (2, 2), "(2, 2)"),
        ("ZYX", (0, 4, 4), "axis Z is empty"),
        ("YXS", (4, 4, 2), "Use C"),
        ("", (), "needs the axes"),
    ],
)
def test_wrong_axes_raise_an_error_that_says_why(axes, shape, message):
    with pytest.raises(AxesError) as error:
        validate_axes(axes, shape)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert isinstance(error.value, ValueError)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((5, 6), "YX"),
        ((3, 5, 6), "ZYX"),
        ((9, 9, 3), "YXS"),
        ((9, 9, 4), "YXS"),
        ((4, 9, 3), "ZYX"),
        ((2, 3, 5, 6), "CZYX"),
        ((1, 2, 3, 5, 6), "TCZYX"),
    ],
)
def test_usual_axes_of_bare_arrays(shape, axes):
    assert guess_axes(shape) == axes


@pytest.mark.parametrize("shape", [(), (4,), (1,) * 6])
def test_no_guess_where_there_is_none(shape):
    with pytest.raises(AxesError, match="`axes`"):
        guess_axes(shape)


def test_spatial_letters_keep_their_order():
    assert spatial_axes("XTYCZ") == "XYZ"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("um", "micrometer"),
        ("µm", "micrometer"),
        ("μm", "micrometer"),
        (" Micrometre ", "micrometer"),
        ("NM", "nanometer"),
        ("millimetre", "millimeter"),
        ("Å", "angstrom"),
        ("sec", "second"),
        ("m", "meter"),
        ("min", "minute"),
    ],
)
def test_units_have_one_spelling(text, name):
    assert unit_name(text) == name


@pytest.mark.parametrize("text", ["", "parsec", "pixel", "kg"])
def test_unknown_units_are_refused(text):
    with pytest.raises(GridError, match=r"Use one of: .*micrometer"):
        unit_name(text)


def test_conversion_there_and_back():
    for sizes in (METRES, SECONDS):
        for a, b in itertools.permutations(sizes, 2):
            assert convert(convert(3.7, a, b), b, a) == pytest.approx(3.7, rel=1e-12)
    assert convert(1, "mm", "um") == pytest.approx(1000.0)
    assert convert(2, "hour", "s") == 7200.0
    with pytest.raises(GridError, match="a length, the other a time"):
        convert(1, "mm", "s")


def test_errors_print_their_message_not_its_repr():
    from napari_superres.errors import UnknownModelError

    assert str(UnknownModelError("no 'x'")) == "no 'x'"
    assert str(SuperResError()) == "SuperResError"
