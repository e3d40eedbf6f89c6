"""Checkpoints: a resumed training continues as if it had not been interrupted."""

import json
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from napari_superres.atomic import replacing
from napari_superres.errors import OutputError, OutputExistsError, TrainingError

EVERY_SECONDS = 60.0
KEY = "training"
"""Key under which a checkpoint holds the settings of its training, as JSON."""


def checkpoint_path(output: Path) -> Path:
    """Return the path of the checkpoint of a training: a hidden file next to the model file."""
    return output.with_name(f".{output.stem}.unfinished.ckpt")


def find_checkpoint(output: Path, settings: Mapping[str, Any], *, resume: bool, overwrite: bool) -> Path | None:
    """Return the checkpoint to resume from, or None to start from the beginning.

    Parameters
    ----------
    output
        Model file to write.
    settings
        Everything that decides the result: recipe, images, seed, budget.
    resume, overwrite
        Whether to resume from a checkpoint; whether to discard it.

    Raises
    ------
    OutputExistsError
        If a checkpoint exists and neither `resume` nor `overwrite` is set.
    TrainingError
        If the checkpoint is damaged, or belongs to a training with other settings.
    """
    path = checkpoint_path(output)
    if not path.exists():
        return None
    if not resume:
        if overwrite:
            return None
        raise OutputExistsError(
            f"an unfinished training of {output.name} exists.",
            remedy="Set `resume` to continue it, or `overwrite` to start again.",
        )
    try:
        saved = json.loads(torch.load(path, map_location="cpu", weights_only=True)[KEY])
    except Exception as error:  # a file that is not a checkpoint may raise anything
        raise TrainingError(f"the checkpoint {path} is damaged.", remedy="Set `overwrite` to start again.") from error
    now = json.loads(settings_json(settings))
    if different := [key for key in {*saved, *now} if saved.get(key) != now.get(key)]:
        raise TrainingError(
            f"the unfinished training of {output.name} was started with other settings "
            f"({', '.join(sorted(different))}).",
            remedy="Use the same settings, or set `overwrite` to start again.",
        )
    return path


class CheckpointWriter:
    """Writes a checkpoint every minute. If writing fails, the last good one stays.

    Parameters
    ----------
    trainer
        Lightning's trainer, whose state is saved.
    path
        File to write.
    """

    notes: tuple[str, ...] = ()
    """What the user should know about checkpoints that could not be written."""

    def __init__(self, trainer: Any, path: Path) -> None:
        self._trainer, self._path = trainer, path
        self._last, self._interrupted = time.monotonic(), False

    def __call__(self) -> None:
        """Write a checkpoint if a minute has passed, or if Ctrl-C was pressed: training then ends."""
        if self._interrupted:
            self.write()
            raise KeyboardInterrupt
        if time.monotonic() - self._last >= EVERY_SECONDS:
            self.write()
            self._last = time.monotonic()

    @contextmanager
    def delay_interrupt(self) -> Iterator[None]:
        """Let Ctrl-C end training after the current step, with a checkpoint; a second Ctrl-C ends it at once."""
        handler = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is not threading.main_thread() or handler is signal.SIG_IGN:
            yield
            return

        def interrupt(*_: object) -> None:
            if self._interrupted:
                raise KeyboardInterrupt
            self._interrupted = True

        signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, handler)

    def write(self) -> None:
        """Write a checkpoint now."""
        try:
            with replacing(self._path) as (temporary,):
                self._trainer.save_checkpoint(temporary, weights_only=False)
        except OutputError as error:
            self.notes = self.notes or (f"{error.message} Training goes on; the last good checkpoint is kept.",)


def settings_json(settings: Mapping[str, Any]) -> str:
    """Return the settings that decide the result of a training, as text that can be compared."""
    return json.dumps(settings, sort_keys=True, default=str)
