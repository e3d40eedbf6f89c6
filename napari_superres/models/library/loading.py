"""From a model file to its network: built no larger than the file's weights, checked against its card, measured."""

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_superres.errors import ModelFileError
from napari_superres.models.card import ModelCard
from napari_superres.models.library.shipped import shipped_folder
from napari_superres.models.model_file import GET_AGAIN, digest, read_card, read_weights
from napari_superres.models.own_network import build_own
from napari_superres.models.probes.facts import correction, recall_facts, remember_facts, with_facts

if TYPE_CHECKING:
    from torch import nn

    from napari_superres.models.model import Model


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

    For a file from elsewhere, the facts of its card that can be measured are measured the first time and then
    remembered, whatever the card says. The card of the model has the measured facts, and its notes say what was wrong.

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
    from napari_superres.models.foreign.foreign_model import FOREIGN_ARCHITECTURES

    card = file_card(path)
    return (_open_foreign if card.architecture in FOREIGN_ARCHITECTURES else _open_own)(path, card)


def _open_foreign(path: Path, card: ModelCard) -> "Model":
    """Load a model whose network is another program's: it is measured in a process of its own before it runs here."""
    from napari_superres.models.foreign.confined import measure_confined
    from napari_superres.models.foreign.convert import build_foreign
    from napari_superres.models.foreign.programs import NEEDS_TRUST
    from napari_superres.models.foreign.trust import require_trust
    from napari_superres.models.model import Model

    sha256 = digest(path)
    if card.architecture in NEEDS_TRUST:
        require_trust(path.name, card.architecture, sha256)
    measured = recall_facts(card, sha256)
    if measured is None:
        measured = with_facts(card, measure_confined(path))
        remember_facts(measured, sha256)
    network = build_foreign(path.name, measured, read_weights(path))
    _check_result(path, measured, network)
    return Model(measured, network, sha256, _notes(card, measured))


def _open_own(path: Path, card: ModelCard) -> "Model":
    """Load a model whose network is one of this program's, in deploy form. Shipped cards were measured."""
    import torch

    from napari_superres.models.model import Model

    weights, sha256 = read_weights(path), digest(path)
    network = build_own(path.name, card, weights)
    _check_result(path, card, network)
    deploy = getattr(network, "deploy", None)
    network = network if deploy is None else deploy()
    measured = card if path.parent == shipped_folder() else recall_facts(card, sha256)
    if measured is None:
        measured = _measure(card, network)
        remember_facts(measured, sha256)
    if card.ndim == 2:
        # CPU and GPU convolutions are fastest in the channels-last layout.
        network = network.to(memory_format=torch.channels_last)
    return Model(measured, network, sha256, _notes(card, measured))


def _notes(stated: ModelCard, measured: ModelCard) -> tuple[str, ...]:
    """Return what the user should know about a card that is wrong."""
    note = correction(stated, measured)
    return (note,) if note else ()


def _measure(card: ModelCard, network: "nn.Module") -> ModelCard:
    """Return the card with the facts that the network shows."""
    from napari_superres.models.probes.grid import measure_grid
    from napari_superres.models.probes.tiles import measure_tiles

    try:
        return measure_grid(measure_tiles(card, network), network)
    except RuntimeError as error:
        raise ModelFileError(
            f"{card.name}: how far the network looks cannot be measured, so it cannot be run in tiles ({error})."
        ) from error


def _check_result(path: Path, card: ModelCard, network: "nn.Module") -> None:
    """Check a result, and its shape against the card: a wrong scale would shift every pixel without notice."""
    import torch

    from napari_superres.models.probes.passes import NETWORK_ERRORS, result_shape

    # Odd numbers of multiples find a network that needs a larger multiple.
    size = [m * (-(-8 // m) | 1) for m in card.multiple]
    expected = result_shape(card, size)
    try:
        with torch.inference_mode():
            noise = torch.rand(1, card.inputs, *size, generator=torch.Generator().manual_seed(0))
            result = network.eval()(noise)
            shape, is_finite = list(result.shape), bool(result.isfinite().all())
    except NETWORK_ERRORS as error:
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
    if not is_finite:
        raise ModelFileError(
            f"{path.name}: the network makes numbers that are not finite, so the file is damaged.", remedy=GET_AGAIN
        )
