"""`train`: from a folder of high-resolution images to a model file."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from napari_superres.errors import MissingExtraError, TrainingError
from napari_superres.models.architectures import build
from napari_superres.models.card import ModelCard
from napari_superres.models.files import check_model_target, read_weights, write_model
from napari_superres.models.halo import measure_reach
from napari_superres.training.images import Plane, read_planes
from napari_superres.training.pairs import PatchSource
from napari_superres.training.recipe import Recipe, load_recipe
from napari_superres.training.score import score_planes

_VALIDATION_SHARE = 0.04
_VALIDATION_MOST = 16
_VALIDATION_PLANES = 32


def train(
    recipe: Recipe | str | Path,
    data: Path | str,
    output: Path | str,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    start: Path | str | None = None,
    seed: int = 0,
    overwrite: bool = False,
    progress: bool = True,
) -> Path:
    """Train a model and write it with a complete card.

    Parameters
    ----------
    recipe
        A `Recipe`, the name of a shipped one, or a TOML file.
    data
        Folder that holds the recipe's data folders.
    output
        Model file to write, ``.safetensors``.
    minutes, steps
        Budget; whichever is spent first ends training. The recipe's minutes where both are None.
    start
        Model file whose weights training starts from, where their shapes agree.
    seed
        Of initial weights and all draws.
    overwrite
        Whether an existing `output` may be replaced.
    progress
        Whether to show a progress bar.

    Returns
    -------
    Path
        The model file.

    Raises
    ------
    TrainingError
        If images are missing or too small, or the budget is not above zero.
    OutputExistsError, OutputError
        If `output` exists and `overwrite` is False, or cannot be written; before training.
    MissingExtraError
        If Lightning is not installed.
    """
    try:
        import lightning

        from napari_superres.training.module import SuperResolution
    except ImportError as error:
        raise MissingExtraError(
            "training needs Lightning. Install it with: pip install 'napari-superres-torch[train]'"
        ) from error
    recipe = recipe if isinstance(recipe, Recipe) else load_recipe(recipe)
    output = Path(output)
    check_model_target(output, overwrite=overwrite)
    if not all(budget is None or budget > 0 for budget in (minutes, steps)):
        raise TrainingError(f"minutes and steps must be above 0, got minutes={minutes} and steps={steps}.")
    # It reports hardware it did not find and advertises services.
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    lightning.seed_everything(seed, verbose=False)
    images = read_planes([Path(data) / d for d in recipe.data], channel=recipe.channel, shrink=recipe.shrink)
    training, held = split(images, seed)
    source = PatchSource(
        training, scale=recipe.scale[0], patch=recipe.patch, degradation=recipe.degradation, seed=seed
    )  # fmt: skip
    network = build(recipe.architecture, {**recipe.arguments, "scale": recipe.scale})
    if start is not None:
        _load_matching(network, Path(start))
    budget = minutes if minutes is not None or steps is not None else recipe.minutes
    module = SuperResolution(network, rate=recipe.rate, steps=steps, minutes=budget)
    trainer = lightning.Trainer(
        max_steps=steps or -1, max_epochs=-1, accelerator="auto", devices=1, logger=False,
        enable_checkpointing=False, enable_model_summary=False, enable_progress_bar=progress,
        gradient_clip_val=1.0, default_root_dir=output.parent,
    )  # fmt: skip
    trainer.fit(module, DataLoader(_Batches(source, recipe.batch), batch_size=None))
    best = module.average.module.cpu().eval()
    assert isinstance(best, torch.nn.Module)
    scores = score_planes(best, held, scale=recipe.scale[0], degradation=recipe.degradation) if held else {}
    card = _card(recipe, best, {"validation": {"protocol": "held-out training images", **scores}}, module.global_step)
    if start is not None:
        card = replace(card, training=f"{card.training} Started from the weights of {Path(start).stem}.")
    return write_model(output, card, best.state_dict(), overwrite=overwrite)


def split(images: Sequence[Sequence[Plane]], seed: int) -> tuple[list[Plane], list[Plane]]:
    """Return planes for training and planes for validation; all planes of an image are on one side.

    Neighbouring planes of a stack are nearly the same: divided, they would flatter the score.
    """
    order = np.random.default_rng(seed).permutation(len(images))
    count = min(_VALIDATION_MOST, max(1, round(len(images) * _VALIDATION_SHARE))) if len(images) > 1 else 0
    chosen = [[plane for i in part for plane in images[i]] for part in (order[count:], order[:count])]
    # Evenly over all held-out images, and no longer than a score is worth.
    step = max(1, -(-len(chosen[1]) // _VALIDATION_PLANES))
    return chosen[0], chosen[1][::step]


class _Batches(IterableDataset[tuple[Tensor, Tensor]]):
    """An endless stream of batches."""

    def __init__(self, source: PatchSource, size: int) -> None:
        self.source, self.size = source, size

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield self.source.batch(self.size)


def _load_matching(network: torch.nn.Module, path: Path) -> None:
    own = network.state_dict()
    given = {k: v for k, v in read_weights(path).items() if k in own and own[k].shape == v.shape}
    if not given:
        raise TrainingError(f"no weights of {path.name} fit this network. Start from a model of the same architecture.")
    network.load_state_dict({**own, **given})


def _card(recipe: Recipe, network: torch.nn.Module, scores: dict[str, Any], steps: int) -> ModelCard:
    multiple = (getattr(network, "multiple", 1),) * len(recipe.scale)
    reach = measure_reach(network, recipe.scale, multiple=multiple)
    return ModelCard(
        name=recipe.name,
        architecture=recipe.architecture,
        arguments={**recipe.arguments, "scale": list(recipe.scale)},
        scale=recipe.scale,
        multiple=multiple,
        halo=reach.halo,
        bounded=reach.is_bounded,
        global_statistics=reach.is_global,
        training=f"{', '.join(recipe.data)}; {steps} steps of {recipe.batch} patches of {recipe.patch} pixels; "
        "L1, then MSE; Adam, cosine schedule, averaged weights.",
        scores=scores,
        **recipe.card,
    )
