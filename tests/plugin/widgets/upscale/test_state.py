"""The state of Super-resolve, without a viewer: buttons, texts and the request of a run."""

import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from napari_superres import Image
from napari_superres.errors import SettingsError
from napari_superres.models import find_card
from napari_superres.plugin.widgets.common.blur_noise import BlurNoise
from napari_superres.plugin.widgets.upscale.state import SLICE, LayerFacts, Phase, UpscaleState, complete_message

PLANE = LayerFacts("YX", "micrometer", pixel_size=(0.2, 0.2), pixel_unit="micrometer")
CHOSEN = UpscaleState(layer=PLANE, model="bicubic-x2", card=find_card("bicubic-x2"), is_ready=True)
IMAGE = Image.from_array(np.zeros((3, 8, 9), np.uint8), "CYX")


def step(done=1, region=(slice(2),)):
    return SimpleNamespace(done=done, total=4, region=region, remaining=3.0, seconds=1.0)


def test_a_run_goes_from_preparing_to_its_result():
    assert CHOSEN.can_press_run
    assert not CHOSEN.is_running
    state = CHOSEN.start()
    assert (state.run_label, state.message, state.progress) == ("Cancel", "Preparing…", None)
    assert not state.can_keep
    assert not state.can_plan
    state = state.advance(step(0, None))
    assert not state.can_keep  # nothing is shown yet
    state = state.advance(step())
    assert state.can_keep
    assert (state.progress, state.message) == ((1, 4), "1 of 4, about 3.0 s left")
    assert state.advance(step(2, None)).can_keep
    state = state.finish("Done.")
    assert (state.phase, state.run_label, state.message, state.progress) == (Phase.IDLE, "Run", "Done.", None)
    assert not state.can_keep
    assert state.can_plan


def test_a_run_that_is_being_cancelled_can_only_end():
    state = CHOSEN.start().advance(step()).cancel("The source layer was removed. Cancelling…")
    assert (state.run_label, state.can_press_run, state.can_keep) == ("Cancelling…", False, False)
    later = state.advance(step(2))
    assert later.progress == (2, 4)
    assert later.message == "The source layer was removed. Cancelling…"
    assert CHOSEN.start().cancel().message == "Preparing…"
    assert later.finish("Cancelled.").can_press_run


def test_nothing_is_run_or_planned_without_a_layer_a_model_or_torch():
    empty = UpscaleState(is_ready=True, model="bicubic-x2", units_notice="Some")
    assert not empty.can_press_run
    assert not empty.can_plan
    assert empty.estimate.startswith("Open an image")
    assert empty.notice == ""
    assert not replace(CHOSEN, is_ready=False).can_plan
    assert not replace(CHOSEN, model="").can_plan
    assert replace(CHOSEN, layer=None, phase=Phase.RUNNING).can_press_run  # to cancel


def test_an_unknown_pixel_size_is_asked_for():
    assert not CHOSEN.asks_for_pixel_size
    assert replace(CHOSEN, layer=LayerFacts("YX", pixel_size=(1.0, 1.0))).asks_for_pixel_size
    assert not replace(CHOSEN, layer=LayerFacts("ZYX", pixel_size=None)).asks_for_pixel_size  # no image
    assert not replace(CHOSEN, layer=None).asks_for_pixel_size


def test_doubts_are_shown_in_lines():
    guessed = replace(PLANE, axes_guessed=True)
    state = replace(CHOSEN, layer=guessed, units_notice="some layers are in pixels.")
    units, axes = state.notice.split("\n")
    assert units == "Some layers are in pixels."
    assert axes == "The axes YX are a guess: correct them if they are others."
    assert replace(state, layer=PLANE, units_notice="").notice == ""


def test_nothing_runs_while_the_window_asks():
    assert not replace(CHOSEN, is_asking=True).can_press_run
    assert replace(CHOSEN, is_asking=True, phase=Phase.RUNNING).can_press_run  # to cancel


def test_the_card_is_shown_short_or_whole():
    state = replace(CHOSEN, card=find_card("fsrcnn-x2"))
    assert "Cite" not in state.card_text
    assert "Cite" in replace(state, is_card_whole=True).card_text
    assert replace(state, card=None).card_text == ""


def test_a_request_has_what_was_chosen():
    state = replace(CHOSEN, tile="64", tta=True, channels={1: "bicubic-x2"}, region=SLICE)
    request = state.request(IMAGE, {"T": (3, 4), "Y": (0, 5)})
    assert request.model == "bicubic-x2"
    assert request.options == {
        "device": "auto",
        "precision": "auto",
        "tile": 64,
        "tta": True,
        "scheduler": None,
        "intensity_range": None,
        "channels": [1],
        "roi": {"T": (3, 4), "Y": (0, 5)},
    }
    assert request.first == {"T": 3, "C": 1}
    whole = replace(CHOSEN, channels=None).request(IMAGE.replace(data=IMAGE.data[0], axes="YX", channel_names=()), {})
    assert (whole.options["roi"], whole.options["channels"], whole.options["tile"]) == (None, None, "auto")
    assert whole.first == {}


def test_ticked_channels_have_a_model_each():
    channels = {0: "fluo-x2", 2: "bicubic-x2"}
    request = replace(CHOSEN, channels=channels).request(IMAGE, {})
    assert (request.model, request.options["channels"], request.channels) == (channels, None, [0, 2])
    assert request.model_names == ("fluo-x2", "bicubic-x2")
    assert request.first == {}
    one = replace(CHOSEN, channels=dict.fromkeys((1, 2), "fluo-x2")).request(IMAGE, {})
    assert (one.model, one.options["channels"], one.first) == ("fluo-x2", [1, 2], {"C": 1})
    every = replace(CHOSEN, channels=dict.fromkeys(range(3), "fluo-x2")).request(IMAGE, {})
    assert (every.model, every.options["channels"], every.first) == ("fluo-x2", None, {})
    with pytest.raises(SettingsError, match="no channel is ticked"):
        replace(CHOSEN, channels={}).request(IMAGE, {})
    assert CHOSEN.request(IMAGE, {}).model_names == ("bicubic-x2",)


def test_models_that_are_told_nothing_get_no_blur():
    told = replace(CHOSEN, blur_noise=BlurNoise(psf_sigma=1.5))
    assert "psf_sigma" not in told.request(IMAGE, {}, "bicubic-x2").options
    assert told.request(IMAGE, {}, "fluo-x2").options["psf_sigma"] == 1.5


def test_the_line_after_a_run_names_its_layer():
    line = complete_message(seconds=2.0, layers=["cells [m]"], source_change="")
    assert line == "Done in 2.0 s. Added above its source: cells [m]"
    assert "2.0 s in bf16 (73 dB" in complete_message(
        seconds=2.0, layers=["a"], source_change="", precision="bf16 (73 dB against fp32)"
    )
    both = complete_message(seconds=2.0, layers=["a [m]", "b [m]"], source_change="")
    assert both.endswith("Added above their sources: a [m], b [m]")
    warned = complete_message(seconds=2.0, layers=["a [m]"], source_change="", warnings=["use `precision='fp32'`."])
    assert warned.splitlines()[1:] == ["Use “Precision: fp32”."]
    assert "replaced" in complete_message(seconds=2.0, layers=["cells [m]"], source_change="replaced")
    assert "run again" in complete_message(seconds=2.0, layers=["cells [m]"], source_change="edited")


def test_the_state_needs_no_window():
    code = (
        "import sys, napari_superres.plugin.widgets.upscale.state\n"
        "assert not {'qtpy', 'magicgui', 'napari', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
