"""What the Train widget enables, suggests and asks for, without a viewer."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from napari_superres.errors import SettingsError
from napari_superres.models import ModelCard
from napari_superres.plugin.widgets.train.instrument_kinds import KINDS
from napari_superres.plugin.widgets.train.state import (
    LAYERS,
    NOISY,
    NOISY_LAYERS,
    PAIRS,
    REPEATS,
    STACK,
    TrainState,
    end_text,
    replace_question,
    resume_question,
    step_text,
)
from napari_superres.plugin.widgets.train.work import Available, Images

CARD = ModelCard(
    name="fluo-x2", architecture="edsr", arguments={"blocks": 6, "scale": [2, 2]}, scale=(2, 2), modality="fluorescence"
)
STATE = TrainState(
    available=Available({"edsr": "EDSR"}, {"fluo-x2": CARD}, frozenset({"fluo-x2", "mine"})),
    source_name="my cells",
    network="edsr",
    modality="fluorescence",
    output=Path("/models/new"),
)
FOLDER = Path("/home")


@pytest.mark.parametrize(
    ("phase", "label", "can_press_run", "can_keep", "can_edit"),
    [
        ("loading", "Run", False, False, True),
        ("idle", "Run", True, False, True),
        ("training", "Cancel", True, True, False),
        ("finishing", "Cancel", True, False, False),
        ("cancelling", "Cancelling…", False, False, False),
    ],
)
def test_buttons_follow_the_phase(phase, label, can_press_run, can_keep, can_edit):
    state = replace(STATE, phase=phase)
    assert (state.run_label, state.can_press_run, state.can_keep) == (label, can_press_run, can_keep)
    assert state.can_edit is can_edit
    assert state.is_running is not can_edit
    assert state.run_tooltip.startswith("Stop" if state.is_running else "Train")


def test_pairs_need_no_simulation_and_a_model_to_refine_keeps_its_network():
    assert replace(STATE, source=LAYERS).shows_degradation
    assert not any(replace(STATE, source=s).shows_degradation for s in (PAIRS, NOISY_LAYERS, NOISY, REPEATS, STACK))
    assert STATE.can_choose_network
    assert not replace(STATE, start="fluo-x2").can_choose_network


def test_the_suggested_file_is_free():
    taken = {FOLDER / "my-cells-x2.safetensors"}
    assert STATE.suggested_file(FOLDER, taken.__contains__) == str(FOLDER / "my-cells-x2-2.safetensors")
    assert STATE.suggested_file(FOLDER, lambda _: False) == str(FOLDER / "my-cells-x2.safetensors")
    volumes = replace(STATE, scale=(3, 1, 1), source_name="")
    assert volumes.suggested_file(FOLDER, lambda _: False) == str(FOLDER / "model-z3.safetensors")
    assert STATE.suggested_file(FOLDER, lambda _: True) == ""
    known = replace(STATE, available=replace(STATE.available, names=frozenset({"my-cells-x2"})))
    assert known.suggested_file(FOLDER, lambda _: False) == str(FOLDER / "my-cells-x2-2.safetensors")


def test_the_model_file_can_name_a_model():
    assert STATE.model_file(()) == Path("/models/new.safetensors")
    assert replace(STATE, output=Path("/models/new.safetensors")).model_file(()) == Path("/models/new.safetensors")
    with pytest.raises(SettingsError, match="file for the model"):
        replace(STATE, output=None).model_file(())
    for name in ("my model", "fluo-x2", "mine"):
        with pytest.raises(SettingsError, match=f"{name} cannot be its name"):
            replace(STATE, output=Path("/models") / name).model_file(())
    replaceable = replace(STATE, output=Path("/models/mine"))
    assert replaceable.model_file({"mine"}).stem == "mine"


def test_a_model_to_refine_gives_its_network_and_sizes():
    output = Path("/models/new.safetensors")
    task = STATE.task(Images(high=FOLDER), output, resume=False, replaced=False)
    assert (task.start, task.network, task.arguments) == ("", "edsr", None)
    assert (task.overwrite, task.resume) == (True, False)
    assert task.card == {"modality": "fluorescence", "license": ""}
    task = replace(STATE, start="fluo-x2", network="rcan").task(Images(high=FOLDER), output, resume=True, replaced=True)
    assert (task.start, task.network, task.arguments) == ("fluo-x2", "edsr", {"blocks": 6})
    assert (task.overwrite, task.resume, task.replaced) == (False, True, True)
    pairs = replace(STATE, source=PAIRS).task(Images(high=FOLDER, low=FOLDER), output, resume=False, replaced=False)
    assert pairs.card["modality"] == "", "the modality belongs to a simulated instrument"


@pytest.mark.parametrize(
    ("source", "degradation"),
    [
        (PAIRS, {"kind": "recorded"}),
        (NOISY_LAYERS, {"kind": "splits"}),
        (NOISY, {"kind": "splits"}),
        (REPEATS, {"kind": "recorded", "repeats": True}),
        (LAYERS, {"kind": "optics"}),
    ],
)
def test_what_the_user_has_decides_how_is_learnt(source, degradation):
    state = replace(STATE, source=source, degradation={"kind": "optics"})
    task = state.task(Images(high=FOLDER), Path("/models/new.safetensors"), resume=False, replaced=False)
    assert task.degradation == degradation
    assert task.card["modality"] == ("fluorescence" if source == LAYERS else "")
    assert state.is_trained
    assert not replace(STATE, source=STACK).is_trained


def test_questions_name_what_would_be_replaced():
    output = Path("mine.safetensors")
    assert replace_question(output, is_file=False, in_library=False) == ""
    assert "mine.safetensors and the model mine of the library" in replace_question(
        output, is_file=True, in_library=True
    )
    assert "training of mine" in resume_question(output)


def test_progress_and_end_are_said():
    assert step_text(SimpleNamespace(step=7, remaining=42.0)) == "Step 7, about 42 s left"
    assert end_text(None, failed=True).endswith("see the notification.")
    assert end_text(None, failed=False) == "Cancelled: no model was made."
    assert "no score" in end_text(CARD, failed=False)
    scored = replace(CARD, scores={"validation": {"psnr": 31.25, "bicubic_psnr": 29.0}})
    assert "31.25 dB, bicubic 29.00 dB" in end_text(scored, failed=False)


def test_noise_is_entered_in_electrons_or_in_percent():
    fluorescence, _, ct, mri = KINDS[:4]
    assert (fluorescence.field_name("read_noise"), fluorescence.unit("read_noise")) == ("read_noise", 1.0)
    assert (ct.field_name("read_noise"), mri.field_name("noise"), mri.unit("noise")) == ("share", "share", 0.01)
    assert mri.field_name("psf_sigma") == "psf_sigma"
    assert [kind.has_noise for kind in KINDS] == [True, True, True, True, False, False, True, True]
    assert mri.suits("MRI", {"kind": "kspace", "noise": [0, 1]})
    assert not mri.suits("MRI", {"kind": "kspace", "jpeg": [30, 95]})
    assert not mri.suits("CT", {"kind": "kspace"})
