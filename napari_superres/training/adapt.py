"""`adapt`: refine a model on your own noisy images, and offer the result only if it is better on parts held out.

There is no clean image to compare with. Each held-out part is split into two images of independent noise; the mean
squared difference between what a network makes of one and the other, less the variance of the other's noise, is an
estimate without bias of the error against the truth. Both networks get the same splits, so most of the scatter is
common to both and falls out of their difference.
"""

import tempfile
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import product
from math import inf, isqrt
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from napari_superres.core.conditions import SHADE
from napari_superres.core.image import Image
from napari_superres.core.options import checks_names
from napari_superres.degradation.instruments import Splits, make_instrument, tell
from napari_superres.errors import SuperResWarning, TrainingError
from napari_superres.io import InputPath, read_image, write_image
from napari_superres.models.card import ITSELF, ModelCard
from napari_superres.models.library.registry import find_card, open_model
from napari_superres.models.model_file import check_model_target, read_card, read_weights, write_model
from napari_superres.training.images.fields_of_view import Field, pixel_size_um, read_fields
from napari_superres.training.patches import own_noise
from napari_superres.training.progress import TrainingStep
from napari_superres.training.recipes import Recipe, make_recipe
from napari_superres.training.recipes.own_data import sigma_in_pixels
from napari_superres.training.trainer import iter_train
from napari_superres.training.validation import iter_recordings

Floats = npt.NDArray[np.float64]

_HELD_OUT = 0.25
"""Share of the rows of each image that are held out."""

_LEAST_ROWS = 64
"""Fewest rows of a part that is held out."""

_MOST_TRAINING, _MOST_HELD_OUT = 1 << 25, 1 << 20
"""Pixels to learn from, and to compare on, of each image: more take memory, or minutes without progress."""

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
    notes
        What the user should know about the training.
    """

    path: Path | None
    gain: float
    error: float
    notes: tuple[str, ...] = ()

    def describe(self, model: str) -> str:
        """Return in a sentence how the refined model compares with the one it started from."""
        size = f"{abs(self.gain):.2f} dB, give or take {self.error:.2f} dB"
        side = "better" if self.gain >= 0 else "worse"
        known = "as estimated on parts of the image that were held out"
        if self.path is None:
            return f"Adapting does not help here: the result is {size}, {side} than {model}, {known}. Keep {model}."
        return f"The adapted model is {size}, better than {model}, {known}."


@checks_names
def adapt(
    images: Sequence[Image | Path | str],
    model: str | Path,
    output: Path | str,
    *,
    psf: Image | Mapping[str, float] | None = None,
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
        Noisy images as the model will get them, or their files. A quarter of each is held out; of large ones, planes
        all over the image and their middles are used.
    model
        Name or file of a model for planes. A model that is told blur and noise still is afterwards.
    output
        Model file to write.
    psf
        Measured point-spread function of the images, as `measure_psf` returns it, or its sigma per axis in
        micrometres: the model then learns to make them sharper by its scale, too. The pixel size of the images must be
        known.
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

    Warns
    -----
    SuperResWarning
        As `train`.
    """
    adapting = iter_adapt(images, model, output, psf=psf, minutes=minutes, steps=steps, seed=seed, overwrite=overwrite)
    last: TrainingStep | None = None
    while True:
        try:
            step = next(adapting)
        except StopIteration as stop:
            done = cast("Adaptation", stop.value)
            for note in done.notes:
                warnings.warn(note, SuperResWarning, stacklevel=3)  # the caller of the decorated function
            return done
        if progress is not None and step is not last and step.step > 0:  # nothing is known before the first step
            progress(step)
        last = step


def iter_adapt(
    images: Sequence[Image | Path | str],
    model: str | Path,
    output: Path | str,
    *,
    psf: Image | Mapping[str, float] | None = None,
    minutes: float | None = 3.0,
    steps: int | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> Generator[TrainingStep, None, Adaptation]:
    """Refine a model as `adapt` does, in a thread, and yield the progress as `iter_train` does.

    Closing the generator ends it within a step, and writes nothing. Parameters, result and errors are those of `adapt`.
    """
    check_model_target(Path(output), overwrite=overwrite)
    card = find_card(model)
    if card.is_interpolation or len(card.scale) != 2 or card.channels != 1 or card.frames != 1:
        raise TrainingError(
            f"{card.name} cannot be refined: it must be a network for single planes of one channel.",
            remedy="Choose another `model`.",
        )
    if not images:
        raise TrainingError("there is no image to learn from.", remedy="Give at least one.")
    instrument: dict[str, Any] = {"kind": "splits"}
    with tempfile.TemporaryDirectory(prefix="superres-") as folder:
        training, held_out = Path(folder, "training"), Path(folder, "held_out")
        sizes = [_divide(image, number, training, held_out) for number, image in enumerate(images)]
        if psf is not None:
            instrument["psf_sigma"] = list(sigma_in_pixels(psf, sizes))
        recipe = _recipe(card, Path(output).stem, training, instrument)
        fields = [f for image in read_fields([held_out], channel="each").images for f in image]
        trial = Path(folder, "trial.safetensors")
        notes: dict[str, None] = {}  # an ordered set
        learning = iter_train(recipe, folder, trial, minutes=minutes, steps=steps, seed=seed, start=model)
        with closing(learning):  # before the folder is removed
            for step in learning:
                notes |= dict.fromkeys(step.notes)
                yield step
        splits = cast("Splits", make_instrument(instrument))
        gain, error = estimate_gain(fields, model, trial, scale=card.scale, splits=splits, seed=seed)
        if not gain > _CERTAIN * error:
            return Adaptation(None, gain, error, tuple(notes))
        check_model_target(Path(output), overwrite=overwrite)
        check = {"protocol": "parts held out", "gain": round(gain, 2), "error": round(error, 2), "over": card.name}
        refined = read_card(trial)
        refined = replace(refined, scores={**refined.scores, ITSELF: check})
        path = write_model(Path(output), refined, read_weights(trial), overwrite=overwrite)
    return Adaptation(path, gain, error, tuple(notes))


def _recipe(card: ModelCard, name: str, training: Path, instrument: dict[str, Any]) -> Recipe:
    own = make_recipe(
        name,
        [training],
        architecture=card.architecture,
        arguments={k: v for k, v in card.arguments.items() if k not in ("scale", "ndim")},
        scale=card.scale,
        degradation=instrument,
        loss={"kind": "mse"},
        card={"title": f"{card.title or card.name}, refined", "modality": card.modality, "license": card.license},
    )
    return replace(own, rate=_RATE, hold_out=False)  # the part that is held out is apart already


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
            sigma = sum(splits.psf_sigma) / 2 * max(scale) - SHADE
            told = tell(low, [(sigma, *own_noise(low[0, 0].numpy(), (1, 1)))], model.card.conditions)
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


def _divide(source: Image | Path | str, number: int, training: Path, held_out: Path) -> float | None:
    """Write the planes of an image, the lower quarter of the rows apart; return the pixel size in micrometres."""
    image, name = (source, "the image") if isinstance(source, Image) else _read(source)
    rows = image.size("Y")
    kept = rows - max(_LEAST_ROWS, round(_HELD_OUT * rows))
    if kept < _LEAST_ROWS or "S" in image.axes:
        raise TrainingError(
            f"{name} must be grey and have at least {2 * _LEAST_ROWS} rows, of which some are held out; it has {rows}.",
            remedy="Choose larger images.",
        )
    parts = (training, range(kept), _MOST_TRAINING), (held_out, range(kept, rows), _MOST_HELD_OUT)
    for folder, part, most in parts:
        folder.mkdir(exist_ok=True)
        values = _planes(image, part, most)
        _check_pixels(Image.from_array(values, "TCYX").replace(no_data=image.no_data), name)
        write_image(Image.from_array(values.astype(np.float32), "TCYX"), folder / f"{number}.ome.tif")
    return pixel_size_um(image)


def _read(path: Path | str) -> tuple[Image, str]:
    return read_image(InputPath(path)), str(InputPath(path))


def _planes(image: Image, rows: range, most: int) -> npt.NDArray[Any]:
    """Return evenly spread planes ``(N, C, Y, X)``, of at most about so many pixels; of large planes the middle."""
    columns, channels = range(image.size("X")), image.size("C")
    rows, columns = (_middle(r, max(_LEAST_ROWS, isqrt(most))) for r in (rows, columns))
    places = list(product(range(image.size("T")), range(image.size("Z"))))
    count = max(1, min(len(places), most // (len(rows) * len(columns) * channels)))
    chosen = [places[i] for i in np.linspace(0, len(places) - 1, count).round().astype(int)]
    planes = []
    for time, z in chosen:
        at: dict[str, Any] = {"T": time, "Z": z, "Y": slice(rows.start, rows.stop)}
        at["X"] = slice(columns.start, columns.stop)
        plane = np.asarray(image.data[tuple(at.get(axis, slice(None)) for axis in image.axes)])
        planes.append(plane.reshape(channels, len(rows), len(columns)))
    return np.stack(planes)


def _middle(places: range, edge: int) -> range:
    start = max(0, (len(places) - edge) // 2)
    return places[start : start + edge]


def _check_pixels(image: Image, name: str) -> None:
    values = np.asarray(image.with_nan().data)
    finite = np.isfinite(values)
    if not finite.any():
        raise TrainingError(f"{name} has no finite pixel: there is nothing to learn.", remedy="Leave it out.")
    if values[finite].min() == values[finite].max():
        raise TrainingError(f"{name} has one intensity everywhere: there is nothing to learn.", remedy="Leave it out.")
    if not finite.all():
        raise TrainingError(f"{name} holds NaN, infinite or missing pixels.", remedy="Crop it, or leave it out.")
