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

from napari_superres.errors import OutputError, OutputExistsError, TrainingError
from napari_superres.storage.atomic import replacing

EVERY_SECONDS = 60.0
KEY, PROGRESS = "training", "progress"
"""Keys under which a checkpoint holds the settings of its training, as JSON, and what was reached so far."""


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
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        saved, is_whole = json.loads(checkpoint[KEY]), _is_progress(checkpoint[PROGRESS])
    except Exception as error:  # a file that is not a checkpoint may raise anything
        raise damaged(path) from error
    if not is_whole or not isinstance(saved, dict):
        raise damaged(path)
    now = json.loads(settings_json(settings))
    if different := [key for key in {*saved, *now} if saved.get(key) != now.get(key)]:
        raise TrainingError(
            f"the unfinished training of {output.name} was started with other settings "
            f"({', '.join(sorted(different))}).",
            remedy="Use the same settings, or set `overwrite` to start again.",
        )
    return path


def damaged(path: Path) -> TrainingError:
    """Return the error for a checkpoint from which training cannot continue."""
    return TrainingError(f"the checkpoint {path} is damaged.", remedy="Set `overwrite` to start again.")


def _is_progress(saved: Mapping[str, Any]) -> bool:
    """Return whether the counters, scores and weights that a checkpoint holds can be those of a training."""
    counts, numbers = [saved["batches"], saved["bad"], saved["looked"]], [saved["seconds"], saved["looking"]]
    numbers += saved["scores"]
    possible = all(type(n) is int and n >= 0 for n in counts) and all(isinstance(n, int | float) for n in numbers)
    return possible and all(isinstance(weight, torch.Tensor) for weight in saved["best"].values())


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
