"""The card of a trained model: what it is, what it was made of, how it scored."""

from collections.abc import Sequence
from math import prod
from pathlib import Path

from torch import nn

from napari_superres.models.card import ModelCard
from napari_superres.models.probes.halo import measure_reach
from napari_superres.training.losses import make_loss
from napari_superres.training.recipe import Recipe
from napari_superres.training.sources import Field


def describe(
    recipe: Recipe,
    images: Sequence[Sequence[Field]],
    network: nn.Module,
    *,
    noise: tuple[float, float],
    scores: dict[str, float],
    steps: int,
    start: str = "",
    registered: bool = False,
) -> ModelCard:
    """Return the card of a model.

    Parameters
    ----------
    recipe, images
        What it was trained by and on, the fields of each image.
    network
        As trained; its reach is measured.
    noise
        Least and most of the low-resolution images.
    scores
        Of the validation images.
    steps
        How many were taken.
    start
        Name of the model whose weights training started from.
    registered
        Whether pairs were moved onto each other.
    """
    multiple, frames = (getattr(network, "multiple", 1),) * len(recipe.scale), recipe.instrument.frames
    reach = measure_reach(network, recipe.scale, channels=frames, multiple=multiple)
    words = recipe.instrument.describe()
    size = (
        _pixel_size(images, recipe.scale[-1]) if recipe.channel == "each" else None
    )  # that of photographs says nothing
    facts = {"degradation": words, "pixel_size": size, **recipe.card}
    return ModelCard(
        name=recipe.name,
        architecture=recipe.architecture,
        arguments=recipe.built,
        scale=recipe.scale,
        frames=frames,
        multiple=multiple,
        halo=reach.halo,
        bounded=reach.is_bounded,
        global_statistics=reach.is_global,
        noise=noise,
        training=_training(recipe, images, steps, start, registered),
        scores={"validation": {"protocol": f"held-out training images; {words}", **scores}} if scores else {},
        **facts,
    )


def _training(recipe: Recipe, images: Sequence[Sequence[Field]], steps: int, start: str, registered: bool) -> str:
    names = ", ".join(Path(d).name for d in recipe.data)
    if recipe.low:
        names += f" with {', '.join(Path(d).name for d in recipe.low)}{', registered' if registered else ''}"
    shapes = sorted({field.high.shape for fields in images for field in fields}, key=prod)
    sizes = " to ".join(dict.fromkeys(_by(shape) for shape in (shapes[0], shapes[-1])))
    return (
        f"{names}: {len(images)} images of {sizes} pixels; {steps} steps of {recipe.batch} patches of "
        f"{_by(recipe.edges)} pixels; {make_loss(recipe.loss).describe()}; Adam, cosine schedule, averaged weights."
        + (f" Started from the weights of {start}." if start and start != recipe.name else "")
    )


def _pixel_size(images: Sequence[Sequence[Field]], scale: int) -> tuple[float, float] | None:
    """Return smallest and largest low-resolution pixel in micrometers, if all are known."""
    sizes = [field.pixel_size for fields in images for field in fields]
    known = [size * scale for size in sizes if size is not None]
    if not known or len(known) != len(sizes):
        return None
    low, high = (float(f"{size:.4g}") for size in (min(known), max(known)))  # files hold many in 32 bits
    return low, high


def _by(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
