"""16 bits against 32, and what is chosen where nobody chose; networks that leave the range of 16 bits."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import nn

from gpu.cases import Case, Facts, Settings, decibels, gpu_way, image_for, levels_off, model_of, record, run
from napari_superres.models import Model, list_models

_ENOUGH_DB = 60.0
_HUGE = 1e6


def cases(settings: Settings) -> Iterator[Case]:
    """Yield a case per shipped model, and for overflows."""
    shipped = [card.name for card in list_models() if not card.is_interpolation]
    for name in settings.pick(("fsrcnn-x2", "fluo-x2"), shipped):
        yield Case(f"{name}, measured", partial(_measured, settings, name))
        yield Case(f"{name}, chosen", partial(_chosen, settings, name))
    yield Case("overflow in fp16", partial(_overflow, settings))


def _measured(settings: Settings, name: str) -> Facts:
    """Measure fp16 and bf16 against 32 bits. Somebody asked for them: any finite result passes."""
    model = model_of(name)
    image = image_for(model, settings.pick(40, 160), "float32")
    exact = run(image, model, settings.device).data
    found = {p: decibels(run(image, model, settings.device, precision=p).data, exact) for p in ("fp16", "bf16")}
    return {f"{p}_db": round(db, 1) for p, db in found.items()} | {"passed": all(db > 0 for db in found.values())}


def _chosen(settings: Settings, name: str) -> Facts:
    """Whatever precision is chosen, the result is within 60 dB of 32 bits."""
    model = model_of(name)
    image = image_for(model, settings.pick(40, 160), "float32")
    result = run(image, model, settings.device, precision="auto")
    db = decibels(result.data, run(image, model, settings.device).data)
    return {"precision": record(result)["precision"], "db": round(db, 1), "passed": db >= _ENOUGH_DB}


class _Loud(nn.Module):
    """A network whose activations fp16 cannot hold; the result can."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        # Neither the first nor the last convolution, which may stay in 32 bits.
        self.first, self.louder = nn.Conv2d(1, 1, 1, bias=False), nn.Conv2d(1, 1, 1, bias=False)
        nn.init.ones_(self.first.weight)
        nn.init.constant_(self.louder.weight, _HUGE)
        self.inner = inner

    def forward(self, x: torch.Tensor) -> Any:
        return self.inner(self.louder(self.first(x)) / _HUGE)


def _overflow(settings: Settings) -> Facts:
    """Tiles that overflow are computed again in 32 bits."""
    plain = model_of("fsrcnn-x2")
    assert plain.module is not None
    model = Model(plain.card, _Loud(plain.module))
    image = image_for(model, settings.pick(40, 160))
    with gpu_way(settings.device):
        exact = run(image, model, settings.device).data
        result = run(image, model, settings.device, precision="fp16", tile=[40, 40])
    again = record(result)["counts"]["recomputed_in_fp32"]
    facts = levels_off(result.data, exact)
    return facts | {"recomputed": again, "passed": facts["passed"] and again > 0}
