"""A small model file to damage."""

import pytest
import torch

from napari_superres.models import ModelCard
from napari_superres.models.architectures import build
from napari_superres.models.files import write_model


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
