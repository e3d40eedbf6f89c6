"""Networks that are built from what a file says: none may grow beyond the weights that the file holds."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from napari_superres.errors import ModelFileError

if TYPE_CHECKING:
    from torch import Tensor, nn

_SPARE_PARAMETERS, _SPARE_NUMBERS = 64, 2**20
"""What a network may have beyond twice its file's tensors, and numbers in them; then `load_state_dict` tells."""


@contextmanager
def no_larger_than(weights: "Mapping[str, Tensor]") -> Iterator[None]:
    """Stop a network that grows beyond its weights, before a card's numbers take all memory or never end."""
    from torch.nn.modules.module import register_module_parameter_registration_hook

    parameters = 2 * len(weights) + _SPARE_PARAMETERS
    numbers = 2 * sum(w.numel() for w in weights.values()) + _SPARE_NUMBERS
    here = threading.get_ident()

    def count(_module: "nn.Module", _name: str, parameter: Any) -> None:
        nonlocal parameters, numbers
        if threading.get_ident() != here or parameter is None:
            return
        parameters, numbers = parameters - 1, numbers - parameter.numel()
        if min(parameters, numbers) < 0:
            raise ModelFileError("the network is larger than the weights of the file, which do not fit it")

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()
