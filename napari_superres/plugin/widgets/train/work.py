"""What the Train widget asks of training, to be called in a thread: torch is imported here, inside functions."""

import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
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
"""Networks in words; those of textbooks teach and are not for use."""

_OF_TEXTBOOKS = ("cnn", "feedforward", "deconv", "rendering")
_PARTS = 5
"""Into how many one image is cut, so that one part can be held out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A training as it was asked for.

    Attributes
    ----------
    layers
        Names and images of layers; empty where there is a folder.
    high, low
        Folder of high-resolution images; that of low-resolution ones where pairs were recorded.
    register
        Whether pairs are moved onto each other.
    network, arguments
        By name; its size, None = its usual one.
    start
        Model whose weights it begins with; empty = at random.
    scale
        Factor per axis, along Y and X or Z, Y and X.
    degradation
        As for `make_instrument`; what makes low-resolution images unless pairs were recorded.
    card
        Fields of the model card.
    minutes
        Budget.
    output
        Model file to write.
    overwrite, resume
        Whether it may be replaced; whether to go on with an unfinished training.
    replaced
        Whether the library's model of that name is replaced.
    """

    layers: tuple[tuple[str, Image], ...]
    high: Path | None
    low: Path | None
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
class Prepared:
    """What is there to train with.

    Attributes
    ----------
    networks
        That can be trained, by name, in words.
    cards
        Of the models one can start from, by name.
    names
        Of all models.
    """

    networks: Mapping[str, str]
    cards: Mapping[str, ModelCard]
    names: frozenset[str]


def prepare() -> Generator[Prepared, None, None]:
    """Import torch, and yield what is there to train with."""
    load_triton()
    from napari_superres import training  # noqa: F401 - so that no later step has to wait for it
    from napari_superres.models import list_models
    from napari_superres.models.architectures import list_architectures

    known, cards = list_architectures(), list_models()
    others = {name: name for name in known if name not in NETWORKS and name not in _OF_TEXTBOOKS}
    usable = {c.name: c for c in cards if c.architecture in known and c.frames == 1}
    yield Prepared(NETWORKS | others, usable, frozenset(c.name for c in cards))


def degradation_of(name: str) -> dict[str, Any]:
    """Return what a shipped model was trained against; nothing of others, whose cards say it in words only."""
    from napari_superres.training import list_recipes, load_recipe

    return dict(load_recipe(name).degradation) if name in list_recipes() else {}


def unfinished(output: Path) -> Path:
    """Return where an unfinished training of a model file would lie; torch must be loaded."""
    from napari_superres.training.checkpoint import checkpoint_path

    return checkpoint_path(output)


def run(task: Task, enough: Callable[[], bool]) -> "Generator[str | TrainingStep | ModelCard, None, None]":
    """Train, and add the model to the library; yield what is being done, how far it is, and the model's card.

    Parameters
    ----------
    task
        What is asked for.
    enough
        Asked whether to end now and keep the best model so far.

    Raises
    ------
    SuperResError
        As `training.train` and `models.add_model`.
    """
    from napari_superres.models import add_model, remove_model
    from napari_superres.training.trainer import iter_train

    with TemporaryDirectory(prefix="superres-") as folder:
        high = task.high or Path(folder) / "layers"  # its name stands on the card
        recipe = _recipe(task, high)
        if not task.high:
            high.mkdir()
            yield from _write(task.layers, high, recipe)
        yield "Preparing: Lightning is loaded, and the images are read…"
        training = iter_train(
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
            yield from training
        except GeneratorExit:
            unfinished(task.output).unlink(missing_ok=True)
            raise
    yield "Adding the model to the library…"
    if task.replaced:
        remove_model(task.output.stem)
    yield add_model(task.output)


def _recipe(task: Task, high: Path) -> "Recipe":
    from napari_superres.training import make_recipe

    return make_recipe(
        task.output.stem,
        [high],
        architecture=task.network,
        arguments=task.arguments,
        scale=task.scale,
        low=task.low,
        degradation=task.degradation,
        card=task.card,
    )


def _write(layers: Sequence[tuple[str, Image]], folder: Path, recipe: "Recipe") -> Iterator[str]:
    """Write layers as files, of a single one some parts; yield what is being done."""
    from napari_superres.io import write_image

    margins = recipe.instrument.margin(recipe.scale)
    least = max(p * s + 2 * m for p, s, m in zip(recipe.edges, recipe.scale, margins, strict=True))
    for i, (name, image) in enumerate(layers):
        parts = cut(image, least) if len(layers) == 1 else [image]
        for j, part in enumerate(parts):
            yield f"Reading {name}…"
            stem = re.sub(r"[^\w-]+", "-", name)[:60]
            write_image(_plain(part), folder / f"{i}-{j}-{stem}.ome.tif")


def cut(image: Image, least: int) -> list[Image]:
    """Return an image as up to five equal parts along its longer side, none shorter than `least` pixels."""
    axis = max("YX", key=image.size)
    count = max(1, min(_PARTS, image.size(axis) // least))
    ends = np.linspace(0, image.size(axis), count + 1).astype(int)
    at = image.axes.index(axis)
    return [image.replace(data=image.data[(*[slice(None)] * at, slice(a, b))]) for a, b in pairwise(map(int, ends))]


def _plain(image: Image) -> Image:
    """Return an image whose type and place any file holds: where it lies teaches nothing."""
    data = np.asarray(image.data)
    wide = data.dtype == np.float16 or (data.dtype.kind in "iu" and data.dtype.itemsize > 2)
    return image.replace(
        data=data.astype(np.float32) if wide else data,
        affine=np.diag([*image.pixel_size, 1.0]),
        space=None,
        metadata={},
    )
