"""Which of the installed models suits an image best, and why."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from math import log

import numpy as np

from napari_superres.core.image import Image
from napari_superres.errors import SettingsError, UnknownKindError
from napari_superres.models.card import ModelCard
from napari_superres.models.choice.blemishes import sample_planes
from napari_superres.models.choice.recognise import KINDS, Recognition, recognise
from napari_superres.models.choice.refusal import refusal
from napari_superres.models.choice.suitability import ANY_MODALITY, fits_pixels, knows_noise, noise_level, plane_size

AUTO, ISOTROPIC = "auto", "isotropic"
"""Names that stand for the model that is chosen for each image: the best, or the one that makes slices as thin as
pixels are wide. ``auto:KIND`` and ``isotropic:KIND`` say what images show that do not say it themselves.
"""

_FEWEST_FRAMES = 5
_FEWEST_SLICES = 8
"""Planes from which models that look along T or Z are chosen."""

_COARSE_SLICES = 1.5
"""Distance of slices in pixels from which they count as thick."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The model for an image.

    Attributes
    ----------
    model
        Name of the model; None if nothing is known of the image, so that the user must be asked.
    kind
        Modality of the image; None if it is unknown.
    reason
        Why, in one line.
    questions
        The three most plausible modalities and the model for each.
    ranked
        Names of all models that can run on the image, the best first.
    refused
        Why each of the others cannot.
    suited
        Names of the models of `ranked` that were trained on such images, the best first.
    """

    model: str | None
    kind: str | None
    reason: str
    questions: Mapping[str, str]
    ranked: tuple[str, ...]
    refused: Mapping[str, str]
    suited: tuple[str, ...] = ()

    def with_refused(self, others: Mapping[str, str]) -> "Choice":
        """Return the same choice with more models that cannot be taken, and why."""
        return replace(self, refused={**others, **self.refused})

    def required(self) -> str:
        """Return the model.

        Raises
        ------
        UnknownKindError
            If nothing is known of the image; the remedy names three models.
        """
        if self.model is None:
            models = ", ".join(f"`model={name!r}` ({kind})" for kind, name in self.questions.items())
            kind = next(iter(self.questions))
            raise UnknownKindError(
                f"no model can be chosen: {self.reason}.",
                remedy=f"Say what it shows: use {models}; or, for all files that do not tell, `model='{AUTO}:{kind}'`.",
            )
        return self.model


def choose_model(
    image: Image,
    cards: Sequence[ModelCard] | None = None,
    *,
    kind: str | None = None,
    names: Sequence[str] = (),
    said: str = "as you said",
    shipped: Collection[str] | None = None,
) -> Choice:
    """Choose the model for an image from everything that is known of it.

    Parameters
    ----------
    image
        Image to upscale. At most the middle of 16 planes is read.
    cards
        Cards of the installed models; by default all.
    kind
        Modality, if the user has said it.
    said
        Words that say so in the reason.
    names
        Names of channels or layers besides those of the image.
    shipped
        Names of the models that come first among equals; by default those of this program.

    Returns
    -------
    Choice
        The best model and the reason, or three to ask the user for.
    """
    if cards is None or shipped is None:
        from napari_superres.models.library.registry import all_cards
        from napari_superres.models.library.shipped import shipped_names

        cards = all_cards()[0] if cards is None else cards
        shipped = shipped_names() if shipped is None else shipped
    seen = recognise(image, names) if kind is None else Recognition(kind, said, (kind, kind, kind))
    refused = {card.name: reason for card in cards if (reason := refusal(card, image)[0])}
    able = [card for card in cards if card.name not in refused]
    noise = _noise(image)

    def best(modality: str) -> list[ModelCard]:
        return sorted(able, key=lambda card: _rank(card, image, modality, noise, shipped))

    questions = {one: best(one)[0].name for one in seen.plausible}
    ranked = best(seen.kind or seen.plausible[0])
    names_ranked = tuple(card.name for card in ranked)
    if seen.kind is None:
        return Choice(None, None, seen.reason, questions, names_ranked, refused)
    reason = f"{ranked[0].name} for {seen.kind}: {seen.reason}{_structure(ranked[0], image)}"
    if ranked[0].is_interpolation:
        reason = f"{ranked[0].name}: {seen.reason}, and no installed model was trained on {seen.kind}"
    suited = tuple(card.name for card in ranked if _suits(card, image, seen.kind))
    return Choice(ranked[0].name, seen.kind, reason, questions, names_ranked, refused, suited)


def is_auto(model: object) -> bool:
    """Return whether a name stands for the model that is chosen for each image."""
    return isinstance(model, str) and model.partition(":")[0] in (AUTO, ISOTROPIC)


def choose(model: str, image: Image) -> Choice:
    """Return the choice that ``auto``, ``isotropic``, ``auto:KIND`` or ``isotropic:KIND`` stands for.

    KIND decides only where nothing else does.

    Raises
    ------
    SettingsError
        If there is no such kind, nothing is known of the image and no kind is given, or its slices are not thick.
    """
    name, _, kind = (part.strip() for part in model.partition(":"))
    if kind and kind not in KINDS:
        raise SettingsError(f"`model` may be {name}:KIND, got {kind!r}.", remedy=f"Kinds are {', '.join(KINDS)}.")
    cards = _thinning_cards(image) if name == ISOTROPIC else None
    choice = choose_model(image, cards)
    if choice.model is None and kind:
        choice = choose_model(image, cards, kind=kind)
    choice.required()
    return choice


def _thinning_cards(image: Image) -> list[ModelCard]:
    """Return the cards of the models that make slices as thin as pixels are wide, interpolation included.

    Raises
    ------
    SettingsError
        If the slices are not thick, or that is not known.
    """
    from napari_superres.models.library.registry import all_cards
    from napari_superres.models.library.shipped import interpolation_card

    ratio = slice_ratio(image)
    if ratio < _COARSE_SLICES:
        known = "Z" in image.axes and image.has_pixel_size and image.units.get("Z") is not None
        found = f"slices are {ratio:.2g} pixels apart" if known else "the image has no Z axis with a pixel size"
        raise SettingsError(
            f"slices become thin only if they are at least {_COARSE_SLICES:g} pixels apart, and {found}.",
            remedy="State the size along Z, Y and X with `pixel_size`, or choose a model for planes.",
        )
    scale = (max(2, round(ratio)), 1, 1)
    baseline = interpolation_card(f"area-spline-x{scale[0]}x1x1")
    assert baseline is not None
    return [*(card for card in all_cards()[0] if card.scale == scale), baseline]


def slice_ratio(image: Image) -> float:
    """Return the distance of slices in pixels; 1 if it is unknown or the image has no Z axis."""
    if "Z" not in image.axes or not image.has_pixel_size or image.units.get("Z") != image.units["X"]:
        return 1.0
    return image.pixel_size[image.spatial.index("Z")] / max(plane_size(image))


def _rank(
    card: ModelCard, image: Image, kind: str, noise: float, shipped: Collection[str]
) -> tuple[int | float | str, ...]:
    """Return a key by which the best model comes first."""
    if card.is_interpolation:
        match = 1
    elif card.modality in ANY_MODALITY:
        match = 2
    else:
        match = 0 if _is_of(card, kind) else 3
    return (
        match,
        not fits_pixels(card, plane_size(image), image.units.get("X")),
        _misfit(card, image),
        not knows_noise(card, noise),
        card.name not in shipped,
        max(card.scale) == 1,  # Denoising on the same grid is what one asks for.
        max(card.scale),
        not card.name.startswith("bicubic"),
        -_gain(card),
        card.name,
    )


def _is_of(card: ModelCard, kind: str) -> bool:
    """Return whether a model was trained on a modality."""
    return kind.lower() in card.modality.lower()


def _suits(card: ModelCard, image: Image, kind: str) -> bool:
    """Return whether a model was trained on images of this modality, with such pixels, frames and slices."""
    is_near = fits_pixels(card, plane_size(image), image.units.get("X"))
    return not card.is_interpolation and _is_of(card, kind) and is_near and _misfit(card, image) <= 1.0


def _misfit(card: ModelCard, image: Image) -> float:
    """Return how badly a model uses frames and slices: 0 is well, 1 is for planes, more if it needs other images."""
    if card.ndim == 3:
        ratio = slice_ratio(image)
        if card.scale[1:] != (1, 1) or ratio < _COARSE_SLICES or image.size("Z") < _FEWEST_SLICES:
            return 3.0
        return min(abs(log(card.scale[0] / ratio)), 0.9)
    if card.frames > 1:
        # Channels are views of one scene only if the user says so.
        seen = 0 if card.context == "C" else image.size(card.context)
        return 0.0 if seen >= max(_FEWEST_FRAMES, card.frames) else 2.0
    return 1.0


def _structure(card: ModelCard, image: Image) -> str:
    """Return why a model for frames or slices is the best, as words that follow the reason."""
    if card.ndim == 3:
        return f"; slices {slice_ratio(image):.2g} times as far apart as pixels"
    return f"; {image.size(card.context)} {'frames' if card.context == 'T' else 'planes'}" if card.frames > 1 else ""


def _gain(card: ModelCard) -> float:
    """Return the mean gain over bicubic interpolation in dB; 0 without scores."""
    gains = [
        entry["psnr"] - entry["bicubic_psnr"]
        for entry in card.scores.values()
        if all(isinstance(entry.get(key), int | float) for key in ("psnr", "bicubic_psnr"))
    ]
    return float(np.mean(gains)) if gains else 0.0


def _noise(image: Image) -> float:
    """Return the noise of the middle plane as a share of its range."""
    planes = sample_planes(image)
    plane = planes[len(planes) // 2]
    if not np.isfinite(plane).all():
        return 0.0
    low, high = np.percentile(plane, (0.1, 99.9))
    return noise_level(plane) / float(high - low) if high > low else 0.0
