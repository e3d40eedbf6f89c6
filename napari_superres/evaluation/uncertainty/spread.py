"""Where results disagree that ought to agree: turned inputs, several models or checkpoints.

Test-time augmentation as a measure of uncertainty: Wang et al., Neurocomputing 2019,
doi:10.1016/j.neucom.2019.01.103. Running mean and variance: Welford, Technometrics 1962,
doi:10.1080/00401706.1962.10490022.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_superres.core import intensity
from napari_superres.core.image import Image
from napari_superres.core.units import METRES
from napari_superres.errors import SettingsError

if TYPE_CHECKING:
    from napari_superres.models import Model, ModelCard

_SQUARE = 0.01
"""Largest relative difference of pixel sizes at which Y and X may be exchanged."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and disagreement of several results for one image.

    Attributes
    ----------
    mean, deviation
        Pixel by pixel, float32, on the grid of the plain result, in the intensity unit of the input. The
        deviation is the root of the mean square difference from the mean (population form, not n - 1).
    members
        How many results there were: models times transforms.
    models, sha256
        Names of the models, and digests of their files (empty for interpolation).
    scale
        Factor per spatial axis that the first model works on.
    modality
        What the first model was trained for.
    """

    mean: Image
    deviation: Image
    members: int
    models: tuple[str, ...]
    sha256: tuple[str, ...]
    scale: tuple[int, ...]
    modality: str


@dataclass(frozen=True, slots=True)
class _Turn:
    """A mirror image along some axes, Y and X then exchanged or not."""

    mirrored: str
    exchanged: bool

    def apply(self, data: npt.NDArray[Any], axes: str) -> npt.NDArray[Any]:
        return self._exchange(self._mirror(data, axes), axes)

    def undo(self, data: npt.NDArray[Any], axes: str) -> npt.NDArray[Any]:
        return self._mirror(self._exchange(data, axes), axes)

    def _mirror(self, data: npt.NDArray[Any], axes: str) -> npt.NDArray[Any]:
        return np.flip(data, tuple(axes.index(a) for a in self.mirrored))

    def _exchange(self, data: npt.NDArray[Any], axes: str) -> npt.NDArray[Any]:
        return np.swapaxes(data, axes.index("Y"), axes.index("X")) if self.exchanged else data


def spread(
    image: Image, models: "str | Path | Model | Sequence[str | Path | Model]", *, tta: bool = True, **options: Any
) -> Spread:
    """Measure how much results disagree that a perfect model would make alike.

    Every model computes the image mirrored along Y and X and with both exchanged: eight transforms, the
    first of them none; the four without exchange where pixels are not square within 1 % or the scale is not
    the same along Y and X; twice as many, mirrored along Z, for models of volumes. Results are turned back
    exactly. All members of a model see one intensity map, fitted to the image as it is, compute in 32 bits
    unless `precision` says otherwise, and are not rounded to the image's integers.

    Parameters
    ----------
    image
        Low-resolution image, as for `upscale`.
    models
        One name, file or `Model`, or several of one and the same scale.
    tta
        Whether the image is turned (test-time augmentation). Without it, at least two models are needed.
    **options
        Of `upscale`, except ``axes``, ``out``, ``roi`` and ``tta``.

    Returns
    -------
    Spread
        NaN where the result is not finite. RGB samples are kept apart.

    Raises
    ------
    SettingsError
        If there are too few models, their scales differ, or an option does not fit; and what `upscale` raises.

    Notes
    -----
    This is disagreement, not error. It is zero for a model that is wrong and equivariant (bicubic
    interpolation, a network that draws the same false line in every turn), and what all members share, such as
    the bias of their training data, it cannot show. To make intervals of it, calibrate it on pairs:
    `calibrate_folder`.

    Memory: two results in 64 bits (mean and variance), the one being added, and one to work in.
    """
    found = deque(iter_spread(image, models, tta=tta, **options), maxlen=1).pop()
    assert found is not None
    return found


def iter_spread(
    image: Image, models: "str | Path | Model | Sequence[str | Path | Model]", *, tta: bool = True, **options: Any
) -> Iterator[Spread | None]:
    """Do what `spread` does, step by step: yields None after every window, and the spread in the end.

    Everything asked for is checked at the first step. Closing the iterator cancels. The parameters are those of
    `spread`.
    """
    from napari_superres.inference import iter_upscale

    members = loaded_models(models)
    _check(members, image, tta, options)
    wide = np.result_type(image.dtype, np.float32)
    axes, given = image.axes, np.asarray(image.data).astype(wide)
    plain: Image | None = None
    total = _Moments()
    for model, turn in _members(members, image, tta):
        ranges = intensity.fit_normalisation(
            image, model.card.intensity, options.get("intensity_range"), model.card.percentiles
        )
        fixed = {**options, "intensity_range": list(zip(ranges.low, ranges.high, strict=True))}
        if not model.card.is_interpolation:
            fixed.setdefault("precision", "fp32")
        # The grid of a turned image is of no concern: the plain result's is put back.
        seen = image.replace(data=np.ascontiguousarray(turn.apply(given, axes)))
        for step in iter_upscale(seen, model, **fixed):
            result = step.image
            yield None
        plain = result if plain is None else plain
        total.add(turn.undo(np.asarray(result.data), axes))
    assert plain is not None
    names = tuple(m.card.name for m in members)
    record = {**plain.metadata.get("provenance", {}), "members": total.count, "models": list(names)}
    mean = plain.replace(data=total.mean.astype(np.float32), metadata={**plain.metadata, "provenance": record})
    deviation = plain.replace(data=np.sqrt(total.variance).astype(np.float32), metadata={})
    card = members[0].card
    digests = tuple(m.sha256 for m in members)
    yield Spread(mean, deviation, total.count, names, digests, card.scale, card.modality)


def loaded_models(models: "str | Path | Model | Sequence[str | Path | Model]") -> "list[Model]":
    """Return one or several models, loaded where a name or a file is given."""
    from napari_superres.models import Model, load_model

    several = models if isinstance(models, Sequence) and not isinstance(models, str) else [models]
    return [m if isinstance(m, Model) else load_model(m) for m in several]


class _Moments:
    """Mean and variance of arrays that are seen one by one, in float64."""

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


def _members(models: "Sequence[Model]", image: Image, tta: bool) -> "Iterator[tuple[Model, _Turn]]":
    """Yield models and transforms; of each model the plain image first, and only there what it does not suit."""
    for model in models:
        turns = _turns(image, model.card) if tta else [_Turn("", False)]
        yield model, turns[0]
        quiet = model.without_doubts()
        for turn in turns[1:]:
            yield quiet, turn


def _turns(image: Image, card: "ModelCard") -> list[_Turn]:
    mirrors = "ZYX" if card.ndim == 3 else "YX"
    subsets = [
        "".join(a for a, on in zip(mirrors, chosen, strict=True) if on)
        for chosen in product((False, True), repeat=len(mirrors))
    ]
    exchanges = (False, True) if _is_square(image) and card.scale[-1] == card.scale[-2] else (False,)
    return [_Turn(subset, exchanged) for exchanged in exchanges for subset in subsets]


def _is_square(image: Image) -> bool:
    y, x = (image.pixel_size[image.spatial.index(a)] * METRES.get(image.units[a] or "", 1.0) for a in "YX")
    return abs(y - x) <= _SQUARE * max(y, x)


def _check(models: "Sequence[Model]", image: Image, tta: bool, options: dict[str, Any]) -> None:
    if taken := sorted({"axes", "out", "roi"} & set(options)):
        raise SettingsError(f"disagreement is measured on a whole image, without {', '.join(taken)}. Crop it first.")
    if len(models) < (1 if tta else 2):
        raise SettingsError(
            f"without turned images (tta) at least two models are needed to disagree, got {len(models)}. "
            "Give several models or checkpoints, or tta=True."
        )
    if tta and (moved := [m.card.name for m in models if not m.card.is_centred]):
        raise SettingsError(
            f"{moved[0]} moves images by part of a pixel, which turned ones would disagree about. "
            "Compare models instead (tta=False)."
        )
    scales = [_scale_on(image, m.card) for m in models]
    if len(set(scales)) > 1:
        shown = ", ".join(f"{m.card.name} {scale}" for m, scale in zip(models, scales, strict=True))
        raise SettingsError(f"models that are compared must have one scale along {image.spatial}, got {shown}.")


def _scale_on(image: Image, card: "ModelCard") -> tuple[int, ...]:
    work = dict(zip("ZYX"[-card.ndim :], card.scale, strict=True))
    return tuple(work.get(a, 1) for a in image.spatial)
