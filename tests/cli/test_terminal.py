"""Names of files and channels, and fields of cards, come from strangers: a terminal must not obey them."""

import io
import json
import logging
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from napari_superres import Image, write_image
from napari_superres.cli import terminal
from napari_superres.models import ModelCard
from napari_superres.models.architectures import build
from napari_superres.models.model_file import write_model

CLEAR = "\x1b[2J\x1b]0;title\x07\x9b31m\u202e\r"
SPELLED = r"\x1b[2J\x1b]0;title\x07\x9b31m\u202e\r"


def obeyed(text):
    return [c for c in text if c not in "\n" and not c.isprintable()]


@pytest.fixture
def image(tmp_path):
    """Return an OME-TIFF whose name and channels hold control characters."""
    data = np.random.default_rng(0).integers(0, 99, (2, 20, 20)).astype(np.uint8)
    made = Image.from_array(data, "CYX", pixel_size=0.2, channel_names=("\u202eAND", "actin\u2028done"))
    return write_image(made, tmp_path / f"cells{CLEAR}.ome.tif")


@pytest.fixture
def model(tmp_path):
    """Return a model file whose card holds control characters."""
    card = ModelCard(
        name="evil",
        architecture="espcn",
        arguments={"scale": [2, 2], "ndim": 2, "channels": 1, "features": [2, 2]},
        scale=(2, 2),
        halo=(4, 4),
        title="A model\u202e",
        limits="None.\nlicense:    CC0",
        scores={f"cells{CLEAR}": {"psnr": 30.0, "protocol": CLEAR}},
    )
    return write_model(tmp_path / "evil.safetensors", card, build("espcn", card.arguments).state_dict())


@pytest.mark.parametrize(
    "words",
    [
        ("info", "IMAGE"),
        ("info", "IMAGE.gone.tif"),
        ("models", "show", "MODEL"),
        ("upscale", "IMAGE", "-o", "OUT", "--model", "bicubic-x2"),
        ("upscale", "IMAGE", "MISSING.tif", "-o", "FOLDER", "--model", "bicubic-x2"),
        ("upscale", "IMAGE", "-o", "OUT", "--model", f"none{CLEAR}"),
        ("upscale", f"--{CLEAR}"),
        (CLEAR,),
        ("models", CLEAR),
        ("--debug", "info", "IMAGE.gone.tif"),
    ],
)
def test_nothing_is_obeyed(words, superres, image, model, tmp_path):
    known = {
        "IMAGE": image,
        "IMAGE.gone.tif": f"{image}.gone.tif",
        "MISSING.tif": f"{CLEAR}.tif",
        "MODEL": model,
        "OUT": tmp_path / f"out{CLEAR}.ome.tif",
        "FOLDER": tmp_path / f"out{CLEAR}",
    }
    done = superres(*(known.get(word, word) for word in words))
    assert obeyed(done.out + done.err) == []
    assert "x1b" in done.out + done.err  # Errors of usage spell it out twice.


def test_a_name_cannot_end_a_line(superres, model):
    """A card with a line break cannot claim a licence that it does not have."""
    done = superres("models", "show", model)
    assert [line for line in done.out.splitlines() if line.startswith("license")] == []
    assert "None. license:" in done.out


def test_json_is_ascii_and_complete(superres, image):
    done = superres("info", image, "--json")
    assert obeyed(done.out) == []
    assert json.loads(done.out)[0]["channel_names"] == ["\u202eAND", "actin\u2028done"]


@given(st.text())
def test_every_text_becomes_one_harmless_line(text):
    found = terminal.harmless(text)
    assert found.splitlines() in ([found], [])
    assert not any(0xD800 <= ord(c) < 0xE000 or (ord(c) < 32 and c != "\t") or 127 <= ord(c) < 160 for c in found)
    assert terminal.harmless(found) == found


@pytest.mark.parametrize("text", ["µm, 中文, naïve, שלום, 👩‍🔬.tif", "a  b\tc", r"C:\new\x1b"])
def test_what_is_harmless_stays(text):
    assert terminal.harmless(text) == text


@pytest.mark.parametrize("label", ["plate[/b].tif", "[red]a.tif", f"a{CLEAR}.tif", ":smile:.tif"])
def test_the_label_of_a_bar_is_no_markup(label, monkeypatch):
    """A name such as plate[/b].tif ended the run."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=150, color_system=None, emoji=False)
    monkeypatch.setattr(terminal, "messages", console)
    with terminal.progress_bar(quiet=False) as show:
        show(label, SimpleNamespace(done=1, total=2))
    assert terminal.harmless(label) in screen.getvalue()


def test_a_message_has_no_pictures(monkeypatch, capsys):
    monkeypatch.setattr(terminal, "messages", terminal.make_console())
    terminal.say("wrote :smile:.tif")
    assert capsys.readouterr().err == "wrote :smile:.tif\n"


def test_what_libraries_log_is_harmless_too(monkeypatch, capsys):
    monkeypatch.setattr(terminal, "messages", terminal.make_console())
    before = logging.lastResort
    with terminal.python_messages():
        logging.lastResort.handle(logging.makeLogRecord({"msg": "tag %s", "args": (CLEAR,), "levelno": 30}))
    assert capsys.readouterr().err == f"tag {SPELLED}\n"
    assert logging.lastResort is before


def test_stdout_that_cannot_hold_a_letter(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    terminal.result("0.5 µm")
    assert raw.getvalue() == rb"0.5 \xb5m" + b"\n"


def test_a_lost_log_does_not_end_the_work(tmp_path):
    image = Image.from_array(np.zeros((8, 8), np.uint8), "YX")
    write_image(image, tmp_path / "in.png")
    degrade = f'{sys.executable} -c "from napari_superres.cli import main; main()" degrade in.png --scale 2 -o'
    command = f"{degrade} full.png 2>/dev/full && {degrade} closed.png 2>&-"
    assert subprocess.run(["bash", "-c", command], cwd=tmp_path, check=False).returncode == 0
    assert {p.name for p in tmp_path.glob("*.png")} == {"in.png", "full.png", "closed.png"}


def test_what_debug_prints_is_announced(superres, tmp_path):
    done = superres("info", tmp_path / "gone.tif", "--debug")
    assert done.err.splitlines()[0].startswith("--debug shows names and paths of files, of medical images too")
    assert "Traceback" in done.err
    assert "Traceback" not in superres("info", tmp_path / "gone.tif").err
