"""One optimisation step, the schedule and the averaged weights."""

import math
import time
from typing import Any

import lightning
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

_WARM_UP = 0.02
_MSE_FROM = 0.8


class SuperResolution(lightning.LightningModule):
    """Trains a network with Adam, a cosine schedule and an average of its weights.

    The loss is the mean absolute error, and the mean squared error for the last fifth of the budget,
    which is what PSNR rewards. Progress is the spent share of the budget in steps or minutes,
    whichever is further.
    """

    def __init__(self, network: nn.Module, *, rate: float, steps: int | None, minutes: float | None) -> None:
        super().__init__()
        self.network = network
        self.average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.999))  # type: ignore[no-untyped-call]
        self.rate, self.steps, self.minutes = rate, steps, minutes
        self.started = time.monotonic()

    @property
    def progress(self) -> float:
        """Spent share of the budget, 0 to 1."""
        by_steps = self.global_step / self.steps if self.steps else 0.0
        by_time = (time.monotonic() - self.started) / (60.0 * self.minutes) if self.minutes else 0.0
        return min(1.0, max(by_steps, by_time))

    def on_fit_start(self) -> None:
        """Start the clock when the data are ready."""
        self.started = time.monotonic()

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """Return the loss of a batch of pairs."""
        low, high = batch
        found = self.network(low)
        loss = F.mse_loss(found, high) if self.progress > _MSE_FROM else F.l1_loss(found, high)
        self.log("loss", loss, prog_bar=True)
        return loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Set the learning rate: linear warm-up, then a cosine down to a hundredth."""
        done = self.progress
        factor = min(1.0, done / _WARM_UP + 0.01) * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * done)))
        for group in optimizer.param_groups:
            group["lr"] = self.rate * factor

    def on_train_batch_end(self, *_: Any) -> None:
        """Update the averaged weights and stop when the budget is spent."""
        self.average.update_parameters(self.network)
        if self.progress >= 1.0:
            self.trainer.should_stop = True

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam; the last layer, like all others, at the same rate."""
        return torch.optim.Adam(self.network.parameters(), lr=self.rate)
