"""The table says what files hold and whether the model fits; one file is tried first, failed ones are repeated."""

import threading

import numpy as np
import pytest
from helpers.scenes.dark import blobs
from helpers.widgets.batch_files import choose, column, run, settle, states, write

from napari_superres import Image, write_image
from napari_superres.plugin.widgets.batch import facts, search
from napari_superres.plugin.widgets.batch import widget as batch_widget
from napari_superres.plugin.widgets.batch import work as batch_work
from napari_superres.plugin.widgets.batch.table import FileTable
from napari_superres.plugin.widgets.upscale.widget import UpscaleWidget

pytestmark = pytest.mark.gui

FIT, PIXEL, CHANNELS = 3, 4, 5


@pytest.fixture(autouse=True)
def library(monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_SUPERRES_MODELS", str(tmp_path / "library" / "models"))


@pytest.fixture
def mixed(tmp_path):
    """Fluorescence, pixels that tell nothing, two channels, and a damaged file."""
    folder = tmp_path / "in"
    folder.mkdir()
    write_image(Image.from_array(blobs((64, 64)), "YX", pixel_size=0.2), folder / "a.ome.tif")
    grey = np.random.default_rng(0).integers(20, 230, (2, 40, 40)).astype(np.uint8)
    write_image(Image.from_array(grey, "CYX"), folder / "b.ome.tif")
    (folder / "c.tif").write_bytes(b"II*\0 this is no image")
    return folder


def read(widget, qtbot, folder):
    choose(widget, qtbot, folder)
    qtbot.waitUntil(lambda: "…" not in column(widget, FIT))


def test_the_table_says_what_files_hold_and_what_fits(widget, qtbot, mixed):
    assert widget.settings._unknown_row.isHidden()
    read(widget, qtbot, mixed)
    assert column(widget, FIT) == ["fluo-x2", "unknown", "unreadable"]
    assert column(widget, PIXEL) == ["0.2 µm", "unknown", ""]
    assert column(widget, CHANNELS) == ["1", "2", ""]
    assert not widget.settings._unknown_row.isHidden()
    widget.settings.unknown.value = "photograph"
    assert column(widget, FIT)[1] == "as photograph"
    widget.settings.model.value = "fluo-x2"
    assert column(widget, FIT) == ["fits", "unknown", "unreadable"]
    widget.settings.model.value = "movie-x2"
    assert column(widget, FIT)[0] == "cannot run"
    widget.settings.model.value = "ct-x2"
    assert column(widget, FIT)[0] == "check"


def test_another_output_folder_reads_no_file_again(widget, qtbot, mixed, monkeypatch, tmp_path):
    read(widget, qtbot, mixed)
    before = column(widget, FIT)
    monkeypatch.setattr(facts, "_facts", lambda _: pytest.fail("a file was read again"))
    monkeypatch.setattr(search.io, "find_images", lambda *_, **__: pytest.fail("the files were searched again"))
    widget.settings.output.setText(str(tmp_path / "elsewhere"))
    assert widget.run.isEnabled()
    settle(widget, qtbot)
    assert column(widget, FIT) == before
    widget.settings.output.setText(str(mixed))  # Next to a record, an image in the folder of the results is one.
    (mixed / "a.ome.tif.provenance.json").write_text("{}")
    settle(widget, qtbot)
    assert column(widget, 0) == ["b.ome.tif", "c.tif"]


def test_a_search_does_not_wait_for_files_to_be_read(widget, qtbot, mixed, monkeypatch):
    released, begun = threading.Event(), threading.Event()

    def wait(_):
        begun.set()
        yield from iter(lambda: released.wait(0.05), True)

    monkeypatch.setattr(batch_widget, "read_facts", wait)
    choose(widget, qtbot, mixed)
    qtbot.waitUntil(begun.is_set)
    widget.pattern.value = "a*"
    settle(widget, qtbot)
    assert column(widget, 0) == ["a.ome.tif"]
    released.set()


def test_a_run_keeps_what_the_files_hold(widget, qtbot, mixed, monkeypatch):
    read(widget, qtbot, mixed)
    seen, before, whole = [], column(widget, FIT), batch_work.find_files

    def look(*given):
        for listing in whole(*given):
            seen.append([row.facts is not None for row in listing.rows])
            yield listing

    monkeypatch.setattr(batch_work, "find_files", look)
    widget.settings.model.value = "bicubic-x2"
    run(widget, qtbot)
    assert seen
    assert all(map(all, seen))
    widget.settings.model.value = "auto"
    assert column(widget, FIT) == before


def test_the_status_is_in_view_at_the_usual_width(qtbot):
    table = FileTable()
    qtbot.addWidget(table)
    table.resize(240, 200)
    table.show()
    top = table.horizontalHeader()
    assert top.sectionViewportPosition(2) + top.sectionSize(2) <= table.viewport().width()


def test_what_is_left_out_by_choice_has_not_failed(widget, qtbot, mixed):
    read(widget, qtbot, mixed)
    run(widget, qtbot)
    assert states(widget) == ["done", "left out", "failed"]
    assert "1 done, 1 left out, 1 failed" in widget.status.text()


def test_the_first_file_is_tried_and_opened_and_not_repeated(viewer, listed, qtbot):
    listed.try_first.click()
    qtbot.waitUntil(lambda: not listed.is_running)
    assert states(listed) == ["done", "waiting", "waiting"]
    assert [layer.name for layer in viewer.layers] == ["a_bicubic-x2"]
    run(listed, qtbot)
    assert states(listed) == ["skipped", "failed", "done"]


def test_only_what_failed_is_repeated(listed, folder, qtbot, tmp_path):
    assert listed.retry.isHidden()
    run(listed, qtbot)
    assert not listed.retry.isHidden()
    write(tmp_path / "good.tif")
    (folder / "b.tif").write_bytes((tmp_path / "good.tif").read_bytes())
    listed.retry.click()
    qtbot.waitUntil(lambda: not listed.is_running)
    assert states(listed) == ["done", "done", "done"]  # not skipped: the others were left alone
    assert listed.status.text().startswith("1 done in")
    assert listed.retry.isHidden()


def test_a_repeated_file_keeps_its_place_among_files_of_one_name(widget, qtbot, tmp_path):
    top = tmp_path / "in"
    write(top / "x" / "a.ome.tif")
    (top / "y").mkdir()
    (top / "y" / "a.ome.tif").write_bytes(b"II*\0 this is no image")
    widget.recursive.setChecked(True)
    choose(widget, qtbot, top)
    widget.settings.model.value = "bicubic-x2"
    run(widget, qtbot)
    (top / "y" / "a.ome.tif").write_bytes((top / "x" / "a.ome.tif").read_bytes())
    widget.retry.click()
    qtbot.waitUntil(lambda: not widget.is_running)
    assert states(widget) == ["done", "done"]
    assert widget.table.files.rows[1].target.parent.name == "y"


def test_settings_are_taken_from_super_resolve(viewer, dock, widget, qtbot):
    widget.take_settings.click()
    assert "Open Super-resolve first" in widget.status.text()
    other = dock(UpscaleWidget)
    viewer.add_image(blobs((64, 64)), units="um", scale=(0.2, 0.2))
    other.model.value = "fluo-x2"
    other.tile.value, other.tta.value, other.intensity_range.value = "128", True, "0, 4095"
    other.blur_noise.strength.number.setValue(40)
    widget.take_settings.click()
    options = widget.settings.options()
    assert (options.model, options.tile, options.tta, options.intensity_range) == ("fluo-x2", 128, True, "0, 4095")
    assert options.blur_noise.strength == 0.4
    assert "--tta" in options.arguments()
    assert "single channels" not in widget.status.text()
    viewer.add_image(np.stack([blobs((64, 64))] * 2), axis_labels=("c", "y", "x"))
    other.channels.rows[1].box.value = "bicubic-x2"
    widget.take_settings.click()
    assert "models of single channels were not taken" in widget.status.text()
    settle(widget, qtbot)
