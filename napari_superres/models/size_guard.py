"""A limit on networks that are built from a file's card: none may grow beyond the weights that the file holds."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from napari_superres.errors import ModelFileError

if TYPE_CHECKING:
    from torch import Tensor, nn

_SPARE_PARAMETERS, _SPARE_VALUES = 64, 2**20
"""Parameters, and values in them, that a network may have beyond twice those of its file.

A smaller excess is harmless, and `load_state_dict` reports it.
"""


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
