"""Models: what they are (cards), where they are kept (the library), and how they compute (networks).

Begin with ``card``, which lists every fact about a model, then ``library.registry``, where a name becomes a model. The
halo of a network is measured in ``probes.halo``. To add a network, write a file in ``architectures`` and give it a line
there. To read another kind of foreign checkpoint, add a loader to ``foreign``. This layer imports only ``core``,
``atomic`` and ``errors``; docs/explanation/architecture.md lists all imports.

Each line imports only lines above it:

``card_checks``     what a card's fields must be
``card_grid``       `Grid`, the gains over blur and noise
``card``            `ModelCard`, the facts that a model carries
``model_file``      the one-file format: safetensors with the card in its header
``library_folder``  the folder of the user's models
``interpolate``     nearest, bicubic, Lanczos and sinc on the right grid; also the networks' skip
``architectures``   one network per file
``own_network``     builds one from a file, no larger than the file's weights
``probes``          what a network does, measured: halo, global layers, memory
``model``           `Model`: a card and its network, ready to run
``foreign``         models made by others, converted to this program's format
``library``         shipped models, the user's models, loading by name
``export``          models as packages for other programs
``grid_map``        that grid as a small map, with the cell of an image
``choice``          which model suits an image best, and whether a given one fits
"""

from typing import TYPE_CHECKING, Any

from napari_superres.models.card import ModelCard as ModelCard

if TYPE_CHECKING:
    from napari_superres.models.export.bioimageio import export_bioimageio as export_bioimageio
    from napari_superres.models.export.model_copy import export_safetensors as export_safetensors
    from napari_superres.models.library.add import add_model as add_model
    from napari_superres.models.library.registry import find_card as find_card
    from napari_superres.models.library.registry import list_models as list_models
    from napari_superres.models.library.registry import load_model as load_model
    from napari_superres.models.library.search import search_models as search_models
    from napari_superres.models.library.user_models import remove_model as remove_model
    from napari_superres.models.library.user_models import verify_models as verify_models
    from napari_superres.models.model import Model as Model

_HOMES = {
    "Model": "model",
    "add_model": "library.add",
    "export_bioimageio": "export.bioimageio",
    "export_safetensors": "export.model_copy",
    "find_card": "library.registry",
    "list_models": "library.registry",
    "load_model": "library.registry",
    "remove_model": "library.user_models",
    "search_models": "library.search",
    "verify_models": "library.user_models",
}
__all__ = ["ModelCard", *_HOMES]  # noqa: PLE0604 - the names are strings


def __getattr__(name: str) -> Any:
    # Cards can be listed without torch, which arrives with the first model.
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
