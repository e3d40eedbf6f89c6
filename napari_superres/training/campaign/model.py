"""One training of a campaign: from fields of view to a model file, which is written again every half a minute."""

import time
from collections.abc import Callable
from dataclasses import replace
from math import isfinite
from pathlib import Path

import torch

from napari_superres.degradation.instruments import Conditioned
from napari_superres.errors import TrainingError
from napari_superres.models.architectures import build
from napari_superres.models.card import ModelCard
from napari_superres.models.model_file import SUFFIX, write_model
from napari_superres.training.campaign.gains import HeldOut, describe_protocol, summarise
from napari_superres.training.campaign.images import Fields
from napari_superres.training.campaign.log import Log
from napari_superres.training.campaign.patches import DevicePatches
from napari_superres.training.campaign.step import Steps
from napari_superres.training.losses import make_loss
from napari_superres.training.preparation import load_matching_weights
from napari_superres.training.recipes import Recipe
from napari_superres.training.trained_card import describe_training, make_card
from napari_superres.training.validation import crop_to_structure, measure_noise_range, select_evenly

_SAVE_SECONDS = 30.0
_STEPS_BETWEEN_LOOKS = 10
"""Steps of a GPU between looks at the clock."""


class ModelTraining:
    """Trains one model and writes it.

    Parameters
    ----------
    recipe
        Recipe of the training; its folders exist.
    fields
        Fields of view of the recipe.
    folder
        Folder of the model file. A file of an earlier run is continued; so is the model that the recipe starts from, if
        its file is there.
    log
        Takes scores and loss.
    device
        Where to train.
    graphs
        Whether a GPU repeats the steps as graphs.

    Raises
    ------
    TrainingError
        If no field is as large as a patch, or a model file has other weights than the recipe's network.
    """

    def __init__(
        self, recipe: Recipe, fields: Fields, folder: Path, log: Log, device: torch.device, *, graphs: bool = True
    ) -> None:
        self._recipe, self._images, self._log, self._device = recipe, fields.images, log, device
        self._path = folder / f"{recipe.name}{SUFFIX}"
        self._share = float(log.of(recipe.name).get("share", 0.0)) if self._path.exists() else 0.0
        self._earlier_steps = int(log.of(recipe.name).get("steps", 0)) if self._share else 0
        network = build(recipe.architecture, recipe.network_arguments)
        first = folder / f"{recipe.start}{SUFFIX}"
        start = self._path if self._share else first if recipe.start and first.exists() else None
        if start is not None:
            load_matching_weights(network, start, len(recipe.instrument.conditions))
        self._start = recipe.start if recipe.start and first.exists() else ""
        instrument = recipe.instrument
        assert isinstance(instrument, Conditioned)
        patches = DevicePatches(
            fields.training,
            fields.noise,
            scale=recipe.scale,
            edge=recipe.edges[0],
            instrument=instrument,
            device=device,
        )
        self._held_out = HeldOut(fields.held_out, recipe.scale, instrument, device)
        self._card = self._make_card(network.eval(), fields)
        self._steps = Steps(
            network.train(),
            lambda: patches.batch(recipe.batch),
            loss=make_loss(recipe.loss),
            rate=recipe.rate,
            device=device,
            graphs=graphs,
        )

    def run(self, seconds: float, steps: int | None, stop: Callable[[], bool]) -> None:
        """Train until the time is over, or the steps are done, or `stop` returns True.

        The model is written now and then, and at the end.

        Raises
        ------
        TrainingError
            If the loss is not finite. The last model file stays.
        GraphError
            If the steps cannot be recorded as a graph.
        """
        first, began = self._share, time.monotonic()
        saved, at_once = began, _STEPS_BETWEEN_LOOKS if self._device.type == "cuda" else 1
        while self._share < 1.0 and not stop():
            self._steps.run(at_once, self._share)
            now = time.monotonic()
            spent = max((now - began) / seconds, self._steps.count / steps if steps else 0.0)
            self._share = min(1.0, first + (1.0 - first) * spent)
            if now - saved >= _SAVE_SECONDS and self._share < 1.0:
                self._save(now - began)
                saved = time.monotonic()
        self._save(time.monotonic() - began)

    def _save(self, seconds: float) -> None:
        """Write the averaged weights with a card, and the scores."""
        loss = self._steps.mean_loss()
        if not isfinite(loss):
            raise TrainingError(f"the loss of {self._recipe.name} was not finite at step {self._steps.count}.")
        steps = self._earlier_steps + self._steps.count
        gains = self._held_out.score(self._steps.average)
        scores = summarise(gains)
        shown = {"protocol": describe_protocol(self._held_out), **scores} if gains else {}
        card = replace(
            self._card,
            training=describe_training(self._recipe, self._images, steps, self._start, None, registered=False),
            scores={"validation": shown} if shown else {},
        )
        write_model(self._path, card, self._steps.average.state_dict(), overwrite=True)
        self._log.write(
            self._recipe.name,
            share=round(self._share, 4),
            steps=steps,
            steps_per_second=round(self._steps.count / max(seconds, 1e-6), 2),
            loss=round(loss, 6),
            start=self._start,
            **scores,
            conditions=gains,
        )

    def _make_card(self, network: torch.nn.Module, fields: Fields) -> ModelCard:
        recipe = self._recipe
        parts = self._held_out.parts or [crop_to_structure(f, recipe.scale) for f in select_evenly(fields.training)]
        return make_card(
            recipe,
            fields.images,
            network,
            noise=measure_noise_range(parts, scale=recipe.scale, instrument=recipe.instrument),
            scores={},
            steps=0,
            start=self._start,
        )
