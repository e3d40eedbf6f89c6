"""The training of the Train widget. Runs in a thread; torch is imported inside functions."""

import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_superres.core.image import Image
from napari_superres.models import ModelCard
from napari_superres.plugin.worker.triton import load_triton

if TYPE_CHECKING:
    from napari_superres.training import Recipe, TrainingStep

NETWORKS = {
    "photo": "EDSR, small",
    "edsr": "EDSR: slow",
    "rcan": "RCAN: very slow",
    "dfcan": "DFCAN: slow",
    "span": "SPAN",
    "unet": "U-Net",
    "vdsr": "VDSR: slow",
    "fsrcnn": "FSRCNN: fast",
    "espcn": "ESPCN: fastest",
    "srcnn": "SRCNN",
}
"""Labels of networks by name."""

_TEXTBOOK = ("cnn", "feedforward", "deconv", "rendering")
"""Networks for teaching, which the widget does not offer."""
_PARTS = 5
"""Number of parts into which a single image is cut, so that one part can be held out."""


@dataclass(frozen=True, slots=True)
class Images:
    """Images to learn from.

    Attributes
    ----------
    layers
        Names and images of layers; empty where there is a folder.
    high
        Folder of high-resolution or noisy images; None where there are layers.
    low
        Folder of low-resolution images where pairs were recorded, or of second recordings of noisy images.
    """

    layers: tuple[tuple[str, Image], ...] = ()
    high: Path | None = None
    low: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A training as it was asked for.

    Attributes
    ----------
    images
        Images to learn from.
    register
        Whether to align the images of each pair.
    network, arguments
        Name and arguments of the network; None for its usual arguments.
    start
        Model whose weights it begins with; empty for random weights.
    scale
        Factor per axis, along Y and X or Z, Y and X.
    degradation
        As for `make_instrument`.
    card
        Fields of the model card.
    minutes
        Time to train.
    output
        Model file to write.
    overwrite, resume
        Whether to replace the file, and whether to continue an unfinished training.
    replaced
        Whether to replace the library's model of that name.
    """

    images: Images
    register: bool
    network: str
    arguments: Mapping[str, Any] | None
    start: str
    scale: tuple[int, ...]
    degradation: Mapping[str, Any]
    card: Mapping[str, str]
    minutes: float
    output: Path
    overwrite: bool
    resume: bool
    replaced: bool


@dataclass(frozen=True, slots=True)
class Available:
    """Networks and models to choose from.

    Attributes
    ----------
    networks
        Labels of the networks that can be trained, by name.
    cards
        Cards of the models that can be refined, by name.
    names
        Names of all models.
    """

    networks: Mapping[str, str]
    cards: Mapping[str, ModelCard]
    names: frozenset[str]


BEFORE_LOADING = Available(NETWORKS, {}, frozenset())
"""What is offered until torch is loaded."""


@dataclass(frozen=True, slots=True)
class Trained:
    """Result of a training.

    Attributes
    ----------
    card
        Card of the new model, as it is in the library.
    notes
        What the user should know about it.
    """

    card: ModelCard
    notes: tuple[str, ...]


def prepare() -> Generator[Available, None, None]:
    """Import torch, and yield the networks and models to choose from."""
    load_triton()
    from napari_superres import training  # noqa: F401 - imported now, so that no later step has to wait for it
    from napari_superres.models import list_models
    from napari_superres.models.architectures import UNTRAINED, list_architectures

    architectures, cards = [n for n in list_architectures() if n not in UNTRAINED], list_models()
    others = {name: name for name in architectures if name not in NETWORKS and name not in _TEXTBOOK}
    refinable = {c.name: c for c in cards if c.architecture in architectures and c.frames == 1}
    yield Available(NETWORKS | others, refinable, frozenset(c.name for c in cards))


def recipe_degradation(name: str) -> dict[str, Any]:
    """Return the degradation that a shipped model was trained with; empty for others, whose cards describe it only."""
    from napari_superres.training import list_recipes, load_recipe

    return dict(load_recipe(name).degradation) if name in list_recipes() else {}


def unfinished_path(output: Path) -> Path:
    """Return the path of an unfinished training of a model file. Torch must be loaded."""
    from napari_superres.training.running.checkpoint import checkpoint_path

    return checkpoint_path(output)


def run(task: Task, enough: Callable[[], bool]) -> "Generator[str | TrainingStep | Trained, None, None]":
    """Train, and add the model to the library.

    Parameters
    ----------
    task
        The training.
    enough
        Returns whether to end now and keep the best model so far.

    Yields
    ------
    str, TrainingStep or Trained
        Status lines, the progress, and finally the result.

    Raises
    ------
    SuperResError
        As `train` and `add_model`.
    """
    from napari_superres.models import add_model, remove_model

    notes: dict[str, None] = {}  # An ordered set.
    with TemporaryDirectory(prefix="superres-") as folder:
        high = task.images.high or Path(folder) / "layers"  # The model card names this folder.
        recipe = _recipe(task, high)
        if not task.images.high:
            high.mkdir()
            yield from _write_layers(task.images.layers, high, recipe)
        yield "Preparing: loading Lightning and reading the images…"
        with closing(_train(task, recipe, enough)) as steps:
            for step in steps:
                notes |= dict.fromkeys(step.notes)
                yield step
    yield "Adding the model to the library…"
    if task.replaced:
        remove_model(task.output.stem)
    yield Trained(add_model(task.output), tuple(notes))


def _train(task: Task, recipe: "Recipe", enough: Callable[[], bool]) -> "Generator[TrainingStep, None, None]":
    """Train and write the model file. Closing the generator ends training and removes what is unfinished."""
    from napari_superres.training.trainer import iter_train

    steps = iter_train(
        recipe,
        Path(),
        task.output,
        stop=enough,
        minutes=task.minutes,
        start=task.start or None,
        overwrite=task.overwrite,
        resume=task.resume,
        register=task.register,
    )
    try:
        yield from steps  # `yield from` closes the steps first, so that nothing is written afterwards.
    except GeneratorExit:
        unfinished_path(task.output).unlink(missing_ok=True)
        raise


def _recipe(task: Task, high: Path) -> "Recipe":
    from napari_superres.training import make_recipe

    return make_recipe(
        task.output.stem,
        [high],
        architecture=task.network,
        arguments=task.arguments,
        scale=task.scale,
        low=task.images.low,
        degradation=task.degradation,
        card=task.card,
    )


def _write_layers(layers: Sequence[tuple[str, Image]], folder: Path, recipe: "Recipe") -> Iterator[str]:
    """Write layers as files, a single layer in parts, and yield status lines."""
    from napari_superres.io import write_image

    margins = recipe.instrument.margin(recipe.scale)
    least = max(p * s + 2 * m for p, s, m in zip(recipe.edges, recipe.scale, margins, strict=True))
    for i, (name, image) in enumerate(layers):
        parts = cut(image, least) if len(layers) == 1 else [image]
        for j, part in enumerate(parts):
            yield f"Reading {name}…"
            stem = re.sub(r"[^\w-]+", "-", name)[:60]
            write_image(_writable(part), folder / f"{i}-{j}-{stem}.ome.tif")


def cut(image: Image, least: int) -> list[Image]:
    """Return an image as up to five equal parts along its longer side, none shorter than `least` pixels."""
    axis = max("YX", key=image.size)
    count = max(1, min(_PARTS, image.size(axis) // least))
    ends = np.linspace(0, image.size(axis), count + 1).astype(int)
    before = [slice(None)] * image.axes.index(axis)
    return [image.replace(data=image.data[(*before, slice(a, b))]) for a, b in pairwise(map(int, ends))]


def _writable(image: Image) -> Image:
    """Return an image that OME-TIFF can hold. Its position in space is dropped, because training does not use it."""
    data = np.asarray(image.data)
    to_float = data.dtype == np.float16 or (data.dtype.kind in "iu" and data.dtype.itemsize > 2)
    return image.replace(
        data=data.astype(np.float32) if to_float else data,
        affine=np.diag([*image.pixel_size, 1.0]),
        space=None,
        metadata={},
    )
