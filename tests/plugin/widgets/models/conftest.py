"""The Models widget with an empty library, and files of tiny networks."""

import pytest
import torch

from napari_superres.models import ModelCard
from napari_superres.models.architectures import build
from napari_superres.models.model_file import write_model
from napari_superres.plugin.widgets.models.widget import ModelsWidget


@pytest.fixture(autouse=True)
def empty_library(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_SUPERRES_MODELS", str(tmp_path / "library"))


@pytest.fixture(name="model_file")
def make_model_file(tmp_path):
    """Make files of tiny networks, each another one."""

    def model_file(name="tiny"):
        torch.manual_seed(sum(map(ord, name)))
        arguments = {"scale": [2, 2], "features": [4, 4]}
        card = ModelCard(
            name="tiny",
            title="A tiny <b>network</b>",
            modality="fluorescence",
            architecture="espcn",
            arguments=arguments,
            scale=(2, 2),
            halo=(4, 4),
            precision={"fp16": 61.2},
        )
        return write_model(tmp_path / f"{name}.safetensors", card, build("espcn", arguments).state_dict())

    return model_file


@pytest.fixture(name="widget")
def models_widget(dock):
    return dock(ModelsWidget)
