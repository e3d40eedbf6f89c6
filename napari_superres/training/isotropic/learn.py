"""From a stack to its model: checks, the two predictions, the network."""

import hashlib
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from math import floor
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_superres.core.image import Image
from napari_superres.core.noise import Noise, measure_noise
from napari_superres.core.units import METRES
from napari_superres.errors import SettingsError, TrainingError
from napari_superres.models.architectures.orthogonal import Orthogonal
from napari_superres.models.card import ITSELF, ModelCard
from napari_superres.models.model import Model
from napari_superres.models.model_file import pack_model
from napari_superres.training.isotropic import checks
from napari_superres.training.isotropic.fit import STEPS, TRUNK, Lesson, fit
from napari_superres.training.isotropic.geometry import Geometry
from napari_superres.training.isotropic.options import IsotropicOptions
from napari_superres.training.isotropic.predict import gain_along, gain_on_planes
from napari_superres.training.isotropic.stack import Pixels, hold_out, read_pixels

Floats = npt.NDArray[np.float32]

NAME = "isotropic"

LEAST_GAIN = 0.2
"""Predicted gain over the area spline, in dB, below which interpolation is offered instead."""

_LOSS = -0.2
"""Gain one octave up, in dB, below which no other check is worth its time."""

_SHARE = 0.63
"""Share of the gain on planes that was reached along the coarse axis: the median of eight volumes with thin slices.

They are those of ``train/`` in ``tests/benchmarks/own_data/isotropic.py``; the shares were 0.58 to 1.0, and 9 where the
gain on planes was 0.1 dB.
"""

_FEWEST_COARSE = 4
"""Slices that must be left of a stack that is made coarser, to compare it with itself."""

_CITATION = (
    "Zhao, Dewey, Pham, Calabresi, Reich, Prince: SMORE: a self-supervised anti-aliasing and super-resolution "
    "algorithm for MRI using deep learning. IEEE Transactions on Medical Imaging 40, 2021. doi:10.1109/TMI.2020.3037187"
)


@dataclass(frozen=True, slots=True)
class Prediction:
    """How much closer to the truth than interpolation the result is expected to be, in dB.

    Attributes
    ----------
    planes
        Measured on planes that no training saw, made coarse along an axis across.
    octave
        Measured along the coarse axis, on the stack made coarser; None if it has too few slices or pixels.
    """

    planes: float
    octave: float | None

    @property
    def gain(self) -> float:
        """The mean of both: that on planes was too high elsewhere, the other too low. One alone is corrected."""
        return _SHARE * self.planes if self.octave is None else (self.planes + self.octave) / 2


@dataclass(frozen=True, slots=True)
class Learnt:
    """A model learnt from a stack.

    Attributes
    ----------
    model
        Ready to run on this stack and on others of its kind.
    weights
        State dict of its network, for `write_model`.
    prediction
        Of its gain.
    notes
        What the user should know, in sentences.
    """

    model: Model
    weights: dict[str, Any]
    prediction: Prediction
    notes: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """The prediction in a sentence."""
        gain = self.prediction.gain
        where = "on planes of the stack" if self.prediction.octave is None else "the mean of two checks on the stack"
        side = "closer to" if gain >= 0 else "farther from"
        return f"The result is expected to be {abs(gain):.1f} dB {side} the truth than interpolation ({where})."


@dataclass(frozen=True, slots=True)
class LearningStep:
    """Progress: the steps done of all, as time allows; the seconds so far, and an estimate of the rest."""

    done: int
    total: int
    seconds: float
    remaining: float


def learn(
    image: Image, geometry: Geometry, options: IsotropicOptions, channels: tuple[int, ...] | None = None
) -> Generator[LearningStep, None, Learnt]:
    """Learn to make the slices of a stack thinner, step by step; return the model.

    Parameters
    ----------
    image
        Stack.
    geometry
        Result of `find_geometry` for it.
    options
        Complete options.
    channels
        Channels to learn from; all by default.

    Raises
    ------
    TrainingError
        If the stack is not suitable, or the predicted gain is within its error or was cut short, unless `force` is
        set.
    SettingsError
        If `minutes` is not above 0.
    """
    if not options["minutes"] > 0:
        raise SettingsError(f"`minutes` must be above 0, got {options['minutes']}.")
    pixels = read_pixels(image, geometry.axis, channels)
    refusal = checks.find_refusal(pixels, geometry)
    if refusal is not None and not (refusal.possible and options["force"]):
        raise _refusal(refusal.reason, geometry, possible=refusal.possible)
    held = set(hold_out(len(pixels.planes)))
    seen = [plane for i, plane in enumerate(pixels.planes) if i not in held]
    lesson = Lesson(scale=geometry.factor, profile=geometry.profile, noise=_noise(pixels.planes))
    further = Lesson(scale=lesson.scale, profile=lesson.profile, noise=lesson.noise, octave=lesson.scale)
    both = _has_octave(pixels, further)
    clock, octave = _Clock(options["minutes"] * 60, 2 if both else 1), None
    if both:
        network, steps = yield from clock.run(seen, further, options["seed"])
        octave = min(gain_along(network, sample, further) for sample in pixels.samples)
        if octave < _LOSS and not options["force"]:
            raise _too_small(octave, steps, geometry)
    network, steps = yield from clock.run(seen, lesson, options["seed"])
    same_size = [p for i, p in enumerate(pixels.planes) if i in held and p.shape == pixels.planes[0].shape]
    prediction = Prediction(gain_on_planes(network, same_size, lesson), octave)
    if prediction.gain < LEAST_GAIN and not options["force"]:
        raise _too_small(prediction.gain, steps, geometry)
    weights = network.state_dict()
    full = Orthogonal(scale=geometry.scale, mirrored=True).eval().requires_grad_(False)
    full.load_state_dict(weights)
    card = _card(image, geometry, full.halo, prediction, options, steps)
    model = Model(card, full, hashlib.sha256(pack_model(card, weights)).hexdigest())
    short = () if steps == STEPS else (f"{_cut_short(steps)}. Set more `minutes`.",)
    forced = () if refusal is None else (f"This stack was made isotropic by `force`, although {refusal.reason}.",)
    return Learnt(model, weights, prediction, (*geometry.notes, *checks.notes(pixels), *short, *forced))


class _Clock:
    """Runs trainings, each in its part of the time, and measures the progress of all."""

    def __init__(self, seconds: float, trainings: int) -> None:
        self._start, self._limit, self._trainings, self._done = time.monotonic(), seconds / trainings, trainings, 0

    def run(
        self, planes: Sequence[Floats], lesson: Lesson, seed: int
    ) -> Generator[LearningStep, None, tuple[Orthogonal, int]]:
        """Yield the progress of a training; return its network and number of steps."""
        start, number = time.monotonic(), 0
        training = fit(planes, lesson, seed=seed, stop=lambda: time.monotonic() - start > self._limit)
        while True:
            try:
                next(training)
            except StopIteration as stop:
                self._done += 1
                return stop.value, number
            number += 1
            now = time.monotonic()
            share = (self._done + max(number / STEPS, min(1.0, (now - start) / self._limit))) / self._trainings
            total, seconds = STEPS * self._trainings, now - self._start
            yield LearningStep(int(share * total), total, seconds, seconds * (1 - share) / share)


def _noise(planes: Sequence[Floats]) -> Noise:
    try:
        return measure_noise(planes)
    except SettingsError:  # hardly any structure, or hardly any pixels
        return Noise(0.0, 0.0, 0.0)


def _has_octave(pixels: Pixels, further: Lesson) -> bool:
    """Return whether there are enough slices and pixels to learn and to check one octave further up."""
    _, margin = further.profile.taps(further.scale)
    coarse = (min(len(s) for s in pixels.samples) - 2 * margin) // further.scale
    along = (min(min(p.shape) for p in pixels.planes) // further.octave - 2 * margin) // further.scale
    return coarse >= _FEWEST_COARSE and along >= checks.SMALLEST_PATCH


def _too_small(gain: float, steps: int, geometry: Geometry) -> TrainingError:
    if steps < STEPS:  # nothing is known of what the rest would have learnt
        return TrainingError(
            f"{_cut_short(steps)}, and what was learnt by then is no better than interpolation.",
            remedy="Set more `minutes`, or set `force` to do it all the same.",
        )
    within = "within the error of the prediction" if gain > _LOSS else "a loss"
    # Rounded down, so that it is seen to be below the least.
    return _refusal(f"the predicted gain over interpolation, {floor(100 * gain) / 100:.2f} dB, is {within}", geometry)


def _cut_short(steps: int) -> str:
    return f"Only {steps} of {STEPS} steps were done in time"


def _refusal(reason: str, geometry: Geometry, *, possible: bool = True) -> TrainingError:
    scale = "x".join(map(str, geometry.scale))
    return TrainingError(
        f"this stack cannot be made isotropic from its own planes: {reason}.",
        remedy=f"Use `upscale()` with the model area-spline-x{scale}, which interpolates"
        + (", or set `force` to do it all the same." if possible else "."),
    )


def _card(
    image: Image,
    geometry: Geometry,
    halo: tuple[int, ...],
    prediction: Prediction,
    options: IsotropicOptions,
    steps: int,
) -> ModelCard:
    metres = METRES.get(image.units.get("X") or "")
    # The range of a card is that of pixels along Y and X.
    fine = None if metres is None or geometry.axis != "Z" else geometry.fine * metres * 1e6
    check = {
        "predicted_gain": round(prediction.gain, 2),
        "gain_on_planes": round(prediction.planes, 2),
        "gain_one_octave_up": None if prediction.octave is None else round(prediction.octave, 2),
        "over": "area-spline",
        "profile": geometry.profile.kind,
        "width": round(geometry.profile.width, 4),
        "seed": options["seed"],
        "steps": steps,
    }
    return ModelCard(
        name=NAME,
        title=f"Slices of one stack made {geometry.factor} times thinner",
        architecture="orthogonal",
        arguments={"scale": list(geometry.scale), "mirrored": True},
        scale=geometry.scale,
        halo=halo,
        intensity="percentile",
        modality=str(image.metadata.get("modality", "any")),
        pixel_size=None if fine is None else (0.8 * fine, 1.25 * fine),
        degradation=geometry.profile.describe(),
        training=f"One stack of {' x '.join(map(str, image.shape))} pixels ({image.axes}): its planes across "
        f"{geometry.axis}, made coarse along one axis; {steps} steps from {TRUNK}, mean squared error, "
        "averaged weights.",
        limits="For this stack, and stacks of the same kind, spacing and thickness.",
        citation=_CITATION,
        scores={ITSELF: {"protocol": "planes and slices of the stack itself, made coarser", **check}},
    )
