"""Networks of `architectures`, built from a card and the weights of a file that anyone may have made.

None may grow beyond the weights that its file holds.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from napari_superres.errors import ModelFileError
from napari_superres.models.card import ModelCard
from napari_superres.models.card_checks import shortened
from napari_superres.models.model_file import GET_AGAIN

if TYPE_CHECKING:
    from torch import Tensor, nn

_LARGEST_ARGUMENT = 2**16
_SPARE_PARAMETERS, _SPARE_VALUES = 64, 2**20
"""Parameters, and values in them, that a network may have beyond twice those of its file.

A smaller excess is harmless, and `load_state_dict` reports it.
"""


def build_own(file: str, card: ModelCard, weights: "Mapping[str, Tensor]") -> "nn.Module":
    """Return the network of a card with the weights of its file, in evaluation mode, in the form that is trained.

    Parameters
    ----------
    file
        Name of the file, for messages.
    card, weights
        What the file holds.

    Raises
    ------
    ModelFileError
        If the architecture is unknown, does not take the card's arguments, is larger than the weights, or does not
        fit them; or if the weights are not finite.
    """
    from napari_superres.models.architectures import build

    if not _is_moderate(card.arguments):
        raise ModelFileError(
            f"{file}: {card.architecture} cannot be built with {str(card.arguments)[:300]}: numbers are too large."
        )
    scale = card.arguments.get("scale")
    if isinstance(scale, list | tuple) and tuple(scale) != card.scale:
        raise ModelFileError(
            f"{file}: the network has the scale {shortened(scale)} where its card promises {card.scale}, so the file "
            "is damaged.",
            remedy=GET_AGAIN,
        )
    with limit_network_size(weights):
        network = build(card.architecture, dict(card.arguments))
    try:
        network.load_state_dict(dict(weights))
    except RuntimeError as error:
        raise ModelFileError(
            f"{file}: weights do not fit the architecture {card.architecture!r} of its card, so the file is "
            f"damaged ({str(error).splitlines()[-1].strip()[:200]}).",
            remedy=GET_AGAIN,
        ) from error
    if not all(bool(weight.isfinite().all()) for weight in network.parameters()):
        raise ModelFileError(f"{file} holds weights that are not finite, so it is damaged.", remedy=GET_AGAIN)
    return network.eval().requires_grad_(False)


@contextmanager
def limit_network_size(weights: "Mapping[str, Tensor]") -> Iterator[None]:
    """Stop the building of a network that outgrows its weights.

    The numbers in a card could otherwise take all memory, or keep the program busy forever.

    Parameters
    ----------
    weights
        Tensors of the file.

    Raises
    ------
    ModelFileError
        If the network registers more parameters than the weights can fill.
    """
    from torch.nn.modules.module import register_module_parameter_registration_hook

    parameters = 2 * len(weights) + _SPARE_PARAMETERS
    values = 2 * sum(w.numel() for w in weights.values()) + _SPARE_VALUES
    this_thread = threading.get_ident()

    def count(_module: "nn.Module", _name: str, parameter: Any) -> None:
        nonlocal parameters, values
        if threading.get_ident() != this_thread or parameter is None:
            return
        parameters, values = parameters - 1, values - parameter.numel()
        if min(parameters, values) < 0:
            raise ModelFileError("the network is larger than the weights of the file, which do not fit it.")

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()


def _is_moderate(value: Any) -> bool:
    """Return whether no number in a card's arguments is so large that it alone would take all memory or time."""
    if isinstance(value, Mapping):
        return all(map(_is_moderate, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_moderate, value))
    return not isinstance(value, int | float) or abs(value) <= _LARGEST_ARGUMENT
