"""A network that runs out of memory where a test says."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from napari_superres.models import Model


class Failing(nn.Module):
    """Wraps a network and fails at chosen calls, or above a size."""

    def __init__(
        self,
        inner: nn.Module,
        *,
        at: Iterable[int] = (),
        above: int | None = None,
        error: type[Exception] = torch.OutOfMemoryError,
    ) -> None:
        super().__init__()
        self.inner, self.at, self.above, self.error, self.calls = inner, set(at), above, error, 0
        self.armed = False

    def forward(self, x: torch.Tensor) -> Any:
        if not self.armed:
            return self.inner(x)
        call, self.calls = self.calls, self.calls + 1
        if call in self.at or (self.above is not None and x.numel() > self.above):
            raise self.error("out of memory, as the test wishes")
        return self.inner(x)


def failing(model: Model, **how: Any) -> Model:
    """Return a model that fails as `Failing` is told to, once its working memory is measured."""
    assert model.module is not None
    network = Failing(model.module, **how)
    wrapped = Model(model.card, network)
    assert wrapped.bytes_per_pixel > wrapped.largest_activation > 0
    network.armed = True
    return wrapped
