"""Learning from one layer, in a thread: from a stack of thick slices, or to refine a model."""

import re
from collections.abc import Generator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from napari_superres.core.image import Image
from napari_superres.models.library.index import library_entries
from napari_superres.models.model_file import SUFFIX
from napari_superres.plugin.worker.tasks import in_use
from napari_superres.plugin.worker.triton import load_triton

if TYPE_CHECKING:
    from napari_superres.training import TrainingStep
    from napari_superres.training.isotropic import LearningStep

_MINUTES = 15
"""Most time for learning, after which too few steps were done: the user can cancel at any time."""


class LearntModel(NamedTuple):
    """Name of a model in the library, empty if there is none; the gain in a sentence, and what the user should know."""

    name: str
    verdict: str
    notes: tuple[str, ...]


def learn_isotropic(image: Image, layer: str) -> "Generator[LearningStep | LearntModel, None, None]":
    """Yield the steps of learning from a stack, then its model, which is in the library by then.

    Parameters
    ----------
    image
        Stack.
    layer
        Name of its layer, after which the model is named.

    Raises
    ------
    SuperResError
        If the stack is not suitable, interpolation is as good, or the library cannot be written.
    """
    load_triton()  # before the optimiser of the training imports it
    from napari_superres.models.library.add import import_model
    from napari_superres.training.isotropic import iter_learning, keep_model

    with in_use, TemporaryDirectory(prefix="superres-") as folder:
        learnt = yield from iter_learning(image, {"minutes": _MINUTES})
        path = Path(folder) / f"{_free_name('isotropic', layer)}{SUFFIX}"
        keep_model(learnt, path, overwrite=False)
        card, _ = import_model(path)
        yield LearntModel(card.name, learnt.verdict, learnt.notes)


def adapt_model(
    image: Image, layer: str, model: str, *, minutes: float, psf: Mapping[str, float] | None = None
) -> "Generator[TrainingStep | LearntModel, None, None]":
    """Yield the steps of refining a model on an image, then the model, in the library if it is better.

    Parameters
    ----------
    image
        Noisy image.
    layer
        Name of its layer, after which the model is named.
    model
        Name of the model to refine.
    minutes
        Time to learn.
    psf
        Sigma of the point-spread function per axis in micrometres, if it is known.

    Raises
    ------
    SuperResError
        As `adapt`, or if the library cannot be written.
    """
    load_triton()
    from napari_superres.models.library.add import import_model
    from napari_superres.training import iter_adapt

    with in_use, TemporaryDirectory(prefix="superres-") as folder:
        path = Path(folder) / f"{_free_name('adapted', layer)}{SUFFIX}"
        done = yield from iter_adapt([image], model, path, psf=psf, minutes=minutes)
        name = "" if done.path is None else import_model(done.path)[0].name
        yield LearntModel(name, done.describe(Path(model).stem), done.notes)


def _free_name(kind: str, layer: str) -> str:
    """Return a name that no model of the library has."""
    stem = re.sub(r"[^a-z0-9]+", "-", layer.lower()).strip("-")[:40] or "image"
    known = {name.lower() for name in library_entries()}
    names = (f"{kind}-{stem}" + (f"-{number}" if number > 1 else "") for number in range(1, len(known) + 2))
    return next(name for name in names if name not in known)
