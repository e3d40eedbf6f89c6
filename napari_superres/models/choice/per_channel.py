"""The model for each of several channels, whose results shall lie on one grid."""

from collections.abc import Sequence

import numpy as np

from napari_superres.core.image import Image
from napari_superres.models.card import ModelCard
from napari_superres.models.choice.choose import Choice, choose_model
from napari_superres.models.choice.recognise import is_unstained


def image_of_channel(image: Image, channel: int) -> Image:
    """Return one channel of an image as an image without the axis C.

    Parameters
    ----------
    image
        Image with the axis C. Its pixels are sliced: of a lazy array, they are not read.
    channel
        Index along C.
    """
    at = image.axes.index("C")
    key = tuple(channel if i == at else slice(None) for i in range(len(image.axes)))
    return image.replace(data=image.data[key], axes=image.axes.replace("C", ""), channel_names=())


def choose_for_channel(
    image: Image, names: Sequence[str], cards: Sequence[ModelCard], main: ModelCard
) -> tuple[str | None, Choice]:
    """Choose the model for a channel next to others that are computed with another model.

    Parameters
    ----------
    image
        The channel, without the axis C.
    names
        Its names.
    cards
        Cards of the installed models.
    main
        Card of the model for the image as a whole, or for the channel that the user looks at.

    Returns
    -------
    model : str or None
        Name of a model that makes the same grid as `main`. Transmitted light, for which no model is shipped, is
        interpolated. None stands for `main`: nothing tells what the channel shows.
    choice : Choice
        What is known of the channel, among the models on that grid.
    """
    baseline = _baseline(main)
    choice = choose_model(image, _on_grid([*cards, baseline], main), names=names)
    if choice.model is not None:
        return choice.model, choice
    return (baseline.name if is_unstained(names) and baseline is not main else None), choice


def on_other_grids(cards: Sequence[ModelCard], main: ModelCard) -> dict[str, str]:
    """Return why models that make another grid than `main` cannot compute other channels of its image, by name."""
    return {card.name: f"{card.name} makes another grid than {main.name}" for card in cards if not _fits(card, main)}


def _baseline(main: ModelCard) -> ModelCard:
    """Return the card of the interpolation on the grid of a model."""
    from napari_superres.models.library.shipped import interpolation_card

    factors = _factors(main)
    plane = factors[1:] if factors[0] == 1 else factors
    kind = "bicubic" if factors[0] == 1 else "area-spline"
    is_equal = len(plane) == 2 and plane[0] == plane[1]
    card = interpolation_card(f"{kind}-x{plane[0] if is_equal else 'x'.join(map(str, plane))}")
    return main if card is None else card


def _on_grid(cards: Sequence[ModelCard], main: ModelCard) -> list[ModelCard]:
    return list({card.name: card for card in cards if _fits(card, main)}.values())


def _fits(card: ModelCard, main: ModelCard) -> bool:
    """Return whether two models make the same grid."""
    return _factors(card) == _factors(main) and np.allclose(card.offset[-2:], main.offset[-2:])


def _factors(card: ModelCard) -> tuple[int, ...]:
    return (*(1,) * (3 - len(card.scale)), *card.scale)
