"""What the Batch widget enables, copies and says, without a viewer."""

from dataclasses import replace
from pathlib import Path

import pytest

from napari_superres.errors import SettingsError
from napari_superres.plugin.widgets.batch.state import (
    BatchOptions,
    BatchState,
    end_text,
    failure_text,
    search_text,
    suggest_folder,
)
from napari_superres.plugin.widgets.common.blur_noise import BlurNoise

COMPLETE = BatchState(BatchOptions("bicubic-x2"), folder=Path("/out"), sources=("/in",), file_count=3)


def test_a_complete_choice_can_be_run_and_copied():
    assert COMPLETE.can_edit
    assert COMPLETE.can_press_run
    assert COMPLETE.can_copy_command
    assert COMPLETE.can_copy_table
    assert COMPLETE.run_label == "Run"


@pytest.mark.parametrize(
    "missing", [{"folder": None}, {"sources": ()}, {"file_count": 0}, {"options": BatchOptions("")}]
)
def test_nothing_is_run_while_something_is_missing(missing):
    state = replace(COMPLETE, **missing)
    assert not state.can_press_run
    assert not state.can_copy_command
    assert state.can_edit


def test_a_run_can_be_cancelled_once_and_its_input_not_changed():
    running = replace(COMPLETE, is_running=True)
    assert (running.run_label, running.can_press_run, running.can_edit) == ("Cancel", True, False)
    assert running.run_tooltip != COMPLETE.run_tooltip
    cancelling = replace(running, is_cancelling=True)
    assert (cancelling.run_label, cancelling.can_press_run, cancelling.can_edit) == ("Cancelling…", False, False)


def test_the_command_line_names_only_what_is_not_the_default():
    start = ["superres", "upscale", "/in", "--output", str(Path("/out")), "--model", "bicubic-x2"]
    assert COMPLETE.command == [*start, "--resume"]
    options = BatchOptions(
        "bicubic-x2", suffix=".nrrd", device="cpu", precision="fp32", tile=64, axes="ZYX", resume=False, overwrite=True
    )
    given = ["--format", "nrrd", "--device", "cpu", "--precision", "fp32", "--tile", "64", "--axes", "ZYX"]
    assert replace(COMPLETE, options=options).command == [*start, *given, "--overwrite"]


def test_blur_and_noise_are_options_of_models_that_are_told_them():
    told = BlurNoise(strength=0.5, noise="0.5, 3", psf_sigma=0.8)
    options = BatchOptions("m", blur_noise=told, resume=False)
    assert options.arguments()[2:] == ["--noise", "0.5,3.0", "--strength", "0.5", "--psf-sigma", "0.8"]
    assert options.keywords() == {
        **BatchOptions("m", resume=False).keywords(),
        "noise": (0.5, 3.0),
        "strength": 0.5,
        "psf_sigma": 0.8,
    }
    assert BatchOptions("m", blur_noise=BlurNoise(), resume=False).arguments() == ["--model", "m"]
    with pytest.raises(SettingsError, match="`noise` must be"):
        BatchOptions("m", blur_noise=BlurNoise(noise="much")).keywords()


def test_the_options_are_those_of_python():
    from inspect import signature

    from napari_superres.inference import upscale_file, upscale_files

    known = {*signature(upscale_files).parameters, *signature(upscale_file).parameters, "device", "precision", "tile"}
    known |= {"noise", "strength", "psf_sigma"}
    assert BatchOptions("m", blur_noise=BlurNoise()).keywords().keys() <= known


def test_results_go_next_to_a_file_and_into_a_folder(tmp_path):
    (tmp_path / "stack.zarr").mkdir()
    expected = tmp_path / "super-resolved"
    assert suggest_folder(tmp_path) == expected
    assert suggest_folder(tmp_path / "a.tif") == expected
    assert suggest_folder(tmp_path / "stack.zarr") == expected


def test_what_a_search_has_found_is_said():
    one, two = (Path("/data/day1"),), (Path("/data/a.tif"), Path("/data/b.tif"))
    assert search_text(one, 1, 12, "") == "day1: 1 image, 12 B"
    assert search_text(two, 2, 2_290_000, "") == "2 files and folders: 2 images, 2.29 MB"
    assert search_text(one, 0, 0, "No image matches.") == "No image matches."
    assert search_text(one, 0, 0, "") == "day1: no images, or only results of this batch."


def test_the_end_of_a_run_is_said():
    assert end_text("2 done in 3 s", complete=True, cancelled=False) == "2 done in 3 s."
    assert "With Resume checked" in end_text("1 done in 3 s", complete=False, cancelled=True)
    assert "notification" in end_text("0 done in 3 s", complete=False, cancelled=False)
    assert failure_text(1, 3) == "1 of 3 files failed. The table in Batch shows why; Retry failed repeats them."
