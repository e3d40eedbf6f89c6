"""The first look at an image: everything a plan needs of its pixels, read once."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_superres.core import intensity
from napari_superres.core.image import Image
from napari_superres.core.intensity import Normalisation
from napari_superres.inference.options import UpscaleOptions
from napari_superres.models.card import ModelCard
from napari_superres.models.domain import doubts


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What a plan needs to know of an image.

    Attributes
    ----------
    axes, shape, dtype
        Of the array.
    normalisation
        Intensity map per channel, for the model that the image was looked at for.
    doubts
        Reasons why the model may not suit the image, in sentences.
    """

    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    normalisation: Normalisation
    doubts: tuple[str, ...] = ()

    def size(self, axis: str) -> int:
        """Return the number of pixels along an axis, 1 if the image lacks it."""
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1


def look(image: Image, card: ModelCard, options: UpscaleOptions) -> ImageFacts:
    """Look at an image for a model: fit the intensities and judge whether the model suits it.

    Raises
    ------
    SettingsError
        If `intensity_range` does not fit the image.
    """
    normalisation = intensity.fit(image, card.intensity, options["intensity_range"], card.percentiles)
    channels = options["channels"]
    first = channels[0] if channels and 0 <= channels[0] < image.size("C") else 0
    return ImageFacts(
        axes=image.axes,
        shape=image.shape,
        dtype=image.dtype,
        normalisation=normalisation,
        doubts=doubts(card, image, normalisation, first),
    )
