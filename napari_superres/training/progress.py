"""How far a training is, for whoever shows it. Without Lightning."""

from dataclasses import dataclass


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
    """

    step: int
    share: float
    seconds: float
    remaining: float
    loss: float
    scores: tuple[float, ...]
