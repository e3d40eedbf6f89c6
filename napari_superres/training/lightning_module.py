"""One optimisation step, the schedule, the averaged weights, and which of these were the best."""

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
from napari_superres.training.checkpoint import KEY
from napari_superres.training.losses import Loss
from napari_superres.training.progress import Example, TrainingStep

_WARM_UP = 0.02
_LOOKS = 20
"""How often in a training the validation images are looked at, at most."""

_LOOKING = 0.15
"""Share of a budget of time that looking may take: deep networks see a few images as slowly as they learn."""

_PATIENCE = 8
_MOST_BAD = 10
_TELL_EVERY_SECONDS = 0.2

Judge = Callable[[nn.Module], tuple[float, float]]
"""Returns the mean PSNR of a network, and of bicubic interpolation, on the validation images."""


class SuperResolution(lightning.LightningModule):
    """Trains a network with Adam, a cosine schedule and an average of its weights.

    Progress is the spent share of the budget in steps or minutes, whichever is further. Training ends early when
    eight looks at the validation images in a row, two fifths of the budget, have brought nothing.

    Parameters
    ----------
    network
        What is trained.
    loss
        What is lowered.
    rate
        Learning rate after warm-up.
    steps, minutes
        Budget.
    judge, show
        Scores the averaged weights, and shows what they do; None where no images could be held out.
    stop
        Asked after every step whether to end now. It may raise.
    what
        What is trained of what and how, as text, for checkpoints.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        loss: Loss,
        rate: float,
        steps: int | None,
        minutes: float | None,
        judge: Judge | None = None,
        show: Callable[[nn.Module], Example] | None = None,
        stop: Callable[[], bool] | None = None,
        what: str = "",
    ) -> None:
        super().__init__()
        self.network = network
        self.average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.999))  # type: ignore[no-untyped-call]
        self.loss, self.rate, self.steps, self.minutes, self.judge = loss, rate, steps, minutes, judge
        self.show, self.stop, self.what = show, stop, what
        self.batches, self.bad, self.spent = 0, 0, 0.0
        self.looked, self.looking = 0, 0.0
        self.scores: list[float] = []
        self.bicubic: float | None = None
        self.example: Example | None = None
        self.best: dict[str, Tensor] = {}
        self.keep: Callable[[], None] | None = None
        """Called after every step."""
        self.tell: Callable[[TrainingStep], object] | None = None
        """Called a few times a second, and after the last step."""
        self._since, self._told = time.monotonic(), 0.0
        self._bad_in_a_row = 0
        self._loss: Tensor | None = None

    @property
    def seconds(self) -> float:
        """Time spent so far, before an interruption too."""
        return self.spent + time.monotonic() - self._since

    @property
    def progress(self) -> float:
        """Spent share of the budget, 0 to 1."""
        by_steps = self.batches / self.steps if self.steps else 0.0
        by_time = self.seconds / (60.0 * self.minutes) if self.minutes else 0.0
        return min(1.0, max(by_steps, by_time))

    def on_fit_start(self) -> None:
        """Start the clock when the data are ready, and show how it begins."""
        if self.show is not None:
            self.example = self.show(self._averaged())
        self._since = time.monotonic()

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor | None:
        """Return the loss of a batch of pairs; None, so that nothing is learnt of it, if it is not finite."""
        low, high = batch
        found = self.network(low).to(high.dtype)
        loss = self.loss(found, high, self.progress)
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
        elif gradients:  # none where the loss was bad
            self._bad_in_a_row = 0

    def _count_bad(self, what: str) -> None:
        self.bad += 1
        self._bad_in_a_row += 1
        if self._bad_in_a_row >= _MOST_BAD:
            raise TrainingError(
                f"the {what} was not finite in {_MOST_BAD} steps in a row, at step {self.batches}: the learning rate "
                f"({self.rate:g}) is too high for this network, or images hold extreme values. Lower the rate, or "
                "look at the images."
            )

    def on_train_batch_end(self, *_: Any) -> None:
        """Update the averaged weights, look at the validation images now and then, stop when all is spent."""
        self.average.update_parameters(self.network)
        self.batches += 1
        ends = self.stop is not None and self.stop()
        if self.judge is not None and (ends or self._is_time_to_look()):
            self._look(self.judge)
        ends = ends or self.progress >= 1.0
        if ends:
            self.trainer.should_stop = True
        if self.tell is not None and self._loss is not None:
            self._tell(self.tell, self._loss, at_once=ends)
        if self.keep is not None:
            self.keep()

    def _tell(self, tell: Callable[[TrainingStep], object], loss: Tensor, *, at_once: bool) -> None:
        now, share = time.monotonic(), self.progress
        if not at_once and now - self._told < _TELL_EVERY_SECONDS:
            return
        self._told = now
        left = self.seconds * (1.0 - share) / share
        scores = tuple(self.scores)
        tell(TrainingStep(self.batches, share, self.seconds, left, float(loss), scores, self.bicubic, self.example))

    def _is_time_to_look(self) -> bool:
        share = self.progress
        is_due = int(share * _LOOKS + 1e-9) > self.looked
        return is_due and (self.minutes is None or share >= 1.0 or self.looking <= _LOOKING * self.seconds)

    def _look(self, judge: Judge) -> None:
        self.looked, began = int(self.progress * _LOOKS + 1e-9), time.monotonic()
        averaged = self._averaged()
        found, self.bicubic = judge(averaged)
        if self.show is not None:
            self.example = self.show(averaged)
        self.looking += time.monotonic() - began
        self.log("validation_psnr", found)
        if found > max(self.scores, default=-math.inf):
            self.best = dict(averaged.state_dict())
        self.scores.append(found)
        if len(self.scores) - self.scores.index(max(self.scores)) > _PATIENCE:
            self.trainer.should_stop = True

    def best_network(self) -> nn.Module:
        """Return the network with the averaged weights that scored best; the last ones where none were scored."""
        network = self._averaged()
        if self.best:
            network.load_state_dict(self.best)
        return network

    def _averaged(self) -> nn.Module:
        """Return a copy of the network with the averaged weights."""
        network = deepcopy(self.average.module).cpu().eval()
        assert isinstance(network, nn.Module)
        return network

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what is not in the weights."""
        checkpoint[KEY] = self.what
        checkpoint["progress"] = {
            "batches": self.batches,
            "bad": self.bad,
            "seconds": self.seconds,
            "scores": self.scores,
            "best": self.best,
            "looked": self.looked,
            "looking": self.looking,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on from there."""
        found = checkpoint["progress"]
        self.batches, self.bad, self.spent = found["batches"], found["bad"], found["seconds"]
        self.scores, self.best = list(found["scores"]), dict(found["best"])
        self.looked, self.looking = found["looked"], found["looking"]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam; the last layer, like all others, at the same rate."""
        return torch.optim.Adam(self.network.parameters(), lr=self.rate)
