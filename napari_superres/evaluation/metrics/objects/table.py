"""The rows of a report on objects: those of a candidate next to those of the reference."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import nan
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.errors import EvaluationError, SettingsError
from napari_superres.evaluation.metrics.objects.detect import (
    MATCH_IOU,
    Detector,
    Kind,
    Labels,
    check_kind,
    label_diameter,
    measure_diameter,
)
from napari_superres.evaluation.metrics.objects.match import ObjectMatch, average_precision, match_objects

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

Support = tuple[Floats, Flags]
"""Support of a candidate's objects in the input, and which of them are invented: `ObjectMeter.support`."""

_LEAST_AREA = 8
"""Pixels that an object of masks has in the mean, at least."""

AP_THRESHOLDS = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))
"""Thresholds of intersection over union that the mean average precision is taken over."""

REFERENCE, INPUT = "reference", "input"
"""Rows of the method itself: the reference searched for the objects of the masks, and the input on its own grid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectSettings:
    """Which objects are looked for.

    Attributes
    ----------
    kind
        ``"spots"``, ``"nuclei"`` or ``"filaments"``.
    size
        Diameter of a typical object, or the width of a filament, in the image's unit of length (pixels of the result
        if its pixel size is unknown); None measures it in the reference.
    """

    kind: Kind
    size: float | None = None

    def __post_init__(self) -> None:
        check_kind(self.kind)
        if self.size is not None and not 0 < self.size < np.inf:
            raise SettingsError(f"`object_size` must be a length above 0, got {self.size}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRow:
    """What became of the objects of one channel of the reference in a candidate; all planes and frames together.

    Attributes
    ----------
    image, candidate, role, channel
        As in the rows of pixel metrics.
    objects, expected
        Numbers of objects in the candidate and in the reference.
    kept, merged, split, lost
        Objects of the reference that have a partner, were merged with others, fell into parts, or are not there.
    invented
        Objects of the candidate that nothing in the reference accounts for.
    ap50, ap75, ap
        TP / (TP + FP + FN) at an intersection over union of 0.5 and 0.75, and its mean over 0.5 to 0.95.
    area, intensity
        Medians over the kept objects of the ratio of area, and of mean intensity above the background, to the
        reference's; NaN if none is kept.
    found
        For each object of the reference, whether it is kept.
    """

    image: str
    candidate: str
    role: str
    channel: str
    objects: int
    expected: int
    kept: int
    merged: int
    split: int
    lost: int
    invented: int
    ap50: float
    ap75: float
    ap: float
    area: float
    intensity: float
    found: Flags = field(repr=False, compare=False)

    @property
    def f1(self) -> float:
        """Kept objects as a share of the mean number of objects in candidate and reference; NaN if both have none."""
        total = self.objects + self.expected
        return 2 * self.kept / total if total else nan


@dataclass(frozen=True, slots=True)
class _Frame:
    """One channel at one time: the reference, its objects, and how they are looked for."""

    channel: int
    time: int
    values: Floats
    labels: Labels
    detector: Detector


class ObjectMeter:
    """Measures candidates by the objects of one reference.

    Parameters
    ----------
    reference
        Reference on the grid of results. Pixels that are not finite belong to no object of any image.
    settings
        Which objects are looked for.
    labels
        Objects of the reference on the same grid: numbers in the pixels of each, 0 in the background. None looks for
        them in the reference.
    image
        What rows call the image.

    Raises
    ------
    EvaluationError
        If there is no object whose size could be measured, or the labels are no whole numbers, or an image.
    """

    def __init__(self, reference: Image, settings: ObjectSettings, labels: Image | None, image: str) -> None:
        self.kind, self.image, self.labelled = settings.kind, image, labels is not None
        self._steps = _steps(reference)
        self._names = reference.channel_names or tuple(str(c) for c in range(reference.size("C")))
        self._judged: list[tuple[Labels, Flags]] = []
        self.frames = list(self._find_reference(reference, settings, labels))

    def _find_reference(self, reference: Image, settings: ObjectSettings, labels: Image | None) -> Iterator[_Frame]:
        detectors: dict[int, Detector] = {}
        masks = iter(()) if labels is None else (_checked(values) for _, _, values in frames_of(labels))
        for channel, time, values in frames_of(reference):
            known = next(masks, None)
            if channel not in detectors:
                detectors[channel] = Detector(self.kind, self._diameter(values, known, settings, reference))
            detector = detectors[channel]
            found = detector.find(values) if known is None else np.where(np.isfinite(values), known, 0)
            yield _Frame(channel, time, values, np.asarray(found, np.int32), detector)

    def _diameter(
        self, values: Floats, labels: Labels | None, settings: ObjectSettings, reference: Image
    ) -> tuple[float, ...]:
        if settings.size is not None:
            pixel = reference.pixel_size[reference.spatial.index("X")] if reference.has_pixel_size else 1.0
            return tuple(settings.size / (pixel * step) for step in self._steps)
        if labels is not None and self.kind == "nuclei":
            return label_diameter(labels, self._steps)
        return measure_diameter(values, self.kind, self._steps)

    def measure(self, candidate: Image, name: str, role: str, *, judged: bool = False) -> list[ObjectRow]:
        """Return one row per channel of a candidate on the grid of the reference.

        Parameters
        ----------
        candidate
            Image of the same axes and shape.
        name, role
            As in the rows of pixel metrics.
        judged
            Remember its objects for `support`.
        """
        found = []
        for frame, (_, _, values) in zip(self.frames, frames_of(candidate), strict=True):
            valid = np.where(np.isfinite(frame.values), values, np.nan)
            found.append((valid, frame.detector.find(valid)))
        return self._rows(found, name, role, judged=judged)

    def measure_input(self, lr: Image, factors: Sequence[int], to_fine: Callable[[Image], Image]) -> list[ObjectRow]:
        """Return the rows of the input, whose objects are looked for on its own, coarser grid.

        Parameters
        ----------
        lr
            The input, without colour samples.
        factors
            Scale along each axis of a frame.
        to_fine
            Return an image on the grid of the input on that of the reference, each pixel repeated.
        """
        labels = np.zeros(lr.shape, np.int32)
        detectors = {frame.channel: frame.detector.on_grid(factors) for frame in self.frames}
        for channel, time, values in frames_of(lr):
            at = {"C": channel, "T": time}
            index = tuple(at.get(a, slice(None)) for a in lr.axes)
            labels[index] = detectors[channel].find(values).reshape(labels[index].shape)
        images = [frames_of(to_fine(i)) for i in (lr, lr.replace(data=labels))]
        found = [(values, np.asarray(found, np.int32)) for (_, _, values), (_, _, found) in zip(*images, strict=True)]
        return self._rows(found, INPUT, "beside")

    def measure_reference(self) -> list[ObjectRow]:
        """Return the rows of the reference itself: what the method finds of the objects that the masks show."""
        return self._rows([(f.values, f.detector.find(f.values)) for f in self.frames], REFERENCE, "beside")

    def _rows(
        self, found: Sequence[tuple[Floats, Labels]], name: str, role: str, *, judged: bool = False
    ) -> list[ObjectRow]:
        rows = []
        for channel in dict.fromkeys(f.channel for f in self.frames):
            pairs = [(f, *each) for f, each in zip(self.frames, found, strict=True) if f.channel == channel]
            matches = [match_objects(f.labels, labels, MATCH_IOU[self.kind]) for f, _, labels in pairs]
            if judged:
                self._judged += [(labels, m.invented) for (_, _, labels), m in zip(pairs, matches, strict=True)]
            rows.append(self._row(pairs, matches, name, role, self._names[channel]))
        return rows

    def _row(
        self,
        pairs: Sequence[tuple[_Frame, Floats, Labels]],
        matches: Sequence[ObjectMatch],
        name: str,
        role: str,
        channel: str,
    ) -> ObjectRow:
        curves = [average_precision(f.labels, labels, AP_THRESHOLDS) for f, _, labels in pairs]
        weights = [m.reference.size + m.candidate.size for m in matches]
        precision = _mean(curves, weights)
        ratios = [_ratios(f, values, labels, m) for (f, values, labels), m in zip(pairs, matches, strict=True)]
        area, intensity = (_median(np.concatenate([r[i] for r in ratios])) for i in (0, 1))
        total = {
            name: sum(int(getattr(m, name).sum()) for m in matches)
            for name in ("kept", "merged", "split", "lost", "invented")
        }
        return ObjectRow(
            image=self.image,
            candidate=name,
            role=role,
            channel=channel,
            objects=sum(m.candidate.size for m in matches),
            expected=sum(m.reference.size for m in matches),
            **total,
            ap50=float(precision[0]),
            ap75=float(precision[5]),
            ap=float(precision.mean()),
            area=area,
            intensity=intensity,
            found=np.concatenate([m.kept for m in matches]),
        )

    def support(self, base: Image) -> Support:
        """Return how well the input shows each object of the judged candidate, and which objects are invented.

        Parameters
        ----------
        base
            The interpolated input on the grid of the reference.

        Returns
        -------
        support
            Mean of `base` in an object above the median outside all objects, in standard deviations of what lies
            outside. It is known without a reference, too.
        invented
            Whether nothing in the reference accounts for the object.
        """
        images = (values for _, _, values in frames_of(base))
        support = [object_support(values, labels) for values, (labels, _) in zip(images, self._judged, strict=True)]
        return np.concatenate(support), np.concatenate([invented for _, invented in self._judged])


def object_support(values: Floats, labels: Labels) -> Floats:
    """Return the mean of each object above the background, in standard deviations of the background."""
    numbers, means, outside = _means(values, labels)
    if not numbers.size or not outside.size:
        return np.full(numbers.size, np.inf)
    level = float(np.median(outside))
    deviation = 1.4826 * float(np.median(np.abs(outside - level)))
    return (means - level) / max(deviation, 1e-9 * max(float(np.ptp(outside)), abs(level), 1e-300))


def frames_of(image: Image) -> Iterator[tuple[int, int, Floats]]:
    """Yield channel, time and pixels of each frame, channel by channel: ``(Z)YX``, without Z if there is one plane.

    Colours are averaged.
    """
    data, axes = np.asarray(image.data), image.axes
    if "S" in axes:
        data, axes = data.mean(axis=axes.index("S")), axes.replace("S", "")
    data = data.transpose([axes.index(a) for a in "CTZYX" if a in axes])
    inner = data.shape[-3:] if image.size("Z") > 1 else data.shape[-2:]
    data = data.reshape(image.size("C"), image.size("T"), *inner)
    for channel, time in np.ndindex(data.shape[:2]):
        yield channel, time, np.asarray(data[channel, time], np.float64)


def _checked(values: Floats) -> Labels:
    """Return the masks of a frame as whole numbers."""
    if not np.array_equal(values, np.rint(values)) or values.min() < 0:
        raise EvaluationError(
            "masks must hold whole numbers of at least 0: one for each object, 0 for the background.",
            remedy="Give a label image as `labels`.",
        )
    objects = len(np.unique(values)) - 1
    if objects > values.size / _LEAST_AREA:
        raise EvaluationError(
            f"this is an image, and no masks: {objects} different values on {values.size} pixels.",
            remedy="Give a label image as `labels`: one number for each object, 0 for the background.",
        )
    return np.asarray(values, np.int32)


def _steps(image: Image) -> tuple[float, ...]:
    """Return the size of a pixel along each axis of a frame, in units of that along X."""
    sizes = [image.pixel_size[image.spatial.index(a)] for a in image.spatial if a != "Z" or image.size("Z") > 1]
    return tuple(s / sizes[-1] for s in sizes)


def _ratios(frame: _Frame, values: Floats, labels: Labels, match: ObjectMatch) -> tuple[Floats, Floats]:
    """Return the ratios of area and of intensity above the background for each pair of objects."""
    areas, levels = [], []
    for side, (image, found) in enumerate(((frame.values, frame.labels), (values, labels))):
        _, means, outside = _means(image, found)
        count = np.bincount(found.ravel())[1:]
        at = match.pairs[:, side]
        areas.append(count[count > 0][at].astype(np.float64))
        levels.append(means[at] - (float(np.median(outside)) if outside.size else 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return areas[1] / areas[0], levels[1] / levels[0]


def _means(values: Floats, labels: Labels) -> tuple[npt.NDArray[Any], Floats, Floats]:
    """Return the numbers of the objects, the mean in each, and the finite pixels outside."""
    finite = np.isfinite(values)
    count = np.bincount(labels.ravel())
    numbers = np.flatnonzero(count[1:]) + 1
    sums = np.bincount(labels[finite], values[finite], minlength=count.size)
    with np.errstate(invalid="ignore"):
        means = sums / np.bincount(labels[finite], minlength=count.size)
    return numbers, np.asarray(means[numbers]), values[finite & (labels == 0)]


def _mean(curves: Sequence[Floats], weights: Sequence[int]) -> Floats:
    """Return the mean over frames, weighted by their number of objects; NaN if there is none."""
    if not sum(weights):
        return np.full(len(AP_THRESHOLDS), nan)
    return np.asarray(np.average(np.nan_to_num(curves), axis=0, weights=weights), np.float64)


def _median(values: Floats) -> float:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if values.size else nan
