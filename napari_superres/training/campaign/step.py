"""One optimisation step after another; a GPU repeats them as graphs, without waiting for Python.

A step draws a batch, computes the loss in bfloat16, and updates weights and their average. CUDA graphs: Nguyen,
Carilli, Eryilmaz et al.: Accelerating PyTorch with CUDA Graphs, PyTorch blog, 2021.
"""

from collections.abc import Callable
from copy import deepcopy
from math import cos, pi

import torch
from torch import Tensor, nn

from napari_superres.training.losses import FINISH_FROM, Loss

_WARM_UP = 0.02
"""Share of the time in which the learning rate rises."""

_RISING_STEPS = 100
"""Least number of steps in which it rises, also after an interruption: Adam then knows no gradients."""

_DECAY = 0.999
"""Weight of the past in the averaged weights; less in the first steps."""

_CLIP = 1.0
_STEPS_BEFORE_CAPTURE = 3


class GraphError(RuntimeError):
    """A graph could not be recorded. The GPU's generator of random numbers is then unusable in this process."""


class Steps:
    """Trains a network, a few steps at a time.

    Parameters
    ----------
    network
        Network to train; it is moved to the device and changed.
    draw
        Returns a batch of low- and high-resolution patches on the device.
    loss
        Loss to minimise.
    rate
        Learning rate after warm-up.
    device
        Where to train.
    graphs
        Whether a GPU repeats the steps as graphs.
    """

    count = 0
    """Steps done."""

    def __init__(
        self,
        network: nn.Module,
        draw: Callable[[], tuple[Tensor, Tensor]],
        *,
        loss: Loss,
        rate: float,
        device: torch.device,
        graphs: bool = True,
    ) -> None:
        self.network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = deepcopy(self.network).requires_grad_(False).eval()
        self._draw, self._loss, self._peak, self._device = draw, loss, rate, device
        self._is_cuda = device.type == "cuda"
        # On the device, so that a graph reads new values without being made again.
        self._rate, self._renewal, self._sum = (torch.zeros((), device=device) for _ in range(3))
        self._summed = 0
        self._weights, self._averages = list(self.network.parameters()), list(self.average.parameters())
        self._optimizer = torch.optim.Adam(self._weights, lr=self._rate, capturable=self._is_cuda, fused=self._is_cuda)
        self._takes_graphs = graphs and self._is_cuda
        self._graphs: dict[bool, torch.cuda.CUDAGraph] = {}

    def run(self, steps: int, progress: float) -> None:
        """Do some steps and wait for them.

        Parameters
        ----------
        steps
            Number of steps.
        progress
            Share of the time that is spent, 0 to 1: it decides the learning rate and the loss.

        Raises
        ------
        GraphError
            If the steps cannot be recorded as a graph.
        """
        rise = min(1.0, progress / _WARM_UP + 0.01, (self.count + 1) / _RISING_STEPS)
        self._rate.fill_(self._peak * rise * (0.01 + 0.99 * 0.5 * (1.0 + cos(pi * progress))))
        self._renewal.fill_(max(1.0 - _DECAY, 1.0 / (1.0 + self.count / 10)))
        is_finish = progress > FINISH_FROM
        if self._takes_graphs and is_finish not in self._graphs:
            self._capture(is_finish=is_finish)
        for _ in range(steps):
            if is_finish in self._graphs:
                self._graphs[is_finish].replay()
            else:
                self._step(is_finish=is_finish)
        if self._is_cuda:
            torch.cuda.synchronize()
        self.count += steps
        self._summed += steps

    def mean_loss(self) -> float:
        """Return the mean loss since the last call."""
        mean = float(self._sum) / max(1, self._summed)
        self._sum.zero_()
        self._summed = 0
        return mean

    def _step(self, *, is_finish: bool) -> None:
        self._optimizer.zero_grad(set_to_none=True)
        lr, hr = self._draw()
        lr = lr.contiguous(memory_format=torch.channels_last)
        # A graph must cast the weights itself, each time: it would keep cast weights of a cache.
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._is_cuda, cache_enabled=False):
            sr = self.network(lr)
        loss = self._loss(sr.float(), hr, float(is_finish))
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._weights, _CLIP)
        self._optimizer.step()
        with torch.no_grad():
            change = torch._foreach_sub(self._weights, self._averages)
            torch._foreach_mul_(change, self._renewal)
            torch._foreach_add_(self._averages, change)
            self._sum.add_(loss.detach())

    def _capture(self, *, is_finish: bool) -> None:
        """Do a few steps, then record one as a graph."""
        before = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        before.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(before), torch.backends.cudnn.flags(enabled=True, benchmark=True):
            for _ in range(_STEPS_BEFORE_CAPTURE):
                self._step(is_finish=is_finish)
        torch.cuda.current_stream().wait_stream(before)
        self.count += _STEPS_BEFORE_CAPTURE
        self._summed += _STEPS_BEFORE_CAPTURE
        self._optimizer.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph), torch.backends.cudnn.flags(enabled=True, benchmark=True):
                self._step(is_finish=is_finish)
        except RuntimeError as error:
            raise GraphError(str(error)) from error
        self._graphs[is_finish] = graph
