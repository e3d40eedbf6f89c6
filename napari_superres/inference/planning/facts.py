"""The first look at an image: everything a plan needs to know of it, with its pixels read once."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_superres.core import intensity
from napari_superres.core.image import Image
from napari_superres.core.intensity import Intensities
from napari_superres.errors import SettingsError
from napari_superres.inference.options import UpscaleOptions
from napari_superres.inference.planning.conditions import Told, find_told
from napari_superres.inference.planning.extent import Extent, find_extent
from napari_superres.inference.planning.labels import check_no_labels
from napari_superres.inference.planning.seen import Seen, once
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


def look(image: Image, card: ModelCard, options: UpscaleOptions, seen: Seen | None = None) -> ImageFacts:
    """Look at an image for a model: check the options, fit the intensities, judge whether the model suits it.

    Parameters
    ----------
    image
        Image to upscale.
    card
        Card of the model.
    options
        Complete options of the run.
    seen
        What earlier looks at the same image have seen: pixels are not read for it again.

    Raises
    ------
    SettingsError
        If an option does not fit the image or the model; before pixels are read. If the image looks like labels, or
        no pixel has a value.
    """
    extent = find_extent(image, card, options)
    seen, first, ranges = {} if seen is None else seen, extent.channels[0], options["intensity_range"]
    of = card.name, first, repr(ranges)
    once(seen, ("no labels", *of), lambda: check_no_labels(image, card, options, first))
    intensities = once(
        seen, ("intensities", *of), lambda: intensity.measure(image, card.intensity, ranges, card.percentiles)
    )
    if all(intensities.is_empty[channel] for channel in extent.channels):
        raise SettingsError(
            "the image has no pixel with a value: all are NaN, infinite or marked as not measured.",
            remedy="There is nothing to compute. Leave this image out, or export it again.",
        )
    told = find_told(image, card, intensities.normalisation, extent.channels, options, seen)
    is_blur_told = told is not None and any(told.psf_sigma[c] for c in extent.channels)
    return ImageFacts(
        axes=image.axes,
        shape=image.shape,
        dtype=image.dtype,
        extent=extent,
        intensities=intensities,
        told=told,
        doubts=(
            *image.metadata.get("notes", ()),
            *once(seen, ("doubts", *of), lambda: doubts(card, image, intensities, first)),
            *(told.doubts if told else ()),
        ),
        grid_cell=told.find_cell(card, first)
        if told
        else once(seen, ("cell", *of), lambda: find_cell(card, image, intensities, first)),
        no_data=image.no_data,
        fitness=once(
            seen,
            ("fitness", *of, is_blur_told),
            lambda: judge(
                card, image, intensities, first, is_range_given=ranges is not None, is_blur_told=is_blur_told
            ),
        ),
    )
