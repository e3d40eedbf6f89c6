"""From another program's file to a complete card and weights, and from these to a network."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from napari_superres.errors import ModelFileError, SettingsError
from napari_superres.models.architectures import list_architectures
from napari_superres.models.card import ModelCard
from napari_superres.models.foreign.checkpoint import read_checkpoint
from napari_superres.models.foreign.foreign_model import ForeignModel
from napari_superres.models.foreign.graph.bare_files import SUFFIXES, read_bare
from napari_superres.models.foreign.graph.onnx_network import (
    RUNS_IN,
    makes_the_same,
    takes_any_size,
    without_fixed_size,
)
from napari_superres.models.foreign.graph.wishes import UNSAID, Wishes
from napari_superres.models.foreign.loaders import published, spandrel_models
from napari_superres.models.foreign.loaders.detect import detect_model
from napari_superres.models.foreign.loaders.file_kinds import check_ending
from napari_superres.models.foreign.packages.check import Check
from napari_superres.models.foreign.packages.package import is_package, read_package
from napari_superres.models.foreign.programs import build_program
from napari_superres.models.own_network import build_own
from napari_superres.models.probes.passes import NETWORK_ERRORS

Measure = Callable[[ModelCard, nn.Module, Check | None], ModelCard]
"""Takes card, network, and the check that its author's test asks for; returns the card, measured."""

_BUILDERS: dict[str, Callable[[str, ModelCard, Mapping[str, Tensor]], nn.Module]] = {
    published.ARCHITECTURE: published.build_published,
    spandrel_models.ARCHITECTURE: spandrel_models.build_spandrel,
}
"""What builds the network of a card and its weights, by `ModelCard.architecture`."""


def convert(
    path: Path,
    *,
    trusted: bool,
    measure: Measure,
    wishes: Wishes = UNSAID,
    begin: Callable[[int], object] = lambda _: None,
) -> tuple[ModelCard, Mapping[str, Tensor]]:
    """Return another program's model as a card and weights, measured.

    What a stranger's file holds may crash, never end, or fill the memory: see ``confined``.

    Parameters
    ----------
    path
        A checkpoint that spandrel recognises, a bioimage.io package (a zip file or a folder), or a bare graph.
    trusted
        Whether the user allows the model to run if it is a program.
    measure
        Checks and measures the network.
    wishes
        What the user says about a bare graph.
    begin
        Called before a bare graph runs for the first time, with the pixels of the only size that it takes, or 0.

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
    model = _read(path, trusted=trusted, wishes=wishes, begin=begin)
    if model.card.architecture not in list_architectures():
        network = build_foreign(path.name, model.card, model.weights)
        return measure(model.card, network, model.check), model.weights
    # A model of this program is measured when its file is loaded, as every file of it is.
    network = build_own(path.name, model.card, model.weights)
    if model.check is not None:
        model.check(network)
    return model.card, model.weights


def _read(path: Path, *, trusted: bool, wishes: Wishes, begin: Callable[[int], object]) -> ForeignModel:
    """Return the model in a file, by the loader for its kind."""
    if path.is_file():
        check_ending(path)
    if path.suffix.lower() in SUFFIXES and not path.is_dir():
        return read_bare(path, wishes, trusted=trusted, begin=begin)
    if wishes.are_about_graphs:
        raise SettingsError(
            f"{path.name} says itself what its network takes.",
            remedy="Leave out `range`, `channels` and `example`, which are for .onnx and .pt2.",
        )
    return read_package(path, trusted=trusted) if is_package(path) else detect_model(path, read_checkpoint(path))


def prefer_torch(card: ModelCard, network: nn.Module) -> tuple[ModelCard, nn.Module]:
    """Return card and network of a graph computed by torch if it makes what onnxruntime makes; otherwise as they are.

    In torch the halo of a network can be measured exactly, and it runs on accelerators.
    """
    if card.architecture != "onnx" or not isinstance(network, PicklableNetwork):
        return card, network
    name, _, weights = network.recipe
    converted = replace(card, arguments={**card.arguments, RUNS_IN: "torch"})
    try:
        candidate = build_foreign(name, converted, weights)
        is_same = makes_the_same(converted, network, candidate)
    except (ModelFileError, *NETWORK_ERRORS):
        return card, network
    if not is_same:
        return card, network
    for free in without_fixed_size(converted):
        with suppress(ModelFileError, *NETWORK_ERRORS):
            if takes_any_size(free, candidate := build_foreign(name, free, weights)):
                return free, candidate
    return converted, build_foreign(name, converted, weights)


def build_foreign(name: str, card: ModelCard, weights: Mapping[str, Tensor]) -> nn.Module:
    """Return the network of a converted model, in evaluation mode.

    Parameters
    ----------
    name
        Name of the file, for messages.
    card, weights
        Card and tensors of the file. The caller has checked that it may run if it is a program.

    Raises
    ------
    ModelFileError, MissingExtraError
        As `convert`.
    """
    build = _BUILDERS.get(card.architecture)
    network = build_program(card, weights) if build is None else build(name, card, weights)
    return PicklableNetwork(name, card, weights, network.eval().requires_grad_(False))


class PicklableNetwork(nn.Module):
    """Picklable wrapper that rebuilds another program's network from its weights: such networks may not pickle."""

    def __init__(self, name: str, card: ModelCard, weights: Mapping[str, Tensor], network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.recipe = (name, card, weights)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(B, C, (Z)YX)`` on the finer grid."""
        result: Tensor = self.network(x)
        return result

    def __deepcopy__(self, memo: dict[int, Any]) -> "PicklableNetwork":
        return PicklableNetwork(*self.recipe, deepcopy(self.network, memo))

    def __reduce__(self) -> tuple[Any, ...]:
        return build_foreign, self.recipe
