"""From a file of another program to a card and weights that are complete."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from napari_superres.models.architectures import list_architectures
from napari_superres.models.card import ModelCard
from napari_superres.models.foreign.checkpoint import read_checkpoint
from napari_superres.models.foreign.detect import ARCHITECTURE, build_detected, detect
from napari_superres.models.foreign.measure import measured
from napari_superres.models.foreign.package import is_package, package_root, read_package
from napari_superres.models.foreign.programs import NEEDS_TRUST, build_program
from napari_superres.models.foreign.trust import demand_trust, fingerprint, is_trusted, trust

if TYPE_CHECKING:
    from torch import Tensor, nn


def convert(path: Path, *, trusted: bool = False) -> tuple[ModelCard, Mapping[str, "Tensor"]]:
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
    if found.card.architecture in list_architectures():
        return found.card, found.weights
    network = _built(path.name, found.card, found.weights)
    if found.check is not None:
        found.check(network)
    return measured(found.card, network), found.weights


def build_foreign(name: str, card: ModelCard, weights: Mapping[str, "Tensor"], sha256: str) -> "nn.Module":
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
    return _built(name, card, weights)


def _built(name: str, card: ModelCard, weights: Mapping[str, "Tensor"]) -> "nn.Module":
    built = build_detected(name, card, weights) if card.architecture == ARCHITECTURE else build_program(card, weights)
    return built.eval().requires_grad_(False)
