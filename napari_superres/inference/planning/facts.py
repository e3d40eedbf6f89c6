"""The first look at an image: everything a plan needs to know of it, with its pixels read once."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_superres.core import intensity
from napari_superres.core.image import Image
from napari_superres.core.intensity import Intensities
from napari_superres.inference.options import UpscaleOptions
from napari_superres.inference.planning.conditions import Told, find_told
from napari_superres.inference.planning.extent import Extent, find_extent
from napari_superres.inference.planning.labels import check_no_labels
from napari_superres.models.card import ModelCard
from napari_superres.models.choice.fitness import Fitness, judge
from napari_superres.models.choice.suitability import doubts, find_cell


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What a plan needs to know of an image, for one model.

    Attributes
    ----------
    axes, shape, dtype
        Of the array.
    extent
        What is computed of it.
    intensities
        Intensity map and further facts of each channel.
    told
        What a conditioned network is told of the image; None for other networks.
    doubts
        Reasons why the model may not suit the image, in sentences.
    grid_cell
        Row and column of the card's grid that are nearest to the first channel; None if there is no grid.
    no_data
        Of the image: whole numbers that mean "not measured".
    fitness
        Whether the model fits the first channel that is computed.
    """

    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    extent: Extent
    intensities: Intensities
    told: Told | None = None
    doubts: tuple[str, ...] = ()
    grid_cell: tuple[int, int] | None = None
    no_data: tuple[float, float] | None = None
    fitness: Fitness | None = None


def look(image: Image, card: ModelCard, options: UpscaleOptions) -> ImageFacts:
    """Look at an image for a model: check the options, fit the intensities, judge whether the model suits it.

    Raises
    ------
    SettingsError
        If an option does not fit the image or the model; before pixels are read. If the image looks like labels.
    """
    extent = find_extent(image, card, options)
    check_no_labels(image, card, options, extent.channels[0])
    intensities = intensity.measure(image, card.intensity, options["intensity_range"], card.percentiles)
    told, first = find_told(image, card, intensities.normalisation, extent.channels, options), extent.channels[0]
    return ImageFacts(
        axes=image.axes,
        shape=image.shape,
        dtype=image.dtype,
        extent=extent,
        intensities=intensities,
        told=told,
        doubts=(
            *image.metadata.get("notes", ()),
            *doubts(card, image, intensities, first),
            *(told.doubts if told else ()),
        ),
        grid_cell=told.find_cell(card, first) if told else find_cell(card, image, intensities, first),
        no_data=image.no_data,
        fitness=judge(
            card,
            image,
            intensities,
            first,
            is_range_given=options["intensity_range"] is not None,
            is_blur_told=told is not None and told.psf_sigma > 0,
        ),
    )
