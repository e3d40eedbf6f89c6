"""From another program's file to a complete card and weights, and from these to a network."""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from napari_superres.errors import ModelFileError
from napari_superres.models.architectures import build, list_architectures
from napari_superres.models.card import ModelCard
from napari_superres.models.foreign.checkpoint import read_checkpoint
from napari_superres.models.foreign.measure_card import measure_card
from napari_superres.models.foreign.package import is_package, package_root, read_package
from napari_superres.models.foreign.programs import NEEDS_TRUST, build_program
from napari_superres.models.foreign.spandrel_models import ARCHITECTURE, build_spandrel, detect_model
from napari_superres.models.foreign.trust import fingerprint, grant_trust, is_trusted, require_trust


def convert(path: Path, *, trusted: bool = False) -> tuple[ModelCard, Mapping[str, Tensor]]:
    """Return another program's model as a card and weights, measured.

    Parameters
    ----------
    path
        A checkpoint that spandrel recognises, or a bioimage.io package: a zip file or a folder.
    trusted
        Whether the user allows the model to run if it is a program.

    Returns
    -------
    card, weights
        What a model file holds.

    Raises
    ------
    ModelFileError
        If the model is damaged, unsafe, not understood, or does not reproduce its author's test output.
    UntrustedModelError
        If the model is a program and not allowed to run.
    MissingExtraError
        If a library that reads it is not installed.
    """
    if is_package(path):
        sha256 = fingerprint(package_root(path))
        model = read_package(path, trusted=trusted or is_trusted(sha256))
        if trusted and model.card.architecture in NEEDS_TRUST:
            grant_trust(sha256)
    else:
        model = detect_model(path, read_checkpoint(path))
    is_own = model.card.architecture in list_architectures()
    network = (_build_own if is_own else _build)(path.name, model.card, model.weights)
    if model.check is not None:
        model.check(network)
    # A model of this program is measured when its file is loaded, as every file of it is.
    return model.card if is_own else measure_card(model.card, network), model.weights


def build_foreign(name: str, card: ModelCard, weights: Mapping[str, Tensor], sha256: str) -> nn.Module:
    """Return the network of a converted model, in evaluation mode.

    Parameters
    ----------
    name
        Name of the file, for messages.
    card, weights, sha256
        Card, tensors and sha256 of the file.

    Raises
    ------
    ModelFileError, UntrustedModelError, MissingExtraError
        As `convert`.
    """
    if card.architecture in NEEDS_TRUST:
        require_trust(name, card.architecture, sha256)
    return _build(name, card, weights)


def _build(name: str, card: ModelCard, weights: Mapping[str, Tensor]) -> nn.Module:
    """Return the network of another program, whether or not it is trusted."""
    is_spandrel = card.architecture == ARCHITECTURE
    network = build_spandrel(name, card, weights) if is_spandrel else build_program(card, weights)
    return PicklableNetwork(name, card, weights, network.eval().requires_grad_(False))


def _build_own(name: str, card: ModelCard, weights: Mapping[str, Tensor]) -> nn.Module:
    network = build(card.architecture, dict(card.arguments)).eval().requires_grad_(False)
    try:
        network.load_state_dict(dict(weights))
    except RuntimeError as error:
        raise ModelFileError(f"{name}: the weights do not fit {card.architecture}, which the card names.") from error
    return network


class PicklableNetwork(nn.Module):
    """Picklable wrapper that rebuilds another program's network from its weights: such networks may not pickle."""

    def __init__(self, name: str, card: ModelCard, weights: Mapping[str, Tensor], network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._recipe = (name, card, weights)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(B, C, (Z)YX)`` on the finer grid."""
        result: Tensor = self.network(x)
        return result

    def __deepcopy__(self, memo: dict[int, Any]) -> "PicklableNetwork":
        return PicklableNetwork(*self._recipe, deepcopy(self.network, memo))

    def __reduce__(self) -> tuple[Any, ...]:
        return _build, self._recipe
