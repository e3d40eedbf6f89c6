"""The Train widget with a library of its own, set to train the fastest network for seconds."""

import pytest
from qtpy.QtWidgets import QMessageBox

from napari_superres.plugin.widgets.train.widget import TrainWidget


@pytest.fixture(autouse=True)
def own_library(monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_SUPERRES_MODELS", str(tmp_path / "library"))


@pytest.fixture(name="widget")
def train_widget_in_dock(dock, tmp_path):
    widget = dock(TrainWidget)
    widget.network.value = "espcn"
    widget.minutes.value = 0.03
    widget.output.line.setText(str(tmp_path / "mine.safetensors"))
    return widget


@pytest.fixture(name="answers")
def answered_questions(monkeypatch):
    """Answer questions by what is appended; return what was asked."""
    asked, given = [], []

    def question(_, __, text):
        asked.append(text)
        return QMessageBox.StandardButton.Yes if given.pop(0) else QMessageBox.StandardButton.No

    monkeypatch.setattr(QMessageBox, "question", question)
    return asked, given
