"""`Recipe`: everything that makes a model."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from napari_superres.degradation.instruments import Instrument, make_instrument
from napari_superres.errors import SettingsError, TrainingError
from napari_superres.training.losses import make_loss
from napari_superres.training.recipes.checks import check_card, check_entries

_VOLUME_KINDS = ("slices", "kspace", "bicubic")
"""Kinds of degradation that work on volumes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a model is trained.

    Attributes
    ----------
    name
        Name of the model and of the recipe's file.
    architecture, arguments
        Name of the network, and the arguments that build it, except the scale.
    scale
        Integer factor per spatial axis: along Y and X, or along Z, Y and X for volumes.
    data
        Folders of high-resolution images, relative to the data folder.
    shares
        Share of the patches that come from each folder of `data`, in any unit; within a folder, an image is drawn by
        the square root of its size. Empty = images of all folders alike, by their size.
    low
        For pairs recorded by instruments: the folder of low-resolution images for each folder of `data`. The
        degradation is then ``"recorded"``.
    channel
        ``"luma"``: 8-bit luma (BT.601) of photographs; ``"each"``: every channel by itself.
    shrink
        Factors by which images are binned before use: binned images are sharper and less noisy.
    degradation
        Instrument that makes low-resolution images: its ``kind`` (``"bicubic"``, ``"optics"``, ``"movie"``,
        ``"views"``, ``"slices"``, ``"kspace"``, ``"recorded"``, ``"conditioned"``, ``"splits"`` or ``"neighbours"``)
        and its settings; see `degradation.instruments`.
    patch, batch
        Edge of a patch in low-resolution pixels, or one per axis; and patches per step.
    loss
        Loss that training minimises, ``{"kind": "charbonnier", "ssim": 0.1, ...}``; see `training.losses`.
    rate
        Learning rate after warm-up (Adam, cosine decay).
    minutes
        Usual budget on two CPU cores.
    hold_out
        Whether some images are kept out of training and score the network. False if there are too few of them; the
        model then needs other images to be measured.
    card
        Fields of the model card: title, modality, intensity, license, citation, ...
    start
        Model whose weights training starts from; empty = random weights.
    teacher, teacher_share
        Larger model whose results the network learns as well, by name or as a file in the data folder, and the share
        of the loss against them; the rest is against the truth. It teaches on patches that the instrument only
        reduces. Empty = no teacher.
    """

    name: str
    architecture: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    scale: tuple[int, ...]
    data: tuple[str, ...]
    shares: tuple[float, ...] = ()
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
    teacher: str = ""
    teacher_share: float = 0.5

    def __post_init__(self) -> None:
        check_entries({f.name: getattr(self, f.name) for f in fields(self)})
        check_card(self.name, self.card)
        for name in ("scale", "data", "shares", "low", "shrink"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        edges = (self.patch,) * len(self.scale) if isinstance(self.patch, int) else tuple(self.patch)
        object.__setattr__(self, "patch", edges)
        if len(self.scale) not in (2, 3) or self.scale[-2] != self.scale[-1] or min(self.scale) < 1:
            raise TrainingError(
                "scale must be one factor for Y and X, 1 to denoise only; for volumes, one factor for Z before it; got "
                f"{self.scale}."
            )
        if len(edges) != len(self.scale) or edges[-2] != edges[-1] or min(edges) < 1:
            raise TrainingError(
                f"patch must be one edge, or one per axis of {self.scale} with equal Y and X, got {edges}."
            )
        if self.channel not in ("luma", "each"):
            raise TrainingError(f"channel must be 'luma' or 'each', got {self.channel!r}.")
        if bool(self.low) != (self.degradation.get("kind") == "recorded") or len(self.low) not in (0, len(self.data)):
            raise TrainingError(
                "recorded pairs need one folder of low-resolution images for each folder of data and the degradation "
                f"'recorded', got low={list(self.low)}, data={list(self.data)}, {dict(self.degradation)}."
            )
        if self.shares and len(self.shares) != len(self.data):
            raise TrainingError(
                f"shares needs one number per folder of data, {len(self.data)}, got {list(self.shares)}."
            )
        make_loss(self.loss)
        try:
            frames = make_instrument(self.degradation).frames
        except SettingsError as error:
            raise TrainingError(error.message, remedy=error.remedy) from error
        if frames != self.arguments.get("frames", 1):
            raise TrainingError(
                f"the network takes {self.arguments.get('frames', 1)} frames and the instrument records {frames}.",
                remedy="Set the same number of frames for both.",
            )
        kind = self.degradation["kind"]
        if kind not in _VOLUME_KINDS if len(self.scale) == 3 else kind == "slices":
            raise TrainingError(
                f"volumes are degraded by {', '.join(_VOLUME_KINDS)}, and only volumes have slices; got {kind!r} and "
                f"the scale {self.scale}."
            )

    @property
    def edges(self) -> tuple[int, ...]:
        """Edges of a patch in low-resolution pixels."""
        assert not isinstance(self.patch, int)
        return self.patch

    @property
    def network_arguments(self) -> dict[str, Any]:
        """All arguments that build the network: those of the recipe, the scale, and how many axes and conditions."""
        # A network to start from may be told conditions that this instrument does not state.
        own = {name: value for name, value in self.arguments.items() if name != "conditions"}
        volume = {"ndim": 3} if len(self.scale) == 3 else {}
        told = {"conditions": len(self.instrument.conditions)} if self.instrument.conditions else {}
        return {**own, **volume, **told, "scale": list(self.scale)}

    @property
    def instrument(self) -> Instrument:
        """The instrument that makes low-resolution images."""
        return make_instrument(self.degradation)
