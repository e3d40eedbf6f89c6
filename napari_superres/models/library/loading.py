"""The network of a model file: built no larger than the file's weights, held against its card, its halo measured."""

import re
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_superres.errors import ModelFileError, SuperResWarning
from napari_superres.models.card import LARGEST_SCALE, ModelCard
from napari_superres.models.files import digest, read_card, read_weights
from napari_superres.models.library.shipped import shipped_folder
from napari_superres.models.probes.cache import recall, remember
from napari_superres.models.size_guard import no_larger_than

if TYPE_CHECKING:
    from torch import Tensor, nn

    from napari_superres.models.model import Model

_LARGEST_ARGUMENT = 2**16
_PATIENCE_S = 120.0


def is_file(path: Path) -> bool:
    """Return whether a path is that of a file; one that cannot be a path is not."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Return whether a path is that of a folder; one that cannot be a path is not."""
    try:
        return path.is_dir()
    except OSError:
        return False


def file_name(path: Path) -> str:
    """Return the name by which the model of a file is known: its stem, of what may stand in a name."""
    return re.sub(r"[^\w.-]", "-", path.stem)[:100]


def file_card(path: Path) -> ModelCard:
    """Return the card of a model file under the name by which it is known.

    Raises
    ------
    ModelFileError
        As `read_card`.
    """
    return replace(read_card(path), name=file_name(path))


def load_file(path: Path) -> "Model":
    """Load a model from its file, in evaluation and deploy form, on the CPU.

    How far the network of a file from elsewhere looks is measured when it is first met, and remembered.

    Raises
    ------
    ModelFileError
        If the file is a pickle, damaged, made by a newer version, or its card lies about its network.

    Warns
    -----
    SuperResWarning
        If the network looks farther than its card says; the card returned says what was measured.
    """
    import torch

    from napari_superres.models.foreign.imported import FOREIGN
    from napari_superres.models.model import Model

    card = file_card(path)
    if not _is_moderate(card.arguments) or not _is_moderate(card.arguments.get("scale"), LARGEST_SCALE):
        raise ModelFileError(
            f"{path.name}: {card.architecture} cannot be built with {str(card.arguments)[:300]}: "
            "these numbers are too large."
        )
    weights, sha256 = read_weights(path), digest(path)
    if card.architecture in FOREIGN:
        from napari_superres.models.foreign.convert import build_foreign

        network = build_foreign(path.name, card, weights, sha256)
        _check_shape(path, card, network)
        return Model(_with_reach(card, network, sha256), network, sha256)
    network = _own_network(path, card, weights)
    if path.parent != shipped_folder():
        card = _with_reach(card, network, sha256)
    if card.ndim == 2:
        # Channels-last is the layout that CPU and GPU convolutions are fastest in.
        network = network.to(memory_format=torch.channels_last)
    return Model(card, network, sha256)


def _own_network(path: Path, card: ModelCard, weights: "dict[str, Tensor]") -> "nn.Module":
    """Return the network of an architecture of ours, in deploy form."""
    from napari_superres.models.architectures import build

    with no_larger_than(weights):
        network = build(card.architecture, dict(card.arguments))
    _check_shape(path, card, network)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise ModelFileError(
            f"{path.name}: weights do not fit the architecture {card.architecture!r} of its card. "
            f"The file is damaged. ({str(error).splitlines()[-1].strip()[:200]})"
        ) from error
    deploy = getattr(network, "deploy", None)
    return network if deploy is None else deploy()


def remember_reach(card: ModelCard, sha256: str) -> None:
    """Remember that what a model file's card says of its halo was measured here."""
    remember("reach", sha256, {"halo": card.halo, "is_global": card.global_statistics, "is_bounded": card.bounded})


def _is_moderate(value: Any, largest: int = _LARGEST_ARGUMENT) -> bool:
    """Return whether no number in a card's arguments is so large that it alone would take all memory or time."""
    if isinstance(value, Mapping):
        return all(_is_moderate(v, largest) for v in value.values())
    if isinstance(value, list | tuple):
        return all(_is_moderate(v, largest) for v in value)
    return not isinstance(value, int | float) or abs(value) <= largest


def _with_reach(card: ModelCard, network: "nn.Module", sha256: str) -> ModelCard:
    """Return the card of a file from elsewhere with at least the halo measured here, when the file was first met.

    A card that says too little would let tiles show.
    """
    from napari_superres.models.probes.halo import measure_reach

    if not card.bounded:  # it promises no halo
        return card
    found = recall("reach").get(sha256)
    if found is None:
        try:
            reach = measure_reach(
                network, card.scale, channels=card.inputs, multiple=card.multiple, seconds=_PATIENCE_S
            )
        except RuntimeError as error:
            raise ModelFileError(
                f"{card.name}: how far the network looks cannot be measured, so it cannot be run in tiles. ({error})"
            ) from error
        found = {"halo": reach.halo, "is_global": reach.is_global, "is_bounded": reach.is_bounded}
        remember("reach", sha256, found)
    halo = tuple(max(said, seen) for said, seen in zip(card.halo, found["halo"], strict=True))
    measured = replace(
        card,
        halo=halo,
        global_statistics=card.global_statistics or found["is_global"],
        bounded=card.bounded and found["is_bounded"],
    )
    if measured != card:
        warnings.warn(
            f"{card.name} looks farther than its card says (halo {card.halo}, measured {halo}): "
            "what was measured is used.",
            SuperResWarning,
            stacklevel=4,
        )
    return measured


def _check_shape(path: Path, card: ModelCard, network: "nn.Module") -> None:
    """Check that the network makes what the card says: a wrong scale would shift every pixel in silence."""
    import torch

    # Odd multiples of the multiple: a network that needs a larger one does not take them.
    size = [m * (-(-8 // m) | 1) for m in card.multiple]
    wanted = [1, card.channels, *(n * s for n, s in zip(size, card.scale, strict=True))]
    try:
        with torch.inference_mode():
            found = list(network.eval()(torch.zeros(1, card.inputs, *size)).shape)
    except (RuntimeError, ValueError) as error:
        raise ModelFileError(
            f"{path.name}: the network does not take {card.inputs} channels of a {card.ndim}-D image of {size} pixels, "
            "as its card says. The file is damaged."
        ) from error
    if found != wanted:
        raise ModelFileError(
            f"{path.name}: the network makes {found} where its card promises {wanted}. The file is damaged."
        )
