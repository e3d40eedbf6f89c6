"""The sliders of Super-resolve for models that are told blur and noise."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from helpers.conditioned import write_conditioned_model
from helpers.upscaling import LONG, run

import napari_superres
from napari_superres import Image, read_image, write_image
from napari_superres.cli import main
from napari_superres.inference.planning import conditions
from napari_superres.plugin.host.layers import to_image
from napari_superres.plugin.host.reader import image_layers

pytestmark = pytest.mark.gui


@pytest.fixture(name="model")
def model_file(tmp_path):
    return write_conditioned_model(tmp_path / "models" / "told.safetensors")


@pytest.fixture
def image():
    """Photons, 60 on average in the brightest parts."""
    y, x = np.mgrid[:96, :112]
    return np.random.default_rng(0).poisson(30 + 30 * np.sin(y / 9) * np.cos(x / 11)).astype(np.uint16)


@pytest.fixture
def measurements(monkeypatch):
    """Count how often noise is measured."""
    counted, measure = [], conditions.measure_noise

    def count(planes):
        counted.append(1)
        return measure(planes)

    monkeypatch.setattr(conditions, "measure_noise", count)
    return counted


def shown(viewer):
    return next((layer for layer in viewer.layers if layer.name.startswith("preview of")), None)


def expected(layer, model, **options):
    return np.asarray(napari_superres.upscale(to_image(layer), str(model), **options).data)


def test_sliders_are_shown_for_models_that_are_told(viewer, widget, qtbot, model, image):
    viewer.add_image(image, scale=(0.2, 0.2), units="micrometer")
    form = widget.blur_noise
    assert form.isHidden()
    assert "strength" not in widget.state.options
    widget.models.try_file(model)
    assert not form.isHidden()
    qtbot.waitUntil(lambda: ", measured" in form.noise_text.text(), timeout=LONG)
    level = float(form.noise_text.text().split()[3])
    assert 0.8 < level / 30**0.5 < 1.4
    assert "Noise measured: gain" in form.told_text.text()
    assert "PSF unknown, not sharpened" in form.told_text.text()
    form.strength.slider.setValue(0)
    form.sigma.number.setValue(80)
    assert form.sigma.number.text() == "80 nm"
    assert widget.state.options["strength"] == 0
    assert widget.state.options["psf_sigma"] == 0.8
    qtbot.waitUntil(lambda: "removed at 0 %; PSF sigma 0.8 pixels" in form.told_text.text(), timeout=LONG)
    form.noise.value = "1, 2"
    qtbot.waitUntil(lambda: ", as given" in form.noise_text.text(), timeout=LONG)
    form.noise.value = "loud"
    qtbot.waitUntil(lambda: "“Known noise” must be" in widget.estimate.text(), timeout=LONG)
    assert form.noise_text.isHidden()
    widget.model.value = "bicubic-x2"
    assert form.isHidden()
    assert "strength" not in widget.state.options


def test_a_width_is_dropped_for_other_pixels(viewer, widget, model, image):
    layer = viewer.add_image(image, scale=(0.2, 0.2), units="micrometer", name="fine")
    coarse = viewer.add_image(image, scale=(0.5, 0.5), units="micrometer", name="coarse")
    same = viewer.add_image(image, scale=(0.2, 0.2), units="micrometer", name="other channel")
    unknown = viewer.add_image(image, name="unknown")
    for each in (coarse, same, unknown, layer):  # a model is chosen for each layer
        widget.layer.value = each
        widget.models.try_file(model)
    number = widget.blur_noise.sigma.number
    for other, kept in ((same, True), (coarse, False), (unknown, False)):
        widget.layer.value = layer
        number.setValue(80)
        widget.layer.value = other
        assert (number.value() == 80) is kept
        assert (widget.state.options["psf_sigma"] is not None) is kept
    assert number.text() == "off"
    number.setValue(9)
    assert number.text() == "2.20 px"


def test_the_preview_follows_the_sliders_and_measures_once(viewer, widget, qtbot, model, image, measurements):
    layer = viewer.add_image(image, scale=(0.2, 0.2), units="micrometer")
    widget.models.try_file(model)
    widget.preview.setChecked(True)
    form = widget.blur_noise

    def shows(**options):
        wanted = expected(layer, model, **options)
        measurements.clear()
        qtbot.waitUntil(lambda: shown(viewer) is not None and np.array_equal(shown(viewer).data, wanted), timeout=LONG)

    shows()
    qtbot.waitUntil(lambda: bool(form.noise_text.text()), timeout=LONG)
    for strength in (20, 90, 50):
        form.strength.slider.setValue(strength)
    shows(strength=0.5)
    form.sigma.slider.setValue(75)
    shows(strength=0.5, psf_sigma=1.1)
    qtbot.waitUntil(lambda: "PSF sigma 1.1 pixels" in form.told_text.text(), timeout=LONG)
    assert measurements == []
    assert ", measured" in form.noise_text.text()
    layer.data = np.random.default_rng(1).poisson(image * 20).astype(np.uint16)
    shows(strength=0.5, psf_sigma=1.1)
    before = form.noise_text.text()
    qtbot.waitUntil(lambda: form.noise_text.text() != before, timeout=LONG)
    assert measurements


def test_copied_command_and_script_tell_the_same(viewer, widget, qtbot, model, image, tmp_path, monkeypatch):
    from qtpy.QtWidgets import QApplication

    monkeypatch.chdir(tmp_path)
    write_image(Image.from_array(image, "YX", pixel_size=0.2), tmp_path / "cells.ome.tif")
    (layer,) = viewer.open(str(tmp_path / "cells.ome.tif"), plugin="napari-superres-torch")
    widget.models.try_file(model)
    form = widget.blur_noise
    form.strength.number.setValue(65)
    form.sigma.number.setValue(90)
    form.noise.value = "1.5, 2, 3"
    run(widget, qtbot)
    result = viewer.layers[1]
    ours = np.asarray(result.data)
    np.testing.assert_array_equal(ours, expected(layer, model, noise=(1.5, 2, 3), strength=0.65, psf_sigma=0.9))
    assert result.metadata["provenance"]["told"]["psf_sigma"] == [0.9]
    widget.copy_command.click()
    words = shlex.split(QApplication.clipboard().text())
    assert words[words.index("--noise") + 1] == "1.5,2.0,3.0"
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit, match="0"):
        main()
    np.testing.assert_array_equal(np.asarray(read_image(words[words.index("-o") + 1]).data), ours)
    Path(words[words.index("-o") + 1]).rename("by_command.ome.tif")  # The script writes to the same name.
    widget.copy_python.click()
    exec(compile(QApplication.clipboard().text(), "script", "exec"), {})
    np.testing.assert_array_equal(np.asarray(read_image(words[words.index("-o") + 1]).data), ours)


def test_sliders_have_tooltips_and_fit(viewer, widget, model, image):
    viewer.add_image(image)
    widget.models.try_file(model)
    form = widget.blur_noise
    for row in (form.strength, form.sigma):
        assert row.slider.toolTip()
        assert row.number.toolTip()
    assert form.noise.tooltip
    assert form.minimumSizeHint().width() <= 290


def test_the_file_of_the_layer_sets_the_slider(viewer, widget, qtbot, model, image):
    green, red = ({"numerical_aperture": 0.8, "wavelength": wavelength} for wavelength in (0.52, 0.64))
    stored = Image.from_array(np.stack([image, image]), "CYX", pixel_size=0.2, metadata={"optics": (green, red)})
    viewer.add_image(image, name="silent", scale=(0.2, 0.2), units="micrometer")
    for data, keywords, _ in image_layers(stored, "cells"):
        viewer.add_image(data, **keywords)
    form = widget.blur_noise
    widget.models.try_file(model)
    for name, nanometres in (("channel 0 - cells", 137), ("channel 1 - cells", 168)):
        widget.layer.value = viewer.layers[name]
        assert not form.from_file.isHidden()
        assert widget.state.options["psf_sigma"] is None
        qtbot.waitUntil(lambda: "“From file” sharpens by a sigma of 1." in form.told_text.text(), timeout=LONG)
        form.from_file.click()
        assert form.sigma.number.text() == f"{nanometres} nm"
        assert widget.state.options["psf_sigma"] == nanometres / 100
        form.sigma.number.setValue(0)
    widget.layer.value = viewer.layers["silent"]
    widget.models.try_file(model)
    assert form.from_file.isHidden()
