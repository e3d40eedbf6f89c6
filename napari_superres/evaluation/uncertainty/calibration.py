"""`Calibration`: factors that turn a spread into intervals, what they hold for, and the file that keeps them."""

import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from math import ceil, inf, isfinite, isinf
from pathlib import Path
from typing import Self

import numpy as np

from napari_superres.core import intensity
from napari_superres.core.image import Image
from napari_superres.core.units import METRES
from napari_superres.errors import EvaluationError, SuperResWarning
from napari_superres.evaluation.uncertainty.failure import FailureMask
from napari_superres.evaluation.uncertainty.spread import Spread
from napari_superres.limits import read_json
from napari_superres.storage.atomic import write_text

Pair = tuple[float, float]

FORMAT = 2
"""Version of the file's layout: 2 adds `failure`. A file with a higher number was written by a newer program."""

_TOLERANCE = 1.05
"""Largest factor between the pixels of an image and those of the calibration."""

_CALIBRATE = "Calibrate again: `calibrate_folder()`."

_MARGIN = 0.05
"""Share of the calibration's intensity range by which an image may exceed it without a note."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """The model and the kind of images that a calibration holds for.

    Attributes
    ----------
    model, sha256
        Name of the model and digest of its file; an interpolation has no digest, its name identifies it.
    scale
        Factor per spatial axis that the model works on.
    modality
        Kind of images, such as ``"fluorescence"``.
    pixel_size
        ``(smallest, largest)`` pixel along Y and X of the low-resolution images, in micrometers; None if unknown.
    intensity_range
        ``(low, high)``: 0.1 and 99.9 percentiles of the results; None if unknown, then it is not checked.
    members
        Number of results per image that the spread was made of.
    """

    model: str
    sha256: str
    scale: tuple[int, ...]
    modality: str
    pixel_size: Pair | None
    intensity_range: Pair | None
    members: int = 1

    def __post_init__(self) -> None:
        for name in ("model", "sha256", "modality"):
            _require(isinstance(getattr(self, name), str), f"a string as {name}")
        _require(isinstance(self.members, int) and self.members >= 1, "members of at least 1")
        object.__setattr__(self, "scale", tuple(int(s) for s in self.scale))
        for name in ("pixel_size", "intensity_range"):
            if (value := getattr(self, name)) is not None:
                pair = tuple(float(v) for v in value)
                valid = len(pair) == 2 and all(map(isfinite, pair)) and pair[0] <= pair[1]
                _require(valid, f"(low, high) as {name}")
                object.__setattr__(self, name, pair)

    @classmethod
    def of(cls, spread: Spread, *, modality: str | None = None) -> Self:
        """Return the binding of a spread and of the image it was made from.

        Parameters
        ----------
        spread
            Spread of the results for one image.
        modality
            Kind of images; that of the model by default.
        """
        mean, sizes = spread.mean, None
        if mean.has_pixel_size:
            metres = [mean.pixel_size[mean.spatial.index(a)] * METRES[mean.units[a] or ""] for a in "YX"]
            both = [m / METRES["micrometer"] * s for m, s in zip(metres, spread.scale[-2:], strict=True)]
            sizes = (min(both), max(both))
        percentiles = intensity.fit_normalisation(mean, "percentile")
        each = sorted(digest or name for digest, name in zip(spread.sha256, spread.models, strict=True))
        return cls(
            model=" + ".join(spread.models),
            sha256=spread.sha256[0] if len(each) == 1 else sha256("\n".join(each).encode()).hexdigest(),
            scale=spread.scale,
            modality=spread.modality if modality is None else modality,
            pixel_size=sizes,
            intensity_range=(min(percentiles.low), max(percentiles.high)),
            members=spread.members,
        )

    @property
    def identity(self) -> str:
        """The digest of the model, or its name if it has none."""
        return self.sha256 or self.model

    @property
    def kind(self) -> Self:
        """The binding without what differs from image to image."""
        return replace(self, pixel_size=None, intensity_range=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Factors that turn a spread into intervals, how well they fit, and what they hold for.

    Attributes
    ----------
    alpha
        Share of pixels that may lie outside the intervals.
    delta
        Probability that guarantee B may fail.
    images
        Number of images that it was made from.
    q, lam
        Factors A and B of `evaluation.uncertainty.conformal`. With too few images, `q` is infinite and `lam` None.
    reason
        Why there is no `lam`; otherwise empty.
    epsilon
        Added to the spread, in the intensity unit.
    binding
        The model and the images that it holds for.
    curve
        ``(nominal, measured)`` coverage at 0.1 to 0.9. Each image is covered with the factor that covers the nominal
        share in the mean over all other images; the measured coverage is the mean over images.
    by_intensity, by_spread
        Coverage of the intervals in each quarter of the calibration pixels, lowest result or spread first.
    mean_width
        Mean width of the intervals, from end to end, in the intensity unit.
    rank_correlation
        Spearman's correlation of spread and absolute error, the mean over images; None if every spread is constant.
    notes
        Which images were left out and why, and what was assumed.
    failure
        Where errors may exceed a tolerance; None in a file of an older version.
    """

    alpha: float
    delta: float
    images: int
    q: float
    lam: float | None
    reason: str
    epsilon: float
    binding: Binding
    curve: tuple[Pair, ...]
    by_intensity: tuple[float, ...]
    by_spread: tuple[float, ...]
    mean_width: float
    rank_correlation: float | None
    notes: tuple[str, ...] = ()
    failure: FailureMask | None = None

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        for name in ("alpha", "delta", "q", "epsilon", "mean_width"):
            set_(self, name, float(getattr(self, name)))
        for name in ("lam", "rank_correlation"):
            set_(self, name, None if (value := getattr(self, name)) is None else float(value))
        for name in ("by_intensity", "by_spread"):
            set_(self, name, tuple(float(v) for v in getattr(self, name)))
            _require(len(getattr(self, name)) == 4, f"four values of {name}")
        set_(self, "curve", tuple((float(n), float(m)) for n, m in self.curve))
        shares = (*self.by_intensity, *self.by_spread, *(v for pair in self.curve for v in pair))
        _require(all(0 <= v <= 1 for v in shares), "coverages from 0 to 1")
        _require(0 < self.alpha < 1 and 0 < self.delta < 1, "alpha and delta between 0 and 1")
        _require(isinstance(self.images, int) and self.images >= 2, "at least two images")
        _require(self.q >= 0 and self.mean_width >= 0, "q and mean_width of at least 0")
        _require(0 < self.epsilon < inf, "epsilon above 0")
        _require(self.lam is None or 0 <= self.lam < inf, "lam of at least 0, or none")
        _require(self.rank_correlation is None or abs(self.rank_correlation) <= 1, "a rank correlation of -1 to 1")
        set_(self, "notes", tuple(str(n) for n in self.notes))

    @property
    def factor(self) -> float:
        """Half-width of the intervals divided by spread plus `epsilon`: `lam` if there is one, else `q`."""
        return self.q if self.lam is None else self.lam

    def check(self, binding: Binding) -> tuple[str, ...]:
        """Refuse a spread that the calibration does not hold for.

        Returns
        -------
        tuple of str
            A note if intensities exceed the range of the calibration images by more than 5 % of it.

        Raises
        ------
        EvaluationError
            If model, scale, modality, number of members or pixel size (by more than 5 %) differ.
        """
        ours = self.binding
        if binding.identity != ours.identity:
            what = "other weights of " if binding.model == ours.model else ""
            raise EvaluationError(
                f"the calibration holds for the model {ours.model}, got {what}{binding.model}.", remedy=_CALIBRATE
            )
        for name, what in (("scale", "scale"), ("modality", "modality"), ("members", "number of results in a spread")):
            expected, actual = getattr(ours, name), getattr(binding, name)
            if expected != actual:
                raise EvaluationError(
                    f"the calibration holds for the {what} {expected}, got {actual}.", remedy=_CALIBRATE
                )
        _check_pixel_size(ours.pixel_size, binding.pixel_size)
        if ours.intensity_range is None or binding.intensity_range is None:
            return ()
        (low, high), (least, most) = ours.intensity_range, binding.intensity_range
        margin = _MARGIN * (high - low)
        if least >= low - margin and most <= high + margin:
            return ()
        return (
            f"intensities ({least:.4g} to {most:.4g}) leave the range of the calibration images ({low:.4g} to "
            f"{high:.4g}), so its guarantee may not hold: calibrate on images like this one",
        )

    def summary(self) -> dict[str, object]:
        """Return the numbers that a report shows."""
        names = ("alpha", "delta", "images", "q", "lam", "epsilon", "mean_width", "rank_correlation")
        return {n: getattr(self, n) for n in names} | {
            "model": self.binding.model,
            "curve": [list(c) for c in self.curve],
        }

    def to_json(self, path: str | Path) -> Path:
        """Write the calibration as JSON; a failure leaves an existing file as it is.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        values = _finite(asdict(self))
        if self.failure is not None:
            values["failure"] = _finite(asdict(self.failure))
        target = Path(path)
        write_text(target, json.dumps({"format": FORMAT, **values}, indent=2, ensure_ascii=False) + "\n")
        return target

    @classmethod
    def from_json(cls, path: str | Path) -> Self:
        """Read a calibration from its file.

        Raises
        ------
        EvaluationError
            If the file is missing, damaged, or made by a newer version.
        """
        source = Path(path)
        try:
            values = read_json(source)
            version = values.pop("format")
            if version <= FORMAT:
                failure = values.pop("failure", None)
                return cls(
                    **{**values, "binding": Binding(**values["binding"])},
                    failure=None if failure is None else FailureMask(**failure),
                )
        except OSError as error:
            raise EvaluationError(f"calibration {source} cannot be read: {error.strerror or error}.") from error
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise EvaluationError(
                f"{source.name} is no calibration or is damaged ({error}).", remedy=_CALIBRATE
            ) from error
        raise EvaluationError(
            f"{source.name} was made by a newer version (format {version}, this program knows {FORMAT}).",
            remedy="Update this program.",
        )


def intervals(spread: Spread, calibration: Calibration, binding: Binding) -> Image:
    """Return the half-width of the interval around ``spread.mean`` at each pixel.

    Parameters
    ----------
    spread
        Spread of the results for one image.
    calibration
        Calibration of the same models on images of the same kind.
    binding
        The model and images of the spread, usually ``Binding.of(spread)``.

    Returns
    -------
    Image
        float32, in the intensity unit, on the result's grid. ``metadata["interval"]`` names the guarantee (``"image"``
        for A, ``"risk"`` for B), its numbers and ``"notes"``.

    Raises
    ------
    EvaluationError
        If the calibration does not hold for the spread, or was made from too few images for any interval.

    Warns
    -----
    SuperResWarning
        If intensities exceed the range of the calibration images.
    """
    widths = half_widths(spread, calibration, binding)
    for note in widths.metadata["interval"]["notes"]:
        warnings.warn(note, SuperResWarning, stacklevel=2)
    return widths


def half_widths(spread: Spread, calibration: Calibration, binding: Binding) -> Image:
    """Do what `intervals` does without a warning: notes are in ``metadata["interval"]["notes"]``."""
    notes = calibration.check(binding)
    if isinf(calibration.factor):
        needed = ceil(1 / calibration.alpha - 1 - 1e-9)
        raise EvaluationError(
            f"intervals would be infinite: alpha {calibration.alpha:g} needs at least {needed} calibration images, "
            f"this one has {calibration.images}.",
            remedy="Calibrate on more images, or with a larger `alpha`.",
        )
    width = calibration.factor * (np.asarray(spread.deviation.data, dtype=np.float64) + calibration.epsilon)
    facts = {
        "guarantee": "image" if calibration.lam is None else "risk",
        "factor": calibration.factor,
        "alpha": calibration.alpha,
        "delta": calibration.delta,
        "images": calibration.images,
        "notes": notes,
    }
    return spread.deviation.replace(data=width.astype(np.float32), metadata={"interval": facts})


def _check_pixel_size(expected: Pair | None, actual: Pair | None) -> None:
    if expected is None and actual is None:
        return
    if expected is None or actual is None:
        unknown, known = ("the calibration images", "this one's") if expected is None else ("this image", "the others'")
        raise EvaluationError(
            f"the pixel size of {unknown} is not known, {known} is {_in_micrometers(expected or actual)}, so it cannot "
            "be decided whether the calibration holds.",
            remedy="Give the pixel size (`pixel_size`), or calibrate again: `calibrate_folder()`.",
        )
    if actual[0] < expected[0] / _TOLERANCE or actual[1] > expected[1] * _TOLERANCE:
        raise EvaluationError(
            f"the calibration holds for pixels of {_in_micrometers(expected)}, got {_in_micrometers(actual)}.",
            remedy="Calibrate on images with such pixels, or correct the pixel size (`pixel_size`).",
        )


def _in_micrometers(pair: Pair | None) -> str:
    return "" if pair is None else f"{' to '.join(dict.fromkeys(f'{v:.4g}' for v in pair))} µm"


def _finite(values: Mapping[str, object]) -> dict[str, object]:
    """Return values with texts instead of infinite numbers, which JSON does not have."""
    return {k: str(v) if isinstance(v, float) and isinf(v) else v for k, v in values.items()}


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise EvaluationError(f"a calibration needs {what}")
