"""A model that is told blur and noise."""

from pathlib import Path

import torch

from napari_superres.models import ModelCard
from napari_superres.models.architectures import build
from napari_superres.models.model_file import write_model


def write_conditioned_model(path: Path) -> Path:
    """Write a tiny network with random weights whose planes matter."""
    arguments = {"scale": [2, 2], "blocks": 1, "features": 4, "conditions": 3, "tail": "direct"}
    network = build("edsr", arguments)
    draws = torch.Generator().manual_seed(0)
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.3, generator=draws)
    card = ModelCard(
        name=path.stem,
        architecture="edsr",
        arguments=arguments,
        scale=(2, 2),
        halo=(8, 8),
        modality="any",
        conditions={"psf_sigma": (0.0, 2.0), "gain": (0.0, 0.08), "read_noise": (0.0, 0.15)},
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_model(path, card, network.state_dict())
