"""Super-resolve: the channels of a layer or of a file, with a tick and a model each."""

import shlex
import time

import numpy as np
import pytest
from helpers.upscaling import LONG, pixels, run

import napari_superres
from napari_superres import Image, read_image, write_image
from napari_superres.cli import main
from napari_superres.inference import Progress
from napari_superres.plugin.widgets.upscale import widget as upscale_widget
from napari_superres.plugin.widgets.upscale.widget import UpscaleWidget

pytestmark = pytest.mark.gui

NAMES = ("DAPI", "brightfield", "GFP")
MODELS = ["fluo-x2", "bicubic-x2", "fluo-x2"]


@pytest.fixture
def fresh(dock):
    """The widget with the models that it chooses itself."""
    return dock(UpscaleWidget)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "cells.ome.tif"
    write_image(Image.from_array(pixels((3, 24, 30)), "CYX", pixel_size=0.5, channel_names=NAMES), path)
    return path


def hyperstack(viewer, shape=(3, 24, 30)):
    names = {"channel_names": NAMES}
    return viewer.add_image(pixels(shape), name="cells", axis_labels=("c", "y", "x"), metadata=names)


def opened(viewer, path):
    """Open a file as a layer per channel, and return them by name."""
    viewer.open(path, plugin="napari-superres-torch")
    return {layer.metadata["channel_name"]: layer for layer in viewer.layers}


def row(widget, name):
    return next(row for row in widget.channels.rows if row.channel.name == name)


def choose(widget, name, model):
    row(widget, name).box.value = model


def shown(widget):
    return [(row.channel.name, row.tick.isChecked(), row.box.value) for row in widget.channels.rows]


def copied(button):
    from qtpy.QtWidgets import QApplication

    button.click()
    return QApplication.clipboard().text()


def run_command(line, monkeypatch):
    monkeypatch.setattr("sys.argv", shlex.split(line))
    with pytest.raises(SystemExit) as done:
        main()
    assert not done.value.code


def test_each_channel_has_a_tick_and_the_model_for_its_name(viewer, fresh):
    layer = hyperstack(viewer)
    assert fresh.layer.value is layer
    assert fresh.model.value == "fluo-x2"
    assert shown(fresh) == [(name, True, model) for name, model in zip(NAMES, MODELS, strict=True)]
    fresh.axes.value = "ZYX"
    assert fresh.channels.rows == []
    assert fresh.channels.isHidden()


def test_dapi_is_enhanced_and_brightfield_left_out_in_one_run(viewer, fresh, qtbot):
    layer = hyperstack(viewer)
    choose(fresh, "GFP", "lanczos-x2")
    row(fresh, "brightfield").tick.click()
    qtbot.waitUntil(lambda: "2 channels, each 24 × 30 to 48 × 60" in fresh.estimate.text())
    assert fresh.state.channels == {0: "fluo-x2", 2: "lanczos-x2"}
    run(fresh, qtbot)
    made = viewer.layers["cells [fluo-x2-lanczos-x2]"]
    whole = Image.from_array(layer.data, "CYX")
    *_, last = napari_superres.iter_upscale(whole, {0: "fluo-x2", 2: "lanczos-x2"})
    np.testing.assert_array_equal(made.data, last.image.data)
    assert made.metadata["channel_names"] == ("DAPI", "GFP")
    record = made.metadata["provenance"]
    assert [part["model"]["name"] for part in record["per_channel"]] == ["fluo-x2", "lanczos-x2"]
    script = copied(fresh.copy_python)
    assert "{0: 'fluo-x2', 2: 'lanczos-x2'}" in script
    assert "'cells_fluo-x2.ome.tif'" in script


def test_a_single_channel_lies_at_its_index(viewer, widget, qtbot):
    layer = hyperstack(viewer)
    widget.layer.value = layer
    widget.model.value = "bicubic-x2"
    for name in ("DAPI", "brightfield"):
        row(widget, name).tick.click()
    widget.preview.setChecked(True)
    qtbot.waitUntil(lambda: widget.preview.layer is not None)
    shown_at = widget.preview.layer.data_to_world((0, -0.5, -0.5))
    np.testing.assert_allclose(shown_at, layer.data_to_world((2, -0.5, -0.5)))
    widget.preview.setChecked(False)
    run(widget, qtbot)
    made = viewer.layers["cells [bicubic-x2]"]
    assert made.data.shape == (1, 48, 60)
    np.testing.assert_allclose(made.data_to_world((0, -0.5, -0.5)), layer.data_to_world((2, -0.5, -0.5)))


def test_a_model_chosen_for_the_layer_is_that_of_all_its_channels(viewer, fresh):
    hyperstack(viewer)
    choose(fresh, "DAPI", "lanczos-x2")
    fresh.model.value = "bicubic-x3"
    assert [model for _, _, model in shown(fresh)] == ["bicubic-x3"] * 3
    choose(fresh, "DAPI", "lanczos-x3")
    assert [model for _, _, model in shown(fresh)] == ["lanczos-x3", "bicubic-x3", "bicubic-x3"]
    native, index = row(fresh, "DAPI").box.native, fresh.model.choices.index
    assert not native.model().item(index("fluo-x2")).isEnabled()


def test_without_a_ticked_channel_nothing_runs(viewer, widget, qtbot):
    hyperstack(viewer)
    widget.channels.all.click()
    assert [on for _, on, _ in shown(widget)] == [False] * 3
    qtbot.waitUntil(lambda: "No channel is ticked" in widget.estimate.text())
    assert not widget.run.isEnabled()
    widget.channels.all.click()
    qtbot.waitUntil(lambda: "3 channels" in widget.estimate.text())
    assert widget.run.isEnabled()


def test_ticks_and_models_are_kept_for_their_layer(viewer, widget):
    layer = hyperstack(viewer)
    widget.layer.value = layer
    row(widget, "GFP").tick.click()
    choose(widget, "DAPI", "lanczos-x2")
    before = shown(widget)
    widget.layer.value = viewer.add_image(pixels(), name="other")
    assert widget.channels.isHidden()
    widget.layer.value = layer
    assert shown(widget) == before


def test_layers_of_one_file_have_a_model_each(viewer, fresh, qtbot, file, monkeypatch, tmp_path):
    layers = opened(viewer, file)
    fresh.layer.value = layers["DAPI"]
    expected = list(zip(NAMES, (True, False, False), MODELS, strict=True))
    qtbot.waitUntil(lambda: shown(fresh) == expected)
    row(fresh, "GFP").tick.click()
    choose(fresh, "GFP", "lanczos-x2")
    qtbot.waitUntil(lambda: "lanczos-x2: 24 × 30" in fresh.estimate.text())
    assert "fluo-x2: 24 × 30" in fresh.estimate.text()
    commands = copied(fresh.copy_command).splitlines()
    run(fresh, qtbot)
    made = [layer for layer in viewer.layers if layer.name.endswith("-x2]")]
    assert [layer.name for layer in made] == ["DAPI - cells [fluo-x2]", "GFP - cells [lanczos-x2]"]
    monkeypatch.chdir(tmp_path)
    for layer, command in zip(made, commands, strict=True):
        run_command(command, monkeypatch)
        words = shlex.split(command)
        theirs = read_image(tmp_path / words[words.index("-o") + 1])
        np.testing.assert_array_equal(np.asarray(theirs.data).squeeze(), layer.data)
    viewer.layers.remove(layers["brightfield"])
    assert [name for name, _, _ in shown(fresh)] == ["DAPI", "GFP"]
    fresh.layer.value = layers["GFP"]
    assert fresh.model.value == "lanczos-x2"  # as it was chosen in its row


def test_a_channel_that_is_left_out_asks_nothing(viewer, dock, qtbot, file, monkeypatch):
    from napari_superres.plugin.widgets.upscale.choosing.chooser import ModelChooser

    asks = property(lambda chooser: chooser.choice is None or chooser.choice.model is None)
    monkeypatch.setattr(ModelChooser, "is_asking", asks)
    fresh = dock(UpscaleWidget)
    layers = opened(viewer, file)
    fresh.layer.value = layers["brightfield"]
    qtbot.waitUntil(lambda: bool(fresh.chooser.choice) and not fresh.channels.is_looking)
    assert not fresh.run.isEnabled()
    row(fresh, "brightfield").tick.click()
    row(fresh, "DAPI").tick.click()
    qtbot.waitUntil(fresh.run.isEnabled)
    run(fresh, qtbot)
    assert [layer.name for layer in viewer.layers if layer.name.endswith("-x2]")] == ["DAPI - cells [fluo-x2]"]


def test_all_channels_of_a_file(viewer, widget, qtbot, tmp_path, monkeypatch):
    from qtpy.QtWidgets import QApplication

    path, target = tmp_path / "cells.ome.tif", tmp_path / "made.ome.tif"
    names = ("DAPI", "GFP", "RFP")
    write_image(Image.from_array(pixels((3, 24, 30)), "CYX", pixel_size=0.5, channel_names=names), path)
    other = viewer.add_image(pixels((24, 30)), name="other")
    widget.layer.value = other
    widget.model.value = "bicubic-x2"
    widget.chooser.choose_by_hand()  # also if it was shown already
    assert widget.channels.isHidden()
    viewer.open(path, plugin="napari-superres-torch")
    widget.layer.value = viewer.layers[2]
    widget.model.value = "bicubic-x2"
    widget.chooser.choose_by_hand()  # also if it was shown already
    assert not widget.channels.isHidden()
    assert widget.channels.all.text() == "All 3 channels"
    widget.channels.all.click()
    qtbot.waitUntil(widget.run.isEnabled)
    for name in names:
        choose(widget, name, "bicubic-x2")
    qtbot.waitUntil(lambda: "for each of 3 channels" in widget.estimate.text(), timeout=LONG)
    run(widget, qtbot)
    expected = napari_superres.upscale(read_image(path), "bicubic-x2")
    made = [layer for layer in viewer.layers if layer.name.endswith("[bicubic-x2]")]
    assert [layer.name for layer in made] == [f"{name} - cells [bicubic-x2]" for name in names]
    for layer, one in zip(made, expected.data, strict=True):
        np.testing.assert_array_equal(layer.data, one)
    assert [layer.colormap.name for layer in made] == ["cyan", "magenta", "yellow"]
    widget.copy_command.click()
    command = shlex.split(QApplication.clipboard().text())
    monkeypatch.setattr("sys.argv", [*command[:3], "-o", str(target), *command[5:]])
    with pytest.raises(SystemExit) as done:
        main()
    assert not done.value.code
    np.testing.assert_array_equal(read_image(target).data[...], expected.data)
    widget.channels.all.click()
    run(widget, qtbot)
    assert len([layer for layer in viewer.layers if layer.name.startswith("GFP")]) == 3


def test_cancelling_one_channel_starts_no_other(viewer, widget, qtbot, tmp_path, monkeypatch):
    path = tmp_path / "cells.ome.tif"
    write_image(Image.from_array(pixels((2, 24, 30)), "CYX", pixel_size=0.5), path)
    viewer.open(path, plugin="napari-superres-torch")
    widget.channels.all.click()

    def endless(image, *_, **__):
        while True:
            time.sleep(0.01)
            yield Progress(0, 9, image, None, 1.0, None)

    monkeypatch.setattr(upscale_widget.tasks, "upscale", endless)
    qtbot.waitUntil(widget.run.isEnabled)
    widget.run.click()
    qtbot.waitUntil(lambda: "Computing" in widget.status.text(), timeout=LONG)
    widget.run.click()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    qtbot.wait(200)
    assert not widget.is_running
    assert len(viewer.layers) == 2
