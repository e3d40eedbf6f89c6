"""Values along a line: exact on ramps, then, as ring correlation and spectra, by the Compare widget's controls."""

import numpy as np
import pytest
from napari.layers import Image as ImageLayer

from napari_superres import evaluation
from napari_superres.core.image import Image
from napari_superres.errors import AxesError, SettingsError
from napari_superres.plugin.host.layers import to_image
from napari_superres.plugin.widgets.compare.line_profile import normalise, profiles, sample_line
from napari_superres.plugin.widgets.compare.view import plane_reader
from napari_superres.plugin.widgets.compare.widget import CompareWidget

pytestmark = [pytest.mark.gui, pytest.mark.slow]

LONG = 60_000
PLACES = {
    "plain": {},
    "anisotropic": {"scale": (0.5, 0.2), "translate": (3.0, -7.0)},
    "rotated": {"scale": (0.5, 0.2), "rotate": 30, "translate": (3.0, -7.0)},
    "sheared": {"scale": (0.3, 0.3), "rotate": -20, "shear": [0.4]},
    "mirrored": {"scale": (-0.5, 0.2)},
    "affine": {"scale": (0.5, 0.2), "affine": np.array([[0.9, 0.2, 4.0], [-0.3, 1.1, 2.0], [0, 0, 1]])},
}


def ramp_of(world):
    """A value that is linear in the world."""
    return 3.0 + world @ np.arange(2.0, 2.0 + np.shape(world)[-1])


def ramp(shape, **place):
    """A layer whose values are linear in the world, wherever it lies."""
    layer = ImageLayer(np.zeros(shape), units=["micrometer"] * len(shape), **place)
    index = np.argwhere(np.ones(shape))
    layer.data = ramp_of(np.array([layer.data_to_world(i) for i in index])).reshape(shape)
    return layer


def inside(layer, *fractions):
    """Points of the world, given in fractions of the layer's data."""
    last = np.array(layer.data.shape) - 1
    return np.array([layer.data_to_world(last * f) for f in fractions])


def along(points, samples):
    return points[0] + np.linspace(0, 1, samples)[:, None] * (points[1] - points[0])


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
def test_a_ramp_is_sampled_exactly(place):
    layer = ramp((12, 17), **place)
    points = inside(layer, (0.1, 0.2), (0.95, 0.7))
    found = sample_line(to_image(layer), points, 41)
    np.testing.assert_allclose(found, ramp_of(along(points, 41)), atol=1e-9)
    ends = inside(layer, (0, 0), (1, 1))
    np.testing.assert_allclose(sample_line(to_image(layer), ends, 5), ramp_of(along(ends, 5)), atol=1e-9)


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
def test_outside_there_is_nothing(place):
    layer = ramp((12, 17), **place)
    points = inside(layer, (0.5, -0.5), (0.5, 1.5))
    found = sample_line(to_image(layer), points, 41)
    np.testing.assert_array_equal(np.isnan(found), (np.arange(41) < 10) | (np.arange(41) > 30))
    np.testing.assert_allclose(found[10:31], ramp_of(along(points, 41))[10:31], atol=1e-9)
    beside = inside(layer, (2, 0), (2, 1))
    assert np.isnan(sample_line(to_image(layer), beside, 7)).all()


def test_a_volume_is_sampled_across_its_planes():
    layer = ramp((4, 6, 7), scale=(2, 0.5, 0.3), translate=(1, 2, 3))
    points = inside(layer, (0, 0.2, 0.9), (1, 0.8, 0.1))
    np.testing.assert_allclose(sample_line(to_image(layer), points, 30), ramp_of(along(points, 30)), atol=1e-9)


def test_corners_are_passed_at_even_steps():
    image = to_image(ramp((20, 20)))
    corners = np.array([[0.0, 0.0], [0.0, 6.0], [12.0, 6.0]])
    expected = [ramp_of(np.array(p)) for p in ((0, 0), (0, 6), (6, 6), (12, 6))]
    np.testing.assert_allclose(sample_line(image, corners, 4), expected)


def test_colours_are_averaged_and_types_are_read():
    colours = np.random.default_rng(0).integers(0, 255, (5, 6, 4), dtype=np.uint8)
    found = sample_line(Image.from_array(colours, "YXS"), [[2, 1], [2, 5]], 5)
    np.testing.assert_allclose(found, colours[2, 1:, :3].mean(axis=-1))
    for dtype in ("float16", ">u2", "int64"):
        image = Image.from_array(np.arange(30).reshape(5, 6).astype(dtype), "YX")
        np.testing.assert_allclose(sample_line(image, [[1, 0], [1, 5]], 11), np.linspace(6, 11, 11))


def test_what_is_no_line_is_refused():
    plane, frames = (Image.from_array(np.zeros((4, 5, 6)[-n:]), axes) for n, axes in ((2, "YX"), (3, "TYX")))
    with pytest.raises(AxesError, match="TYX"):
        sample_line(frames, [[0, 0], [1, 1]], 3)
    for points, samples in (([[0, 0]], 3), ([[0, 0, 0], [1, 1, 1]], 3), ([[0, 0], [1, 1]], 1)):
        with pytest.raises(SettingsError, match="two corners"):
            sample_line(plane, points, samples)


def test_units_of_length_are_brought_together():
    fine = Image.from_array(np.arange(40.0).reshape(4, 10), "YX", pixel_size=0.1, unit="micrometer")
    coarse = Image.from_array(np.arange(40.0).reshape(4, 10), "YX", pixel_size=100, unit="nanometer")
    distance, values = profiles({"a": fine, "b": coarse}, np.array([[0.1, 0.2], [0.1, 0.8]]), "micrometer")
    assert distance[-1] == pytest.approx(0.6)
    assert len(distance) == 13
    np.testing.assert_allclose(values["a"], np.linspace(12, 18, 13))
    np.testing.assert_allclose(values["b"], values["a"])


def test_curves_are_normalised_to_their_own_range():
    np.testing.assert_allclose(normalise(np.array([np.nan, 2.0, 4.0, 3.0])), [np.nan, 0, 1, 0.5])
    np.testing.assert_allclose(normalise(np.array([5.0, 5.0])), [0, 0])
    assert np.isnan(normalise(np.array([np.nan]))).all()


def test_the_plane_that_is_shown(viewer):
    layer = ramp((3, 4, 6, 7), scale=(5, 2, 0.5, 0.3), translate=(10, 1, 2, 3))
    viewer.add_layer(layer)
    viewer.dims.point = (15, 5, 0, 0)
    plane = plane_reader(viewer, layer)()
    np.testing.assert_array_equal(plane.data, layer.data[1, 2])
    np.testing.assert_allclose(plane.affine, [[0.5, 0, 2], [0, 0.3, 3], [0, 0, 1]])
    assert plane.units == {"Y": "micrometer", "X": "micrometer"}
    viewer.dims.order = (0, 2, 1, 3)
    with pytest.raises(AxesError, match="Y and X"):
        plane_reader(viewer, layer)


@pytest.fixture
def widget(dock):
    return dock(CompareWidget)


@pytest.fixture
def scene(viewer, widget):
    """Reference and result of one field that is turned, a stack; the input is half as fine."""
    place = {"rotate": np.eye(3), "units": ["micrometer"] * 3}
    place["rotate"][1:, 1:] = [[0.8, -0.6], [0.6, 0.8]]
    values = np.random.default_rng(0).random((3, 32, 40))
    layers = {
        "input": viewer.add_image(values.reshape(3, 16, 2, 20, 2).mean(axis=(2, 4)), name="low", **place),
        "reference": viewer.add_image(values + 1, name="reference", **place),
        "result": viewer.add_image(10 * values, name="result", **place),
    }
    layers["input"].scale = (1, 0.4, 0.4)
    for name in ("reference", "result"):
        layers[name].scale = (1, 0.2, 0.2)
        layers[name].translate = layers["input"].data_to_world((0, -0.25, -0.25))
    viewer.reset_view()
    widget.result.value, widget.reference.value, widget.lr.value = layers["result"], layers["reference"], None
    return layers


def settled(widget, qtbot):
    """Wait until the plot shows where the line is now."""
    qtbot.waitUntil(lambda: not widget.profile._timer.isActive() and widget.plot.drawing is not None, timeout=LONG)


def line_between(scene, *fractions):
    layer = scene["result"]
    last = np.array(layer.data.shape[1:]) - 1
    return np.array([layer.data_to_world([0, *(last * f)])[1:] for f in fractions])


def test_the_profile_follows_the_line_and_the_slice(scene, viewer, widget, qtbot):
    viewer.dims.set_current_step(0, 0)
    widget.profile.draw.click()
    drawn = viewer.layers["profile"]
    assert drawn is widget.profile.line is viewer.layers.selection.active
    assert drawn.mode == "add_line"
    assert drawn.units == scene["result"].units[1:]
    first = line_between(scene, (0.1, 0.2), (0.9, 0.7))
    drawn.add_lines([first])
    settled(widget, qtbot)
    assert drawn.mode == "direct"  # its ends can be moved now
    drawing = widget.plot.drawing
    assert drawing.x == "distance along the line (µm)"
    assert list(drawing.curves) == ["result", "reference"]
    check(drawing, scene["result"], 0, first)
    check(drawing, scene["reference"], 0, first, "reference")
    second = line_between(scene, (0.5, 0.2), (0.3, 0.7))
    drawn.data = [second]
    qtbot.waitUntil(lambda: widget.plot.drawing is not drawing)
    drawing = widget.plot.drawing
    check(drawing, scene["result"], 0, second)
    viewer.dims.set_current_step(0, 2)
    qtbot.waitUntil(lambda: widget.plot.drawing is not drawing)
    drawing = widget.plot.drawing
    check(drawing, scene["result"], 2, second)
    widget.profile.normalise.setChecked(True)
    qtbot.waitUntil(lambda: widget.plot.drawing is not drawing)
    for _, values in widget.plot.drawing.curves.values():
        assert (np.nanmin(values), np.nanmax(values)) == (0, 1)
    assert "normalised" in widget.plot.drawing.y
    drawn.data = [second + 100]
    qtbot.waitUntil(lambda: "outside the layers" in widget.plot.caption.text())
    assert widget.plot.drawing is None


def check(drawing, layer, at, corners, name="result"):
    distance, values = drawing.curves[name]
    assert distance[-1] == pytest.approx(np.linalg.norm(corners[1] - corners[0]))
    image = to_image(layer)
    affine = np.delete(np.delete(image.affine, 0, 0), 0, 1)
    plane = Image(data=image.data[at], axes="YX", affine=affine, units={})
    expected = sample_line(plane, corners, len(distance))
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(values, expected, atol=1e-4)  # napari keeps corners in single precision


@pytest.mark.slow
def test_input_and_its_interpolation_are_drawn_too(scene, viewer, widget, qtbot):
    widget.lr.value = scene["input"]
    before = list(viewer.layers)
    widget.profile.draw.click()
    widget.profile.line.add_lines([line_between(scene, (0.2, 0.2), (0.8, 0.7))])
    settled(widget, qtbot)
    curves = widget.plot.drawing.curves
    assert set(curves) == {"result", "reference", "input", "interpolation"}
    # Smooth where the input has corners, and else the same but for little.
    difference = curves["input"][1] - curves["interpolation"][1]
    assert 0 < np.abs(difference).mean() < 0.2 * np.ptp(curves["input"][1])
    assert [layer for layer in viewer.layers if layer.name != "profile"] == before


@pytest.mark.slow
def test_another_plot_stays_until_the_line_is_moved(scene, viewer, widget, qtbot):
    widget.profile.draw.click()
    widget.profile.line.add_lines([line_between(scene, (0.2, 0.2), (0.8, 0.7))])
    settled(widget, qtbot)
    widget.spectra.correlation.click()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    correlation = widget.plot.drawing
    assert correlation.y == "ring correlation"
    viewer.dims.set_current_step(0, 2)
    qtbot.wait(300)
    assert widget.plot.drawing is correlation
    widget.profile.line.data = [line_between(scene, (0.2, 0.3), (0.8, 0.7))]
    qtbot.waitUntil(lambda: widget.plot.drawing is not correlation)
    assert widget.plot.drawing.y == "intensity"


@pytest.mark.slow
def test_other_views_are_refused_and_a_line_that_was_removed_is_drawn_anew(scene, viewer, widget, qtbot):
    widget.profile.draw.click()
    widget.profile.line.add_lines([line_between(scene, (0.2, 0.2), (0.8, 0.7))])
    settled(widget, qtbot)
    viewer.dims.order = (1, 0, 2)
    widget.profile.normalise.setChecked(True)
    qtbot.waitUntil(lambda: "Y and X" in widget.plot.caption.text())
    viewer.dims.order = (0, 1, 2)
    viewer.layers.remove("profile")
    widget.profile.draw.click()
    assert widget.profile.line in viewer.layers
    assert not len(widget.profile.line.data)
    viewer.layers.clear()
    qtbot.waitUntil(lambda: not widget.profile.draw.isEnabled())


def shown(button, widget, qtbot):
    button.click()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    return widget.plot.drawing


def test_ring_correlation_is_that_of_python(scene, widget, qtbot):
    widget.lr.value = scene["input"]
    scene["result"].data = scene["result"].data + np.random.default_rng(1).random((3, 32, 40))
    result, reference = (to_image(scene[name]) for name in ("result", "reference"))
    for register in (False, True):
        widget.register.setChecked(register)
        drawing = shown(widget.spectra.correlation, widget, qtbot)
        if register:
            moved = evaluation.register(result, reference)
            result, reference = moved.result, moved.reference
        expected = evaluation.ring_correlation(result, reference)
        np.testing.assert_allclose(drawing.curves["result"], (expected.frequency, expected.correlation))
        assert set(drawing.curves) == {"result", "interpolation"}
        assert drawing.level == (1 / 7, "1/7")
        assert drawing.x == "spatial frequency (1/µm)"
        met = expected.agreement("1/7")
        assert (drawing.mark is None) == (met.value is None)
        assert (met.reason if met.value is None else f"down to {met.value:.3g} µm") in widget.plot.caption.text()


def test_what_is_not_measurable_is_said_with_its_reason(scene, viewer, widget, qtbot, told):
    scene["reference"].data = np.random.default_rng(5).random((3, 32, 40))
    assert shown(widget.spectra.correlation, widget, qtbot).mark is None
    assert "Not measurable: the two images have nothing in common" in widget.plot.caption.text()
    widget.result.changed.emit(widget.result.value)  # as by hand: other layers do not replace it
    widget.reference.value = viewer.add_image(np.zeros((9, 9)), name="other", units="micrometer")
    assert shown(widget.spectra.correlation, widget, qtbot) is None
    assert widget.plot.caption.text().startswith("Not measurable: ")
    assert told == []


@pytest.mark.slow
def test_spectra_are_those_of_the_report_and_follow_the_theme(scene, viewer, widget, qtbot):
    widget.lr.value = scene["input"]
    drawing = shown(widget.spectra.spectra, widget, qtbot)
    assert set(drawing.curves) == {"result", "reference", "interpolation"}
    assert drawing.logarithmic
    result, reference, low = (to_image(scene[name]) for name in ("result", "reference", "input"))
    (found,) = evaluation.evaluate(result, reference, lr=low).findings.values()
    for name in ("result", "reference"):
        np.testing.assert_allclose(drawing.curves[name], [values[1:] for values in found.spectra[name]])
    assert drawing.mark == pytest.approx(0.5 / 0.4)
    figure = widget.plot._canvas.figure
    assert sum(figure.get_facecolor()[:3]) < 1
    viewer.theme = "light"
    assert sum(figure.get_facecolor()[:3]) > 2
    assert len(figure.axes[0].lines) == 4
