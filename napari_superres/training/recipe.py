"""A recipe: everything that makes a model, as a small TOML file."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from napari_superres.degradation.instruments import Instrument, make_instrument
from napari_superres.errors import SettingsError, TrainingError
from napari_superres.training.losses import make_loss
from napari_superres.training.recipe_schema import check_card, check_entries

_OF_MOVIES = ("edsr",)
"""Networks that take several frames."""

_OF_VOLUMES = ("slices", "kspace", "bicubic")
"""Kinds of degradation that know three axes."""


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
        Integer factor per spatial axis: along Y and X, or along Z, Y and X for volumes.
    data
        Folders of high-resolution images, relative to the data folder.
    low
        Folders of the low-resolution images recorded of the same fields, one for each of `data`; then the
        degradation is ``"recorded"``.
    channel
        ``"luma"``: 8-bit luminance (BT.601) of photographs; ``"each"``: every channel by itself.
    shrink
        Factors by which images are binned before use; finer detail and less noise than the original.
    degradation
        The instrument that makes low-resolution images: its ``kind``, ``"bicubic"``, ``"optics"``, ``"movie"``,
        ``"slices"``, ``"kspace"`` or ``"recorded"``, and its settings; see `degradation.instruments`.
    patch, batch
        Edge of a patch in low-resolution pixels, or one per axis, and patches per step.
    loss
        What is lowered, ``{"kind": "charbonnier", "ssim": 0.1, ...}``; see `training.losses`.
    rate
        Learning rate after warm-up (Adam, cosine decay).
    minutes
        Usual budget on two CPU cores.
    hold_out
        Whether some images are kept from training to score the network on. False where there are too few to spare
        one, and others to measure the model with.
    card
        Fields of the model card: title, modality, intensity, license, citation, ...
    start
        Model whose weights training starts from; empty = at random.
    """

    name: str
    architecture: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    scale: tuple[int, ...]
    data: tuple[str, ...]
    low: tuple[str, ...] = ()
    channel: Literal["luma", "each"] = "luma"
    shrink: tuple[int, ...] = (1,)
    degradation: Mapping[str, Any] = field(default_factory=lambda: {"kind": "bicubic"})
    patch: int | tuple[int, ...] = 24
    batch: int = 16
    loss: Mapping[str, Any] = field(default_factory=dict)
    rate: float = 1e-3
    minutes: float = 12.0
    hold_out: bool = True
    card: Mapping[str, Any] = field(default_factory=dict)
    start: str = ""

    def __post_init__(self) -> None:
        check_entries({f.name: getattr(self, f.name) for f in fields(self)})
        check_card(self.name, self.card)
        for name in ("scale", "data", "low", "shrink"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        edges = (self.patch,) * len(self.scale) if isinstance(self.patch, int) else tuple(self.patch)
        object.__setattr__(self, "patch", edges)
        if len(self.scale) not in (2, 3) or self.scale[-2] != self.scale[-1] or max(self.scale) < 2:
            raise TrainingError(
                "a recipe's scale is one factor of at least 2 for Y and X; for volumes, one for Z before it, and one "
                f"of both at least 2; got {self.scale}."
            )
        if len(edges) != len(self.scale) or edges[-2] != edges[-1] or min(edges) < 1:
            raise TrainingError(f"patch is one edge, or one per axis of {self.scale} with equal Y and X, got {edges}.")
        if self.channel not in ("luma", "each"):
            raise TrainingError(f"channel must be 'luma' or 'each', got {self.channel!r}.")
        if bool(self.low) != (self.degradation.get("kind") == "recorded") or len(self.low) not in (0, len(self.data)):
            raise TrainingError(
                "recorded pairs need one folder of low-resolution images (low) for each of data and the degradation "
                f"'recorded', got low={list(self.low)}, data={list(self.data)}, {dict(self.degradation)}."
            )
        make_loss(self.loss)
        try:
            frames = make_instrument(self.degradation).frames
        except SettingsError as error:
            raise TrainingError(str(error)) from error
        if frames != self.arguments.get("frames", 1):
            raise TrainingError(
                f"the network takes {self.arguments.get('frames', 1)} frames and the instrument "
                f"records {frames}. Give both the same number."
            )
        kind = self.degradation["kind"]
        if kind not in _OF_VOLUMES if len(self.scale) == 3 else kind == "slices":
            raise TrainingError(
                f"volumes are degraded by {', '.join(_OF_VOLUMES)}, and only they have slices; got {kind!r} and the "
                f"scale {self.scale}."
            )

    @property
    def edges(self) -> tuple[int, ...]:
        """Edges of a patch in low-resolution pixels."""
        assert not isinstance(self.patch, int)
        return self.patch

    @property
    def built(self) -> dict[str, Any]:
        """What builds the network: its arguments, and the scale with its number of axes."""
        volume = {"ndim": 3} if len(self.scale) == 3 else {}
        return {**self.arguments, **volume, "scale": list(self.scale)}

    @property
    def instrument(self) -> Instrument:
        """What makes low-resolution images."""
        return make_instrument(self.degradation)


PRESETS: Mapping[str, tuple[str, Mapping[str, Any]]] = {"photo": ("edsr", {"blocks": 8, "features": 32})}
"""Names for networks of a size that two CPU cores can train: the one of the shipped models of that name."""


def make_recipe(
    name: str,
    high: Sequence[Path],
    *,
    architecture: str,
    arguments: Mapping[str, Any] | None = None,
    scale: int | Sequence[int],
    low: Path | None = None,
    degradation: Mapping[str, Any] | None = None,
    loss: Mapping[str, Any] | None = None,
    card: Mapping[str, Any] | None = None,
) -> Recipe:
    """Return a recipe for images of one's own.

    Parameters
    ----------
    name
        Of the model.
    high
        Folders of high-resolution images.
    architecture
        A network by name, or ``"photo"``: the fast network of the shipped models.
    arguments
        What builds the network, instead of its usual size.
    scale
        Factor along Y and X, or one per axis of volumes.
    low
        Folder of low-resolution images recorded of the same fields.
    degradation
        Instrument that makes them otherwise; bicubic reduction by default.
    loss
        What is lowered; by default L1, then MSE.
    card
        Fields of the model card: title, modality, license, ...
    """
    network, usual = PRESETS.get(architecture, (architecture, {}))
    arguments = usual if arguments is None else arguments
    chosen = {"kind": "recorded"} if low is not None else dict(degradation or {"kind": "bicubic"})
    if chosen["kind"] == "bicubic":
        chosen = {"eight_bit": "jpeg" in chosen, **chosen}
    factors = (scale, scale) if isinstance(scale, int) else tuple(scale)
    if chosen["kind"] == "movie":
        if network not in _OF_MOVIES:
            raise TrainingError(f"movies are trained with {' or '.join(_OF_MOVIES)} (or photo), got {architecture!r}.")
        chosen = {"frames": 5, **chosen}
        arguments = {**arguments, "frames": chosen["frames"]}
    facts = {"title": name, "intensity": "percentile", "color": "per-channel", "license": "", **(card or {})}
    return Recipe(
        name=name,
        architecture=network,
        arguments=arguments,
        scale=factors,
        channel="each",
        data=tuple(str(Path(h).resolve()) for h in high),
        low=() if low is None else (str(Path(low).resolve()),),
        degradation=chosen,
        loss=loss or {},
        card=facts,
        batch=8 if len(factors) == 2 else 4,
        patch=24 if len(factors) == 2 else (8, 24, 24),
    )


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
        known = {f.name: f for f in fields(Recipe) if f.name != "name"}
        needed = [n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING]
        if unknown := sorted(set(values) - set(known)):
            raise TypeError(f"it has no entry {', '.join(unknown)}. There are: {', '.join(known)}")
        if missing := [n for n in needed if n not in values]:
            raise TypeError(f"it needs {', '.join(missing)}")
        return Recipe(name=path.stem, **values)
    except (OSError, tomllib.TOMLDecodeError, TypeError, TrainingError) as error:
        raise TrainingError(f"recipe {path.name} cannot be used: {str(error).rstrip('.')}.") from error
