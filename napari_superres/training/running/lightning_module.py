"""The Lightning module: one optimisation step, the learning rate, the averaged weights, and the best of them."""

import math
import time
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from napari_superres.errors import TrainingError
from napari_superres.training.losses import Loss
from napari_superres.training.progress import Example, TrainingStep
from napari_superres.training.running.checkpoint import KEY, PROGRESS

_WARM_UP = 0.02
"""Share of the budget in which the learning rate rises."""

_VALIDATIONS = 20
"""Largest number of validations."""

_VALIDATION_SHARE = 0.15
"""Share of a time budget that validation may take: a deep network needs as long for a few images as for many steps."""

_PATIENCE = 8
"""Validations in a row without a better score after which training ends, if the score has fallen."""

_FALL_DB = 0.2
"""Fall of the score below the best one, in dB, that shows that more training is in vain.

A score that stands still may rise again: weights that were trained before gain only when the learning rate falls. A
smaller fall is chance: a few images decide it.
"""

_MAX_BAD = 10
"""Steps in a row with a loss or gradient that is not finite, after which training fails."""

_REPORT_SECONDS = 0.2

Score = Callable[[nn.Module], tuple[float, float]]
"""Returns the mean PSNR of a network, and of bicubic interpolation, on the validation images."""


class SuperResolution(lightning.LightningModule):
    """Trains a network with Adam, a cosine schedule and an average of its weights.

    Progress is the share of the budget that is spent, in steps or minutes, whichever is larger. Training ends early
    after eight validations in a row, two fifths of the budget, without a better score, if the score has fallen.

    Parameters
    ----------
    network
        Network to train; it is changed.
    loss
        Loss to minimise.
    rate
        Learning rate after warm-up.
    steps, minutes
        Budget.
    score, make_example
        Functions that score the averaged weights, and show an example of them; None if no images are held out.
    stop
        Called after every step; training ends if it returns True. It may raise.
    settings
        Everything that decides the result, as text, for checkpoints.
    teacher_share
        Share of the loss against the results of a teacher, the second channel of what the network should return.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        loss: Loss,
        rate: float,
        steps: int | None,
        minutes: float | None,
        score: Score | None = None,
        make_example: Callable[[nn.Module], Example] | None = None,
        stop: Callable[[], bool] | None = None,
        settings: str = "",
        teacher_share: float = 0.0,
    ) -> None:
        super().__init__()
        self.network = network
        self.average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.999))  # type: ignore[no-untyped-call]
        self.loss, self.rate, self.steps, self.minutes = loss, rate, steps, minutes
        self.score, self.make_example, self.stop, self.settings = score, make_example, stop, settings
        self.teacher_share = teacher_share
        self.batches, self.bad, self.earlier_seconds = 0, 0, 0.0
        self.validations_due, self.validation_seconds = 0, 0.0
        self.scores: list[float] = []
        self.bicubic: float | None = None
        self.example: Example | None = None
        self.best: dict[str, Tensor] = {}
        self.write_checkpoint: Callable[[], None] | None = None
        """Called after every step."""
        self.report: Callable[[TrainingStep], object] | None = None
        """Called a few times a second, and after the last step."""
        self._began, self._reported = time.monotonic(), 0.0
        self._bad_in_a_row = 0
        self._loss: Tensor | None = None

    @property
    def seconds(self) -> float:
        """Time spent so far, including the time before an interruption."""
        return self.earlier_seconds + time.monotonic() - self._began

    @property
    def progress(self) -> float:
        """Share of the budget that is spent, 0 to 1."""
        by_steps = self.batches / self.steps if self.steps else 0.0
        by_time = self.seconds / (60.0 * self.minutes) if self.minutes else 0.0
        return min(1.0, max(by_steps, by_time))

    def on_fit_start(self) -> None:
        """Make an example of the untrained network, then start the clock."""
        if self.make_example is not None:
            self.example = self.make_example(self._averaged_network())
        self._began = time.monotonic()

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor | None:
        """Return the loss of a batch of pairs; None if it is not finite, so that Lightning skips the batch."""
        lr, hr = batch
        sr = self.network(lr).to(hr.dtype)
        loss = self.loss(sr, hr[:, :1], self.progress)
        if self.teacher_share:
            loss = torch.lerp(loss, self.loss(sr, hr[:, 1:], self.progress), self.teacher_share)
        if not torch.isfinite(loss):
            self._count_bad("loss")
            return None
        self._loss = loss.detach()
        self.log("loss", loss)
        return loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Set the learning rate: linear warm-up, then a cosine down to a hundredth."""
        done = self.progress
        factor = min(1.0, done / _WARM_UP + 0.01) * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * done)))
        for group in optimizer.param_groups:
            group["lr"] = self.rate * factor
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        if not all(bool(torch.isfinite(g).all()) for g in gradients):
            self._count_bad("gradient")
            optimizer.zero_grad()
        elif gradients:  # a batch whose loss is not finite has none
            self._bad_in_a_row = 0

    def _count_bad(self, quantity: str) -> None:
        self.bad += 1
        self._bad_in_a_row += 1
        if self._bad_in_a_row >= _MAX_BAD:
            raise TrainingError(
                f"the {quantity} was not finite in {_MAX_BAD} steps in a row, at step {self.batches}: the learning "
                f"rate ({self.rate:g}) is too high for this network, or images hold extreme values.",
                remedy="Lower the rate in the recipe, or check the images.",
            )

    def on_train_batch_end(self, *_: Any) -> None:
        """Update the averaged weights, validate now and then, and end training when the budget is spent."""
        self.average.update_parameters(self.network)
        self.batches += 1
        is_last = self.stop is not None and self.stop()
        if self.score is not None and (is_last or self._is_validation_due()):
            self._validate(self.score)
        is_last = is_last or self.progress >= 1.0
        if is_last:
            self.trainer.should_stop = True
        if self.report is not None and self._loss is not None:
            self._report(self.report, self._loss, is_last=is_last)
        if self.write_checkpoint is not None:
            self.write_checkpoint()

    def _report(self, report: Callable[[TrainingStep], object], loss: Tensor, *, is_last: bool) -> None:
        now, share = time.monotonic(), self.progress
        if not is_last and now - self._reported < _REPORT_SECONDS:
            return
        self._reported = now
        left = self.seconds * (1.0 - share) / share
        scores = tuple(self.scores)
        report(
            TrainingStep(
                self.batches, share, self.seconds, left, float(loss), scores, self.bicubic, example=self.example
            )
        )

    def _is_validation_due(self) -> bool:
        share = self.progress
        is_due = int(share * _VALIDATIONS + 1e-9) > self.validations_due
        is_affordable = self.validation_seconds <= _VALIDATION_SHARE * self.seconds
        return is_due and (self.minutes is None or share >= 1.0 or is_affordable)

    def _validate(self, score: Score) -> None:
        self.validations_due, began = int(self.progress * _VALIDATIONS + 1e-9), time.monotonic()
        averaged = self._averaged_network()
        decibels, self.bicubic = score(averaged)
        if self.make_example is not None:
            self.example = self.make_example(averaged)
        self.validation_seconds += time.monotonic() - began
        self.log("validation_psnr", decibels)
        if decibels > max(self.scores, default=-math.inf):
            self.best = dict(averaged.state_dict())
        self.scores.append(decibels)
        best = max(self.scores)
        if len(self.scores) - self.scores.index(best) > _PATIENCE and self._has_fallen:
            self.trainer.should_stop = True

    def best_network(self) -> nn.Module:
        """Return the network with the last averaged weights, or with those that scored best if the score has fallen."""
        network = self._averaged_network()
        if self.best and self._has_fallen:
            network.load_state_dict(self.best)
        return network

    @property
    def _has_fallen(self) -> bool:
        return self.scores[-1] < max(self.scores) - _FALL_DB

    def _averaged_network(self) -> nn.Module:
        """Return a copy of the network with the averaged weights."""
        network = deepcopy(self.average.module).cpu().eval()
        assert isinstance(network, nn.Module)
        return network

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save counters, scores and the best weights in the checkpoint."""
        checkpoint[KEY] = self.settings
        checkpoint[PROGRESS] = {
            "batches": self.batches,
            "bad": self.bad,
            "seconds": self.seconds,
            "scores": self.scores,
            "best": self.best,
            "looked": self.validations_due,
            "looking": self.validation_seconds,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore counters, scores and the best weights."""
        saved = checkpoint[PROGRESS]
        self.batches, self.bad, self.earlier_seconds = saved["batches"], saved["bad"], saved["seconds"]
        self.scores, self.best = list(saved["scores"]), dict(saved["best"])
        self.validations_due, self.validation_seconds = saved["looked"], saved["looking"]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam, with the same rate for all layers."""
        return torch.optim.Adam(self.network.parameters(), lr=self.rate)
