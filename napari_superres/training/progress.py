"""How far a training is, for whoever shows it. Without Lightning."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Example:
    """One place of a validation image, as arrays ``(Z)YX`` on the model's intensity scale.

    Attributes
    ----------
    low
        What the instrument sees of it; of several frames the middle one.
    found
        What the averaged weights make of that.
    high
        The truth.
    """

    low: npt.NDArray[np.floating[Any]]
    found: npt.NDArray[np.floating[Any]]
    high: npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class TrainingStep:
    """How far a training is.

    Attributes
    ----------
    step
        Steps done.
    share
        Of the budget that is spent, 0 to 1.
    seconds, remaining
        Time spent, and an estimate of what is left.
    loss
        Of the last batch that had a finite one.
    scores
        Mean PSNR on the validation images in dB, one per look so far.
    bicubic
        That of bicubic interpolation; None before the first look.
    example
        As of the last look, before the first one of the network as it began; None where no images are held out.
    """

    step: int
    share: float
    seconds: float
    remaining: float
    loss: float
    scores: tuple[float, ...]
    bicubic: float | None = None
    example: Example | None = None
