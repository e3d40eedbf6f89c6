"""What Jupyter shows: harmless, small, and without reading more of an image than a field."""

import re
from base64 import b64decode
from dataclasses import dataclass
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from PIL import Image as Picture

from napari_superres import Image, evaluate, load_model, upscale
from napari_superres.core import notebook
from napari_superres.inference.images import prepare
from napari_superres.io.lazy import LazyArray

NASTY = "<script>alert('x')</script>"


class Tags(HTMLParser):
    """The tags and attributes of a piece of HTML, which must be balanced."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.text = [], set(), ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, _attrs):
        self.seen.add(tag)
        if tag not in ("img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data + "\n"


def picture(html):
    return np.asarray(Picture.open(BytesIO(b64decode(re.search(r"base64,([^\"]+)", html)[1]))))


class Counting(LazyArray):
    """An array that counts the pixels that are read."""

    read = 0

    def read_box(self, box):
        shape = tuple(part.stop - part.start for part in box)
        self.read += int(np.prod(shape))
        return np.ones(shape, self.dtype)


@pytest.fixture(scope="module")
def ramp():
    values = np.tile(np.arange(48, dtype=np.uint16) * 100, (40, 1))
    return Image.from_array(values, "YX", pixel_size=0.2, origin=(3.0, 4.0))


def test_an_image_shows_itself_its_place_and_its_notes(ramp):
    image = ramp.replace(metadata={"notes": (NASTY,)})
    tags = Tags(image._repr_html_())
    assert "script" not in tags.seen
    assert NASTY in tags.text
    assert "Y 3 micrometer, X 4 micrometer" in tags.text
    shown = picture(image._repr_html_())
    assert shown.shape == (40, 48)
    assert (np.diff(shown.astype(int), axis=1) >= 0).all()
    assert shown.min() == 0
    assert shown.max() == 255


@pytest.mark.parametrize("axes", ["YX", "YXS", "SYX", "TCZYX", "XY", "CXY"])
def test_every_order_of_axes_has_a_small_picture(axes):
    sizes = {"Y": 700, "X": 330, "S": 3, "T": 2, "C": 2, "Z": 3}
    data = np.random.default_rng(0).random([sizes[a] for a in axes], dtype=np.float32)
    data.flat[0] = np.nan
    html = Image.from_array(data, axes)._repr_html_()
    shown = picture(html)
    assert shown.shape[0] == 160
    assert shown.shape[1] in (75, 76)
    assert shown.ndim == (3 if "S" in axes else 2)
    assert len(html) < 120_000


def test_a_large_image_is_not_read():
    data = Counting((50, 100_000, 100_000), np.uint16)
    html = Image.from_array(data, "ZYX")._repr_html_()
    assert "img" in Tags(html).seen
    assert 0 < data.read <= 512**2


def test_an_image_that_would_be_computed_is_not(ramp):
    dask = pytest.importorskip("dask.array")

    def refuse(block):
        raise AssertionError("computed")

    data = dask.from_array(np.asarray(ramp.data)).map_blocks(refuse, dtype=np.uint16, meta=np.empty((0, 0), np.uint16))
    assert "img" not in Tags(ramp.replace(data=data)._repr_html_()).seen


def test_a_plan_a_card_and_a_report_show_themselves(ramp):
    card = load_model("fluo-x2").card
    told = Tags(card._repr_html_()).text
    assert card.limits.split(".")[0] in told
    assert card.title in told
    run = prepare(ramp, "bicubic-x2", {**upscale_defaults()}, measure=False)
    (plan,) = [part.plan for part in run.parts]
    told = Tags(plan._repr_html_()).text
    assert "80 x 96" in told
    assert plan.fitness is None or plan.fitness.line in told
    report = evaluate(upscale(ramp, "bicubic-x2"), None, lr=ramp, name=NASTY)
    tags = Tags(report._repr_html_())
    assert report.verdict().sentence in tags.text
    assert "script" not in tags.seen


def upscale_defaults():
    from napari_superres.inference.options import UPSCALE_DEFAULTS

    return UPSCALE_DEFAULTS


@dataclass
class Now:
    """A step of a run."""

    done: int
    seconds: float
    total: int = 10
    remaining: float | None = 4.0


def test_the_bar_is_only_for_long_runs_in_notebooks(monkeypatch):
    shown = []

    class Handle:
        def update(self, html):
            shown.append(html.data)

    def display(html, display_id):
        shown.append(html.data)
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    bar = notebook.Bar()
    bar.show(Now(5, 60))
    assert shown == [], "there is no notebook"
    monkeypatch.setattr(notebook, "in_notebook", lambda: True)
    bar.show(Now(1, 0.5))
    notebook.Bar().show(Now(10, 60))
    assert shown == [], "short runs, and those that are done, need none"
    for step in (Now(5, 5), Now(10, 9)):
        bar.show(step)
    assert "50 %, 4 s left" in shown[0]
    assert shown[1:] == [""]
