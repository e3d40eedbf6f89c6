"""One network per file, its paper at the top; this table knows them by name.

Every network takes low-resolution ``(B, C, (Z)YX)`` on the model's intensity scale and returns
``(B, C, ...)`` on the finer grid. A network class has

``__init__(*, scale, ndim=2, channels=1, ...)``  with ``scale`` one integer per spatial axis
``forward(x)``                                   the paper's form, the one that is trained
``deploy()``                                     an equal module that runs faster (optional)

To add a network: write its file, add its line here, test it in ``tests/models``. Other packages add theirs by an entry
point of the group ``napari_superres.architectures``; see CONTRIBUTING.md.
"""

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
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


GROUP = "napari_superres.architectures"
"""Of entry points by which other packages make their networks known."""


def list_architectures() -> tuple[str, ...]:
    """Return the names of the networks that can be built and trained: ours, and those of other packages."""
    return (*_HOMES, *sorted(_plugged()))


def _plugged() -> dict[str, EntryPoint]:
    """Return the networks of other packages; a name of ours means ours."""
    return {e.name: e for e in entry_points(group=GROUP) if e.name not in _HOMES}


def _network_class(architecture: str) -> Any:
    if architecture in _HOMES:
        module, name = _HOMES[architecture].split(":")
        return getattr(import_module(f"{__name__}.{module}"), name)
    plugged = _plugged()
    if architecture not in plugged:
        raise ModelFileError(
            f"unknown architecture {architecture[:100]!r}. Known ones: {', '.join((*_HOMES, *plugged))}. "
            "A model made by a newer version, or with another package, needs these."
        )
    try:
        return plugged[architecture].load()
    except Exception as error:  # whatever another package does
        package = getattr(plugged[architecture].dist, "name", plugged[architecture].value)
        raise ModelFileError(
            f"the architecture {architecture} of the package {package} cannot be imported: {str(error)[:300]}. "
            "Update or remove that package."
        ) from error


def build(architecture: str, arguments: dict[str, Any]) -> nn.Module:
    """Return a network with fresh weights.

    Raises
    ------
    ModelFileError
        If the architecture is unknown, does not take these arguments, or its package is broken.
    """
    network = _network_class(architecture)
    try:
        built = network(**arguments)
    except (TypeError, ValueError, LookupError, ArithmeticError, RuntimeError, MemoryError) as error:
        raise ModelFileError(
            f"{architecture} cannot be built with {str(arguments)[:300]}: {str(error)[:300]}."
        ) from error
    if not isinstance(built, nn.Module):
        raise ModelFileError(f"the architecture {architecture} must be a torch.nn.Module, got {type(built).__name__}.")
    return built
