"""From a model file to its network: built no larger than the file's weights, checked against its card, measured."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_superres.errors import ModelFileError
from napari_superres.models.card import ModelCard
from napari_superres.models.card_checks import LARGEST_SCALE
from napari_superres.models.library.shipped import shipped_folder
from napari_superres.models.model_file import GET_AGAIN, digest, read_card, read_weights
from napari_superres.models.probes.cache import recall, remember
from napari_superres.models.size_guard import limit_network_size

if TYPE_CHECKING:
    from torch import Tensor, nn

    from napari_superres.models.model import Model

_LARGEST_ARGUMENT = 2**16
_PATIENCE_S = 120.0


def is_file(path: Path) -> bool:
    """Return whether a path is a file; False for a text that cannot be a path."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder; False for a text that cannot be a path."""
    try:
        return path.is_dir()
    except OSError:
        return False


def file_name(path: Path) -> str:
    """Return the name of a file's model: its stem, with ``-`` for characters that a name may not have."""
    return re.sub(r"[^\w.-]", "-", path.stem)[:100]


def file_card(path: Path) -> ModelCard:
    """Return the card of a model file under the model's name.

    Raises
    ------
    ModelFileError
        As `read_card`.
    """
    return replace(read_card(path), name=file_name(path))


def open_file(path: Path) -> "Model":
    """Load a model from its file, in evaluation and deploy form, on the CPU.

    For a file from elsewhere, the halo of the network is measured the first time and then remembered. If it exceeds
    the stated one, the card of the model has the measured halo, and its notes say so.

    Raises
    ------
    ModelFileError
        If the file is a pickle, damaged, made by a newer version, or its network is not what its card states.
    """
    import torch

    # A fresh network draws weights that are replaced at once; the caller's random numbers continue as before.
    with torch.random.fork_rng(devices=[]):
        return _open(path)


def _open(path: Path) -> "Model":
    import torch

    from napari_superres.models.foreign.foreign_model import FOREIGN_ARCHITECTURES
    from napari_superres.models.model import Model

    card = file_card(path)
    if not _is_moderate(card.arguments) or not _is_moderate(card.arguments.get("scale"), LARGEST_SCALE):
        raise ModelFileError(
            f"{path.name}: {card.architecture} cannot be built with {str(card.arguments)[:300]}: "
            "these numbers are too large."
        )
    weights, sha256 = read_weights(path), digest(path)
    if card.architecture in FOREIGN_ARCHITECTURES:
        from napari_superres.models.foreign.convert import build_foreign

        network = build_foreign(path.name, card, weights, sha256)
        _check_shape(path, card, network)
        card, notes = _with_reach(card, network, sha256)
        return Model(card, network, sha256, notes)
    network = _build_own(path, card, weights)
    notes = ()
    if path.parent != shipped_folder():
        card, notes = _with_reach(card, network, sha256)
    if card.ndim == 2:
        # CPU and GPU convolutions are fastest in the channels-last layout.
        network = network.to(memory_format=torch.channels_last)
    return Model(card, network, sha256, notes)


def _build_own(path: Path, card: ModelCard, weights: "dict[str, Tensor]") -> "nn.Module":
    """Return the network of one of this program's architectures, in deploy form."""
    from napari_superres.models.architectures import build

    with limit_network_size(weights):
        network = build(card.architecture, dict(card.arguments))
    _check_shape(path, card, network)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise ModelFileError(
            f"{path.name}: weights do not fit the architecture {card.architecture!r} of its card, so the file is "
            f"damaged ({str(error).splitlines()[-1].strip()[:200]}).",
            remedy=GET_AGAIN,
        ) from error
    deploy = getattr(network, "deploy", None)
    return network if deploy is None else deploy()


def remember_reach(card: ModelCard, sha256: str) -> None:
    """Remember the halo on a model file's card as one that was measured on this computer."""
    remember("reach", sha256, {"halo": card.halo, "is_global": card.global_statistics, "is_bounded": card.bounded})


def _is_moderate(value: Any, largest: int = _LARGEST_ARGUMENT) -> bool:
    """Return whether no number in a card's arguments is so large that it alone would take all memory or time."""
    if isinstance(value, Mapping):
        return all(_is_moderate(v, largest) for v in value.values())
    if isinstance(value, list | tuple):
        return all(_is_moderate(v, largest) for v in value)
    return not isinstance(value, int | float) or abs(value) <= largest


def _with_reach(card: ModelCard, network: "nn.Module", sha256: str) -> tuple[ModelCard, tuple[str, ...]]:
    """Return the card with at least the measured halo, and a note if that differs from the stated one.

    A stated halo that is too small would make tiles visible.
    """
    if not card.bounded:  # Such a card promises no halo.
        return card, ()
    reach = recall("reach").get(sha256)
    if reach is None:
        reach = _measure(card, network)
        remember("reach", sha256, reach)
    halo = tuple(max(stated, measured) for stated, measured in zip(card.halo, reach["halo"], strict=True))
    corrected = replace(
        card,
        halo=halo,
        global_statistics=card.global_statistics or reach["is_global"],
        bounded=card.bounded and reach["is_bounded"],
    )
    if corrected == card:
        return card, ()
    note = f"{card.name} looks farther than its card says (halo {card.halo}, measured {halo})."
    return corrected, (f"{note} The measured halo is used.",)


def _measure(card: ModelCard, network: "nn.Module") -> dict[str, Any]:
    """Return the measured reach of a network, as the cache keeps it."""
    from napari_superres.models.probes.halo import measure_reach

    try:
        reach = measure_reach(network, card.scale, channels=card.inputs, multiple=card.multiple, seconds=_PATIENCE_S)
    except RuntimeError as error:
        raise ModelFileError(
            f"{card.name}: how far the network looks cannot be measured, so it cannot be run in tiles ({error})."
        ) from error
    return {"halo": reach.halo, "is_global": reach.is_global, "is_bounded": reach.is_bounded}


def _check_shape(path: Path, card: ModelCard, network: "nn.Module") -> None:
    """Check the shape of a result against the card: a wrong scale would shift every pixel without notice."""
    import torch

    # Odd numbers of multiples find a network that needs a larger multiple.
    size = [m * (-(-8 // m) | 1) for m in card.multiple]
    expected = [1, card.channels, *(n * s for n, s in zip(size, card.scale, strict=True))]
    try:
        with torch.inference_mode():
            shape = list(network.eval()(torch.zeros(1, card.inputs, *size)).shape)
    except (RuntimeError, ValueError) as error:
        raise ModelFileError(
            f"{path.name}: the network does not take {card.inputs} channels of a {card.ndim}-D image of {size} pixels, "
            "as its card says, so the file is damaged.",
            remedy=GET_AGAIN,
        ) from error
    if shape != expected:
        raise ModelFileError(
            f"{path.name}: the network makes {shape} where its card promises {expected}, so the file is damaged.",
            remedy=GET_AGAIN,
        )
