"""Runs of the Batch widget in real viewers: done as Python and the command line do, failed, cancelled, gone on with."""

import shlex
import threading

import numpy as np
import pytest
from helpers.conditioned import write_conditioned_model
from helpers.widgets.batch_files import (
    LONG,
    choose,
    clipboard,
    column,
    no_bars_left,
    run,
    settle,
    states,
    tooltip,
    write,
)

from napari_superres import read_image, upscale
from napari_superres.io.omezarr import layout
from napari_superres.models import add_model
from napari_superres.plugin.widgets.batch.work import Batch
from napari_superres.plugin.widgets.common.library_events import library

pytestmark = pytest.mark.gui


def test_a_folder_is_done_as_python_does_it_and_a_bad_file_stops_no_other(listed, folder, qtbot, told):
    assert column(listed, 0) == ["a.ome.tif", "b.tif", "c.tif"]
    assert column(listed, 1)[1] == "21 B"
    assert column(listed, 2) == ["waiting"] * 3
    assert "in: 3 images" in listed.chosen.text()
    listed.settings.model.value = "fsrcnn-x2"
    run(listed, qtbot)
    assert states(listed) == ["done", "failed", "done"]
    assert column(listed, 2)[1].startswith("failed: must be a complete TIFF")
    assert "Copy or export it again." in tooltip(listed, 1)
    assert "2 done, 1 failed" in listed.status.text()
    assert [str(m) for m in told] == ["1 of 3 files failed. The table in Batch shows why; Retry failed repeats them."]
    out = folder / "super-resolved"
    for name in ("a", "c"):
        found = read_image(out / f"{name}_fsrcnn-x2.ome.tif")
        source = read_image(next(folder.glob(f"{name}.*")))
        np.testing.assert_array_equal(found.data[...], upscale(source, "fsrcnn-x2").data)
        assert found.pixel_size == pytest.approx((0.1, 0.1))
        assert (out / f"{name}_fsrcnn-x2.ome.tif.provenance.json").is_file()
    assert no_bars_left()


def test_the_command_line_does_the_same(listed, folder, qtbot, tmp_path, monkeypatch):
    from napari_superres.cli.app import app

    write(folder / "deep [1]" / "d.ome.tif", seed=3)
    listed.recursive.setChecked(True)
    listed.pattern.value = "*.ome.tif"
    settings = listed.settings
    settings.output.setText(str(tmp_path / "my results"))
    settings.model.value = "fsrcnn-x2"
    settings.tile.value = "64"
    settings.precision.value = "fp32"
    settings.device.value = "cpu"
    settings.axes.value = "YX"
    settings.format.value = ".nrrd"
    settle(listed, qtbot)
    assert column(listed, 0) == ["a.ome.tif", "d.ome.tif"]
    listed.copy_command.click()
    words = shlex.split(clipboard())
    assert words[:2] == ["superres", "upscale"]
    run(listed, qtbot)
    assert states(listed) == ["done", "done"]
    at = words.index("--output") + 1
    assert words[at] == str(tmp_path / "my results")
    words[at] = str(tmp_path / "others")
    app(words[1:], standalone_mode=False)
    ours, theirs = ({p.name for p in (tmp_path / n).iterdir()} for n in ("my results", "others"))
    assert ours == theirs == {f"{n}_fsrcnn-x2.{e}" for n in "ad" for e in ("nrrd", "nrrd.provenance.json")}
    for name in "ad":
        made, again = (read_image(tmp_path / n / f"{name}_fsrcnn-x2.nrrd") for n in ("my results", "others"))
        np.testing.assert_array_equal(made.data[...], again.data[...])
        np.testing.assert_allclose(made.affine, again.affine)
        record, other = (dict(i.metadata["provenance"]) for i in (made, again))
        for key in ("model", "normalisation", "precision", "device", "tile", "input"):
            assert record[key] == other[key]


def test_progress_may_be_shown_after_the_last_file(listed, qtbot, monkeypatch):
    """The timer may come between the last file and the end of the batch."""
    finish = listed._finish

    def late(complete):
        listed._poll()
        finish(complete)

    monkeypatch.setattr(listed, "_finish", late)
    run(listed, qtbot)
    assert states(listed) == ["done", "failed", "done"]


def test_failed_files_that_are_gone_are_not_tried_again(listed, folder, qtbot):
    run(listed, qtbot)
    (failed,) = listed.state.failed
    failed.unlink()
    assert listed.retry.isEnabled()
    listed.retry.click()
    qtbot.waitUntil(lambda: not listed.is_running, timeout=60_000)
    assert failed.name not in column(listed, 0)
    assert states(listed) == ["done"] * (listed.table.files.rowCount())


def test_resume_and_overwrite(listed, folder, qtbot):
    expected = ["superres", "upscale", str(folder), "--output", str(folder / "super-resolved"), "--model", "bicubic-x2"]
    assert listed.state.command == [*expected, "--resume"], "only what is not the default"
    (folder / "b.tif").unlink()
    run(listed, qtbot)
    assert states(listed) == ["done", "done"]  # looked for anew: b.tif is not failed
    made = folder / "super-resolved" / "a_bicubic-x2.ome.tif"
    stamp = made.stat().st_mtime_ns
    write(folder / "e.ome.tif")
    run(listed, qtbot)
    assert states(listed) == ["skipped", "skipped", "done"]
    assert column(listed, 2)[0] == "skipped (already done)"
    assert listed.status.text().startswith("1 done, 2 skipped in")
    listed.settings.resume.setChecked(False)
    run(listed, qtbot)
    assert states(listed) == ["failed"] * 3
    assert column(listed, 2)[0].startswith("failed: a_bicubic-x2.ome.tif exists already.")
    assert "verwrite" in column(listed, 2)[0]
    assert made.stat().st_mtime_ns == stamp
    listed.settings.overwrite.setChecked(True)
    assert listed.state.command == [*expected, "--overwrite"]
    run(listed, qtbot)
    assert states(listed) == ["done"] * 3
    assert made.stat().st_mtime_ns > stamp


def test_cancel_acts_within_one_tile_and_run_goes_on(widget, qtbot, tmp_path, monkeypatch, told):
    write(tmp_path / "in" / "a.ome.tif")
    write(tmp_path / "in" / "b.ome.tif", (300, 300))
    write(tmp_path / "in" / "c.ome.tif")
    choose(widget, qtbot, tmp_path / "in")
    widget.settings.model.value = "fsrcnn-x2"
    widget.settings.tile.value = "64"
    go_on = pause_at(monkeypatch, 0.2)
    widget.run.click()
    qtbot.waitUntil(lambda: states(widget)[1] == "running" and widget.table.files.rows[1].share > 0, timeout=LONG)
    qtbot.waitUntil(lambda: "running" in column(widget, 2)[1] and "of 3" in widget.status.text(), timeout=LONG)
    assert widget.run.text() == "Cancel"
    assert not widget.settings.isEnabled()
    assert not widget.bar.isHidden()
    widget.run.click()
    share = widget.table.files.rows[1].share
    go_on.set()
    assert widget.run.text() == "Cancelling…"
    assert not widget.run.isEnabled()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    assert states(widget) == ["done", "cancelled", "waiting"]
    assert widget.table.files.rows[1].share <= share + 0.15
    assert widget.status.text().startswith("Cancelled: 1 done in")
    out = tmp_path / "in" / "super-resolved"
    assert {p.name for p in out.iterdir()} == {"a_fsrcnn-x2.ome.tif", "a_fsrcnn-x2.ome.tif.provenance.json"}
    assert widget.run.text() == "Run"
    assert widget.settings.isEnabled()
    assert widget.bar.isHidden()
    assert no_bars_left()
    run(widget, qtbot)
    assert states(widget) == ["skipped", "done", "done"]
    assert told == []


@pytest.mark.slow
def test_an_unfinished_zarr_is_gone_on_with(widget, qtbot, tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "_LEAST_BOX_PIXELS", 1)  # each channel is a part of the result
    write(tmp_path / "in" / "a.ome.tif", (4, 40, 40), axes="CYX")
    choose(widget, qtbot, tmp_path / "in")
    widget.settings.model.value = "fsrcnn-x2"
    widget.settings.format.value = ".ome.zarr"
    unfinished = tmp_path / "in" / "super-resolved" / ".a_fsrcnn-x2.ome.zarr.unfinished"
    with monkeypatch.context() as patch:
        shares = watch_shares(patch, lambda share: share < 0.6 or widget._job.cancel())
        run(widget, qtbot)
    assert states(widget) == ["cancelled"]
    assert (unfinished / "journal.jsonl").is_file()
    assert shares[-1] < 1
    shares = watch_shares(monkeypatch)
    run(widget, qtbot)
    assert states(widget) == ["done"]
    assert min(s for s in shares if s) >= 0.5, "what was done is not done again"
    expected = upscale(read_image(tmp_path / "in" / "a.ome.tif"), "fsrcnn-x2")
    found = read_image(tmp_path / "in" / "super-resolved" / "a_fsrcnn-x2.ome.zarr")
    np.testing.assert_array_equal(found.data[...], expected.data)
    assert not unfinished.exists()


@pytest.mark.slow
def test_the_bar_in_the_activity_dock_cancels_too(widget, qtbot, tmp_path, monkeypatch):
    from napari.utils import progress

    write(tmp_path / "a.ome.tif", (900, 900))
    choose(widget, qtbot, tmp_path / "a.ome.tif")
    widget.settings.model.value = "fsrcnn-x2"
    widget.settings.tile.value = "64"
    go_on, shares = pause_at(monkeypatch, 0.01), watch_shares(monkeypatch)
    widget.run.click()
    qtbot.waitUntil(lambda: max(shares, default=0) > 0 and len(progress._all_instances) == 1, timeout=LONG)
    (bar,) = progress._all_instances
    bar.cancel()
    go_on.set()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    assert states(widget) == ["cancelled"]
    assert no_bars_left()


def test_what_is_wrong_for_all_is_one_notification(listed, folder, qtbot, told, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("os.access", lambda *_: False)
        run(listed, qtbot)
    assert states(listed) == ["failed"] * 3
    assert "may not be written" in column(listed, 2)[0]
    assert "3 of 3 files failed" in told.pop()
    (folder / "file").write_text("")
    listed.settings.output.setText(str(folder / "file" / "out"))
    settle(listed, qtbot)
    run(listed, qtbot)
    assert "cannot be made" in told.pop()
    assert told == []
    assert states(listed) == ["waiting"] * 3
    assert "see the notification" in listed.status.text()
    for path in folder.glob("*.tif"):
        path.unlink()
    run(listed, qtbot)
    assert "holds no image" in told.pop()
    assert listed.table.files.rowCount() == 0
    assert not listed.run.isEnabled()


def test_closing_the_dock_ends_the_run(viewer, widget, qtbot, tmp_path, monkeypatch):
    from qtpy.QtCore import QThreadPool

    write(tmp_path / "a.ome.tif", (300, 300))
    choose(widget, qtbot, tmp_path / "a.ome.tif")
    widget.settings.model.value = "fsrcnn-x2"
    widget.settings.tile.value = "64"
    go_on = pause_at(monkeypatch, 0.2)
    widget.run.click()
    qtbot.waitUntil(lambda: not no_bars_left(), timeout=LONG)
    batch = widget._batch
    viewer.window.remove_dock_widget(widget)
    go_on.set()
    qtbot.waitUntil(lambda: QThreadPool.globalInstance().activeThreadCount() == 0, timeout=LONG)
    assert batch.position == 0
    assert no_bars_left()
    assert not (tmp_path / "super-resolved" / "a_fsrcnn-x2.ome.tif").exists()


# Helpers


def pause_at(monkeypatch, share):
    """Let a batch wait as soon as so much of a file is done, until the event that is returned is set."""
    released = threading.Event()
    watch_shares(monkeypatch, lambda done: share <= done < 1 and released.wait(LONG / 1000))
    return released


def watch_shares(monkeypatch, react=lambda _: None):
    """Record how much of a file is done at each step."""
    shares = []
    original = Batch._record_progress

    def watched(batch, label, index, step):
        shares.append(step.done / step.total)
        react(shares[-1])
        original(batch, label, index, step)

    monkeypatch.setattr(Batch, "_record_progress", watched)
    return shares


def test_a_model_is_told_what_the_sliders_say(widget, qtbot, tmp_path, monkeypatch, told):
    monkeypatch.setenv("NAPARI_SUPERRES_MODELS", str(tmp_path / "library"))
    add_model(write_conditioned_model(tmp_path / "told.safetensors"))
    library.changed.emit()
    source = write(tmp_path / "in" / "a.ome.tif", (40, 48))
    choose(widget, qtbot, source)
    form = widget.settings.blur_noise
    widget.settings.model.value = "bicubic-x2"
    assert form.isHidden()
    widget.settings.model.value = "told"
    assert not form.isHidden()
    form.strength.slider.setValue(50)
    form.sigma.number.setValue(0.9)
    assert form.sigma.number.text() == "0.90 px"
    form.noise.value = "loud"
    widget.copy_command.click()
    assert "“Known noise” must be" in str(told.pop())
    form.noise.value = "2, 1"
    widget.copy_command.click()
    assert "--noise 2.0,1.0 --strength 0.5 --psf-sigma 0.9" in clipboard()
    run(widget, qtbot)
    assert states(widget) == ["done"]
    found = read_image(tmp_path / "in" / "super-resolved" / "a_told.ome.tif")
    expected = upscale(read_image(source), "told", noise=(2, 1), strength=0.5, psf_sigma=0.9)
    np.testing.assert_array_equal(np.asarray(found.data), np.asarray(expected.data))
