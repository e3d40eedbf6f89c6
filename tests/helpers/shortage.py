"""A network that runs out of memory when a test wants it to."""

import torch
from torch import nn

from napari_superres.models import Model


class Failing(nn.Module):
    """Wraps a network and fails at chosen calls, or above a size."""

    def __init__(self, inner, *, at=(), above=None, error=torch.OutOfMemoryError):
        super().__init__()
        self.inner, self.at, self.above, self.error, self.calls = inner, set(at), above, error, 0
        self.armed = False

    def forward(self, x):
        if not self.armed:
            return self.inner(x)
        call, self.calls = self.calls, self.calls + 1
        if call in self.at or (self.above is not None and x.numel() > self.above):
            raise self.error("out of memory, as the test wishes")
        return self.inner(x)


def failing(model, **how):
    """A model that fails as told, its working memory measured before."""
    wrapped = Model(model.card, Failing(model.module, **how))
    assert wrapped.bytes_per_pixel > wrapped.largest_activation > 0
    wrapped.module.armed = True
    return wrapped
