"""`adapt`: refine a model on your own noisy images, and offer the result only if it is better on parts held out.

There is no clean image to compare with. Each held-out part is split into two images of independent noise; the mean
squared difference between what a network makes of one and the other, less the variance of the other's noise, is an
estimate without bias of the error against the truth. Both networks get the same splits, so most of the scatter is
common to both and falls out of their difference.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from napari_superres.core.image import Image
from napari_superres.core.options import checks_names
from napari_superres.degradation.instruments import Splits, Strengths, make_instrument
from napari_superres.errors import TrainingError
from napari_superres.io import InputPath, read_image, write_image
from napari_superres.models.library.registry import find_card, open_model
from napari_superres.models.model_file import check_model_target, read_card, read_weights, write_model
from napari_superres.training.images.fields_of_view import Field, read_fields
from napari_superres.training.patches import own_noise
from napari_superres.training.progress import TrainingStep
from napari_superres.training.recipes import make_recipe
from napari_superres.training.recipes.own_data import sigma_in_pixels
from napari_superres.training.trainer import train
from napari_superres.training.validation import iter_recordings

Floats = npt.NDArray[np.float64]

_HELD_OUT = 0.25
"""Share of the rows of each image that are held out."""

_LEAST_ROWS = 64
"""Fewest rows of a part that is held out."""

_BLOCK = 32
"""Edge of the blocks whose errors tell how certain their mean is, in pixels of the result."""

_REPEATS = 4
"""Splits of each held-out part."""

_CERTAIN = 2.0
"""Standard errors by which the refined model must be better."""

_RATE = 3e-4
"""Learning rate: a tenth of that of random weights would forget nothing, but learn nothing in minutes either."""


@dataclass(frozen=True, slots=True)
class Adaptation:
    """What refining a model gave.

    Attributes
    ----------
    path
        The refined model; None if it is not better, and nothing was written.
    gain, error
        Estimated gain over the model it started from in dB, on parts held out, and one standard error of it.
    """

    path: Path | None
    gain: float
    error: float


@checks_names
def adapt(
    images: Sequence[Path | str],
    model: str | Path,
    output: Path | str,
    *,
    psf: Image | None = None,
    minutes: float | None = 3.0,
    steps: int | None = None,
    seed: int = 0,
    overwrite: bool = False,
    progress: Callable[[TrainingStep], object] | None = None,
) -> Adaptation:
    """Refine a model on your own images, without clean ones, and keep it only if it is better.

    Parameters
    ----------
    images
        Noisy images as the model will get them. A quarter of each is held out.
    model
        Name or file of a model for planes. A model that is told blur and noise becomes one for the noise of these
        images alone.
    output
        Model file to write.
    psf
        Measured point-spread function of the images, as `measure_psf` returns it: the model then learns to make them
        sharper by its scale, too. The pixel size of the images must be known.
    minutes, steps
        Budget; training ends when either is spent.
    seed
        Seed of patches and splits.
    overwrite
        Whether to replace an existing `output`.
    progress
        Called with the progress, a few times a second.

    Returns
    -------
    Adaptation

    Raises
    ------
    TrainingError
        If the model is no network for planes of one channel, an image is too small or has no noise to split.
    SuperResError
        As `train` and `read_image`.
    """
    check_model_target(Path(output), overwrite=overwrite)
    card = find_card(model)
    if card.is_interpolation or len(card.scale) != 2 or card.channels != 1 or card.frames != 1:
        raise TrainingError(
            f"{card.name} cannot be refined: it must be a network for single planes of one channel.",
            remedy="Choose another `model`.",
        )
    instrument: dict[str, Any] = {"kind": "splits"}
    if psf is not None:
        instrument["psf_sigma"] = list(sigma_in_pixels(psf, [Path(path) for path in images]))
    with tempfile.TemporaryDirectory() as folder:
        training, held_out = Path(folder, "training"), Path(folder, "held_out")
        for number, path in enumerate(images):
            _divide(InputPath(path), number, training, held_out)
        own = make_recipe(
            Path(output).stem,
            [training],
            architecture=card.architecture,
            arguments={k: v for k, v in card.arguments.items() if k not in ("scale", "ndim", "conditions")},
            scale=card.scale,
            degradation=instrument,
            loss={"kind": "mse"},
            card={"title": f"{card.title or card.name}, refined", "modality": card.modality, "license": card.license},
        )
        recipe = replace(own, rate=_RATE, hold_out=False)  # the part that is held out is apart already
        fields = [f for image in read_fields([held_out], channel="each").images for f in image]
        trial = Path(folder, "trial.safetensors")
        train(recipe, folder, trial, minutes=minutes, steps=steps, seed=seed, start=model, progress=progress)
        splits = cast("Splits", make_instrument(instrument))
        gain, error = estimate_gain(fields, model, trial, scale=card.scale, splits=splits, seed=seed)
        if not gain > _CERTAIN * error:
            return Adaptation(None, gain, error)
        check_model_target(Path(output), overwrite=overwrite)
        path = write_model(Path(output), read_card(trial), read_weights(trial), overwrite=overwrite)
    return Adaptation(path, gain, error)


def estimate_gain(
    fields: Sequence[Field],
    old: str | Path,
    new: str | Path,
    *,
    scale: Sequence[int],
    splits: Splits | None = None,
    seed: int = 0,
) -> tuple[float, float]:
    """Return by how many dB a model is better than another on noisy fields, and the standard error.

    Raises
    ------
    TrainingError
        If no noise is found.
    """
    first, second = (_errors(fields, name, tuple(scale), splits or Splits(), seed) for name in (old, new))
    if not len(first):
        raise TrainingError("the held-out parts are too small.", remedy="Choose larger images.")
    means = first.mean(), second.mean()
    if min(means) <= 0:
        return 0.0, inf  # less error than the estimate can tell from none
    # The logarithm of a ratio of means, whose error follows from that of a weighted difference.
    scatter = (first / means[0] - second / means[1]).std(ddof=1) / np.sqrt(len(first)) if len(first) > 1 else inf
    return 10 * float(np.log10(means[0] / means[1])), 10 / np.log(10) * float(scatter)


def _errors(fields: Sequence[Field], name: str | Path, scale: tuple[int, ...], splits: Splits, seed: int) -> Floats:
    """Return the squared error of a model in each block, less the variance of the noise."""
    model = open_model(name)
    assert isinstance(model.module, nn.Module)
    blocks = []
    for low, high, variance in iter_recordings(list(fields) * _REPEATS, scale=scale, instrument=splits, seed=seed + 1):
        told = low
        if model.card.conditions:
            gain, read_noise = own_noise(low[0, 0].numpy(), (1, 1))
            strengths = Strengths(*(torch.tensor([v]) for v in (0.0, gain, read_noise)))
            told = torch.cat([low, strengths.planes(low)], dim=1)
        with torch.inference_mode():
            result = model.module(told)[0, 0].numpy()
        square = np.square(result - high, dtype=np.float64) - variance
        rows, columns = (n // _BLOCK for n in square.shape)
        cut = square[: rows * _BLOCK, : columns * _BLOCK].reshape(rows, _BLOCK, columns, _BLOCK)
        blocks.append(cut.mean(axis=(1, 3)).ravel())
    # The repeats of a block are not independent: their mean counts once.
    count = len(fields)
    parts = [np.mean(blocks[n::count], axis=0) for n in range(count)]
    return np.concatenate(parts) if parts else np.empty(0)


def _divide(path: InputPath, number: int, training: Path, held_out: Path) -> None:
    """Write the planes of an image, the lower quarter of the rows apart."""
    image = read_image(path)
    rows = image.size("Y")
    kept = rows - max(_LEAST_ROWS, round(_HELD_OUT * rows))
    if kept < _LEAST_ROWS or "S" in image.axes:
        raise TrainingError(
            f"{path} must be grey and have at least {2 * _LEAST_ROWS} rows, of which some are held out; it has {rows}.",
            remedy="Choose larger images.",
        )
    values = np.asarray(image.with_nan().data)
    finite = values[np.isfinite(values)]
    if finite.size == 0 or finite.min() == finite.max():
        what = "no finite pixel" if finite.size == 0 else "one intensity everywhere"
        raise TrainingError(f"{path} has {what}: there is nothing to learn.", remedy="Leave it out.")
    for folder, part in ((training, slice(0, kept)), (held_out, slice(kept, None))):
        folder.mkdir(exist_ok=True)
        box = tuple(part if a == "Y" else slice(None) for a in image.axes)
        cut = Image.from_array(np.asarray(image.data)[box], image.axes)
        write_image(cut, folder / f"{number}.ome.tif")
