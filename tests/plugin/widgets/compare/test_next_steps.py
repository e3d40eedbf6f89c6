"""After a measurement the widget offers to save a report or a figure, and to go on to more files."""

import re
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog

import napari_superres
from napari_superres.plugin.host.layers import to_image, to_layer
from napari_superres.plugin.widgets.batch.widget import BatchWidget

pytestmark = pytest.mark.gui


@pytest.fixture
def scene(viewer, blob):
    """Input, result and reference of one field."""
    from napari.layers import Layer

    fine = blob((96, 128), (40, 66), 4.0) * 1000 + np.random.default_rng(0).random((96, 128)) * 50
    coarse = fine.reshape(48, 2, 64, 2).mean(axis=(1, 3)).astype(np.float32)
    low = viewer.add_image(coarse, name="cells", scale=(0.4, 0.4), units="micrometer")
    made = napari_superres.upscale(to_image(low), "bicubic-x2")
    viewer.add_layer(Layer.create(*to_layer(made, to_image(low), low, name="cells [bicubic-x2]")))
    true = made.replace(data=fine.astype(np.float32))
    viewer.add_layer(Layer.create(*to_layer(true, to_image(low), low, name="reference"))).metadata.pop("provenance")


def press(button, widget, qtbot):
    button.click()
    assert widget.is_running
    qtbot.waitUntil(lambda: not widget.is_running)


def test_report_is_saved_as_one_page(scene, widget, qtbot, tmp_path, chosen):
    assert not widget.next_steps.save.isVisibleTo(widget)
    press(widget.measure, widget, qtbot)
    chosen(tmp_path / "mine")
    press(widget.next_steps.save, widget, qtbot)
    page = (tmp_path / "mine.html").read_text(encoding="utf-8")
    assert "cells [bicubic-x2]" in page
    assert "Does it lie on the reference?" in page
    assert "data:image/png;base64," in page
    assert re.findall(r'(?:src|href)="(?!data:|#)', page) == []
    assert "mine.html" in widget.status.text()


@pytest.mark.parametrize("name", ["mine", "mine.svg"])
def test_a_figure_is_saved(scene, widget, qtbot, tmp_path, chosen, name):
    press(widget.measure, widget, qtbot)
    chosen(tmp_path / name)
    press(widget.next_steps.figure, widget, qtbot)
    target = tmp_path / (name if "." in name else f"{name}.png")
    assert target.read_bytes()[:5] in (b"\x89PNG\r", b"<?xml")
    assert f"The figure was saved as {target}" in widget.status.text()


def test_batch_comes_next(scene, viewer, widget, qtbot):
    assert widget.next_steps.isHidden()
    press(widget.measure, widget, qtbot)
    widget.next_steps.batch.click()
    (batch,) = (one for one in viewer.window.dock_widgets.values() if isinstance(one, BatchWidget))
    qtbot.waitUntil(lambda: batch.is_ready)
    viewer.window.remove_dock_widget(batch)
    batch.deleteLater()


def test_a_report_that_cannot_be_saved_is_explained(scene, widget, qtbot, tmp_path, chosen, told):
    press(widget.measure, widget, qtbot)
    chosen(tmp_path / "gone" / "mine.html")
    press(widget.next_steps.save, widget, qtbot)
    assert len(told) == 1
    assert "could not be written" in told[0]
    assert widget.next_steps.save.isEnabled()


def test_saving_can_be_given_up(scene, widget, qtbot, monkeypatch):
    from qtpy.QtWidgets import QFileDialog

    press(widget.measure, widget, qtbot)
    monkeypatch.setattr(QFileDialog, "exec", lambda _: 0)
    widget.next_steps.save.click()
    assert not widget.is_running


@pytest.fixture
def chosen(monkeypatch):
    """Answer the file dialog."""
    from qtpy.QtWidgets import QFileDialog

    def chosen(path):
        def answer(dialog):
            what = "report.html" if "report" in dialog.windowTitle() else "figure.png"
            assert dialog.selectedFiles()[0].endswith(f"cells_[bicubic-x2]_{what}")
            dialog.selectFile(str(path))
            return 1

        monkeypatch.setattr(QFileDialog, "exec", answer)

    return chosen


def test_the_other_channels_of_a_file_are_offered(viewer, widget, qtbot, blob, tmp_path, dialog_folders):
    from napari.layers import Layer

    planes = np.stack([blob((48, 64), (20, 33 + shift), 4.0) for shift in (0, 9)]).astype(np.float32) * 1000
    path = tmp_path / "cells.ome.tif"
    names = ("DAPI", "Membrane")
    image = napari_superres.Image.from_array(planes, "CYX", pixel_size=0.4, channel_names=names)
    napari_superres.write_image(image, path)
    for low in viewer.open(path, plugin="napari-superres-torch"):
        made = napari_superres.upscale(to_image(low), "bicubic-x2")
        viewer.add_layer(Layer.create(*to_layer(made, to_image(low), low, name=f"{low.name} [bicubic-x2]")))
    first, second = (viewer.layers[f"{name} - cells [bicubic-x2]"] for name in names)
    widget.result.value, widget.lr.value = first, viewer.layers["DAPI - cells"]
    press(widget.measure, widget, qtbot)
    view = widget.verdict_view
    assert "Only the channel DAPI was judged" in view.channels.text()
    view.channels.linkActivated.emit("0")
    qtbot.waitUntil(lambda: "Only the channel Membrane" in view.channels.text())
    assert (widget.result.value, widget.lr.value) == (second, viewer.layers["Membrane - cells"])
    widget.next_steps.save.click()
    assert dialog_folders == [tmp_path]
    viewer.layers.remove(first)
    press(widget.measure, widget, qtbot)
    assert view.channels.isHidden()


@pytest.fixture
def dialog_folders(monkeypatch):
    """The folders in which dialogs begin; they are cancelled."""
    found = []
    monkeypatch.setattr(QFileDialog, "exec", lambda dialog: found.append(Path(dialog.directory().absolutePath())))
    return found
