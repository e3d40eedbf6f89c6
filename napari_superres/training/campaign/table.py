"""What is trained, in order of value: one model for all images, then models for some, which start from its weights."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from napari_superres.training.recipes import Recipe, load_recipe

BASE = "science-x2-large"
_SCIENCE = load_recipe("science-x2")

_SETTINGS: Mapping[str, Any] = {
    "architecture": "edsr",
    "arguments": {"blocks": 16, "features": 64, "tail": "direct"},
    "scale": (2, 2),
    "channel": "each",
    "shrink": (1, 2),
    "degradation": {"kind": "conditioned"},
    "patch": 48,
    "batch": 32,
    "loss": {"kind": "l1", "finish": "psnr"},
}
_BASE_RATE, _RATE = 5e-4, 2e-4
"""Learning rates of the first training, and of those that start from its weights."""

_FLUORESCENCE = {
    "fluorescence": 0.30,
    "fluorescence/bbbc007": 0.04,
    "fluorescence/bbbc038": 0.06,
    "fluorescence/bbbc039": 0.10,
    "fluorescence/neubias": 0.24,
    "fluorescence/brainreg": 0.04,
    "em": 0.06,
    "BSD200": 0.08,
    "photographs": 0.08,
}
_ELECTRON = {"em": 0.55, "sem": 0.20, "microct": 0.05, "BSD200": 0.10, "photographs": 0.10}
_TOMOGRAPHY = {
    "ct": 0.10,
    "ct/thorax": 0.38,
    "ct/micro": 0.14,
    "microct": 0.16,
    "mri": 0.06,
    "BSD200": 0.08,
    "photographs": 0.08,
}
_PHOTOGRAPHS = {"T91": 0.10, "BSD200": 0.38, "BSDS500_test": 0.40, "photographs": 0.12}


def _recipe(name: str, shares: Mapping[str, float], minutes: float, title: str, **facts: Any) -> Recipe:
    settings = {"rate": _RATE, "start": BASE, **_SETTINGS, **facts}
    card = {**_SCIENCE.card, "title": title, **facts.get("card", {})}
    shared = {"data": tuple(shares), "shares": tuple(shares.values()), "minutes": minutes}
    return Recipe(name=name, **{**settings, **shared, "card": card})


TRAININGS: tuple[Recipe, ...] = (
    _recipe(
        BASE,
        dict(zip(_SCIENCE.data, _SCIENCE.shares, strict=True)),
        3.0,
        "Scientific images x2: told blur and noise, large",
        rate=_BASE_RATE,
        start="",
    ),
    _recipe(
        "fluo-x2-large",
        _FLUORESCENCE,
        1.2,
        "Fluorescence x2: told blur and noise, large",
        card={"modality": "fluorescence"},
    ),
    _recipe(
        "em-x2-large",
        _ELECTRON,
        0.9,
        "Electron microscopy x2: told blur and noise, large",
        card={"modality": "electron microscopy"},
    ),
    _recipe("ct-x2-large", _TOMOGRAPHY, 0.9, "CT x2: told blur and noise, large", card={"modality": "CT"}),
    _recipe(
        "photo-x2-large",
        _PHOTOGRAPHS,
        1.2,
        "Photographs x2, large",
        channel="luma",
        shrink=(1,),
        degradation={"kind": "bicubic"},
        card={
            "modality": "photograph",
            "intensity": "unit",
            "color": "luma",
            "limits": "Sharp photographs and documents. Not for blurred or noisy images: it sharpens noise.",
            "citation": load_recipe("photo-x2").card["citation"],
        },
    ),
    _recipe(
        "fluo-x1-large",
        _FLUORESCENCE,
        0.8,
        "Fluorescence, denoised at its own size: told blur and noise, large",
        scale=(1, 1),
        card={"modality": "fluorescence"},
    ),
)
"""The trainings. Their minutes add up to the eight of a campaign; shorter or longer ones divide their time alike."""


def shrink_network(recipe: Recipe) -> Recipe:
    """Return a training that takes a CPU a second: the same but for the sizes of network, patches and batches."""
    return replace(recipe, arguments={**recipe.arguments, "blocks": 1, "features": 4}, patch=8, batch=4)


def share_of_patches() -> dict[str, float]:
    """Return the share of each folder in the patches of all trainings; they add up to 1."""
    total: dict[str, float] = {}
    for recipe in TRAININGS:
        for folder, share in zip(recipe.data, recipe.shares, strict=True):
            total[folder] = total.get(folder, 0.0) + recipe.minutes * share / sum(recipe.shares)
    return {folder: part / sum(r.minutes for r in TRAININGS) for folder, part in total.items()}
