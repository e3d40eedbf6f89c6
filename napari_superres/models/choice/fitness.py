"""Whether a model fits an image, in one line before the run: fits, check, or does not fit because of something."""

from dataclasses import dataclass
from typing import Literal

from napari_superres.core.image import Image
from napari_superres.core.intensity import Intensities
from napari_superres.core.units import METRES
from napari_superres.models.card import ModelCard
from napari_superres.models.choice.blemishes import Blemishes, find_blemishes
from napari_superres.models.choice.recognise import Recognition, pixel_words, recognise, short_unit
from napari_superres.models.choice.suitability import (
    ANY_MODALITY,
    computed_by,
    fits_pixels,
    is_oblong,
    levels_doubt,
    loss_in_tests,
    noise_doubt,
    plane_noise,
    plane_size,
    range_doubt,
)

Level = Literal["fits", "check", "does not fit"]
Help = Literal["", "model", "resample", "adapt", "robust range", "mask padding", "plane range"]
"""What helps: another model, other pixels, a model refined on this image, or another intensity range."""

_FAR = 2.0
"""Factor between pixel sizes from which a model does not fit: networks bear a little less and a little more."""

_SATURATED = 0.01
"""Share of saturated pixels that is worth a word."""

_HEADS = ("HEAD", "BRAIN", "SKULL")


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason not to run a model as it is.

    Attributes
    ----------
    words
        A clause that follows "because".
    help
        What helps; empty if nothing in this program does.
    is_grave
        Whether the model does not fit; otherwise the user should check.
    """

    words: str
    help: Help = ""
    is_grave: bool = False


@dataclass(frozen=True, slots=True)
class Fitness:
    """Whether a model fits an image.

    Attributes
    ----------
    model
        Name of the model.
    reasons
        Reasons against it, the gravest first.
    facts
        What was compared, for the line of a model that fits.
    blemishes
        What was measured of the image's intensities.
    """

    model: str
    reasons: tuple[Reason, ...]
    facts: str
    blemishes: Blemishes

    @property
    def level(self) -> Level:
        """Whether the model fits."""
        if not self.reasons:
            return "fits"
        return "does not fit" if self.reasons[0].is_grave else "check"

    @property
    def line(self) -> str:
        """The fitness in one line."""
        if not self.reasons:
            return f"Fits: {self.model} suits this image ({self.facts})."
        because = "; ".join(reason.words for reason in self.reasons)
        head = {"check": "Check", "does not fit": "Does not fit"}[self.level]
        return f"{head}: {self.model}, because {because}."

    @property
    def helps(self) -> tuple[Help, ...]:
        """What helps, each once, in the order of the reasons."""
        return tuple(dict.fromkeys(reason.help for reason in self.reasons if reason.help))


def judge(
    card: ModelCard,
    image: Image,
    intensities: Intensities,
    channel: int = 0,
    *,
    is_range_given: bool = False,
    is_blur_told: bool = False,
) -> Fitness:
    """Judge whether a model fits an image.

    Parameters
    ----------
    card
        Card of the model.
    image
        Image to upscale. At most the middle of 16 planes is read.
    intensities
        Intensities of the image, measured for this model.
    channel
        Channel that is judged.
    is_range_given
        Whether the intensity range was given, so that nothing can spoil its fit.
    is_blur_told
        Whether the network is told the blur.

    Returns
    -------
    Fitness
        The reasons against the model. Interpolation fits everything.
    """
    if card.is_interpolation:
        return Fitness(card.name, (), "interpolation, which adds no detail", Blemishes())
    blemishes = find_blemishes(image, channel)
    noise = plane_noise(image, intensities.normalisation, channel)
    seen = recognise(image)
    reasons = [
        *_kind_reasons(card, image, seen),
        *_pixel_reasons(card, image),
        *([Reason("its pixels are not square, and the training was on square ones")] if is_oblong(card, image) else []),
        *([Reason("the image is constant", is_grave=True)] if intensities.is_constant[channel] else []),
        *_noise_reasons(card, intensities, noise, channel),
    ]
    if not is_range_given and card.intensity in ("percentile", "standard"):
        reasons += _range_reasons(blemishes)
    if blemishes.is_smooth and not is_blur_told and card.scale[-1] > 1:
        told = "tell it the blur" if "psf_sigma" in card.conditions else "bin its pixels first"
        reasons.append(Reason(f"the image has no detail as small as a pixel: {told}, or more pixels show nothing new"))
    kind = card.modality if seen.kind else f"nothing contradicts {card.modality}"
    facts = [kind, pixel_words(image), f"noise {noise:.2g} of its range"]
    return Fitness(
        card.name,
        tuple(sorted(reasons, key=lambda reason: not reason.is_grave)),
        ", ".join(filter(None, facts)),
        blemishes,
    )


def _kind_reasons(card: ModelCard, image: Image, seen: Recognition) -> list[Reason]:
    reasons = []
    if computed_by(image):
        reasons.append(Reason(f"the image was itself computed by {computed_by(image)}", is_grave=True))
    is_other = seen.kind is not None and seen.kind.lower() not in card.modality.lower()
    if is_other and card.modality not in ANY_MODALITY:
        is_stated = bool(image.metadata.get("modality"))
        words = seen.reason if is_stated else f"it looks like {seen.kind} ({seen.reason})"
        reasons.append(Reason(f"{words}, and the training was on {card.modality}", "model", is_stated))
    part = str(image.metadata.get("body_part", ""))
    if part and "head" in card.limits.lower() and not any(word in part.upper() for word in _HEADS):
        reasons.append(Reason(f"the file says {part}, and the training was on heads", "adapt"))
    return reasons


def _pixel_reasons(card: ModelCard, image: Image) -> list[Reason]:
    unit = image.units.get("X")
    if card.pixel_size is None or fits_pixels(card, plane_size(image), unit):
        return []
    low, high = (size * METRES["micrometer"] / METRES[str(unit)] for size in card.pixel_size)
    far = min(plane_size(image)) < low / _FAR or max(plane_size(image)) > high * _FAR
    words = f"its {pixel_words(image)} are not those of the training ({low:.4g} to {high:.4g} {short_unit(unit)})"
    return [Reason(words, "resample", far)]


def _noise_reasons(card: ModelCard, intensities: Intensities, noise: float, channel: int) -> list[Reason]:
    reasons = []
    if noise_doubt(card, noise):
        words = f"its noise, {noise:.2g} of its range, is stronger than in the training"
        if loss := loss_in_tests(card, noise):
            words += f", and the model was {loss:.1f} dB worse than bicubic interpolation in tests with such noise"
        reasons.append(Reason(words, "adapt", True))
    if levels_doubt(card, intensities, noise, channel):
        levels = intensities.levels[channel]
        reasons.append(Reason(f"it has only {levels} grey levels, whose steps look like structure", is_grave=True))
    if range_doubt(card, intensities, channel):
        words = "its intensities are not those that the network was made for"
        reasons.append(Reason(words, "robust range", is_grave=True))
    return reasons


def _range_reasons(blemishes: Blemishes) -> list[Reason]:
    """Return what spoils an intensity range that is fitted to percentiles."""
    low, high = blemishes.measured_range
    reasons = []
    if blemishes.padding is not None:
        words = (
            f"pixels of {blemishes.padding:g}, far below all others, look like padding and spoil the intensity range"
        )
        reasons.append(Reason(words, "mask padding"))
    if blemishes.hot_range is not None:
        words = f"hot pixels spoil the intensity range: all others lie within {low:.4g} to {high:.4g}"
        reasons.append(Reason(words, "robust range"))
    if blemishes.dim_planes:
        share = f"{100 * blemishes.dim_planes:.0f} %"
        words = f"{share} of the planes have less than a tenth of the brightness: give them a range of their own"
        reasons.append(Reason(words, "plane range"))
    if blemishes.saturated > _SATURATED:
        reasons.append(Reason(f"{100 * blemishes.saturated:.0f} % of the pixels are saturated"))
    return reasons
