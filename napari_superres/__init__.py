"""Super-resolution of scientific images with PyTorch: in napari, in scripts, on the command line.

Each folder is a layer and imports only what stands below it; docs/explanation/architecture.md lists all imports. Begin
with the layer of your question, and read the docstring of its ``__init__``.

``plugin``       the widgets, readers and writers of napari: the only folder that knows napari and Qt
``cli``          the program `superres`
``training``     models from images
``evaluation``   scores, maps, error bars and reports
``inference``    plans, tiles, devices, and files larger than memory
``degradation``  low-resolution images simulated from high-resolution ones
``models``       model cards and files, networks, and the library of models
``io``           file formats
``core``         images, axes, grids, tiles and intensities: numpy only
``storage``      files written all or nothing; OME-Zarr by address
``limits``       what a file of unknown origin may make the program do
``errors``       all errors, and how messages name settings

Importing this package loads nothing heavy: public names are imported when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_superres.core.image import Image as Image
    from napari_superres.degradation import degrade as degrade
    from napari_superres.degradation import measure_psf as measure_psf
    from napari_superres.degradation import resample as resample
    from napari_superres.errors import SuperResError as SuperResError
    from napari_superres.evaluation import evaluate as evaluate
    from napari_superres.evaluation import evaluate_folder as evaluate_folder
    from napari_superres.inference import iter_upscale as iter_upscale
    from napari_superres.inference import upscale as upscale
    from napari_superres.inference import upscale_file as upscale_file
    from napari_superres.inference import verify_result as verify_result
    from napari_superres.io import read_image as read_image
    from napari_superres.io import write_image as write_image
    from napari_superres.models import ModelCard as ModelCard
    from napari_superres.models import list_models as list_models
    from napari_superres.models import load_model as load_model
    from napari_superres.training import train as train
    from napari_superres.training.isotropic import isotropic as isotropic

__version__ = "0.1.0"

_HOMES = {
    "Image": "napari_superres.core.image",
    "SuperResError": "napari_superres.errors",
    "read_image": "napari_superres.io",
    "write_image": "napari_superres.io",
    "ModelCard": "napari_superres.models",
    "list_models": "napari_superres.models",
    "load_model": "napari_superres.models",
    "iter_upscale": "napari_superres.inference",
    "upscale": "napari_superres.inference",
    "upscale_file": "napari_superres.inference",
    "verify_result": "napari_superres.inference",
    "evaluate": "napari_superres.evaluation",
    "evaluate_folder": "napari_superres.evaluation",
    "degrade": "napari_superres.degradation",
    "measure_psf": "napari_superres.degradation",
    "resample": "napari_superres.degradation",
    "isotropic": "napari_superres.training.isotropic",
    "train": "napari_superres.training",
}
__all__ = [*_HOMES, "__version__"]  # noqa: PLE0604 - the names are strings


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
