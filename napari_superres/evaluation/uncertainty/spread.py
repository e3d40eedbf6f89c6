"""Measure how much results disagree between flipped inputs, models and checkpoints.

Test-time augmentation as a measure of uncertainty: Wang et al., Neurocomputing 2019,
doi:10.1016/j.neucom.2019.01.103. Running mean and variance: Welford, Technometrics 1962,
doi:10.1080/00401706.1962.10490022.
"""

import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

import numpy as np
import numpy.typing as npt

from napari_superres.core import intensity
from napari_superres.core.image import Image
from napari_superres.core.options import takes_options
from napari_superres.core.turns import Turn, iter_turns
from napari_superres.core.units import METRES
from napari_superres.errors import SettingsError, SuperResWarning

if TYPE_CHECKING:
    from napari_superres.models import Model, ModelCard

_SQUARE_TOLERANCE = 0.01
"""Transpose Y and X only if their pixel sizes differ by at most this fraction."""


class SpreadOptions(TypedDict, total=False):
    """Options of the runs that a spread is made of, as in `upscale`.

    Attributes
    ----------
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.
    precision : str
        ``"auto"``, ``"fp32"``, ``"fp16"``, ``"bf16"`` or ``"fp64"``. With ``"auto"``, networks compute in 32 bits, so
        that rounding does not count as disagreement.
    tile : int, sequence of int or "auto"
        Edge of the tile given to the model, in low-resolution pixels.
    batch : int or "auto"
        Tiles given to the model at once.
    channels : sequence of int, optional
        Channels to compute; all by default.
    max_passes : int
        Largest number of passes over the image for the statistics of layers that look at all of it.
    intensity_range : (float, float) or sequence of (float, float), optional
        Intensities that become 0 and 1 for the model, for all channels or per channel, instead of a fit.
    """

    device: str
    precision: str
    tile: int | Sequence[int] | Literal["auto"]
    batch: int | Literal["auto"]
    channels: Sequence[int] | None
    max_passes: int
    intensity_range: intensity.Ranges | None


SPREAD_DEFAULTS: SpreadOptions = {
    "device": "auto",
    "precision": "auto",
    "tile": "auto",
    "batch": "auto",
    "channels": None,
    "max_passes": 8,
    "intensity_range": None,
}


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and disagreement of several results for one image.

    Attributes
    ----------
    mean, deviation
        Mean and standard deviation of the results at each pixel (population form: over n, not n - 1). float32, on
        the grid of a plain result, in the intensity unit of the input.
    members
        Number of results: models times transforms.
    models, sha256
        Names of the models, and digests of their files (empty for interpolation).
    scale
        Factor per spatial axis that the first model works on.
    modality
        Kind of images that the first model was trained for.
    notes
        Why the models may not suit the image, and what happened during the runs, in sentences.
    """

    mean: Image
    deviation: Image
    members: int
    models: tuple[str, ...]
    sha256: tuple[str, ...]
    scale: tuple[int, ...]
    modality: str
    notes: tuple[str, ...] = ()


@takes_options(SpreadOptions, SPREAD_DEFAULTS)
def spread(
    image: Image,
    models: "str | Path | Model | Sequence[str | Path | Model]",
    *,
    tta: bool = True,
    **options: Unpack[SpreadOptions],
) -> Spread:
    """Measure how much results disagree between flipped inputs and between models.

    A perfect model would return the same result for every version of the image.

    Every model computes eight versions of the image: mirrored along Y, along X or both, each with Y and X exchanged
    or not. Models of volumes compute twice as many, mirrored along Z as well. Y and X are not exchanged where pixels
    are not square within 1 %, or the model's scale differs along the two. The results are flipped back exactly. All
    versions share one intensity map, fitted to the image as it is, and results are not rounded to integers.

    Parameters
    ----------
    image
        Low-resolution image, as for `upscale`.
    models
        Name, file or `Model`; or several of the same scale.
    tta
        Flip the image (test-time augmentation). Without it, at least two models are needed.
    **options
        Options of the runs.

    Returns
    -------
    Spread
        NaN where a result is not finite. RGB samples are kept separate.

    Raises
    ------
    SettingsError
        If there are too few models, their scales differ, or an option does not fit; and what `upscale` raises.

    Warns
    -----
    SuperResWarning
        With each of the ``notes`` of the spread.

    Notes
    -----
    Disagreement is not error. A model that is wrong in the same way for every flip (bicubic interpolation; a network
    that draws the same false line each time) has no spread, and what all models share, such as the bias of their
    training data, does not show. To make error bars of a spread, calibrate it on pairs: `calibrate_folder`.

    Memory: two results in 64 bits (mean and variance), the one that is added, and one to work in.
    """
    result = deque(iter_spread(image, models, tta=tta, **options), maxlen=1).pop()
    assert result is not None
    for note in result.notes:
        warnings.warn(note, SuperResWarning, stacklevel=3)
    return result


@takes_options(SpreadOptions, SPREAD_DEFAULTS)
def iter_spread(
    image: Image,
    models: "str | Path | Model | Sequence[str | Path | Model]",
    *,
    tta: bool = True,
    **options: Unpack[SpreadOptions],
) -> Iterator[Spread | None]:
    """Measure the spread of results step by step: yield None after every tile, and the spread at the end.

    All settings are checked before the first tile. Closing the iterator cancels the run.

    Parameters
    ----------
    image, models, tta
        As in `spread`.
    **options
        Options of the runs.

    Yields
    ------
    Spread or None
        The spread is the last value; its ``notes`` say what `spread` warns of.

    Raises
    ------
    SettingsError
        As `spread`.
    """
    from napari_superres.inference import iter_upscale

    members = load_models(models)
    _check(members, image, tta)
    wide = np.result_type(image.dtype, np.float32)
    axes, pixels = image.axes, np.asarray(image.data).astype(wide)
    plain: Image | None = None
    total, notes = _Moments(), dict[str, None]()
    for model, turn in _members(members, image, tta):
        # The inverse of each turn serves as well as the turn itself, and fixes the order of the sums below.
        flipped = image.replace(data=np.ascontiguousarray(turn.undo(pixels, axes)))
        for step in iter_upscale(flipped, model, **_run_options(options, image, model)):
            result = step.image
            notes |= dict.fromkeys(step.notes)
            yield None
        # A flipped result has the wrong grid: the moments get that of the plain one.
        plain = result if plain is None else plain
        total.add(turn.apply(np.asarray(result.data), axes))
    assert plain is not None
    names = tuple(m.card.name for m in members)
    record = {**plain.metadata.get("provenance", {}), "members": total.count, "models": list(names)}
    mean = plain.replace(data=total.mean.astype(np.float32), metadata={**plain.metadata, "provenance": record})
    deviation = plain.replace(data=np.sqrt(total.variance).astype(np.float32), metadata={})
    card = members[0].card
    digests = tuple(m.sha256 for m in members)
    yield Spread(mean, deviation, total.count, names, digests, card.scale, card.modality, tuple(notes))


def load_models(models: "str | Path | Model | Sequence[str | Path | Model]") -> "list[Model]":
    """Return one or several models, loaded where a name or a file is given."""
    from napari_superres.models import Model, load_model

    several = models if isinstance(models, Sequence) and not isinstance(models, str) else [models]
    return [m if isinstance(m, Model) else load_model(m) for m in several]


class _Moments:
    """Mean and variance of arrays that are added one by one, in float64."""

    def __init__(self) -> None:
        self.count = 0
        self.mean: npt.NDArray[np.float64] = np.zeros(())
        self._squares: npt.NDArray[np.float64] = np.zeros(())

    def add(self, values: npt.NDArray[Any]) -> None:
        self.count += 1
        if self.count == 1:
            self.mean, self._squares = values.astype(np.float64), np.zeros(values.shape)
            return
        with np.errstate(invalid="ignore"):  # infinite less infinite
            off = values - self.mean
            self.mean += off / self.count
            off *= off
            off *= (self.count - 1) / self.count
            self._squares += off

    @property
    def variance(self) -> npt.NDArray[np.float64]:
        return self._squares / self.count


def _run_options(options: SpreadOptions, image: Image, model: "Model") -> dict[str, Any]:
    """Return the options of one run, with an intensity map that does not depend on how the image is flipped."""
    card = model.card
    ranges = intensity.fit_normalisation(image, card.intensity, options.get("intensity_range"), card.percentiles)
    settings = {**options, "intensity_range": list(zip(ranges.low, ranges.high, strict=True))}
    if options.get("precision", "auto") == "auto" and not card.is_interpolation:
        settings["precision"] = "fp32"
    return settings


def _members(models: "Sequence[Model]", image: Image, tta: bool) -> "Iterator[tuple[Model, Turn]]":
    """Yield each model with each turn, the plain image first; only that one is checked for whether it suits."""
    for model in models:
        turns = _turns(image, model.card) if tta else iter([Turn()])
        yield model, next(turns)
        unchecked = model.for_any_image()
        for turn in turns:
            yield unchecked, turn


def _turns(image: Image, card: "ModelCard") -> Iterator[Turn]:
    exchanged = _is_square(image) and card.scale[-1] == card.scale[-2] and card.is_turnable
    return iter_turns("ZYX" if card.ndim == 3 else "YX", exchanged=exchanged)


def _is_square(image: Image) -> bool:
    y, x = (image.pixel_size[image.spatial.index(a)] * METRES.get(image.units[a] or "", 1.0) for a in "YX")
    return abs(y - x) <= _SQUARE_TOLERANCE * max(y, x)


def _check(models: "Sequence[Model]", image: Image, tta: bool) -> None:
    if len(models) < (1 if tta else 2):
        raise SettingsError(
            f"without flipped images at least two models are needed to disagree, got {len(models)}.",
            remedy="Give several models or checkpoints, or use `tta=True`.",
        )
    if tta and (off_centre := [m.card.name for m in models if not m.card.is_centred]):
        raise SettingsError(
            f"{off_centre[0]} moves images by part of a pixel, so the results of flipped images would disagree.",
            remedy="Compare several models instead, with `tta=False`.",
        )
    scales = [_scale_on(image, m.card) for m in models]
    if len(set(scales)) > 1:
        scale_of = ", ".join(f"{m.card.name} {scale}" for m, scale in zip(models, scales, strict=True))
        raise SettingsError(f"models that are compared must have one scale along {image.spatial}, got {scale_of}.")


def _scale_on(image: Image, card: "ModelCard") -> tuple[int, ...]:
    work = dict(zip("ZYX"[-card.ndim :], card.scale, strict=True))
    return tuple(work.get(a, 1) for a in image.spatial)


def describe_spread(spread: Spread) -> str:
    """Return how much results disagree, in the intensity unit and as a share of the contrast, and where most.

    The contrast reaches from the 1st to the 99th percentile of the mean.
    """
    deviation, mean = (np.asarray(i.data, dtype=np.float64) for i in (spread.deviation, spread.mean))
    known = np.isfinite(deviation)
    if not known.any():
        return "nothing that can be measured: no pixel is finite"
    typical, most = float(np.median(deviation[known])), float(np.percentile(deviation[known], 99))
    low, high = np.percentile(mean[np.isfinite(mean)], [1, 99])
    contrast = float(high - low)
    shares = f" ({typical / contrast:.2%} and {most / contrast:.2%} of the contrast)" if contrast > 0 else ""
    at = np.unravel_index(np.where(known, deviation, -1).argmax(), deviation.shape)
    place = ", ".join(f"{a} {i}" for a, i in zip(spread.deviation.axes, at, strict=True))
    return f"{typical:.3g} in half of the pixels and {most:.3g} or more in 1 of 100{shares}, most at {place}"
