"""The Train widget in real viewers, through its own controls, with seconds of budget."""

import sys
import threading

import numpy as np
import pytest
from qtpy.QtWidgets import QMessageBox, QWidget

from napari_superres import Image, degrade, write_image
from napari_superres.models import find_card, list_models
from napari_superres.plugin.widgets.common.library_events import library
from napari_superres.plugin.widgets.train import curves, simulation
from napari_superres.plugin.widgets.train import widget as train_widget
from napari_superres.plugin.widgets.train import work as train_work
from napari_superres.plugin.widgets.train.fields import FOLDER, PAIRS
from napari_superres.plugin.widgets.train.widget import TrainWidget

pytest.importorskip("lightning", reason="training needs Lightning")
pytestmark = pytest.mark.gui

LONG = 120_000


def picture(shape=(160, 90), seed=0):
    """Return blobs of all sizes, 16 bit."""
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(seed).random(shape)
    values = sum(gaussian_filter(noise, s) * s for s in (1, 2, 4))
    values = (values - values.min()) / np.ptp(values)
    return (100 + 4000 * values**3).astype(np.uint16)


@pytest.fixture(autouse=True)
def own_library(monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_SUPERRES_MODELS", str(tmp_path / "library"))


@pytest.fixture
def widget(dock, tmp_path):
    widget = dock(TrainWidget)
    widget.network.value = "espcn"
    widget.minutes.value = 0.03
    widget.output.line.setText(str(tmp_path / "mine.safetensors"))
    return widget


@pytest.fixture
def answers(monkeypatch):
    """Answer questions by what is appended; return what was asked."""
    asked, given = [], []

    def question(_, __, text):
        asked.append(text)
        return QMessageBox.StandardButton.Yes if given.pop(0) else QMessageBox.StandardButton.No

    monkeypatch.setattr(train_widget.QMessageBox, "question", question)
    return asked, given


def run(widget, qtbot):
    widget.run.click()
    assert widget.is_running
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)


def begun(widget, qtbot):
    """Start a long training and wait until it learns."""
    widget.minutes.value = 60
    widget.run.click()
    qtbot.waitUntil(lambda: "left" in widget.status.text(), timeout=LONG)
    assert training_threads()


def training_threads():
    return [thread for thread in threading.enumerate() if thread.name == "training"]


def test_a_model_is_made_and_is_in_the_list_at_once(viewer, widget, qtbot, tmp_path):
    viewer.add_image(picture(), scale=(0.1, 0.1), units="micrometer", name="cells")  # checked: it is the only one
    widget.license.setCurrentText("CC0-1.0")
    changes = []

    def note():
        changes.append(1)

    library.changed.connect(note)
    run(widget, qtbot)
    library.changed.disconnect(note)
    assert len(changes) == 1
    card = next(c for c in list_models() if c.name == "mine")
    assert (card.architecture, card.scale, card.license, card.modality) == ("espcn", (2, 2), "CC0-1.0", "fluorescence")
    assert card.training.startswith("layers: ")
    assert card.pixel_size == pytest.approx((0.2, 0.2))
    assert find_card(tmp_path / "mine.safetensors").training == card.training
    scores = card.scores["validation"]
    assert f"{scores['psnr']:.2f} dB, bicubic {scores['bicubic_psnr']:.2f} dB" in widget.status.text()
    assert "in the library as mine" in widget.status.text()
    assert widget.curves.bicubic == pytest.approx(scores["bicubic_psnr"])
    assert len(widget.curves.loss.y) > 1
    assert max(widget.curves.score.y) == scores["psnr"]
    assert widget.examples.shown == (True, True, True)
    qtbot.waitUntil(lambda: "mine" in widget.start.choices, timeout=LONG)
    assert widget.run.text() == "Run"
    assert widget.keep.isHidden()


def test_stop_and_keep_the_best(viewer, widget, qtbot):
    viewer.add_image(picture(), name="cells")
    begun(widget, qtbot)
    assert widget.run.text() == "Cancel"
    assert not widget.source.isEnabled()
    widget.keep.click()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=LONG)
    assert "Done" in widget.status.text()
    assert "mine" in [c.name for c in list_models()]
    assert widget.source.isEnabled()


@pytest.mark.slow
def test_cancel_keeps_nothing(viewer, widget, qtbot, tmp_path):
    viewer.add_image(picture(), name="cells")
    begun(widget, qtbot)
    widget.run.click()
    assert widget.run.text() == "Cancelling…"
    qtbot.waitUntil(lambda: not widget.is_running, timeout=10_000)
    assert widget.status.text() == "Cancelled: no model was made."
    assert training_threads() == []
    assert [p.name for p in tmp_path.iterdir()] == []


def test_closing_the_dock_ends_training_at_once(viewer, widget, qtbot, tmp_path):
    viewer.add_image(picture(), name="cells")
    begun(widget, qtbot)
    viewer.window.remove_dock_widget(widget)
    qtbot.waitUntil(lambda: training_threads() == [], timeout=5_000)
    qtbot.wait(300)
    assert [p.name for p in tmp_path.iterdir()] == []


@pytest.mark.slow
def test_closing_the_viewer_ends_training(make_napari_viewer, qtbot, tmp_path):
    viewer = make_napari_viewer()
    widget = TrainWidget(viewer)
    viewer.window.add_dock_widget(widget)
    qtbot.waitUntil(lambda: widget.is_ready, timeout=LONG)
    viewer.add_image(picture(), name="cells")
    widget.network.value = "espcn"
    widget.output.line.setText(str(tmp_path / "mine"))
    begun(widget, qtbot)
    viewer.close()
    qtbot.waitUntil(lambda: training_threads() == [], timeout=5_000)


def test_without_lightning_the_extra_is_named_and_the_widget_goes_on(viewer, widget, qtbot, told, monkeypatch):
    viewer.add_image(picture(), name="cells")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "napari_superres.training.loop", None)
        run(widget, qtbot)
    assert len(told) == 1
    assert "napari-superres-torch[train]" in told.pop()
    assert "see the notification" in widget.status.text()
    run(widget, qtbot)
    assert "Done" in widget.status.text()


def test_what_is_missing_is_said(viewer, widget, qtbot, told, tmp_path, answers):
    asked, given = answers
    widget.run.click()
    assert "Check at least one high-resolution layer" in told.pop()
    viewer.add_image(picture())
    widget.source.kind.value = FOLDER
    widget.source.high.line.setText(str(tmp_path / "nowhere"))
    widget.run.click()
    assert "nowhere" in told.pop()
    widget.source.high.line.setText(str(tmp_path))
    for name in ("my model", "fluo-x2"):
        widget.output.line.setText(str(tmp_path / name))
        widget.run.click()
        assert f"{name} cannot be its name" in told.pop()
    widget.output.line.setText(str(tmp_path / "mine"))
    run(widget, qtbot)
    assert "holds no image" in told.pop()
    (tmp_path / "mine.safetensors").write_bytes(b"precious")
    given.append(False)
    widget.run.click()
    assert not widget.is_running
    assert "mine.safetensors" in asked.pop()
    assert (tmp_path / "mine.safetensors").read_bytes() == b"precious"
    assert told == []


@pytest.mark.slow
def test_a_model_of_the_library_is_replaced_when_so_answered(viewer, widget, qtbot, answers):
    asked, given = answers
    viewer.add_image(picture())
    run(widget, qtbot)
    widget.output.line.setText(str(widget.output.path.with_name("mine")))
    widget.network.value = "fsrcnn"
    given.append(True)
    run(widget, qtbot)
    assert "the model mine of the library" in asked.pop()
    assert [c.architecture for c in list_models() if c.name == "mine"] == ["fsrcnn"]


def test_pictures_show_what_the_degradation_does(viewer, widget, qtbot, monkeypatch):
    shown = []
    monkeypatch.setattr(widget.degradation.pictures, "show_pictures", shown.append)
    viewer.add_image(picture(), name="sharp")
    qtbot.waitUntil(lambda: len(shown) and shown[-1][0] is not None, timeout=LONG)
    high, low, real = shown[-1]
    assert (high.shape, low.shape, real) == ((96, 90), (48, 45), None)
    viewer.add_image(picture(seed=1), name="blurred")
    widget.degradation.real.value = viewer.layers["blurred"]
    widget.degradation.strengths["photons"].value = (1e7, 1e7)
    widget.degradation.strengths["read_noise"].value = (0, 0)
    widget.degradation.strengths["psf_sigma"].value = (4, 4)
    qtbot.waitUntil(lambda: shown[-1][2] is not None, timeout=LONG)
    high, low, real = shown[-1]
    assert real.shape == low.shape
    means = high.reshape(48, 2, 45, 2).mean((1, 3))
    assert low.std() < 0.7 * means.std(), "a wide PSF takes contrast"


def test_fit_measures_the_instrument(viewer, widget, qtbot):
    sharp = Image.from_array(picture((512, 512)).astype(np.float32) - 100, "YX")
    seen = degrade(sharp, 2, kernel="gaussian", psf_sigma=1.5, photons=200, read_noise=2.0)
    assert not widget.degradation.fit.isEnabled()
    viewer.add_image(sharp.data, name="sharp")
    viewer.add_image(seen.data, name="seen")
    widget.degradation.real.value = viewer.layers["seen"]
    widget.degradation.fit.click()
    qtbot.waitUntil(lambda: "Measured" in widget.degradation.words.text(), timeout=LONG)
    found = widget.degradation.settings
    assert found["kind"] == "optics"
    assert found["psf_sigma"] == pytest.approx([1.5 / 1.2, 1.5 * 1.2], rel=0.1)
    low, high = found["photons"]
    assert low < 200 < high
    assert "grey levels per electron" in widget.degradation.words.text()
    viewer.layers.remove("sharp")
    viewer.layers[0].data = np.ones((32, 32), np.uint16)
    widget.degradation.fit.click()
    qtbot.waitUntil(lambda: "at least 64 blocks" in widget.degradation.words.text(), timeout=LONG)


@pytest.mark.slow
def test_refining_a_shipped_model_fills_in_what_it_was_trained_with(viewer, widget):
    widget.degradation.strengths["photons"].value = (1, 2)
    widget.start.value = "fluo-x2"
    assert not widget.network.enabled
    assert widget.degradation.settings == {
        "kind": "optics",
        "psf": "gaussian",
        "psf_sigma": [0.8, 2.2],
        "photons": [15, 400],
        "read_noise": [0, 2],
    }
    widget.start.value = "photo-x3"
    assert widget.scale.value == (3, 3)
    assert widget.degradation.settings == {"kind": "bicubic"}
    widget.start.value = ""
    assert widget.network.enabled
    viewer.add_image(picture())
    widget.start.value = "fluo-x2"
    task = widget._task()
    assert (task.start, task.network, task.arguments) == ("fluo-x2", "edsr", {"blocks": 6, "features": 32})


@pytest.mark.slow
def test_volumes_are_made_of_thick_slices(viewer, widget, qtbot):
    viewer.add_image(np.stack([picture((60, 50), seed=i) for i in range(2)] * 12), name="stack")
    widget.scale.value = (2, 1, 1)
    assert {kind.kind for kind in widget.degradation.kind.choices} == {"slices"}
    widget.degradation.kind.value = widget.degradation.kind.choices[1]
    assert widget.degradation.settings == {"kind": "slices", "noise": [0, 0.05]}
    assert widget.output.line.text().endswith("mine.safetensors")
    run(widget, qtbot)
    assert find_card("mine").scale == (2, 1, 1)
    widget.scale.value = (2, 2)
    assert "slices" not in {kind.kind for kind in widget.degradation.kind.choices}


@pytest.mark.slow
def test_pairs_are_registered(viewer, widget, qtbot, tmp_path, told):
    for i in range(3):
        high = Image.from_array(picture((120, 120), seed=i), "YX")
        for folder, image in (("high", high), ("low", degrade(high, 2, kernel="gaussian"))):
            (tmp_path / folder).mkdir(exist_ok=True)
            values = np.roll(image.data, 6, axis=0) if folder == "low" else image.data
            write_image(image.replace(data=values, metadata={}), tmp_path / folder / f"{i}.tif")
    widget.source.kind.value = PAIRS
    widget.source.high.line.setText(str(tmp_path / "high"))
    widget.source.low.line.setText(str(tmp_path / "low"))
    assert widget.degradation.isHidden()
    run(widget, qtbot)
    assert "low-resolution pixels apart" in told.pop()
    widget.source.register.setChecked(True)
    run(widget, qtbot)
    assert "high with low, registered" in find_card("mine").training


@pytest.mark.slow
def test_the_file_that_is_suggested_is_free(viewer, dock, monkeypatch, tmp_path):
    monkeypatch.setattr(train_widget.Path, "home", lambda: tmp_path)
    (tmp_path / "my-cells-x2.safetensors").touch()
    widget = dock(TrainWidget)
    layer = viewer.add_image(picture(), name="my cells")
    assert widget.output.path == tmp_path / "my-cells-x2-2.safetensors"
    widget.scale.value = (4, 4)
    assert widget.output.path.name == "my-cells-x4.safetensors"
    widget.output.line.setText("own")
    layer.name = "other"
    assert widget.output.line.text() == "own"


@pytest.mark.slow
def test_layers_keep_their_checks(viewer, widget):
    first = viewer.add_image(picture(), name="first")
    assert [layer.name for layer in widget.source._checked()] == ["first"]
    second = viewer.add_image(picture(), name="second")
    viewer.add_labels(np.zeros((20, 20), int))
    assert widget.source.list.count() == 2
    widget.source.check(second)
    first.name = "renamed"
    assert [layer.name for layer in widget.source._checked()] == ["second", "renamed"]
    viewer.layers.remove(second)
    assert [layer.name for layer in widget.source._checked()] == ["renamed"]


def test_controls_have_tooltips_fit_and_follow_each_other(viewer, widget):
    own = [
        *widget.source.controls,
        *widget.degradation.controls,
        widget.start.native,
        widget.network.native,
        widget.scale.native,
        widget.minutes.native,
        widget.output.line,
        widget.output.button,
        widget.license,
        widget.run,
        widget.keep,
        widget.bar,
        widget.curves,
        widget.examples,
    ]
    assert all(control.toolTip() for control in own)
    for kind in widget.degradation.kind.choices:
        widget.degradation.kind.value = kind
        assert max(w.minimumSizeHint().width() for w in widget._inputs) <= 274, kind.label
    chain, at = [], widget.source.kind.native
    for _ in range(1000):
        chain.append(at)
        at = at.nextInFocusChain()
        if at is widget.source.kind.native:
            break
    places = [
        chain.index(w)
        for w in (widget.source.list, widget.start.native, widget.degradation.fit, widget.output.line, widget.run)
    ]
    assert places == sorted(places)


# Without a viewer


def test_one_image_is_cut_into_parts_that_are_large_enough():
    image = Image.from_array(np.arange(40 * 500).reshape(40, 500), "YX")
    parts = train_work.cut(image, 60)
    assert [p.shape for p in parts] == [(40, 100)] * 5
    np.testing.assert_array_equal(np.concatenate([p.data for p in parts], axis=1), image.data)
    assert [p.shape for p in train_work.cut(image, 200)] == [(40, 250)] * 2
    assert len(train_work.cut(image, 501)) == 1


def test_the_middle_of_ranges():
    given = {"kind": "optics", "psf": "gaussian", "psf_sigma": [1.0, 2.0], "photons": [10.0, 1000.0]}
    assert simulation._middle(given) == {
        "kind": "optics",
        "psf": "gaussian",
        "psf_sigma": [1.5, 1.5],
        "photons": [100.0, 100.0],
    }


@pytest.mark.parametrize("tall", [0.5, 1.0])
def test_pictures_and_curves_are_painted(qtbot, tall):
    pictures = curves.Pictures(("a", "b"), "tip")
    qtbot.addWidget(pictures)
    pictures.resize(204, 50)
    pictures.show()
    pictures.show_pictures((np.ones((int(40 * tall), 40)), None))
    grabbed = pictures.grab().toImage()
    assert 100 * tall < pictures.height() < 100 * tall + 40
    assert grabbed.pixelColor(50, 40).lightness() == 255
    assert (grabbed.pixelColor(50, 70).lightness() == 255) is (tall == 1.0)
    plot = curves.Curves()
    qtbot.addWidget(plot)
    for i in range(2000):
        plot.add(i / 60, 1 / (i + 1), [20.0] * (i // 100), 19.0)
    plot.add(40.0, float("nan"), [], 19.0)
    assert len(plot.loss.x) <= 600
    assert plot.loss.x[-1] == 1999 / 60
    assert isinstance(plot, QWidget)
    assert not plot.grab().isNull()
