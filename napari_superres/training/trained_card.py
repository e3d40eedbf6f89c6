"""The card of a trained model: network, training data, degradation and scores."""

from collections.abc import Sequence
from math import prod
from pathlib import Path

from torch import nn

from napari_superres.models.card import ModelCard
from napari_superres.models.probes.halo import measure_reach
from napari_superres.training.images.fields_of_view import Field
from napari_superres.training.losses import make_loss
from napari_superres.training.recipes import Recipe
from napari_superres.training.recipes.teacher import Teacher


def make_card(
    recipe: Recipe,
    images: Sequence[Sequence[Field]],
    network: nn.Module,
    *,
    noise: tuple[float, float],
    scores: dict[str, float],
    steps: int,
    start: str = "",
    teacher: Teacher | None = None,
    registered: bool = False,
) -> ModelCard:
    """Return the card of a trained model.

    Parameters
    ----------
    recipe
        Recipe of the training.
    images
        Fields of view of each image, those held out too.
    network
        Trained network; its halo is measured here.
    noise
        Lowest and highest noise level of the low-resolution images.
    scores
        Scores on the validation images; empty if none were held out.
    steps
        Number of steps done.
    start
        Name of the model whose weights training started from; empty if random.
    teacher
        Model whose results the network learnt as well.
    registered
        Whether recorded pairs were aligned.
    """
    multiple, frames = (getattr(network, "multiple", 1),) * len(recipe.scale), recipe.instrument.frames
    conditions = recipe.instrument.conditions
    reach = measure_reach(network, recipe.scale, channels=frames + len(conditions), multiple=multiple)
    words = recipe.instrument.describe()
    # The pixel size of a photograph is that of its file, not of the scene.
    size = _pixel_size(images, recipe.scale[-1]) if recipe.channel == "each" else None
    seen = {"context": "C"} if recipe.degradation["kind"] == "views" else {}
    facts = {"degradation": words, "pixel_size": size, **seen, **recipe.card}
    return ModelCard(
        name=recipe.name,
        architecture=recipe.architecture,
        arguments=recipe.network_arguments,
        scale=recipe.scale,
        frames=frames,
        conditions=conditions,
        multiple=multiple,
        halo=reach.halo,
        bounded=reach.is_bounded,
        global_statistics=reach.is_global,
        noise=noise,
        training=describe_training(recipe, images, steps, start, teacher, registered),
        scores={"validation": {"protocol": f"held-out training images; {words}", **scores}} if scores else {},
        **facts,
    )


def describe_training(
    recipe: Recipe, images: Sequence[Sequence[Field]], steps: int, start: str, teacher: Teacher | None, registered: bool
) -> str:
    """Return the images and the steps of a training in words, for a card."""
    names = ", ".join(Path(d).name for d in recipe.data)
    if recipe.low:
        names += f" with {', '.join(Path(d).name for d in recipe.low)}{', registered' if registered else ''}"
    shapes = sorted({field.hr.shape for fields in images for field in fields}, key=prod)
    sizes = " to ".join(dict.fromkeys(_format(shape) for shape in (shapes[0], shapes[-1])))
    return (
        f"{names}: {len(images)} images of {sizes} pixels; {steps} steps of {recipe.batch} patches of "
        f"{_format(recipe.edges)} pixels; {make_loss(recipe.loss).describe()}; Adam, cosine schedule, averaged weights."
        + (f" Started from the weights of {start}." if start and start != recipe.name else "")
        + (
            f" {recipe.teacher_share * 100:g} % of the loss against the results of {teacher.describe()}."
            if teacher
            else ""
        )
    )


def _pixel_size(images: Sequence[Sequence[Field]], scale: int) -> tuple[float, float] | None:
    """Return the smallest and largest low-resolution pixel size in micrometres, or None unless all are known."""
    sizes = [field.pixel_size for fields in images for field in fields]
    known = [size * scale for size in sizes if size is not None]
    if not known or len(known) != len(sizes):
        return None
    # Many files hold pixel sizes in 32 bits: further digits are rounding errors.
    low, high = (float(f"{size:.4g}") for size in (min(known), max(known)))
    return low, high


def _format(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
