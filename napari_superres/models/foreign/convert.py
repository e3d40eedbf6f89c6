"""From a file of another program to a card and weights that are complete."""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from napari_superres.errors import ModelFileError
from napari_superres.models.architectures import build, list_architectures
from napari_superres.models.card import ModelCard
from napari_superres.models.foreign.checkpoint import read_checkpoint
from napari_superres.models.foreign.detect import ARCHITECTURE, build_detected, detect
from napari_superres.models.foreign.measure import measured
from napari_superres.models.foreign.package import is_package, package_root, read_package
from napari_superres.models.foreign.programs import NEEDS_TRUST, build_program
from napari_superres.models.foreign.trust import demand_trust, fingerprint, is_trusted, trust


def convert(path: Path, *, trusted: bool = False) -> tuple[ModelCard, Mapping[str, Tensor]]:
    """Return a model of another program as a card and weights, measured.

    Parameters
    ----------
    path
        A checkpoint that spandrel recognises, or a bioimage.io package: a zip file or a folder.
    trusted
        Whether the user allows it to run, if it is a program.

    Raises
    ------
    ModelFileError
        If it is damaged, unsafe, not understood, or does not make what its author's test says.
    UntrustedModelError
        If it is a program and not allowed to run.
    MissingExtraError
        If what reads it is not installed.
    """
    if is_package(path):
        sha256 = fingerprint(package_root(path))
        found = read_package(path, trusted=trusted or is_trusted(sha256))
        if trusted and found.card.architecture in NEEDS_TRUST:
            trust(sha256)
    else:
        found = detect(path, read_checkpoint(path))
    own = found.card.architecture in list_architectures()
    network = (_own if own else built)(path.name, found.card, found.weights)
    if found.check is not None:
        found.check(network)
    # What a card of ours says is measured as that of any file is, when it is loaded.
    return found.card if own else measured(found.card, network), found.weights


def build_foreign(name: str, card: ModelCard, weights: Mapping[str, Tensor], sha256: str) -> nn.Module:
    """Return the network of a model that was converted, in evaluation mode.

    Parameters
    ----------
    name
        Of the file, for messages.
    card, weights, sha256
        Of the file.

    Raises
    ------
    ModelFileError, UntrustedModelError, MissingExtraError
        As `convert`.
    """
    if card.architecture in NEEDS_TRUST:
        demand_trust(name, card.architecture, sha256)
    return built(name, card, weights)


def built(name: str, card: ModelCard, weights: Mapping[str, Tensor]) -> nn.Module:
    """Return the network of another program; it is not asked whether it is trusted."""
    found = build_detected(name, card, weights) if card.architecture == ARCHITECTURE else build_program(card, weights)
    return Portable(name, card, weights, found.eval().requires_grad_(False))


def _own(name: str, card: ModelCard, weights: Mapping[str, Tensor]) -> nn.Module:
    network = build(card.architecture, dict(card.arguments)).eval().requires_grad_(False)
    try:
        network.load_state_dict(dict(weights))
    except RuntimeError as error:
        raise ModelFileError(f"{name}: the weights do not fit {card.architecture}, which the card names.") from error
    return network


class Portable(nn.Module):
    """A network that other processes make anew of its weights: those of other programs cannot be sent."""

    def __init__(self, name: str, card: ModelCard, weights: Mapping[str, Tensor], network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._made_of = (name, card, weights)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(B, C, (Z)YX)`` on the finer grid."""
        found: Tensor = self.network(x)
        return found

    def __deepcopy__(self, memo: dict[int, Any]) -> "Portable":
        return Portable(*self._made_of, deepcopy(self.network, memo))

    def __reduce__(self) -> tuple[Any, ...]:
        return built, self._made_of
