"""Checkpoints: an interrupted training goes on as if it had not been interrupted."""

import json
import signal
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from napari_superres.atomic import replacing
from napari_superres.errors import OutputError, OutputExistsError, SuperResWarning, TrainingError

EVERY_SECONDS = 60.0
KEY = "training"
"""Under which a checkpoint says, as JSON, what it is of."""


def checkpoint_path(output: Path) -> Path:
    """Return where the checkpoint of a training lies: hidden beside its model."""
    return output.with_name(f".{output.stem}.unfinished.ckpt")


def check_checkpoint(output: Path, what: Mapping[str, Any], *, resume: bool, overwrite: bool) -> Path | None:
    """Return the checkpoint to go on from, or None to start anew.

    Parameters
    ----------
    output
        Model file to be made.
    what
        What decides the result: recipe, images, seed, budget.
    resume, overwrite
        Whether to go on from a checkpoint; whether to forget it.

    Raises
    ------
    OutputExistsError
        If there is one and neither is asked for.
    TrainingError
        If it is of another training, or damaged.
    """
    path = checkpoint_path(output)
    if not path.exists():
        return None
    if not resume:
        if overwrite:
            return None
        raise OutputExistsError(
            f"an unfinished training of {output.name} is there. Go on with it (--resume) or start anew (--overwrite)."
        )
    try:
        begun = json.loads(torch.load(path, map_location="cpu", weights_only=True)[KEY])
    except Exception as error:  # a file that is no checkpoint may raise anything
        raise TrainingError(f"the checkpoint {path} is damaged. Start anew (--overwrite).") from error
    now = json.loads(as_json(what))
    if others := [key for key in {*begun, *now} if begun.get(key) != now.get(key)]:
        raise TrainingError(
            f"the unfinished training of {output.name} was begun with other settings ({', '.join(sorted(others))}). "
            "Repeat what it was begun with, or start anew (--overwrite)."
        )
    return path


class Keeper:
    """Writes a checkpoint now and then; one that cannot be written leaves the last good one in place.

    Parameters
    ----------
    trainer
        Lightning's, of which to keep the state.
    path
        File to write.
    """

    def __init__(self, trainer: Any, path: Path) -> None:
        self._trainer, self._path = trainer, path
        self._last, self._warned, self._asked = time.monotonic(), False, False

    def __call__(self) -> None:
        """Write a checkpoint if the last one is old enough, or training is to end."""
        if self._asked:
            self.write()
            raise KeyboardInterrupt
        if time.monotonic() - self._last >= EVERY_SECONDS:
            self.write()
            self._last = time.monotonic()

    @contextmanager
    def between_steps(self) -> Iterator[None]:
        """Let Ctrl-C end training after the step that runs, with a checkpoint; when asked twice, at once."""
        before = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is not threading.main_thread() or before is signal.SIG_IGN:
            yield
            return

        def ask(*_: object) -> None:
            if self._asked:
                raise KeyboardInterrupt
            self._asked = True

        signal.signal(signal.SIGINT, ask)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def write(self) -> None:
        """Write a checkpoint now."""
        try:
            with replacing(self._path) as (made,):
                self._trainer.save_checkpoint(made, weights_only=False)
        except OutputError as error:
            if not self._warned:
                warnings.warn(
                    f"{error.message} Training goes on; the last good checkpoint is kept.",
                    SuperResWarning,
                    stacklevel=2,
                )
            self._warned = True


def as_json(what: Mapping[str, Any]) -> str:
    """Return what decides a training's result as text that can be compared."""
    return json.dumps(what, sort_keys=True, default=str)
