"""The end of a training offers its model, and tells it next to the shipped one."""

from pathlib import Path

import pytest
from helpers.scenes.dark import blobs

from napari_superres.degradation.instruments import make_instrument
from napari_superres.models import ModelCard, list_models
from napari_superres.plugin.widgets.train import finished
from napari_superres.plugin.widgets.train.curves import Curves
from napari_superres.plugin.widgets.train.finished import FinishedForm
from napari_superres.plugin.widgets.train.state import end_text

pytestmark = pytest.mark.gui


@pytest.fixture
def form(viewer, qtbot):
    said = []
    form = FinishedForm(viewer, lambda question: said.append(question) or len(said) > 1, said.append)
    form.said = said
    qtbot.addWidget(form)
    return form


def test_a_model_is_discarded_with_its_file_after_a_question(form, monkeypatch, tmp_path):
    removed = []
    monkeypatch.setattr(finished, "remove_model", removed.append)
    path = tmp_path / "mine.safetensors"
    path.touch()
    assert form.isHidden()
    form.offer("mine", path)
    form.discard.click()  # the answer is no
    assert (removed, path.exists(), form.isHidden()) == ([], True, False)
    form.discard.click()
    assert (removed, path.exists(), form.isHidden()) == (["mine"], False, True)
    assert form.said[-1] == "mine was discarded."


def test_a_model_is_used_in_super_resolve(viewer, form, qtbot):
    form.offer("photo-x3", Path("photo-x3.safetensors"))
    form.use.click()
    using = next(w for w in viewer.window.dock_widgets.values() if type(w).__name__ == "UpscaleWidget")
    assert using.model.value == "photo-x3"
    qtbot.waitUntil(lambda: using.is_ready)
    viewer.window.remove_dock_widget(using)
    using.deleteLater()


def test_the_end_tells_the_shipped_model():
    scores = {"validation": {"psnr": 30.0, "bicubic_psnr": 28.0}}
    card = ModelCard(name="mine", architecture="x", scale=(2, 2), scores=scores)
    assert "30.00 dB, bicubic 28.00 dB, fluo-x2 31.00 dB." in end_text(card, failed=False, shipped=("fluo-x2", 31.0))
    assert "bicubic 28.00 dB. " in end_text(card, failed=False)


def test_the_curve_draws_the_shipped_model(qtbot):
    curves = Curves()
    qtbot.addWidget(curves)
    curves.resize(300, 240)
    curves.add(1.0, 0.1, [30.0], 28.0)
    before = curves.grab().toImage()
    curves.add(1.0, 0.1, [30.0], 28.0, ("fluo-x2", 31.0))
    assert curves.grab().toImage() != before


def test_the_shipped_model_gets_what_validation_gives_to_the_network():
    from napari_superres.models.interpolate import Interpolation
    from napari_superres.training.images.fields_of_view import Field
    from napari_superres.training.shipped_score import score_shipped, shipped_rival
    from napari_superres.training.validation import score_fields

    high = (blobs((96, 96)).astype("float32") - 100) / 4000
    instrument = make_instrument({"kind": "bicubic"})
    assert shipped_rival("fluorescence", (2, 2)).name == "fluo-x2"
    assert shipped_rival("", (2, 2)) is None
    assert shipped_rival("fluorescence", (3, 3)) is None
    fields = [Field(high)]
    name, score = score_shipped(fields, modality="fluorescence", scale=(2, 2), instrument=instrument)
    bicubic = score_fields(Interpolation("bicubic", (2, 2)), fields, scale=(2, 2), instrument=instrument)["psnr"]
    assert name in {card.name for card in list_models()}
    assert abs(score - bicubic) < 12
