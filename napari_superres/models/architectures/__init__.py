"""One network per file, its paper at the top; this table knows them by name.

Every network takes low-resolution ``(B, C, (Z)YX)`` on the model's intensity scale and returns
``(B, C, ...)`` on the finer grid. A network class has

``__init__(*, scale, ndim=2, channels=1, ...)``  with ``scale`` one integer per spatial axis
``forward(x)``                                   the paper's form, the one that is trained
``deploy()``                                     an equal module that runs faster (optional)

To add a network: write its file, add its line here, test it in ``tests/models``.
"""

from importlib import import_module
from typing import Any

from torch import nn

from napari_superres.errors import ModelFileError

_HOMES = {
    "srcnn": "srcnn:SRCNN",
    "fsrcnn": "fsrcnn:FSRCNN",
    "espcn": "espcn:ESPCN",
    "vdsr": "vdsr:VDSR",
    "edsr": "edsr:EDSR",
    "rcan": "rcan:RCAN",
    "span": "span:SPAN",
    "dfcan": "dfcan:DFCAN",
    "unet": "unet:UNet",
    "cnn": "textbook:CNN",
    "feedforward": "textbook:FeedForward",
    "deconv": "textbook:Deconvolution",
    "rendering": "textbook:Rendering",
}


def list_architectures() -> tuple[str, ...]:
    """Return the names of the networks that can be built and trained."""
    return tuple(_HOMES)


def build(architecture: str, arguments: dict[str, Any]) -> nn.Module:
    """Return a network with fresh weights.

    Raises
    ------
    ModelFileError
        If the architecture is unknown or does not take these arguments.
    """
    if architecture not in _HOMES:
        raise ModelFileError(
            f"unknown architecture {architecture[:100]!r}. Known ones: {', '.join(_HOMES)}. "
            "A model made by a newer version needs that version."
        )
    module, name = _HOMES[architecture].split(":")
    network = getattr(import_module(f"{__name__}.{module}"), name)
    try:
        built = network(**arguments)
    except (TypeError, ValueError, LookupError, ArithmeticError, RuntimeError, MemoryError) as error:
        raise ModelFileError(
            f"{architecture} cannot be built with {str(arguments)[:300]}: {str(error)[:300]}."
        ) from error
    assert isinstance(built, nn.Module)
    return built
