"""The model card: what a model is, needs and can be trusted with. No torch here."""

import json
import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self, get_args

from napari_superres.errors import ModelFileError

Intensity = Literal["unit", "percentile", "standard", "none"]

FORMAT = 1
"""Version of the card's layout. A file with a higher number was made by a newer program."""

LARGEST_SCALE = 64
"""Beyond it a wrong number would ask for all the memory there is."""

_LARGEST_MULTIPLE = 256
_LONGEST_TEXT, _LONGEST_TITLE = 20_000, 300


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """Facts about a model, stored with its weights.

    Attributes
    ----------
    name
        Short name, unique in the registry: letters, digits, ``-``, ``_`` and ``.``.
    title
        One line for people.
    version
        Version of the weights.
    architecture, arguments
        Network class by name and what builds it; an interpolation's kernel for baselines.
    scale
        Integer factor per spatial axis the model works on, slowest first.
    ndim
        2 (planes) or 3 (volumes); the length of `scale`.
    channels
        Channels of one input: 1, or 3 for colour networks.
    frames
        Planes given at once, odd: one and its neighbours on both sides; 1 = no neighbours. Only for planes;
        the network takes ``(B, frames * channels, Y, X)``, frame by frame, and returns the middle one.
    context
        The axis along which neighbours lie, ``"T"`` or ``"Z"``.
    ends
        What stands in for neighbours beyond the ends: ``"reflect"`` (about the outermost plane) or
        ``"replicate"``.
    multiple
        Input sizes must be multiples of this, per axis; the engine pads on the far side.
    halo
        Context per side and axis in low-resolution pixels, measured when the file was made.
    global_statistics
        Whether some layer looks at the whole image; `halo` then holds once its statistics are known.
    bounded
        Whether `halo` suffices. Where not (attention over all pixels, Fourier transforms), images are
        computed in one window, and larger ones only if `tile_error` is known.
    tile_error
        Where not `bounded`: largest error of windows with `halo`, measured on noise, as a fraction of its range.
    grid_offset
        Where low-resolution pixel 0 lies in high-resolution pixels, per axis; None = ``(scale - 1) / 2``.
    intensity
        Normalisation the model expects: ``"unit"``, ``"percentile"``, ``"standard"`` or ``"none"``; see
        `core.intensity.fit`.
    percentiles
        Which ones map to 0 and 1.
    precision
        ``{"fp16": dB, "bf16": dB}``: peak signal to error of half precision, measured on noise.
    color
        What a one-channel model does to RGB: ``"luma"`` (network on luminance, bicubic colour)
        or ``"per-channel"``.
    modality
        What it was trained for, such as ``"photograph"``; ``"any"`` for interpolation.
    pixel_size
        ``(smallest, largest)`` low-resolution pixel size it was trained on, in micrometers, or None.
    noise
        ``(least, most)`` noise of the low-resolution images it was trained on, on the model's intensity scale, as
        `models.domain.noise_level` measures it; or None.
    degradation
        What made the low-resolution images it was trained against.
    training
        Data and procedure, for people.
    limits
        Where it should not be used.
    license, citation
        Of the weights; of the method, with DOI.
    scores
        ``{"test set": {"protocol": ..., "psnr": ..., "bicubic_psnr": ..., ...}}``.
    """

    name: str
    title: str = ""
    version: str = "1"
    architecture: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    scale: tuple[int, ...]
    channels: int = 1
    frames: int = 1
    context: Literal["T", "Z"] = "T"
    ends: Literal["reflect", "replicate"] = "reflect"
    multiple: tuple[int, ...] = ()
    halo: tuple[int, ...] = ()
    global_statistics: bool = False
    bounded: bool = True
    tile_error: float | None = None
    grid_offset: tuple[float, ...] | None = None
    intensity: Intensity = "unit"
    percentiles: tuple[float, float] = (0.1, 99.9)
    precision: Mapping[str, float] = field(default_factory=dict)
    color: Literal["luma", "per-channel"] = "luma"
    modality: str = "any"
    pixel_size: tuple[float, float] | None = None
    noise: tuple[float, float] | None = None
    degradation: str = ""
    training: str = ""
    limits: str = ""
    license: str = ""
    citation: str = ""
    scores: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        for name in (
            "name",
            "title",
            "version",
            "architecture",
            "modality",
            "degradation",
            "training",
            "limits",
            "license",
            "citation",
        ):
            value = getattr(self, name)
            if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
                raise ModelFileError(f"card: {name} must be a text of at most {_LONGEST_TEXT} characters.")
            # Some would command the terminal that shows them.
            if any(unicodedata.category(c) == "Cc" and c not in "\n\t" for c in value):
                raise ModelFileError(f"card: {name} must be plain text, without control characters.")
        if "\n" in self.title + self.license + self.version + self.modality or len(self.title) > _LONGEST_TITLE:
            raise ModelFileError(
                f"card: title (up to {_LONGEST_TITLE} characters), version, license and modality must be one line each."
            )
        if not self.name or len(self.name) > 100 or not all(c.isalnum() or c in "-_." for c in self.name):
            raise ModelFileError(f"card: name may hold letters, digits, '-', '_' and '.', got {self.name[:100]!r}.")
        set_(self, "scale", _integers("scale", self.scale, lowest=1))
        n = len(self.scale)
        if n not in (2, 3) or max(self.scale) > LARGEST_SCALE:
            raise ModelFileError(
                f"card: scale needs 2 or 3 integers of at most {LARGEST_SCALE}, got {_short(self.scale)}."
            )
        set_(self, "multiple", _integers("multiple", self.multiple or (1,) * n, lowest=1))
        set_(self, "halo", _integers("halo", self.halo or (0,) * n, lowest=0))
        if len(self.multiple) != n or len(self.halo) != n:
            raise ModelFileError(f"card: multiple and halo need {n} integers, as scale has.")
        if max(self.multiple) > _LARGEST_MULTIPLE:
            raise ModelFileError(f"card: multiple may be up to {_LARGEST_MULTIPLE}, got {_short(self.multiple)}.")
        choices = {
            "intensity": get_args(Intensity),
            "color": ("luma", "per-channel"),
            "context": ("T", "Z"),
            "ends": ("reflect", "replicate"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ModelFileError(f"card: {name} must be one of {allowed}, got {_short(getattr(self, name))}.")
        for name in ("global_statistics", "bounded"):
            if not isinstance(getattr(self, name), bool):
                raise ModelFileError(f"card: {name} must be true or false, got {_short(getattr(self, name))}.")
        if isinstance(self.channels, bool) or self.channels not in (1, 3):
            raise ModelFileError(f"card: channels must be 1 or 3, got {_short(self.channels)}.")
        if not isinstance(self.frames, int) or self.frames < 1 or self.frames % 2 == 0:
            raise ModelFileError(f"card: frames must be odd, got {_short(self.frames)}.")
        if self.frames > 1 and n == 3:
            raise ModelFileError(f"card: frames must be 1 for volumes, got {self.frames}.")
        for name in ("arguments", "scores", "precision"):
            if not isinstance(getattr(self, name), Mapping):
                raise ModelFileError(f"card: {name} must be a mapping.")
            set_(self, name, dict(getattr(self, name)))
        if self.tile_error is not None and not _is_number(self.tile_error):
            raise ModelFileError(f"card: tile_error must be a number, got {_short(self.tile_error)}.")
        if not all(map(_is_number, self.precision.values())):
            raise ModelFileError(f"card: precision must hold numbers, got {_short(self.precision)}.")
        for name in ("pixel_size", "noise", "grid_offset", "percentiles"):
            value = getattr(self, name)
            if value is not None or name == "percentiles":
                length = n if name == "grid_offset" else 2
                if not isinstance(value, list | tuple) or len(value) != length or not all(map(_is_number, value)):
                    raise ModelFileError(f"card: {name} needs {length} numbers, got {_short(value)}.")
                set_(self, name, tuple(float(v) for v in value))
        if not 0 <= self.percentiles[0] < self.percentiles[1] <= 100:
            raise ModelFileError(f"card: percentiles must rise between 0 and 100, got {_short(self.percentiles)}.")

    @property
    def ndim(self) -> int:
        """Number of spatial axes the model works on."""
        return len(self.scale)

    @property
    def inputs(self) -> int:
        """Channels that the network takes: those of all frames."""
        return self.frames * self.channels

    @property
    def offset(self) -> tuple[float, ...]:
        """Where low-resolution pixel 0 lies in high-resolution pixels, per axis."""
        return self.grid_offset or tuple((s - 1) / 2 for s in self.scale)

    @property
    def is_centred(self) -> bool:
        """Whether input and result cover the same area, so that turning both leaves them on each other."""
        return all(abs(o - (s - 1) / 2) < 1e-6 for o, s in zip(self.offset, self.scale, strict=True))

    @property
    def is_interpolation(self) -> bool:
        """Whether this is a baseline without learned weights."""
        return self.architecture == "interpolation"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {k: dict(v) if isinstance(v, Mapping) else v for k, v in values.items()}

    def to_json(self) -> str:
        """Return the card as JSON, with the version of its layout."""
        return json.dumps({"format": FORMAT, **self.to_dict()}, ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the card in a JSON text.

        Raises
        ------
        ModelFileError
            If it is not JSON, misses a field, has a wrong value, or was made by a newer version.
        """
        try:
            values = json.loads(text)
        except (ValueError, TypeError, RecursionError) as error:
            raise ModelFileError(f"the model's card is not JSON ({error}). The file is damaged.") from error
        if not isinstance(values, dict):
            raise ModelFileError("the model's card must be a JSON object.")
        version = values.pop("format", None)
        if not isinstance(version, int):
            raise ModelFileError("the model's card does not say its format. It was not made by this program.")
        if version > FORMAT:
            raise ModelFileError(
                f"the model was made by a newer version (card format {version}, this program knows {FORMAT}). "
                "Update with: pip install -U napari-superres-torch"
            )
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ModelFileError(f"the model's card has unknown fields: {', '.join(unknown)[:200]}.")
        try:
            return cls(**values)
        except TypeError as error:
            raise ModelFileError(f"the model's card is incomplete or has wrong types: {str(error)[:200]}.") from error


def _short(value: Any) -> str:
    """Return a value for a message: a card may hold anything, of any length."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _integers(name: str, values: Any, *, lowest: int) -> tuple[int, ...]:
    if not isinstance(values, list | tuple) or not all(
        isinstance(v, int) and not isinstance(v, bool) and v >= lowest for v in values
    ):
        raise ModelFileError(f"card: {name} needs integers of at least {lowest}, got {_short(values)}.")
    return tuple(values)
