"""`TrainingStep`: the progress of a training, for those who show it. Needs neither Lightning nor torch."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Example:
    """A part of a validation image, as arrays ``(Z)YX`` on the intensity scale of the model.

    Attributes
    ----------
    lr
        The low-resolution image; of several frames the middle one.
    sr
        The result of the averaged weights.
    hr
        The high-resolution image.
    """

    lr: npt.NDArray[np.floating[Any]]
    sr: npt.NDArray[np.floating[Any]]
    hr: npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class TrainingStep:
    """Progress of a training.

    Attributes
    ----------
    step
        Number of steps done.
    share
        Share of the budget that is spent, 0 to 1.
    seconds, remaining
        Time spent, and an estimate of the time left.
    loss
        Loss of the last batch that had a finite one; nan before the first step.
    scores
        Mean PSNR on the validation images in dB, one per validation so far.
    bicubic
        Mean PSNR of bicubic interpolation on them; None before the first validation.
    shipped
        Name and mean PSNR of the model that comes with the program for the same task; None if there is none.
    example
        Example from the last validation, or from the untrained network before the first one; None if no images are held
        out.
    notes
        What the user should know about this training so far.
    """

    step: int
    share: float
    seconds: float
    remaining: float
    loss: float
    scores: tuple[float, ...]
    bicubic: float | None = None
    shipped: tuple[str, float] | None = None
    example: Example | None = None
    notes: tuple[str, ...] = ()
