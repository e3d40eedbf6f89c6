"""What is trained, in order of value: one model for all images, then models for some, which start from its weights.

Images, degradation, loss and card are those of the shipped recipes. The networks are larger, and so are the patches.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from napari_superres.training.recipes import Recipe, load_recipe

_BASE, _LARGE = "science-x2", "-large"
_MINUTES = {_BASE: 3.0, "fluo-x2": 1.2, "em-x2": 0.9, "ct-x2": 0.9, "photo-x2": 1.2}
"""Minutes of each training on an H200; a shorter or longer campaign divides its time alike."""

_NETWORK: Mapping[str, Any] = {"blocks": 16, "features": 64, "tail": "direct"}
_PATCH, _BATCH = 48, 32
_BASE_RATE, _RATE = 5e-4, 2e-4
"""Learning rates of the first training, and of those that start from its weights."""

_TINY: Mapping[str, Any] = {"blocks": 1, "features": 4}
_TINY_PATCH, _TINY_BATCH = 8, 4


def list_trainings(*, tiny: bool = False) -> list[Recipe]:
    """Return the trainings in order, with their minutes.

    Parameters
    ----------
    tiny
        Make networks, patches and batches so small that a CPU learns something within a second.
    """
    return [_enlarge(load_recipe(name), tiny=tiny) for name in _MINUTES]


def share_of_patches() -> dict[str, float]:
    """Return the share of each folder in the patches of all trainings; they add up to 1."""
    total: dict[str, float] = {}
    trainings = list_trainings()
    for recipe in trainings:
        shares = recipe.shares or (1.0,) * len(recipe.data)
        for folder, share in zip(recipe.data, shares, strict=True):
            total[folder] = total.get(folder, 0.0) + recipe.minutes * share / sum(shares)
    return {folder: part / sum(r.minutes for r in trainings) for folder, part in total.items()}


def _enlarge(recipe: Recipe, *, tiny: bool) -> Recipe:
    is_base = recipe.name == _BASE
    return replace(
        recipe,
        name=f"{recipe.name}{_LARGE}",
        arguments={**_NETWORK, **(_TINY if tiny else {})},
        patch=_TINY_PATCH if tiny else _PATCH,
        batch=_TINY_BATCH if tiny else _BATCH,
        rate=_BASE_RATE if is_base else _RATE,
        minutes=_MINUTES[recipe.name],
        start="" if is_base else f"{_BASE}{_LARGE}",
        # A larger network knows no more from a teacher that is smaller than itself.
        teacher="",
        card={**recipe.card, "title": f"{recipe.card['title']}, large"},
    )
