"""Which network the weights of a checkpoint belong to."""

from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

from torch import Tensor

from napari_superres.errors import MissingExtraError, ModelFileError
from napari_superres.models.foreign.foreign_model import ForeignModel
from napari_superres.models.foreign.loaders.published import detect_published
from napari_superres.models.foreign.loaders.spandrel_models import detect_spandrel

Loader = Callable[[Path, dict[str, Tensor]], ForeignModel | None]

_LOADERS: tuple[Loader, ...] = (detect_spandrel, detect_published)


def detect_model(path: Path, readings: Sequence[dict[str, Tensor]]) -> ForeignModel:
    """Recognise the network that some weights belong to.

    Parameters
    ----------
    path
        The weights' file.
    readings
        Tensors by name, in each way in which the file can be read, the likeliest first.

    Returns
    -------
    ForeignModel
        The model of the first reading that a loader recognises.

    Raises
    ------
    ModelFileError
        If no loader recognises any of them, or the network takes more than an image.
    MissingExtraError
        If a library is not installed that might recognise them.
    """
    first: ModelFileError | None = None
    missing: MissingExtraError | None = None
    for reading, loader in product(readings, _LOADERS):
        try:
            if (model := loader(path, reading)) is not None:
                return model
        except MissingExtraError as error:
            missing = error
        except ModelFileError as error:
            first = first or error
    if first is not None:
        raise first
    if missing is not None:
        raise missing
    names = "".join(c for c in ", ".join(list(readings[0])[:3]) if c.isprintable())
    raise ModelFileError(
        f"{path.name}: this program recognises no architecture by these weights, which begin with {names[:200]}.",
        remedy="Export the network where its code runs, by torch.onnx.export, and add the .onnx file.",
    )
