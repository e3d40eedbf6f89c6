"""Small model files and an empty library."""

import pytest
import torch

from napari_superres.models import ModelCard
from napari_superres.models.architectures import build
from napari_superres.models.library_folder import library_folder
from napari_superres.models.model_file import write_model


@pytest.fixture
def espcn():
    """Return a card and weights of a tiny network."""
    torch.manual_seed(0)
    arguments = {"scale": [2, 2], "features": [4, 4]}
    card = ModelCard(name="tiny", architecture="espcn", arguments=arguments, scale=(2, 2), halo=(4, 4))
    return card, build("espcn", arguments).state_dict()


@pytest.fixture
def model_file(tmp_path, espcn):
    """Return the path of a good model file."""
    return write_model(tmp_path / "tiny.safetensors", *espcn)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the folder of an empty library, which does not exist yet."""
    monkeypatch.setenv("NAPARI_SUPERRES_MODELS", str(tmp_path / "library"))
    assert library_folder() == tmp_path / "library"
    return tmp_path / "library"


@pytest.fixture
def other_file(tmp_path, espcn):
    """Return another model file."""
    card, weights = espcn
    return write_model(tmp_path / "other.safetensors", card, {k: v + 1 for k, v in weights.items()})
