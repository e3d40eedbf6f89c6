"""Blur and noise that a conditioned network is told: what is chosen, its units and its words; without Qt."""

from dataclasses import dataclass
from math import isclose
from typing import TYPE_CHECKING, Any

from napari_superres.core.conditions import SHADE
from napari_superres.core.units import METRES
from napari_superres.errors import SettingsError

if TYPE_CHECKING:
    from napari_superres.inference import Plan
    from napari_superres.models import ModelCard

_UNITS = {"mm": 1e-3, "µm": 1e-6, "nm": 1e-9}
FROM_FILE = "From file"
"""Label of the button that takes the sigma from the file."""

_SHOWN = 3
"""Channels whose noise is shown in words."""


@dataclass(frozen=True, slots=True)
class SigmaRange:
    """Widths of the point-spread function that a network can be told.

    Attributes
    ----------
    unit
        ``"nm"``, ``"µm"`` or ``"mm"``, or ``"px"``: pixels of the result.
    pixel
        Edge of a pixel of the result, in `unit`.
    most
        Largest sigma, in `unit`.
    factor
        Pixels of the result per pixel of the image.
    """

    unit: str
    pixel: float
    most: float
    factor: int

    def in_pixels(self, sigma: float) -> float:
        """Return a sigma in pixels of the result. Digits that are not shown do not take it beyond the range."""
        return round(min(sigma, self.most) / self.pixel, 4)

    def from_micrometers(self, sigma: float) -> float:
        """Return a sigma in `unit`, which must be one of length."""
        return sigma * METRES["micrometer"] / _UNITS[self.unit]

    def is_for_same_image(self, other: "SigmaRange") -> bool:
        """Whether both are for images with one pixel size, so that a sigma means the same in both."""
        sizes = (each.pixel * each.factor for each in (self, other))
        return self.unit == other.unit and isclose(*sizes, rel_tol=1e-6)


def sigma_range(card: "ModelCard", pixel_size: float | None = None, unit: str | None = None) -> SigmaRange:
    """Return the widths that a network can be told, in a unit in which they have few digits.

    Parameters
    ----------
    card
        Card of a model that is told the width.
    pixel_size, unit
        Pixel size of the image along X, and its unit of length; pixels of the result are the unit without them.
    """
    most, factor = card.conditions["psf_sigma"][1] + SHADE, card.scale[-1]
    if pixel_size is None or unit not in METRES:
        return SigmaRange("px", 1.0, most, factor)
    metres = pixel_size * METRES[unit] / factor
    name = next((n for n, size in _UNITS.items() if most * metres >= size), "nm")
    return SigmaRange(name, metres / _UNITS[name], most * metres / _UNITS[name], factor)


@dataclass(frozen=True, slots=True)
class BlurNoise:
    """What a network shall be told.

    Attributes
    ----------
    strength
        Factor of the noise's standard deviation, 0 to 1.5.
    noise
        Gain, read noise and offset as text; empty = measured.
    psf_sigma
        Known sigma of the point-spread function in pixels of the result; 0 = unknown.
    """

    strength: float = 1.0
    noise: str = ""
    psf_sigma: float = 0.0

    def options(self) -> dict[str, Any]:
        """Return the options of the engine.

        Raises
        ------
        SettingsError
            If the text of the noise cannot be understood.
        """
        return {"noise": parse_noise(self.noise), "strength": self.strength, "psf_sigma": self.psf_sigma or None}


def parse_noise(text: str) -> Any:
    """Return noise as the engine takes it.

    Parameters
    ----------
    text
        Empty for ``"measured"``, ``0``, gain and read noise such as ``0.5, 3``, or with the offset ``0.5, 3, 100``; for
        several channels separated by semicolons.

    Raises
    ------
    SettingsError
        If it is none of these.
    """
    parts = [part.strip() for part in text.split(";") if part.strip()]
    if not parts:
        return "measured"
    try:
        rows = [tuple(float(value) for value in part.split(",")) for part in parts]
    except ValueError:
        rows = [()]
    if rows == [(0.0,)]:
        return 0
    if any(len(row) not in (2, 3) for row in rows):
        raise SettingsError(
            f"`noise` must be 0, or gain and read noise, got {text.strip()!r}.",
            remedy="Type 0.5, 3 or, with the offset of darkness, 0.5, 3, 100. Leave it empty to have it measured.",
        )
    return rows[0] if len(rows) == 1 else rows


def noise_text(plan: "Plan") -> str:
    """Return the noise of the channels of a plan in words; empty if the network is not told any."""
    told = plan.told
    if told is None:
        return ""
    parts = []
    for channel in plan.channels:
        middle = (plan.normalisation.low[channel] + plan.normalisation.high[channel]) / 2
        parts.append(f"{_digits(float(told.noise[channel].sigma(middle)))} at intensity {_digits(middle)}")
    more = ", …" if len(parts) > _SHOWN else ""
    return f"100 % is {', '.join(parts[:_SHOWN])}{more}, {'measured' if told.is_measured else 'as given'}"


def told_text(plan: "Plan") -> str:
    """Return what a plan assumes of blur and noise, and doubts; empty if the network is not told any."""
    if plan.told is None:
        return ""
    channel, *others = plan.channels
    text = plan.told.describe(channel)
    text = f"Channel {channel}: {text}." if others else f"{text[:1].upper()}{text[1:]}."
    offer = plan.told.offer.replace("`psf='metadata'`", f"“{FROM_FILE}”")
    return " ".join(filter(None, [text, offer, *plan.told.doubts]))


def _digits(value: float) -> str:
    return f"{float(f'{value:.3g}'):g}"
