"""`Calibration`: factors that make intervals of a spread, and what they hold for; the file that keeps them."""

import json
import warnings
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from math import ceil, inf, isfinite, isinf
from pathlib import Path
from typing import Self

import numpy as np

from napari_superres.atomic import write_text
from napari_superres.core import intensity
from napari_superres.core.image import Image
from napari_superres.core.units import METRES
from napari_superres.errors import EvaluationError, SuperResWarning
from napari_superres.evaluation.uncertainty.spread import Spread

Pair = tuple[float, float]

FORMAT = 1
"""Version of the file's layout. A file with a higher number was made by a newer program."""

_TOLERANCE = 1.05
"""Factor by which pixels may be smaller or larger than those of the calibration."""

_MARGIN = 0.05
"""Share of the calibration's intensity range by which an image may leave it unnoticed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What a calibration holds for.

    Attributes
    ----------
    model, sha256
        Name of the model and digest of its file; without a digest (interpolation) the name identifies it.
    scale
        Factor per spatial axis that the model works on.
    modality
        Kind of images, such as ``"fluorescence"``.
    pixel_size
        ``(smallest, largest)`` pixel along Y and X of the low-resolution images, in micrometers; None = unknown.
    intensity_range
        ``(low, high)``: 0.1 and 99.9 percentiles of the results; None = unknown, never warned of.
    members
        Results per image that the spread was made of.
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
            _require(isinstance(getattr(self, name), str), f"{name} as a text")
        _require(isinstance(self.members, int) and self.members >= 1, "members of at least 1")
        object.__setattr__(self, "scale", tuple(int(s) for s in self.scale))
        for name in ("pixel_size", "intensity_range"):
            if (given := getattr(self, name)) is not None:
                pair = tuple(float(v) for v in given)
                _require(len(pair) == 2 and all(map(isfinite, pair)) and pair[0] <= pair[1], f"{name} as (low, high)")
                object.__setattr__(self, name, pair)

    @classmethod
    def of(cls, found: Spread, *, modality: str | None = None) -> Self:
        """Return what describes a spread and the image it was made from; the model's modality by default."""
        mean, sizes = found.mean, None
        if mean.has_pixel_size:
            metres = [mean.pixel_size[mean.spatial.index(a)] * METRES[mean.units[a] or ""] for a in "YX"]
            both = [m / METRES["micrometer"] * s for m, s in zip(metres, found.scale[-2:], strict=True)]
            sizes = (min(both), max(both))
        seen = intensity.fit_normalisation(mean, "percentile")
        each = sorted(digest or name for digest, name in zip(found.sha256, found.models, strict=True))
        return cls(
            model=" + ".join(found.models),
            sha256=found.sha256[0] if len(each) == 1 else sha256("\n".join(each).encode()).hexdigest(),
            scale=found.scale,
            modality=found.modality if modality is None else modality,
            pixel_size=sizes,
            intensity_range=(min(seen.low), max(seen.high)),
            members=found.members,
        )

    @property
    def identity(self) -> str:
        """What tells models apart."""
        return self.sha256 or self.model

    @property
    def kind(self) -> Self:
        """All but what differs from image to image."""
        return replace(self, pixel_size=None, intensity_range=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Factors that make intervals of a spread, how well they fit, and what they hold for.

    Attributes
    ----------
    alpha, delta
        Share of pixels that may lie outside; probability with which B may fail.
    images
        How many were calibrated on.
    q, lam
        Factors A and B of `evaluation.conformal`; infinite, or None with `reason`, where there are too few images.
    reason
        Why there is no `lam`; else empty.
    epsilon
        Added to the spread, in the intensity unit.
    binding
        What it holds for.
    curve
        ``(nominal, found)`` coverage at 0.1 to 0.9: with the factor that covers the nominal share in the mean
        over all other images, the share covered in each image that was left out, averaged.
    by_intensity, by_spread
        Coverage of the intervals in each quarter of the calibration pixels, lowest result or spread first.
    mean_width
        Of the intervals, from end to end, in the intensity unit.
    rank_correlation
        Spearman's, of spread and absolute error, the mean over images; None where a spread is constant.
    notes
        What was left out or taken for granted.
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

    def __post_init__(self) -> None:
        set_ = object.__setattr__
        for name in ("alpha", "delta", "q", "epsilon", "mean_width"):
            set_(self, name, float(getattr(self, name)))
        for name in ("lam", "rank_correlation"):
            set_(self, name, None if (value := getattr(self, name)) is None else float(value))
        for name in ("by_intensity", "by_spread"):
            set_(self, name, tuple(float(v) for v in getattr(self, name)))
            _require(len(getattr(self, name)) == 4, f"four values of {name}")
        set_(self, "curve", tuple((float(n), float(f)) for n, f in self.curve))
        shares = (*self.by_intensity, *self.by_spread, *(v for pair in self.curve for v in pair))
        _require(all(0 <= v <= 1 for v in shares), "coverages from 0 to 1")
        _require(0 < self.alpha < 1 and 0 < self.delta < 1, "alpha and delta between 0 and 1")
        _require(isinstance(self.images, int) and self.images >= 2, "two images or more")
        _require(self.q >= 0 and self.mean_width >= 0, "q and mean_width of at least 0")
        _require(0 < self.epsilon < inf, "epsilon above 0")
        _require(self.lam is None or 0 <= self.lam < inf, "lam of at least 0, or none")
        _require(self.rank_correlation is None or abs(self.rank_correlation) <= 1, "a rank correlation of -1 to 1")
        set_(self, "notes", tuple(str(n) for n in self.notes))

    @property
    def factor(self) -> float:
        """Half-width of the intervals over spread plus `epsilon`: `lam` where there is one, else `q`."""
        return self.q if self.lam is None else self.lam

    def check(self, binding: Binding) -> None:
        """Refuse what the calibration does not hold for.

        Raises
        ------
        EvaluationError
            If model, scale, modality, number of members or pixel size (by more than 5 %) differ.

        Warns
        -----
        SuperResWarning
            If intensities leave the range of the calibration images by more than 5 % of it.
        """
        ours = self.binding
        if binding.identity != ours.identity:
            what = "other weights of " if binding.model == ours.model else ""
            raise EvaluationError(
                f"the calibration holds for the model {ours.model}, got {what}{binding.model}. Calibrate anew with it."
            )
        for name, what in (("scale", "scale"), ("modality", "modality"), ("members", "number of results in a spread")):
            held, given = getattr(ours, name), getattr(binding, name)
            if held != given:
                raise EvaluationError(f"the calibration holds for the {what} {held}, got {given}. Calibrate anew.")
        _check_pixel_size(ours.pixel_size, binding.pixel_size)
        if ours.intensity_range is None or binding.intensity_range is None:
            return
        (low, high), (least, most) = ours.intensity_range, binding.intensity_range
        margin = _MARGIN * (high - low)
        if least < low - margin or most > high + margin:
            warnings.warn(
                f"intensities ({least:.4g} to {most:.4g}) leave the range of the calibration images ({low:.4g} to "
                f"{high:.4g}): its guarantee may not hold. Calibrate on images like this one.",
                SuperResWarning,
                stacklevel=2,
            )

    def summary(self) -> dict[str, object]:
        """Return what a report says of it."""
        names = ("alpha", "delta", "images", "q", "lam", "epsilon", "mean_width", "rank_correlation")
        return {n: getattr(self, n) for n in names} | {
            "model": self.binding.model,
            "curve": [list(c) for c in self.curve],
        }

    def to_json(self, path: str | Path) -> Path:
        """Write the calibration, a whole file or none.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        values = {k: str(v) if isinstance(v, float) and isinf(v) else v for k, v in asdict(self).items()}
        target = Path(path)
        write_text(target, json.dumps({"format": FORMAT, **values}, indent=2, ensure_ascii=False) + "\n")
        return target

    @classmethod
    def from_json(cls, path: str | Path) -> Self:
        """Read a calibration.

        Raises
        ------
        EvaluationError
            If the file is missing, damaged, or made by a newer version.
        """
        source = Path(path)
        try:
            values = json.loads(source.read_text("utf-8"))
            version = values.pop("format")
            if version <= FORMAT:
                return cls(**{**values, "binding": Binding(**values["binding"])})
        except OSError as error:
            raise EvaluationError(f"calibration {source} cannot be read: {error.strerror or error}.") from error
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise EvaluationError(
                f"{source.name} is no calibration or is damaged ({error}). Calibrate anew."
            ) from error
        raise EvaluationError(
            f"{source.name} was made by a newer version (format {version}, this program knows {FORMAT}). Update it."
        )


def intervals(found: Spread, calibration: Calibration, binding: Binding) -> Image:
    """Return the half-width of the interval around ``found.mean`` at each pixel.

    Parameters
    ----------
    found
        Spread of the results for one image.
    calibration
        Whose `factor` is used.
    binding
        What the spread is of, mostly ``Binding.of(found)``.

    Returns
    -------
    Image
        float32, in the intensity unit, on the result's grid; ``metadata["interval"]`` says which guarantee.

    Raises
    ------
    EvaluationError
        If the calibration does not hold for it, or has too few images for any interval.
    """
    calibration.check(binding)
    if isinf(calibration.factor):
        needed = ceil(1 / calibration.alpha - 1 - 1e-9)
        raise EvaluationError(
            f"intervals would be infinite: alpha {calibration.alpha:g} needs at least {needed} calibration images, "
            f"this one has {calibration.images}. Calibrate on more images, or allow a larger alpha."
        )
    width = calibration.factor * (np.asarray(found.deviation.data, dtype=np.float64) + calibration.epsilon)
    said = {
        "guarantee": "image" if calibration.lam is None else "risk",
        "factor": calibration.factor,
        "alpha": calibration.alpha,
        "delta": calibration.delta,
        "images": calibration.images,
    }
    return found.deviation.replace(data=width.astype(np.float32), metadata={"interval": said})


def _check_pixel_size(held: Pair | None, given: Pair | None) -> None:
    if held is None and given is None:
        return
    if held is None or given is None:
        unknown, known = ("the calibration images", "this one's") if held is None else ("this image", "the others'")
        raise EvaluationError(
            f"the pixel size of {unknown} is not known, {known} is {_shown(held or given)}: whether the calibration "
            "holds cannot be told. Give the pixel size (with_pixel_size), or calibrate anew."
        )
    if given[0] < held[0] / _TOLERANCE or given[1] > held[1] * _TOLERANCE:
        raise EvaluationError(
            f"the calibration holds for pixels of {_shown(held)}, got {_shown(given)}. Calibrate on images with such "
            "pixels, or correct the pixel size."
        )


def _shown(pair: Pair | None) -> str:
    return "" if pair is None else f"{' to '.join(dict.fromkeys(f'{v:.4g}' for v in pair))} µm"


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise EvaluationError(f"a calibration needs {what}")
