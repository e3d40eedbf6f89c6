"""A recipe: everything that makes a model, as a small TOML file."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from napari_superres.errors import TrainingError


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a model is trained.

    Attributes
    ----------
    name
        Name of the model and of the recipe's file.
    architecture, arguments
        Network by name and what builds it, without the scale.
    scale
        Integer factor per spatial axis.
    data
        Folders of high-resolution images, relative to the data folder.
    channel
        ``"luma"``: 8-bit luminance (BT.601) of photographs; ``"each"``: every channel by itself.
    shrink
        Factors by which images are binned before use; finer detail and less noise than the original.
    degradation
        ``{"kind": "bicubic"}``, or ``{"kind": "optics", "psf_sigma": [low, high], "photons": [low, high],
        "read_noise": [low, high]}`` with sigma in high-resolution pixels and noise in electrons.
    patch, batch
        Edge of a patch in low-resolution pixels, and patches per step.
    rate
        Learning rate after warm-up (Adam, cosine decay).
    minutes
        Usual budget on two CPU cores.
    card
        Fields of the model card: title, modality, intensity, license, citation, ...
    """

    name: str
    architecture: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    scale: tuple[int, ...]
    data: tuple[str, ...]
    channel: Literal["luma", "each"] = "luma"
    shrink: tuple[int, ...] = (1,)
    degradation: Mapping[str, Any] = field(default_factory=lambda: {"kind": "bicubic"})
    patch: int = 24
    batch: int = 16
    rate: float = 1e-3
    minutes: float = 12.0
    card: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("scale", "data", "shrink"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if len(self.scale) != 2 or self.scale[0] != self.scale[1] or self.scale[0] < 2:
            raise TrainingError(f"a recipe's scale is one factor of at least 2 along Y and X, got {self.scale}.")
        if self.channel not in ("luma", "each"):
            raise TrainingError(f"channel must be 'luma' or 'each', got {self.channel!r}.")
        if self.degradation.get("kind") not in ("bicubic", "optics"):
            raise TrainingError(f"degradation kind must be 'bicubic' or 'optics', got {dict(self.degradation)}.")


def list_recipes() -> list[str]:
    """Return the names of the shipped recipes."""
    folder = files("napari_superres.training") / "recipes"
    return sorted(Path(f.name).stem for f in folder.iterdir() if f.name.endswith(".toml"))


def load_recipe(name: str | Path) -> Recipe:
    """Return a shipped recipe by name, or the one in a TOML file.

    Raises
    ------
    TrainingError
        If there is none, or it is not a valid recipe.
    """
    path = Path(name)
    if path.suffix != ".toml":
        if str(name) not in list_recipes():
            raise TrainingError(f"no recipe {str(name)!r}. Shipped recipes: {', '.join(list_recipes())}.")
        path = Path(str(files("napari_superres.training") / "recipes" / f"{name}.toml"))
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        return Recipe(name=path.stem, **values)
    except (OSError, tomllib.TOMLDecodeError, TypeError) as error:
        raise TrainingError(f"recipe {path.name} cannot be used: {error}.") from error
