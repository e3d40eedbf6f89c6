"""The model card: what a model is, what it needs, and what it can be trusted with. No torch here."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self, get_args

from napari_superres.core.notebook import as_table, listed
from napari_superres.errors import ModelFileError
from napari_superres.models.card_checks import (
    check_arguments,
    check_channels,
    check_choice,
    check_conditions,
    check_flag,
    check_growth,
    check_largest,
    check_mapping,
    check_name,
    check_number,
    check_numbers,
    check_offset,
    check_range,
    check_scale,
    check_scores,
    check_sizes,
    check_texts,
    is_number,
    shortened,
)
from napari_superres.models.card_grid import Grid

Intensity = Literal["unit", "percentile", "standard", "none"]
Context = Literal["T", "Z", "C"]
Ends = Literal["reflect", "replicate"]
Color = Literal["luma", "per-channel"]

ITSELF = "the image itself"
"""Test set of the scores of a model that was learnt from one image; the records of its results repeat them."""

FORMAT = 1
"""Version of the card's layout. A file with a higher number was made by a newer program."""

_SMALLEST_PIXEL = 1e-6
"""Smallest pixel size that a card may state, in micrometers: a hundredth of an atom."""

_ONE_LINE = ("title", "version", "license", "modality")
_TEXTS = ("name", "architecture", "degradation", "training", "limits", "citation", *_ONE_LINE)
_CHOICES = {
    "intensity": get_args(Intensity),
    "color": get_args(Color),
    "context": get_args(Context),
    "ends": get_args(Ends),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """Facts about a model, stored with its weights.

    Attributes
    ----------
    name
        Short name, unique in the registry: letters, digits, ``-``, ``_`` and ``.``.
    title
        One line that describes the model.
    version
        Version of the weights.
    architecture
        Name of the network class; ``"interpolation"`` for baselines.
    arguments
        Keyword arguments of the network class; for a baseline its kernel.
    scale
        Integer factor per spatial axis that the model works on, slowest first: YX or ZYX.
    channels
        Channels of one image: 1, or 3 for colour networks.
    frames
        Number of planes given at once: 1 = no neighbours; odd = one plane and its neighbours on both sides, of which
        the network returns the middle one; 2 = one plane and the next, of which it returns the first. Models of volumes
        have 1. The network takes ``(B, frames * channels, Y, X)``, frame by frame.
    conditions
        What the network is told about the image, ``{name: (least, most)}`` with the range of the training: one constant
        plane each after those of the frames, in the order of `core.conditions.CONDITIONS`.
    context
        Axis along which the neighbours lie: ``"T"``, ``"Z"``, or ``"C"`` for views of one scene by several cameras.
    ends
        What replaces neighbours beyond the ends: ``"reflect"`` (about the outermost plane) or ``"replicate"``.
    multiple
        Input sizes must be multiples of this number of low-resolution pixels, per axis. The engine pads on the
        far side.
    largest
        Largest size that the network takes, per axis, in low-resolution pixels; None = any. Larger images are tiled.
    halo
        Context per side and axis in low-resolution pixels, measured when the file was made.
    global_statistics
        Whether a layer takes statistics of the whole image, such as its mean. `halo` then suffices once these
        statistics are known.
    bounded
        Whether `halo` suffices. It does not for attention over all pixels or Fourier transforms: such a model
        computes an image in one tile, and larger images only if `tile_error` is known.
    tile_error
        For models that are not `bounded`: largest error of tiles with `halo`, measured on an image that looks
        natural, as a fraction of the result's range; None = not measured.
    grid_offset
        Position of low-resolution pixel 0 in high-resolution pixels, per axis; None = ``(scale - 1) / 2``.
    intensity
        Normalisation that the model expects: ``"unit"``, ``"percentile"``, ``"standard"`` or ``"none"``; see
        `core.intensity.fit_normalisation`.
    percentiles
        Percentiles, 0 to 100, that ``"percentile"`` maps to 0 and 1.
    precision
        Peak signal-to-error ratio of half precision in dB, measured on noise: ``{"fp16": 60.0, "bf16": 42.0}``.
    color
        What a one-channel model does to RGB: ``"luma"`` (network on luminance, bicubic colour) or
        ``"per-channel"``.
    modality
        What the model was trained for, such as ``"photograph"``; ``"any"`` for interpolation.
    pixel_size
        Smallest and largest low-resolution pixel size that the model was trained on, in micrometers; None = unknown.
    noise
        Least and most noise of the low-resolution images that the model was trained on: standard deviation on the
        model's intensity scale, as `choice.suitability.noise_level` measures it; None = unknown.
    degradation
        What made the low-resolution images of the training.
    training
        Training data and procedure, in words.
    limits
        Images that the model should not be used for, in words.
    license
        Licence of the weights, preferably an SPDX identifier.
    citation
        Reference for the method, with DOI.
    scores
        Scores on named test sets: ``{"test set": {"protocol": ..., "psnr": ..., "bicubic_psnr": ..., ...}}``;
        PSNR in dB.
    grid
        Gains by blur and noise on images that no training used; None = not measured.
    """

    name: str
    title: str = ""
    version: str = "1"
    architecture: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    scale: tuple[int, ...]
    channels: int = 1
    frames: int = 1
    conditions: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    context: Context = "T"
    ends: Ends = "reflect"
    multiple: tuple[int, ...] = ()
    largest: tuple[int, ...] | None = None
    halo: tuple[int, ...] = ()
    global_statistics: bool = False
    bounded: bool = True
    tile_error: float | None = None
    grid_offset: tuple[float, ...] | None = None
    intensity: Intensity = "unit"
    percentiles: tuple[float, float] = (0.1, 99.9)
    precision: Mapping[str, float] = field(default_factory=dict)
    color: Color = "luma"
    modality: str = "any"
    pixel_size: tuple[float, float] | None = None
    noise: tuple[float, float] | None = None
    degradation: str = ""
    training: str = ""
    limits: str = ""
    license: str = ""
    citation: str = ""
    scores: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    grid: Grid | None = None

    def __post_init__(self) -> None:
        check_texts({name: getattr(self, name) for name in _TEXTS}, one_line=_ONE_LINE)
        check_name(self.name)
        self._set("scale", check_scale(self.scale))
        multiple, halo = check_sizes(self.multiple, self.halo, self.ndim)
        self._set("multiple", multiple)
        self._set("halo", halo)
        if self.largest is not None:
            self._set("largest", check_largest(self.largest, multiple))
        for name, choices in _CHOICES.items():
            check_choice(name, getattr(self, name), choices)
        for name in ("global_statistics", "bounded"):
            check_flag(name, getattr(self, name))
        if not self.is_interpolation:
            check_growth(multiple, self.scale)
        check_channels(self.channels, self.frames, self.ndim)
        self._set("conditions", check_conditions(self.conditions))
        self._set("arguments", check_arguments(self.arguments))
        self._set("scores", check_scores(self.scores))
        self._set("precision", check_mapping("precision", self.precision))
        for value in self.precision.values():
            check_number("precision", value)
        self._set_numbers()
        if self.grid is not None:
            self._set("grid", Grid.from_values(self.grid))
        self._set("percentiles", check_numbers("percentiles", self.percentiles, 2))
        if not 0 <= self.percentiles[0] < self.percentiles[1] <= 100:
            raise ModelFileError(f"card: percentiles must rise between 0 and 100, got {self.percentiles}.")

    def _set_numbers(self) -> None:
        """Check the numbers that a card may leave out."""
        if self.tile_error is not None and not (is_number(self.tile_error) and self.tile_error >= 0):
            raise ModelFileError(f"card: tile_error must be a number of at least 0, got {shortened(self.tile_error)}.")
        if self.pixel_size is not None:
            self._set("pixel_size", check_range("pixel_size", self.pixel_size, _SMALLEST_PIXEL))
        if self.noise is not None:
            self._set("noise", check_range("noise", self.noise, 0.0))
        if self.grid_offset is not None:
            self._set("grid_offset", check_offset(self.grid_offset, self.ndim))

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    @property
    def ndim(self) -> int:
        """Number of spatial axes that the model works on: 2 (planes) or 3 (volumes)."""
        return len(self.scale)

    @property
    def inputs(self) -> int:
        """Number of channels that the network takes: those of all frames, then one per condition."""
        return self.frames * self.channels + len(self.conditions)

    @property
    def own(self) -> int:
        """Index of the plane that the network returns among the frames."""
        return (self.frames - 1) // 2

    @property
    def is_turnable(self) -> bool:
        """Whether Y and X may change places: views lie beside each other along X."""
        return self.frames == 1 or self.context != "C"

    @property
    def offset(self) -> tuple[float, ...]:
        """Position of low-resolution pixel 0 in high-resolution pixels, per axis."""
        return self.grid_offset or tuple((s - 1) / 2 for s in self.scale)

    @property
    def is_centred(self) -> bool:
        """Whether input and result cover the same area, so that flipping or rotating both keeps them aligned."""
        return all(abs(o - (s - 1) / 2) < 1e-6 for o, s in zip(self.offset, self.scale, strict=True))

    @property
    def is_interpolation(self) -> bool:
        """Whether the model is a baseline without learned weights."""
        return self.architecture == "interpolation"

    def _repr_html_(self) -> str:
        """Show what the model is for, what it was measured to do and whose it is, in a notebook."""
        scores = (
            (f"PSNR, {name}", f"{score['psnr']} dB; bicubic interpolation {score.get('bicubic_psnr', 'not measured')}")
            for name, score in self.scores.items()
            if "psnr" in score
        )
        return as_table(
            self.name,
            [
                ("made for", self.modality),
                ("scale", listed(self.scale)),
                (
                    "pixel size",
                    "" if self.pixel_size is None else "{:.4g} to {:.4g} micrometer".format(*self.pixel_size),
                ),
                ("told", ", ".join(self.conditions)),
                ("trained on", self.degradation),
                ("not for", self.limits),
                *scores,
                ("licence", self.license),
                ("citation", self.citation),
            ],
            lead=self.title,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as values that JSON can hold."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        plain = {k: dict(v) if isinstance(v, Mapping) else v for k, v in values.items()}
        return plain | {"grid": self.grid and self.grid.to_dict()}

    def to_json(self) -> str:
        """Return the card as JSON, with the version of its layout."""
        return json.dumps({"format": FORMAT, **self.to_dict()}, ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the card in a JSON text.

        Raises
        ------
        ModelFileError
            If the text is not JSON, misses a field, has a wrong value, or was made by a newer version.
        """
        try:
            values = json.loads(text)
        except (ValueError, TypeError, RecursionError) as error:
            raise ModelFileError(
                f"the model's card is not JSON ({error}): the file is damaged.", remedy="Get the file again."
            ) from error
        if not isinstance(values, dict):
            raise ModelFileError("the model's card must be a JSON object.")
        version = values.pop("format", None)
        if not isinstance(version, int):
            raise ModelFileError("the model's card does not state its format: this program did not make it.")
        if version > FORMAT:
            raise ModelFileError(
                f"the model was made by a newer version (card format {version}, this program knows {FORMAT}).",
                remedy="Update with: pip install -U napari-superres-torch",
            )
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ModelFileError(f"the model's card has unknown fields: {', '.join(unknown)[:200]}.")
        try:
            return cls(**values)
        except TypeError as error:
            raise ModelFileError(f"the model's card is incomplete or has wrong types: {str(error)[:200]}.") from error
