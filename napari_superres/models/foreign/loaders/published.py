"""Networks of `architectures.published`, prepared for scientific images."""

import re
from collections.abc import Iterator, Mapping
from math import isinf
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from napari_superres.errors import ModelFileError
from napari_superres.models.architectures import published
from napari_superres.models.card import ModelCard
from napari_superres.models.foreign.foreign_model import ForeignModel
from napari_superres.models.foreign.loaders.likeness import (
    MADE_BY_OTHERS,
    RANGES,
    best,
    colour_limit,
    gain,
    gain_limit,
    likeness,
    likeness_limit,
)
from napari_superres.models.model_file import GET_AGAIN

ARCHITECTURE = "published"
"""`ModelCard.architecture` of such a model; its arguments name the network, its variant and its range of values."""

_OWN_ARGUMENTS = ("network", "range")


def detect_published(path: Path, weights: Mapping[str, Tensor]) -> ForeignModel | None:
    """Recognise a published network by its weights; None if it is none of them.

    Parameters
    ----------
    path
        The weights' file: a factor in its name decides if the weights leave a choice.
    weights
        Tensors by name.

    Returns
    -------
    ForeignModel or None
        The model, whose card states the range of values and the variant with which it restores most.

    Raises
    ------
    ModelFileError
        If it is one of them, but a bias is missing.
    """
    found: tuple[dict[str, Any], float] | None = None
    # No limit on the networks' size is needed: each layer has the size of its tensor.
    for name in _recognised(path, weights):
        arguments, value = best(_choices(path, name, weights), lambda choice: _judged(choice, weights))
        if found is None or value > found[1]:
            found = (arguments, value)
    if found is None or isinf(found[1]):  # A network that cannot be computed has other connections.
        return None
    return ForeignModel(_card(found[0], _load(found[0], weights), found[1]), weights)


def _recognised(path: Path, weights: Mapping[str, Tensor]) -> Iterator[str]:
    try:
        yield from published.recognised(weights)
    except published.IncompleteError as error:
        raise ModelFileError(
            f"{path.name} is incomplete: {error.args[0]}, which it lacks.", remedy=GET_AGAIN
        ) from error


def build_published(name: str, card: ModelCard, weights: Mapping[str, Tensor]) -> nn.Module:
    """Return the network of a card and weights that `detect_published` returned.

    Raises
    ------
    ModelFileError
        If the weights belong to another network than the card states.
    """
    largest = card.arguments.get("range")
    try:
        network: Any = _load(card.arguments, weights)
    except (LookupError, ValueError, RuntimeError, TypeError) as error:
        reason = (str(error).splitlines() or [""])[0][:200]
        raise ModelFileError(
            f"{name}: the weights are not those of the network that its card states ({reason}): the file is damaged.",
            remedy=GET_AGAIN,
        ) from error
    if largest not in RANGES or network.scale != card.scale[0] or network.channels != card.channels:
        raise ModelFileError(f"{name}: its card contradicts its weights, so the file is damaged.", remedy=GET_AGAIN)
    return PublishedNetwork(network, float(largest))


def _load(arguments: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    variant = {key: value for key, value in arguments.items() if key not in _OWN_ARGUMENTS}
    return published.load(str(arguments["network"]), weights, **variant)


def _choices(path: Path, name: str, weights: Mapping[str, Tensor]) -> Iterator[dict[str, Any]]:
    """Yield the arguments that the weights leave open, as `ModelCard.arguments`."""
    network = published.load(name, weights)
    scales = tuple(getattr(network, "scales", ()))
    named = [s for s in scales if re.search(rf"(x{s}|{s}x)(?!\d)", path.stem, re.IGNORECASE)]
    if len(named) == 1:
        scales = (named[0],)
    elif getattr(network, "holds_all_scales", False):
        scales = scales[:1]
    variants: tuple[dict[str, Any], ...] = getattr(type(network), "variants", ({},))
    for scale in scales or (None,):
        for variant in variants:
            for largest in RANGES:
                yield {"network": name, "range": largest, **variant, **({"scale": scale} if scale else {})}


def _judged(arguments: Mapping[str, Any], weights: Mapping[str, Tensor]) -> float:
    """Return how well a network does with these arguments, in dB."""
    network: Any = _load(arguments, weights)
    judge = gain if network.scale > 1 else likeness
    return judge(network, network.channels, network.scale, arguments["range"])


def _card(arguments: dict[str, Any], network: Any, judged_db: float) -> ModelCard:
    name, scale = str(arguments["network"]), int(network.scale)
    others = [f"x{s}" for s in getattr(network, "scales", ()) if s != scale]
    parameters = sum(p.numel() for p in network.parameters())
    alike_db = likeness(network, network.channels, scale, arguments["range"])
    limits = MADE_BY_OTHERS + colour_limit(network.channels)
    limits += likeness_limit(alike_db) or gain_limit(judged_db, scale)
    if others:
        limits += (
            f" The weights also fit {' and '.join(others)}: name the file {name.lower()}_{others[0]}.pth for that."
        )
    return ModelCard(
        name=name,
        title=f"{name} x{scale}, {parameters / 1e3:.0f} thousand parameters",
        architecture=ARCHITECTURE,
        arguments=arguments,
        scale=(scale, scale),
        channels=int(network.channels),
        color="per-channel",
        modality="unknown",
        training="by others; the file does not say on what",
        limits=limits,
        citation=published.NETWORKS[name].citation,
    )


class PublishedNetwork(nn.Module):
    """A published network that takes values from 0 to 1, and images of any size.

    Parameters
    ----------
    network
        The network.
    largest
        Largest value of the range that it was made for.
    """

    def __init__(self, network: nn.Module, largest: float) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        self.largest, self.smallest = largest, int(getattr(network, "smallest", 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(B, C, Y, X)`` on the finer grid."""
        height, width = x.shape[2:]
        scale: Any = self.network.scale
        below, right = max(0, self.smallest - height), max(0, self.smallest - width)
        if below or right:
            x = nn.functional.pad(x, (0, right, 0, below), "replicate")
        result: Tensor = self.network(x * self.largest if self.largest != 1 else x)
        result = result / self.largest if self.largest != 1 else result
        return result[..., : height * scale, : width * scale]
