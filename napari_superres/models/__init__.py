"""Models: what they are (cards), where they are (registry, files) and how they compute (networks).

``card``           `ModelCard`, the facts a model carries
``files``          the one-file format: safetensors with the card in its header
``registry``       `list_models` and `load_model`: shipped weights, the library, model files, interpolation by name
``builtin``        what comes with the program: shipped weights and interpolation
``library``        model files that a user keeps: `add_model`, `remove_model`, `verify_models`
``index``          the library's folder and the sha256 of each file in it
``loading``        from a file to a network that is what its card says
``growth``         stops a network that grows beyond its file's weights
``model``          `Model`: a card and its network, ready to run
``domain``         whether a model suits an image
``interpolate``    nearest, bicubic, Lanczos and sinc on the right grid; also the networks' skip
``halo``           how far a network looks, measured with NaN probes
``statistics``     layers that look at the whole image, met and computed window by window
``remembered``     what was measured of models on this machine, kept between runs
``architectures``  one network per file
"""

from typing import TYPE_CHECKING, Any

from napari_superres.models.card import ModelCard as ModelCard

if TYPE_CHECKING:
    from napari_superres.models.library.added import add_model as add_model
    from napari_superres.models.library.added import remove_model as remove_model
    from napari_superres.models.library.added import verify_models as verify_models
    from napari_superres.models.library.registry import find_card as find_card
    from napari_superres.models.library.registry import list_models as list_models
    from napari_superres.models.library.registry import load_model as load_model
    from napari_superres.models.model import Model as Model

_LIBRARY = ("add_model", "remove_model", "verify_models")
__all__ = ["Model", "ModelCard", "add_model", "find_card", "list_models", "load_model", "remove_model", "verify_models"]


def __getattr__(name: str) -> Any:
    # Cards can be listed without torch; it arrives with the first model.
    if name == "Model":
        from napari_superres.models.model import Model

        return Model
    if name in _LIBRARY:
        from napari_superres.models.library import added as library

        return getattr(library, name)
    if name in __all__:
        from napari_superres.models.library import registry

        return getattr(registry, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
