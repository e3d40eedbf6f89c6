"""The Super-resolve widget in real viewers, through its own controls."""

import threading

import numpy as np
import pytest

import napari_superres
from napari_superres import Image
from napari_superres.errors import ModelFileError
from napari_superres.plugin.host.layers import to_image
from napari_superres.plugin.widgets.upscale import controls as upscale_controls
from napari_superres.plugin.widgets.upscale import widget as upscale_widget
from napari_superres.plugin.widgets.upscale.choosing import model_choice
from napari_superres.plugin.widgets.upscale.widget import UpscaleWidget

pytestmark = pytest.mark.gui

LONG = 60_000


def pixels(shape=(40, 50), dtype=np.uint16, seed=0):
    values = np.random.default_rng(seed).random(shape) * 1000
    return values.astype(dtype)


@pytest.fixture
def widget(dock):
    return dock(UpscaleWidget)


def run(widget, qtbot):
    widget.run.click()
    assert widget.is_running
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)


@pytest.mark.parametrize("model", ["fsrcnn-x2", "lanczos-x3"])
def test_result_is_what_python_gives(viewer, widget, qtbot, model):
    layer = viewer.add_image(pixels(), scale=(0.2, 0.3), units="micrometer", colormap="magma", name="cells")
    above = viewer.add_points([[1, 1]])
    widget.model.value = model
    widget.tile.value = "64"
    run(widget, qtbot)
    result = viewer.layers[f"cells [{model}]"]
    assert list(viewer.layers) == [layer, result, above]
    expected = napari_superres.upscale(Image.from_array(layer.data, "YX", pixel_size=[0.2, 0.3]), model, tile=64)
    assert result.data.dtype == layer.data.dtype
    np.testing.assert_array_equal(result.data, expected.data)
    assert result.colormap.name == "magma"
    assert result.units == layer.units
    assert result.metadata["provenance"]["model"]["name"] == model
    np.testing.assert_allclose(to_image(result).affine, expected.affine, atol=1e-12)
    assert "Done in" in widget.status.text()


def test_colour_stack_and_own_axes(viewer, widget, qtbot):
    rgb = viewer.add_image(pixels((20, 22, 3), np.uint8), rgb=True, name="rgb")
    assert widget.axes.value == "YXS"
    widget.model.value = "bicubic-x2"
    run(widget, qtbot)
    assert viewer.layers["rgb [bicubic-x2]"].rgb
    stack = viewer.add_image(pixels((3, 20, 22)), name="stack")
    widget.layer.value = stack
    assert widget.axes.value == "ZYX"
    widget.axes.value = "CYX"
    widget.model.value = "bicubic-x2"
    run(widget, qtbot)
    result = viewer.layers["stack [bicubic-x2]"]
    assert result.data.shape == (3, 40, 44)
    assert result.metadata["provenance"]["input"]["axes"] == "CYX"
    assert rgb in viewer.layers


def test_result_follows_a_layer_moved_during_the_run(viewer, widget, qtbot, monkeypatch):
    layer = viewer.add_image(pixels())
    widget.model.value = "nearest-x2"
    released = hold(monkeypatch)
    widget.run.click()
    layer.translate = (100, 200)
    released.set()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    result = viewer.layers[1]
    np.testing.assert_allclose(result.data_to_world((0.5, 0.5)), layer.data_to_world((0, 0)))


def test_the_plan_is_shown_before_the_run(viewer, widget, qtbot, monkeypatch):
    monkeypatch.setattr("napari_superres.inference.machine.speed._seconds", lambda *_: 0.1)  # a busy machine gives none
    viewer.add_image(pixels((30, 40)))
    widget.model.value = "bicubic-x3"
    qtbot.waitUntil(lambda: "90 × 120" in widget.estimate.text(), timeout=LONG)
    assert "30 × 40" in widget.estimate.text()
    assert "of memory on" in widget.estimate.text()
    widget.model.value = "fsrcnn-x2"
    qtbot.waitUntil(lambda: " s and " in widget.estimate.text(), timeout=LONG)  # measured for this
    assert widget.device.choices[0] == "auto"
    assert "cpu" in widget.device.choices


def test_cancel_acts_within_one_tile(viewer, widget, qtbot, monkeypatch, pause):
    viewer.add_image(pixels((300, 300)))
    widget.model.value = "fsrcnn-x2"
    widget.tile.value = "64"
    go_on, steps = pause(after=3), count_steps(monkeypatch)
    widget.run.click()
    qtbot.waitUntil(lambda: len(steps) > 2, timeout=LONG)
    assert widget.run.text() == "Cancel"
    widget.run.click()
    at = len(steps)
    go_on.set()
    assert widget.run.text() == "Cancelling…"
    assert not widget.run.isEnabled()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    assert steps[-1] == "closed"
    assert len(steps) <= at + 3
    assert len(viewer.layers) == 1
    assert widget.run.text() == "Run"
    assert widget.run.isEnabled()
    assert "Cancelled" in widget.status.text()
    assert no_bars_left()


def test_deleting_the_source_ends_the_run(viewer, widget, qtbot, monkeypatch, pause, told):
    layer = viewer.add_image(pixels((300, 300)))
    widget.model.value = "fsrcnn-x2"
    widget.tile.value = "64"
    go_on, steps = pause(after=2), count_steps(monkeypatch)
    widget.run.click()
    qtbot.waitUntil(lambda: len(steps) > 1, timeout=LONG)
    viewer.layers.remove(layer)
    go_on.set()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    assert steps[-1] == "closed"
    assert len(viewer.layers) == 0
    assert not widget.run.isEnabled()
    assert told == []


def test_closing_the_dock_ends_the_run(viewer, widget, qtbot, monkeypatch, pause):
    viewer.add_image(pixels((300, 300)))
    widget.model.value = "fsrcnn-x2"
    widget.tile.value = "64"
    go_on, steps = pause(after=2), count_steps(monkeypatch)
    widget.run.click()
    qtbot.waitUntil(lambda: len(steps) > 1, timeout=LONG)
    viewer.window.remove_dock_widget(widget)
    go_on.set()
    qtbot.waitUntil(lambda: steps[-1] == "closed", timeout=LONG)
    viewer.add_image(pixels())  # nobody listens any more
    assert len(viewer.layers) == 2


def test_closing_the_viewer_ends_the_run(make_napari_viewer, qtbot, monkeypatch, pause):
    viewer = make_napari_viewer()
    widget = UpscaleWidget(viewer)
    viewer.window.add_dock_widget(widget)
    viewer.add_image(pixels((300, 300)))
    widget.model.value = "fsrcnn-x2"
    widget.tile.value = "64"
    go_on, steps = pause(after=2), count_steps(monkeypatch)
    widget.run.click()
    qtbot.waitUntil(lambda: len(steps) > 1, timeout=LONG)
    viewer.close()
    go_on.set()
    qtbot.waitUntil(lambda: steps[-1] == "closed", timeout=LONG)


def test_errors_are_one_notification_and_nothing_is_added(viewer, widget, qtbot, told):
    viewer.add_image(pixels((20, 22)))
    widget.axes.value = "ZYX"
    widget.run.click()
    assert not widget.is_running
    assert "Axes must name every array axis" in told.pop()
    widget.axes.value = "YX"
    widget.model.value = "fsrcnn-x2"
    viewer.layers[0].data = pixels((300, 300))
    widget.tile.choices = (*widget.tile.choices, "16")
    widget.tile.value = "16"
    run(widget, qtbot)
    assert "must be larger than twice the model's halo" in told.pop()
    assert told == []
    assert len(viewer.layers) == 1
    assert widget.run.isEnabled()


def test_a_library_model_that_was_altered_is_refused_by_the_plan(viewer, widget, qtbot, monkeypatch):
    def altered(name):
        raise ModelFileError(f"{name} was altered since it was added")

    viewer.add_image(pixels(), scale=(0.2, 0.2))
    monkeypatch.setattr(model_choice, "find_card", altered)
    widget.model.value = next(v for v in widget.model.choices if v != widget.model.value)
    assert not widget.card.text()


def test_nan_is_warned_about_once_and_stays(viewer, widget, qtbot, told):
    data = pixels((30, 30), np.float32)
    data[3, 4] = np.nan
    viewer.add_image(data, contrast_limits=(0, 1000))
    widget.model.value = "bicubic-x2"
    run(widget, qtbot)
    assert [str(m) for m in told] == ["1 pixels are NaN or infinite: they were computed around and put back."]
    assert np.isnan(viewer.layers[1].data[6:8, 8:10]).all()
    assert np.isnan(viewer.layers[1].data).sum() == 4


def test_only_images_can_be_chosen(viewer, widget):
    viewer.add_labels(np.zeros((20, 20), int))
    viewer.add_points([[1, 1]])
    viewer.add_shapes([[[1, 1], [1, 5], [5, 5]]], shape_type="polygon")
    assert widget.layer.choices == ()
    assert not widget.run.isEnabled()
    assert "Open an image" in widget.estimate.text()
    first = viewer.add_image(pixels(), name="first")
    assert widget.layer.value is first
    assert widget.run.isEnabled()
    viewer.add_image(pixels(), name="second")
    assert widget.layer.value.name == "second"  # napari has selected it
    viewer.layers.selection.active = first
    assert widget.layer.value is first
    first.name = "renamed"
    assert widget.layer.value is first
    assert widget.layer.current_choice == "renamed"
    viewer.layers.clear()
    assert widget.layer.value is None
    assert not widget.run.isEnabled()


def test_unknown_pixel_size_is_shown_and_can_be_set(viewer, widget, qtbot):
    known = viewer.add_image(pixels(), scale=(0.2, 0.2), units="micrometer")
    assert widget.pixel_size.isHidden()
    viewer.layers.remove(known)
    layer = viewer.add_image(pixels(), scale=(2, 1), translate=(10, 10))
    assert not widget.pixel_size.isHidden()
    widget.pixel_size.size.value = 0.25
    widget.pixel_size.unit.value = "micrometer"
    widget.pixel_size.button.click()
    np.testing.assert_allclose(layer.scale, (0.5, 0.25))
    np.testing.assert_allclose(layer.translate, (2.5, 2.5))
    assert {str(u) for u in layer.units} == {"micrometer"}
    assert widget.pixel_size.isHidden()
    widget.model.value = "bicubic-x2"
    run(widget, qtbot)
    assert viewer.layers[1].metadata["provenance"]["input"]["pixel_size"] == [0.5, 0.25]


def test_mixed_units_are_warned_about_and_the_source_decides(viewer, widget, qtbot):
    viewer.add_labels(np.zeros((20, 20), int))
    layer = viewer.add_image(pixels(), scale=(50, 50), units="nanometer")
    assert "ignores all units" in widget.notice.text()
    widget.model.value = "bicubic-x2"
    run(widget, qtbot)
    assert viewer.layers[-1].units == layer.units


def test_the_card_shows_the_modality_and_the_baseline(viewer, widget):
    widget.model.value = "fsrcnn-x2"
    text = widget.card.text()
    assert "photograph" in text
    assert "bicubic" in text
    assert "Cite" not in text
    widget.card.linkActivated.emit("#more")
    assert "Cite" in widget.card.text()
    assert "doi.org" in widget.card.text()


def test_a_model_file_can_be_used_once(viewer, widget, qtbot, tmp_path, told):
    import shutil

    from napari_superres.models.library.shipped import shipped_folder

    own = tmp_path / "mine.safetensors"
    shutil.copy(shipped_folder() / "fsrcnn-x2.safetensors", own)
    widget.models.try_file(own)
    assert widget.model.value == str(own)
    viewer.add_image(pixels(), name="cells")
    run(widget, qtbot)
    assert "cells [mine]" in viewer.layers
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    widget.models.try_file(tmp_path / "bad.safetensors")
    assert [message for message in told if "bad.safetensors" in message] == told[-1:]
    assert widget.model.value == str(own)


def test_every_control_has_a_tooltip_and_fits(viewer, widget, qtbot):
    viewer.window.resize(1280, 720)
    viewer.add_image(pixels())
    region = widget.region
    for control in (
        widget.layer,
        widget.axes,
        widget.model,
        widget.device,
        widget.precision,
        widget.tile,
        widget.tta,
        region.kind,
        region.shapes,
    ):
        assert control.tooltip
    buttons = (
        widget.run,
        widget.keep,
        widget.add_model,
        widget.pixel_size.button,
        widget.preview,
        widget.copy_python,
        widget.copy_command,
    )
    for button in buttons:
        assert button.toolTip()
        assert button.minimumSizeHint().width() <= 300
    assert "Not for diagnosis" in upscale_controls._CAUTION
    assert widget.minimumWidth() <= 300


# Means


def count_steps(monkeypatch):
    """Record the engine's steps, and that its generator was closed."""
    steps = []
    original = upscale_widget.tasks.upscale

    def counted(*arguments, **options):
        try:
            for step in original(*arguments, **options):
                steps.append(step.done)
                yield step
        finally:
            steps.append("closed")

    monkeypatch.setattr(upscale_widget.tasks, "upscale", counted)
    return steps


def hold(monkeypatch):
    """Let runs begin only when the event that is returned is set."""
    released = threading.Event()
    original = upscale_widget.tasks.upscale

    def waiting(*arguments, **options):
        released.wait()
        yield from original(*arguments, **options)

    monkeypatch.setattr(upscale_widget.tasks, "upscale", waiting)
    return released


def no_bars_left():
    from napari.utils import progress

    return len(progress._all_instances) == 0
