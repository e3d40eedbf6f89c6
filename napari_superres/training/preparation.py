"""Everything that a training starts from: images, patches, network and settings, checked before the first step."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from napari_superres.errors import MissingExtraError, TrainingError
from napari_superres.models.architectures import build
from napari_superres.models.library.registry import find_card, model_path
from napari_superres.models.model_file import check_model_target, digest, read_weights
from napari_superres.storage.atomic import check_writable, make_folder
from napari_superres.training.images.fields_of_view import Field, ImageSet, read_fields
from napari_superres.training.images.recorded_pairs import read_pairs, read_repeats
from napari_superres.training.options import TrainOptions
from napari_superres.training.patches import PatchSampler
from napari_superres.training.recipes import Recipe, load_recipe
from napari_superres.training.recipes.teacher import Teacher
from napari_superres.training.running.checkpoint import find_checkpoint, settings_json
from napari_superres.training.validation import hold_out


@dataclass(frozen=True, slots=True)
class Preparation:
    """Everything that a training starts from.

    Attributes
    ----------
    recipe
        The recipe.
    output
        Model file to write.
    images
        All images, those held out too.
    training, held_out
        Fields of view for training, and for validation.
    sampler
        Draws patches of the fields for training.
    network
        The network, with its initial weights.
    start
        Model file that the weights come from; None = random weights.
    teacher
        Model whose results the network learns as well; None = the truth alone.
    steps, minutes
        Budget.
    settings
        Everything that decides the result, as JSON, for checkpoints.
    checkpoint
        Checkpoint to resume from; None = start from the beginning.
    notes
        What the user should know before training.
    """

    recipe: Recipe
    output: Path
    images: ImageSet
    training: Sequence[Field]
    held_out: Sequence[Field]
    sampler: PatchSampler
    network: torch.nn.Module
    start: Path | None
    teacher: Teacher | None
    steps: int | None
    minutes: float | None
    settings: str
    checkpoint: Path | None
    notes: tuple[str, ...]


def prepare(recipe: Recipe | str | Path, data: Path, output: Path, options: TrainOptions) -> Preparation:
    """Read the images, draw the initial weights and check everything before the first step.

    Parameters
    ----------
    recipe, data, output
        As in `train`.
    options
        All options of `train`.

    Raises
    ------
    SuperResError
        As `train`.
    """
    _check_lightning()
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    check_model_target(output, overwrite=options["overwrite"])
    if options["log"] is not None:
        make_folder(Path(options["log"]))
        check_writable(Path(options["log"], "curves"))
    steps, minutes = options["steps"], _minutes(recipe, options)
    first = options["start"] or recipe.start or None
    start = None if first is None else _weights_file(first)
    recipe = _tell_noise(recipe, start)
    images = _read_images(recipe, data, register=options["register"])
    teacher = Teacher(_teacher_file(recipe.teacher, data), recipe) if recipe.teacher else None
    settings = {
        "recipe": {**asdict(recipe), "card": {}},  # the text of the card may change between interruption and resumption
        "images": [[(*f.hr.shape, float(f.hr.mean())) for f in fields] for fields in images.images],
        "seed": options["seed"],
        "steps": steps,
        "minutes": minutes,
        "start": None if start is None else digest(start),
        "teacher": None if teacher is None else teacher.sha256,
    }
    checkpoint = find_checkpoint(output, settings, resume=options["resume"], overwrite=options["overwrite"])
    training, held_out, notes = _split(recipe, images, options["seed"])
    sampler = PatchSampler(
        training,
        scale=recipe.scale,
        patch=recipe.edges,
        instrument=recipe.instrument,
        seed=options["seed"],
        teacher=teacher,
    )
    network = build(recipe.architecture, recipe.network_arguments)
    weight_notes = () if start is None else load_matching_weights(network, start, len(recipe.instrument.conditions))
    return Preparation(
        recipe=recipe,
        output=output,
        images=images,
        training=training,
        held_out=held_out,
        sampler=sampler,
        network=network,
        start=start,
        teacher=teacher,
        steps=steps,
        minutes=minutes,
        settings=settings_json(settings),
        checkpoint=checkpoint,
        notes=(*images.notes, *notes, *sampler.notes, *weight_notes, *(teacher.notes if teacher else ())),
    )


_AVERAGED = "averaged"
"""The network that is of no use without being told the noise."""


def _tell_noise(recipe: Recipe, start: Path | None) -> Recipe:
    """Let a network that starts from one that is told the noise be told that of its noisy images, too."""
    told = {} if start is None else {name: list(ends) for name, ends in find_card(start).conditions.items()}
    if told and recipe.degradation.get("kind") == "splits":
        recipe = replace(recipe, degradation={**recipe.degradation, "told": told})
    if recipe.architecture == _AVERAGED and not recipe.instrument.conditions:
        raise TrainingError(
            "a network that denoises with the weights of a finer grid must be told the noise, which is not known here.",
            remedy="Learn from single noisy images, or choose another model as `start`.",
        )
    return recipe


def _check_lightning() -> None:
    try:
        import napari_superres.training.running.loop  # noqa: F401 - the only module that needs it, with its Lightning module
    except ImportError as error:
        raise MissingExtraError(
            "training needs Lightning, which is not installed.",
            remedy="Install it with: pip install 'napari-superres-torch[train]'",
        ) from error


def _minutes(recipe: Recipe, options: TrainOptions) -> float | None:
    minutes, steps = options["minutes"], options["steps"]
    if not all(budget is None or budget > 0 for budget in (minutes, steps)):
        raise TrainingError(f"minutes and steps must be above 0, got minutes={minutes} and steps={steps}.")
    return minutes if minutes is not None or steps is not None else recipe.minutes


def _read_images(recipe: Recipe, data: Path, *, register: bool) -> ImageSet:
    if recipe.low:
        folders = zip(recipe.low, recipe.data, strict=True)
        if recipe.degradation.get("repeats"):
            pairs = [read_repeats(data / low, data / high, recipe.scale[-1]) for low, high in folders]
        else:
            pairs = [read_pairs(data / low, data / high, recipe.scale[0], register=register) for low, high in folders]
        images = [fields for folder in pairs for fields in folder.images]
        return ImageSet(images, tuple(note for folder in pairs for note in folder.notes))
    for folder in recipe.data:
        if not Path(folder).is_absolute() and not (data / folder).is_dir():
            raise TrainingError(
                f"{data} must be the folder that holds those of the recipe, {', '.join(recipe.data)}; it has no "
                f"folder {folder}.",
                remedy="Set `data` to that folder.",
            )
    return read_fields(
        [data / d for d in recipe.data],
        channel=recipe.channel,
        shrink=recipe.shrink,
        ndim=len(recipe.scale),
        shares=recipe.shares,
    )


def _split(recipe: Recipe, images: ImageSet, seed: int) -> tuple[list[Field], list[Field], tuple[str, ...]]:
    """Return the fields for training, those for validation, and notes."""
    if not recipe.hold_out:
        return [field for fields in images.images for field in fields], [], ()
    training, held_out = hold_out(images.images, seed)
    if held_out:
        return training, held_out, ()
    return training, [], ("a single image leaves none to hold out: the model will have no scores. Give at least two.",)


def _weights_file(start: Path | str) -> Path:
    if find_card(start).is_interpolation:
        raise TrainingError(
            f"{start} is interpolation and has no weights to start from.", remedy="Set `start` to a network."
        )
    return model_path(start)


def _teacher_file(name: str, data: Path) -> Path | str:
    """Return the file of a teacher in the data folder, or else its name."""
    return data / name if (data / name).is_file() else name


def load_matching_weights(network: torch.nn.Module, path: Path, conditions: int) -> tuple[str, ...]:
    """Load the weights of a file whose shapes agree, and return notes about the others.

    Planes of conditions that the file's network was not told begin without effect; those that only the file's network
    was told are left out.
    """
    told = len(find_card(path).conditions)
    own: dict[str, Any] = network.state_dict()
    weights = read_weights(path)
    given = {k: _fit_conditions(v, own[k].shape, conditions - told) for k, v in weights.items() if k in own}
    matching = {k: v for k, v in given.items() if own[k].shape == v.shape}
    if not matching:
        raise TrainingError(
            f"no weights of {path.name} fit this network.", remedy="Set `start` to a model of the same architecture."
        )
    network.load_state_dict({**own, **matching})
    if len(matching) == len(own):
        return ()
    return (
        f"{len(matching)} of {len(own)} weights are taken from {path.stem}; the others have another shape, as weights "
        "that depend on the scale do, and start at random.",
    )


def _fit_conditions(weight: torch.Tensor, shape: torch.Size, missing: int) -> torch.Tensor:
    """Return a weight with zeros for missing planes of conditions, or without surplus ones, if only these differ."""
    if not missing or weight.ndim < 2 or shape[1] != weight.shape[1] + missing:
        return weight
    if missing < 0:
        return weight[:, :missing].contiguous()
    return torch.cat([weight, weight.new_zeros(weight.shape[0], missing, *weight.shape[2:])], dim=1)
