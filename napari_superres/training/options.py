"""Options of training: what they are, and their defaults."""

from pathlib import Path
from typing import TypedDict


class TrainOptions(TypedDict, total=False):
    """Options of `train` and `iter_train`.

    Attributes
    ----------
    minutes, steps
        Budget; training ends when either is spent. If both are None, the minutes of the recipe are the budget.
    start
        Model, by name or file, whose weights training starts from where their shapes agree. By default the recipe's, if
        it names one.
    seed
        Seed of the initial weights, patches and noise.
    overwrite
        Whether to replace an existing `output`, and to discard an unfinished training of it.
    resume
        Whether to continue an unfinished training, if one exists. Recipe, images, seed and budget must be the same. A
        checkpoint is written every minute, and the result equals that of an undisturbed training.
    register
        Whether to align recorded pairs instead of refusing those that lie apart.
    log
        Folder for the curves of loss and validation: ``metrics.csv``, and TensorBoard's files if it is installed.
    """

    minutes: float | None
    steps: int | None
    start: Path | str | None
    seed: int
    overwrite: bool
    resume: bool
    register: bool
    log: Path | str | None


TRAIN_DEFAULTS: TrainOptions = {
    "minutes": None,
    "steps": None,
    "start": None,
    "seed": 0,
    "overwrite": False,
    "resume": False,
    "register": False,
    "log": None,
}
"""Default of each option."""
