"""Score of the model that comes with the program, on the images that a training holds out."""

from collections.abc import Sequence

import numpy as np

from napari_superres.core.image import Image
from napari_superres.degradation.instruments import Instrument, Scale
from napari_superres.errors import SuperResError
from napari_superres.models import ModelCard
from napari_superres.training.images.fields_of_view import Field
from napari_superres.training.validation import iter_recordings, score_result


def shipped_rival(modality: str, scale: Scale) -> ModelCard | None:
    """Return the shipped model for planes of a modality with a scale; None if there is none.

    Parameters
    ----------
    modality
        As on the card of the new model.
    scale
        Factor per axis.
    """
    from napari_superres.models.library.shipped import shipped_cards

    fitting = [
        card
        for card in shipped_cards()
        if modality and card.modality == modality and card.scale == tuple(scale) and card.frames == 1
    ]
    # Among several, the one that is told blur and noise knows most kinds of images.
    return max(fitting, key=lambda card: len(card.conditions), default=None)


def score_shipped(
    fields: Sequence[Field], *, modality: str, scale: Scale, instrument: Instrument
) -> tuple[str, float] | None:
    """Return name and mean PSNR in dB of the shipped model for the same modality and scale, as users would run it.

    It gets the recordings that validation gives to the network in training, and measures their noise itself.

    Parameters
    ----------
    fields
        Fields held out of training.
    modality, scale, instrument
        Of the training.

    Returns
    -------
    tuple or None
        None if no shipped model does the same, or it cannot run on these images.
    """
    from napari_superres.inference import upscale

    card = shipped_rival(modality, scale)
    if card is None or not fields:
        return None
    axes, scores = "ZYX"[-len(scale) :], []
    for low, high, variance in iter_recordings(fields, scale=scale, instrument=instrument):
        image = Image.from_array(low[0, instrument.frames // 2].numpy().astype(np.float32), axes)
        try:
            result = upscale(image, card.name, intensity_range=[(0.0, 1.0)], device="cpu")
        except SuperResError:  # Too small for its tiles, for example.
            return None
        found = np.asarray(result.data)
        scores.append(score_result(found, high, scale, variance, eight_bit=instrument.eight_bit))
    return card.name, round(float(np.mean(scores)), 3)
