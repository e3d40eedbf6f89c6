"""Networks: one per file, its paper at the top, and a table of their names.

Begin with ``srcnn``, the smallest, then ``edsr``. Of `napari_superres.models`, this folder imports only
``interpolate``.

Every network takes low-resolution ``(B, C, (Z)YX)`` on the model's intensity scale and returns
``(B, C, ...)`` on the finer grid. A network class has

``__init__(*, scale, ndim=2, channels=1, ...)``  with ``scale`` one integer per spatial axis
``forward(x)``                                   the paper's form, which is trained
``deploy()``                                     returns an equal module that runs faster (optional)

To add a network, write its file, add a line to `_HOMES` below, and test it in ``tests/models/architectures``. Other
packages add theirs by an entry point of the group ``napari_superres.architectures``; see CONTRIBUTING.md.

``layers``     layers that several networks share
``fixed``      parts of networks that are not learnt
``published``  networks with their authors' weights, run and not trained
``textbook``   four small networks for courses
``srcnn``, ``fsrcnn``, ``espcn``, ``vdsr``, ``edsr``, ``rcan``, ``span``, ``dfcan``, ``unet``  one network each
``orthogonal``  a network of planes for volumes
``averaged``    a super-resolution network that denoises on the grid of its image
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
    "orthogonal": "orthogonal:Orthogonal",
    "averaged": "averaged:Averaged",
    "cnn": "textbook:CNN",
    "feedforward": "textbook:FeedForward",
    "deconv": "textbook:Deconvolution",
    "rendering": "textbook:Rendering",
}

BUILT_IN = tuple(_HOMES)
"""Names of the networks of this package."""

UNTRAINED = ("orthogonal", "averaged")
"""Networks that no recipe trains.

`training.isotropic` makes those for one axis of volumes; averaged ones take the weights of a network for a finer grid.
"""

GROUP = "napari_superres.architectures"
"""Group of the entry points by which other packages register their networks."""


def list_architectures() -> tuple[str, ...]:
    """Return the names of the networks that can be built and trained: of this package, then of others."""
    return (*_HOMES, *sorted(_plugged()))


def _plugged() -> dict[str, EntryPoint]:
    """Return the networks of other packages; a name of this package always means its own network."""
    return {e.name: e for e in entry_points(group=GROUP) if e.name not in _HOMES}


def _network_class(architecture: str) -> Any:
    if architecture in _HOMES:
        module, name = _HOMES[architecture].split(":")
        return getattr(import_module(f"{__name__}.{module}"), name)
    plugged = _plugged()
    if architecture not in plugged:
        raise ModelFileError(
            f"unknown architecture {architecture[:100]!r}. Known ones: {', '.join((*_HOMES, *plugged))}.",
            remedy="If a newer version or another package made the model, install that.",
        )
    try:
        return plugged[architecture].load()
    except Exception as error:  # Another package may raise anything.
        package = getattr(plugged[architecture].dist, "name", plugged[architecture].value)
        raise ModelFileError(
            f"the architecture {architecture} of the package {package} cannot be imported: {str(error)[:300]}.",
            remedy="Update or remove that package.",
        ) from error


def build(architecture: str, arguments: dict[str, Any]) -> nn.Module:
    """Return a network with random weights.

    Parameters
    ----------
    architecture
        One of `list_architectures`.
    arguments
        Keyword arguments of the network class.

    Raises
    ------
    ModelFileError
        If the architecture is unknown, does not take these arguments, or its package cannot be imported.
    """
    network_class = _network_class(architecture)
    try:
        module = network_class(**arguments)
    except (TypeError, ValueError, LookupError, ArithmeticError, RuntimeError, MemoryError) as error:
        raise ModelFileError(
            f"{architecture} cannot be built with {str(arguments)[:300]}: {str(error)[:300]}."
        ) from error
    if not isinstance(module, nn.Module):
        raise ModelFileError(f"the architecture {architecture} must be a torch.nn.Module, got {type(module).__name__}.")
    return module
